import { expect, test } from "vitest";
import { selectionOf } from "./address";
import { aRun } from "./sample";
import type { Attempt, Decided, Step } from "./shapes";
import { clipped, plain } from "./text";
import {
  askedBy,
  bytes,
  decisionOf,
  durationOf,
  errorLine,
  firstLine,
  secondsOf,
  shortId,
  stepState,
  waitingOf,
} from "./words";

test.each([
  ["PT1M30S", 90, "1 min 30 s"],
  ["PT0S", 0, "0 s"],
  ["P1DT2H", 93_600, "1 d 2 h"],
  ["PT0.25S", 0.25, "0.25 s"],
  ["-PT5S", -5, null],
])("the duration %s is %d seconds", (iso, seconds, words) => {
  expect(secondsOf(iso)).toBe(seconds);
  if (words) expect(durationOf(iso)).toBe(words);
});

test("what is no duration is shown as it is", () => {
  expect(durationOf("soon")).toBe("soon");
});

test("sizes are told in the unit that one reads", () => {
  expect([0, 1023, 1024, 1536, 20 << 20].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "20 MiB"]);
});

test("colours, cursor movements and other control characters of a terminal are gone, line breaks stay", () => {
  expect(plain("\u001b[31mred\u001b[0m\u0007\n\u001b]8;;http://x\u0007link\u001b]8;;\u0007\ttab\r")).toBe(
    "red\nlink\ttab",
  );
});

test("a text is clipped by characters and by lines", () => {
  expect(clipped("abcdef", 3, 9)).toBe("abc");
  expect(clipped("a\nb\nc\nd", 100, 2)).toBe("a\nb");
  expect(clipped("a\nb", 100, 2)).toBe("a\nb");
});

test("the first line is the first with something in it", () => {
  expect(firstLine("\n  \n  Runtime Error in model\n more")).toBe("Runtime Error in model");
  expect(firstLine("x".repeat(1000)).length).toBe(301);
});

test("of an error the line is told that says what is wrong, not the one that says where", () => {
  const text = "Runtime Error in model fct_orders (models/fct_orders.sql)\n  Catalog Error: no such table\n  LINE 1";
  expect(errorLine(text)).toBe("Catalog Error: no such table");
  expect(errorLine("Got 3 results, configured to fail if != 0")).toBe("Got 3 results, configured to fail if != 0");
  expect(errorLine("Runtime Error in model a (b)")).toBe("Runtime Error in model a (b)");
});

test("dbt's ids are shortened to what people call the node", () => {
  expect(shortId("model.shop.fct_orders")).toBe("fct_orders");
  expect(shortId("source.shop.raw.raw_orders")).toBe("raw.raw_orders");
  expect(shortId("test.shop.not_null_orders_id.ab12")).toBe("not_null_orders_id");
  expect(shortId("odd")).toBe("odd");
});

test("who asked is told as the command line tells it", () => {
  expect(askedBy(aRun({}))).toBe("ada via cli");
  expect(askedBy(aRun({ launch: { user: "tidegate", via: "schedule", reason: "tick", command: null } }))).toBe(
    "schedule",
  );
  expect(askedBy(aRun({ resumes: 7, launch: { user: "ada", via: "resume", reason: null, command: null } }))).toBe(
    "resume of 7",
  );
  expect(askedBy(aRun({ resumes: 7 }))).toBe("ada via cli, resuming 7");
});

const retry: Decided = {
  decision: "retry",
  after: "PT1M",
  scope: "unfinished",
  threads: 1,
  reason: "locked",
  plugin: { kind: "retry-policy", name: "transient", version: "0.1.0", digest: "ab" },
  fault: null,
  due: "2026-01-01T00:01:00Z",
  args: null,
};

test("a decision says what follows, and whether it has", () => {
  expect(decisionOf(retry, true, false)).toBe(
    "Retried after 1 min by transient 0.1.0, what was unfinished, with --threads 1",
  );
  expect(decisionOf(retry, false, false)).toMatch(/^To be retried/);
  expect(decisionOf(retry, false, true)).toMatch(/^Was to be retried/);
  expect(decisionOf({ ...retry, decision: "give_up" }, false, true)).toBe("Given up by transient 0.1.0");
  expect(decisionOf({ ...retry, after: "PT0S", scope: "all", threads: null, plugin: null }, true, true)).toBe(
    "Retried at once, the whole step",
  );
});

test("a run waits for another attempt while it is owed one, and not once it has begun", () => {
  const attempt = { number: 1, state: "failed", decided: retry } as Attempt;
  const step = { number: 2, args: [], command_line: "dbt build", state: "running", attempts: [attempt] } as Step;
  expect(waitingOf([step], "running")).toMatchObject({ step: 2, decided: retry });
  expect(waitingOf([step], "cancelled")).toBeNull();
  const next = { number: 2, state: "running", decided: null } as Attempt;
  expect(waitingOf([{ ...step, attempts: [attempt, next] }], "running")).toBeNull();
});

test("a selection is read from dbt's arguments", () => {
  expect(selectionOf(["build", "--select", "a", "b+", "--full-refresh", "--exclude", "c", "--threads", "4"])).toEqual({
    select: ["a", "b+"],
    exclude: ["c"],
    full: true,
  });
});

test("a step that was never begun waits while its run goes on, and is skipped once that is over", () => {
  const step = { state: "queued", attempts: [] } as Pick<Step, "state" | "attempts">;
  expect(stepState(step, "running")).toBe("waiting");
  expect(stepState(step, "failed")).toBe("skipped");
  expect(stepState({ ...step, state: "running" }, "running")).toBe("running");
});
