/** A small part of a graph laid out anew, close together: on the whole plane its nodes may lie far apart. */
import type { LineageGraph } from "./graph";
import type { GraphDocument } from "./types";

const AISLE = 72;
const GAP = 16;
/** The height of the lane of an edge that passes through a column. */
const LANE = 12;

/** What stands in a column: a node, or an edge on its way past the nodes. */
type Stop = { height: number; from: number[]; to: number[]; y: number; node?: number };

/** Puts the columns of a part side by side and its nodes close to each other, in the order that they have on the whole plane. */
export function compact(graph: LineageGraph): GraphDocument {
  const document = graph.document;
  const layers = [...new Set(document.nodes.layer)].sort((a, b) => a - b);
  const columnOf = new Map(layers.map((layer, at) => [layer, at]));
  const { nodeWidth, nodeHeight } = graph;
  // Nodes have the places that they have in the graph; the stops of edges come behind them.
  const stops: Stop[] = Array.from({ length: graph.count }, (_, node) => ({
    height: nodeHeight,
    from: [],
    to: [],
    y: graph.y(node) + nodeHeight / 2,
    node,
  }));
  const column = Array.from({ length: graph.count }, (_, node) => columnOf.get(graph.layer(node)) ?? 0);
  const ways = document.edges.from.map((from, edge) => {
    const to = document.edges.to[edge] ?? 0;
    const [first, last] = [column[from] ?? 0, column[to] ?? 0];
    const [a, b] = [stops[from]?.y ?? 0, stops[to]?.y ?? 0];
    const way: number[] = [];
    let before = from;
    for (let at = first + 1; at < last && !graph.isBack.has(edge); at++) {
      const y = a + ((b - a) * (at - first)) / (last - first);
      const stop = stops.push({ height: LANE, from: [before], to: [], y }) - 1;
      stops[before]?.to.push(stop);
      column.push(at);
      way.push(stop);
      before = stop;
    }
    stops[before]?.to.push(to);
    stops[to]?.from.push(before);
    return way;
  });
  const columns = layers.map((_, at) => stops.map((_, stop) => stop).filter((stop) => column[stop] === at));
  const yOf = (stop: number) => stops[stop]?.y ?? 0;
  for (const within of columns) within.sort((a, b) => yOf(a) - yOf(b) || a - b);
  const tops = columns.map((within) => {
    let top = 0;
    return within.map((stop) => {
      const mine = top;
      top += (stops[stop]?.height ?? 0) + GAP;
      return mine;
    });
  });
  const middle = (stop: number) => (stops[stop]?.height ?? 0) / 2;
  columns.forEach((within, at) => {
    const all = (tops[at]?.at(-1) ?? 0) / 2;
    within.forEach((stop, index) => {
      const one = stops[stop];
      if (one) one.y = (tops[at]?.[index] ?? 0) - all + middle(stop);
    });
  });
  // Towards the middle of what each is connected with, as near as its neighbours let it; so that lines are straight.
  for (let round = 0; round < 6; round++) {
    for (const at of columns.map((_, n) => (round % 2 ? columns.length - 1 - n : n))) {
      const within = columns[at] ?? [];
      const wanted = within.map((stop) => {
        const others = [...(stops[stop]?.from ?? []), ...(stops[stop]?.to ?? [])];
        const y = others.length === 0 ? yOf(stop) : others.reduce((sum, other) => sum + yOf(other), 0) / others.length;
        return y - middle(stop);
      });
      settle(wanted, tops[at] ?? []).forEach((top, index) => {
        const one = stops[within[index] ?? 0];
        if (one) one.y = top + one.height / 2;
      });
    }
  }
  const low = Math.min(...stops.map((stop) => stop.y - stop.height / 2));
  const shift = Number.isFinite(low) ? low : 0;
  const xOf = (stop: number) => (column[stop] ?? 0) * (nodeWidth + AISLE);
  return {
    ...document,
    width: layers.length * nodeWidth + Math.max(0, layers.length - 1) * AISLE,
    height: Math.round(Math.max(0, ...stops.map((stop) => stop.y + stop.height / 2 - shift))),
    nodes: {
      ...document.nodes,
      x: document.nodes.layer.map((_, node) => xOf(node)),
      y: document.nodes.id.map((_, node) => Math.round(yOf(node) - nodeHeight / 2 - shift)),
    },
    edges: {
      ...document.edges,
      points: ways.map((way) =>
        way.flatMap((stop) => {
          const y = Math.round(yOf(stop) - shift);
          return [xOf(stop), y, xOf(stop) + nodeWidth, y];
        }),
      ),
    },
  };
}

/** The places nearest to the wanted ones that are at least as far apart as these offsets, in the same order. */
export function settle(wanted: number[], offsets: readonly number[]): number[] {
  const blocks: { at: number; count: number }[] = [];
  wanted.forEach((want, index) => {
    let block = { at: want - (offsets[index] ?? 0), count: 1 };
    for (let last = blocks.at(-1); last && last.at > block.at; last = blocks.at(-1)) {
      const count = last.count + block.count;
      block = { at: (last.at * last.count + block.at * block.count) / count, count };
      blocks.pop();
    }
    blocks.push(block);
  });
  const placed: number[] = [];
  for (const { at, count } of blocks) {
    for (let k = 0; k < count; k++) placed.push(at + (offsets[placed.length] ?? 0));
  }
  return placed;
}
