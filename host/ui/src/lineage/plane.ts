/** What lies where: finds the nodes and edges in a part of the plane, however many there are. */
import Flatbush from "flatbush";
import type { Box, LineageGraph } from "./graph";

export class Plane {
  private readonly nodes: Flatbush | undefined;
  private readonly edges: Flatbush | undefined;

  constructor(private readonly graph: LineageGraph) {
    const count = graph.document.edges.from.length;
    if (graph.count > 0) {
      this.nodes = new Flatbush(graph.count);
      for (let node = 0; node < graph.count; node++) {
        const { x0, y0, x1, y1 } = graph.box(node);
        this.nodes.add(x0, y0, x1, y1);
      }
      this.nodes.finish();
    }
    if (count > 0) {
      this.edges = new Flatbush(count);
      for (let edge = 0; edge < count; edge++) {
        const points = graph.points(edge);
        let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
        for (let at = 0; at < points.length; at += 2) {
          const [x, y] = [points[at] ?? 0, points[at + 1] ?? 0];
          [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
        }
        this.edges.add(x0, y0, x1, y1);
      }
      this.edges.finish();
    }
  }

  nodesIn({ x0, y0, x1, y1 }: Box): number[] {
    return this.nodes?.search(x0, y0, x1, y1) ?? [];
  }

  edgesIn({ x0, y0, x1, y1 }: Box): number[] {
    return this.edges?.search(x0, y0, x1, y1) ?? [];
  }

  /** The node at a point, or the nearest within some distance of it. */
  nodeAt(x: number, y: number, within = 0): number | undefined {
    const found = this.nodes?.search(x - within, y - within, x + within, y + within) ?? [];
    const away = (node: number) => {
      const box = this.graph.box(node);
      return Math.hypot(Math.max(box.x0 - x, 0, x - box.x1), Math.max(box.y0 - y, 0, y - box.y1));
    };
    return found.length === 0 ? undefined : found.reduce((best, node) => (away(node) < away(best) ? node : best));
  }
}
