import { beforeEach, expect, test, vi } from "vitest";
import { lateAt, type Timed, whenLate } from "./late";

const NOON = Date.parse("2026-03-02T12:00:00Z");
const MINUTE = 60_000;

/** A job of which runs were asked for so many minutes after noon; those that are late, or have ended. */
function job(lateAfter: string | null, ...runs: [minute: number, is?: "late" | "ended"][]): Timed {
  return {
    limits: { late_after: lateAfter },
    runs: runs.map(([minute, is]) => ({
      requested_at: new Date(NOON + minute * MINUTE).toISOString(),
      finished_at: is === "ended" ? new Date(NOON).toISOString() : null,
      late: is === "late",
    })),
  } as unknown as Timed;
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
  return () => vi.useRealTimers();
});

test("the run that becomes late first counts", () => {
  const jobs = [job("PT1H30M", [0], [-20]), job("PT2H", [-30]), job(null, [-500])];
  expect(lateAt(jobs)).toBe(NOON + 70 * MINUTE);
});

test("what has ended, and what is late already, does not become late", () => {
  expect(lateAt([job("PT10M", [0, "ended"], [-60, "late"]), job(null, [0])])).toBeUndefined();
  expect(lateAt([])).toBeUndefined();
});

test("the host is asked when the time has come, and not before", () => {
  const call = vi.fn();
  whenLate([job("PT10M", [0])], call);
  vi.advanceTimersByTime(9 * MINUTE);
  expect(call).not.toHaveBeenCalled();
  vi.advanceTimersByTime(MINUTE + 1000);
  expect(call).toHaveBeenCalledTimes(1);
});

test("a host whose clock is behind is asked now and then, until its answer is another", () => {
  const call = vi.fn();
  const end = whenLate([job("PT10M", [-30])], call);
  vi.advanceTimersByTime(MINUTE);
  expect(call).toHaveBeenCalledTimes(4);
  end();
  vi.advanceTimersByTime(10 * MINUTE);
  expect(call).toHaveBeenCalledTimes(4);
});

test("a run that has very long is not asked about all the time", () => {
  const call = vi.fn();
  whenLate([job("PT2400H", [0])], call);
  vi.advanceTimersByTime(3 * 24 * 60 * MINUTE);
  expect(call.mock.calls.length).toBeLessThan(4);
});
