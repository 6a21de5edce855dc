import { expect, test } from "vitest";
import { aNode } from "../sample";
import type { RunDetail } from "../shapes";
import { bandsOf, busyOf, wholeOf } from "./bands";
import { pack } from "./pack";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const attempt = (number: number, from: number, to: number | null, more = {}) => ({
  number,
  state: to === null ? "running" : "succeeded",
  started_at: at(from),
  finished_at: to === null ? null : at(to),
  ...more,
});
const run = (started: number, finished: number | null, steps: unknown[]) =>
  ({ started_at: at(started), finished_at: finished === null ? null : at(finished), steps }) as unknown as RunDetail;

test("each attempt has a band, with what passed before its first node", () => {
  const rows = pack([aNode({ started_at: at(14), finished_at: at(15) })]);
  const steps = [{ number: 1, args: ["build"], attempts: [attempt(1, 10, 20)] }];
  expect(bandsOf(run(10, 20, steps), rows)).toEqual([
    { label: "step 1 build: succeeded, first node after 4.00 s", from: 10_000, to: 20_000, tone: "idle" },
  ]);
});

test("what the host does before and between attempts is told where it takes long", () => {
  const steps = [
    { number: 1, args: ["seed"], attempts: [attempt(1, 13, 20)] },
    { number: 2, args: ["build"], attempts: [attempt(1, 20.5, 30)] },
  ];
  const labels = bandsOf(run(10, 30, steps), []).map((band) => band.label);
  expect(labels).toEqual(["the host prepares it, 3.00 s", "step 1 seed: succeeded", "step 2 build: succeeded"]);
});

test("the wait for another attempt is a band up to that attempt, or up to when it is due", () => {
  const failed = attempt(1, 0, 5, { state: "failed", decided: { decision: "retry", due: at(65) } });
  const first = { number: 1, args: ["build"], attempts: [failed] };
  const waits = (of: RunDetail) => bandsOf(of, []).find((band) => band.label === "waits");
  expect(waits(run(0, null, [first]))).toMatchObject({ from: 5000, to: 65_000 });
  expect(waits(run(0, null, [{ ...first, attempts: [failed, attempt(2, 66, null)] }]))).toMatchObject({ to: 66_000 });
});

test("the whole is from the run's beginning to its end, or to now, and never nothing", () => {
  expect(wholeOf(run(10, 20, []), [], [], 99_000)).toEqual({ from: 10_000, to: 20_000 });
  expect(wholeOf(run(10, null, []), [], [], 99_000)).toEqual({ from: 10_000, to: 99_000 });
  expect(wholeOf(run(10, 10, []), [], [], 99_000)).toEqual({ from: 10_000, to: 10_100 });
});

test("the time in which nodes ran leaves out what dbt took to start", () => {
  const rows = pack([
    aNode({ unique_id: "a", started_at: at(5), finished_at: at(6) }),
    aNode({ unique_id: "b", state: "running", started_at: at(7) }),
  ]);
  expect(busyOf(rows, 9000)).toEqual({ from: 5000, to: 9000 });
  expect(busyOf([], 9000)).toBeUndefined();
});
