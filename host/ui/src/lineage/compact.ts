/** A small part of a graph laid out anew, close together: on the whole plane its nodes may lie far apart. */
import type { LineageGraph } from "./graph";
import type { GraphDocument } from "./types";

const AISLE = 72;
const GAP = 16;

/** Puts the columns of a part side by side and its nodes close to each other, in the order that they have on the whole plane. */
export function compact(graph: LineageGraph): GraphDocument {
  const document = graph.document;
  const layers = [...new Set(document.nodes.layer)].sort((a, b) => a - b);
  const column = new Map(layers.map((layer, at) => [layer, at]));
  const step = graph.nodeHeight + GAP;
  const nodes = Array.from({ length: graph.count }, (_, node) => node);
  const columns = layers.map((layer) =>
    nodes.filter((node) => graph.layer(node) === layer).sort((a, b) => graph.y(a) - graph.y(b)),
  );
  const y = new Array<number>(graph.count).fill(0);
  const height = Math.max(0, ...columns.map((stops) => stops.length * step - GAP));
  for (const stops of columns) {
    const top = (height - (stops.length * step - GAP)) / 2;
    stops.forEach((node, at) => {
      y[node] = Math.round(top + at * step);
    });
  }
  // Towards the middle of what each is connected with, as near as its neighbours let it; so that lines are straight.
  for (let round = 0; round < 6; round++) {
    for (const stops of round % 2 ? [...columns].reverse() : columns) {
      const wanted = stops.map((node) => {
        const others = [...(graph.up[node] ?? []), ...(graph.down[node] ?? [])];
        if (others.length === 0) return y[node] ?? 0;
        return others.reduce((sum, other) => sum + (y[other] ?? 0), 0) / others.length;
      });
      settle(wanted, step).forEach((at, index) => {
        y[stops[index] ?? 0] = at;
      });
    }
  }
  const top = Math.min(0, ...y);
  const low = Math.min(...y);
  const shift = Number.isFinite(low) ? low : top;
  const placed = y.map((at) => Math.round(at - shift));
  return {
    ...document,
    width: layers.length * graph.nodeWidth + Math.max(0, layers.length - 1) * AISLE,
    height: Math.max(0, ...placed) + graph.nodeHeight,
    nodes: {
      ...document.nodes,
      x: document.nodes.layer.map((layer) => (column.get(layer) ?? 0) * (graph.nodeWidth + AISLE)),
      y: placed,
    },
    edges: { ...document.edges, points: document.edges.points.map(() => []) },
  };
}

/** The places nearest to the wanted ones that are at least a step apart, in the same order. */
export function settle(wanted: number[], step: number): number[] {
  const blocks: { at: number; count: number }[] = [];
  wanted.forEach((want, index) => {
    let block = { at: want - index * step, count: 1 };
    for (let last = blocks.at(-1); last && last.at > block.at; last = blocks.at(-1)) {
      const count = last.count + block.count;
      block = { at: (last.at * last.count + block.at * block.count) / count, count };
      blocks.pop();
    }
    blocks.push(block);
  });
  const placed: number[] = [];
  for (const { at, count } of blocks) {
    for (let k = 0; k < count; k++) placed.push(at + placed.length * step);
  }
  return placed;
}
