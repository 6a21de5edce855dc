/** A chart of values over time, each of which is a run: what it was shows beside the pointer, a click leads there. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { onTheme, type Palette, readPalette } from "../lineage/palette";
import { toneOf } from "../parts/state";
import { moment } from "../parts/time";
import { type Limit, ordered, type Point, summary } from "./points";
import { spanWords } from "./words";

type Props = {
  /** What is shown, such as `Duration`. */
  title: string;
  points: readonly Point[];
  /** What is counted: seconds, or things. */
  unit: "seconds" | "count";
  limits?: readonly Limit[];
  /** Called when a point is clicked. */
  open: (run: number) => void;
};

/** The shapes of points: a run that went well is a dot, a warning a triangle, a failure a cross. */
function drawPoints(plot: uPlot, points: readonly Point[], palette: Palette) {
  const { ctx } = plot;
  const size = 4 * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 2 * devicePixelRatio;
  for (const [index, { state, value }] of points.entries()) {
    const x = plot.valToPos(plot.data[0][index] ?? 0, "x", true);
    const y = value === undefined ? plot.bbox.top + plot.bbox.height - size : plot.valToPos(value, "y", true);
    const tone = toneOf(state);
    ctx.strokeStyle = ctx.fillStyle = palette.tones[tone].strong;
    ctx.beginPath();
    if (tone === "bad") {
      ctx.moveTo(x - size, y - size);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y - size);
      ctx.lineTo(x - size, y + size);
      ctx.stroke();
    } else if (tone === "warn") {
      ctx.moveTo(x, y - size * 1.2);
      ctx.lineTo(x + size * 1.2, y + size);
      ctx.lineTo(x - size * 1.2, y + size);
      ctx.closePath();
      ctx.fill();
    } else {
      ctx.arc(x, y, size * 0.8, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
  ctx.restore();
}

function drawLimits(plot: uPlot, limits: readonly Limit[], palette: Palette) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.font = `${11 * devicePixelRatio}px ${palette.font}`;
  ctx.textAlign = "right";
  for (const { value, text, tone } of limits) {
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    ctx.strokeStyle = ctx.fillStyle = palette.tones[tone].strong;
    ctx.setLineDash(tone === "bad" ? [] : [6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(text, bbox.left + bbox.width - 4 * devicePixelRatio, y - 4 * devicePixelRatio);
  }
  ctx.restore();
}

const wordsOf = { seconds: spanWords, count: (value: number) => value.toLocaleString("en") };

/** Steps of an axis that read well. */
const steps = {
  seconds: [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
    43_200,
  ].concat([1, 2, 5, 10, 20, 50, 100, 200, 500].map((days) => days * 86_400)),
  count: Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat(),
};

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const month = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" });

/** The words of an axis of time: as fine as its steps, and the day where another begins. */
function timeWords(_: uPlot, times: number[], __: number, ___: number, step: number): string[] {
  let before = "";
  return times.map((time) => {
    const date = new Date(time * 1000);
    if (step >= 28 * 86_400) return month.format(date);
    const today = day.format(date);
    if (step >= 86_400) return today;
    const text = (step < 60 ? clockWithSeconds : clock).format(date);
    const isNew = today !== before;
    before = today;
    return isNew ? `${text}\n${today}` : text;
  });
}

/** How high a chart is, in pixels. */
const HEIGHT = 190;

type Latest = { points: Point[]; data: uPlot.AlignedData; limits: readonly Limit[]; open: (run: number) => void };

function options(palette: Palette, unit: Props["unit"], latest: () => Latest, hover: (at?: number) => void) {
  const axis = {
    stroke: palette.text2,
    font: `11px ${palette.font}`,
    grid: { stroke: palette.line, width: 1 },
    ticks: { stroke: palette.line, width: 1 },
  };
  return {
    height: HEIGHT,
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { show: false },
    },
    scales: {
      x: {
        // One run alone would have no width.
        range: (plot: uPlot): [number, number] => {
          const times = plot.data[0];
          const [min, max] = [times[0] ?? 0, times.at(-1) ?? 0];
          const pad = max > min ? (max - min) * 0.03 : 3600;
          return [min - pad, max + pad];
        },
      },
      y: {
        range: (_: uPlot, __: number, max: number): [number, number] => {
          const most = Math.max(max ?? 0, ...latest().limits.map(({ value }) => value));
          return [0, most > 0 ? most * 1.15 : 1];
        },
      },
    },
    axes: [
      { ...axis, space: 80, values: timeWords },
      {
        ...axis,
        size: 74,
        incrs: steps[unit],
        values: (_: uPlot, values: number[]) => values.map(wordsOf[unit]),
      },
    ],
    series: [{}, { stroke: palette.tones.idle.strong, width: 1, points: { show: false }, spanGaps: true }],
    hooks: {
      draw: [
        (plot: uPlot) => {
          drawLimits(plot, latest().limits, palette);
          drawPoints(plot, latest().points, palette);
        },
      ],
      setCursor: [(plot: uPlot) => hover((plot.cursor.left ?? -1) < 0 ? undefined : (plot.cursor.idx ?? undefined))],
    },
  };
}

/** A chart, with a sentence that says the same. */
export function Chart({ title, points, unit, limits = [], open }: Props) {
  const words = wordsOf[unit];
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const inOrder = useMemo(() => ordered(points), [points]);
  const [near, setNear] = useState<number>();
  const [theme, setTheme] = useState(0);
  const data = useMemo<uPlot.AlignedData>(
    () => [inOrder.map(({ at }) => Date.parse(at) / 1000), inOrder.map(({ value }) => value ?? null)],
    [inOrder],
  );
  // Points and data are of one answer: the chart may be made long after it was asked for.
  const latest = useRef<Latest>({ points: inOrder, data, limits, open });
  latest.current = { points: inOrder, data, limits, open };
  useEffect(() => onTheme(() => setTheme((count) => count + 1)), []);
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    let isGone = false;
    let sizes: ResizeObserver | undefined;
    void import("uplot").then(({ default: Plot }) => {
      if (isGone) return;
      const of = options(readPalette(element), unit, () => latest.current, setNear);
      const drawn = new Plot({ ...of, width: Math.max(200, element.clientWidth) }, latest.current.data, element);
      plot.current = drawn;
      drawn.over.addEventListener("click", () => {
        const hit = latest.current.points[drawn.cursor.idx ?? -1];
        if (hit) latest.current.open(hit.run);
      });
      sizes = new ResizeObserver(() => {
        const width = Math.max(200, element.clientWidth);
        if (width !== drawn.width) drawn.setSize({ width, height: HEIGHT });
      });
      sizes.observe(element);
    });
    return () => {
      isGone = true;
      sizes?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
    // New data is given to the chart that is there; only another theme makes another one.
  }, [theme, unit]);
  useEffect(() => plot.current?.setData(data), [data, limits]);
  const point = near === undefined ? undefined : inOrder[near];
  return (
    <figure class="chart">
      <figcaption class="row">
        <h2>{title}</h2>
        <span class="faint small grow">
          {point
            ? `run ${point.run}, ${moment(point.at)}: ${point.state}${point.value === undefined ? "" : `, ${words(point.value)}`}`
            : summary(points, words)}
        </span>
      </figcaption>
      <div
        ref={holder}
        class={point ? "plot hit" : "plot"}
        role="img"
        aria-label={`${title}: ${summary(points, words)}`}
      />
    </figure>
  );
}
