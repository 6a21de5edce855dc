/** The part of a run's time that the timeline shows, and how it is moved. Times are milliseconds. */

/** From when to when. */
export type Span = { from: number; to: number };

/** Nobody looks closer than at so many milliseconds. */
const CLOSEST = 5;

/** A span kept within the whole, and no smaller than can be looked at. */
export function within(span: Span, whole: Span): Span {
  const size = Math.min(Math.max(span.to - span.from, Math.min(CLOSEST, whole.to - whole.from)), whole.to - whole.from);
  const from = Math.min(Math.max(span.from, whole.from), whole.to - size);
  return { from, to: from + size };
}

/** A span made larger or smaller around a time that stays where it is. */
export function zoomed(span: Span, whole: Span, factor: number, around: number): Span {
  return within({ from: around - (around - span.from) * factor, to: around + (span.to - around) * factor }, whole);
}

/** A span moved by so many milliseconds. */
export function moved(span: Span, whole: Span, by: number): Span {
  return within({ from: span.from + by, to: span.to + by }, whole);
}

/** What is shown as long as nobody has chosen: all but the time in which dbt started and no node ran yet. */
export function restOf(busy: Span | undefined, whole: Span): Span {
  if (!busy) return whole;
  const room = (whole.to - busy.from) * 0.06;
  return within({ from: busy.from - room, to: whole.to }, whole);
}

/** A span as the address has it, in seconds from the beginning: `1.5-20`, or `all`. */
export function toAddress(span: Span, whole: Span): string {
  if (span.from <= whole.from && span.to >= whole.to) return "all";
  const seconds = (time: number) => String(Number(((time - whole.from) / 1000).toFixed(3)));
  return `${seconds(span.from)}-${seconds(span.to)}`;
}

/** The span that an address says; what is shown at rest where it says none. */
export function fromAddress(text: string, whole: Span, rest = whole): Span {
  if (text === "") return rest;
  const found = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text);
  if (!found) return whole;
  const [from, to] = [whole.from + Number(found[1]) * 1000, whole.from + Number(found[2]) * 1000];
  return to > from ? within({ from, to }, whole) : whole;
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400].map((s) => s * 1000),
);

/** Times of the axis: at most so many, at round distances from the beginning, each with its words. */
export function ticks(span: Span, origin: number, most: number): { at: number; label: string }[] {
  const least = (span.to - span.from) / Math.max(1, most);
  const step = steps.find((size) => size >= least) ?? Math.ceil(least / 86_400_000) * 86_400_000;
  const found: { at: number; label: string }[] = [];
  for (let n = Math.ceil((span.from - origin) / step); origin + n * step <= span.to; n += 1) {
    found.push({ at: origin + n * step, label: label(n * step, step) });
  }
  return found;
}

function label(offset: number, step: number): string {
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  const seconds = offset / 1000;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}
