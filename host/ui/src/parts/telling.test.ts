import { expect, test } from "vitest";
import { telling } from "./telling";

test("the line that says what is wrong is found behind those that say where", () => {
  const message =
    'Runtime Error in model fct_orders (models/marts/fct_orders.sql)\n  Binder Error: no column "x"\n  LINE 4';
  expect(telling(message)).toBe('Binder Error: no column "x"');
  expect(telling("Database Error\n\n  disk is full")).toBe("disk is full");
  const unit =
    "Runtime Error in unit_test a (a.yml)\n  An error occurred during execution of unit test 'a'. There may be an error in the unit test definition: check the data types.\n   Runtime Error\n    Catalog Error: no table";
  expect(telling(unit)).toBe("Catalog Error: no table");
  expect(telling("`dbt parse` failed:\nRuntime Error\n  Syntax error near line 2")).toBe("Syntax error near line 2");
});

test("a text of one line is that line, whatever it is", () => {
  expect(telling("Got 3 results, configured to fail if != 0")).toBe("Got 3 results, configured to fail if != 0");
  expect(telling("Runtime Error in model x")).toBe("Runtime Error in model x");
  expect(telling("")).toBe("");
});
