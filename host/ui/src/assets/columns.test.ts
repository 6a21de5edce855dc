import { expect, test } from "vitest";
import { type Check, columnsOf } from "./columns";

const check = (name: string, column: string | null) => ({ name, unique_id: `test.s.${name}`, column }) as Check;

test("each column has its tests, and a column that only a test names is there as well", () => {
  const documented = [
    { name: "id", data_type: "integer", description: "The key." },
    { name: "Id", data_type: null, description: null },
    { name: "total", data_type: null, description: null },
  ];
  const checks = [
    check("unique_Id", "Id"),
    check("not_null_id", "id"),
    check("positive_total", "TOTAL"),
    check("not_null_customer", "customer"),
    check("whole", null),
    check("relationships_customer", "customer"),
  ];
  const rows = columnsOf(documented, checks);
  expect(rows.map(({ name, isDocumented, checks }) => [name, isDocumented, checks.map(({ name }) => name)])).toEqual([
    ["id", true, ["not_null_id"]],
    ["Id", true, ["unique_Id"]],
    ["total", true, ["positive_total"]],
    ["customer", false, ["not_null_customer", "relationships_customer"]],
  ]);
  expect(rows[0]).toMatchObject({ type: "integer", description: "The key." });
  expect(columnsOf([], [check("whole", null)])).toEqual([]);
});
