/** What comes live is added to the lines that are here, and to no others: the real hook, without a browser. */
import { h, render } from "preact";
import { useState } from "preact/hooks";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LogFilter } from "./data";
import { type Log, placeOf, type Search, useLog, useMatches } from "./log-data";
import type { LogPage, LogRow } from "./shapes";

type Asked = {
  filter: LogFilter;
  cursor?: string | undefined;
  tail?: boolean;
  answer: (page: LogPage) => void;
  refuse: (problem: Error) => void;
};
const asked: Asked[] = [];

vi.mock("./data", () => ({
  logPage: (_: number, filter: LogFilter, at: { cursor?: string; tail?: boolean }) =>
    new Promise<LogPage>((answer, refuse) => asked.push({ filter, ...at, answer, refuse })),
  logLive: (_: number, filter: LogFilter, cursor: string | undefined) =>
    JSON.stringify({ level: filter.level, cursor }),
}));

class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static all: Stream[] = [];
  readyState = 1;
  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }
  close() {
    this.readyState = Stream.CLOSED;
  }
  tell(items: LogRow[], next: string) {
    this.dispatchEvent(new MessageEvent("lines", { data: JSON.stringify({ items }), lastEventId: next }));
  }
}

const row = (offset: number): LogRow => ({
  step: 1,
  attempt: 1,
  line: null,
  offset,
  at: null,
  level: "info",
  event: null,
  unique_id: null,
  message: `line at ${offset}`,
});
const page = (offsets: number[], end: number): LogPage => ({
  items: offsets.map(row),
  next: `1.1.${end}`,
  previous: null,
  scanned_bytes: end,
  total_bytes: end,
  complete: false,
});

let log: Log | undefined;
const holder = { nodeType: 1, childNodes: [], firstChild: null } as unknown as Element;
let choose: (level: string) => void = () => undefined;
const Probe = () => {
  const [level, set] = useState("info");
  choose = set;
  log = useLog(1, { attempt: "", node: "", level, q: "" }, "end");
  return null;
};
const show = () => render(h(Probe, {}), holder);
const answered = async (at: number, with_: LogPage) => {
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(at));
  asked[at]?.answer(with_);
};
const streams = (count: number) => vi.waitFor(() => expect(Stream.all).toHaveLength(count));
const places = () => log?.part?.rows.map(placeOf);

beforeEach(() => {
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("document", Object.assign(new EventTarget(), { hidden: false }));
});

afterEach(() => {
  render(null, holder);
  vi.unstubAllGlobals();
  asked.length = Stream.all.length = 0;
  log = undefined;
});

test("lines that come while the log is asked for anew are there in the end", async () => {
  show();
  await answered(0, page([0, 10], 20));
  await streams(1);
  log?.again();
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  // The host has read up to 20 for its answer; what it tells meanwhile is not in it.
  Stream.all[0]?.tell([row(20)], "1.1.30");
  asked[1]?.answer(page([0, 10], 20));
  await streams(2);
  expect(JSON.parse(Stream.all[1]?.url ?? "")).toEqual({ level: "info", cursor: "1.1.20" });
  expect(Stream.all[0]?.readyState).toBe(Stream.CLOSED);
  // And what the old stream still says leaves no gap behind the new lines.
  Stream.all[0]?.tell([row(30)], "1.1.40");
  Stream.all[1]?.tell([row(20), row(30)], "1.1.40");
  await vi.waitFor(() => expect(places()).toEqual(["1.1.0", "1.1.10", "1.1.20", "1.1.30"]));
});

test("a changed filter begins no stream before its own lines are here", async () => {
  show();
  await answered(0, page([0], 20));
  await streams(1);
  choose("debug");
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  await vi.waitFor(() => expect(Stream.all[0]?.readyState).toBe(Stream.CLOSED));
  expect(Stream.all).toHaveLength(1);
  asked[1]?.answer(page([0, 5, 10], 20));
  await streams(2);
  expect(JSON.parse(Stream.all[1]?.url ?? "")).toEqual({ level: "debug", cursor: "1.1.20" });
  expect(places()).toEqual(["1.1.0", "1.1.5", "1.1.10"]);
});

test("a search that fails says so and can be tried again, and goes on where the log grows", async () => {
  let search: Search | undefined;
  let grow: (total: number) => void = () => undefined;
  const Searching = () => {
    const [total, set] = useState(20);
    grow = set;
    search = useMatches(1, { attempt: "", node: "", level: "", q: "" }, "line", total, true);
    return null;
  };
  render(h(Searching, {}), holder);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  asked[0]?.refuse(new Error("it is away"));
  await vi.waitFor(() => expect(search?.error).toEqual(new Error("it is away")));
  search?.again();
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  asked[1]?.answer(page([0], 20));
  await vi.waitFor(() => expect(search?.matches?.places).toEqual(["1.1.0"]));
  expect(search?.error).toBeUndefined();
  grow(30);
  await vi.waitFor(() => expect(asked).toHaveLength(3), { timeout: 10_000 });
  expect(asked[2]?.cursor).toBe("1.1.20");
  asked[2]?.answer(page([20], 30));
  await vi.waitFor(() => expect(search?.matches?.places).toEqual(["1.1.0", "1.1.20"]));
}, 20_000);
