/** The columns of an asset: those that are documented, and those that only a test names, each with its tests. Pure. */
import type { Schemas } from "../api/client";

export type Check = Schemas["CheckDetail"];

/** A column as it is shown. */
export type ColumnRow = { name: string; type: string; description: string; isDocumented: boolean; checks: Check[] };

/** The columns in the order of their documentation, then the others as their tests come. */
export function columnsOf(documented: readonly Schemas["Column"][], checks: readonly Check[]): ColumnRow[] {
  const rows: ColumnRow[] = documented.map(({ name, data_type, description }) => ({
    name,
    type: data_type ?? "",
    description: description ?? "",
    isDocumented: true,
    checks: [],
  }));
  for (const check of checks) {
    const name = check.column;
    if (!name) continue;
    // Whoever names a column as the argument of a test need not write it as its documentation does.
    let row =
      rows.find((row) => row.name === name) ?? rows.find((row) => row.name.toLowerCase() === name.toLowerCase());
    if (!row) {
      row = { name, type: "", description: "", isDocumented: false, checks: [] };
      rows.push(row);
    }
    row.checks.push(check);
  }
  return rows;
}
