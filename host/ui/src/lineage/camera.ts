/** Where one looks from: what of the plane is seen, how large, and how much of it is worth drawing. Pure. */
import type { Box } from "./graph";

/** A point of the plane is seen at `x + k·point`, in CSS pixels. */
export type Camera = { x: number; y: number; k: number };

/** How much of a node is drawn: a spot, a mark, its name, or all. */
export type Detail = "spot" | "mark" | "name" | "card";

export const NEAREST = 2;

/** How much of a node can be read at this size. */
export function detailAt(k: number): Detail {
  if (k < 0.16) return "spot";
  if (k < 0.34) return "mark";
  return k < 0.6 ? "name" : "card";
}

/** The part of the plane that a window shows, with a margin of so much of the window around it. */
export function seen(camera: Camera, width: number, height: number, margin = 0): Box {
  const [mx, my] = [width * margin, height * margin];
  return {
    x0: (-mx - camera.x) / camera.k,
    y0: (-my - camera.y) / camera.k,
    x1: (width + mx - camera.x) / camera.k,
    y1: (height + my - camera.y) / camera.k,
  };
}

/** Looks at a box so that all of it is seen, but no nearer than at its natural size. */
export function framed(box: Box, width: number, height: number, padding = 32, nearest = 1): Camera {
  const [w, h] = [Math.max(1, box.x1 - box.x0), Math.max(1, box.y1 - box.y0)];
  const free = (size: number) => Math.max(40, size - 2 * padding);
  const k = Math.min(nearest, free(width) / w, free(height) / h);
  return { k, x: width / 2 - (k * (box.x0 + box.x1)) / 2, y: height / 2 - (k * (box.y0 + box.y1)) / 2 };
}

/** Looks at the same middle from nearer or farther. */
export function zoomed(camera: Camera, by: number, width: number, height: number, farthest: number): Camera {
  const k = Math.min(NEAREST, Math.max(farthest, camera.k * by));
  const scale = k / camera.k;
  return { k, x: width / 2 - (width / 2 - camera.x) * scale, y: height / 2 - (height / 2 - camera.y) * scale };
}

/** Moves as little as is needed for a box to be seen whole. */
export function revealed(camera: Camera, box: Box, width: number, height: number, padding = 24): Camera {
  const shift = (low: number, high: number, size: number) => {
    if (low < padding) return padding - low;
    if (high > size - padding) return Math.max(padding - low, size - padding - high);
    return 0;
  };
  const { x, y, k } = camera;
  return {
    k,
    x: x + shift(x + k * box.x0, x + k * box.x1, width),
    y: y + shift(y + k * box.y0, y + k * box.y1, height),
  };
}
