/** What the host tells live, put into what is known already: replaced by key, without asking again. */
import type { Schemas } from "../api/client";
import { keyOf } from "./nodes";
import type { RunDetail, RunSummary } from "./shapes";
import { isFinished } from "./words";

/** The nodes of a run as they were fetched, with what was told since. */
export type RunNodes = Schemas["RunNodes"];

/** What is told of a run. */
export type RunNews = Schemas["RunChanged"];

/** What is told of nodes of an attempt. */
export type NodesNews = Pick<Schemas["NodesChanged"], "as_of" | "step" | "attempt" | "complete" | "nodes">;

/**
 * Nodes with news of some of them; news that are older than what was fetched say nothing. Where they are all of an attempt,
 * others of it are gone. The critical path is known to no message: what was known of it stays.
 */
export function mergeNodes(known: RunNodes, news: NodesNews): RunNodes {
  if (news.as_of <= known.as_of) return known;
  const told = new Map(news.nodes.map((node) => [keyOf(node), node]));
  const items = known.items.flatMap((before) => {
    const key = keyOf(before);
    const node = told.get(key);
    told.delete(key);
    if (node) return [{ ...node, critical: node.critical ?? before.critical }];
    const gone = news.complete && before.step === news.step && before.attempt === news.attempt;
    return gone ? [] : [before];
  });
  // That it was fetched is what it is compared with: messages come in order, several of them for one event.
  return { as_of: known.as_of, items: told.size > 0 ? [...items, ...told.values()] : items };
}

/** Whether news of a run are older than what is known of it: it has ended, and they say that it goes on. */
export function isOld(known: Pick<RunSummary, "state">, news: Pick<RunSummary, "state">): boolean {
  return isFinished(known.state) && !isFinished(news.state);
}

/** A run with news of it, where they are newer than what was fetched: that is what all news are compared with. */
export function mergeHead(known: RunDetail, { as_of, ...news }: RunNews): RunDetail {
  return news.id === known.id && as_of > known.as_of ? { ...known, ...news } : known;
}

/** Whether news say more of a run than they hold: its attempts have to be asked for. */
export function hasMoved(known: RunDetail, news: RunNews): boolean {
  if (news.id !== known.id || news.as_of <= known.as_of) return false;
  return (["state", "attempts", "waits_for", "reason"] as const).some((key) => known[key] !== news[key]);
}

/** Which runs a list is asked for; empty texts leave it open. */
export type RunFilter = { job: string; states: string[]; project: string; asset: string; via: string; q: string };

/** Whether a run belongs into a list; undefined where only the host can tell. */
export function belongs(run: RunSummary, filter: RunFilter): boolean | undefined {
  if (filter.job && run.job !== filter.job) return false;
  if (filter.project && run.project !== filter.project) return false;
  if (filter.via && run.launch.via !== filter.via) return false;
  if (filter.states.length > 0 && !filter.states.includes(run.state)) return false;
  return filter.asset || filter.q ? undefined : true;
}

type Listed = { items: RunSummary[]; next?: string | null | undefined };

/**
 * The pages of a list with news of a run; undefined where the host has to be asked. A run that is new goes to where its
 * number belongs; one that belongs there no more is taken out.
 */
export function mergeRun<P extends Listed>(pages: P[], run: RunSummary, filter: RunFilter): P[] | undefined {
  const fits = belongs(run, filter);
  const at = pages.findIndex((page) => page.items.some((item) => item.id === run.id));
  if (at >= 0) {
    return pages.map((page, index) => {
      if (index !== at) return page;
      const items = page.items.flatMap((item) => {
        if (item.id !== run.id || isOld(item, run)) return [item];
        return fits === false ? [] : [run];
      });
      return { ...page, items };
    });
  }
  if (fits === false) return pages;
  if (fits === undefined) return undefined;
  const last = pages.at(-1);
  // It comes with a page that nobody has asked for yet.
  if (last?.next && run.id < (last.items.at(-1)?.id ?? 0)) return pages;
  const found = pages.findIndex((page) => page.items.some((item) => item.id < run.id));
  const to = found < 0 ? pages.length - 1 : found;
  return pages.map((page, index) => {
    if (index !== to) return page;
    return { ...page, items: [...page.items, run].sort((a, b) => b.id - a.id) };
  });
}

/** The pages of a list with news of runs, in their order; and whether that is all, or the host has to be asked. */
export function mergeRuns<P extends Listed>(pages: P[], news: RunSummary[], filter: RunFilter) {
  let isWhole = true;
  const merged = news.reduce((now, run) => {
    const next = mergeRun(now, run, filter);
    if (!next) isWhole = false;
    return next ?? now;
  }, pages);
  return { pages: merged, isWhole };
}

/** The runs of pages, each once, newest first: one that was told may come with a later page, too. */
export function listed(pages: Listed[]): RunSummary[] {
  const runs = new Map<number, RunSummary>();
  for (const run of pages.flatMap((page) => page.items)) if (!runs.has(run.id)) runs.set(run.id, run);
  return [...runs.values()].sort((a, b) => b.id - a.id);
}
