/** The line of what dbt said about a failure that says most. */

/** Lines that only say where, not what. */
const where = /^\s*((?:runtime|database|compilation|dependency|parsing|validation|dbt\w*)\s+error(\s+in\s.*)?:?)?\s*$/i;

/** The first line that says what is wrong. */
export function telling(message: string): string {
  const lines = message.slice(0, 4000).split("\n");
  return (lines.find((line) => !where.test(line)) ?? lines[0] ?? "").trim();
}
