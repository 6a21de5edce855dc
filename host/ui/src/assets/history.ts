/** What a history of runs shows in charts. */
import type { Schemas } from "../api/client";
import type { Limit, Point } from "./points";
import { thresholdSeconds } from "./words";

type Materialization = Schemas["Materialization"];
type NodeStatus = Schemas["NodeStatus"];
type SourceLook = Schemas["SourceLook"];

/** Builds and what failed to be one, in no order: a history of materializations knows nothing of failures. */
function builds(built: readonly Materialization[], runs: readonly NodeStatus[]) {
  const done = new Set(built.map(({ run, at }) => `${run} ${Date.parse(at)}`));
  const known = new Set(built.map(({ run }) => run));
  const failed = runs.filter(
    (node) =>
      node.finished_at &&
      ["error", "partial success", "runtime error"].includes(node.state) &&
      !(known.has(node.attempt.run) && done.has(`${node.attempt.run} ${Date.parse(node.finished_at)}`)),
  );
  return [
    ...built.map(({ at, run, state, execution_time, rows_affected }) => ({
      at,
      run,
      state,
      execution_time,
      rows_affected,
    })),
    ...failed.map((node) => ({
      at: node.finished_at ?? "",
      run: node.attempt.run,
      state: node.state as string,
      execution_time: node.execution_time,
      rows_affected: undefined,
    })),
  ];
}

/** How long each build took, in seconds. */
export function durations(built: readonly Materialization[], runs: readonly NodeStatus[]): Point[] {
  return builds(built, runs).map(({ at, run, state, execution_time }) => ({
    at,
    run,
    state,
    value: execution_time ?? undefined,
  }));
}

/** How many rows each build wrote; none where no adapter ever said. */
export function rowCounts(built: readonly Materialization[], runs: readonly NodeStatus[]): Point[] {
  const of = builds(built, runs).map(({ at, run, state, rows_affected }) => ({
    at,
    run,
    state,
    value: rows_affected ?? undefined,
  }));
  return of.some(({ value }) => value !== undefined) ? of : [];
}

/** How old a source was each time dbt looked, in seconds. */
export function ages(looks: readonly SourceLook[]): Point[] {
  return looks.map((look) => ({ at: look.at, run: look.run, state: look.state, value: ageOf(look) }));
}

/** How old a source was when dbt looked, in seconds. */
export function ageOf(look: SourceLook): number | undefined {
  if (typeof look.found?.age === "number") return look.found.age;
  if (!look.max_loaded_at) return undefined;
  return (Date.parse(look.found?.snapshotted_at ?? look.at) - Date.parse(look.max_loaded_at)) / 1000;
}

/** The thresholds of a source, as its last look knew them. */
export function limitsOf(look: SourceLook | undefined): Limit[] {
  const limits: Limit[] = [];
  const [warn, error] = [look?.found?.warn_after, look?.found?.error_after];
  const [warnAt, errorAt] = [thresholdSeconds(warn), thresholdSeconds(error)];
  if (warnAt !== undefined) limits.push({ value: warnAt, text: `warn after ${warn}`, tone: "warn" });
  if (errorAt !== undefined) limits.push({ value: errorAt, text: `error after ${error}`, tone: "bad" });
  return limits;
}
