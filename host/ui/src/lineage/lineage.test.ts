/** The parts of the lineage that are pure: ways through the graph, what is drawn how, what is seen, what is said. */
import { describe, expect, test } from "vitest";
import { lineageHref, readAddress, regrouped, writeAddress } from "./address";
import { detailAt, framed, revealed, seen, zoomed } from "./camera";
import { compact, settle } from "./compact";
import { LineageGraph } from "./graph";
import { Plane } from "./plane";
import { assetsOf, effective, toggled } from "./selection";
import { moved, shown, words } from "./standing";
import { Fitter } from "./text";
import type { GraphDocument, Standing } from "./types";

/**
 * raw ─ stg ─ fct ─ board
 * src ─ stg2 ─┘ └ mart
 */
function shop(): LineageGraph {
  const at: [string, string, number, number][] = [
    ["seed.s.raw", "seed", 0, 0],
    ["source.s.src", "source", 0, 100],
    ["model.s.stg", "model", 300, 0],
    ["model.s.stg2", "model", 300, 100],
    ["model.s.fct", "model", 600, 50],
    ["exposure.s.board", "exposure", 900, 0],
    ["model.s.mart", "model", 900, 100],
  ];
  const edges: [number, number][] = [
    [0, 2],
    [1, 3],
    [2, 4],
    [3, 4],
    [4, 5],
    [4, 6],
  ];
  const document: GraphDocument = {
    project: "s",
    digest: "d",
    width: 1100,
    height: 150,
    node_width: 200,
    node_height: 50,
    groups: [{ name: "sales", count: 6, folded: false }],
    nodes: {
      id: at.map(([id]) => id),
      key: at.map(([id]) => id.split(".")[2] ?? ""),
      name: at.map(([id]) => id.split(".")[2] ?? ""),
      resource_type: at.map(([, type]) => type),
      group: at.map(([, type]) => (type === "exposure" ? null : 0)),
      layer: at.map(([, , x]) => x / 300),
      x: at.map(([, , x]) => x),
      y: at.map(([, , , y]) => y),
      members: at.map(() => null),
    },
    edges: { from: edges.map(([a]) => a), to: edges.map(([, b]) => b), points: edges.map(() => []), back: [] },
  };
  return new LineageGraph(document);
}

const names = (graph: LineageGraph, nodes: Iterable<number>) => [...nodes].map((node) => graph.name(node)).sort();
const at = (graph: LineageGraph, id: string) => graph.place(id) ?? -1;

describe("ways through the graph", () => {
  const graph = shop();
  const fct = at(graph, "model.s.fct");

  test("a neighbourhood has so many steps to each side, and nothing beside them", () => {
    expect(names(graph, graph.neighbourhood([fct], 1, 0))).toEqual(["fct", "stg", "stg2"]);
    expect(names(graph, graph.neighbourhood([fct], 0, 1))).toEqual(["board", "fct", "mart"]);
    expect(names(graph, graph.neighbourhood([at(graph, "model.s.stg")], 9, 9))).toEqual(
      ["board", "fct", "mart", "raw", "stg"].sort(),
    );
  });

  test("a neighbourhood ends where edges run in a circle", () => {
    const document = structuredClone(graph.document);
    document.edges.from.push(6);
    document.edges.to.push(0);
    document.edges.points.push([]);
    document.edges.back.push(6);
    expect(new LineageGraph(document).reach([0], false).size).toBe(5);
  });

  test("arrow keys walk along the edges and within a column", () => {
    const walk = (from: string, ...ways: ("left" | "right" | "up" | "down")[]) =>
      graph.name(ways.reduce((node, way) => graph.walk(node, way), at(graph, from)));
    expect(walk("seed.s.raw", "right", "right")).toBe("fct");
    expect(walk("seed.s.raw", "down", "right")).toBe("stg2");
    expect(walk("seed.s.raw", "left")).toBe("raw");
    expect(walk("seed.s.raw", "up")).toBe("raw");
    expect(walk("model.s.mart", "left", "left", "left")).toBe("raw");
    expect(walk("exposure.s.board", "down")).toBe("mart");
    expect(graph.name(graph.first() ?? -1)).toBe("raw");
  });

  test("a part keeps its edges and begins at its corner", () => {
    const part = new LineageGraph(graph.only(graph.neighbourhood([fct], 1, 1)));
    expect(names(part, part.reach([at(part, "model.s.stg")], false))).toEqual(["board", "fct", "mart", "stg"]);
    expect(part.around([]).x0).toBe(0);
    expect(part.document.width).toBe(800);
  });
});

describe("a part laid out anew", () => {
  test("nodes keep their order, are apart, and edges lead to the right", () => {
    const graph = shop();
    const small = new LineageGraph(compact(graph));
    for (let a = 0; a < small.count; a++) {
      for (let b = a + 1; b < small.count; b++) {
        if (small.x(a) === small.x(b)) {
          expect(Math.abs(small.y(a) - small.y(b))).toBeGreaterThanOrEqual(small.nodeHeight);
          expect(small.y(a) < small.y(b)).toBe(graph.y(a) < graph.y(b));
        }
      }
    }
    small.document.edges.from.forEach((from, edge) => {
      expect(small.x(from)).toBeLessThan(small.x(small.document.edges.to[edge] ?? -1));
    });
    expect(Math.min(...small.document.nodes.y)).toBe(0);
  });

  test("those who want the same place share it out", () => {
    expect(settle([0, 0, 0], [0, 10, 20])).toEqual([-10, 0, 10]);
    expect(settle([0, 50], [0, 10])).toEqual([0, 50]);
    expect(settle([], [])).toEqual([]);
  });

  test("an edge passes the nodes that are not its own", () => {
    const { document } = shop();
    const { from, to, points, back } = document.edges;
    const layer = document.nodes.layer.map((_, node) => [0, 0, 1, 1, 2, 4, 3][node] ?? 0);
    const long = new LineageGraph({
      ...document,
      nodes: { ...document.nodes, layer },
      edges: { from: [...from, 6, 2], to: [...to, 5, 5], points: [...points, [], []], back },
    });
    const small = new LineageGraph(compact(long));
    small.document.edges.from.forEach((start, edge) => {
      const way = small.points(edge);
      for (let node = 0; node < small.count; node++) {
        if (node === start || node === small.document.edges.to[edge]) continue;
        const { x0, y0, x1, y1 } = small.box(node);
        for (let at = 0; at + 3 < way.length; at += 2) {
          const [ax = 0, ay = 0, bx = 0, by = 0] = way.slice(at, at + 4);
          const isThrough = ax < x1 && bx > x0 && Math.min(ay, by) < y1 && Math.max(ay, by) > y0;
          expect({ edge, node, isThrough }).toEqual({ edge, node, isThrough: false });
        }
      }
    });
  });
});

describe("where one looks from", () => {
  test("the nearer, the more is drawn", () => {
    expect([0.05, 0.2, 0.5, 1].map(detailAt)).toEqual(["spot", "mark", "name", "card"]);
  });

  test("what is fitted is seen whole, and never larger than it is", () => {
    const box = { x0: 0, y0: 0, x1: 5000, y1: 300 };
    const camera = framed(box, 1000, 600);
    const view = seen(camera, 1000, 600);
    expect(view.x0).toBeLessThan(0);
    expect(view.x1).toBeGreaterThan(5000);
    expect(framed({ x0: 0, y0: 0, x1: 10, y1: 10 }, 1000, 600).k).toBe(1);
  });

  test("zooming keeps the middle and stops at its bounds", () => {
    const camera = zoomed({ x: 10, y: 20, k: 1 }, 2, 800, 600, 0.1);
    expect((400 - camera.x) / camera.k).toBeCloseTo(390);
    expect((300 - camera.y) / camera.k).toBeCloseTo(280);
    expect(zoomed(camera, 1000, 800, 600, 0.1).k).toBe(2);
    expect(zoomed(camera, 0.0001, 800, 600, 0.1).k).toBe(0.1);
  });

  test("what is seen already is not moved; what is not is moved just so far", () => {
    const camera = { x: 0, y: 0, k: 1 };
    expect(revealed(camera, { x0: 100, y0: 100, x1: 200, y1: 150 }, 800, 600)).toEqual(camera);
    expect(revealed(camera, { x0: 900, y0: 100, x1: 1000, y1: 150 }, 800, 600, 20)).toEqual({ x: -220, y: 0, k: 1 });
  });
});

describe("what lies where", () => {
  const graph = shop();
  const plane = new Plane(graph);

  test("only what is seen is found, with the edges that pass", () => {
    const view = { x0: 250, y0: -10, x1: 550, y1: 60 };
    expect(names(graph, plane.nodesIn(view))).toEqual(["stg"]);
    expect(plane.edgesIn(view).length).toBe(2);
    expect(plane.nodesIn({ x0: 5000, y0: 0, x1: 6000, y1: 10 })).toEqual([]);
  });

  test("the node at a point is the nearest one there", () => {
    expect(graph.name(plane.nodeAt(350, 20) ?? -1)).toBe("stg");
    expect(plane.nodeAt(250, 20)).toBeUndefined();
    expect(graph.name(plane.nodeAt(296, 20, 10) ?? -1)).toBe("stg");
  });

  test("a graph of nothing has nothing anywhere", () => {
    const empty = new LineageGraph(graph.only(new Set()));
    expect(new Plane(empty).nodeAt(0, 0, 100)).toBeUndefined();
    expect(empty.first()).toBeUndefined();
  });
});

describe("what is selected", () => {
  const graph = shop();
  test("what comes along is selected too, and sources are not materialized", () => {
    const all = effective(graph, ["model.s.fct"], true, false);
    expect(names(graph, all)).toEqual(["fct", "raw", "src", "stg", "stg2"]);
    expect(assetsOf(graph, all)).toEqual(["seed.s.raw", "model.s.stg", "model.s.stg2", "model.s.fct"]);
    expect(effective(graph, ["model.gone"], true, true).size).toBe(0);
    expect(toggled(toggled(new Set([1]), 2), 1)).toEqual(new Set([2]));
  });

  test("the address says it all and is read as it was written", () => {
    const address = {
      project: "a b",
      fold: ["x,y", "staging/"],
      by: "folder" as const,
      selected: ["model.s.fct", "group:ä&="],
      up: true,
      down: false,
      focus: "model.s.fct",
      view: "list" as const,
      lost: false,
    };
    const href = lineageHref(address.project, address);
    expect(readAddress(href.slice(href.indexOf("?")))).toEqual(address);
    expect(readAddress("?selected=@kept-by-another-tab")).toMatchObject({ selected: [], lost: true });
    expect(writeAddress({ selected: [], up: false, view: "map" })).toEqual({ selected: "", up: "", view: "" });
    expect(writeAddress({ by: "group" })).toEqual({ by: "" });
    expect(readAddress("?by=colour").by).toBe("group");
    // Groups of another kind have other names.
    expect(regrouped(address, "group")).toEqual({
      by: "group",
      fold: [],
      selected: ["model.s.fct"],
      focus: "model.s.fct",
    });
    expect(regrouped({ ...address, fold: ["*"] }, "group").fold).toEqual(["*"]);
  });
});

describe("where nodes stand", () => {
  const standing = (health: NonNullable<Standing["health"]>, state: string, failed_checks = 0): Standing => ({
    health,
    state,
    run: 1,
    at: "2026-01-01T00:00:00Z",
    failed_checks,
  });

  test("an exposure has no state, and what nobody ran was never run", () => {
    const graph = shop();
    const states = shown(graph, new Map([["model.s.fct", standing("failed", "success", 2)]]));
    expect(states[at(graph, "exposure.s.board")]?.word).toBe("");
    expect(states[at(graph, "model.s.stg")]).toMatchObject({ tone: "idle", word: "never" });
    expect(states[at(graph, "model.s.fct")]).toMatchObject({ tone: "bad", word: "success", failedChecks: 2 });
    const fct = states[at(graph, "model.s.fct")];
    expect(fct && words(fct, "long", Date.parse("2026-01-01T02:00:00Z"))).toBe(
      "success · 2 failed checks · 2 hours ago",
    );
    expect(fct && words(fct, "short", Date.parse("2026-01-03T02:00:00Z"))).toContain("2 d ago");
  });

  test("a folded group is as its most urgent member is", () => {
    const document = shop().document;
    const nodes = {
      ...document.nodes,
      members: document.nodes.members.map((_, i) => (i === 2 ? ["a", "b", "c"] : null)),
    };
    const graph = new LineageGraph({ ...document, nodes });
    const of = (...all: [string, NonNullable<Standing["health"]>][]) =>
      shown(graph, new Map(all.map(([id, health]) => [id, standing(health, health)])))[2];
    expect(of(["a", "ok"], ["b", "failed"], ["c", "running"])).toMatchObject({ tone: "bad", word: "1 of 3 failed" });
    expect(of(["a", "ok"], ["b", "ok"], ["c", "ok"])).toMatchObject({ tone: "good", word: "all ok" });
    expect(of(["a", "ok"])).toMatchObject({ tone: "idle", word: "2 of 3 never" });
  });

  test("live rows move nodes on, and what says nothing of an asset leaves it", () => {
    const known = new Map([["m", standing("failed", "error", 1)]]);
    const next = moved(known, 7, [
      { unique_id: "m", state: "running", started_at: "2026-01-02T00:00:00Z" },
      { unique_id: "n", state: "skipped" },
    ]);
    expect(next.get("m")).toEqual({
      health: "running",
      state: "running",
      run: 7,
      at: "2026-01-02T00:00:00Z",
      failed_checks: 1,
    });
    expect(next.has("n")).toBe(false);
    expect(known.get("m")?.state).toBe("error");
  });
});

describe("texts on cards", () => {
  const fitter = new Fitter((text) => [...text].length * 10);
  const bare = (text: string) => text.replace(/[\u2068\u2069]/g, "");

  test("a long name is cut where the card ends, whatever is in it", () => {
    expect(bare(fitter.fit("orders", 60, "f"))).toBe("orders");
    expect(bare(fitter.fit("orders", 50, "f"))).toBe("orde…");
    expect([...bare(fitter.fit("😀".repeat(10_000), 55, "f"))].length).toBeLessThanOrEqual(5);
    expect(bare(fitter.fit("a\n\u202eb", 100, "f"))).toBe("a  b");
  });

  test("names that only differ far behind are not mixed up when they are short enough", () => {
    expect(bare(fitter.fit("x".repeat(100), 2000, "f"))).toBe("x".repeat(100));
  });
});
