import { beforeEach, expect, test, vi } from "vitest";

/** A stream of the host, as far as a browser shows it. */
class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static all: Stream[] = [];
  readyState = 0;

  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }

  static get open(): Stream[] {
    return Stream.all.filter((stream) => stream.readyState !== Stream.CLOSED);
  }

  close(): void {
    this.readyState = Stream.CLOSED;
  }

  opens(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  breaks(): void {
    this.readyState = 0;
    this.dispatchEvent(new Event("error"));
  }

  says(kind: string, data: unknown, id = ""): void {
    this.dispatchEvent(Object.assign(new Event(kind), { data: JSON.stringify(data), lastEventId: id }));
  }
}

const blank = () => Object.assign(new EventTarget(), { hidden: false });
/** The document, as far as it is looked at. */
let page = blank();

function look(isSeen: boolean): void {
  page.hidden = !isSeen;
  page.dispatchEvent(new Event("visibilitychange"));
}

const hello = (more: object = {}) => ({
  as_of: 7,
  version: "1.0.0",
  projects: { shop: "a" },
  configuration: "1",
  ...more,
});

/** The module as it is when a page is loaded, and what it has told of projects and the configuration. */
async function loaded() {
  vi.resetModules();
  const live = await import("./live");
  const { queries } = await import("./client");
  const invalidated = vi.spyOn(queries, "invalidateQueries");
  const told: string[] = [];
  live.on("project", ({ project, digest }) => told.push(`${project} ${digest}`));
  live.on("configuration", () => told.push("configuration"));
  live.listen();
  const first = Stream.all.at(-1) as Stream;
  first.opens();
  first.says("hello", hello());
  return { live, first, told, invalidated };
}

/** Nobody looks for long enough that the stream is given up. */
function leave(): void {
  look(false);
  vi.advanceTimersByTime(60_000);
}

const newest = () => Stream.all.at(-1) as Stream;

beforeEach(() => {
  Stream.all = [];
  page = blank();
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("document", page);
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

test("a page that is looked at again goes on behind the last message", async () => {
  const { first, invalidated } = await loaded();
  first.says("status", {}, "8");
  leave();
  expect(Stream.open).toEqual([]);
  look(true);
  expect(newest().url).toBe("/api/v1/live?after=8");
  newest().opens();
  expect(invalidated).not.toHaveBeenCalled();
});

test("a page that nobody looked at while the host went away listens again, and asks for all", async () => {
  const { live, first, invalidated } = await loaded();
  first.says("status", {}, "8");
  first.breaks();
  expect(live.connection.value).toBe("lost");
  leave();
  expect(Stream.open).toEqual([]);
  look(true);
  expect(newest().url, "what was before means nothing to a host that may be another").toBe("/api/v1/live");
  newest().opens();
  expect(live.connection.value).toBe("open");
  expect(invalidated).toHaveBeenCalledTimes(1);
});

test("nothing is listened to while somebody has to log in first", async () => {
  const { live } = await loaded();
  leave();
  live.connection.value = "locked";
  look(true);
  expect(Stream.open).toEqual([]);
});

test("a host that refuses is not asked again while nobody looks", async () => {
  const { first } = await loaded();
  vi.stubGlobal("fetch", async () => ({ ok: false }));
  first.close();
  first.dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(100);
  leave();
  expect(Stream.open).toEqual([]);
});

test("what became of projects and of the configuration while nobody looked is told", async () => {
  const { told } = await loaded();
  leave();
  look(true);
  newest().opens();
  newest().says("hello", hello({ projects: { shop: "b", books: "c" }, configuration: "2" }));
  expect(told.sort()).toEqual(["books c", "configuration", "shop b"]);
});

test("what was told already, and what is as it was, is not told again", async () => {
  const { first, told } = await loaded();
  first.says("project", { project: "shop", digest: "b" });
  expect(told).toEqual(["shop b"]);
  leave();
  look(true);
  newest().opens();
  newest().says("hello", hello({ projects: { shop: "b" } }));
  // A host that was just started has read none yet.
  newest().says("hello", hello({ projects: {} }));
  newest().says("hello", hello({ projects: { shop: "b" } }));
  expect(told).toEqual(["shop b"]);
});

test("a host of another version is known to be one", async () => {
  const { live, first } = await loaded();
  first.says("hello", hello());
  expect(live.replaced.value).toBe(false);
  first.says("hello", hello({ version: "1.1.0" }));
  expect(live.replaced.value).toBe(true);
});
