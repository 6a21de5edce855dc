/** The other tabs of an asset: history, checks, code, columns, runs, definition. */
import { type ComponentChildren, Fragment } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import type { Schemas } from "../api/client";
import { checkHref, runHref, useParam } from "../parts/address";
import { Copy } from "../parts/copy";
import type { Pages } from "../parts/live";
import { LongText } from "../parts/long";
import { More } from "../parts/more";
import { Empty, ProblemBox, Waiting } from "../parts/page";
import { Prose } from "../parts/prose";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import { shortId } from "../runs/words";
import { filterHref } from "./catalogue";
import { Chart } from "./chart";
import { type ColumnRow, columnsOf } from "./columns";
import { type Detail, useHistory, useResults } from "./detail";
import { ageOf, ages, durations, limitsOf, rowCounts } from "./history";
import { checkState, FailingRows, RunLink } from "./overview";
import { CodeBlock } from "./text";
import { count, spanWords, thresholdWords, valueText } from "./words";

const rows = (value: number) => value.toLocaleString("en");
const seconds = (value: number | null | undefined) => (typeof value === "number" ? spanWords(value) : "");

/** Fewer than this anyone can count. */
const FEW = 20;

/** A history: what is there of it, why it is not, or that there is none. */
function Rows<T>(props: {
  of: Pages<T>;
  none: ComponentChildren;
  what: string;
  children: (rows: T[]) => ComponentChildren;
}) {
  const { data, error } = props.of;
  if (!data) return error ? <ProblemBox error={error} /> : <Waiting />;
  if (!data.length) return <Empty>{props.none}</Empty>;
  return (
    <>
      {props.children(data)}
      {(props.of.hasMore || data.length > FEW) && <More of={props.of} what={props.what} />}
    </>
  );
}

const built: Column<Schemas["Materialization"]>[] = [
  { id: "at", head: "Built", cell: ({ at }) => <Time at={at} />, width: "150px" },
  { id: "run", head: "Run", cell: ({ run }) => <RunLink run={run} />, width: "90px" },
  { id: "state", head: "State", cell: ({ state }) => <State state={state} />, width: "150px" },
  { id: "took", head: "Took", cell: ({ execution_time }) => seconds(execution_time), width: "100px", num: true },
  {
    id: "rows",
    head: "Rows",
    cell: ({ rows_affected }) => (typeof rows_affected === "number" ? rows(rows_affected) : ""),
    width: "110px",
    num: true,
  },
  { id: "relation", head: "Relation", cell: ({ relation_name }) => <code>{relation_name}</code>, narrow: "line" },
];

/** Durations and rows over time, and the materializations one by one. */
export function History({ asset }: { asset: Detail }) {
  const [, go] = useLocation();
  const { project, unique_id: id } = asset;
  const history = useHistory("materializations", project, id);
  const runs = useHistory("runs", project, id);
  const took = useMemo(() => durations(history.data ?? [], runs.data ?? []), [history.data, runs.data]);
  const wrote = useMemo(() => rowCounts(history.data ?? [], runs.data ?? []), [history.data, runs.data]);
  const open = (run: number) => go(runHref(run));
  return (
    <div class="stack">
      {took.length > 0 && (
        <div class={wrote.length ? "grid-2" : ""}>
          <Chart title="Duration" points={took} unit="seconds" open={open} />
          {wrote.length > 0 && <Chart title="Rows" points={wrote} unit="count" open={open} />}
        </div>
      )}
      <Rows
        of={history}
        what="materializations"
        none="It was never built here. Each time that a run builds it, it is on record here."
      >
        {(items) => (
          <Table label="Materializations" rows={items} columns={built} rowKey={(row) => `${row.at} ${row.run}`} />
        )}
      </Rows>
    </div>
  );
}

const looks: Column<Schemas["SourceLook"]>[] = [
  { id: "at", head: "Looked at", cell: ({ at }) => <Time at={at} />, width: "150px" },
  { id: "run", head: "Run", cell: ({ run }) => <RunLink run={run} />, width: "90px" },
  { id: "state", head: "State", cell: ({ state }) => <State state={state} />, width: "150px" },
  { id: "age", head: "Age", cell: (look) => seconds(ageOf(look)), width: "110px", num: true },
  { id: "newest", head: "Newest row", cell: ({ max_loaded_at }) => <Time at={max_loaded_at} exact />, width: "200px" },
  { id: "limits", head: "Thresholds", cell: ({ found }) => thresholdWords(found), narrow: "line" },
];

/** How old a source was each time that dbt looked. */
export function Looks({ asset }: { asset: Detail }) {
  const [, go] = useLocation();
  const history = useHistory("source_freshness", asset.project, asset.unique_id);
  const points = useMemo(() => ages(history.data ?? []), [history.data]);
  const limits = useMemo(() => limitsOf(history.data?.[0]), [history.data]);
  return (
    <div class="stack">
      {points.length > 0 && (
        <Chart
          title="Age of the newest row"
          points={points}
          unit="seconds"
          limits={limits}
          open={(run) => go(runHref(run))}
        />
      )}
      <Rows
        of={history}
        what="looks"
        none={
          <>
            dbt has not looked at it yet. Run a job with <code>dbt source freshness</code>.
          </>
        }
      >
        {(items) => (
          <Table label="Looks at its freshness" rows={items} columns={looks} rowKey={(row) => `${row.at} ${row.run}`} />
        )}
      </Rows>
    </div>
  );
}

const results: Column<Schemas["CheckResult"]>[] = [
  { id: "at", head: "Made", cell: ({ at }) => <Time at={at} />, width: "150px" },
  { id: "run", head: "Run", cell: ({ run }) => <RunLink run={run} />, width: "90px" },
  { id: "state", head: "State", cell: ({ state }) => <State state={state} />, width: "110px" },
  {
    id: "failures",
    head: "Rows",
    cell: ({ failures }) => (typeof failures === "number" ? rows(failures) : ""),
    width: "90px",
    num: true,
  },
  { id: "message", head: "Message", cell: ({ message }) => <span class="clip">{message}</span>, narrow: "line" },
];

function Results({ project, check }: { project: string; check: string }) {
  const history = useResults(project, check);
  return (
    <Rows of={history} what="results" none="It was never made here.">
      {(items) => (
        <Table label="Results of the check" rows={items} columns={results} rowKey={(row) => `${row.at} ${row.run}`} />
      )}
    </Rows>
  );
}

/** The checks, each with what came of it last and, opened, its history. */
export function Checks({ asset }: { asset: Detail }) {
  const [opened, open] = useParam("check");
  const card = useRef<HTMLLIElement>(null);
  // A link to a check leads to where it is; a click on one leaves the page where it stands.
  useEffect(() => card.current?.scrollIntoView({ block: "nearest" }), []);
  if (!asset.check_results.length) return <Empty>It has no checks. dbt's tests of it would be shown here.</Empty>;
  return (
    <ul class="cards">
      {asset.check_results.map((check) => {
        const isOpen = opened === check.unique_id;
        const last = check.last_result;
        return (
          <li key={check.unique_id} ref={isOpen ? card : undefined} class="card stack">
            <div class="row top">
              <State state={checkState(check)} />
              <h2 class="grow name">{check.name}</h2>
              <span class="row">
                {check.column && <span class="tag clip">column {check.column}</span>}
                <span class="tag">{check.severity === "error" ? "an error" : "a warning"} when it fails</span>
              </span>
            </div>
            {check.description && <Prose text={check.description} />}
            {last ? (
              <div class="row small faint">
                <span>
                  <Time at={last.at} /> by <RunLink run={last.run} inText />
                </span>
                {typeof last.failures === "number" && <span>{count(last.failures, "failing row")}</span>}
              </div>
            ) : (
              <div class="small faint">It was never made here.</div>
            )}
            {last?.message && <pre class="message">{last.message}</pre>}
            {check.query && <FailingRows query={check.query} />}
            <div class="row small faint">
              <button
                type="button"
                class="button quiet link"
                aria-expanded={isOpen}
                onClick={() => open(isOpen ? "" : check.unique_id)}
              >
                {isOpen ? "Close its history" : "Its history"}
              </button>
              <span class="name">{check.original_file_path}</span>
              <span class="name">{check.unique_id}</span>
              <Copy text={check.unique_id} label="Copy the unique id" />
            </div>
            {isOpen && <Results project={asset.project} check={check.unique_id} />}
          </li>
        );
      })}
    </ul>
  );
}

/** Its code as it was written, and as dbt compiled it. */
export function CodeTab({ asset }: { asset: Detail }) {
  const { definition, compiled } = asset;
  if (!definition?.raw_code && !compiled) {
    return <Empty>{asset.resource_type === "source" ? "A source has no code." : "dbt knows no code of it."}</Empty>;
  }
  return (
    <div class="stack">
      {definition?.raw_code && (
        <CodeBlock
          title="As it was written"
          note={<span class="name">{asset.original_file_path}</span>}
          text={definition.raw_code}
        />
      )}
      {compiled ? (
        <>
          <CodeBlock
            title="Compiled by dbt"
            note={
              <>
                compiled by <RunLink run={compiled.attempt.run} inText />
              </>
            }
            text={compiled.code}
          />
          {compiled.cut && <p class="faint">It goes on: the artifacts of the run have all of it.</p>}
        </>
      ) : (
        definition?.raw_code && <p class="faint">How dbt compiles it is shown here when a run has built it.</p>
      )}
    </div>
  );
}

function Tests({ asset, of }: { asset: Detail; of: ColumnRow["checks"] }) {
  if (!of.length) return null;
  return (
    <ul class="names">
      {of.map((check) => (
        <li key={check.unique_id} class="row top">
          <State state={checkState(check)} />
          <Link class="name grow" href={checkHref(asset.project, asset.unique_id, check.unique_id)}>
            {check.name}
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** The columns that are documented or tested. */
export function Columns({ asset }: { asset: Detail }) {
  const of = columnsOf(asset.definition?.columns ?? [], asset.check_results);
  if (!of.length) {
    return (
      <Empty>
        No column is documented or tested. What <code>columns</code> says of it in dbt's YAML is shown here.
      </Empty>
    );
  }
  const columns: Column<ColumnRow>[] = [
    { id: "name", head: "Column", cell: ({ name }) => <code>{name}</code>, width: "minmax(140px, 240px)" },
    { id: "type", head: "Type", cell: ({ type }) => <code>{type}</code>, width: "minmax(90px, 140px)" },
    {
      id: "description",
      head: "Description",
      cell: ({ description, isDocumented }) =>
        isDocumented ? description && <Prose text={description} /> : <span class="faint">not documented</span>,
      narrow: "line",
    },
    { id: "tests", head: "Tests", cell: ({ checks }) => <Tests asset={asset} of={checks} />, narrow: "line" },
  ];
  return <Table label="Columns" rows={of} columns={columns} rowKey={({ name }) => name} />;
}

const parts: Column<Schemas["NodeStatus"]>[] = [
  {
    id: "run",
    head: "Run",
    cell: ({ attempt, job }) => <RunLink run={attempt.run} job={job} />,
    width: "minmax(90px, 220px)",
  },
  { id: "state", head: "State", cell: ({ state }) => <State state={state} />, width: "130px" },
  { id: "at", head: "When", cell: (node) => <Time at={node.finished_at ?? node.started_at} />, width: "130px" },
  { id: "took", head: "Took", cell: ({ execution_time }) => seconds(execution_time), width: "90px", num: true },
  {
    id: "step",
    head: "Step",
    cell: ({ attempt: { step, attempt } }) => (attempt > 1 ? `${step}, attempt ${attempt}` : step),
    width: "110px",
    narrow: "hide",
  },
  {
    id: "message",
    head: "Message",
    cell: ({ message, skipped_because_of: why }) => (
      <span class="clip">{why ? `because of ${shortId(why)}` : message}</span>
    ),
    narrow: "line",
  },
];

/** The runs that touched it. */
export function Runs({ asset }: { asset: Detail }) {
  const history = useHistory("runs", asset.project, asset.unique_id);
  return (
    <Rows of={history} what="runs" none="No run has touched it yet.">
      {(items) => (
        <Table
          label="Runs that touched it"
          rows={items}
          columns={parts}
          rowKey={({ attempt }) => `${attempt.run}.${attempt.step}.${attempt.attempt}`}
        />
      )}
    </Rows>
  );
}

const settings: Column<[name: string, value: unknown]>[] = [
  { id: "key", head: "Key", cell: ([name]) => <code>{name}</code>, width: "minmax(140px, 260px)" },
  {
    id: "value",
    head: "Value",
    cell: ([, value]) => (
      <div class="mono exact">
        <LongText text={valueText(value)} />
      </div>
    ),
    narrow: "line",
  },
];

/** What someone set, or that nobody did. */
function Settings(props: { title: string; of: Record<string, unknown> | undefined; none: ComponentChildren }) {
  const rows = Object.entries(props.of ?? {});
  return (
    <section class="stack" aria-label={props.title}>
      <h2>{props.title}</h2>
      {rows.length ? (
        <Table label={props.title} rows={rows} columns={settings} rowKey={([name]) => name} />
      ) : (
        <p class="faint">{props.none}</p>
      )}
    </section>
  );
}

/** How it is written down. */
export function Definition({ asset }: { asset: Detail }) {
  const facts: [string, string | null | undefined, copy?: boolean, href?: string][] = [
    ["Key", asset.key.join("/"), true],
    ["Unique id", asset.unique_id, true],
    ["Selector", asset.selector, true],
    ["Type", asset.resource_type],
    ["Materialized as", asset.materialized],
    ["Relation", asset.relation_name, true],
    ["File", asset.original_file_path, true],
    ["Folder", asset.folder, false, filterHref({ project: asset.project, folder: asset.folder })],
    ["Documented in", asset.definition?.patch_path],
    ["Package", asset.package_name],
    ["Qualified name", asset.fqn.join(".")],
    ["Group", asset.group],
    ["Owners", asset.owners.join(", ")],
    [
      "Tags",
      Object.entries(asset.tags)
        .map(([name, value]) => (value ? `${name}=${value}` : name))
        .join(", "),
    ],
    ["Kinds", asset.kinds.join(", ")],
    ["Code version", asset.code_version],
  ];
  const metadata = Object.entries(asset.metadata);
  return (
    <div class="stack">
      <dl class="facts card">
        {facts.map(
          ([name, value, copy, href]) =>
            value && (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd class="row">
                  <div class="mono">
                    {href ? (
                      <Link class="name" href={href}>
                        {value}
                      </Link>
                    ) : (
                      <LongText text={value} />
                    )}
                  </div>
                  {copy && <Copy text={value} label={`Copy: ${name}`} />}
                </dd>
              </Fragment>
            ),
        )}
      </dl>
      <Settings
        title="Config"
        of={asset.definition?.config}
        none="dbt's manifest says nothing of how it is configured."
      />
      <Settings title="Meta" of={asset.definition?.meta} none="It has no meta in dbt." />
      <h2>Metadata</h2>
      {metadata.length ? (
        <pre class="json">{valueText(asset.metadata)}</pre>
      ) : (
        <p class="faint">A translator can put anything here.</p>
      )}
    </div>
  );
}
