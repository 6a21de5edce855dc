/** Answers of the API that stay true: asked for once, and again when the host says that something about them changed. */
import { type InfiniteData, type QueryKey, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
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
  useEffect(() => {
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
 * Asks, and asks again whenever the host says that one of `kinds` changed. While nobody shows it nothing is asked; whoever
 * shows it again sees what was known and gets what is new.
 */
export function useLiveQuery<T>(key: QueryKey, fetch: () => Promise<T>, kinds: Kinds = [], enabled = true) {
  useInvalidation(key, kinds);
  return useQuery<T>({ queryKey: key, queryFn: fetch, staleTime: 0, refetchOnWindowFocus: false, enabled });
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
  const identity = JSON.stringify(key.slice(0, -1));
  const query = useInfiniteQuery<PageOf<T>, Error, InfiniteData<PageOf<T>>, QueryKey, string | undefined>({
    queryKey: key,
    queryFn: ({ pageParam }) => fetch(pageParam),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: (previous, of) => (JSON.stringify(of?.queryKey.slice(0, -1)) === identity ? previous : undefined),
    staleTime: 0,
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
