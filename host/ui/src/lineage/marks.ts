/** Marks: a shape for each state and each type of node (those of the catalogue), so that nothing has to be told by its colour alone. */
import type { Tone } from "../parts/state";

type Context = CanvasRenderingContext2D;

/** Draws the mark of a tone in a square of this size around a point. */
export function drawTone(context: Context, tone: Tone, x: number, y: number, size: number): void {
  const r = size / 2;
  context.beginPath();
  switch (tone) {
    case "good":
      context.moveTo(x - r * 0.75, y + r * 0.05);
      context.lineTo(x - r * 0.2, y + r * 0.6);
      context.lineTo(x + r * 0.8, y - r * 0.6);
      break;
    case "bad":
      context.moveTo(x - r * 0.65, y - r * 0.65);
      context.lineTo(x + r * 0.65, y + r * 0.65);
      context.moveTo(x + r * 0.65, y - r * 0.65);
      context.lineTo(x - r * 0.65, y + r * 0.65);
      break;
    case "warn":
      context.moveTo(x, y - r * 0.8);
      context.lineTo(x + r * 0.9, y + r * 0.75);
      context.lineTo(x - r * 0.9, y + r * 0.75);
      context.closePath();
      break;
    case "run":
      context.arc(x, y, r * 0.8, 0, Math.PI * 2);
      context.moveTo(x + r * 0.3, y);
      context.arc(x, y, r * 0.3, 0, Math.PI * 2);
      break;
    default:
      context.moveTo(x - r * 0.7, y);
      context.lineTo(x + r * 0.7, y);
  }
  context.stroke();
}

/** Draws the sign of a resource type in a square of this size around a point. */
export function drawType(context: Context, type: string, x: number, y: number, size: number): void {
  const r = size / 2;
  context.beginPath();
  switch (type) {
    case "source":
      // A drum, as databases are drawn.
      context.ellipse(x, y - r * 0.6, r * 0.8, r * 0.3, 0, 0, Math.PI * 2);
      context.moveTo(x - r * 0.8, y - r * 0.6);
      context.lineTo(x - r * 0.8, y + r * 0.6);
      context.ellipse(x, y + r * 0.6, r * 0.8, r * 0.3, 0, Math.PI, 0, true);
      context.lineTo(x + r * 0.8, y - r * 0.6);
      break;
    case "seed":
      // A sprout: a stem with a leaf on each side.
      context.moveTo(x - r * 0.6, y + r * 0.85);
      context.lineTo(x + r * 0.6, y + r * 0.85);
      context.moveTo(x, y + r * 0.85);
      context.lineTo(x, y - r * 0.05);
      context.quadraticCurveTo(x, y - r * 0.85, x + r * 0.85, y - r * 0.85);
      context.quadraticCurveTo(x + r * 0.85, y - r * 0.05, x, y - r * 0.05);
      context.moveTo(x, y + r * 0.4);
      context.quadraticCurveTo(x - r * 0.8, y + r * 0.4, x - r * 0.8, y - r * 0.3);
      context.quadraticCurveTo(x, y - r * 0.3, x, y + r * 0.4);
      break;
    case "snapshot":
      context.rect(x - r * 0.85, y - r * 0.5, r * 1.7, r * 1.2);
      context.moveTo(x + r * 0.38, y + r * 0.1);
      context.arc(x, y + r * 0.1, r * 0.38, 0, Math.PI * 2);
      context.moveTo(x - r * 0.35, y - r * 0.5);
      context.lineTo(x - r * 0.2, y - r * 0.8);
      context.lineTo(x + r * 0.2, y - r * 0.8);
      context.lineTo(x + r * 0.35, y - r * 0.5);
      break;
    case "exposure":
      context.moveTo(x - r * 0.8, y - r * 0.8);
      context.lineTo(x - r * 0.8, y + r * 0.8);
      context.lineTo(x + r * 0.8, y + r * 0.8);
      context.moveTo(x - r * 0.35, y + r * 0.5);
      context.lineTo(x - r * 0.35, y);
      context.moveTo(x + r * 0.1, y + r * 0.5);
      context.lineTo(x + r * 0.1, y - r * 0.6);
      context.moveTo(x + r * 0.55, y + r * 0.5);
      context.lineTo(x + r * 0.55, y - r * 0.2);
      break;
    case "group":
      context.rect(x - r * 0.8, y - r * 0.4, r * 1.2, r * 1.2);
      context.moveTo(x - r * 0.4, y - r * 0.4);
      context.lineTo(x - r * 0.4, y - r * 0.8);
      context.lineTo(x + r * 0.8, y - r * 0.8);
      context.lineTo(x + r * 0.8, y + r * 0.4);
      context.lineTo(x + r * 0.4, y + r * 0.4);
      break;
    default:
      // A box seen from a corner: a model.
      context.moveTo(x, y - r * 0.9);
      context.lineTo(x + r * 0.8, y - r * 0.45);
      context.lineTo(x + r * 0.8, y + r * 0.45);
      context.lineTo(x, y + r * 0.9);
      context.lineTo(x - r * 0.8, y + r * 0.45);
      context.lineTo(x - r * 0.8, y - r * 0.45);
      context.closePath();
      context.moveTo(x - r * 0.8, y - r * 0.45);
      context.lineTo(x, y);
      context.lineTo(x + r * 0.8, y - r * 0.45);
      context.moveTo(x, y);
      context.lineTo(x, y + r * 0.9);
  }
  context.stroke();
}

/** Draws a plus in a circle. */
export function drawPlus(context: Context, x: number, y: number, size: number): void {
  const r = size / 2;
  context.beginPath();
  context.arc(x, y, r, 0, Math.PI * 2);
  context.moveTo(x - r * 0.5, y);
  context.lineTo(x + r * 0.5, y);
  context.moveTo(x, y - r * 0.5);
  context.lineTo(x, y + r * 0.5);
  context.stroke();
}

/** The words for the types. */
export function typeWord(type: string): string {
  return type.replaceAll("_", " ");
}
