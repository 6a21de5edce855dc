/** How what assets are made of reads: spans, limits of freshness, sizes, and what of it may become a link. */

/** The seconds of an ISO 8601 span such as `PT1M30S`; none where it is no such span. */
export function secondsOf(iso: string): number | undefined {
  const found = /^(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(iso);
  if (!found || iso.length < 3) return undefined;
  const [weeks, days, hours, minutes, seconds] = found.slice(2).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const sum = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds;
  return found[1] ? -sum : sum;
}

/** A span for people, without parts that are zero: `1 d 4 h`. */
export function spanWords(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 60) return `${Math.abs(seconds) < 10 ? Number(Math.abs(seconds).toFixed(2)) : whole} s`;
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  // Two parts are as exact as anyone reads.
  const from = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(from, from + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** A span of the API for people; what is none is shown as it is. */
export function isoWords(iso: string): string {
  const seconds = secondsOf(iso);
  return seconds === undefined ? iso : spanWords(seconds);
}

/** The seconds of a threshold of dbt's, such as `6 hours`. */
export function thresholdSeconds(text: string | null | undefined): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s+(second|minute|hour|day)s?$/.exec(text ?? "");
  if (!found) return undefined;
  const size = { second: 1, minute: 60, hour: 3600, day: 86_400 }[found[2] as "second"];
  return Number(found[1]) * size;
}

/** The thresholds of a source; empty where it has none. */
export function thresholdWords(found: { warn_after?: string | null; error_after?: string | null } | null | undefined) {
  const words = [];
  if (found?.warn_after) words.push(`warn after ${found.warn_after}`);
  if (found?.error_after) words.push(`error after ${found.error_after}`);
  return words.join(", ");
}

/** How fresh an asset has to be. */
export function limitWords(fresh: {
  within: string;
  deadline?: { expression: string; time_zone: string } | null;
}): string {
  const at = fresh.deadline ? ` at \`${fresh.deadline.expression}\` in ${fresh.deadline.time_zone}` : "";
  return `built within ${isoWords(fresh.within)}${at}`;
}

/** A number with its noun. */
export function count(many: number, noun: string, plural = `${noun}s`): string {
  return `${many.toLocaleString("en")} ${many === 1 ? noun : plural}`;
}

/** Where a text leads, if it is something that may be followed: a mail address or a page. Anything else stays text. */
export function linkOf(text: string): string | undefined {
  if (/^[^\s@<>"'(),:;\\[\]?&]{1,64}@[^\s@<>"'(),:;\\[\]?&/]+\.[^\s@<>"'(),:;\\[\]?&/.]+$/u.test(text)) {
    const at = text.lastIndexOf("@");
    return `mailto:${encodeURIComponent(text.slice(0, at))}@${encodeURIComponent(text.slice(at + 1))}`;
  }
  if (!/^https?:\/\//i.test(text)) return undefined;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** A value of someone's metadata as text. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, undefined, 2) ?? String(value));
}
