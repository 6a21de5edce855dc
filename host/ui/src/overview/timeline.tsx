/** Jobs by time: what ran, what runs, and what will. */
import { useComputed } from "@preact/signals";
import { Circle } from "lucide-preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { jobHref, runHref, useParam } from "../parts/address";
import { useLiveQuery, useRunTurns } from "../parts/live";
import { Answer, Empty } from "../parts/page";
import { StateMark, toneOf } from "../parts/state";
import { ago, span as inWords, moment, now } from "../parts/time";
import { hoursOf, type Mark, marksOf, placeOf, type Span, ticksOf } from "./marks";

type Data = Schemas["Timeline"];
type TimelineRun = Schemas["TimelineRun"];

const HOUR = 3_600_000;
const spans = [
  ["6h", 6],
  ["24h", 24],
  ["7d", 168],
] as const;

/** How much of the span lies behind now. */
const PAST = 0.75;

function titleOf(run: TimelineRun): string {
  const begin = run.started_at ?? run.requested_at;
  const took = run.finished_at ? `, took ${inWords((Date.parse(run.finished_at) - Date.parse(begin)) / 1000)}` : "";
  return `Run ${run.id}: ${run.state}${run.late ? ", late" : ""}, ${ago(begin)} (${moment(begin)})${took}`;
}

function RunMark({ mark, to, isFirst }: { mark: Mark<TimelineRun>; to: string; isFirst: boolean }) {
  const [run] = mark.runs;
  if (!run) return null;
  const count = mark.runs.length;
  const title = count === 1 ? titleOf(run) : `${count} runs, the worst ${mark.state}, the first ${titleOf(run)}`;
  return (
    <Link
      href={count === 1 ? runHref(run.id) : to}
      class={`mark ${toneOf(mark.state)} ${run.finished_at ? "" : "open"}`}
      style={{ left: mark.left, width: mark.width }}
      title={title}
      aria-label={title}
      tabIndex={isFirst ? 0 : -1}
    >
      {count === 1 ? <StateMark state={mark.state} /> : count}
    </Link>
  );
}

/** Arrow keys lead from mark to mark of a lane, so that it is one stop of the tab key. */
function walk(event: KeyboardEvent): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step || !(event.currentTarget instanceof HTMLElement)) return;
  const marks = [...event.currentTarget.querySelectorAll<HTMLElement>("a.mark")];
  const next = marks[marks.indexOf(document.activeElement as HTMLElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

type LaneProps = {
  name: string;
  href: string | undefined;
  runs: TimelineRun[];
  ticks: string[];
  paused: boolean;
  late: boolean;
  span: Span;
  width: number;
  at: number;
};

function Lane({ name, href, runs, ticks, paused, late, span, width, at }: LaneProps) {
  const marks = marksOf(runs, span, width, at);
  const to = href ? `/runs?job=${encodeURIComponent(name)}` : "/runs";
  const next = ticksOf(
    ticks.filter((tick) => Date.parse(tick) > at),
    span,
    width,
  );
  return (
    <li class="lane">
      <div class="lane-name">
        {href ? (
          <Link href={href} class="clip one">
            {name}
          </Link>
        ) : (
          <span class="clip one">{name}</span>
        )}
        {paused && <span class="badge warn">paused</span>}
        {late && <span class="badge warn">late</span>}
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the marks in it have the focus */}
      <div class="track" onKeyDown={walk}>
        {marks.map((mark, index) => (
          <RunMark key={mark.runs[0]?.id} mark={mark} to={to} isFirst={index === marks.length - 1} />
        ))}
        {next.map(({ left, at }) => {
          const [first = ""] = at;
          const title =
            at.length === 1
              ? `Next: ${ago(first)} (${moment(first)})`
              : `${at.length} ticks to come, the first ${ago(first)} (${moment(first)})`;
          return (
            <span key={first} class="tick" style={{ left }} title={title}>
              <Circle aria-hidden />
              <span class="visually-hidden">{title}</span>
            </span>
          );
        })}
      </div>
    </li>
  );
}

function axisText(at: number, hours: number): string {
  const date = new Date(at);
  const isMidnight = date.getHours() === 0;
  if (hours > 48 || isMidnight)
    return date.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function Lanes({ data, hours }: { data: Data; hours: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // The line moves on in steps that can be seen, not each second.
  const step = (hours * HOUR) / Math.max(300, width);
  const at = useComputed(() => Math.floor(now.value / step) * step).value;
  const span = useMemo(() => ({ from: at - hours * HOUR * PAST, to: at + hours * HOUR * (1 - PAST) }), [at, hours]);
  const axis = useMemo(() => hoursOf(span, Math.max(2, Math.floor(width / 76))), [span, width]);
  const place = placeOf(at, span, width);
  const common = { span, width, at };
  return (
    <div class="timeline" style={{ "--now": `${place}px` }}>
      <div class="axis" aria-hidden>
        <div ref={box} class="axis-track">
          {axis.map((hour) => (
            <span key={hour} class="hour" style={{ left: placeOf(hour, span, width) }}>
              {placeOf(hour, span, width) < width - 60 && axisText(hour, hours)}
            </span>
          ))}
          <span class="now" style={{ left: place }}>
            now
          </span>
        </div>
      </div>
      <ul class="plain lanes">
        {width > 0 &&
          data.jobs.map((job) => (
            <Lane
              key={job.job}
              name={job.job}
              href={job.project == null ? undefined : jobHref(job.job)}
              runs={job.runs}
              ticks={job.ticks}
              paused={job.paused}
              late={job.late}
              {...common}
            />
          ))}
        {width > 0 && data.by_hand.length > 0 && (
          <Lane
            name="materialized by hand"
            href={undefined}
            runs={data.by_hand}
            ticks={[]}
            paused={false}
            late={false}
            {...common}
          />
        )}
      </ul>
      {!data.complete && (
        <p class="faint small">
          There are more runs than are drawn: of so long a time only the last ones. <Link href="/runs">All runs</Link>
        </p>
      )}
    </div>
  );
}

/** The timeline, with its choice of spans. */
export function Timeline() {
  const [chosen, choose] = useParam("span");
  const [, go] = useLocation();
  const [key, hours] = spans.find(([name]) => name === chosen) ?? spans[1];
  // A little more than is shown is asked for, so that the line can move on for a while.
  const slack = (hours * HOUR) / 12;
  const bucket = useComputed(() => Math.floor(now.value / slack)).value;
  const from = (bucket - 1) * slack - hours * HOUR * PAST;
  const to = (bucket + 2) * slack + hours * HOUR * (1 - PAST);
  const data = useLiveQuery(["timeline", key, bucket], () => {
    const query = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    return ask(api.GET("/api/v1/timeline", { params: { query } }));
  }, ["job", "configuration", useRunTurns()]);
  const last = useRef<Data>();
  if (data.data) last.current = data.data;
  return (
    <section class="card stack" aria-labelledby="timeline">
      <div class="row spread">
        <h2 id="timeline">What ran, and what will</h2>
        <div class="choices" role="group" aria-label="Span of time">
          {spans.map(([name]) => (
            <button
              key={name}
              type="button"
              class="chip"
              aria-pressed={name === key}
              onClick={() => choose(name === "24h" ? "" : name)}
            >
              {name}
            </button>
          ))}
        </div>
      </div>
      <Answer of={{ data: data.data ?? last.current, error: data.error }}>
        {(data) =>
          data.jobs.length === 0 && data.by_hand.length === 0 ? (
            <Empty>
              There are no jobs. <code>[jobs.build]</code> in <code>tidegate.toml</code> makes one;{" "}
              <button type="button" class="link" onClick={() => go("/launch")}>
                launch
              </button>{" "}
              runs something now.
            </Empty>
          ) : (
            <Lanes data={data} hours={hours} />
          )
        }
      </Answer>
    </section>
  );
}
