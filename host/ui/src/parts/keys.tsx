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

/** What the keys of a page, or of a part of pages, do: several that are pressed together, or one of several. */
type Keyed = readonly [keys: readonly string[], what: string, together?: "together"];
const groups: readonly (readonly [title: string, keys: readonly Keyed[]])[] = [
  [
    "Everywhere",
    [
      [["Ctrl", "K"], "Find a page, an asset, a job, or a run by its number", "together"],
      [["/"], "Search on this page"],
      [["?"], "Show these keys"],
      [["Esc"], "Close what is open"],
    ],
  ],
  ["Go to", Object.entries(leads).map(([key, [, title]]) => [["g", key], title, "together"] as const)],
  ["Tabs", [[["←", "→"], "The tab before, the next one"]]],
  [
    "Overview: the lane of a job",
    [
      [["←", "→"], "The run before, the next one"],
      [["Enter"], "Open the run"],
    ],
  ],
  [
    "Lineage",
    [
      [["←", "→"], "Along an edge"],
      [["↑", "↓"], "Within a layer"],
      [["Enter"], "Open an asset, unfold a group"],
      [["Space"], "Select, or take out of the selection"],
      [["Esc"], "Select nothing"],
      [["+", "-"], "Zoom"],
      [["f", "0"], "Show all"],
    ],
  ],
  [
    "Timeline of a run",
    [
      [["←", "→"], "The node before, the next one of a thread"],
      [["↑", "↓"], "Another thread"],
      [["Home", "End"], "The first node of a thread, the last one"],
      [["Enter"], "Show the node"],
      [["+", "-"], "Zoom"],
      [["0"], "Show all"],
    ],
  ],
];

/** All shortcuts. */
export function Keys() {
  return (
    <Dialog title="Keyboard shortcuts" class="keys" onClose={() => (over.value = undefined)}>
      <div class="key-groups">
        {groups.map(([title, keys]) => (
          <table key={title}>
            <caption>{title}</caption>
            <tbody>
              {keys.map(([pressed, what, together]) => (
                <tr key={what}>
                  <td class="nowrap">
                    {pressed.map((key, index) => (
                      <span key={key}>
                        {index > 0 && !together && <span class="faint"> or </span>}
                        <kbd>{key}</kbd>
                      </span>
                    ))}
                  </td>
                  <td>{what}</td>
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </div>
      <p class="small faint">The keys of a picture work while it has the focus: the tab key leads there.</p>
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
