import { expect, test } from "vitest";
import { linesOfError } from "./error-line";

const code =
  "\n\nwith a as (\n    selec * from payments\n)\nselect coalesce(max(changed_at), timestamp '1970-01-01') from a";

test("the line is found by what it says, whatever dbt has put before it", () => {
  const message =
    "Runtime Error in model x\n  Parser Error: syntax error\n  \n  LINE 7:     selec * from payments\n   ^";
  expect(linesOfError(message, code)).toEqual([4]);
});

test("a line that is quoted in part is found, too", () => {
  expect(linesOfError("LINE 85: ...sce(max(changed_at), timestamp...", code)).toEqual([6]);
});

test("nothing is marked where nothing is named, or where it is not there", () => {
  for (const message of [null, undefined, "", "Catalog Error", "LINE 3:", "LINE 3: select elsewhere"])
    expect(linesOfError(message, code)).toEqual([]);
  expect(linesOfError("LINE 3: from a", "from a\n".repeat(9))).toEqual([]);
});
