import { hashKey, QueryClient, QueryObserver } from "@tanstack/react-query";
import { beforeEach, expect, test, vi } from "vitest";
import { askAgain, isFresh, runTurns } from "./live";

const key = ["jobs"];
let client: QueryClient;

/** A host that takes its time for each answer: how often it was asked, and its clock then. */
function slowly(takes: number) {
  const asked: number[] = [];
  const queryFn = async () => {
    const now = asked.push(Date.now());
    await new Promise((done) => setTimeout(done, takes));
    return now;
  };
  const observer = new QueryObserver(client, { queryKey: key, queryFn, staleTime: 0, retry: false });
  const end = observer.subscribe(() => undefined);
  return { asked, end, shown: () => client.getQueryData(key) };
}

beforeEach(() => {
  vi.useFakeTimers();
  client = new QueryClient();
  return () => {
    client.clear();
    vi.useRealTimers();
  };
});

test("what is said while the first answer is on its way is asked for once that has come", async () => {
  const { asked, shown } = slowly(1000);
  await vi.advanceTimersByTimeAsync(100);
  askAgain(client, key);
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toHaveLength(2);
  expect(shown()).toBe(2);
});

test("answers that are slower than messages come land nevertheless", async () => {
  const { asked, shown } = slowly(900);
  await vi.advanceTimersByTimeAsync(900);
  for (let step = 0; step < 100; step += 1) {
    askAgain(client, key);
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(shown(), "in ten seconds of messages").toBeGreaterThan(5);
  expect(asked.length).toBeLessThan(13);
  await vi.advanceTimersByTimeAsync(5000);
  expect(shown(), "the last answer was asked for behind the last message").toBe(asked.length);
});

test("several who show the same ask once for one message", async () => {
  const { asked } = slowly(10);
  await vi.advanceTimersByTimeAsync(100);
  for (let who = 0; who < 5; who += 1) askAgain(client, key);
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toHaveLength(2);
});

test("what nobody shows any more is not asked for, and known to be old", async () => {
  const { asked, end } = slowly(10);
  await vi.advanceTimersByTimeAsync(100);
  end();
  askAgain(client, key);
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toHaveLength(1);
  expect(client.getQueryCache().get(hashKey(key))?.state.isInvalidated).toBe(true);
});

test("an answer is shown as it is for a moment only, where nothing was said against it", async () => {
  slowly(10);
  const other = slowly(10);
  await vi.advanceTimersByTimeAsync(100);
  const query = client.getQueryCache().find({ queryKey: key }) as Parameters<typeof isFresh>[0];
  const { dataUpdatedAt } = query.state;
  expect(isFresh(query, dataUpdatedAt + 1000)).toBe(true);
  expect(isFresh(query, dataUpdatedAt + 5000)).toBe(false);
  await client.invalidateQueries({ queryKey: key, refetchType: "none" });
  expect(isFresh(query, dataUpdatedAt + 1000)).toBe(false);
  void client.invalidateQueries({ queryKey: key });
  await vi.advanceTimersByTimeAsync(100);
  expect(isFresh(query, query.state.dataUpdatedAt)).toBe(true);
  // While nobody shows it nobody hears what is said.
  other.end();
  expect(isFresh(query, query.state.dataUpdatedAt)).toBe(false);
});

test("a run takes a turn where its state or its attempt is another, not with each of its nodes", () => {
  const isTurn = runTurns();
  const said = [
    { id: 1, state: "queued", attempts: 0 },
    { id: 1, state: "running", attempts: 1 },
    { id: 1, state: "running", attempts: 1 },
    { id: 2, state: "running", attempts: 1 },
    { id: 1, state: "running", attempts: 2 },
    { id: 1, state: "failed", attempts: 2 },
    { id: 1, state: "failed", attempts: 2 },
  ];
  expect(said.map(isTurn)).toEqual([true, true, false, true, true, true, false]);
});
