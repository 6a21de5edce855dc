/** What the host tells while an answer is on its way is not lost: the stream of the UI itself, without a browser. */
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { listen } from "../api/live";
import { standingsNow } from "../lineage/data";
import { nodesNow, runNow } from "./data";
import { aNode, aRun } from "./sample";

type Answer = (data: unknown) => void;
const asked: { path: string; answer: Answer }[] = [];
const waits = (path: string) => new Promise((answer) => asked.push({ path, answer }));

vi.mock("../api/client", async (original) => ({
  ...(await original<typeof import("../api/client")>()),
  api: { GET: async (path: string) => ({ data: await waits(path), response: { ok: true } }) },
}));

let stream: EventTarget;
/** Says something, as the host does. */
const tell = (kind: string, data: unknown) =>
  stream.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
const answer = async (at: number, data: unknown) => {
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(at));
  asked[at]?.answer(data);
};

beforeAll(() => {
  vi.stubGlobal(
    "EventSource",
    class extends EventTarget {
      constructor() {
        super();
        stream = this;
      }
      close() {}
    },
  );
  listen();
});

beforeEach(() => {
  asked.length = 0;
});

const detail = (as_of: number, state: "running" | "succeeded") => ({ ...aRun({ id: 7, state }), as_of, steps: [] });

test("a run that ends while it is asked for has ended, and is asked for once more", async () => {
  const run = runNow(7);
  tell("run", { ...aRun({ id: 7, state: "succeeded" }), as_of: 20 });
  await answer(0, detail(10, "running"));
  await answer(1, { ...detail(20, "succeeded"), steps: ["its attempts"] });
  expect(await run).toMatchObject({ state: "succeeded", steps: ["its attempts"] });
  expect(asked).toHaveLength(2);
});

test("news of a run that are older than the answer, or of another run, say nothing", async () => {
  const run = runNow(7);
  tell("run", { ...aRun({ id: 7, state: "queued" }), as_of: 5 });
  tell("run", { ...aRun({ id: 8, state: "failed" }), as_of: 50 });
  await answer(0, detail(10, "running"));
  expect(await run).toMatchObject({ id: 7, state: "running" });
  expect(asked).toHaveLength(1);
});

test("nodes that are told while they are asked for are as they were told", async () => {
  const nodes = nodesNow(7);
  tell("node", { run: 7, as_of: 11, step: 1, attempt: 1, complete: false, nodes: [aNode({ state: "error" })] });
  await answer(0, { as_of: 10, items: [aNode({ state: "running" })] });
  expect((await nodes).items.map((node) => node.state)).toEqual(["error"]);
});

test("where a run ends while its nodes are asked for, they are asked for again: the critical path is known now", async () => {
  const nodes = nodesNow(7);
  tell("run", { ...aRun({ id: 7, state: "succeeded" }), as_of: 20 });
  await answer(0, { as_of: 10, items: [aNode({})] });
  await answer(1, { as_of: 20, items: [aNode({ critical: true })] });
  expect((await nodes).items[0]?.critical).toBe(true);
});

test("where nodes stand is not older than what was told meanwhile", async () => {
  let respond: (body: unknown) => void = () => undefined;
  vi.stubGlobal("fetch", () => {
    return new Promise((done) => {
      respond = (data) => done({ ok: true, json: async () => data });
    });
  });
  const standings = standingsNow("shop");
  const node = (unique_id: string, state: string) => aNode({ unique_id, state: state as "success" });
  const news = { run: 7, step: 1, attempt: 1, complete: false };
  tell("node", { ...news, project: "shop", as_of: 9, nodes: [node("model.shop.old", "error")] });
  tell("node", { ...news, project: "shop", as_of: 11, nodes: [node("model.shop.new", "success")] });
  tell("node", { ...news, project: "other", as_of: 12, nodes: [node("model.shop.new", "error")] });
  const standing = { state: "running", health: "running", run: 6, at: null, failed_checks: 0 };
  respond({ as_of: 10, states: { "model.shop.old": standing, "model.shop.new": standing } });
  const found = (await standings).standings;
  expect(found.get("model.shop.old")?.state).toBe("running");
  expect(found.get("model.shop.new")).toMatchObject({ state: "success", run: 7 });
});
