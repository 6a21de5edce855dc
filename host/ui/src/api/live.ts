/** What happens on the host, while it happens: one stream of server-sent events for the whole UI. */
import { signal } from "@preact/signals";
import { queries, type Schemas, unanswered } from "./client";

/** Whether the host is heard: not yet, yes, not any more, or not before someone logs in. */
export const connection = signal<"connecting" | "open" | "lost" | "locked">("connecting");

/** When the host was heard last, in milliseconds since the epoch. */
export const heardAt = signal(Date.now());

const kinds = [
  "run",
  "node",
  "job",
  "alert",
  "plugin",
  "asset",
  "audit",
  "project",
  "configuration",
  "status",
] as const;

/** What a message can be about. */
export type LiveKind = (typeof kinds)[number];
/** What a message of a kind carries. */
export type LiveData<K extends LiveKind> = Extract<Schemas["LiveMessage"], { event: K }>["data"];
const handlers = new Map<LiveKind, Set<(data: never) => void>>();

/** Calls back with the data of each message of a kind; gives what ends that. */
export function on<K extends LiveKind>(kind: K, handler: (data: LiveData<K>) => void): () => void {
  const known = handlers.get(kind) ?? new Set();
  known.add(handler);
  handlers.set(kind, known);
  return () => known.delete(handler);
}

let source: EventSource | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
/** The id of the last message that was heard for certain. */
let last = "";

/**
 * Begins to listen, or goes on behind a message. The browser resumes from the last id by itself; after a longer silence all is
 * asked for again.
 */
export function listen(after = ""): void {
  clearTimeout(timer);
  source?.close();
  if (connection.value === "locked") connection.value = "connecting";
  const heard = new EventSource(after ? `/api/v1/live?after=${encodeURIComponent(after)}` : "/api/v1/live");
  source = heard;
  let goesOn = after !== "";
  heard.addEventListener("open", () => {
    const wasAway = connection.value !== "connecting";
    connection.value = "open";
    if (wasAway && !goesOn) void queries.invalidateQueries();
    goesOn = false;
  });
  heard.addEventListener("error", () => {
    if (connection.value === "open") heardAt.value = Date.now();
    if (connection.value !== "locked") connection.value = "lost";
    // A browser gives up on an answer that is no stream; the host may be back soon, or wants a token.
    if (heard.readyState === EventSource.CLOSED && source === heard) void lookWhy();
  });
  heard.addEventListener("resync", () => void queries.invalidateQueries());
  for (const kind of kinds) {
    heard.addEventListener(kind, (message) => {
      last = (message as MessageEvent<string>).lastEventId || last;
      const data = JSON.parse((message as MessageEvent<string>).data) as never;
      for (const handler of handlers.get(kind) ?? []) handler(data);
    });
  }
}

/** How long a page that nobody looks at goes on listening, in milliseconds. */
const UNSEEN = 20_000;
let unseen: ReturnType<typeof setTimeout> | undefined;

// A browser has six connections for one host, and a page that is not looked at must not keep one from those that are.
globalThis.document?.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => {
      source?.close();
      source = undefined;
    }, UNSEEN);
  } else if (source === undefined && connection.value === "open") {
    listen(last);
  }
});

// A stream can hang on a way that leads nowhere any more. Whoever gets no answer to something else tells of it.
unanswered.subscribe((count) => {
  if (count === 0 || connection.value !== "open" || source === undefined) return;
  heardAt.value = Date.now();
  connection.value = "lost";
  listen();
});

async function lookWhy(): Promise<void> {
  const wantsToken = await fetch("/api/v1/session").then(
    async (answer) => answer.ok && ((await answer.json()) as { role: unknown }).role === null,
    () => false,
  );
  if (wantsToken) connection.value = "locked";
  else timer = setTimeout(() => listen(), 1000);
}
