/** What the catalogue is narrowed by: facets with their counts, health, and what dbt selects. */
import { ChevronDown, X } from "lucide-preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { selectorFault } from "../launch/form";
import { readIds, writeIds } from "../launch/ids";
import { setParams, useParam } from "../parts/address";
import { toneOf } from "../parts/state";
import { type Chosen, countsOf, FACETS, type Facet, type Row } from "./catalogue";

const titles: Record<Facet, string> = {
  project: "Project",
  type: "Type",
  folder: "Folder",
  group: "Group",
  tag: "Tag",
  owner: "Owner",
  health: "Health",
};

/** What the address says is chosen. */
export function readChosen(params: URLSearchParams): Chosen {
  const of = (facet: Facet) => readIds(params.get(facet) ?? "") ?? [];
  return Object.fromEntries(FACETS.map((facet) => [facet, of(facet)])) as Chosen;
}

function toggle(chosen: Chosen, facet: Facet, value: string): void {
  const values = chosen[facet];
  const next = values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
  setParams({ [facet]: writeIds(next) });
}

/** So many values are listed; more are found by typing. */
const LISTED = 100;

function Menu({ facet, rows, chosen }: { facet: Facet; rows: readonly Row[]; chosen: Chosen }) {
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState("");
  const holder = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    const away = (event: Event) => {
      if (event.target instanceof Node && !holder.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [isOpen]);
  const many = chosen[facet].length;
  const counts = isOpen ? countsOf(rows, chosen, facet) : [];
  const found = counts.filter(({ value }) => value.toLowerCase().includes(text.toLowerCase()));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape closes what is open in it
    <div
      ref={holder}
      class="facet"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !isOpen) return;
        event.stopPropagation();
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        class="chip"
        aria-expanded={isOpen}
        aria-controls={id}
        aria-pressed={many > 0}
        onClick={() => setOpen(!isOpen)}
      >
        {titles[facet]}
        {many > 0 && <span>{many}</span>}
        <ChevronDown class="icon-14" aria-hidden />
      </button>
      {isOpen && (
        <div id={id} class="facet-menu" role="group" aria-label={titles[facet]}>
          {counts.length > 12 && (
            <input
              type="search"
              aria-label={`Find a ${titles[facet].toLowerCase()}`}
              placeholder="Find"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
          {found.slice(0, LISTED).map(({ value, count }) => (
            <label key={value} class="row">
              <input
                type="checkbox"
                checked={chosen[facet].includes(value)}
                onChange={() => toggle(chosen, facet, value)}
              />
              <span class="grow clip">{value}</span>
              <span class="faint">{count.toLocaleString("en")}</span>
            </label>
          ))}
          {found.length > LISTED && (
            <span class="faint small">and {found.length - LISTED} more: type to find them</span>
          )}
          {found.length === 0 && <span class="faint small">nothing like that</span>}
        </div>
      )}
    </div>
  );
}

/** The facets that tell these rows apart. */
export function Facets({ rows, chosen }: { rows: readonly Row[]; chosen: Chosen }) {
  const menus: Facet[] = ["project", "type", "folder", "group", "tag", "owner"];
  const tells = (facet: Facet) =>
    chosen[facet].length > 0 || facet !== "project" || rows.some((row) => row.project !== rows[0]?.project);
  return (
    <>
      {menus.filter(tells).map((facet) => (
        <Menu key={facet} facet={facet} rows={rows} chosen={chosen} />
      ))}
    </>
  );
}

/** Health, as buttons with their counts: what wants a look comes first. */
export function Healths({ rows, chosen }: { rows: readonly Row[]; chosen: Chosen }) {
  return (
    <div class="choices" role="group" aria-label="Health">
      {countsOf(rows, chosen, "health").map(({ value, count }) => (
        <button
          key={value}
          type="button"
          class={`chip ${toneOf(value)}`}
          aria-pressed={chosen.health.includes(value)}
          onClick={() => toggle(chosen, "health", value)}
        >
          <span class={`dot ${toneOf(value)}`} aria-hidden />
          {value} <span class="faint">{count.toLocaleString("en")}</span>
        </button>
      ))}
    </div>
  );
}

/** What dbt selects. It is asked when the line is done, since it takes dbt some seconds. */
export function Selection({ busy }: { busy: boolean }) {
  const [kept, keep] = useParam("select");
  const [text, setText] = useState(kept);
  const id = useId();
  const fault = selectorFault(text.trim());
  useEffect(() => setText(kept), [kept]);
  return (
    <form
      class="selection"
      role="search"
      aria-label="Select by dbt"
      onSubmit={(event) => {
        event.preventDefault();
        if (!fault) keep(text.trim());
      }}
    >
      <input
        type="text"
        class="mono grow"
        aria-label="dbt selection"
        aria-invalid={Boolean(fault)}
        aria-describedby={fault && id}
        placeholder="dbt selection: fct_orders+ tag:daily"
        value={text}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {kept && (
        <button type="button" class="button quiet icon" aria-label="Take the selection away" onClick={() => keep("")}>
          <X aria-hidden />
        </button>
      )}
      <button type="submit" class="button" aria-disabled={busy}>
        {busy ? "asking dbt" : "Select"}
      </button>
      {fault && (
        <div id={id} class="fault small" role="status">
          {fault.message}
        </div>
      )}
    </form>
  );
}
