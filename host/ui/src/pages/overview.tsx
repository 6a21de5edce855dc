/** The first page: what needs somebody, what ran and what will, what runs now. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter-preact";
import { api, ask } from "../api/client";
import { Attention } from "../overview/attention";
import { Next, Running } from "../overview/now";
import { Timeline } from "../overview/timeline";
import { Command } from "../parts/copy";
import { useOpenRuns } from "../parts/health";
import { LaunchLink, useJobs } from "../parts/jobs";
import { Head } from "../parts/page";

/** What to do where nothing ever ran. */
function First() {
  const jobs = useJobs().data ?? [];
  return (
    <section class="card stack" aria-labelledby="first">
      <h2 id="first">Nothing has run yet</h2>
      {jobs.length > 0 ? (
        <>
          <p>Run one of the jobs, here or from a terminal. Schedules start the others when they are due.</p>
          <ul class="plain row">
            {jobs.slice(0, 12).map((job) => (
              <li key={job.name} class="row tight">
                <span class="clip one">{job.name}</span> <LaunchLink job={job.name} />
              </li>
            ))}
          </ul>
          <Command line={`tidegate run ${jobs[0]?.name}`} />
        </>
      ) : (
        <>
          <p>
            There are no jobs yet either. Add one to <code>tidegate.toml</code>; it is taken up by itself.
          </p>
          <pre>{'[jobs.build]\nschedule = "0 6 * * *"\nsteps = ["dbt build"]'}</pre>
        </>
      )}
      <p>
        Or look at the <Link href="/assets">assets</Link> and their <Link href="/lineage">lineage</Link>, and
        materialize some of them.
      </p>
    </section>
  );
}

/** Whether nothing ever ran; once something has, that is not asked again. */
function useIsFirst(): boolean {
  const open = useOpenRuns().data;
  const { data } = useQuery({
    queryKey: ["runs", "any"],
    queryFn: async () => (await ask(api.GET("/api/v1/runs", { params: { query: { limit: 1 } } }))).items.length > 0,
    staleTime: (query) => (query.state.data ? Number.POSITIVE_INFINITY : 0),
  });
  return data === false && open?.length === 0;
}

export default function Overview() {
  const isFirst = useIsFirst();
  return (
    <>
      <Head title="Overview" />
      {isFirst && <First />}
      <Attention />
      <Timeline />
      <div class="grid-2">
        <Running />
        <Next />
      </div>
    </>
  );
}
