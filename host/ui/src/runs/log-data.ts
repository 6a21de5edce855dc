/** The part of a run's log that is here, and how it grows at both ends. No line of it is left out or there twice. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { type LogFilter, logLive, logPage } from "./data";
import type { LogPage, LogRow } from "./shapes";

/** What is here, and where it goes on. */
export type LogPart = {
  rows: LogRow[];
  previous: string | null | undefined;
  next: string | null | undefined;
  complete: boolean;
  scanned: number;
  total: number;
};

/** So many lines are kept at the most; more are asked for again. */
const MOST = 60_000;

/** So many lines are asked for at once. */
const PAGE = 500;

/** How long after it was away the host is asked again, in milliseconds. */
const AGAIN = 3000;

/** A line's name for ever; as a cursor it is where that line begins. */
export function placeOf(row: LogRow): string {
  return `${row.step}.${row.attempt}.${row.offset}`;
}

function order(a: LogRow, b: LogRow): number {
  return a.step - b.step || a.attempt - b.attempt || a.offset - b.offset;
}

/** Whether all that there is has been looked at. */
export function isAtEnd(part: LogPart): boolean {
  return !part.next || part.scanned >= part.total;
}

/** What is here with a page behind it. */
export function appended(
  part: LogPart,
  page: Pick<LogPage, "items" | "next" | "complete" | "scanned_bytes" | "total_bytes">,
): LogPart {
  const last = part.rows.at(-1);
  const news = last ? page.items.filter((row) => order(row, last) > 0) : page.items;
  let rows = news.length > 0 ? [...part.rows, ...news] : part.rows;
  let { previous } = part;
  if (rows.length > MOST) {
    rows = rows.slice(rows.length - MOST);
    previous = rows[0] ? placeOf(rows[0]) : previous;
  }
  const total = Math.max(page.total_bytes, part.total);
  return { rows, previous, next: page.next, complete: page.complete, scanned: page.scanned_bytes, total };
}

/** What is here with a page before it. */
export function prepended(part: LogPart, page: LogPage): LogPart {
  const first = part.rows[0];
  const news = first ? page.items.filter((row) => order(row, first) < 0) : page.items;
  const rows = news.length > 0 ? [...news, ...part.rows] : part.rows;
  const cut = rows[MOST];
  if (!cut) return { ...part, rows, previous: page.previous };
  // The end is let go, and is asked for again from there: this is not all any more.
  const scanned = Math.min(part.scanned, part.total - 1);
  return { ...part, rows: rows.slice(0, MOST), previous: page.previous, next: placeOf(cut), scanned };
}

function partOf(page: LogPage): LogPart {
  const { items, previous, next, complete, scanned_bytes, total_bytes } = page;
  return { rows: items, previous, next, complete, scanned: scanned_bytes, total: total_bytes };
}

/** How long the log is at least when these lines have come: each attempt's begins at 0 again. */
export function grownBy(part: LogPart, items: LogRow[]): number {
  let last = part.rows.at(-1);
  let total = part.total;
  for (const row of items) {
    const isSame = last !== undefined && last.step === row.step && last.attempt === row.attempt;
    total += Math.max(0, isSame && last ? row.offset - last.offset : row.offset);
    last = row;
  }
  return total;
}

export type Log = {
  part: LogPart | undefined;
  /** A number for each time that it was opened anew: other lines may be here since. */
  opened: number;
  error: unknown;
  /** Whether more is being asked for. */
  busy: "before" | "behind" | undefined;
  before: () => void;
  behind: () => void;
  again: () => void;
};

/** The log from a place on: `start`, `end`, or a line. Where it still grows, lines are added as dbt writes them. */
export function useLog(id: number, filter: LogFilter, from: string): Log {
  const [part, setPart] = useState<LogPart>();
  // Which round the part is of: what comes live goes on from that part, and from no other.
  const [opened, setOpened] = useState(0);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState<"before" | "behind">();
  const [round, setRound] = useState(0);
  const latest = useRef({ part, busy });
  latest.current = { part, busy };
  const named = JSON.stringify(filter);
  const epoch = useRef(0);

  // A round begins it anew.
  useEffect(() => {
    epoch.current += 1;
    const mine = epoch.current;
    const wanted = JSON.parse(named) as LogFilter;
    setBusy("behind");
    const ask = async () => {
      if (from === "end") return partOf(await found(id, wanted, { tail: true }));
      if (from === "start") return partOf(await found(id, wanted, {}));
      const [behind, before] = await Promise.all([
        found(id, wanted, { cursor: from }),
        logPage(id, wanted, { cursor: from, tail: true, limit: 100 }),
      ]);
      return prepended(partOf(behind), before);
    };
    ask()
      .then((first) => {
        if (mine !== epoch.current) return;
        setError(undefined);
        setPart(first);
        setOpened(mine);
      })
      .catch((problem: unknown) => mine === epoch.current && setError(problem))
      .finally(() => mine === epoch.current && setBusy(undefined));
  }, [id, named, from, round]);

  const more = useCallback(
    async (where: "before" | "behind") => {
      const { part: known, busy: isBusy } = latest.current;
      const cursor = where === "before" ? known?.previous : known?.next;
      if (!known || isBusy || !cursor || (where === "behind" && isAtEnd(known))) return;
      latest.current.busy = where;
      const mine = epoch.current;
      const wanted = JSON.parse(named) as LogFilter;
      setBusy(where);
      try {
        const page = await found(id, wanted, { cursor, tail: where === "before" });
        if (mine !== epoch.current) return;
        setError(undefined);
        setPart((now) => now && (where === "before" ? prepended(now, page) : appended(now, page)));
      } catch (problem) {
        if (mine === epoch.current) setError(problem);
      } finally {
        if (mine === epoch.current) setBusy(undefined);
      }
    },
    [id, named],
  );

  // A host that is away comes back; what it refuses it refuses again.
  const isAway = error !== undefined && !(error instanceof ApiError && error.status >= 400 && error.status < 500);
  useEffect(() => {
    if (!isAway) return;
    const timer = setInterval(() => document.hidden || setRound((now) => now + 1), AGAIN);
    return () => clearInterval(timer);
  }, [isAway]);

  const isLive = part !== undefined && !part.complete && isAtEnd(part);
  useEffect(() => {
    // While another round is asked for, nothing is added to what it will replace.
    if (!isLive || opened !== epoch.current) return;
    const wanted = JSON.parse(named) as LogFilter;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      source = new EventSource(logLive(id, wanted, latest.current.part?.next ?? undefined));
      source.addEventListener("lines", (message) => {
        if (opened !== epoch.current) return;
        const { data, lastEventId } = message as MessageEvent<string>;
        const { items } = JSON.parse(data) as { items: LogRow[] };
        const next = lastEventId || null;
        setPart((now) => {
          if (!now) return now;
          const end = grownBy(now, items);
          return appended(now, {
            items,
            next: next ?? now.next,
            complete: false,
            scanned_bytes: end,
            total_bytes: end,
          });
        });
      });
      source.addEventListener("end", () => {
        source?.close();
        // How much it was in the end is told by its end.
        const isMine = () => opened === epoch.current;
        logPage(id, wanted, { cursor: latest.current.part?.next ?? undefined, limit: PAGE })
          .then((page) => {
            const next = page.scanned_bytes < page.total_bytes ? page.next : null;
            if (isMine()) setPart((now) => now && appended(now, { ...page, next }));
          })
          .catch(() => isMine() && setPart((now) => now && { ...now, complete: true, next: null }));
      });
      source.addEventListener("error", () => {
        // The browser comes back by itself, unless the host has refused it.
        if (source?.readyState === EventSource.CLOSED) timer = setTimeout(listen, 2000);
      });
    };
    // A browser has few connections to one host: whoever does not look needs none, and goes on from where it was.
    const turn = () => {
      clearTimeout(timer);
      source?.close();
      if (!document.hidden) listen();
    };
    turn();
    document.addEventListener("visibilitychange", turn);
    return () => {
      document.removeEventListener("visibilitychange", turn);
      clearTimeout(timer);
      source?.close();
    };
  }, [id, named, isLive, opened]);

  return {
    part,
    opened,
    error,
    busy,
    before: useCallback(() => void more("before"), [more]),
    behind: useCallback(() => void more("behind"), [more]),
    again: useCallback(() => setRound((now) => now + 1), []),
  };
}

/** A page with at least a line in it, as long as there is one: a page may be empty though more follow. */
async function found(id: number, filter: LogFilter, at: { cursor?: string; tail?: boolean }): Promise<LogPage> {
  let page = await logPage(id, filter, { ...at, limit: PAGE });
  while (page.items.length === 0) {
    const cursor = at.tail ? page.previous : page.next;
    if (!cursor || cursor === at.cursor || (!at.tail && page.scanned_bytes >= page.total_bytes)) break;
    at.cursor = cursor;
    const more = await logPage(id, filter, { cursor, tail: at.tail ?? false, limit: PAGE });
    page = at.tail ? { ...more, next: page.next } : { ...more, previous: page.previous };
  }
  return page;
}

/** Lines that hold a text, by their places; and how far has been searched. */
export type Matches = { places: string[]; searched: number; total: number; done: boolean };

/** So many places are kept at the most. */
const MATCHES = 100_000;

/** How often it is searched on in a log that grows, in milliseconds. */
const SEARCH_ON = 2000;

export type Search = {
  /** What was found so far. */
  matches: Matches | undefined;
  /** Why it does not go on. */
  error: unknown;
  again: () => void;
};

/** All lines of the log that hold a text, wherever they are: the host searches, so that none is missed. What grows is searched on. */
export function useMatches(id: number, filter: LogFilter, q: string, total: number, isGrowing: boolean): Search {
  const named = JSON.stringify({ ...filter, q });
  const [found, set] = useState<{ named: string; matches: Matches }>();
  const [error, setError] = useState<unknown>();
  const [tries, setTries] = useState(0);
  const known = useRef<{ named: string; cursor?: string; matches?: Matches }>({ named });
  const latest = useRef(total);
  latest.current = total;
  useEffect(() => {
    setError(undefined);
    if (!q) return;
    let isOver = false;
    let isBusy = false;
    if (known.current.named !== named) known.current = { named };
    const now = known.current;
    let seen = -1;
    const search = async () => {
      const wanted = JSON.parse(named) as LogFilter;
      seen = latest.current;
      for (let done = false; !done; ) {
        const page = await logPage(id, wanted, { cursor: now.cursor, limit: 5000 });
        if (isOver) return;
        const before = now.matches?.places ?? [];
        const places = page.items.length > 0 ? [...before, ...page.items.map(placeOf)] : before;
        done = !page.next || page.scanned_bytes >= page.total_bytes || places.length >= MATCHES;
        now.matches = { places, searched: page.scanned_bytes, total: page.total_bytes, done };
        set({ named, matches: now.matches });
        setError(undefined);
        if (page.next) now.cursor = page.next;
      }
    };
    const begin = () => {
      if (isBusy || seen === latest.current || (now.matches?.places.length ?? 0) >= MATCHES) return;
      isBusy = true;
      search()
        .catch((problem: unknown) => {
          seen = -1;
          if (!isOver) setError(problem);
        })
        .finally(() => {
          isBusy = false;
        });
    };
    // Whoever types on wants no answer to the first letters.
    const timer = setTimeout(begin, 150);
    const more = isGrowing ? setInterval(begin, SEARCH_ON) : undefined;
    return () => {
      isOver = true;
      clearTimeout(timer);
      clearInterval(more);
    };
  }, [id, named, q, isGrowing, tries]);
  return {
    matches: q && found?.named === named ? found.matches : undefined,
    error,
    again: useCallback(() => setTries((now) => now + 1), []),
  };
}
