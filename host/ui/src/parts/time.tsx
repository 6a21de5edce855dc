/** Times and spans for people: in the reader's time zone, with the exact instant at hand. */
import { signal, useComputed } from "@preact/signals";

/** Now, as far as the pages show it: moves on every second while someone looks. */
export const now = signal(Date.now());
setInterval(() => {
  if (!globalThis.document?.hidden) now.value = Date.now();
}, 1000);

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** An instant as a date and a clock's time. */
export function moment(at: string): string {
  const date = new Date(at);
  return `${day.format(date)}, ${clock.format(date)}`;
}

/** How long ago, or in how long. */
export function ago(at: string, from = now.value): string {
  const seconds = (Date.parse(at) - from) / 1000;
  const size = Math.abs(seconds);
  if (size < 60) return relative.format(Math.round(seconds), "second");
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** A span of seconds. */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0 ? `${h} h ${m} min` : `${m} min ${s} s`;
}

/** An instant, relative, with the exact one as its title. */
export function Time({ at, exact }: { at: string | null | undefined; exact?: boolean }) {
  // Drawn anew only when its words change, not each second.
  const words = useComputed(() => (at ? ago(at) : ""));
  if (!at) return <span class="faint">–</span>;
  return (
    <time dateTime={at} title={exact ? words.value : moment(at)} class="nowrap">
      {exact ? moment(at) : words.value}
    </time>
  );
}

/** The time between two instants; without an end it goes on. */
export function Took({ from, to }: { from: string | null | undefined; to?: string | null | undefined }) {
  if (!from) return <span class="faint">–</span>;
  const end = to ? Date.parse(to) : now.value;
  return <span class="nowrap">{span(Math.max(0, (end - Date.parse(from)) / 1000))}</span>;
}

/** The days, hours, minutes and seconds of a span as the API writes it (`PT1H30M`, ISO 8601); none where it is none. */
function partsOf(text: string | null | undefined): number[] | undefined {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? "");
  return found?.slice(1).map((part) => Number(part ?? 0));
}

/** A span as the API writes it, for people; none where it is none or nothing. */
export function spanOf(text: string | null | undefined): string | undefined {
  const units = ["d", "h", "min", "s"];
  const parts = partsOf(text)?.map((part, index) => (part > 0 ? `${part} ${units[index]}` : ""));
  return parts?.filter(Boolean).join(" ") || undefined;
}

/** The same, in milliseconds. */
export function millisOf(text: string | null | undefined): number | undefined {
  const sizes = [86_400_000, 3_600_000, 60_000, 1000];
  return partsOf(text)?.reduce((sum, part, index) => sum + part * (sizes[index] ?? 0), 0);
}
