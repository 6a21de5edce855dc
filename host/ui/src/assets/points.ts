/** What a chart of runs shows. */
import { type Tone, toneOf } from "../parts/state";

/** A run in a chart. */
export type Point = { at: string; run: number; state: string; value: number | undefined };

/** A value that means something, such as a threshold. */
export type Limit = { value: number; text: string; tone: Tone };

/** Points in the order of time. */
export function ordered(points: readonly Point[]): Point[] {
  return [...points].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** What a chart shows, in a sentence. */
export function summary(points: readonly Point[], words: (value: number) => string): string {
  const inOrder = ordered(points);
  const values = inOrder.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const last = inOrder.at(-1);
  if (!last) return "nothing yet";
  const bad = inOrder.filter(({ state }) => toneOf(state) === "bad").length;
  const runs = inOrder.length === 1 ? "1 run" : `${inOrder.length} runs`;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = values.length > 1 ? `, from ${words(least)} to ${words(most)}` : "";
  const now = last.value === undefined ? last.state : words(last.value);
  return `${runs}${range}; ${inOrder.length > 1 ? "the last " : ""}${now}${bad ? `; ${bad} failed` : ""}`;
}
