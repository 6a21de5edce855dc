/** The colours of the theme as a canvas takes them: it knows no custom properties, and none that differ by theme. */
import { useEffect, useState } from "preact/hooks";
import type { Palette } from "./draw";

const names = {
  good: "--good",
  good2: "--good-2",
  warn: "--warn",
  warn2: "--warn-2",
  bad: "--bad",
  bad2: "--bad-2",
  run: "--run",
  run2: "--run-2",
  idle: "--idle",
  idle2: "--idle-2",
  text: "--text",
  faint: "--text-2",
  line: "--line",
  surface: "--surface",
  accent: "--accent",
} as const satisfies Record<keyof Palette, string>;

function read(): Palette {
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = {} as Palette;
  for (const [key, name] of Object.entries(names)) {
    probe.style.color = `var(${name})`;
    found[key as keyof Palette] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

/** The colours now; new ones when the theme changes. */
export function usePalette(): Palette {
  const [palette, set] = useState(read);
  useEffect(() => {
    const again = () => set(read());
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", again);
    const chosen = new MutationObserver(again);
    chosen.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      system.removeEventListener("change", again);
      chosen.disconnect();
    };
  }, []);
  return palette;
}
