/** Nodes of a run: which of them is the last word on a node, what failed and what that held up, what a filter leaves. */
import type { NodeRow } from "./shapes";

const failures = new Set(["error", "fail", "partial success", "runtime error"]);
const well = new Set(["success", "pass", "no-op", "reused", "warn"]);
const known = new Set([...failures, ...well, "queued", "running", "skipped", "cancelled"]);

/** Whether a node in this state makes its run fail; a word that nobody knows does. */
export function isFailure(state: string): boolean {
  return failures.has(state) || !known.has(state);
}

/** Whether nothing more will happen to a node in this state. */
export function isDone(state: string): boolean {
  return state !== "queued" && state !== "running";
}

/** What a node in an attempt is known by. */
export function keyOf(node: Pick<NodeRow, "step" | "attempt" | "unique_id">): string {
  return `${node.step}.${node.attempt}.${node.unique_id}`;
}

/** The order in which states need a look: what failed, what is under way, what was held up, what warned, the rest. */
export function rank(state: string): number {
  if (isFailure(state)) return 0;
  const order = ["running", "cancelled", "skipped", "warn", "queued"];
  const at = order.indexOf(state);
  return at < 0 ? order.length + 1 : at + 1;
}

/**
 * The last word on each node of each step: that of the last attempt in which something became of it. What never began in a
 * later attempt says nothing about what an earlier one has done.
 */
export function lastOf(nodes: NodeRow[]): NodeRow[] {
  const last = new Map<string, NodeRow>();
  for (const node of nodes) {
    const key = `${node.step}.${node.unique_id}`;
    const before = last.get(key);
    const says = node.started_at != null || (isDone(node.state) && node.state !== "cancelled");
    if (!before || (node.attempt >= before.attempt && says)) last.set(key, node);
  }
  return [...last.values()];
}

/** Whether dbt has done anything with a node: one that was skipped took no time and decided about nothing. */
export function hasRun(state: string): boolean {
  return state !== "skipped";
}

/** Whether a node is one of those that decided when its attempt ended. */
export function isCritical(node: NodeRow): boolean {
  return Boolean(node.critical) && hasRun(node.state);
}

/** A node that failed, and those that were skipped because of it. */
export type Failed = { node: NodeRow; held: NodeRow[] };

/** What failed, in the order of its failing, each with what it held up, directly or through others that were skipped. */
export function failedOf(last: NodeRow[]): Failed[] {
  const held = new Map<string, NodeRow[]>();
  const failed = last.filter((node) => isFailure(node.state));
  for (const node of last) {
    const cause = node.skipped_because_of;
    if (!cause) continue;
    const key = `${node.step}.${cause}`;
    held.set(key, [...(held.get(key) ?? []), node]);
  }
  const behind = (node: NodeRow): NodeRow[] => {
    const found = new Map<string, NodeRow>();
    const open = [node];
    for (let next = open.pop(); next; next = open.pop()) {
      for (const other of held.get(`${next.step}.${next.unique_id}`) ?? []) {
        if (found.has(other.unique_id) || other.unique_id === node.unique_id) continue;
        found.set(other.unique_id, other);
        open.push(other);
      }
    }
    return [...found.values()];
  };
  return failed
    .sort((a, b) => a.step - b.step || (a.finished_at ?? "").localeCompare(b.finished_at ?? ""))
    .map((node) => ({ node, held: behind(node) }));
}

/** What was skipped, but because of nothing that is known to have failed. */
export function otherSkipped(last: NodeRow[], failed: Failed[]): NodeRow[] {
  const held = new Set(failed.flatMap((one) => one.held.map(keyOf)));
  return last.filter((node) => node.state === "skipped" && !held.has(keyOf(node)));
}

/** What of the nodes is wanted. */
export type NodeFilter = { states: string[]; type: string; text: string; attempt: string };

/** Whether a node is wanted: every word of the text is in its name, its id, its message or its thread. */
export function fits(node: NodeRow, filter: NodeFilter): boolean {
  if (filter.states.length > 0 && !filter.states.includes(node.state)) return false;
  if (filter.type && node.resource_type !== filter.type) return false;
  if (filter.attempt && `${node.step}.${node.attempt}` !== filter.attempt) return false;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const said =
    `${node.name}\n${node.key ?? ""}\n${node.unique_id}\n${node.message ?? ""}\n${node.thread ?? ""}`.toLowerCase();
  return words.every((word) => said.includes(word));
}

export type SortKey = "state" | "name" | "type" | "attempt" | "thread" | "started" | "took" | "rows" | "failures";

/** The seconds that a node took; of one that runs, up to now. */
export function tookOf(node: NodeRow, now: number): number | null {
  if (node.started_at && node.state === "running") return Math.max(0, (now - Date.parse(node.started_at)) / 1000);
  if (node.execution_time != null) return node.execution_time;
  if (node.started_at && node.finished_at) return (Date.parse(node.finished_at) - Date.parse(node.started_at)) / 1000;
  return null;
}

const values: Record<SortKey, (node: NodeRow) => string | number | null | undefined> = {
  state: (node) => rank(node.state),
  name: (node) => node.name,
  type: (node) => node.resource_type,
  attempt: (node) => node.step * 10_000 + node.attempt,
  thread: (node) => node.thread,
  started: (node) => node.started_at,
  took: (node) => tookOf(node, Date.now()),
  rows: (node) => node.rows_affected,
  failures: (node) => node.failures,
};

/** Sorts nodes; what has no value comes last either way, and equals stay in the order of their beginning. */
export function sorted(nodes: NodeRow[], key: SortKey, down: boolean): NodeRow[] {
  const of = values[key];
  const compare = (a: string | number, b: string | number) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  const rows = nodes.map((node) => ({ node, value: of(node) }));
  rows.sort((a, b) => {
    if (a.value == null || b.value == null) {
      if ((a.value == null) !== (b.value == null)) return a.value == null ? 1 : -1;
    } else {
      const order = compare(a.value, b.value);
      if (order !== 0) return down ? -order : order;
    }
    return (a.node.started_at ?? "9").localeCompare(b.node.started_at ?? "9");
  });
  return rows.map((row) => row.node);
}

/** How many nodes are in each state. */
export function countsOf(nodes: NodeRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const node of nodes) counts[node.state] = (counts[node.state] ?? 0) + 1;
  return counts;
}

/** How far a run is by its counts: what is done, of what is known. */
export function progressOf(counts: Record<string, number>): { done: number; all: number } {
  let done = 0;
  let all = 0;
  for (const [state, count] of Object.entries(counts)) {
    all += count;
    if (isDone(state)) done += count;
  }
  return { done, all };
}
