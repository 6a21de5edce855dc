import { expect, test } from "vitest";
import type { Schemas } from "../api/client";
import { ageOf, ages, durations, limitsOf, rowCounts } from "./history";
import { summary } from "./points";

const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString();
const build = (run: number, execution_time: number, rows_affected: number | null = null) =>
  ({ at: at(run), run, state: "success", execution_time, rows_affected }) as Schemas["Materialization"];
const part = (run: number, state: string, execution_time: number | null = 1) =>
  ({ attempt: { run, step: 1, attempt: 1 }, state, finished_at: at(run), execution_time }) as Schemas["NodeStatus"];

test("builds and failures make one history", () => {
  const points = durations(
    [build(3, 0.5), build(1, 0.2)],
    [part(3, "success"), part(2, "error", 4), part(1, "success")],
  );
  expect(points.map(({ run, state, value }) => [run, state, value])).toEqual([
    [3, "success", 0.5],
    [1, "success", 0.2],
    [2, "error", 4],
  ]);
});

test("a build that failed in part is in it once", () => {
  const half = { ...build(1, 2), state: "partial success" };
  expect(durations([half], [part(1, "partial success", 2)])).toHaveLength(1);
});

test("there is no chart of rows where nobody counts them", () => {
  expect(rowCounts([build(1, 0.2)], [])).toEqual([]);
  expect(rowCounts([build(1, 0.2, 7)], [part(2, "error")]).map(({ value }) => value)).toEqual([7, undefined]);
});

test("the age of a source is dbt's, or what follows from its newest row", () => {
  const look = { at: at(10), run: 1, state: "warn", max_loaded_at: at(2), found: null } as Schemas["SourceLook"];
  expect(ageOf(look)).toBe(8 * 3600);
  const found = { snapshotted_at: null, age: 60, warn_after: "6 hours", error_after: "1 day" };
  expect(ageOf({ ...look, found })).toBe(60);
  expect(ages([{ ...look, max_loaded_at: null }])[0]?.value).toBeUndefined();
  expect(limitsOf({ ...look, found })).toEqual([
    { value: 21_600, text: "warn after 6 hours", tone: "warn" },
    { value: 86_400, text: "error after 1 day", tone: "bad" },
  ]);
  expect(limitsOf(undefined)).toEqual([]);
});

test("a chart says in a sentence what it shows", () => {
  const seconds = (value: number) => `${value} s`;
  expect(summary([], seconds)).toBe("nothing yet");
  expect(summary(durations([build(1, 0.2)], []), seconds)).toBe("1 run; 0.2 s");
  const points = durations([build(1, 0.2), build(3, 0.5)], [part(2, "error", 4)]);
  expect(summary(points, seconds)).toBe("3 runs, from 0.2 s to 4 s; the last 0.5 s; 1 failed");
});
