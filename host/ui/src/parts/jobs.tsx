/** Jobs: asking for them, and what their pages share. */
import { useQueryClient } from "@tanstack/react-query";
import { Pause, Play } from "lucide-preact";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
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

/** Pauses a job, or lets it go on; either can be taken back. */
export function PauseButton({ job, quiet }: { job: JobDetail; quiet?: boolean }) {
  const client = useQueryClient();
  const isPaused = Boolean(job.paused);
  const set = async (pause: boolean, canUndo: boolean): Promise<void> => {
    const at = { params: { path: { job: job.name } } };
    await ask(pause ? api.POST("/api/v1/jobs/{job}/pause", at) : api.POST("/api/v1/jobs/{job}/resume", at));
    await client.invalidateQueries({ queryKey: ["jobs"] });
    await client.invalidateQueries({ queryKey: ["job", job.name] });
    say(
      pause ? `Nothing starts ${job.name} by itself any more.` : `${job.name} is started by itself again, from now on.`,
      canUndo ? { undo: () => void set(!pause, false).catch(complain) } : {},
    );
  };
  return (
    <Act
      act={() => set(!isPaused, true)}
      kind={quiet ? "quiet" : undefined}
      label={`${isPaused ? "Resume" : "Pause"} ${job.name}`}
      unless={job.triggers.length === 0 ? "Nothing starts this job by itself: there is nothing to pause." : null}
    >
      {isPaused ? <Play aria-hidden /> : <Pause aria-hidden />} {isPaused ? "Resume" : "Pause"}
    </Act>
  );
}
