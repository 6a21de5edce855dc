import { expect, test } from "vitest";
import { belongs, listed, mergeNodes, mergeRun, mergeRuns, type RunFilter } from "./merge";
import { aNode, aRun } from "./sample";

const all: RunFilter = { job: "", states: [], project: "", asset: "", via: "", q: "" };
const news = (as_of: number, nodes: ReturnType<typeof aNode>[], complete = false) => ({
  as_of,
  step: 1,
  attempt: 1,
  complete,
  nodes,
});

test("a node is replaced by what is told of it, and the others stay as they are", () => {
  const [a, b] = [aNode({ unique_id: "a", state: "queued" }), aNode({ unique_id: "b" })];
  const merged = mergeNodes({ as_of: 10, items: [a, b] }, news(11, [aNode({ unique_id: "a", state: "running" })]));
  expect(merged.items.map((node) => node.state)).toEqual(["running", "success"]);
  expect(merged.items[1]).toBe(b);
});

test("a node that nobody knew is added", () => {
  const merged = mergeNodes({ as_of: 1, items: [] }, news(2, [aNode({ unique_id: "new" })]));
  expect(merged.items.map((node) => node.unique_id)).toEqual(["new"]);
});

test("what is older than what was fetched changes nothing", () => {
  const known = { as_of: 10, items: [aNode({ unique_id: "a" })] };
  expect(mergeNodes(known, news(10, [aNode({ unique_id: "a", state: "running" })]))).toBe(known);
});

test("several messages of one event are all taken", () => {
  const first = mergeNodes({ as_of: 1, items: [] }, news(5, [aNode({ unique_id: "a" })]));
  const second = mergeNodes(first, { ...news(5, [aNode({ unique_id: "b", step: 2 })]), step: 2 });
  expect(second.items).toHaveLength(2);
});

test("the same node in another attempt is another row", () => {
  const known = { as_of: 1, items: [aNode({ unique_id: "a", state: "error" })] };
  const merged = mergeNodes(known, {
    ...news(2, [aNode({ unique_id: "a", attempt: 2, state: "running" })]),
    attempt: 2,
  });
  expect(merged.items.map((node) => [node.attempt, node.state])).toEqual([
    [1, "error"],
    [2, "running"],
  ]);
});

test("where all nodes of an attempt are told, those that were not are gone, and other attempts stay", () => {
  const items = [aNode({ unique_id: "a" }), aNode({ unique_id: "gone" }), aNode({ unique_id: "gone", step: 2 })];
  const merged = mergeNodes({ as_of: 1, items }, news(2, [aNode({ unique_id: "a" })], true));
  expect(merged.items.map((node) => [node.step, node.unique_id])).toEqual([
    [1, "a"],
    [2, "gone"],
  ]);
});

test("what is known of the critical path stays", () => {
  const known = { as_of: 1, items: [aNode({ unique_id: "a", critical: true })] };
  expect(mergeNodes(known, news(2, [aNode({ unique_id: "a" })])).items[0]?.critical).toBe(true);
});

type Page = { items: ReturnType<typeof aRun>[]; next: string | null };
const page = (...ids: number[]): Page => ({ items: ids.map((id) => aRun({ id })), next: null });
const ids = (pages: { items: { id: number }[] }[] | undefined) => pages?.map((one) => one.items.map((run) => run.id));

test("a new run comes first, and one that was missed where its number belongs", () => {
  expect(ids(mergeRun([page(5, 4), page(2, 1)], aRun({ id: 6 }), all))).toEqual([
    [6, 5, 4],
    [2, 1],
  ]);
  expect(ids(mergeRun([page(5, 4), page(2, 1)], aRun({ id: 3 }), all))).toEqual([
    [5, 4],
    [3, 2, 1],
  ]);
  expect(ids(mergeRun([page()], aRun({ id: 1 }), all))).toEqual([[1]]);
});

test("a run that is older than all that is shown belongs to a page that nobody asked for", () => {
  expect(ids(mergeRun([{ ...page(5, 4), next: "4" }], aRun({ id: 2 }), all))).toEqual([[5, 4]]);
});

test("where all pages are here, a run that is older than all of them comes last", () => {
  expect(ids(mergeRun([page(9), page(5, 4)], aRun({ id: 2 }), all))).toEqual([[9], [5, 4, 2]]);
});

test("news of several runs are taken one after the other, and what only the host can tell is said", () => {
  const news = [aRun({ id: 4, state: "failed" }), aRun({ id: 6 })];
  const merged = mergeRuns([page(5, 4)], news, all);
  expect(ids(merged.pages)).toEqual([[6, 5, 4]]);
  expect(merged.pages[0]?.items.at(-1)?.state).toBe("failed");
  expect(merged.isWhole).toBe(true);
  expect(mergeRuns([page(5)], [aRun({ id: 6 })], { ...all, q: "x" })).toMatchObject({ isWhole: false });
});

test("a run that is in two pages is listed once", () => {
  expect(listed([page(5, 4), page(4, 3)]).map((run) => run.id)).toEqual([5, 4, 3]);
});

test("a run that is known is replaced, and never by what it was before it ended", () => {
  const pages = [{ items: [aRun({ id: 1, state: "running" })], next: null }];
  const ended = mergeRun(pages, aRun({ id: 1, state: "failed" }), all);
  expect(ended?.[0]?.items[0]?.state).toBe("failed");
  expect(mergeRun(ended ?? [], aRun({ id: 1, state: "running" }), all)?.[0]?.items[0]?.state).toBe("failed");
});

test("a run that does not belong there any more is taken out", () => {
  const pages = [{ items: [aRun({ id: 1, state: "running" })], next: null }];
  expect(ids(mergeRun(pages, aRun({ id: 1, state: "succeeded" }), { ...all, states: ["running"] }))).toEqual([[]]);
});

test("only the host can tell whether a run fits a text or an asset", () => {
  expect(belongs(aRun({}), { ...all, q: "x" })).toBeUndefined();
  expect(mergeRun([page(1)], aRun({ id: 2 }), { ...all, asset: "model.shop.orders" })).toBeUndefined();
  expect(mergeRun([page(1)], aRun({ id: 2, job: "other" }), { ...all, asset: "a", job: "build" })).toHaveLength(1);
});

test("a list of a job, a project or a way to launch takes only its own", () => {
  expect(belongs(aRun({ job: "smoke" }), { ...all, job: "build" })).toBe(false);
  expect(belongs(aRun({ project: "a" }), { ...all, project: "b" })).toBe(false);
  expect(belongs(aRun({}), { ...all, via: "schedule" })).toBe(false);
  expect(belongs(aRun({}), { ...all, via: "cli", job: "build", states: ["succeeded"] })).toBe(true);
});
