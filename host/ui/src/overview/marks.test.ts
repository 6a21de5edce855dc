import { describe, expect, test } from "vitest";
import { hoursOf, LEAST, marksOf, ticksOf } from "./marks";

const HOUR = 3_600_000;
const now = Date.parse("2026-11-23T12:00:00Z");
const span = { from: now - 6 * HOUR, to: now + 2 * HOUR };
const at = (hours: number) => new Date(now + hours * HOUR).toISOString();
const run = (id: number, from: number, to?: number, state = "succeeded") => ({
  id,
  state,
  requested_at: at(from),
  started_at: at(from),
  finished_at: to === undefined ? null : at(to),
});

describe("the marks of a lane", () => {
  test("a run stands where it began, is as wide as it took, and never too narrow to be pressed", () => {
    const [long, short] = marksOf([run(1, -6, -4), run(2, -2, -2)], span, 800, now);
    expect(long).toMatchObject({ left: 0, width: 200 });
    expect(short).toMatchObject({ left: 400 - LEAST, width: LEAST });
  });

  test("a run that has not ended reaches to now", () => {
    const [mark] = marksOf([run(1, -1, undefined, "running")], span, 800, now);
    expect(mark).toMatchObject({ left: 500, width: 100, state: "running" });
  });

  test("what was there before the span or comes behind it is left out, what reaches into it is cut", () => {
    const marks = marksOf([run(1, -9, -8), run(2, -9, -5), run(3, 3, 4)], span, 800, now);
    expect(marks.map((mark) => mark.runs.map(({ id }) => id))).toEqual([[2]]);
    expect(marks[0]).toMatchObject({ left: 0, width: 100 });
  });

  test("runs that are too close are one mark, and the worst of them is its state", () => {
    const runs = [run(1, -3, -3), run(2, -2.95, -2.95, "failed"), run(3, -2.9, -2.9), run(4, -1, -1)];
    const marks = marksOf(runs, span, 800, now);
    expect(marks.map((mark) => [mark.state, mark.runs.length])).toEqual([
      ["failed", 3],
      ["succeeded", 1],
    ]);
  });

  test("a run that is under way is never hidden among others", () => {
    const runs = [run(1, -0.2, -0.2, "failed"), run(2, -0.1, undefined, "running"), run(3, -0.05, -0.05)];
    const marks = marksOf(runs, span, 800, now);
    expect(marks.map((mark) => mark.runs.map(({ id }) => id))).toEqual([[1, 3], [2]]);
  });

  test("a run each minute does not melt into one bar, and no run is lost", () => {
    const runs = Array.from({ length: 360 }, (_, index) => run(index, -6 + index / 60, -6 + index / 60));
    const marks = marksOf(runs, span, 800, now);
    expect(marks.length).toBeGreaterThan(10);
    expect(marks.flatMap((mark) => mark.runs)).toHaveLength(360);
    for (const mark of marks) expect(mark.width).toBeLessThanOrEqual(44);
  });
});

test("ticks that are too close are counted together", () => {
  expect(ticksOf([at(0.5), at(0.51), at(1.5), at(9)], span, 800).map((tick) => tick.at.length)).toEqual([2, 1]);
});

test("a line of time is marked at whole hours of the clock, and at no more of them than asked for", () => {
  for (const [hours, most] of [
    [6, 8],
    [24, 8],
    [168, 10],
  ] as const) {
    const found = hoursOf({ from: now - hours * HOUR + 1234, to: now }, most);
    expect(found.length).toBeGreaterThan(2);
    expect(found.length).toBeLessThanOrEqual(most + 1);
    for (const hour of found) expect(new Date(hour).getMinutes()).toBe(0);
  }
});
