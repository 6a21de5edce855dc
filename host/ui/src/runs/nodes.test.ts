import { expect, test } from "vitest";
import { failedOf, fits, isCritical, isFailure, lastOf, otherSkipped, progressOf, sorted } from "./nodes";
import { aNode } from "./sample";

const none = { states: [], type: "", text: "", attempt: "" };

test("a word of dbt's that nobody knows is a failure", () => {
  expect(["error", "fail", "runtime error", "partial success", "exploded"].map(isFailure)).toEqual(Array(5).fill(true));
  expect(
    ["success", "pass", "warn", "skipped", "cancelled", "no-op", "reused", "queued", "running"].some(isFailure),
  ).toBe(false);
});

test("a later attempt has the last word on what it did, and none on what it never began", () => {
  const nodes = [
    aNode({ unique_id: "a", state: "error" }),
    aNode({ unique_id: "b", state: "success" }),
    aNode({ unique_id: "a", attempt: 2, state: "success" }),
    aNode({ unique_id: "b", attempt: 2, state: "cancelled", started_at: null }),
  ];
  expect(lastOf(nodes).map((node) => [node.unique_id, node.attempt, node.state])).toEqual([
    ["a", 2, "success"],
    ["b", 1, "success"],
  ]);
});

test("what failed comes with all that it held up, also through what was skipped", () => {
  const skipped = (id: string, cause: string) =>
    aNode({ unique_id: id, state: "skipped", started_at: null, skipped_because_of: cause });
  const nodes = [
    aNode({ unique_id: "a", state: "error" }),
    skipped("b", "a"),
    skipped("c", "b"),
    skipped("x", "other"),
  ];
  const [failed, ...rest] = failedOf(nodes);
  expect(rest).toEqual([]);
  expect(failed?.held.map((node) => node.unique_id)).toEqual(["b", "c"]);
});

test("what was skipped without a cause that anyone knows is told apart", () => {
  const skipped = (id: string, cause: string | null) =>
    aNode({ unique_id: id, state: "skipped", skipped_because_of: cause });
  const unit = "unit_test.shop.orders.adds_up";
  const last = [
    aNode({ unique_id: unit, resource_type: "unit_test", state: "error" }),
    skipped("model.shop.orders", unit),
    skipped("model.shop.customers", unit),
    skipped("model.shop.orders_daily", null),
  ];
  const failed = failedOf(last);
  expect(failed.map(({ held }) => held.map((node) => node.unique_id))).toEqual([
    expect.arrayContaining(["model.shop.orders", "model.shop.customers"]),
  ]);
  expect(otherSkipped(last, failed).map((node) => node.unique_id)).toEqual(["model.shop.orders_daily"]);
});

test("what did not run is not on the critical path", () => {
  expect(isCritical(aNode({ critical: true }))).toBe(true);
  expect(isCritical(aNode({ critical: true, state: "skipped" }))).toBe(false);
  expect(isCritical(aNode({ critical: null }))).toBe(false);
});

test("nodes that blame each other end the search", () => {
  const nodes = [
    aNode({ unique_id: "a", state: "error" }),
    aNode({ unique_id: "b", state: "skipped", skipped_because_of: "a" }),
    aNode({ unique_id: "c", state: "skipped", skipped_because_of: "b" }),
  ];
  nodes[1] = { ...nodes[1], skipped_because_of: "c" } as (typeof nodes)[0];
  expect(failedOf(nodes)[0]?.held).toEqual([]);
});

test("every word has to be somewhere in a node, in any case", () => {
  const node = aNode({ unique_id: "model.shop.fct_orders", name: "fct_orders", message: "Catalog Error: no TABLE" });
  expect(fits(node, { ...none, text: "FCT table" })).toBe(true);
  expect(fits(node, { ...none, text: "fct nothing" })).toBe(false);
  expect(fits(node, { ...none, text: "  " })).toBe(true);
});

test("states, type and attempt narrow it down together", () => {
  const node = aNode({ state: "error" });
  expect(fits(node, { ...none, states: ["warn", "error"], type: "model", attempt: "1.1" })).toBe(true);
  expect(fits(node, { ...none, states: ["warn"] })).toBe(false);
  expect(fits(node, { ...none, type: "test" })).toBe(false);
  expect(fits(node, { ...none, attempt: "1.2" })).toBe(false);
});

test("what failed comes first; what has no value comes last, whichever way", () => {
  const nodes = [
    aNode({ unique_id: "ok", state: "success", rows_affected: 5 }),
    aNode({ unique_id: "bad", state: "error", rows_affected: null }),
    aNode({ unique_id: "more", state: "success", rows_affected: 50 }),
  ];
  const ids = (list: typeof nodes) => list.map((node) => node.unique_id);
  expect(ids(sorted(nodes, "state", false))[0]).toBe("bad");
  expect(ids(sorted(nodes, "rows", false))).toEqual(["ok", "more", "bad"]);
  expect(ids(sorted(nodes, "rows", true))).toEqual(["more", "ok", "bad"]);
});

test("threads are in the order of their numbers", () => {
  const nodes = ["Thread-10", "Thread-2"].map((thread) => aNode({ unique_id: thread, thread }));
  expect(sorted(nodes, "thread", false).map((node) => node.thread)).toEqual(["Thread-2", "Thread-10"]);
});

test("a run is as far as what is neither queued nor running", () => {
  expect(progressOf({ queued: 2, running: 1, success: 3, skipped: 4 })).toEqual({ done: 7, all: 10 });
});
