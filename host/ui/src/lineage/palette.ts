/** The colours and the type of the page, for a canvas: read from its custom properties, and again whenever the theme changes. */
import type { Tone } from "../parts/state";

export type Palette = {
  surface: string;
  surface2: string;
  line: string;
  text: string;
  text2: string;
  accent: string;
  accent2: string;
  /** Strong and faint colour of each tone. */
  tones: Record<Tone, { strong: string; faint: string }>;
  font: string;
};

/** Reads the palette where an element stands. A custom property holds an expression; only a colour that is used is worked out. */
export function readPalette(at: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  at.append(probe);
  const colour = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const tone = (name: string) => ({ strong: colour(name), faint: colour(`${name}-2`) });
  const palette: Palette = {
    surface: colour("surface"),
    surface2: colour("surface-2"),
    line: colour("line"),
    text: colour("text"),
    text2: colour("text-2"),
    accent: colour("accent"),
    accent2: colour("accent-2"),
    tones: { good: tone("good"), warn: tone("warn"), bad: tone("bad"), run: tone("run"), idle: tone("idle") },
    font: getComputedStyle(at).fontFamily || "sans-serif",
  };
  probe.remove();
  return palette;
}

/** Calls back when the theme changes, by the system or by the page; gives what ends that. */
export function onTheme(changed: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", changed);
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  return () => {
    dark.removeEventListener("change", changed);
    observer.disconnect();
  };
}
