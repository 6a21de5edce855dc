/** What happens on the host, while it happens: one stream of server-sent events for the whole UI. */
import { signal } from "@preact/signals";
import { queries, type Schemas, unanswered } from "./client";

/** Whether the host is heard: not yet, yes, not any more, or not before someone logs in. */
export const connection = signal<"connecting" | "open" | "lost" | "locked">("connecting");

/** Whether the host is another version by now than the one that these pages came from. */
export const replaced = signal(false);

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

function tell<K extends LiveKind>(kind: K, data: LiveData<K>): void {
  for (const handler of handlers.get(kind) ?? []) handler(data as never);
}

type Hello = Schemas["Hello"];
/** What the host is known to have: of neither projects nor configuration a stream that goes on tells what was missed. */
let known: Hello | undefined;

/** Compares what the host says first with what was known, and tells of what is another. */
function greet(hello: Hello): void {
  const before = known;
  known = { ...hello, projects: { ...before?.projects, ...hello.projects } };
  if (!before) return;
  if (before.version !== hello.version) replaced.value = true;
  if (before.configuration !== hello.configuration) tell("configuration", {});
  for (const [project, digest] of Object.entries(hello.projects))
    if (before.projects[project] !== digest) tell("project", { project, digest });
}

on("project", ({ project, digest }) => {
  if (known) known = { ...known, projects: { ...known.projects, [project]: digest } };
});

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
    if (heard.readyState === EventSource.CLOSED && source === heard) void lookWhy(heard);
  });
  heard.addEventListener("hello", (message) => greet(JSON.parse((message as MessageEvent<string>).data) as Hello));
  heard.addEventListener("resync", () => void queries.invalidateQueries());
  for (const kind of kinds) {
    heard.addEventListener(kind, (message) => {
      last = (message as MessageEvent<string>).lastEventId || last;
      tell(kind, JSON.parse((message as MessageEvent<string>).data) as never);
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
      clearTimeout(timer);
      source?.close();
      source = undefined;
    }, UNSEEN);
  } else if (source === undefined && connection.value !== "locked") {
    // Of a host that was away nobody knows what became of it: all is asked for again.
    listen(connection.value === "open" ? last : "");
  }
});

// A stream can hang on a way that leads nowhere any more. Whoever gets no answer to something else tells of it.
unanswered.subscribe((count) => {
  if (count === 0 || connection.value !== "open" || source === undefined) return;
  heardAt.value = Date.now();
  connection.value = "lost";
  listen();
});

async function lookWhy(of: EventSource): Promise<void> {
  const wantsToken = await fetch("/api/v1/session").then(
    async (answer) => answer.ok && ((await answer.json()) as { role: unknown }).role === null,
    () => false,
  );
  // Meanwhile another stream may have begun, or nobody looks any more.
  if (source !== of) return;
  if (wantsToken) connection.value = "locked";
  else timer = setTimeout(() => listen(), 1000);
}
