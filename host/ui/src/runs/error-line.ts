/** Which line of a query a database means when it tells of an error in it. */

/** More lines that read the same say nothing. */
const MOST = 3;

/**
 * The lines of the code, from 1, that an error names as `LINE 7: select …`, as DuckDB and Postgres do. Their number counts what dbt
 * has put around the code, too: what the line says is what finds it. A long line is quoted in part, between `...`.
 */
export function linesOfError(message: string | null | undefined, code: string): number[] {
  const quoted = /^\s*LINE \d+: *(.*)$/m.exec(message ?? "")?.[1] ?? "";
  const wanted = quoted
    .trim()
    .replace(/^\.\.\./, "")
    .replace(/\.\.\.$/, "")
    .trim();
  if (wanted.length < 2) return [];
  const isPart = quoted.trim() !== wanted;
  const found = code.split("\n").flatMap((line, at) => {
    const text = line.trim();
    return (isPart ? text.includes(wanted) : text === wanted) ? [at + 1] : [];
  });
  return found.length > MOST ? [] : found;
}
