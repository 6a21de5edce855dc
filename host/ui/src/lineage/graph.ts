/** The graph of a project as it lies on the plane, and the ways through it. Pure: it knows no canvas and no state. */
import type { GraphDocument } from "./types";

/** A direction along an arrow key. */
export type Way = "left" | "right" | "up" | "down";

export type Box = { x0: number; y0: number; x1: number; y1: number };

export class LineageGraph {
  readonly count: number;
  readonly width: number;
  readonly height: number;
  readonly nodeWidth: number;
  readonly nodeHeight: number;
  /** What each node is read by, and what it reads: places of nodes, from top to bottom. */
  readonly down: number[][];
  readonly up: number[][];
  /** The edges of each node, by their places. */
  readonly edgesOf: number[][];
  readonly isBack: Set<number>;
  private readonly places = new Map<string, number>();
  /** The nodes that stand above each other, from top to bottom. */
  private readonly columns = new Map<number, number[]>();

  constructor(readonly document: GraphDocument) {
    const { nodes, edges } = document;
    this.count = nodes.id.length;
    this.width = document.width;
    this.height = document.height;
    this.nodeWidth = document.node_width;
    this.nodeHeight = document.node_height;
    this.isBack = new Set(edges.back);
    const lists = () => Array.from({ length: this.count }, (): number[] => []);
    this.down = lists();
    this.up = lists();
    this.edgesOf = lists();
    edges.from.forEach((from, edge) => {
      const to = edges.to[edge] ?? 0;
      this.down[from]?.push(to);
      this.up[to]?.push(from);
      this.edgesOf[from]?.push(edge);
      this.edgesOf[to]?.push(edge);
    });
    const byHeight = (a: number, b: number) => this.y(a) - this.y(b) || a - b;
    for (const list of [...this.down, ...this.up]) list.sort(byHeight);
    nodes.id.forEach((id, node) => {
      this.places.set(id, node);
      // Of a folded group, any member leads to it.
      for (const member of nodes.members[node] ?? []) this.places.set(member, node);
      const column = this.columns.get(this.x(node)) ?? [];
      column.push(node);
      this.columns.set(this.x(node), column);
    });
    for (const column of this.columns.values()) column.sort(byHeight);
  }

  x(node: number): number {
    return this.document.nodes.x[node] ?? 0;
  }
  y(node: number): number {
    return this.document.nodes.y[node] ?? 0;
  }
  id(node: number): string {
    return this.document.nodes.id[node] ?? "";
  }
  name(node: number): string {
    return this.document.nodes.name[node] ?? "";
  }
  key(node: number): string {
    return this.document.nodes.key[node] ?? "";
  }
  type(node: number): string {
    return this.document.nodes.resource_type[node] ?? "";
  }
  layer(node: number): number {
    return this.document.nodes.layer[node] ?? 0;
  }
  group(node: number): string | undefined {
    const group = this.document.nodes.group[node];
    return group === null || group === undefined ? undefined : this.document.groups[group]?.name;
  }
  /** The unique ids that a node stands for. */
  members(node: number): string[] {
    return this.document.nodes.members[node] ?? [this.id(node)];
  }
  isFolded(node: number): boolean {
    return this.document.nodes.members[node] != null;
  }

  /** The node of a unique id, or the folded group that it is in. */
  place(id: string): number | undefined {
    return this.places.get(id);
  }

  box(node: number): Box {
    const [x, y] = [this.x(node), this.y(node)];
    return { x0: x, y0: y, x1: x + this.nodeWidth, y1: y + this.nodeHeight };
  }

  /** The box around some nodes; around all, where there are none. */
  around(nodes: Iterable<number>): Box {
    let all: Box | undefined;
    for (const node of nodes) {
      const box = this.box(node);
      all = all
        ? {
            x0: Math.min(all.x0, box.x0),
            y0: Math.min(all.y0, box.y0),
            x1: Math.max(all.x1, box.x1),
            y1: Math.max(all.y1, box.y1),
          }
        : box;
    }
    return all ?? { x0: 0, y0: 0, x1: this.width, y1: this.height };
  }

  /** The points of an edge: x, y, x, y … from the one node to the other. */
  points(edge: number): number[] {
    const { from, to, points } = this.document.edges;
    const [a, b] = [from[edge] ?? 0, to[edge] ?? 0];
    const half = this.nodeHeight / 2;
    if (this.isBack.has(edge)) return [this.x(a), this.y(a) + half, this.x(b) + this.nodeWidth, this.y(b) + half];
    return [this.x(a) + this.nodeWidth, this.y(a) + half, ...(points[edge] ?? []), this.x(b), this.y(b) + half];
  }

  /** What is reached from some nodes in so many steps, themselves included. */
  reach(from: Iterable<number>, upstream: boolean, steps = Number.POSITIVE_INFINITY): Set<number> {
    const seen = new Set(from);
    let front = [...seen];
    for (let step = 0; step < steps && front.length > 0; step++) {
      const next: number[] = [];
      for (const node of front) {
        for (const other of (upstream ? this.up : this.down)[node] ?? []) {
          if (!seen.has(other)) {
            seen.add(other);
            next.push(other);
          }
        }
      }
      front = next;
    }
    return seen;
  }

  /** Some nodes and what is so many steps up- and downstream of them. */
  neighbourhood(from: Iterable<number>, up: number, down: number): Set<number> {
    const start = [...from];
    return new Set([...this.reach(start, true, up), ...this.reach(start, false, down)]);
  }

  /** The node that an arrow key leads to: along the edges to the nearest in height, or to the next one in the column. */
  walk(from: number, way: Way): number {
    if (way === "up" || way === "down") {
      const column = this.columns.get(this.x(from)) ?? [];
      const at = column.indexOf(from) + (way === "up" ? -1 : 1);
      return column[at] ?? from;
    }
    const others = (way === "left" ? this.up : this.down)[from] ?? [];
    const distance = (node: number) => Math.abs(this.y(node) - this.y(from));
    return others.reduce((best, node) => (best < 0 || distance(node) < distance(best) ? node : best), -1) >= 0
      ? others.reduce((best, node) => (distance(node) < distance(best) ? node : best))
      : from;
  }

  /** Where a walk begins: at the first root that something reads, else at the first node. */
  first(): number | undefined {
    if (this.count === 0) return undefined;
    let best = 0;
    const rank = (node: number) => [this.down[node]?.length ? 0 : 1, this.x(node), this.y(node)] as const;
    for (let node = 1; node < this.count; node++) {
      const [a, b] = [rank(node), rank(best)];
      if (a[0] - b[0] || a[1] - b[1] || a[2] - b[2]) {
        if ((a[0] - b[0] || a[1] - b[1] || a[2] - b[2]) < 0) best = node;
      }
    }
    return best;
  }

  /** A part of the graph with the same places on the plane, moved to its corner: what one sees of an asset's surroundings. */
  only(nodes: Set<number>): GraphDocument {
    const kept = [...nodes].sort((a, b) => a - b);
    const place = new Map(kept.map((node, at) => [node, at]));
    const box = this.around(kept);
    const pick = <T>(list: T[]): T[] => kept.map((node) => list[node] as T);
    const { nodes: all, edges } = this.document;
    const between = edges.from
      .map((_, edge) => edge)
      .filter((edge) => place.has(edges.from[edge] ?? -1) && place.has(edges.to[edge] ?? -1));
    return {
      ...this.document,
      width: box.x1 - box.x0,
      height: box.y1 - box.y0,
      nodes: {
        id: pick(all.id),
        key: pick(all.key),
        name: pick(all.name),
        resource_type: pick(all.resource_type),
        group: pick(all.group),
        layer: pick(all.layer),
        members: pick(all.members),
        x: pick(all.x).map((x) => x - box.x0),
        y: pick(all.y).map((y) => y - box.y0),
      },
      edges: {
        from: between.map((edge) => place.get(edges.from[edge] ?? 0) ?? 0),
        to: between.map((edge) => place.get(edges.to[edge] ?? 0) ?? 0),
        points: between.map((edge) => (edges.points[edge] ?? []).map((v, i) => v - (i % 2 ? box.y0 : box.x0))),
        back: between.flatMap((edge, at) => (this.isBack.has(edge) ? [at] : [])),
      },
    };
  }
}
