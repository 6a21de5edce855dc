import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { freshKey, launch } from "./send";

/** Answers in order: with a run, or with the status of a failure, 0 for an answer that was lost. */
function host(...answers: ({ run: number } | { status: number })[]) {
  const keys: string[] = [];
  const post = async (_: unknown, key: string) => {
    keys.push(key);
    const answer = answers.shift();
    if (!answer || "status" in answer) throw new ApiError(answer?.status ?? 500, "no");
    return answer;
  };
  return { keys, post };
}
const lost = { status: 0 };

test("an answer that was lost is asked for again with the same key", async () => {
  const { keys, post } = host(lost, lost, { run: 7 });
  await expect(launch({ job: "smoke" }, post, [0, 0])).resolves.toBe(7);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(keys).size).toBe(1);
});

test("the key stays until there is an answer, and the next launch has another", async () => {
  const { keys, post } = host(lost, { run: 7 }, { run: 8 });
  await expect(launch({ job: "build" }, post, [])).rejects.toThrow();
  await expect(launch({ job: "build" }, post, [])).resolves.toBe(7);
  await expect(launch({ job: "build" }, post, [])).resolves.toBe(8);
  expect(keys[0]).toBe(keys[1]);
  expect(keys[2]).not.toBe(keys[0]);
});

test("pressed twice it is one launch", async () => {
  const { keys, post } = host({ run: 7 }, { run: 7 });
  await Promise.all([launch({ job: "twice" }, post), launch({ job: "twice" }, post)]);
  expect(new Set(keys).size).toBe(1);
});

test("what was refused is not asked again", async () => {
  const { keys, post } = host({ status: 422 }, { run: 9 });
  await expect(launch({ job: "odd" }, post, [0, 0])).rejects.toThrow("no");
  await launch({ job: "odd" }, post, []);
  expect(new Set(keys).size).toBe(2);
});

test("keys differ", () => {
  expect(freshKey()).not.toBe(freshKey());
});
