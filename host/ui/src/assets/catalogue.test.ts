import { expect, test } from "vitest";
import {
  type Chosen,
  countsOf,
  filterHref,
  lines,
  narrow,
  pick,
  pickAll,
  pickedByProject,
  type Row,
  readOrder,
  rowId,
  search,
  seen,
  sorted,
} from "./catalogue";

const nothing: Chosen = { project: [], type: [], folder: [], group: [], tag: [], owner: [], health: [] };

function row(key: string, of: Partial<Row> = {}): Row {
  const project = of.project ?? "shop";
  const uniqueId = of.uniqueId ?? `model.shop.${key}`;
  return {
    id: rowId(project, uniqueId),
    project,
    uniqueId,
    key,
    name: key,
    type: "model",
    materialized: "table",
    group: "",
    folder: "models",
    owners: [],
    tags: [],
    description: "",
    health: "ok",
    state: "success",
    run: 1,
    builtAt: undefined,
    checks: { total: 0, failed: 0, warned: 0 },
    freshness: undefined,
    ...of,
  };
}

test("what a run has just said of an asset is seen before the host is asked", () => {
  const at = "2026-01-02T00:00:00Z";
  const before = row("a", { health: "failed", state: "error", builtAt: "2026-01-01T00:00:00Z" });
  expect(seen(before, { state: "running", run: 2, at: undefined })).toMatchObject({
    health: "running",
    run: 2,
    builtAt: before.builtAt,
  });
  expect(seen(before, { state: "success", run: 2, at })).toMatchObject({ health: "ok", state: "success", builtAt: at });
  expect(seen(before, { state: "a word of tomorrow", run: 2, at })).toMatchObject({ health: "failed" });
  // The list was loaded since: it knows of a later run, or of the end of this one.
  expect(seen({ ...before, run: 3 }, { state: "success", run: 2, at })).toMatchObject({ run: 3, state: "error" });
  expect(seen(before, { state: "running", run: 1, at: undefined })).toBe(before);
  const source = row("s", { type: "source", health: "ok" });
  expect(seen(source, { state: "error", run: 2, at })).toMatchObject({ health: "ok", builtAt: undefined });
});

test("values of one facet are united, facets are intersected, and counts leave their own facet out", () => {
  const rows = [
    row("a", { group: "sales", tags: ["daily"] }),
    row("b", { group: "sales", tags: ["daily", "core"] }),
    row("c", { group: "people" }),
  ];
  const chosen = { ...nothing, group: ["sales", "people"], tag: ["daily"] };
  expect(narrow(rows, chosen).map((r) => r.key)).toEqual(["a", "b"]);
  expect(countsOf(rows, chosen, "group")).toEqual([
    { value: "sales", count: 2 },
    { value: "people", count: 0 },
  ]);
  expect(countsOf(rows, chosen, "tag")).toEqual([
    { value: "daily", count: 2 },
    { value: "core", count: 1 },
    { value: "(none)", count: 1 },
  ]);
  // What was chosen stays on the list, so that it can be taken back.
  expect(countsOf([], chosen, "group").map((c) => c.value)).toEqual(["people", "sales"]);
});

test("a folder has what is below it, and stands below the one that it is in", () => {
  const rows = [
    row("a", { folder: "models/staging/shop" }),
    row("b", { folder: "models/staging" }),
    row("c", { folder: "models/staging_old" }),
    row("d", { folder: "" }),
  ];
  const inStaging = { ...nothing, folder: ["models/staging"] };
  expect(narrow(rows, inStaging).map((r) => r.key)).toEqual(["a", "b"]);
  expect(countsOf(rows, nothing, "folder")).toEqual([
    { value: "models", count: 3 },
    { value: "models/staging", count: 2 },
    { value: "models/staging_old", count: 1 },
    { value: "models/staging/shop", count: 1 },
    { value: "(none)", count: 1 },
  ]);
  expect(lines(rows, "folder").flatMap((line) => ("row" in line ? [] : [line.head]))).toEqual([
    "models/staging",
    "models/staging_old",
    "models/staging/shop",
    "(none)",
  ]);
  expect(filterHref({ folder: "models/a,b" })).toBe("/assets?folder=models%252Fa%252Cb");
});

test("a search finds keys by their letters, and anything else by its words", () => {
  const rows = [
    row("mart/fct_orders"),
    row("stg_orders"),
    row("dim_customers", { description: "Who orders, and where they live." }),
    row("x", { tags: ["nightly"] }),
  ];
  expect(search(rows, "fctord").map((r) => r.key)).toEqual(["mart/fct_orders"]);
  expect(
    search(rows, "orders")
      .map((r) => r.key)
      .sort(),
  ).toEqual(["dim_customers", "mart/fct_orders", "stg_orders"]);
  expect(search(rows, "orders").at(-1)?.key).toBe("dim_customers");
  expect(search(rows, "nightly").map((r) => r.key)).toEqual(["x"]);
  expect(search(rows, "zzz")).toEqual([]);
  expect(search(rows, "  ")).toHaveLength(4);
});

test("an order is read from the address and can be turned round", () => {
  expect(readOrder("-health")).toEqual({ order: "health", down: true });
  expect(readOrder("key")).toEqual({ order: "key", down: false });
  expect(readOrder("constructor")).toBeUndefined();
  const rows = [row("b"), row("a", { builtAt: "2026-01-02T00:00:00Z" }), row("c", { builtAt: "2026-01-03T00:00:00Z" })];
  expect(sorted(rows, "built").map((r) => r.key)).toEqual(["c", "a", "b"]);
  expect(sorted(rows, "key", true).map((r) => r.key)).toEqual(["c", "b", "a"]);
});

test("groups have a head with their number, and what has none comes last", () => {
  const of = lines([row("a"), row("b", { group: "sales" }), row("c", { group: "sales" })], "group");
  expect(of.map((line) => ("row" in line ? line.row.key : `${line.head} ${line.count}`))).toEqual([
    "sales 2",
    "b",
    "c",
    "(none) 1",
    "a",
  ]);
});

test("shift picks all from the last click on, in the order that is shown", () => {
  const order = ["a", "b", "c", "d"];
  expect([...pick(new Set(), order, "b", true)]).toEqual(["b"]);
  expect([...pick(new Set(["b"]), order, "d", true, "b")]).toEqual(["b", "c", "d"]);
  expect([...pick(new Set(order), order, "a", false, "c")]).toEqual(["d"]);
  expect([...pick(new Set(), order, "c", true, "gone")]).toEqual(["c"]);
});

test("to pick all that is shown, or none of it, leaves alone what a filter hides", () => {
  expect([...pickAll(new Set(["hidden", "a"]), ["a", "b"], true)]).toEqual(["hidden", "a", "b"]);
  expect([...pickAll(new Set(["hidden", "a", "b"]), ["a", "b"], false)]).toEqual(["hidden"]);
});

test("what is picked is parted by project, and sources are not built", () => {
  const rows = [row("a"), row("s", { type: "source" }), row("o", { project: "other" })];
  const of = pickedByProject(rows, new Set(rows.map((r) => r.id)));
  expect(of.get("shop")).toEqual({ ids: ["model.shop.a"], sources: 1, all: ["model.shop.a", "model.shop.s"] });
  expect(of.get("other")?.ids).toEqual(["model.shop.o"]);
});

test("five thousand assets are searched and counted in no time that anyone notices", () => {
  const rows = Array.from({ length: 5000 }, (_, i) => row(`mart/area_${i % 50}/model_${i}`, { group: `g${i % 40}` }));
  expect(search(rows, "model_49").length).toBeGreaterThan(10);
  expect(countsOf(rows, nothing, "group")).toHaveLength(40);
});
