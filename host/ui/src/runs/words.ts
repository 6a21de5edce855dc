/** What is on record of a run, in words: the same that the command line says. */
import { telling } from "../parts/telling";
import type { Attempt, Decided, Limits, RunState, RunSummary, Step } from "./shapes";

/** Many of a thing: `1 node`, `3 nodes`. */
export function count(n: number, word: string): string {
  return `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
}

/** The seconds of an ISO 8601 duration of days and smaller, as the API writes them: `PT1M30S`. */
export function secondsOf(iso: string): number | null {
  const found = /^(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(iso);
  if (!found) return null;
  const [, sign, d, h, m, s] = found;
  const seconds = Number(d ?? 0) * 86_400 + Number(h ?? 0) * 3600 + Number(m ?? 0) * 60 + Number(s ?? 0);
  return sign ? -seconds : seconds;
}

/** A duration of the API's as one writes it: `1 min 30 s`; what is none is left as it is. */
export function durationOf(iso: string): string {
  const seconds = secondsOf(iso);
  if (seconds === null) return iso;
  const parts: string[] = [];
  const units: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  let rest = seconds;
  for (const [size, name] of units) {
    const n = Math.floor(rest / size);
    if (n > 0) parts.push(`${n} ${name}`);
    rest -= n * size;
  }
  if (rest > 0 || parts.length === 0) parts.push(`${Number(rest.toFixed(3))} s`);
  return parts.join(" ");
}

/** A size in bytes for people. */
export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = n / 1024;
  let at = 0;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[at]}`;
}

/** The first line of a text, cut where it is too long to be read at once. */
export function firstLine(text: string, longest = 300): string {
  const line =
    text
      .split("\n")
      .map((part) => part.trim())
      .find(Boolean) ?? "";
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}

/** The line of an error that says what is wrong: dbt says first only in which node. */
export function errorLine(text: string): string {
  return firstLine(telling(text));
}

/** dbt's id without what is the same for most: `model.shop.orders` is `orders`. */
export function shortId(uniqueId: string): string {
  const parts = uniqueId.split(".");
  if (parts.length < 3) return uniqueId;
  // A generic test ends with a hash, a source has two names, a model may have a version.
  if (parts[0] === "test") return parts[2] ?? uniqueId;
  return parts.slice(2).join(".");
}

/** Whether a node has a page of its own. */
export function isAsset(uniqueId: string): boolean {
  return /^(model|seed|snapshot|source)\./.test(uniqueId);
}

/** Whether nothing more will happen to a run. */
export function isFinished(state: RunState): boolean {
  return state !== "queued" && state !== "running";
}

/** Whether there is something left that a run of its own can do. */
export function canResume(state: RunState): boolean {
  return state === "failed" || state === "incomplete" || state === "cancelled" || state === "interrupted";
}

/** What a state of a run means where it does not explain itself. */
export function meaningOf(state: RunState): string | null {
  switch (state) {
    case "empty":
      return "dbt said that there was nothing to do: the selection matches no node.";
    case "incomplete":
      return "Nothing failed, but nodes were skipped or never ended.";
    case "interrupted":
      return "dbt was killed by a signal that nobody here sent, or its attempt process is gone. What was done is on record; resume does what is left.";
    case "refused":
      return "It was accepted, and then it could not be started. dbt has done nothing.";
    case "cancelled":
      return "It was stopped. What was done before is on record; resume does what is left.";
    default:
      return null;
  }
}

/** Who asked for a run, or what. */
export function askedBy(run: Pick<RunSummary, "launch" | "resumes">): string {
  const { user, via } = run.launch;
  if (via === "resume") return run.resumes ? `resume of ${run.resumes}` : "resume";
  const by = ["cli", "ui", "api"].includes(via) ? `${user} via ${via}` : via;
  return run.resumes ? `${by}, resuming ${run.resumes}` : by;
}

/** Where a step stands, in a word: what was never begun in a run that is over was not done. */
export function stepState(step: Pick<Step, "state" | "attempts">, run: RunState): string {
  const isWaiting = step.attempts.length === 0 && step.state === "queued";
  if (!isWaiting) return step.state;
  return isFinished(run) ? "skipped" : "waiting";
}

/** How dbt ended. */
export function exitOf(attempt: Attempt): string | null {
  const { exit } = attempt;
  if (!exit) return null;
  if (exit.spawn_error) return `never started: ${exit.spawn_error}`;
  if (exit.code != null) return `code ${exit.code}`;
  if (exit.signal != null) return `signal ${exit.signal}`;
  return "unknown: nobody is left who knows";
}

/** What was decided about an attempt that failed, in one sentence without its reason. */
export function decisionOf(decided: Decided, begun: boolean, over: boolean): string {
  const by = decided.plugin ? ` by ${decided.plugin.name} ${decided.plugin.version}` : "";
  if (decided.decision === "give_up") return `Given up${by}`;
  const will = begun ? "Retried" : over ? "Was to be retried" : "To be retried";
  const seconds = secondsOf(decided.after ?? "PT0S");
  const when = seconds === 0 ? "at once" : `after ${durationOf(decided.after ?? "PT0S")}`;
  const what = decided.scope === "all" ? "the whole step" : "what was unfinished";
  const threads = decided.threads ? `, with --threads ${decided.threads}` : "";
  return `${will} ${when}${by}, ${what}${threads}`;
}

/** The decision that a run waits upon: the last attempt of a step that is to be followed by another. */
export function waitingOf(steps: Step[], state: RunState): { step: number; attempt: Attempt; decided: Decided } | null {
  if (isFinished(state)) return null;
  for (const step of steps) {
    const attempt = step.attempts.at(-1);
    if (attempt?.decided?.decision === "retry" && isFinished(attempt.state)) {
      return { step: step.number, attempt, decided: attempt.decided };
    }
  }
  return null;
}

/** The limits that were set, each as a name and a value. */
export function limitsOf(limits: Limits): [string, string][] {
  const set: [string, string][] = [];
  if (limits.priority !== 0) set.push(["priority", String(limits.priority)]);
  const spans: [string, string | null | undefined][] = [
    ["max. runtime", limits.max_runtime],
    ["queue timeout", limits.queue_timeout],
    ["silence timeout", limits.silence_timeout],
    ["late after", limits.late_after],
  ];
  for (const [name, value] of spans) if (value) set.push([name, durationOf(value)]);
  if (limits.start_rate) set.push(["start rate", `${limits.start_rate.runs} in ${durationOf(limits.start_rate.per)}`]);
  set.push(["resumed where interrupted", limits.resume ? "yes" : "no"]);
  return set;
}
