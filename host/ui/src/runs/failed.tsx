/** First what failed: each node with its error, its failing rows and what it held up. */
import { CircleAlert } from "lucide-preact";
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { State } from "../parts/state";
import { logHref } from "./address";
import { CompiledSql } from "./compiled";
import { NodeName, Query } from "./node";
import { type Failed, failedOf, keyOf, lastOf, otherSkipped } from "./nodes";
import type { NodeRow, RunDetail } from "./shapes";
import { Long, plain } from "./text";
import { count, errorLine, isFinished } from "./words";

/** So many are shown at once, and of these so many in full; a run may fail five thousand times for one reason. */
const AT_ONCE = 10;
const IN_FULL = 2;

type Props = { run: RunDetail; nodes: NodeRow[] | undefined; isBrief: boolean };

/** What failed in a run; nothing where nothing did. In brief it is one line, for whoever looks at something else already. */
export function FailedPanel({ run, nodes, isBrief }: Props) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState(!isBrief);
  const [failed, others] = useMemo(() => {
    const last = lastOf(nodes ?? []);
    const found = failedOf(last);
    return [found, otherSkipped(last, found)];
  }, [nodes]);
  const without = dbtItself(run, failed);
  if (failed.length === 0 && without.length === 0) return null;
  const shown = all ? failed : failed.slice(0, AT_ONCE);
  const total = failed.length + without.length;
  if (!open) {
    const names = [...without.map(() => "dbt itself"), ...failed.slice(0, 3).map(({ node }) => node.key ?? node.name)];
    return (
      <section class="failed-panel brief" aria-label="What failed">
        <CircleAlert aria-hidden />
        <span class="name clip grow">
          <strong>{total.toLocaleString("en")} failed:</strong> {names.join(", ")}
          {total > names.length && ", …"}
        </span>
        <button type="button" class="more" onClick={() => setOpen(true)}>
          Show what failed
        </button>
      </section>
    );
  }
  return (
    <section class="failed-panel" aria-labelledby="failed">
      <h2 id="failed" class="row">
        <CircleAlert aria-hidden /> {isFinished(run.state) ? "What failed" : "What has failed so far"}
        {total > 1 && <span class="faint">{total.toLocaleString("en")}</span>}
      </h2>
      {without.map(({ step, attempt, reason }) => (
        <article key={`${step}.${attempt}`} class="failed-one">
          <div class="row">
            <State state="failed" />
            <strong>dbt itself</strong>
            <span class="faint">
              step {step}, attempt {attempt}
            </span>
          </div>
          <Message text={reason} />
        </article>
      ))}
      {shown.map((one, at) => (
        <One key={keyOf(one.node)} failed={one} run={run} inFull={at < IN_FULL || failed.length <= IN_FULL + 1} />
      ))}
      {failed.length > 0 && others.length > 0 && isFinished(run.state) && (
        <Held held={others} run={run} why="skipped, too; dbt did not say because of what" />
      )}
      {failed.length > AT_ONCE && (
        <button type="button" class="button" onClick={() => setAll(!all)}>
          {all ? `Only the first ${AT_ONCE}` : `Show all ${failed.length.toLocaleString("en")} that failed`}
        </button>
      )}
    </section>
  );
}

function One({ failed: { node, held }, run, inFull }: { failed: Failed; run: RunDetail; inFull: boolean }) {
  const [open, setOpen] = useState(inFull);
  return (
    <article class="failed-one">
      <div class="row">
        <State state={node.state} />
        <strong>
          <NodeName node={node} project={run.project} run={run.id} />
        </strong>
        <span class="faint">
          {node.resource_type}
          {node.failures ? `, ${count(node.failures, "failing row")}` : ""}
          {run.steps.length > 1 && `, step ${node.step}`}
          {node.attempt > 1 && `, attempt ${node.attempt}`}
        </span>
      </div>
      {node.message && <Message text={node.message} isBrief={!open} />}
      {open ? (
        <>
          {node.query && <Query query={node.query} />}
          <CompiledSql node={node} run={run.id} project={run.project} />
          {held.length > 0 && <Held held={held} run={run} why="skipped because of it" />}
          <div>
            <Link href={logHref(run.id, node)}>Its log lines</Link>
          </div>
        </>
      ) : (
        <div>
          <button type="button" class="more" onClick={() => setOpen(true)}>
            Show all of it{held.length > 0 && `, and ${count(held.length, "node")} skipped because of it`}
          </button>
        </div>
      )}
    </article>
  );
}

/** The first line to be read at once; the whole text below it, where there is more. */
function Message({ text, isBrief }: { text: string; isBrief?: boolean }) {
  const whole = plain(text).trim();
  const first = errorLine(whole);
  return (
    <>
      <p class="first-line name">{first}</p>
      {whole !== first && !isBrief && (
        <pre class="message">
          <Long text={whole} />
        </pre>
      )}
    </>
  );
}

function Held({ held, run, why }: { held: NodeRow[]; run: RunDetail; why: string }) {
  const [all, setAll] = useState(false);
  const shown = all ? held : held.slice(0, 12);
  return (
    <div>
      <span class="faint">
        {count(held.length, "node")} {why}:{" "}
      </span>
      <ul class="inline-list">
        {shown.map((node) => (
          <li key={keyOf(node)} class="tag">
            <NodeName node={node} project={run.project} run={run.id} />
          </li>
        ))}
      </ul>
      {held.length > shown.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          and {(held.length - shown.length).toLocaleString("en")} more
        </button>
      )}
    </div>
  );
}

/** The last attempts of steps that failed without any node of theirs having failed: dbt's own errors. */
function dbtItself(run: RunDetail, failed: Failed[]): { step: number; attempt: number; reason: string }[] {
  return run.steps.flatMap((step) => {
    const attempt = step.attempts.at(-1);
    if (!attempt || (attempt.state !== "failed" && attempt.state !== "interrupted")) return [];
    if (failed.some(({ node }) => node.step === step.number && node.attempt === attempt.number)) return [];
    const reason = attempt.exit?.spawn_error ?? attempt.reason;
    return reason ? [{ step: step.number, attempt: attempt.number, reason }] : [];
  });
}
