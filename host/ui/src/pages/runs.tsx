/** All runs, newest first; new ones appear, and states change, while one looks. */
import "../style/runs.css";
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api, ask } from "../api/client";
import { runHref, useListParam, useParam } from "../parts/address";
import { Choice, Choices, Filters, Search } from "../parts/filters";
import { useLiveQuery } from "../parts/live";
import { More } from "../parts/more";
import { Answer, Empty, Head } from "../parts/page";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time, Took } from "../parts/time";
import { Again, Cancel, Resume } from "../runs/actions";
import { tabHref } from "../runs/address";
import { Counts } from "../runs/counts";
import { useRuns } from "../runs/data";
import type { RunFilter } from "../runs/merge";
import type { RunSummary } from "../runs/shapes";
import { askedBy, shortId } from "../runs/words";

const states = [
  "running",
  "queued",
  "failed",
  "refused",
  "interrupted",
  "incomplete",
  "warned",
  "cancelled",
  "empty",
  "succeeded",
];
const ways = ["cli", "ui", "api", "webhook", "schedule", "after", "sensor", "resume"];

export default function Runs() {
  const [job] = useParam("job");
  const [project] = useParam("project");
  const [asset, setAsset] = useParam("asset");
  const [via] = useParam("via");
  const [q] = useParam("q");
  const [chosen] = useListParam("state");
  const filter: RunFilter = { job, states: chosen, project, asset, via, q };
  const pages = useRuns(filter);
  const [picked, setPicked] = useState<number[]>([]);
  const pick = (id: number, yes: boolean) =>
    setPicked((now) =>
      yes ? [...now.filter((other) => other !== id), id].slice(-2) : now.filter((other) => other !== id),
    );
  const facets = useLiveQuery(["runs", "facets"], () => ask(api.GET("/api/v1/runs/facets")), ["configuration"]);
  const seen = useKnown(pages.data, (run) => run.job);
  const jobs = [...new Set([...(facets.data?.jobs ?? []), ...seen])].sort();
  const projects = useKnown(pages.data, (run) => run.project);
  const isFiltered = Boolean(job || project || asset || via || q || chosen.length);
  const columns: Column<RunSummary>[] = [
    {
      id: "run",
      head: "Run",
      width: "minmax(0, 2.2fr)",
      narrow: "line",
      cell: (run) => (
        <div class="run-name">
          <input
            type="checkbox"
            aria-label={`Choose run ${run.id} to compare it`}
            checked={picked.includes(run.id)}
            onChange={(event) => pick(run.id, event.currentTarget.checked)}
          />
          <Link href={runHref(run.id)}>
            <span class="faint">{run.id}</span> <span class="clip-1 name">{run.title}</span>
          </Link>
        </div>
      ),
    },
    {
      id: "state",
      head: "State",
      width: "minmax(118px, 1fr)",
      cell: (run) => (
        <>
          <State state={run.state} title={run.reason ?? undefined} />
          {run.waits_for && <div class="faint small name">{run.waits_for}</div>}
        </>
      ),
    },
    {
      id: "counts",
      head: "Nodes",
      width: "minmax(0, 1.6fr)",
      narrow: "line",
      cell: (run) => <Counts counts={run.counts} />,
    },
    {
      id: "took",
      head: "Took",
      width: "90px",
      num: true,
      cell: (run) => <Took from={run.started_at} to={run.finished_at} />,
    },
    { id: "at", head: "Asked for", width: "132px", cell: (run) => <Time at={run.requested_at} /> },
    {
      id: "by",
      head: "By",
      width: "minmax(0, 1.2fr)",
      narrow: "line",
      cell: (run) => (
        <>
          <span class="clip" title={askedBy(run)}>
            {askedBy(run)}
          </span>
          {run.launch.reason && (
            <div class="faint small clip" title={run.launch.reason}>
              {run.launch.reason}
            </div>
          )}
        </>
      ),
    },
    {
      id: "actions",
      head: "Actions",
      width: "112px",
      cell: (run) => (
        <div class="row-actions">
          <Cancel run={run} small />
          <Resume run={run} small />
          <Again run={run} small />
        </div>
      ),
    },
  ];
  return (
    <>
      <Head title="Runs" />
      <Filters label="Filter the runs" params={["q", "job", "project", "via", "state", "asset"]}>
        <Search label="Number, title, user or reason" />
        <Choice param="job" label="Job" options={jobs.map((value) => ({ value }))} />
        {projects.length > 1 && (
          <Choice param="project" label="Project" options={projects.map((value) => ({ value }))} />
        )}
        <Choice param="via" label="Asked for by" options={ways.map((value) => ({ value }))} />
        {asset && (
          <span class="tag" title={asset}>
            touching <span class="name">{shortId(asset)}</span>{" "}
            <button type="button" class="more" onClick={() => setAsset("")}>
              all assets
            </button>
          </span>
        )}
        <Choices param="state" label="States" options={states.map((value) => ({ value }))} />
      </Filters>
      {picked.length > 0 && <Picked picked={picked} clear={() => setPicked([])} />}
      <Answer of={pages}>
        {(runs) =>
          runs.length === 0 ? (
            <Empty>
              {isFiltered ? "No run fits these filters. " : "There has been no run yet. "}
              {!isFiltered && <Link href="/launch">Launch the first one</Link>}
              {pages.hasMore && (
                <button type="button" class="button" onClick={pages.more}>
                  Search in older runs
                </button>
              )}
            </Empty>
          ) : (
            <>
              <Table
                label="Runs"
                rows={runs}
                columns={columns}
                rowKey={(run) => run.id}
                rowHeight={54}
                isOld={pages.isOld}
              />
              <More of={pages} what="runs" />
            </>
          )
        }
      </Answer>
    </>
  );
}

/** What was chosen to be compared. */
function Picked({ picked, clear }: { picked: number[]; clear: () => void }) {
  const [a, b] = [...picked].sort((x, y) => y - x);
  return (
    <div class="notice row" role="status">
      {a !== undefined && b !== undefined ? (
        <Link class="button primary" href={tabHref(a, { tab: "compare", with: String(b) })}>
          Compare run {a} with run {b}
        </Link>
      ) : (
        <>
          Run {a} is chosen; choose another one, or{" "}
          <Link href={tabHref(a ?? 0, { tab: "compare" })}>compare it with the one before</Link>
        </>
      )}
      <button type="button" class="button quiet" onClick={clear}>
        Clear
      </button>
    </div>
  );
}

/** The values that were seen so far, sorted. */
function useKnown(runs: RunSummary[] | undefined, of: (run: RunSummary) => string | null | undefined): string[] {
  const [seen] = useState(() => new Set<string>());
  // What to take of a run does not change.
  return useMemo(() => {
    for (const run of runs ?? []) {
      const value = of(run);
      if (value) seen.add(value);
    }
    return [...seen].sort();
  }, [runs, seen]);
}
