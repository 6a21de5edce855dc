/** Draws a scene, bit by bit: whoever asks for it says when to pause, so that thousands of nodes never hold up a frame. */
import type { Tone } from "../parts/state";
import { type Camera, type Detail, detailAt } from "./camera";
import type { Box, LineageGraph } from "./graph";
import { drawPlus, drawTone, drawType } from "./marks";
import type { Palette } from "./palette";
import type { Plane } from "./plane";
import { type Shown, words } from "./standing";
import type { Fitter } from "./text";

/** What is to be seen. */
export type Scene = {
  graph: LineageGraph;
  plane: Plane;
  shown: Shown[];
  palette: Palette;
  fitter: Fitter;
  selected: ReadonlySet<number>;
  focus: number | undefined;
  /** The part of the plane that the window shows. */
  view: Box;
  /** Where these are, all others fade. */
  lit: ReadonlySet<number> | undefined;
};

/** So many things are drawn between two looks at the clock. */
const CHUNK = 120;
const RADIUS = 6;
/** The right end of a folded group's card, which unfolds it. */
export const HANDLE = 28;
const FADED = 0.16;
const TONES: Tone[] = ["idle", "good", "warn", "run", "bad"];

type Context = CanvasRenderingContext2D;

/** Draws what is seen of a scene, in units of the plane; yields whenever it can pause. */
export function* paint(context: Context, scene: Scene, camera: Camera, box: Box): Generator<void> {
  const { graph, plane, lit } = scene;
  context.lineJoin = "round";
  context.lineCap = "round";
  const detail = detailAt(camera.k);
  const nodes = plane.nodesIn(box);
  const edges = plane.edgesIn(box);
  if (!lit) {
    yield* paintEdges(context, scene, camera, edges, false);
    yield* paintNodes(context, scene, camera, nodes, detail);
  } else {
    const { from, to } = graph.document.edges;
    const isLit = (edge: number) => lit.has(from[edge] ?? -1) && lit.has(to[edge] ?? -1);
    context.globalAlpha = FADED;
    yield* paintEdges(
      context,
      scene,
      camera,
      edges.filter((edge) => !isLit(edge)),
      false,
    );
    yield* paintNodes(
      context,
      scene,
      camera,
      nodes.filter((node) => !lit.has(node)),
      detail,
    );
    context.globalAlpha = 1;
    yield* paintEdges(context, scene, camera, edges.filter(isLit), true);
    yield* paintNodes(
      context,
      scene,
      camera,
      nodes.filter((node) => lit.has(node)),
      detail,
    );
  }
  paintMarks(context, scene, camera);
}

function* paintEdges(context: Context, scene: Scene, camera: Camera, edges: number[], isLit: boolean): Generator<void> {
  const { graph, palette } = scene;
  const isFar = camera.k < 0.16;
  // As thin as the screen has it: nothing else is drawn as fast, and thousands of lines need it.
  const thin = 1 / context.getTransform().a;
  context.lineWidth = isFar ? thin : (isLit ? 1.8 : 1.2) / camera.k;
  context.strokeStyle = isLit ? palette.accent : palette.tones.idle.strong;
  const alpha = context.globalAlpha;
  // Far out, thousands of lines lie over each other: faint ones still show where many are.
  context.globalAlpha = alpha * (isLit ? 0.9 : isFar ? 0.28 : 0.55);
  const step = isFar ? CHUNK : CHUNK / 3;
  for (let at = 0; at < edges.length; at += step) {
    context.beginPath();
    for (const edge of edges.slice(at, at + step)) {
      if (!graph.isBack.has(edge)) trace(context, graph.points(edge), isFar);
    }
    context.stroke();
    yield;
  }
  const back = edges.filter((edge) => graph.isBack.has(edge));
  if (back.length > 0) {
    context.setLineDash([6 / camera.k, 4 / camera.k]);
    context.beginPath();
    for (const edge of back) trace(context, graph.points(edge), isFar);
    context.stroke();
    context.setLineDash([]);
  }
  if (camera.k > 0.3) {
    const { from, to } = graph.document.edges;
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    for (const edge of edges) {
      const [a, b] = [from[edge], to[edge]];
      if (a === undefined || b === undefined) continue;
      const side = graph.isBack.has(edge) ? -1 : 1;
      const x = graph.x(b) + (side < 0 ? graph.nodeWidth : 0);
      const y = graph.y(b) + graph.nodeHeight / 2;
      context.moveTo(x, y);
      context.lineTo(x - side * 7, y - 4);
      context.lineTo(x - side * 7, y + 4);
      context.closePath();
    }
    context.fill();
  }
  context.globalAlpha = alpha;
}

/** Adds an edge to the path: level where it leaves and enters, straight along its lanes. */
function trace(context: Context, points: number[], isFar: boolean): void {
  let [x, y] = [points[0] ?? 0, points[1] ?? 0];
  context.moveTo(x, y);
  for (let at = 2; at < points.length; at += 2) {
    const [nextX, nextY] = [points[at] ?? 0, points[at + 1] ?? 0];
    if (isFar || y === nextY) context.lineTo(nextX, nextY);
    else {
      const middle = (x + nextX) / 2;
      context.bezierCurveTo(middle, y, middle, nextY, nextX, nextY);
    }
    [x, y] = [nextX, nextY];
  }
}

function* paintNodes(context: Context, scene: Scene, camera: Camera, nodes: number[], detail: Detail): Generator<void> {
  if (detail === "spot") return yield* paintSpots(context, scene, camera, nodes);
  for (let at = 0; at < nodes.length; at += CHUNK / 4) {
    for (const node of nodes.slice(at, at + CHUNK / 4)) paintCard(context, scene, camera, node, detail);
    yield;
  }
}

/** Draws some nodes anew over what they were: their cards are opaque. */
export function* repaint(context: Context, scene: Scene, camera: Camera, nodes: number[]): Generator<void> {
  yield* paintNodes(context, scene, camera, nodes, detailAt(camera.k));
  paintMarks(context, scene, camera);
}

/** Nodes as spots: what failed is full, what warns is half full, what runs is a ring, what went well is light. */
function* paintSpots(context: Context, scene: Scene, camera: Camera, nodes: number[]): Generator<void> {
  const { graph, palette, shown } = scene;
  const [w, h] = [graph.nodeWidth, graph.nodeHeight];
  const alpha = context.globalAlpha;
  for (const tone of TONES) {
    const { strong, faint } = palette.tones[tone];
    const some = nodes.filter((node) => shown[node]?.tone === tone);
    for (let at = 0; at < some.length; at += CHUNK) {
      const chunk = some.slice(at, at + CHUNK);
      // Edges do not shine through what is faded either.
      context.globalAlpha = alpha;
      context.fillStyle = tone === "bad" ? strong : faint;
      context.beginPath();
      for (const node of chunk) context.rect(graph.x(node), graph.y(node), w, h);
      context.fill();
      context.strokeStyle = strong;
      context.lineWidth = (tone === "run" ? 2 : 0.8) / camera.k;
      context.stroke();
      if (tone === "warn") {
        context.fillStyle = strong;
        context.beginPath();
        for (const node of chunk) context.rect(graph.x(node), graph.y(node), w / 2, h);
        context.fill();
      } else if (tone === "good") {
        context.fillStyle = strong;
        context.beginPath();
        for (const node of chunk) context.rect(graph.x(node), graph.y(node) + h * 0.8, w, h * 0.2);
        context.fill();
      }
      yield;
    }
  }
}

function paintCard(context: Context, scene: Scene, camera: Camera, node: number, detail: Detail): void {
  const { graph, palette, shown, fitter } = scene;
  const state = shown[node];
  if (!state) return;
  const [x, y, w, h] = [graph.x(node), graph.y(node), graph.nodeWidth, graph.nodeHeight];
  const { strong, faint } = palette.tones[state.tone];
  const outline = () => {
    context.beginPath();
    context.roundRect(x, y, w, h, RADIUS);
  };
  const thin = Math.max(1, 1 / camera.k);
  if (graph.isFolded(node)) {
    // A second card behind it: there is more in it.
    context.beginPath();
    context.roundRect(x + 5, y + 5, w, h, RADIUS);
    context.fillStyle = palette.surface2;
    context.fill();
    context.strokeStyle = strong;
    context.lineWidth = thin;
    context.stroke();
  }
  outline();
  context.fillStyle = detail === "mark" ? faint : palette.surface;
  context.fill();
  context.strokeStyle = state.tone === "idle" ? palette.tones.idle.strong : strong;
  context.lineWidth = state.tone === "bad" || state.tone === "run" ? thin * 1.6 : thin;
  context.stroke();
  const dark = context.strokeStyle;
  const middle = y + h / 2;
  if (detail === "mark") {
    context.lineWidth = 1.6 / camera.k;
    context.strokeStyle = dark;
    if (state.word) drawTone(context, state.tone, x + w / 2, middle, h * 0.62);
    else drawType(context, graph.type(node), x + w / 2, middle, h * 0.62);
    return;
  }
  // A strip at the left: the state's colour, with its mark in it.
  const strip = 30;
  context.save();
  outline();
  context.clip();
  context.fillStyle = faint;
  context.fillRect(x, y, strip, h);
  context.restore();
  context.strokeStyle = strong;
  context.lineWidth = 2;
  if (state.word) drawTone(context, state.tone, x + strip / 2, middle, 14);
  else drawType(context, graph.type(node), x + strip / 2, middle, 16);
  const left = x + strip + 8;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.direction = "ltr";
  // Letters shrink with their card only as far as they can still be read.
  const isCard = detail === "card";
  const size = Math.round(Math.min(20, Math.max(13, (isCard ? 10.5 : 9.5) / camera.k)));
  const font = `600 ${size}px ${palette.font}`;
  context.font = font;
  context.fillStyle = palette.text;
  if (!isCard) {
    context.fillText(fitter.fit(graph.name(node), w - strip - 14, font), left, middle);
    return;
  }
  // The name has the whole line: names are longer than states.
  const isFolded = graph.isFolded(node);
  const room = w - strip - (isFolded ? 34 : 14);
  let name = fitter.fit(graph.name(node), room, font);
  if (name.endsWith("…\u2069")) {
    // A little smaller is better than cut.
    const smaller = `600 ${Math.round(size * 0.87)}px ${palette.font}`;
    const whole = fitter.fit(graph.name(node), room, smaller);
    if (!whole.endsWith("…\u2069")) [context.font, name] = [smaller, whole];
  }
  context.fillText(name, left, y + 17);
  context.strokeStyle = palette.text2;
  context.lineWidth = 1.2;
  if (isFolded) drawPlus(context, x + w - HANDLE / 2, middle, 14);
  else if (state.word) drawType(context, graph.type(node), x + w - 15, y + h - 14, 13);
  const small = `${Math.min(15, size - 1.5)}px ${palette.font}`;
  context.font = small;
  context.fillStyle = state.tone === "idle" ? palette.text2 : strong;
  context.fillText(
    fitter.fit(state.word ? words(state, "short") : "exposure", w - strip - (isFolded || state.word ? 34 : 14), small),
    left,
    y + 37,
  );
}

/** So many nodes are named at most where names have no room in their cards, and none longer than this, in pixels. */
const NAMED = 24;
const NAME_WIDTH = 130;

/**
 * Where cards are too small for names, as on a phone: the names of what is selected or looked at and of what is next to it, each
 * below or above its card, where there is room.
 */
function paintNames(context: Context, scene: Scene, camera: Camera): void {
  const { graph, plane, palette, fitter, selected, focus, view } = scene;
  const own = [...(focus !== undefined && focus < graph.count ? [focus] : []), ...selected].slice(0, NAMED);
  const next = own.flatMap((node) => [...(graph.up[node] ?? []), ...(graph.down[node] ?? [])]);
  const unit = 1 / camera.k;
  const font = `600 ${Math.round(11 * unit)}px ${palette.font}`;
  const taken: Box[] = [];
  const isApart = (a: Box) => (b: Box) => a.x0 > b.x1 || a.x1 < b.x0 || a.y0 > b.y1 || a.y1 < b.y0;
  context.font = font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3 * unit;
  context.strokeStyle = palette.surface;
  context.fillStyle = palette.text;
  for (const node of new Set([...own, ...next].slice(0, NAMED))) {
    const text = fitter.fit(graph.name(node), NAME_WIDTH * unit, font);
    const half = context.measureText(text).width / 2;
    const { x0, x1, y0, y1 } = graph.box(node);
    // What is at the edge of the window keeps its name within it.
    const x = Math.max(view.x0 + half + 4 * unit, Math.min(view.x1 - half - 4 * unit, (x0 + x1) / 2));
    if (x < x0 - half || x > x1 + half) continue;
    const at = (y: number): Box => ({ x0: x - half, x1: x + half, y0: y - 7 * unit, y1: y + 7 * unit });
    const places = [y1 + 14 * unit, y0 - 14 * unit, y1 + 30 * unit, y0 - 30 * unit].filter((y) =>
      taken.every(isApart(at(y))),
    );
    const y = places.find((y) => plane.nodesIn(at(y)).length === 0) ?? places[0];
    if (y === undefined) continue;
    taken.push(at(y));
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

/** What is selected and what the keyboard is at. */
function paintMarks(context: Context, scene: Scene, camera: Camera): void {
  const { graph, palette, selected, focus } = scene;
  const around = (node: number, by: number) => {
    context.beginPath();
    const [x, y] = [graph.x(node) - by, graph.y(node) - by];
    context.roundRect(x, y, graph.nodeWidth + 2 * by, graph.nodeHeight + 2 * by, RADIUS + by);
  };
  context.strokeStyle = palette.accent;
  context.lineWidth = Math.max(2.5, 2.5 / camera.k);
  for (const node of selected) {
    around(node, context.lineWidth);
    context.stroke();
  }
  if (focus !== undefined && focus < graph.count) {
    const dash = 5 / camera.k;
    context.strokeStyle = palette.text;
    context.lineWidth = 1.6 / camera.k;
    context.setLineDash([dash, dash * 0.7]);
    around(focus, Math.max(6, 6 / camera.k));
    context.stroke();
    context.setLineDash([]);
  }
  if (["spot", "mark"].includes(detailAt(camera.k))) paintNames(context, scene, camera);
}
