/** What runs and what waits, with how far it is and what for; and what starts next. */
import { Link } from "wouter-preact";
import type { Schemas } from "../api/client";
import { jobHref, runHref } from "../parts/address";
import { useOpenRuns, useStatus } from "../parts/health";
import { Answer } from "../parts/page";
import { State } from "../parts/state";
import { Time, Took } from "../parts/time";

type RunSummary = Schemas["RunSummary"];

/** How many nodes of a run are done, and of how many. */
export function progressOf(counts: Record<string, number>): { done: number; all: number } {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { done: all - (counts.queued ?? 0) - (counts.running ?? 0), all };
}

function OpenRun({ run }: { run: RunSummary }) {
  const { done, all } = progressOf(run.counts);
  return (
    <li class="open-run">
      <div class="row">
        <State state={run.state} />
        <Link href={runHref(run.id)} class="clip one strong">
          {run.id} {run.title}
        </Link>
        <span class="faint">
          {run.started_at ? (
            <Took from={run.started_at} />
          ) : (
            <>
              asked for <Time at={run.requested_at} />
            </>
          )}
        </span>
      </div>
      {run.state === "running" && all > 0 && (
        <div class="row">
          <progress max={all} value={done} aria-label={`Progress of run ${run.id}`} />
          <span class="small faint">
            {done} of {all}
          </span>
        </div>
      )}
      {run.waits_for && <div class="small clip">{run.waits_for}</div>}
    </li>
  );
}

/** What runs and what waits. */
export function Running() {
  const runs = useOpenRuns();
  return (
    <section class="card stack" aria-labelledby="running">
      <h2 id="running">Running and waiting</h2>
      <Answer of={runs}>
        {(data) =>
          data.length === 0 ? (
            <p class="faint">
              Nothing runs and nothing waits. <Link href="/launch">Launch something</Link>
            </p>
          ) : (
            <ul class="plain stack">
              {data.slice(0, 20).map((run) => (
                <OpenRun key={run.id} run={run} />
              ))}
              {data.length > 20 && (
                <li>
                  <Link href="/runs?state=running,queued">All that run or wait</Link>
                </li>
              )}
            </ul>
          )
        }
      </Answer>
    </section>
  );
}

/** What starts next. */
export function Next() {
  const status = useStatus();
  return (
    <section class="card stack" aria-labelledby="next">
      <h2 id="next">Next</h2>
      <Answer of={status}>
        {(data) =>
          data.next.length === 0 ? (
            <p class="faint">
              Nothing is due. <Link href="/schedules">Schedules</Link> shows what starts jobs.
            </p>
          ) : (
            <ol class="plain ticks">
              {data.next.slice(0, 8).map((tick) => (
                <li key={`${tick.job} ${tick.at}`} class="row spread">
                  <Link href={jobHref(tick.job)} class="clip one">
                    {tick.job}
                  </Link>
                  <Time at={tick.at} />
                </li>
              ))}
            </ol>
          )
        }
      </Answer>
    </section>
  );
}
