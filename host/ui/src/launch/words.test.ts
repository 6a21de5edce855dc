import { expect, test } from "vitest";
import { joinWords, readThreads, readVars, splitWords } from "./words";

test("selections are parted by blanks, and quotes keep a blank", () => {
  expect(splitWords("  fct_orders+ tag:daily,path:a\n x")).toEqual(["fct_orders+", "tag:daily,path:a", "x"]);
  expect(splitWords(`path:"my models" 'a "b"' ""`)).toEqual(["path:my models", 'a "b"', ""]);
  expect(splitWords("")).toEqual([]);
  for (const words of [["a", "b c"], ['say "hi"'], ["it's"], [""]]) expect(splitWords(joinWords(words))).toEqual(words);
});

test("variables are a JSON object", () => {
  expect(readVars("  ")).toEqual({ vars: {} });
  expect(readVars('{"day": "2026-01-31", "n": [1]}')).toEqual({ vars: { day: "2026-01-31", n: [1] } });
  for (const text of ["[1]", "1", "null", '"a"']) expect(readVars(text)).toHaveProperty("fault");
});

test("a fault in the variables is shown where it is", () => {
  expect(readVars('{\n  "a": 1,\n  "b": oops\n}')).toMatchObject({ fault: { line: 3, column: 8 } });
  expect(readVars('{"a": 1')).toMatchObject({ fault: { line: 1, column: 8 } });
  for (const [text, column] of [
    ['{"a": tru }', 7],
    ["{'a': 1}", 2],
    ["{\"a\": 'b'}", 7],
    ['{"a" 1}', 6],
    ['{"a": 1,}', 9],
    ['{"a": 01}', 7],
    ['{"a": "b}', 10],
    ['{"a": "\\x"}', 8],
    ['{"a": [1 2]}', 10],
    ['{"a": 1} {', 10],
    ["[".repeat(600), 502],
  ] as const) {
    expect(readVars(text), text).toMatchObject({ fault: { line: 1, column } });
  }
});

test("threads are a number above zero", () => {
  expect(readThreads("")).toEqual({});
  expect(readThreads(" 8 ")).toEqual({ threads: 8 });
  for (const text of ["0", "-1", "1.5", "x", "1e9"]) expect(readThreads(text)).toHaveProperty("fault");
});
