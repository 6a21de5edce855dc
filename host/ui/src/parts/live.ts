/** Answers of the API that stay true: asked for once, and again when the host says that something about them changed. */
import {
  hashKey,
  type InfiniteData,
  type QueryClient,
  type QueryKey,
  type QueryState,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type LiveKind, on } from "../api/live";

/** What a message carries; which fields depends on its kind. */
export type Message = Record<string, unknown>;

/** The kinds of messages after which to ask again: all of a kind, or those that the function picks. */
export type Kinds = readonly (LiveKind | readonly [LiveKind, (message: Message) => boolean])[];

/** How long messages are gathered before one more question is asked, in milliseconds. */
const GATHER = 250;

/** How old an answer may be that a page shows as it is when it is opened, in milliseconds. */
const FRESH = 2000;

/** A picker of messages about runs: of those that say that one is new, in another state, or at another attempt than before. */
export function runTurns(): (message: Message) => boolean {
  const known = new Map<unknown, string>();
  return ({ id, state, attempts }) => {
    const now = `${state} ${attempts}`;
    if (known.get(id) === now) return false;
    known.set(id, now);
    return true;
  };
}

/** Picks the turns of runs, or only those of the runs that fit. */
export function useRunTurns(fits?: (message: Message) => boolean): readonly ["run", (message: Message) => boolean] {
  const latest = useRef(fits);
  latest.current = fits;
  const [turns] = useState(() => {
    const isTurn = runTurns();
    return ["run", (message: Message) => (latest.current?.(message) ?? true) && isTurn(message)] as const;
  });
  return turns;
}

/** What is about to be asked for again, by its hash. */
const soon = new WeakMap<QueryClient, Set<string>>();

/**
 * Has what is kept under a key asked for again in a moment. An answer that is on its way may be older than what was just said:
 * it is waited for, neither thrown away nor taken for the last word.
 */
export function askAgain(client: QueryClient, key: QueryKey): void {
  const waiting = soon.get(client) ?? new Set();
  soon.set(client, waiting);
  const hash = hashKey(key);
  if (waiting.has(hash)) return;
  waiting.add(hash);
  const look = () => {
    if (client.getQueryState(key)?.fetchStatus === "fetching") {
      setTimeout(look, GATHER);
      return;
    }
    waiting.delete(hash);
    void client.invalidateQueries({ queryKey: key, exact: true }, { cancelRefetch: false });
  };
  setTimeout(look, GATHER);
}

/** Marks what is kept under a key as old when one of these messages comes, so that it is asked for again. */
export function useInvalidation(key: QueryKey, kinds: Kinds): void {
  const client = useQueryClient();
  const latest = useRef({ key, kinds });
  latest.current = { key, kinds };
  const named = kinds.map((kind) => (typeof kind === "string" ? kind : kind[0])).join();
  useLayoutEffect(() => {
    const ends = latest.current.kinds.map((kind, index) =>
      on(typeof kind === "string" ? kind : kind[0], (data) => {
        const now = latest.current.kinds[index];
        if (typeof now === "string" || now?.[1](data as Message)) askAgain(client, latest.current.key);
      }),
    );
    return () => {
      for (const end of ends) end();
    };
    // The names say which kinds there are; what picks messages is looked up when one comes.
  }, [client, named]);
}

/** What is known of a question. */
type Asked = { queryHash: string; state: QueryState<unknown, unknown>; getObserversCount: () => number };

/**
 * Whether an answer is shown as it is by whoever begins to: it was just given, nothing was said against it, and somebody else
 * shows it, who would have heard that.
 */
export function isFresh(of: Pick<Asked, "state" | "getObserversCount">, now: number): boolean {
  const { state } = of;
  return of.getObserversCount() > 1 && !state.isInvalidated && now - state.dataUpdatedAt < FRESH;
}

/**
 * Begins to ask while a page is drawn, where nobody has asked before: to wait until it is painted would be to wait twice. Gives
 * whether to ask again then: not for what was just asked for or answered. Some of what an answer tells depends on the time, so
 * that no message makes an older one true for whoever opens a page.
 */
export function useEarly(key: QueryKey, enabled: boolean, begin: () => Promise<unknown>) {
  const client = useQueryClient();
  const begun = useRef<string>();
  if (enabled && client.getQueryState(key) === undefined) {
    begun.current = hashKey(key);
    begin().catch(() => undefined);
  }
  return (query: Asked) => query.queryHash !== begun.current && !isFresh(query, Date.now());
}

/**
 * Asks, and asks again whenever the host says that one of `kinds` changed. While nobody shows it nothing is asked; whoever
 * shows it again sees what was known and gets what is new.
 */
export function useLiveQuery<T>(key: QueryKey, fetch: () => Promise<T>, kinds: Kinds = [], enabled = true) {
  useInvalidation(key, kinds);
  const client = useQueryClient();
  const asked = { queryKey: key, queryFn: fetch, staleTime: 0 };
  const refetchOnMount = useEarly(key, enabled, () => client.query(asked));
  return useQuery<T>({ ...asked, refetchOnMount, refetchOnWindowFocus: false, enabled });
}

/** A page of a list, as the API gives it. */
export type PageOf<T> = { items: T[]; next?: string | null | undefined };

/** A list of which more can be asked for. */
export type Pages<T> = {
  data: T[] | undefined;
  error: unknown;
  /** Whether what is shown is that of other filters, until the answer is there. */
  isOld: boolean;
  hasMore: boolean;
  isLoadingMore: boolean;
  more: () => void;
};

/**
 * A list by cursor that is asked for again on messages. The last part of the key are its filters: while those change, what was
 * shown stays.
 */
export function useLivePages<T>(
  key: QueryKey,
  fetch: (cursor: string | undefined) => Promise<PageOf<T>>,
  kinds: Kinds = [],
): Pages<T> {
  useInvalidation(key, kinds);
  const client = useQueryClient();
  const identity = JSON.stringify(key.slice(0, -1));
  const asked = {
    queryKey: key,
    queryFn: ({ pageParam }: { pageParam: string | undefined }) => fetch(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: PageOf<T>) => last.next ?? undefined,
    staleTime: 0,
  };
  const refetchOnMount = useEarly(key, true, () => client.infiniteQuery(asked));
  const query = useInfiniteQuery<PageOf<T>, Error, InfiniteData<PageOf<T>>, QueryKey, string | undefined>({
    ...asked,
    placeholderData: (previous, of) => (JSON.stringify(of?.queryKey.slice(0, -1)) === identity ? previous : undefined),
    refetchOnMount,
    refetchOnWindowFocus: false,
  });
  // One array for one answer, so that what is made of it need not be made again.
  const data = useMemo(() => query.data?.pages.flatMap((page) => page.items), [query.data]);
  return {
    data,
    error: query.error,
    isOld: query.isPlaceholderData,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    more: () => {
      // That ends what is asked for meanwhile, which was for a reason.
      if (query.isFetching && !query.isFetchingNextPage) askAgain(client, key);
      void query.fetchNextPage();
    },
  };
}
