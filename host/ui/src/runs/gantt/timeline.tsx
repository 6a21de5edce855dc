/** The timeline of a run: every node on dbt's thread that ran it. Drawn on a canvas; the table of nodes says the same in words. */
import { Maximize, Shrink, ZoomIn, ZoomOut } from "lucide-preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { setParams } from "../../parts/address";
import { span as words } from "../../parts/time";
import { useParams } from "../address";
import { isCritical, tookOf } from "../nodes";
import type { NodeRow, RunDetail } from "../shapes";
import { count, isFinished } from "../words";
import { bandsOf, busyOf, wholeOf } from "./bands";
import { AXIS, BAND, draw, drawOverview, ROW, type Scene, timeAt } from "./draw";
import { type Bar, barAt, pack, type Row } from "./pack";
import { usePalette } from "./palette";
import { fromAddress, moved, restOf, type Span, toAddress, within, zoomed } from "./scale";

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const BODY = AXIS + BAND;

/** How often bars that run are drawn anew, in milliseconds. */
const BEAT = 100;

type Pointed = { bar: Bar; x: number; y: number };

export function Timeline({ run, nodes }: { run: RunDetail; nodes: NodeRow[] }) {
  const params = useParams();
  const [zoom, selected] = [params.get("zoom") ?? "", params.get("node") ?? ""];
  const palette = usePalette();
  const rows = useMemo(() => pack(nodes), [nodes]);
  const bands = useMemo(() => bandsOf(run, rows), [run, rows]);
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overview = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [pointed, setPointed] = useState<Pointed>();
  const [dragged, setDragged] = useState<Span>();
  const isLive = !isFinished(run.state);
  const tall = BODY + rows.length * ROW + 6;
  const height = Math.min(tall, size.height || tall);
  const gutter = size.width < 600 ? 70 : 92;

  // What the handlers and the drawing look at: always that of the last time.
  const view = useRef({ rows, bands, palette, size, zoom, selected, pointed, dragged, run, gutter, height });
  view.current = { rows, bands, palette, size, zoom, selected, pointed, dragged, run, gutter, height };

  const scene = (): { scene: Scene; whole: Span } => {
    const { rows, bands, palette, size, zoom, selected, pointed, dragged, run, gutter, height } = view.current;
    const now = Date.now();
    const whole = wholeOf(run, rows, bands, now);
    const rest = restOf(busyOf(rows, now), whole);
    const shown = dragged ? within(dragged, whole) : fromAddress(zoom, whole, rest);
    const top = box.current?.scrollTop ?? 0;
    const common = { width: size.width, height, gutter, top, rows, bands, palette, now, selected };
    return { scene: { ...common, span: shown, origin: whole.from, active: pointed?.bar.key }, whole };
  };

  const paint = useRef<() => void>(() => {});
  paint.current = () => {
    const { scene: now, whole } = scene();
    if (now.width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const prepare = (of: HTMLCanvasElement | null, width: number, height: number) => {
      const context = of?.getContext("2d");
      if (!of || !context) return undefined;
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (of.width !== w || of.height !== h) [of.width, of.height] = [w, h];
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      return context;
    };
    const main = prepare(canvas.current, now.width, now.height);
    if (main) draw(main, now, FONT);
    const small = prepare(overview.current, now.width, 34);
    if (small) drawOverview(small, { ...now, height: 34 }, whole);
  };
  const asked = useRef(0);
  const repaint = () => {
    if (asked.current) return;
    asked.current = requestAnimationFrame(() => {
      asked.current = 0;
      paint.current();
    });
  };
  useEffect(repaint);
  useEffect(() => () => cancelAnimationFrame(asked.current), []);
  // It draws what is there at each beat.
  useEffect(() => {
    if (!isLive) return;
    const timer = setInterval(() => document.hidden || repaint(), BEAT);
    return () => clearInterval(timer);
  }, [isLive]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => {
      const limit = Math.max(220, Math.round(window.innerHeight * 0.62));
      setSize({ width: element.clientWidth, height: limit });
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const show = (to: Span) => {
    const { whole } = scene();
    setParams({ zoom: toAddress(within(to, whole), whole) });
    setDragged(undefined);
  };
  // While something moves the address stays; it says where it has come to rest.
  const resting = useRef<ReturnType<typeof setTimeout>>();
  const glide = (to: Span) => {
    setDragged(to);
    clearTimeout(resting.current);
    resting.current = setTimeout(() => show(to), 250);
  };
  useEffect(() => () => clearTimeout(resting.current), []);

  const at = (x: number, y: number): Bar | undefined => {
    const { scene: now } = scene();
    if (y < BODY || x < now.gutter) return undefined;
    const row = now.rows[Math.floor((y - BODY + now.top) / ROW)];
    const reach = ((now.span.to - now.span.from) / (now.width - now.gutter)) * 4;
    return row && barAt(row.bars, timeAt(now, x), reach);
  };
  const choose = (bar: Bar | undefined) => setParams({ node: bar && bar.key !== view.current.selected ? bar.key : "" });

  // They look at what is there when something happens.
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const place = (event: MouseEvent) => {
      const from = element.getBoundingClientRect();
      return { x: event.clientX - from.left, y: event.clientY - from.top };
    };
    const wheel = (event: WheelEvent) => {
      const { scene: now, whole } = scene();
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        glide(zoomed(now.span, whole, Math.exp(event.deltaY * 0.0025), timeAt(now, place(event).x)));
      } else if (sideways !== 0 && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        event.preventDefault();
        glide(moved(now.span, whole, (sideways / (now.width - now.gutter)) * (now.span.to - now.span.from)));
      }
    };
    const fingers = new Map<number, number>();
    let begun: { span: Span; x: number; moved: boolean } | undefined;
    const down = (event: PointerEvent) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, place(event).x);
      begun = { span: scene().scene.span, x: place(event).x, moved: fingers.size > 1 };
    };
    const move = (event: PointerEvent) => {
      const here = place(event);
      if (!begun || !fingers.has(event.pointerId)) {
        const bar = at(here.x, here.y);
        setPointed(bar && { bar, ...here });
        return;
      }
      const { scene: now, whole } = scene();
      const before = [...fingers.values()];
      fingers.set(event.pointerId, here.x);
      if (fingers.size === 2) {
        const [a = 0, b = 0] = fingers.values();
        const wasApart = Math.abs((before[0] ?? 0) - (before[1] ?? 0));
        const factor = wasApart / Math.max(8, Math.abs(a - b));
        glide(zoomed(now.span, whole, factor, timeAt(now, (a + b) / 2)));
        begun.moved = true;
        return;
      }
      if (Math.abs(here.x - begun.x) > 4) begun.moved = true;
      if (!begun.moved) return;
      const away = ((begun.x - here.x) / (now.width - now.gutter)) * (begun.span.to - begun.span.from);
      glide(moved(begun.span, whole, away));
    };
    const up = (event: PointerEvent) => {
      const here = place(event);
      if (begun && !begun.moved && event.type === "pointerup") choose(at(here.x, here.y));
      fingers.delete(event.pointerId);
      begun = undefined;
    };
    const leave = () => setPointed(undefined);
    const twice = (event: MouseEvent) => {
      const bar = at(place(event).x, place(event).y);
      if (!bar) return;
      const end = bar.to ?? Date.now();
      const room = Math.max(20, (end - bar.from) * 0.5);
      show({ from: bar.from - room, to: end + room });
    };
    element.addEventListener("wheel", wheel, { passive: false });
    element.addEventListener("pointerdown", down);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up);
    element.addEventListener("pointercancel", up);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("dblclick", twice);
    return () => {
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("pointerdown", down);
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", up);
      element.removeEventListener("pointercancel", up);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("dblclick", twice);
    };
  }, []);

  const zoomBy = (factor: number) => {
    const { scene: now, whole } = scene();
    show(zoomed(now.span, whole, factor, (now.span.from + now.span.to) / 2));
  };
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, () => void> = {
      "+": () => zoomBy(0.6),
      "-": () => zoomBy(1 / 0.6),
      "0": () => setParams({ zoom: "all" }),
      Enter: () => choose(pointed?.bar),
      Escape: () => setPointed(undefined),
    };
    const act = steps[event.key];
    const to = act ? undefined : stepped(rows, pointed?.bar, event.key);
    if (!act && !to) return;
    event.preventDefault();
    if (act) act();
    else if (to) point(to);
  };
  const point = (to: { bar: Bar; row: number }) => {
    const element = box.current;
    const { scene: now, whole } = scene();
    const y = to.row * ROW;
    if (element && y < element.scrollTop) element.scrollTop = y;
    if (element && y + ROW + BODY > element.scrollTop + height) element.scrollTop = y + ROW + BODY - height;
    const middle = (to.bar.from + (to.bar.to ?? now.now)) / 2;
    if (middle < now.span.from || middle > now.span.to) {
      show(moved(now.span, whole, middle - (now.span.from + now.span.to) / 2));
    }
    const x = now.gutter + ((middle - now.span.from) / (now.span.to - now.span.from)) * (now.width - now.gutter);
    setPointed({
      bar: to.bar,
      x: Math.min(Math.max(x, now.gutter), now.width),
      y: BODY + y - (element?.scrollTop ?? 0) + ROW,
    });
  };
  const bars = rows.reduce((sum, row) => sum + row.bars.length, 0);
  const threads = new Set(rows.map((row) => row.thread)).size;
  return (
    <div class="gantt">
      <div class="row spread">
        <Legend />
        <div class="row">
          <span class="faint small" id="gantt-keys">
            {count(bars, "node")} on {count(threads, "thread")}
            <span class="visually-hidden">
              . Arrow keys go from node to node, Enter shows one, plus and minus zoom, 0 shows all. The tab Nodes has
              the same as a table.
            </span>
          </span>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Zoom in"
            title="Zoom in"
            onClick={() => zoomBy(0.5)}
          >
            <ZoomIn aria-hidden />
          </button>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Zoom out"
            title="Zoom out"
            onClick={() => zoomBy(2)}
          >
            <ZoomOut aria-hidden />
          </button>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Show the time in which nodes ran"
            title="Show the time in which nodes ran"
            onClick={() => {
              const busy = busyOf(rows, Date.now());
              if (busy) show({ from: busy.from - 50, to: busy.to + 50 });
            }}
          >
            <Shrink aria-hidden />
          </button>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Show all"
            title="Show all"
            aria-disabled={zoom === "all"}
            onClick={() => setParams({ zoom: "all" })}
          >
            <Maximize aria-hidden />
          </button>
        </div>
      </div>
      <Brush canvas={overview} scene={scene} show={show} glide={setDragged} />
      <div class="gantt-frame">
        <div
          ref={box}
          class="gantt-box"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the timeline are heard here
          tabIndex={0}
          role="application"
          aria-label="Timeline of the nodes by thread"
          aria-describedby="gantt-keys"
          style={{ maxHeight: `${size.height || 480}px` }}
          onKeyDown={press}
          onScroll={repaint}
          onBlur={() => setPointed(undefined)}
        >
          <div style={{ height: `${tall}px` }}>
            <canvas ref={canvas} class="gantt-canvas" style={{ height: `${height}px` }} />
          </div>
        </div>
        {pointed && <Tip pointed={pointed} width={size.width} />}
      </div>
      <div class="visually-hidden" aria-live="polite">
        {pointed && said(pointed.bar)}
      </div>
    </div>
  );
}

/** A node of the timeline in a few words. */
function said(bar: Bar): string {
  const { node } = bar;
  const took = tookOf(node, Date.now());
  const critical = isCritical(node) ? ", on the critical path" : "";
  return `${node.name}: ${node.state}${took === null ? "" : `, ${words(took)}`}${node.thread ? `, ${node.thread}` : ""}${critical}`;
}

function Tip({ pointed: { bar, x, y }, width }: { pointed: Pointed; width: number }) {
  const took = tookOf(bar.node, Date.now());
  return (
    <div
      class="gantt-tip"
      aria-hidden
      style={{ left: `${Math.max(4, Math.min(x + 12, width - 290))}px`, top: `${y + 14}px` }}
    >
      <strong class="name">{bar.node.key ?? bar.node.name}</strong>
      <div>
        {bar.node.resource_type}: {bar.node.state}
        {took !== null && `, ${words(took)}`}
        {bar.node.rows_affected != null && `, ${count(bar.node.rows_affected, "row")}`}
        {bar.node.failures ? `, ${count(bar.node.failures, "failing row")}` : ""}
      </div>
      {bar.node.thread && <div class="faint">{bar.node.thread}</div>}
      {isCritical(bar.node) && <div>◆ on the critical path</div>}
    </div>
  );
}

function Legend() {
  const all: [string, string][] = [
    ["good", "done"],
    ["run", "running"],
    ["warn", "! warned"],
    ["bad", "✕ failed"],
    ["idle", "skipped or left"],
    ["critical", "◆ critical path"],
  ];
  return (
    <ul class="legend small" aria-label="What the bars mean">
      {all.map(([tone, what]) => (
        <li key={tone}>
          <span class={`swatch ${tone}`} aria-hidden /> {what}
        </li>
      ))}
    </ul>
  );
}

type BrushProps = {
  canvas: { current: HTMLCanvasElement | null };
  scene: () => { scene: Scene; whole: Span };
  show: (span: Span) => void;
  glide: (span: Span | undefined) => void;
};

/** The whole run, small: a stretch that is drawn in it is shown large, and what is shown can be moved. */
function Brush({ canvas, scene, show, glide }: BrushProps) {
  const begun = useRef<{ at: number; span: Span | undefined }>();
  const last = useRef<Span>();
  const timeOf = (event: PointerEvent) => {
    const { whole } = scene();
    const from = canvas.current?.getBoundingClientRect();
    if (!from) return whole.from;
    return whole.from + ((event.clientX - from.left) / from.width) * (whole.to - whole.from);
  };
  const down = (event: PointerEvent) => {
    canvas.current?.setPointerCapture(event.pointerId);
    const at = timeOf(event);
    const { scene: now, whole } = scene();
    const isWhole = now.span.from <= whole.from && now.span.to >= whole.to;
    begun.current = { at, span: !isWhole && at > now.span.from && at < now.span.to ? now.span : undefined };
    last.current = undefined;
  };
  const move = (event: PointerEvent) => {
    if (!begun.current) return;
    const { at, span } = begun.current;
    const here = timeOf(event);
    const { whole } = scene();
    const drawn = { from: Math.min(at, here), to: Math.max(at, here) };
    last.current = span ? moved(span, whole, here - at) : drawn;
    if (drawn.to - drawn.from > (whole.to - whole.from) / 200) glide(last.current);
  };
  const up = () => {
    const to = last.current;
    begun.current = undefined;
    const { whole } = scene();
    if (to && to.to - to.from > (whole.to - whole.from) / 200) show(to);
    else glide(undefined);
  };
  return (
    <canvas
      ref={canvas}
      class="gantt-overview"
      aria-hidden
      title="Draw a stretch to look at it closely"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
    />
  );
}

/** The bar that an arrow key leads to. */
function stepped(rows: Row[], from: Bar | undefined, key: string): { bar: Bar; row: number } | undefined {
  const of = (row: number, bar: Bar | undefined) => bar && { bar, row };
  const here = from ? rows.findIndex((row) => row.bars.some((bar) => bar.key === from.key)) : -1;
  if (!from || here < 0) return key.startsWith("Arrow") || key === "Home" ? of(0, rows[0]?.bars[0]) : undefined;
  const bars = rows[here]?.bars ?? [];
  const at = bars.findIndex((bar) => bar.key === from.key);
  switch (key) {
    case "ArrowRight":
      return of(here, bars[at + 1]);
    case "ArrowLeft":
      return of(here, bars[at - 1]);
    case "Home":
      return of(here, bars[0]);
    case "End":
      return of(here, bars.at(-1));
    case "ArrowDown":
    case "ArrowUp": {
      const next = here + (key === "ArrowDown" ? 1 : -1);
      return of(next, barAt(rows[next]?.bars ?? [], from.from, Number.POSITIVE_INFINITY));
    }
    default:
      return undefined;
  }
}
