import { expect, test } from "vitest";
import { aNode } from "../sample";
import { barAt, firstBehind, pack, threadName } from "./pack";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const bar = (id: string, thread: string | null, from: number, to: number | null) =>
  aNode({
    unique_id: id,
    thread,
    state: to === null ? "running" : "success",
    started_at: at(from),
    finished_at: to === null ? null : at(to),
    execution_time: null,
  });
const ids = (rows: ReturnType<typeof pack>) => rows.map((row) => row.bars.map((one) => one.node.unique_id));

test("nodes of one thread lie in one row, in the order of time, and threads are in the order of their numbers", () => {
  const rows = pack([
    bar("c", "Thread-10 (worker)", 0, 1),
    bar("b", "Thread-2 (worker)", 3, 4),
    bar("a", "Thread-2 (worker)", 0, 2),
  ]);
  expect(rows.map((row) => row.label)).toEqual(["Thread-2", "Thread-10"]);
  expect(ids(rows)).toEqual([["a", "b"], ["c"]]);
});

test("what overlaps on one thread goes to a row below, without the name again", () => {
  const rows = pack([bar("a", "T", 0, 5), bar("b", "T", 1, 2), bar("c", "T", 3, 4), bar("d", "T", 5, 6)]);
  expect(ids(rows)).toEqual([
    ["a", "d"],
    ["b", "c"],
  ]);
  expect(rows.map((row) => row.label)).toEqual(["T", ""]);
});

test("nothing comes behind a node that still runs", () => {
  expect(ids(pack([bar("a", "T", 0, null), bar("b", "T", 1, 2)]))).toEqual([["a"], ["b"]]);
});

test("a clock that is off by a moment makes no second row", () => {
  expect(pack([bar("a", "T", 0, 1.002), bar("b", "T", 1, 2)])).toHaveLength(1);
});

test("nodes that have not begun are left out, and those of no known thread come last", () => {
  const queued = aNode({ unique_id: "q", state: "queued", started_at: null });
  const rows = pack([bar("x", null, 0, 1), queued, bar("a", "T", 0, 1)]);
  expect(rows.map((row) => row.label)).toEqual(["T", "no thread"]);
});

test("an end that is missing is told by the time that dbt measured", () => {
  const node = aNode({ started_at: at(1), finished_at: null, execution_time: 2.5, state: "success" });
  expect(pack([node])[0]?.bars[0]).toMatchObject({ from: 1000, to: 3500 });
});

test("the bar under a time is found, and the nearest one within reach of it", () => {
  const bars = pack([bar("a", "T", 0, 1), bar("b", "T", 5, 6), bar("c", "T", 8, 9)])[0]?.bars ?? [];
  const found = (time: number, reach = 0) => barAt(bars, time, reach)?.node.unique_id;
  expect([found(500), found(2000), found(5000), found(8999)]).toEqual(["a", undefined, "b", "c"]);
  expect([found(1400, 500), found(4700, 500), found(3000, 500)]).toEqual(["a", "b", undefined]);
  expect(found(60_000, Number.POSITIVE_INFINITY)).toBe("c");
  expect(firstBehind(bars, 2000)).toBe(1);
});

test("five thousand nodes on 64 threads leave none out", () => {
  const nodes = Array.from({ length: 5000 }, (_, n) =>
    bar(`n${n}`, `Thread-${n % 64}`, Math.floor(n / 64), Math.floor(n / 64) + 1),
  );
  const rows = pack(nodes);
  expect(rows).toHaveLength(64);
  expect(rows.flatMap((row) => row.bars)).toHaveLength(5000);
});

test("a thread is named without what all have in common", () => {
  expect(threadName("Thread-3 (worker)")).toBe("Thread-3");
  expect(threadName("MainThread")).toBe("MainThread");
});
