import { expect, test } from "vitest";
import { appended, grownBy, isAtEnd, type LogPart, placeOf, prepended } from "./log-data";
import type { LogPage, LogRow } from "./shapes";

const row = (offset: number, step = 1, attempt = 1): LogRow => ({
  step,
  attempt,
  line: null,
  offset,
  at: null,
  level: "info",
  event: null,
  unique_id: null,
  message: `line at ${offset}`,
});
const page = (rows: LogRow[], more: Partial<LogPage> = {}): LogPage => ({
  items: rows,
  next: null,
  previous: null,
  scanned_bytes: 0,
  total_bytes: 0,
  complete: false,
  ...more,
});
const part = (rows: LogRow[]): LogPart => ({ rows, previous: null, next: null, complete: false, scanned: 0, total: 0 });
const places = (of: LogPart) => of.rows.map(placeOf);

test("a page behind is added, and lines that are here already are not there twice", () => {
  const grown = appended(
    part([row(0), row(10)]),
    page([row(10), row(20)], { next: "1.1.30", scanned_bytes: 30, total_bytes: 40 }),
  );
  expect(places(grown)).toEqual(["1.1.0", "1.1.10", "1.1.20"]);
  expect(grown).toMatchObject({ next: "1.1.30", scanned: 30, total: 40 });
});

test("lines of the next attempt begin at offset 0 again, and come behind", () => {
  expect(places(appended(part([row(500)]), page([row(0, 1, 2)])))).toEqual(["1.1.500", "1.2.0"]);
});

test("a page before is put before, and what lies behind stays as it was", () => {
  const grown = prepended({ ...part([row(20)]), next: "1.1.30" }, page([row(0), row(10), row(20)], { previous: "0" }));
  expect(places(grown)).toEqual(["1.1.0", "1.1.10", "1.1.20"]);
  expect(grown).toMatchObject({ next: "1.1.30", previous: "0" });
});

test("of a log that is too long the beginning is let go, and can be asked for again", () => {
  const rows = Array.from({ length: 60_000 }, (_, n) => row(n));
  const grown = appended(part(rows), page([row(60_000), row(60_001)]));
  expect(grown.rows).toHaveLength(60_000);
  expect(grown.previous).toBe("1.1.2");
  expect(grown.rows.at(-1)?.offset).toBe(60_001);
});

test("of a log that is too long the end is let go when one goes back, and can be asked for again", () => {
  const rows = Array.from({ length: 60_000 }, (_, n) => row(n + 2));
  const grown = prepended(
    { ...part(rows), scanned: 70_000, total: 70_000 },
    page([row(0), row(1)], { previous: null }),
  );
  expect(grown.rows).toHaveLength(60_000);
  expect(grown.rows[0]?.offset).toBe(0);
  expect(grown.next).toBe("1.1.60000");
  expect(isAtEnd(grown)).toBe(false);
});

test("a log that grows is as long as its lines reach, over all attempts", () => {
  const known = { ...part([row(90)]), total: 100 };
  expect(grownBy(known, [row(190), row(0, 2), row(50, 2)])).toBe(250);
  expect(grownBy(known, [])).toBe(100);
});

test("the end is where the host knows of no more, or has looked at all that there is", () => {
  expect(isAtEnd({ ...part([]), next: null })).toBe(true);
  expect(isAtEnd({ ...part([]), next: "1.1.5", scanned: 5, total: 5 })).toBe(true);
  expect(isAtEnd({ ...part([]), next: "1.1.5", scanned: 5, total: 9 })).toBe(false);
});
