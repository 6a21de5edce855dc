/** Events of a run as people read them. */
import type { Schemas } from "../api/client";
import type { Tone } from "../parts/state";
import { toneOf } from "../parts/state";
import { span } from "../parts/time";
import { isFailure } from "./nodes";
import type { NodeResult, RunEvent } from "./shapes";
import { count, decisionOf, firstLine, shortId } from "./words";

export type Told = { what: string; detail?: string | undefined; tone: Tone };

/** Which attempt an event belongs to, as `step 1` or `step 1, attempt 2`; nothing where it belongs to the run. */
export function placeOf(event: RunEvent): string {
  if (!("attempt" in event)) return "";
  const { step, attempt } = event.attempt;
  return attempt > 1 ? `step ${step}, attempt ${attempt}` : `step ${step}`;
}

/** An event in words. One that these pages do not know is told by its name. */
export function tell(event: RunEvent): Told {
  switch (event.event) {
    case "run_requested": {
      const { user, via, reason } = event.request.launch;
      return { what: `Asked for by ${user} via ${via}`, detail: reason ?? undefined, tone: "idle" };
    }
    case "run_refused":
      return { what: "Refused", detail: event.reason, tone: "bad" };
    case "run_started": {
      const detail = event.locks?.length ? `holds ${event.locks.join(", ")}` : undefined;
      return { what: "The run began", detail, tone: "run" };
    }
    case "attempt_started": {
      const what = event.command.length > 0 ? "dbt is started" : "dbt is not started: nothing was left to do";
      return { what, detail: event.command.join(" ") || undefined, tone: "run" };
    }
    case "gate_found": {
      const what = event.gate === "block" ? "left out" : "built all the same";
      const names = event.checks.map((check) => `${shortId(check.unique_id)} failed in run ${check.run}`);
      return {
        what: `${count(event.nodes.length, "node")} behind failed checks ${what}`,
        detail: names.join(", "),
        tone: "warn",
      };
    }
    case "attempt_spawned":
      return { what: "The attempt process runs", tone: "idle" };
    case "dbt_reported": {
      const { dbt_version: version, adapter, target } = event;
      const parts = [version && `dbt ${version}`, adapter, target && `target ${target}`];
      return { what: "dbt said what it is", detail: parts.filter(Boolean).join(", "), tone: "idle" };
    }
    case "plan_resolved":
      return { what: `The plan is known: ${count(event.nodes.length, "node")}`, tone: "idle" };
    case "node_started":
      return { what: `${shortId(event.unique_id)} began`, detail: event.thread ?? undefined, tone: "run" };
    case "node_finished":
      return finished(event.result);
    case "nothing_to_do":
      return { what: "dbt found nothing to do", detail: event.message ?? undefined, tone: "warn" };
    case "dbt_failed":
      return { what: "dbt itself failed", detail: event.message, tone: "bad" };
    case "log_read":
      return { what: "The log was read on", detail: `up to byte ${event.offset.toLocaleString("en")}`, tone: "idle" };
    case "cancel_requested":
      return { what: `${event.by} asked to cancel it`, tone: "warn" };
    case "stop_requested":
      return { what: `The host asked it to stop: it ends as ${event.state}`, detail: event.reason, tone: "warn" };
    case "attempt_exited":
      return exited(event.exit);
    case "results_read": {
      const what = `dbt's results were read: ${count(event.results.length, "node")}`;
      return { what, detail: `from ${event.source}.json`, tone: "idle" };
    }
    case "attempt_finished":
      return ended("The attempt", event.state, event.reason);
    case "retry_decided": {
      const tone = event.decision === "retry" ? "warn" : "bad";
      return { what: decisionOf(event, false, false), detail: event.reason, tone };
    }
    case "run_finished":
      return ended("The run", event.state, event.reason);
    default:
      return { what: (event as { event: string }).event.replaceAll("_", " "), tone: "idle" };
  }
}

function ended(who: string, state: string, reason: string | null | undefined): Told {
  return { what: `${who} ended: ${state}`, detail: reason ?? undefined, tone: toneOf(state) };
}

function exited(exit: Schemas["ExitStatus"] | null | undefined): Told {
  if (!exit) return { what: "dbt is gone, and nobody knows how it ended", tone: "bad" };
  if (exit.spawn_error) return { what: "dbt could not be started", detail: exit.spawn_error, tone: "bad" };
  const how = exit.code == null ? `signal ${exit.signal ?? "?"}` : `code ${exit.code}`;
  return { what: `dbt ended with ${how}`, tone: exit.code === 0 ? "idle" : "bad" };
}

function finished(result: NodeResult): Told {
  const { execution_time: seconds, rows_affected: rows, failures } = result;
  const parts = [
    seconds != null && span(seconds),
    rows != null && count(rows, "row"),
    failures ? count(failures, "failing row") : false,
  ].filter(Boolean);
  const failed = isFailure(result.state);
  return {
    what: `${shortId(result.unique_id)}: ${result.state}${parts.length > 0 ? ` (${parts.join(", ")})` : ""}`,
    detail: failed && result.message ? firstLine(result.message) : undefined,
    tone: failed ? "bad" : toneOf(result.state),
  };
}
