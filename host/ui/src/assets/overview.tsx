/** The first tab of an asset: what it is, how it stands, and what is around it. */
import { type ComponentChildren, Fragment } from "preact";
import { Link } from "wouter-preact";
import type { Schemas } from "../api/client";
import { assetHref, runHref, setParams } from "../parts/address";
import { Copy } from "../parts/copy";
import { Prose } from "../parts/prose";
import { State } from "../parts/state";
import { Time } from "../parts/time";
import { Cause } from "../runs/cause";
import type { Detail } from "./detail";
import { healthWord, Kind } from "./kind";
import { Code, Linked } from "./text";
import { count, limitWords, linkOf, spanWords, thresholdWords } from "./words";

function Card({ title, note, children }: { title: string; note?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="card stack" aria-label={title}>
      <div class="row">
        <h2 class="grow">{title}</h2>
        {note}
      </div>
      {children}
    </section>
  );
}

/** A link to a run, with the job that it was. */
export function RunLink(props: { run: number; job?: string | null | undefined; inText?: boolean }) {
  const { run, job, inText } = props;
  return (
    <>
      <Link href={runHref(run)} class={job || inText ? "in-text" : ""}>
        run {run}
      </Link>
      {job && <span class="faint"> of {job}</span>}
    </>
  );
}

function Facts({ of }: { of: [name: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false)
        .map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
    </dl>
  );
}

/** Whether what was tried last is what built it last. */
function hasBuilt({ status, last_materialization: last }: Detail): boolean {
  return Boolean(status && last && status.attempt.run === last.run && status.state === last.state);
}

function LastRun({ asset }: { asset: Detail }) {
  const { status, last_materialization: last } = asset;
  const isSource = asset.resource_type === "source";
  if (!status && !last) {
    return (
      <p class="faint">
        {isSource ? "No run has looked at it yet." : "It was never built here. Materialize it, or run a job that does."}
      </p>
    );
  }
  const wentWell = hasBuilt(asset);
  return (
    <>
      {status && !wentWell && (
        <>
          <Facts
            of={[
              [
                "State",
                <span key="state" class="row">
                  <State state={status.state} /> <RunLink run={status.attempt.run} job={status.job} />
                </span>,
              ],
              ["When", <Time key="at" at={status.finished_at ?? status.started_at} />],
              ["Took", typeof status.execution_time === "number" && spanWords(status.execution_time)],
              [
                "Because of",
                status.skipped_because_of && (
                  <Cause key="cause" id={status.skipped_because_of} project={asset.project} of={status.attempt} />
                ),
              ],
            ]}
          />
          {status.message && <pre class="message">{status.message}</pre>}
        </>
      )}
      {last && (
        <>
          {status && !wentWell && <h3>Last materialization</h3>}
          <Facts
            of={[
              ["Built", <Time key="at" at={last.at} />],
              [
                "By",
                <span key="run" class="row">
                  <RunLink run={last.run} job={wentWell ? status?.job : undefined} />
                  <State state={last.state} />
                </span>,
              ],
              ["Took", typeof last.execution_time === "number" && spanWords(last.execution_time)],
              ["Rows", typeof last.rows_affected === "number" && last.rows_affected.toLocaleString("en")],
              [
                "Relation",
                last.relation_name && (
                  <span key="relation" class="row">
                    <code class="name">{last.relation_name}</code>
                    <Copy text={last.relation_name} label="Copy the relation" />
                  </span>
                ),
              ],
              ["Answer", wentWell && status?.message],
            ]}
          />
        </>
      )}
    </>
  );
}

/** The state of a check, in a word. */
export function checkState(check: Schemas["CheckDetail"]): string {
  const running = check.status?.state;
  if (running === "running" || running === "queued") return running;
  return check.last_result?.state ?? check.status?.state ?? "never";
}

/** The query that shows the rows which made a check fail. */
export function FailingRows({ query }: { query: string }) {
  return (
    <div class="stack tight">
      <div class="row small">
        <span class="faint grow">This query shows the rows:</span>
        <Copy text={query} label="Copy the query" />
      </div>
      <Code text={query} label="Query for the failing rows" />
    </div>
  );
}

function Checks({ asset }: { asset: Detail }) {
  const bad = asset.check_results.filter(({ last_result: last }) => last && !["pass", "success"].includes(last.state));
  const others = asset.check_results.length - bad.length;
  return (
    <>
      {asset.check_results.length === 0 && (
        <p class="faint">It has no checks. dbt's tests of it would be shown here.</p>
      )}
      {bad.slice(0, 5).map((check) => (
        <div key={check.unique_id} class="stack tight">
          <div class="row">
            <State state={checkState(check)} />
            <span class="name grow">{check.name}</span>
            {check.last_result && <RunLink run={check.last_result.run} />}
          </div>
          {check.last_result?.message && <pre class="message">{check.last_result.message}</pre>}
          {check.query && <FailingRows query={check.query} />}
        </div>
      ))}
      {others > 0 && (
        <ul class="names">
          {asset.check_results
            .filter((check) => !bad.includes(check))
            .slice(0, 12)
            .map((check) => (
              <li key={check.unique_id} class="row">
                <State state={checkState(check)} />
                <span class="name grow">{check.name}</span>
              </li>
            ))}
        </ul>
      )}
      {asset.check_results.length > 0 && (
        <button type="button" class="button quiet link" onClick={() => setParams({ tab: "checks" }, false)}>
          {asset.check_results.length === 1
            ? "The check and its history"
            : `All ${asset.check_results.length} checks and their history`}
        </button>
      )}
    </>
  );
}

/** How fresh an asset or a source is, as a badge. */
export function FreshnessBadge({ asset }: { asset: Detail }) {
  const word =
    asset.source_freshness?.state ?? (asset.freshness ? (asset.freshness.late ? "late" : "on time") : undefined);
  return word ? <State state={word} title="freshness" /> : null;
}

function Freshness({ asset }: { asset: Detail }) {
  const { freshness, source_freshness: look, fresh_within: wanted } = asset;
  const limit = freshness?.fresh_within ?? wanted;
  return (
    <>
      {look && (
        <Facts
          of={[
            ["State", <State key="state" state={look.state} />],
            ["Newest row", look.max_loaded_at && <Time key="newest" at={look.max_loaded_at} />],
            ["Looked at", <Time key="at" at={look.at} />],
            ["By", <RunLink key="run" run={look.run} />],
            ["Thresholds", thresholdWords(look.found)],
          ]}
        />
      )}
      {limit && (
        <Facts
          of={[
            [
              "State",
              freshness ? (
                <State key="state" state={freshness.late ? "late" : "on time"} />
              ) : (
                <span class="faint">not looked at yet</span>
              ),
            ],
            ["Since", freshness && <Time key="since" at={freshness.since} />],
            ["Has to be", limitWords(limit)],
            ["If not", limit.severity === "error" ? "that is an error" : "that is a warning"],
            ["Built last", freshness?.last && <Time key="last" at={freshness.last} />],
          ]}
        />
      )}
      {!look && !limit && (
        <p class="faint">
          {asset.resource_type === "source" ? (
            <>
              dbt has not looked at it yet: run a job with <code>dbt source freshness</code>.
            </>
          ) : (
            <>
              It need not be fresh. <code>fresh_within</code> in its <code>meta</code> would say how fresh it has to be.
            </>
          )}
        </p>
      )}
    </>
  );
}

/** How many neighbours are named before the rest is only counted. */
const NAMED = 50;

/** What an asset reads, or what reads it. */
export function Neighbours(props: {
  title: string;
  of: Schemas["Neighbour"][];
  project: string;
  /** The level of its heading. */
  as?: "h2" | "h3";
}) {
  const { title, of, project, as: Heading = "h3" } = props;
  return (
    <section class="stack tight" aria-label={title}>
      <Heading>
        {title} <span class="faint">{of.length}</span>
      </Heading>
      {of.length === 0 && <p class="faint">nothing</p>}
      <ul class="names">
        {of.slice(0, NAMED).map((one) => (
          <li key={one.unique_id} class="row">
            <Kind type={one.resource_type} bare />
            <span class="grow">
              {one.key ? (
                <Link class="name" href={assetHref(project, one.unique_id)}>
                  {one.key.join("/")}
                </Link>
              ) : (
                <Linked text={one.name} href={one.url && linkOf(one.url) ? one.url : one.name} />
              )}
            </span>
            {one.health && <State state={healthWord(one.resource_type, one.health)} title={one.state ?? undefined} />}
          </li>
        ))}
        {of.length > NAMED && <li class="faint">and {count(of.length - NAMED, "more", "more")}</li>}
      </ul>
    </section>
  );
}

/** The tab. */
export function Overview({ asset }: { asset: Detail }) {
  const description = asset.description ?? asset.definition?.description;
  return (
    <div class="columns">
      <div class="stack">
        <Card title="Description">
          {description ? <Prose text={description} /> : <p class="faint">Nobody has described it.</p>}
        </Card>
        <Card title="Checks">
          <Checks asset={asset} />
        </Card>
      </div>
      <div class="stack">
        <Card
          title={
            asset.resource_type === "source" || (asset.status && !hasBuilt(asset)) ? "Last run" : "Last materialization"
          }
        >
          <LastRun asset={asset} />
        </Card>
        <Card title="Freshness">
          <Freshness asset={asset} />
        </Card>
        <Card title="Lineage">
          <Neighbours title="Upstream" of={asset.parents} project={asset.project} />
          <Neighbours title="Downstream" of={asset.children} project={asset.project} />
        </Card>
      </div>
    </div>
  );
}
