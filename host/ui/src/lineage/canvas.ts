/**
 * The canvas that shows a graph: draws it at rest, moves what was drawn while someone drags or zooms, and says what was pointed at.
 *
 * What is drawn lands in a buffer that is larger than the window. A gesture only moves that buffer; when it comes to rest the scene is
 * drawn anew, in slices that are short enough for every frame to be on time.
 */
import { select } from "d3-selection";
import { type D3ZoomEvent, type ZoomBehavior, zoom, zoomIdentity } from "d3-zoom";
import { type Camera, detailAt, framed, NEAREST, revealed, seen, zoomed } from "./camera";
import type { Box, LineageGraph } from "./graph";
import { HANDLE, paint, repaint, type Scene } from "./paint";
import { onTheme, type Palette, readPalette } from "./palette";
import { Plane } from "./plane";
import type { Shown } from "./standing";
import { Fitter } from "./text";

/** What someone did on the canvas. */
export type Asked = {
  select: (node: number | undefined, add: boolean) => void;
  open: (node: number) => void;
  unfold: (node: number) => void;
  hover: (node: number | undefined) => void;
};

type Buffer = { canvas: HTMLCanvasElement; context: CanvasRenderingContext2D; camera: Camera; box: Box };

/** A frame gives drawing so many milliseconds at most. */
const SLICE = 9;
/** What was drawn in less than this is drawn anew in every frame of a gesture. */
const QUICK = 7;
/** A gesture has come to rest after so many milliseconds. */
const REST = 90;
/** So much of the window is drawn on each side of it. */
const MARGIN = 0.2;
/** So many nodes are drawn anew at once when their states change; more are drawn with all else. */
const FEW = 150;
/** The longer side of the picture of everything that stands in while nothing better is there. */
const OVERVIEW = 1200;

export class LineageCanvas {
  private readonly context: CanvasRenderingContext2D;
  private readonly behavior: ZoomBehavior<HTMLCanvasElement, unknown>;
  private readonly fitter: Fitter;
  private readonly ends: (() => void)[] = [];
  private palette: Palette;
  private graph: LineageGraph | undefined;
  private plane: Plane | undefined;
  private shown: Shown[] = [];
  private selected: ReadonlySet<number> = new Set();
  private focus: number | undefined;
  private hovered: number | undefined;
  private lit: ReadonlySet<number> | undefined;
  private camera: Camera = { x: 0, y: 0, k: 1 };
  private width = 0;
  private height = 0;
  private ratio = 1;
  private front: Buffer | undefined;
  private back: Buffer | undefined;
  private overview: Buffer | undefined;
  private job: Generator<void> | undefined;
  private target: CanvasRenderingContext2D | undefined;
  private jobTime = 0;
  private lastPaint = 0;
  private frame = 0;
  private movedAt = -REST;
  private isStale = true;
  private isOverviewStale = true;
  private isMoved = false;
  private flight: { from: Camera; to: Camera; since: number } | undefined;
  private wanted: (() => Camera) | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly asked: Asked,
    private readonly options: { embedded: boolean },
  ) {
    this.context = contextOf(canvas, false);
    this.palette = readPalette(canvas.parentElement ?? document.body);
    const measuring = contextOf(document.createElement("canvas"), true);
    this.fitter = new Fitter((text, font) => {
      measuring.font = font;
      return measuring.measureText(text).width;
    });
    this.behavior = zoom<HTMLCanvasElement, unknown>()
      .clickDistance(5)
      .filter((event: Event) => this.isGesture(event))
      .on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => this.moved(event));
    const target = select(canvas);
    target.call(this.behavior).on("dblclick.zoom", null);
    // On its own page it takes every touch; on another the page can still be scrolled with one finger.
    canvas.style.touchAction = options.embedded ? "pan-x pan-y" : "none";
    this.listen();
  }

  /** Ends everything that it has begun. */
  close(): void {
    cancelAnimationFrame(this.frame);
    select(this.canvas).on(".zoom", null);
    for (const end of this.ends) end();
  }

  /** Shows another graph. The same place is looked at where the graph is much the same, else all of it. */
  setGraph(graph: LineageGraph, keep: boolean): void {
    this.graph = graph;
    this.plane = new Plane(graph);
    this.hovered = undefined;
    this.limit();
    if (!keep || !this.front) this.lookAt(() => this.fitted(this.around([])), false);
    this.front = keep ? this.front : undefined;
    this.invalidate(true);
  }

  setShown(shown: Shown[]): void {
    const before = this.shown;
    this.shown = shown;
    const isOther = (a: Shown | undefined, b: Shown) =>
      a?.tone !== b.tone ||
      a.word !== b.word ||
      a.at !== b.at ||
      a.late !== b.late ||
      a.failedChecks !== b.failedChecks;
    const changed = shown.flatMap((state, node) => (isOther(before[node], state) ? [node] : []));
    if (changed.length === 0) return;
    if (this.touch(changed)) {
      this.isOverviewStale = true;
      this.next();
    } else this.invalidate(true);
  }

  setSelected(selected: ReadonlySet<number>): void {
    this.selected = selected;
    this.light();
  }

  setFocus(focus: number | undefined): void {
    this.focus = focus;
    this.invalidate(false);
  }

  /** Looks at all, or at some nodes. */
  fit(nodes: Iterable<number> = []): void {
    const some = [...nodes];
    this.lookAt(() => this.fitted(this.around(some)), true);
  }

  /** Looks at some nodes, with something of what is around them. */
  goTo(nodes: readonly number[]): void {
    this.lookAt(() => {
      const { x0, y0, x1, y1 } = this.around([...nodes]);
      const [across, down] = nodes.length > 1 ? [60, 60] : [420, 180];
      return this.fitted({ x0: x0 - across, x1: x1 + across, y0: y0 - down, y1: y1 + down });
    }, true);
  }

  /** Moves just so far that a node is seen. */
  reveal(node: number): void {
    if (this.graph) this.fly(revealed(this.camera, this.graph.box(node), this.width, this.height), true);
  }

  zoomBy(factor: number): void {
    const [farthest] = this.behavior.scaleExtent();
    this.fly(zoomed(this.camera, factor, this.width, this.height, farthest), true);
  }

  private around(nodes: number[]): Box {
    return this.graph?.around(nodes) ?? { x0: 0, y0: 0, x1: 1, y1: 1 };
  }

  private fitted(box: Box): Camera {
    return framed(box, this.width, this.height, this.options.embedded ? 14 : 24);
  }

  /** Goes where it is told as soon as the canvas has a size. */
  private lookAt(where: () => Camera, isSmooth: boolean): void {
    if (this.width === 0) this.wanted = where;
    else this.fly(where(), isSmooth);
  }

  private fly(to: Camera, isSmooth: boolean): void {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!isSmooth || still) {
      this.flight = undefined;
      this.put(to);
    } else {
      this.flight = { from: this.camera, to, since: performance.now() };
      this.next();
    }
  }

  private put({ x, y, k }: Camera): void {
    select(this.canvas).call(this.behavior.transform, zoomIdentity.translate(x, y).scale(k));
  }

  private isGesture(event: Event): boolean {
    if (event instanceof WheelEvent) return !this.options.embedded || event.ctrlKey;
    if (typeof TouchEvent !== "undefined" && event instanceof TouchEvent)
      return !this.options.embedded || event.touches.length > 1;
    return !(event instanceof MouseEvent && (event.button !== 0 || event.ctrlKey));
  }

  private moved(event: D3ZoomEvent<HTMLCanvasElement, unknown>): void {
    const { x, y, k } = event.transform;
    if (event.sourceEvent) this.flight = undefined;
    this.camera = { x, y, k };
    this.isMoved = true;
    this.isStale = true;
    this.movedAt = performance.now();
    this.job = undefined;
    this.next();
  }

  private limit(): void {
    if (!this.graph || this.width === 0) return;
    const { width, height } = this.graph;
    const farthest = Math.min(0.5, 0.7 * Math.min(this.width / (width + 80), this.height / (height + 80)));
    this.behavior.scaleExtent([farthest, NEAREST]).translateExtent([
      [-width - 1500, -height - 1500],
      [2 * width + 1500, 2 * height + 1500],
    ]);
  }

  private resize(width: number, height: number): void {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (width === this.width && height === this.height && ratio === this.ratio) return;
    const isFirst = this.width === 0;
    // What was in the middle stays there.
    const shift = { x: (width - this.width) / 2, y: (height - this.height) / 2 };
    [this.width, this.height, this.ratio] = [width, height, ratio];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.behavior.extent([
      [0, 0],
      [width, height],
    ]);
    this.limit();
    this.front = this.back = undefined;
    if (width === 0 || height === 0) return;
    if (this.wanted) this.put(this.wanted());
    else if (!isFirst) this.put({ ...this.camera, x: this.camera.x + shift.x, y: this.camera.y + shift.y });
    this.wanted = undefined;
    this.invalidate(false);
  }

  private listen(): void {
    const { canvas } = this;
    const observer = new ResizeObserver(() => this.resize(canvas.clientWidth, canvas.clientHeight));
    observer.observe(canvas);
    this.ends.push(() => observer.disconnect());
    this.ends.push(
      onTheme(() => {
        this.palette = readPalette(canvas.parentElement ?? document.body);
        this.invalidate(true);
      }),
    );
    const on = <K extends keyof HTMLElementEventMap>(kind: K, handler: (event: HTMLElementEventMap[K]) => void) => {
      canvas.addEventListener(kind, handler);
      this.ends.push(() => canvas.removeEventListener(kind, handler));
    };
    const at = (event: MouseEvent) => {
      const box = canvas.getBoundingClientRect();
      const { x, y, k } = this.camera;
      return this.plane?.nodeAt((event.clientX - box.left - x) / k, (event.clientY - box.top - y) / k, 5 / k);
    };
    on("click", (event) => {
      const node = at(event);
      if (node !== undefined && this.isHandle(node, event)) this.asked.unfold(node);
      else this.asked.select(node, event.shiftKey || event.ctrlKey || event.metaKey);
    });
    on("dblclick", (event) => {
      const node = at(event);
      if (node === undefined || !this.graph) return;
      if (this.graph.isFolded(node)) this.asked.unfold(node);
      else this.asked.open(node);
    });
    let timer = 0;
    const hover = (node: number | undefined) => {
      if (node === this.hovered) return;
      this.hovered = node;
      canvas.style.cursor = node === undefined ? "grab" : "pointer";
      this.asked.hover(node);
      // Passing over nodes on the way to another must not flicker.
      clearTimeout(timer);
      timer = window.setTimeout(() => this.light(), node === undefined ? 60 : 140);
    };
    on("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) hover(at(event));
    });
    on("pointerleave", () => hover(undefined));
    this.ends.push(() => clearTimeout(timer));
    // Times on cards are relative: they grow old by themselves.
    const aging = setInterval(() => this.invalidate(false), 30_000);
    this.ends.push(() => clearInterval(aging));
  }

  /** Whether the plus of a folded group was hit; it is there where it can be read. */
  private isHandle(node: number, event: MouseEvent): boolean {
    const { graph, camera, canvas } = this;
    if (!graph?.isFolded(node) || detailAt(camera.k) !== "card") return false;
    const x = (event.clientX - canvas.getBoundingClientRect().left - camera.x) / camera.k;
    return x > graph.box(node).x1 - HANDLE;
  }

  /** Finds what is lit: what hangs together with the node under the pointer, else with what is selected. */
  private light(): void {
    const start = this.hovered !== undefined ? [this.hovered] : [...this.selected];
    const isAll = start.length === 0 || start.length === this.graph?.count;
    this.lit = isAll || !this.graph ? undefined : this.graph.neighbourhood(start, Infinity, Infinity);
    this.invalidate(false);
  }

  /** What is there is no longer what is to be seen. */
  private invalidate(everything: boolean): void {
    this.isStale = true;
    this.job = undefined;
    if (everything) this.isOverviewStale = true;
    this.next();
  }

  private next(): void {
    if (!this.frame) this.frame = requestAnimationFrame((time) => this.draw(time));
  }

  private draw(time: number): void {
    this.frame = 0;
    if (!this.graph || !this.plane || this.width === 0) return;
    this.advance(time);
    const isMoving = time - this.movedAt < REST;
    if (this.isStale && (!isMoving || this.lastPaint < QUICK || !this.front)) this.work();
    else if (!this.isStale && this.isOverviewStale && !isMoving && this.graph.count > 300) this.workOverview();
    if (this.isMoved) this.show();
    this.isMoved = false;
    const hasOverview = !this.isOverviewStale || this.graph.count <= 300;
    if (this.isStale || this.flight || !hasOverview) this.next();
  }

  private advance(time: number): void {
    if (!this.flight) return;
    const { from, to, since } = this.flight;
    const part = Math.min(1, Math.max(0, time - since) / 240);
    const eased = 1 - (1 - part) ** 3;
    // Evenly in size, not in numbers: each moment comes nearer by the same factor.
    const k = from.k * (to.k / from.k) ** eased;
    const share = Math.abs(to.k - from.k) < 1e-6 ? eased : (1 / k - 1 / from.k) / (1 / to.k - 1 / from.k);
    const middle = (c: Camera) => [(this.width / 2 - c.x) / c.k, (this.height / 2 - c.y) / c.k] as const;
    const [[ax, ay], [bx, by]] = [middle(from), middle(to)];
    const [mx, my] = [ax + (bx - ax) * share, ay + (by - ay) * share];
    if (part === 1) this.flight = undefined;
    const flight = this.flight;
    this.put(part === 1 ? to : { k, x: this.width / 2 - k * mx, y: this.height / 2 - k * my });
    this.flight = flight;
  }

  /** Draws for as long as a frame allows; shows it when it is done. */
  private work(): void {
    if (!this.job) {
      const isQuick = this.lastPaint < QUICK;
      const margin = isQuick ? 0 : MARGIN;
      this.back = this.bufferOf(this.back, this.camera, seen(this.camera, this.width, this.height, margin), this.ratio);
      this.job = this.paintInto(this.back);
      this.jobTime = 0;
    }
    if (!this.run()) return;
    [this.front, this.back] = [this.back, this.front];
    this.lastPaint = this.jobTime;
    this.isStale = false;
    this.show();
    // When the picture was whole: what there is to measure of it, the browser's own tools and tests read here.
    performance.mark("lineage-drawn");
  }

  private workOverview(): void {
    const { graph } = this;
    if (!graph) return;
    if (!this.job) {
      const k = Math.min(1, OVERVIEW / Math.max(graph.width, graph.height, 1));
      const box = { x0: 0, y0: 0, x1: graph.width, y1: graph.height };
      this.overview = this.bufferOf(this.overview, { x: 0, y: 0, k }, box, 1);
      this.job = this.paintInto(this.overview);
    }
    if (this.run()) this.isOverviewStale = false;
  }

  private run(): boolean {
    const since = performance.now();
    let isDone = false;
    while (!isDone && performance.now() - since < SLICE) {
      isDone = this.job?.next().done ?? true;
      // Browsers gather what is to be drawn; unless it is drawn now, the clock says nothing.
      this.target?.getImageData(0, 0, 1, 1);
    }
    this.jobTime += performance.now() - since;
    if (isDone) this.job = undefined;
    return isDone;
  }

  private *paintInto(buffer: Buffer): Generator<void> {
    const { graph, plane, palette, fitter, shown, selected, focus, lit } = this;
    if (!graph || !plane) return;
    const { context, camera, box } = buffer;
    this.target = context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, buffer.canvas.width, buffer.canvas.height);
    yield;
    aim(buffer);
    const view = seen(camera, this.width, this.height);
    const scene: Scene = { graph, plane, palette, fitter, shown, selected, focus, view, lit };
    yield* paint(context, scene, camera, box);
  }

  /** Draws nodes anew whose state has changed, at once, where all else stays as it is; says whether that could be done. */
  private touch(nodes: number[]): boolean {
    const { graph, plane, palette, fitter, shown, selected, focus, front } = this;
    if (!graph || !plane || !front || this.isStale || this.lit || nodes.length > FEW) return false;
    const { x0, y0, x1, y1 } = front.box;
    const isSeen = ({ x0: a, y0: b, x1: c, y1: d }: Box) => a < x1 && c > x0 && b < y1 && d > y0;
    aim(front);
    const view = seen(front.camera, this.width, this.height);
    const scene: Scene = { graph, plane, palette, fitter, shown, selected, focus, view, lit: undefined };
    const drawing = repaint(
      front.context,
      scene,
      front.camera,
      nodes.filter((node) => isSeen(graph.box(node))),
    );
    while (!drawing.next().done);
    this.isMoved = true;
    return true;
  }

  /** A buffer for a part of the plane; one that is there already is used again. */
  private bufferOf(old: Buffer | undefined, camera: Camera, box: Box, ratio: number): Buffer {
    const canvas = old?.canvas ?? document.createElement("canvas");
    const width = Math.max(1, Math.round((box.x1 - box.x0) * camera.k * ratio));
    const height = Math.max(1, Math.round((box.y1 - box.y0) * camera.k * ratio));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    return { canvas, context: old?.context ?? contextOf(canvas, true), camera: { ...camera }, box };
  }

  /** Shows what was drawn last, from where one looks now. */
  private show(): void {
    const { context, camera, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.palette.surface;
    context.fillRect(0, 0, this.width, this.height);
    context.imageSmoothingQuality = "low";
    const put = ({ canvas, box, camera: { k } }: Buffer) => {
      const [x, y] = [camera.x + box.x0 * camera.k, camera.y + box.y0 * camera.k];
      // At its own size it goes pixel on pixel: anything between two would blur it.
      const whole = (size: number) => Math.round(size * ratio) / ratio;
      if (k === camera.k && canvas !== this.overview?.canvas)
        context.drawImage(canvas, whole(x), whole(y), canvas.width / ratio, canvas.height / ratio);
      else context.drawImage(canvas, x, y, (box.x1 - box.x0) * camera.k, (box.y1 - box.y0) * camera.k);
    };
    const { front } = this;
    const view = seen(camera, this.width, this.height);
    const covers =
      front && front.box.x0 <= view.x0 && front.box.y0 <= view.y0 && front.box.x1 >= view.x1 && front.box.y1 >= view.y1;
    if (!covers && this.overview && !this.isOverviewStale) put(this.overview);
    if (front) put(front);
  }
}

/** Lets a buffer's context draw in units of the plane. */
function aim({ canvas, context, box }: Buffer): void {
  const scale = canvas.width / (box.x1 - box.x0);
  context.setTransform(scale, 0, 0, scale, -box.x0 * scale, -box.y0 * scale);
}

/** A context; what is drawn `here` is drawn by the processor, and when it is asked for, not at the end of the frame. */
function contextOf(canvas: HTMLCanvasElement, here: boolean): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: here });
  if (!context) throw new Error("this browser has no canvas");
  return context;
}
