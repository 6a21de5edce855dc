/** The line of what dbt said about a failure that says most. */

/** Lines that only say where, or that something failed which the next lines tell: as `model::first_line` of the host knows them. */
const headings = [
  /^((runtime|database|compilation|dependency|parsing|validation|dbt\w*)\s+error(\s+in\s.*)?:?)?$/i,
  /^encountered an error:$/i,
  /\sfailed:$/,
  /^an error occurred during execution of unit test\b/i,
];

/** The first line that says what is wrong. */
export function telling(message: string): string {
  const lines = message
    .slice(0, 4000)
    .split("\n")
    .map((line) => line.trim());
  const isHeading = (line: string) => headings.some((heading) => heading.test(line));
  return lines.find((line) => !isHeading(line)) ?? lines.find(Boolean) ?? "";
}
