/** Which bar of the timeline lies in which row: a row for each of dbt's threads, more of them where bars of one overlap. */
import { keyOf } from "../nodes";
import type { NodeRow } from "../shapes";

/** A node as a bar; one without an end goes on. Times are milliseconds of the clock. */
export type Bar = { key: string; node: NodeRow; from: number; to: number | null };

/** A row of bars that do not overlap, in the order of time. */
export type Row = { thread: string; label: string; bars: Bar[] };

/** dbt's clocks of two nodes on one thread may differ by so much without an overlap, in milliseconds. */
const SLACK = 3;

const endOf = (bar: Bar) => bar.to ?? Number.POSITIVE_INFINITY;

/** A thread's name without what all have in common: `Thread-3 (worker)` is `Thread-3`. */
export function threadName(thread: string): string {
  return thread.replace(/ \(.*\)$/, "");
}

/** The bars of all nodes that have begun, in rows by thread. */
export function pack(nodes: NodeRow[]): Row[] {
  const threads = new Map<string, Bar[]>();
  for (const node of nodes) {
    if (!node.started_at) continue;
    const from = Date.parse(node.started_at);
    const goesOn = node.state === "running";
    const measured = node.execution_time == null ? from : from + node.execution_time * 1000;
    const to = goesOn ? null : Math.max(from, node.finished_at ? Date.parse(node.finished_at) : measured);
    const thread = threadName(node.thread ?? "");
    const bars = threads.get(thread);
    const bar = { key: keyOf(node), node, from, to };
    if (bars) bars.push(bar);
    else threads.set(thread, [bar]);
  }
  const names = [...threads.keys()].sort((a, b) => {
    // What no thread is known of comes last.
    if (!a || !b) return a ? -1 : b ? 1 : 0;
    return a.localeCompare(b, "en", { numeric: true });
  });
  return names.flatMap((thread) => {
    const bars = (threads.get(thread) ?? []).sort((a, b) => a.from - b.from || endOf(a) - endOf(b));
    const rows: Bar[][] = [];
    for (const bar of bars) {
      const free = rows.find((row) => {
        const last = row.at(-1);
        return !last || endOf(last) <= bar.from + SLACK;
      });
      if (free) free.push(bar);
      else rows.push([bar]);
    }
    return rows.map((row, at) => ({ thread, label: at === 0 ? thread || "no thread" : "", bars: row }));
  });
}

/** The index of the first bar of a row that ends behind a time. */
export function firstBehind(bars: Bar[], time: number): number {
  let low = 0;
  let high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const bar = bars[middle];
    if (bar && endOf(bar) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bar of a row that is nearest to a time, where one is within a reach of milliseconds. */
export function barAt(bars: Bar[], time: number, reach: number): Bar | undefined {
  const at = firstBehind(bars, time);
  const away = (bar: Bar) => (time < bar.from ? bar.from - time : Math.max(0, time - endOf(bar)));
  const near = [bars[at], bars[at - 1]].filter((bar) => bar !== undefined && away(bar) <= reach) as Bar[];
  return near.sort((a, b) => away(a) - away(b))[0];
}
