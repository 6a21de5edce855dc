/** What is selected: what was picked, and what of the graph comes along. Pure. */
import type { LineageGraph } from "./graph";

/** The nodes that are selected: the picked ones, with everything up- or downstream where that is asked for. */
export function effective(graph: LineageGraph, ids: readonly string[], up: boolean, down: boolean): Set<number> {
  const picked = ids.flatMap((id) => graph.place(id) ?? []);
  return graph.neighbourhood(picked, up ? Infinity : 0, down ? Infinity : 0);
}

/** A selection with one node more, or without it. */
export function toggled(selected: ReadonlySet<number>, node: number): Set<number> {
  const other = new Set(selected);
  if (!other.delete(node)) other.add(node);
  return other;
}

/** The assets of a selection that can be materialized: no sources and no exposures. */
export function assetsOf(graph: LineageGraph, selected: ReadonlySet<number>): string[] {
  const ids = [...selected].sort((a, b) => a - b).flatMap((node) => graph.members(node));
  return ids.filter((id) => !/^(source|exposure)\./.test(id));
}
