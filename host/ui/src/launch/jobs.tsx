/** The jobs, each with what it does and a button that runs it. */
import { CalendarClock, Play, SlidersHorizontal } from "lucide-preact";
import { Link, useLocation } from "wouter-preact";
import type { Schemas } from "../api/client";
import { Act } from "../parts/act";
import { jobHref, runHref } from "../parts/address";
import { plainWords } from "../parts/prose";
import { State } from "../parts/state";
import { Time } from "../parts/time";
import { launchHref } from "./form";
import { launch } from "./send";

export type Job = Schemas["JobDetail"];

/** How many runs are shown of a job. */
const RUNS = 5;

function Starts({ job }: { job: Job }) {
  const words = [
    ...job.schedule.map((expression) => `${expression} (${job.time_zone})`),
    ...job.triggers.filter(({ trigger }) => trigger !== "schedule").map(({ definition }) => definition),
  ];
  const next = job.paused ? undefined : job.next[0];
  return (
    <div class="row small faint">
      <CalendarClock class="icon-16" aria-hidden />
      {words.length ? <span class="name">{words.join("; ")}</span> : "by hand only"}
      {job.paused && <span class="badge warn">paused</span>}
      {next && (
        <span>
          next <Time at={next} />
        </span>
      )}
    </div>
  );
}

/** A job as a card. */
export function JobCard({ job, withProject }: { job: Job; withProject: boolean }) {
  const [, go] = useLocation();
  const run = async () => go(runHref(await launch({ job: job.name })));
  const last = job.runs.slice(0, RUNS);
  return (
    <li class="card stack job">
      <div class="row top">
        <h3 class="grow name">
          <Link href={jobHref(job.name)}>{job.name}</Link>
          {withProject && <span class="faint small"> in {job.project}</span>}
        </h3>
        <Act kind="primary" act={run} label={`Run now: ${job.name}`}>
          <Play aria-hidden /> Run now
        </Act>
        <Link
          href={launchHref({ job: job.name })}
          class="button icon"
          aria-label={`Run ${job.name} with parameters`}
          title="With parameters"
        >
          <SlidersHorizontal aria-hidden />
        </Link>
      </div>
      {job.description && <p class="clip">{plainWords(job.description)}</p>}
      <ul class="names mono">
        {job.steps.map((step, index) => (
          <li key={index} class="clip">
            {step}
          </li>
        ))}
      </ul>
      <Starts job={job} />
      <div class="row small">
        {last.length === 0 && <span class="faint">has not run yet</span>}
        {last.map((run, index) => (
          <Link key={run.id} href={runHref(run.id)} class={index ? "hide-narrow" : ""} title={`run ${run.id}`}>
            <State state={run.state} />
            {index === 0 && (
              <>
                {" "}
                <Time at={run.finished_at ?? run.started_at ?? run.requested_at} />
              </>
            )}
          </Link>
        ))}
      </div>
    </li>
  );
}
