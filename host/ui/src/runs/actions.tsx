/** What can be done with a run: stop it, do what is left of it, run it again. */
import { Ban, Play, RotateCcw } from "lucide-preact";
import { Link, useLocation } from "wouter-preact";
import { launchHref } from "../launch/form";
import { Act } from "../parts/act";
import { runHref } from "../parts/address";
import { confirm } from "../parts/dialog";
import { say } from "../parts/toast";
import { cancel, resume } from "./data";
import type { RunSummary } from "./shapes";
import { canResume, isFinished } from "./words";

type Props = { run: RunSummary; resumedBy?: number | null; small?: boolean };

/** Stops a run that has not ended. Asked again, dbt gets less time. */
export function Cancel({ run, small }: Props) {
  if (isFinished(run.state)) return null;
  const again = run.cancelled_by != null;
  const act = async () => {
    const yes = await confirm({
      title: again ? `Stop run ${run.id} at once?` : `Cancel run ${run.id} of ${run.title}?`,
      text: ladder(run),
      action: again ? "Stop it harder" : "Cancel the run",
      danger: true,
    });
    if (!yes) return;
    await cancel(run.id);
    say(`Run ${run.id} is being cancelled`, { tone: "idle" });
  };
  const words = again ? "Stop it harder" : "Cancel";
  return (
    <Act act={act} kind={small ? "quiet" : "danger"} label={small ? `${words}: run ${run.id}` : undefined}>
      <Ban aria-hidden /> {!small && words}
    </Act>
  );
}

function ladder(run: RunSummary) {
  if (run.state === "queued") return "It has not begun, and will not.";
  if (run.cancelled_by != null) {
    return "dbt was asked to stop already. Asking again goes to the next rung at once: SIGTERM, and then SIGKILL. What dbt runs in the warehouse may go on there for a while.";
  }
  return (
    <>
      <p>dbt gets time to stop its queries in the warehouse:</p>
      <ol>
        <li>SIGINT at once: dbt cancels its queries, as far as its adapter can.</li>
        <li>SIGTERM after 25 s.</li>
        <li>SIGKILL after 5 s more, to all processes that dbt has started.</li>
      </ol>
      <p>What is done stays done, and what is left can be resumed.</p>
    </>
  );
}

/** Runs what is left to do; leads to the run that does. */
export function Resume({ run, resumedBy, small }: Props) {
  const [, go] = useLocation();
  if (!canResume(run.state)) return null;
  if (resumedBy) {
    return small ? null : (
      <Link class="button" href={runHref(resumedBy)}>
        <RotateCcw aria-hidden /> Resumed by run {resumedBy}
      </Link>
    );
  }
  const act = async () => {
    const next = await resume(run.id);
    say(`Run ${next} does what is left of run ${run.id}`);
    go(runHref(next));
  };
  return (
    <Act act={act} kind={small ? "quiet" : "primary"} label={small ? `Resume run ${run.id}` : undefined}>
      <RotateCcw aria-hidden /> {!small && "Resume"}
    </Act>
  );
}

/** The launch page, filled in with what this run was asked for. */
export function Again({ run, small }: Props) {
  const words = `Run again what run ${run.id} did`;
  return (
    <Link
      class={`button ${small ? "quiet" : ""}`}
      href={launchHref({ again: run.id })}
      aria-label={small ? words : undefined}
      title={small ? words : undefined}
    >
      <Play aria-hidden /> {!small && "Run again"}
    </Link>
  );
}
