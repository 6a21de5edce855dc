/** What these pages ask the host for. News that it tells live are put into what is known, without asking again. */
import { type InfiniteData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { api, ask, queries } from "../api/client";
import { on } from "../api/live";
import { type Kinds, type Message, type PageOf, type Pages, useEarly, useInvalidation } from "../parts/live";
import { withMeanwhile } from "../parts/meanwhile";
import {
  hasMoved,
  listed,
  mergeHead,
  mergeNodes,
  mergeRuns,
  type RunFilter,
  type RunNews,
  type RunNodes,
} from "./merge";
import type { Artifact, Comparison, LogPage, RunDetail, RunEvent, RunSummary, Told } from "./shapes";
import { isFinished } from "./words";

/** How many are asked for at once. */
const PAGE = 100;

const runKey = (id: number) => ["run", id];
const nodesKey = (id: number) => ["run", id, "nodes"];

/** What was set of a filter: the API takes an empty text at its word. */
const set = (text: string) => text || undefined;

function runsPage({ job, states, project, asset, via, q }: RunFilter, cursor?: string): Promise<PageOf<RunSummary>> {
  const query = {
    job: set(job),
    state: set(states.join()),
    project: set(project),
    asset: set(asset),
    via: set(via),
    q: set(q),
    cursor,
    limit: PAGE,
  };
  return ask(api.GET("/api/v1/runs", { params: { query } }));
}

/** The runs that fit, newest first, page by page; new ones appear by themselves. */
export function useRuns(filter: RunFilter): Pages<RunSummary> {
  const client = useQueryClient();
  const key = ["runs", "list", filter];
  const query = useInfiniteQuery<
    PageOf<RunSummary>,
    Error,
    InfiniteData<PageOf<RunSummary>>,
    unknown[],
    string | undefined
  >({
    queryKey: key,
    queryFn: ({ pageParam }) => runsPage(filter, pageParam),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: (before) => before,
    staleTime: 0,
    refetchOnWindowFocus: false,
  });
  const { data: found, isFetching } = query;
  const data = useMemo(() => found && listed(found.pages), [found]);
  const named = JSON.stringify(filter);
  const live = useRef<{ answered: () => void }>();
  useLayoutEffect(() => {
    const fits = JSON.parse(named) as RunFilter;
    const at = ["runs", "list", fits];
    const later = gathered(() => void client.invalidateQueries({ queryKey: at, exact: true }), 500);
    const take = (news: RunSummary[]) => {
      const known = client.getQueryData<InfiniteData<PageOf<RunSummary>>>(at);
      if (!known) return;
      const { pages, isWhole } = mergeRuns(known.pages, news, fits);
      if (pages !== known.pages) client.setQueryData(at, { ...known, pages });
      if (!isWhole) later.soon();
    };
    // An answer replaces all pages by those that were there when it was asked for: what was told since is told again.
    const told: RunSummary[] = [];
    live.current = { answered: () => take(told.splice(0)) };
    const end = on("run", (run) => {
      if (client.isFetching({ queryKey: at, exact: true }) > 0) told.push(run);
      take([run]);
    });
    return () => {
      end();
      later.never();
    };
  }, [client, named]);
  useLayoutEffect(() => {
    if (!isFetching) live.current?.answered();
  }, [isFetching, named]);
  return {
    data,
    error: query.error,
    isOld: query.isPlaceholderData,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    more: () => void query.fetchNextPage(),
  };
}

/** A run, with what is told of it until it is here. */
export function runNow(id: number): Promise<RunDetail> {
  return withMeanwhile({
    kind: "run",
    ask: () => ask(api.GET("/api/v1/runs/{run}", { params: { path: { run: id } } })),
    merge: mergeHead,
    isMore: hasMoved,
  });
}

/** The nodes of a run, with what is told of them until they are here. */
export function nodesNow(id: number): Promise<RunNodes> {
  const asked = () =>
    withMeanwhile({
      kind: "node",
      ask: () => ask(api.GET("/api/v1/runs/{run}/nodes", { params: { path: { run: id } } })),
      merge: (nodes: RunNodes, news) => (news.run === id ? mergeNodes(nodes, news) : nodes),
    });
  // The critical path is known when it has ended.
  const isEnd = (nodes: RunNodes, run: RunNews) => run.id === id && isFinished(run.state) && run.as_of > nodes.as_of;
  return withMeanwhile({ kind: "run", ask: asked, merge: (nodes: RunNodes) => nodes, isMore: isEnd });
}

/** A run without its nodes. What changes in its head comes live; its attempts are asked for again when it moves on. */
export function useRun(id: number) {
  const client = useQueryClient();
  useLayoutEffect(() => {
    const again = () => void client.invalidateQueries({ queryKey: runKey(id), exact: true });
    const soon = gathered(again, 200);
    const nowAndThen = gathered(again, 3000);
    const end = on("run", (news) => {
      const known = news.id === id ? client.getQueryData<RunDetail>(runKey(id)) : undefined;
      if (!known || news.as_of <= known.as_of) return;
      client.setQueryData<RunDetail>(runKey(id), mergeHead(known, news));
      if (hasMoved(known, news)) soon.soon();
      else nowAndThen.soon();
    });
    return () => {
      end();
      soon.never();
      nowAndThen.never();
    };
  }, [client, id]);
  const asked = {
    queryKey: runKey(id),
    queryFn: () => runNow(id),
    staleTime: 0,
  };
  const refetchOnMount = useEarly(asked.queryKey, true, () => client.query(asked));
  return useQuery<RunDetail>({ ...asked, refetchOnMount, refetchOnWindowFocus: false });
}

/** The nodes of a run in all of its attempts; what becomes of them comes live. */
export function useNodes(id: number, wanted: boolean) {
  const client = useQueryClient();
  useLayoutEffect(() => {
    if (!wanted) return;
    const ends = [
      on("node", (news) => {
        if (news.run !== id) return;
        client.setQueryData<RunNodes>(nodesKey(id), (known) => known && mergeNodes(known, news));
      }),
      // The critical path is known when it has ended.
      on("run", (run) => {
        if (run.id === id && isFinished(run.state))
          void client.invalidateQueries({ queryKey: nodesKey(id), exact: true });
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [client, id, wanted]);
  const asked = {
    queryKey: nodesKey(id),
    queryFn: () => nodesNow(id),
    staleTime: 0,
  };
  const refetchOnMount = useEarly(asked.queryKey, wanted, () => client.query(asked));
  return useQuery<RunNodes>({ ...asked, refetchOnMount, refetchOnWindowFocus: false, enabled: wanted });
}

function eventsPage(id: number, cursor: string | undefined): Promise<PageOf<RunEvent>> {
  return ask(api.GET("/api/v1/runs/{run}/events", { params: { path: { run: id }, query: { cursor, limit: 1000 } } }));
}

/** The events of a run, page by page, oldest first; where all are here, new ones are added as they come. */
export function useEvents(id: number, isLive: boolean) {
  const client = useQueryClient();
  useLayoutEffect(() => {
    if (!isLive) return;
    const key = ["run", id, "events"];
    const later = gathered(async () => {
      const known = client.getQueryData<InfiniteData<PageOf<RunEvent>>>(key);
      const last = known?.pages.at(-1);
      if (!known || !last || last.next) return;
      const newest = last.items.at(-1)?.id;
      const more = await eventsPage(id, newest?.toString());
      client.setQueryData<InfiniteData<PageOf<RunEvent>>>(key, (now) => {
        // Somebody else has asked meanwhile.
        if (!now || now.pages.at(-1)?.items.at(-1)?.id !== newest || more.items.length === 0) return now;
        return { pages: [...now.pages, more], pageParams: [...now.pageParams, newest?.toString()] };
      });
    }, 300);
    const ends = [
      on("node", (news) => news.run === id && later.soon()),
      on("run", (run) => run.id === id && later.soon()),
    ];
    later.soon();
    return () => {
      for (const end of ends) end();
      later.never();
    };
  }, [client, id, isLive]);
  return useInfiniteQuery<PageOf<RunEvent>, Error, InfiniteData<PageOf<RunEvent>>, unknown[], string | undefined>({
    queryKey: ["run", id, "events"],
    queryFn: ({ pageParam }) => eventsPage(id, pageParam),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    // What has happened does not change.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
}

/** How long after the files of a run that goes on were listed they may be listed again, in milliseconds. */
const FILES = 3000;

/** Says when something about a run may have come that no message holds: when it turns, and now and then while its nodes do. */
function useTurns(id: number): Kinds {
  return useMemo<Kinds>(() => {
    let before = "";
    let at = 0;
    const isTurn = (run: Message) => {
      const now = `${run.state} ${run.attempts}`;
      if (run.id !== id || now === before) return false;
      before = now;
      return true;
    };
    const isTime = ({ run }: Message) => {
      if (run !== id || Date.now() - at < FILES) return false;
      at = Date.now();
      return true;
    };
    return [
      ["run", isTurn],
      ["node", isTime],
    ];
  }, [id]);
}

/** The files of a run; more come while it goes on. */
export function useArtifacts(id: number, wanted: { kind: Artifact["kind"] | ""; q: string }) {
  useInvalidation(["run", id, "artifacts", wanted], useTurns(id));
  return useInfiniteQuery<PageOf<Artifact>, Error, InfiniteData<PageOf<Artifact>>, unknown[], string | undefined>({
    queryKey: ["run", id, "artifacts", wanted],
    queryFn: ({ pageParam }) => {
      const query = { kind: wanted.kind || undefined, q: set(wanted.q), cursor: pageParam, limit: 500 };
      return ask(api.GET("/api/v1/runs/{run}/artifacts", { params: { path: { run: id }, query } }));
    },
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: (before) => before,
  });
}

/** What alerts told of a run; they may tell more. */
export function useNotifications(id: number) {
  useInvalidation(["run", id, "notifications"], ["alert", ...useTurns(id).slice(0, 1)]);
  return useQuery<Told[]>({
    queryKey: ["run", id, "notifications"],
    queryFn: () => ask(api.GET("/api/v1/runs/{run}/notifications", { params: { path: { run: id } } })),
    staleTime: 0,
  });
}

/** Two runs beside each other. */
export function useComparison(id: number, other: number | undefined) {
  return useQuery<Comparison>({
    queryKey: ["run", id, "compare", other],
    queryFn: () => {
      const path = { run: id, other: other ?? id };
      return ask(api.GET("/api/v1/runs/{run}/compare/{other}", { params: { path } }));
    },
    enabled: other !== undefined,
  });
}

/** Runs of the same job or project, to choose one of them: the newest, and those just before it. */
export function useOthers(run: RunSummary) {
  return useQuery<RunSummary[]>({
    queryKey: ["runs", "others", run.project, run.job, run.id],
    queryFn: async () => {
      const query = { project: run.project, job: run.job ?? undefined, limit: 50 };
      // The cursor of this list is the number of the run behind which a page begins.
      const asked = [query, { ...query, cursor: String(run.id) }];
      const pages = await Promise.all(asked.map((query) => ask(api.GET("/api/v1/runs", { params: { query } }))));
      return listed(pages).filter(({ id }) => id !== run.id);
    },
  });
}

/** Which lines of a log are wanted. */
export type LogFilter = { attempt: string; node: string; level: string; q: string };

/** A part of the log: behind a cursor, or with `tail` before it. */
export function logPage(
  id: number,
  filter: LogFilter,
  at: { cursor?: string | undefined; tail?: boolean; limit: number },
): Promise<LogPage> {
  const params = { path: { run: id }, query: { ...logValues(filter), ...at } };
  return ask(api.GET("/api/v1/runs/{run}/log", { params }));
}

/** The address at which the log is told as it comes. */
export function logLive(id: number, filter: LogFilter, cursor: string | undefined): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...logValues(filter), cursor })) if (value) query.set(name, `${value}`);
  return `/api/v1/runs/${id}/log/live?${query}`;
}

function logValues({ attempt, node, level, q }: LogFilter) {
  const [step, number] = attempt.split(".").map(Number);
  return { step: step || undefined, attempt: number || undefined, node: set(node), level: levelOf(level), q: set(q) };
}

const levelOf = (text: string) => (["debug", "info", "warn", "error"] as const).find((level) => level === text);

/** Where the whole log can be had as dbt wrote it. */
export function rawLog(id: number): string {
  return `/api/v1/runs/${id}/log/raw`;
}

/** Where a file of a run can be had. */
export function artifactHref(id: number, { step, attempt, name }: Artifact): string {
  return `/api/v1/runs/${id}/artifacts/${step}/${attempt}/${encodeURIComponent(name)}`;
}

/** Asks the host to stop a run. */
export async function cancel(id: number): Promise<void> {
  await ask(api.POST("/api/v1/runs/{run}/cancel", { params: { path: { run: id } } }));
  await queries.invalidateQueries({ queryKey: runKey(id), exact: true });
}

/** Asks the host to do what is left of a run; gives the run that does. */
export async function resume(id: number): Promise<number> {
  const { run } = await ask(api.POST("/api/v1/runs/{run}/resume", { params: { path: { run: id } } }));
  void queries.invalidateQueries({ queryKey: runKey(id), exact: true });
  return run;
}

/** Calls back once for many calls. */
function gathered(act: () => unknown, wait: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    soon: () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void act();
      }, wait);
    },
    never: () => clearTimeout(timer),
  };
}
