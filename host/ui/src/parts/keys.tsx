/** Keyboard shortcuts. Single keys can be switched off, for those whose hands or voices press them by chance. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { Dialog } from "./dialog";
import { kept } from "./kept";

/** What is open over the page. */
export const over = signal<"palette" | "keys" | "menu" | undefined>(undefined);

export const [singleKeys, setSingleKeys] = kept("single-keys", ["on", "off"] as const);

/** Where `g` and a letter lead. */
const leads: Record<string, readonly [path: string, title: string]> = {
  o: ["/", "Overview"],
  a: ["/assets", "Assets"],
  l: ["/lineage", "Lineage"],
  r: ["/runs", "Runs"],
  n: ["/launch", "Launch"],
  s: ["/schedules", "Schedules"],
  p: ["/plugins", "Plugins"],
  e: ["/alerts", "Alerts"],
  u: ["/audit", "Audit"],
};

/** How long `g` waits for its letter, in milliseconds. */
const WAITS = 1500;

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"));

/** Listens to the keys. */
export function useKeys(): void {
  const [, go] = useLocation();
  useEffect(() => {
    let pressed = 0;
    const press = (event: KeyboardEvent) => {
      if (event.isComposing) return;
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        over.value = over.value === "palette" ? undefined : "palette";
        return;
      }
      const withOthers = event.ctrlKey || event.metaKey || event.altKey;
      const isElsewhere = isTyping(event.target) || document.querySelector("dialog[open]");
      if (withOthers || isElsewhere || singleKeys.value === "off") return;
      const now = performance.now();
      const lead = now - pressed < WAITS ? leads[event.key] : undefined;
      pressed = 0;
      if (lead) {
        event.preventDefault();
        go(lead[0]);
      } else if (event.key === "g") {
        pressed = now;
      } else if (event.key === "?") {
        event.preventDefault();
        over.value = "keys";
      } else if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("[data-search]");
        event.preventDefault();
        if (search) search.focus();
        else over.value = "palette";
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [go]);
}

const others: [string[], string][] = [
  [["Ctrl", "K"], "Find a page, an asset, a job or a run"],
  [["/"], "Search on this page"],
  [["?"], "Show these keys"],
  [["Esc"], "Close what is open"],
];

/** All shortcuts. */
export function Keys() {
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (over.value = undefined)}>
      <div class="grid-2">
        <table>
          <tbody>
            {others.map(([keys, what]) => (
              <tr key={what}>
                <td class="nowrap">
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </td>
                <td>{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <table>
          <tbody>
            {Object.entries(leads).map(([key, [, title]]) => (
              <tr key={key}>
                <td class="nowrap">
                  <kbd>g</kbd> <kbd>{key}</kbd>
                </td>
                <td>{title}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <label class="row">
        <input
          type="checkbox"
          checked={singleKeys.value === "on"}
          onChange={(event) => setSingleKeys(event.currentTarget.checked ? "on" : "off")}
        />
        Listen to single keys, too
      </label>
      <div class="row end">
        <button type="button" class="button" onClick={() => (over.value = undefined)}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
