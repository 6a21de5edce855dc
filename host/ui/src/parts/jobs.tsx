/** Jobs: asking for them, and what their pages share. */
import { Pause, Play } from "lucide-preact";
import { Link } from "wouter-preact";
import { api, ask, queries, type Schemas } from "../api/client";
import { Act } from "./act";
import { useLiveQuery, useRunTurns } from "./live";
import { complain, say } from "./toast";

type JobDetail = Schemas["JobDetail"];
type JobRun = Schemas["JobRun"];

/** All jobs and how they are. */
export function useJobs() {
  return useLiveQuery(["jobs"], () => ask(api.GET("/api/v1/jobs")), ["job", "configuration", useRunTurns()]);
}

/** How the last run of a job that has ended, ended; none where it was not well. */
export function failedRun(job: JobDetail): JobRun | undefined {
  const last = job.runs.find((run) => run.finished_at);
  return last && ["failed", "refused", "interrupted"].includes(last.state) ? last : undefined;
}

/** Leads to where a job is launched. */
export function LaunchLink({ job, quiet }: { job: string; quiet?: boolean }) {
  return (
    <Link
      href={`/launch?job=${encodeURIComponent(job)}`}
      class={`button ${quiet ? "quiet" : ""}`}
      aria-label={`Run ${job}`}
    >
      <Play aria-hidden /> Run
    </Link>
  );
}

/** Pauses a job, or lets it go on; says so, and lets it be taken back. */
export async function setPaused(job: string, pause: boolean, canUndo = true): Promise<void> {
  const at = { params: { path: { job } } };
  await ask(pause ? api.POST("/api/v1/jobs/{job}/pause", at) : api.POST("/api/v1/jobs/{job}/resume", at));
  await queries.invalidateQueries({ queryKey: ["jobs"] });
  await queries.invalidateQueries({ queryKey: ["job", job] });
  say(
    pause ? `Nothing starts ${job} by itself any more.` : `${job} is started by itself again, from now on.`,
    canUndo ? { undo: () => void setPaused(job, !pause, false).catch(complain) } : {},
  );
}

/** Pauses a job, or lets it go on. */
export function PauseButton({ job, quiet }: { job: JobDetail; quiet?: boolean }) {
  const isPaused = Boolean(job.paused);
  return (
    <Act
      act={() => setPaused(job.name, !isPaused)}
      kind={quiet ? "quiet" : undefined}
      label={`${isPaused ? "Resume" : "Pause"} ${job.name}`}
      unless={job.triggers.length === 0 ? "Nothing starts this job by itself: there is nothing to pause." : null}
    >
      {isPaused ? <Play aria-hidden /> : <Pause aria-hidden />} {isPaused ? "Resume" : "Pause"}
    </Act>
  );
}
