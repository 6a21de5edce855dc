/** Where runs and ticks stand on a line of time, and which of them are too close together to be told apart. */

/** A span of time, in milliseconds since the epoch. */
export type Span = { from: number; to: number };

/** A run, as far as a line of time shows it. */
export type Timed = {
  id: number;
  state: string;
  requested_at: string;
  started_at?: string | null | undefined;
  finished_at?: string | null | undefined;
};

/** Some runs at one place; one, as a rule. Places and widths are in pixels. */
export type Mark<T extends Timed> = { left: number; width: number; runs: T[]; state: string };

/** The least width of a mark, so that it can be seen and pressed. */
export const LEAST = 16;
/** The greatest width of what is put together because it is too close. */
const WIDEST = 44;

/** States, what has to be seen first. */
const worst = [
  "failed",
  "refused",
  "interrupted",
  "incomplete",
  "warned",
  "running",
  "queued",
  "cancelled",
  "succeeded",
  "empty",
];

function rank(state: string): number {
  const at = worst.indexOf(state);
  return at < 0 ? worst.length : at;
}

/** Where an instant is on a line of `width` pixels. */
export function placeOf(at: number, span: Span, width: number): number {
  return ((at - span.from) / (span.to - span.from)) * width;
}

/** The runs of a lane as marks, from left to right; what lies outside of the span is left out, and what is too close together is one. */
export function marksOf<T extends Timed>(runs: readonly T[], span: Span, width: number, now: number): Mark<T>[] {
  const placed = runs
    .map((run) => {
      const begin = Date.parse(run.started_at ?? run.requested_at);
      const end = run.finished_at ? Date.parse(run.finished_at) : now;
      return { run, begin, end: Math.max(begin, end) };
    })
    .filter(({ begin, end }) => end >= span.from && begin <= span.to)
    .sort((a, b) => a.begin - b.begin || a.run.id - b.run.id);
  const marks: (Mark<T> & { last: number })[] = [];
  for (const { run, begin, end } of placed) {
    const right = Math.max(LEAST, Math.min(width, placeOf(end, span, width)));
    // What is too short to be seen grows towards the past: nothing that was reaches over now.
    const left = Math.max(0, Math.min(right - LEAST, placeOf(begin, span, width)));
    const own = right - left;
    // What is under way stands for itself, so that it is seen.
    const before = run.finished_at ? marks.findLast((mark) => mark.runs[0]?.finished_at) : undefined;
    if (before && left - before.last < LEAST + 1 && left + LEAST - before.left <= WIDEST) {
      before.runs.push(run);
      before.last = left;
      before.width = Math.max(before.width, left + own - before.left);
      if (rank(run.state) < rank(before.state)) before.state = run.state;
    } else {
      marks.push({ left, width: own, runs: [run], state: run.state, last: left });
    }
  }
  return marks.map(({ last: _, ...mark }) => mark);
}

/** Ticks that are to come as places, each with how many are there. */
export function ticksOf(ticks: readonly string[], span: Span, width: number): { left: number; at: string[] }[] {
  const places: { left: number; at: string[] }[] = [];
  for (const at of ticks) {
    const time = Date.parse(at);
    if (time < span.from || time > span.to) continue;
    // The last one stays whole within the chart.
    const left = Math.min(placeOf(time, span, width), width - LEAST / 2);
    const before = places.at(-1);
    if (before && left - before.left < LEAST - 2) before.at.push(at);
    else places.push({ left, at: [at] });
  }
  return places;
}

/** The hours at which a line of time is marked, on the reader's clock, at most `most` of them. */
export function hoursOf(span: Span, most: number): number[] {
  const hours = (span.to - span.from) / 3_600_000;
  const step = [1, 2, 3, 4, 6, 12, 24, 48, 72, 168].find((step) => hours / step <= most) ?? 336;
  const at = new Date(span.from);
  // The clock, not the count of hours, says where they are: a day has 23 or 25 of them at times.
  at.setHours(step < 24 ? Math.floor(at.getHours() / step) * step : 0, 0, 0, 0);
  const found: number[] = [];
  while (at.getTime() <= span.to) {
    if (at.getTime() >= span.from) found.push(at.getTime());
    const before = at.getTime();
    at.setHours(at.getHours() + step);
    if (at.getTime() <= before) at.setTime(before + step * 3_600_000);
  }
  return found;
}
