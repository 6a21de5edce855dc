import { beforeEach, expect, test } from "vitest";
import { ask, locked } from "./client";

beforeEach(() => {
  locked.value = false;
});

const refused = () => Promise.resolve({ error: { detail: "no" }, response: new Response(null, { status: 401 }) });

test("a host that wants to know who asks locks the pages", async () => {
  await expect(ask(refused())).rejects.toThrow("no");
  expect(locked.value).toBe(true);
});

test("a token that is none says nothing of whoever looks already", async () => {
  await expect(ask(refused(), { isLogin: true })).rejects.toThrow("no");
  expect(locked.value).toBe(false);
});
