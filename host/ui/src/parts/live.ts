/** Answers of the API that stay true: asked for once, and again when the host says that something about them changed. */
import { type InfiniteData, type QueryKey, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type LiveKind, on } from "../api/live";

/** What a message carries; which fields depends on its kind. */
export type Message = Record<string, unknown>;

/** The kinds of messages after which to ask again: all of a kind, or those that the function picks. */
export type Kinds = readonly (LiveKind | readonly [LiveKind, (message: Message) => boolean])[];

/** How long messages are gathered before one more question is asked, in milliseconds. */
const GATHER = 250;

/** Picks of the messages about runs those that say that one is new, or in another state than before. */
export function useRunTurns(): readonly ["run", (message: Message) => boolean] {
  const [turns] = useState(() => {
    const states = new Map<unknown, unknown>();
    const isTurn = ({ id, state }: Message) => {
      if (states.get(id) === state) return false;
      states.set(id, state);
      return true;
    };
    return ["run", isTurn] as const;
  });
  return turns;
}

/** Marks what is kept under a key as old when one of these messages comes, so that it is asked for again. */
export function useInvalidation(key: QueryKey, kinds: Kinds): void {
  const client = useQueryClient();
  const latest = useRef({ key, kinds });
  latest.current = { key, kinds };
  const named = kinds.map((kind) => (typeof kind === "string" ? kind : kind[0])).join();
  useLayoutEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void client.invalidateQueries({ queryKey: latest.current.key, exact: true });
      }, GATHER);
    };
    const ends = latest.current.kinds.map((kind, index) =>
      on(typeof kind === "string" ? kind : kind[0], (data) => {
        const now = latest.current.kinds[index];
        if (typeof now === "string" || now?.[1](data as Message)) again();
      }),
    );
    return () => {
      clearTimeout(timer);
      for (const end of ends) end();
    };
    // The names say which kinds there are; what picks messages is looked up when one comes.
  }, [client, named]);
}

/**
 * Begins to ask while a page is drawn, where nobody has asked before: to wait until it is painted would be to wait twice. Gives
 * whether to ask again then: not for what was just asked for, and not where someone else shows it, for whom it is kept true.
 */
export function useEarly(key: QueryKey, enabled: boolean, begin: () => Promise<unknown>) {
  const client = useQueryClient();
  const isFirst = enabled && client.getQueryState(key) === undefined;
  const [wasFirst] = useState(isFirst);
  if (isFirst) begin().catch(() => undefined);
  return (query: { getObserversCount: () => number }) => !wasFirst && query.getObserversCount() <= 1;
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
    more: () => void query.fetchNextPage(),
  };
}
