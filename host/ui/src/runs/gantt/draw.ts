/** Draws the timeline on a canvas: only what can be seen of it, so that it costs the same with five thousand nodes. */
import type { Tone } from "../../parts/state";
import { toneOf } from "../../parts/state";
import { isCritical, isFailure } from "../nodes";
import { type Bar, firstBehind, type Row } from "./pack";
import { type Span, ticks } from "./scale";

/** Sizes in CSS pixels. */
export const ROW = 24;
export const AXIS = 24;
export const BAND = 20;

/** The colours of the page's theme, as a canvas takes them. */
export type Palette = Record<Tone | `${Tone}2` | "text" | "faint" | "line" | "surface" | "accent", string>;

/** A stretch of time that belongs to an attempt, or to the wait before one. */
export type Band = { label: string; from: number; to: number | null; tone: Tone };

export type Scene = {
  width: number;
  height: number;
  /** How wide the threads' names are. */
  gutter: number;
  /** How far it is scrolled down. */
  top: number;
  rows: Row[];
  bands: Band[];
  span: Span;
  origin: number;
  now: number;
  palette: Palette;
  /** The keys of the bar under the pointer, and of the one that was chosen. */
  active: string | undefined;
  selected: string;
};

/** Where a time lies, in pixels. */
export function xOf(scene: Pick<Scene, "span" | "gutter" | "width">, time: number): number {
  const { span, gutter, width } = scene;
  return gutter + ((time - span.from) / (span.to - span.from)) * (width - gutter);
}

/** Which time lies at a pixel. */
export function timeAt(scene: Pick<Scene, "span" | "gutter" | "width">, x: number): number {
  const { span, gutter, width } = scene;
  return span.from + ((x - gutter) / Math.max(1, width - gutter)) * (span.to - span.from);
}

/** Draws all of it. */
export function draw(context: CanvasRenderingContext2D, scene: Scene, font: string): void {
  const { width, height, gutter, palette, rows, top } = scene;
  context.clearRect(0, 0, width, height);
  context.font = font;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const body = AXIS + BAND;
  context.save();
  context.beginPath();
  context.rect(gutter, 0, width - gutter, height);
  context.clip();
  drawBands(context, scene);
  drawAxis(context, scene);
  context.restore();
  context.save();
  context.beginPath();
  context.rect(0, body, width, height - body);
  context.clip();
  const first = Math.max(0, Math.floor(top / ROW));
  const last = Math.min(rows.length, Math.ceil((top + height - body) / ROW));
  for (let at = first; at < last; at += 1) {
    const row = rows[at];
    if (row) drawRow(context, scene, row, body + at * ROW - top);
  }
  context.restore();
  context.fillStyle = palette.line;
  context.fillRect(gutter - 1, 0, 1, height);
  context.fillRect(0, body - 1, width, 1);
}

function drawBands(context: CanvasRenderingContext2D, scene: Scene): void {
  const { bands, palette, height, now } = scene;
  for (const band of bands) {
    const from = xOf(scene, band.from);
    const to = xOf(scene, band.to ?? now);
    if (to < scene.gutter || from > scene.width) continue;
    context.fillStyle = palette.idle2;
    context.globalAlpha = 0.35;
    context.fillRect(from, AXIS, Math.max(1, to - from), height - AXIS);
    context.globalAlpha = 1;
    context.fillStyle = palette[`${band.tone}2`];
    context.fillRect(from, AXIS, Math.max(1, to - from), BAND - 1);
    context.fillStyle = palette[band.tone];
    context.fillRect(from, AXIS, 1, height - AXIS);
    const left = Math.max(from, scene.gutter);
    fitted(context, band.label, left + 6, AXIS + BAND / 2, to - left - 10);
  }
}

function drawAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { palette, width, gutter, height, span, origin } = scene;
  for (const tick of ticks(span, origin, (width - gutter) / 90)) {
    const x = Math.round(xOf(scene, tick.at));
    context.fillStyle = palette.line;
    context.fillRect(x, AXIS - 6, 1, 6);
    context.fillRect(x, AXIS + BAND, 1, height);
    context.fillStyle = palette.faint;
    context.fillText(tick.label, x + 4, AXIS / 2);
  }
}

function drawRow(context: CanvasRenderingContext2D, scene: Scene, row: Row, y: number): void {
  const { palette, span, gutter, width, now } = scene;
  if (row.label) {
    context.fillStyle = palette.line;
    context.globalAlpha = 0.5;
    context.fillRect(0, y, width, 1);
    context.globalAlpha = 1;
    context.fillStyle = palette.faint;
    fitted(context, row.label, 6, y + ROW / 2, gutter - 10);
  }
  context.save();
  context.beginPath();
  context.rect(gutter, y, width - gutter, ROW);
  context.clip();
  let drawn = Number.NEGATIVE_INFINITY;
  const above: Bar[] = [];
  const place = (bar: Bar) => {
    const x = xOf(scene, bar.from);
    const end = xOf(scene, bar.to ?? now);
    return { x, end };
  };
  for (let at = firstBehind(row.bars, span.from); at < row.bars.length; at += 1) {
    const bar = row.bars[at];
    if (!bar || bar.from > span.to) break;
    if (isFailure(bar.node.state) || isCritical(bar.node) || bar.key === scene.selected) above.push(bar);
    const { x, end } = place(bar);
    // Bars that would lie in one pixel are drawn once.
    if (end < drawn + 1) continue;
    drawn = Math.max(drawn, end);
    drawBar(context, scene, bar, x, Math.max(2, end - x - 0.5), y);
  }
  // What must not be missed lies above the others, and is never too small to be seen.
  above.sort((a, b) => Number(isFailure(a.node.state)) - Number(isFailure(b.node.state)));
  for (const bar of above) {
    const { x, end } = place(bar);
    drawBar(context, scene, bar, x, Math.max(4, end - x - 0.5), y);
  }
  context.restore();
}

function drawBar(context: CanvasRenderingContext2D, scene: Scene, bar: Bar, x: number, size: number, y: number): void {
  const { palette } = scene;
  const failed = isFailure(bar.node.state);
  const tone = failed ? "bad" : toneOf(bar.node.state);
  const [top, height] = [y + 3, ROW - 6];
  context.fillStyle = palette[`${tone}2`];
  context.fillRect(x, top, size, height);
  context.fillStyle = palette[tone];
  // The state is told by the shape of the left edge too: failed bars are full, warned ones half.
  const edge = Math.min(size, failed ? size : 4);
  if (failed && size > 14) {
    context.globalAlpha = 0.25;
    context.fillRect(x, top, edge, height);
    context.globalAlpha = 1;
    context.fillRect(x, top, 4, height);
  } else context.fillRect(x, top, edge, height);
  if (isCritical(bar.node)) {
    context.strokeStyle = palette.text;
    context.lineWidth = 2;
    context.strokeRect(x + 1, top + 1, Math.max(1, size - 2), height - 2);
  }
  if (bar.key === scene.active || bar.key === scene.selected) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 3;
    context.strokeRect(x - 1, top - 1, size + 2, height + 2);
  }
  if (size < 28) return;
  const mark = failed ? "✕ " : tone === "warn" ? "! " : "";
  context.fillStyle = palette.text;
  const left = Math.max(x, scene.gutter);
  fitted(
    context,
    `${isCritical(bar.node) ? "◆ " : ""}${mark}${bar.node.name}`,
    left + 8,
    y + ROW / 2,
    x + size - left - 12,
  );
}

const widths = new Map<string, number>();

/** A text as far as there is room for it. */
function fitted(context: CanvasRenderingContext2D, text: string, x: number, y: number, room: number): void {
  if (room < 12) return;
  let words = text.length > 120 ? text.slice(0, 120) : text;
  let width = widths.get(words);
  if (width === undefined) {
    if (widths.size > 20_000) widths.clear();
    width = context.measureText(words).width;
    widths.set(words, width);
  }
  if (width > room) {
    const fit = Math.floor((words.length * room) / width) - 1;
    if (fit < 2) return;
    words = `${words.slice(0, fit)}…`;
  }
  context.fillText(words, x, y);
}

/** Draws the whole run small, with the part that is shown marked in it. */
export function drawOverview(context: CanvasRenderingContext2D, scene: Scene, whole: Span): void {
  const { width, height, palette, rows, now, span } = scene;
  context.clearRect(0, 0, width, height);
  const all = { ...scene, span: whole, gutter: 0 };
  const size = height / Math.max(1, rows.length);
  for (const [at, row] of rows.entries()) {
    let drawn = Number.NEGATIVE_INFINITY;
    for (const bar of row.bars) {
      const x = xOf(all, bar.from);
      const end = Math.max(x + 1, xOf(all, bar.to ?? now));
      const failed = isFailure(bar.node.state);
      if (end < drawn + 1 && !failed) continue;
      drawn = Math.max(drawn, end);
      context.fillStyle = palette[failed ? "bad" : toneOf(bar.node.state)];
      context.fillRect(x, at * size, end - x, Math.max(1, size - (size > 3 ? 1 : 0)));
    }
  }
  const [from, to] = [xOf(all, span.from), xOf(all, span.to)];
  if (from <= 0.5 && to >= width - 0.5) return;
  context.fillStyle = palette.surface;
  context.globalAlpha = 0.65;
  context.fillRect(0, 0, from, height);
  context.fillRect(to, 0, width - to, height);
  context.globalAlpha = 1;
  context.strokeStyle = palette.accent;
  context.lineWidth = 2;
  context.strokeRect(from + 1, 1, Math.max(2, to - from - 2), height - 2);
}
