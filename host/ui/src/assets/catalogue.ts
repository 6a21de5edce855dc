/** The catalogue of assets: search, facets, order and groups over what is loaded. Pure; 5,000 rows take a few milliseconds. */
import * as fuzzysort from "fuzzysort";
import type { Schemas } from "../api/client";
import { limitWords, thresholdWords } from "./words";

type Health = Schemas["Health"];

/** An asset in the catalogue. */
export type Row = {
  /** Project and unique id: unique over all projects. */
  id: string;
  project: string;
  uniqueId: string;
  key: string;
  name: string;
  type: string;
  /** How dbt builds it; empty for a source. */
  materialized: string;
  group: string;
  /** The folder of its file below the project's; empty where it is in none. */
  folder: string;
  owners: string[];
  /** `NAME` or `NAME=VALUE`. */
  tags: string[];
  description: string;
  health: Health;
  /** dbt's word for how the last run left it; empty where none had to do with it. */
  state: string;
  run: number | undefined;
  /** When it was built last. */
  builtAt: string | undefined;
  /** How many checks it has, and how many of them failed and warned when they were made last. */
  checks: { total: number; failed: number; warned: number };
  freshness: Freshness | undefined;
};

/** How fresh a source or an asset is: `pass`, `warn`, `error` or `runtime error`, or `on time` or `late`. */
export type Freshness = { state: string; newest: string | undefined; limit: string };

/** The id of a row. */
export function rowId(project: string, uniqueId: string): string {
  return `${project}\n${uniqueId}`;
}

/** How freshness is known of a project's assets, by the ids of their rows. */
export function freshnessOf(rows: readonly Schemas["FreshnessRow"][]): Map<string, Freshness> {
  return new Map(
    rows
      .filter((row) => row.state)
      .map((row) => {
        const limit = row.look ? thresholdWords(row.look.found) : row.fresh_within ? limitWords(row.fresh_within) : "";
        return [rowId(row.project, row.unique_id), { state: row.state ?? "", newest: row.newest ?? undefined, limit }];
      }),
  );
}

/** An asset of the API as a row. */
export function rowOf(asset: Schemas["AssetRow"], freshness?: Freshness): Row {
  return {
    id: rowId(asset.project, asset.unique_id),
    project: asset.project,
    uniqueId: asset.unique_id,
    key: asset.key.join("/"),
    name: asset.name,
    type: asset.resource_type,
    materialized: asset.materialized ?? "",
    group: asset.group ?? "",
    folder: asset.folder,
    owners: [...new Set(asset.owners)],
    tags: Object.entries(asset.tags).map(([name, value]) => (value ? `${name}=${value}` : name)),
    description: asset.description ?? "",
    health: asset.health,
    state: asset.state ?? "",
    run: asset.run ?? undefined,
    builtAt: asset.last_materialization?.at,
    checks: { total: asset.checks, failed: asset.failed_checks, warned: asset.warned_checks },
    freshness,
  };
}

/** What a run has just said of a node. */
export type Seen = { state: string; run: number; at: string | undefined };

const built = new Set(["success", "warn", "partial success"]);

const isOpen = (state: string) => state === "queued" || state === "running";

/** The health of a node that a run has just left in a state, as far as that alone tells it. */
export function healthAfter(state: string): Health {
  if (isOpen(state)) return "running";
  if (["success", "pass", "reused", "no-op"].includes(state)) return "ok";
  if (["warn", "skipped", "cancelled"].includes(state)) return "warn";
  return "failed";
}

/** A row with what a run has said of it, if that is news: the list may have been loaded since. */
export function seen(row: Row, now: Seen): Row {
  if (
    row.run !== undefined &&
    (now.run < row.run || (now.run === row.run && isOpen(now.state) && !isOpen(row.state)))
  ) {
    return row;
  }
  // Of a source, dbt's words are those of its freshness: the host knows what they mean.
  const health = row.type === "source" && healthAfter(now.state) !== "running" ? row.health : healthAfter(now.state);
  const isBuilt = row.type !== "source" && built.has(now.state);
  return { ...row, health, state: now.state, run: now.run, builtAt: isBuilt ? (now.at ?? row.builtAt) : row.builtAt };
}

/** Health, what wants a look first. */
export const HEALTHS: readonly Health[] = ["failed", "late", "warn", "running", "never", "ok"];

/** What the catalogue can be narrowed by. */
export const FACETS = ["project", "type", "folder", "group", "tag", "owner", "health"] as const;
export type Facet = (typeof FACETS)[number];
export type Chosen = Record<Facet, string[]>;

/** The address of the catalogue with one value chosen of each of these. */
export function filterHref(filter: Partial<Record<Facet, string>>): string {
  return `/assets?${new URLSearchParams(Object.entries(filter).map(([name, value]) => [name, encodeURIComponent(value)]))}`;
}

/** What stands for a group, folder, tag or owner that is none. */
export const NONE = "(none)";

/** A folder and those that it is in, the innermost first. */
function folders(folder: string): string[] {
  const parts = folder.split("/");
  return parts.map((_, out) => parts.slice(0, parts.length - out).join("/"));
}

/** The values that a row has of a facet; each has at least one. */
export function valuesOf(row: Row, facet: Facet): string[] {
  switch (facet) {
    case "project":
      return [row.project];
    case "type":
      return [row.type];
    case "group":
      return [row.group || NONE];
    case "folder":
      return row.folder ? folders(row.folder) : [NONE];
    case "tag":
      return row.tags.length ? row.tags : [NONE];
    case "owner":
      return row.owners.length ? row.owners : [NONE];
    case "health":
      return [row.health];
  }
}

function fits(row: Row, chosen: Chosen, but?: Facet): boolean {
  return FACETS.every((facet) => {
    const wanted = chosen[facet];
    return facet === but || !wanted.length || valuesOf(row, facet).some((value) => wanted.includes(value));
  });
}

/** The rows that fit what was chosen: one of the values of each facet. */
export function narrow(rows: readonly Row[], chosen: Chosen): Row[] {
  return rows.filter((row) => fits(row, chosen));
}

/** How many rows each value of a facet would give beside what is chosen of the others; the most first, folders by name. */
export function countsOf(rows: readonly Row[], chosen: Chosen, facet: Facet): { value: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const value of chosen[facet]) counts.set(value, 0);
  for (const row of rows) {
    if (!fits(row, chosen, facet)) continue;
    for (const value of valuesOf(row, facet)) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const order = (value: string) => (facet === "health" ? HEALTHS.indexOf(value as Health) : value === NONE ? 1 : 0);
  return [...counts]
    .map(([value, count]) => ({ value, count }))
    .sort(
      (a, b) =>
        order(a.value) - order(b.value) ||
        // Folders stand below those that they are in.
        (facet === "folder" ? 0 : b.count - a.count) ||
        a.value.localeCompare(b.value),
    );
}

/** The rows that a text finds: those whose key is like it first, then those that have it anywhere. */
export function search(rows: readonly Row[], text: string): Row[] {
  const query = text.trim().slice(0, 200);
  if (!query) return [...rows];
  const found = fuzzysort
    .go(query, rows, {
      keys: [(row) => row.key.slice(0, 300), (row) => row.name.slice(0, 300)],
      limit: 0,
      threshold: 0.35,
    })
    .map((result) => result.obj);
  const seen = new Set(found);
  const lower = query.toLowerCase();
  const has = (part: string) => part.toLowerCase().includes(lower);
  const others = rows.filter(
    (row) =>
      !seen.has(row) &&
      (has(row.uniqueId) ||
        has(row.description) ||
        has(row.group) ||
        has(row.folder) ||
        row.tags.some(has) ||
        row.owners.some(has)),
  );
  return [...found, ...others];
}

/** What a list can be ordered by. */
export const ORDERS = ["key", "type", "group", "health", "built", "checks"] as const;
export type Order = (typeof ORDERS)[number];

const by: Record<Order, (a: Row, b: Row) => number> = {
  key: (a, b) => a.key.localeCompare(b.key),
  type: (a, b) => a.type.localeCompare(b.type),
  group: (a, b) => a.group.localeCompare(b.group),
  health: (a, b) => HEALTHS.indexOf(a.health) - HEALTHS.indexOf(b.health),
  // What was built last comes first, what never was comes last.
  built: (a, b) => (b.builtAt ?? "").localeCompare(a.builtAt ?? ""),
  checks: (a, b) => b.checks.failed - a.checks.failed || b.checks.warned - a.checks.warned,
};

/** The order that an address says: `health`, or `-health` the other way round. */
export function readOrder(text: string): { order: Order; down: boolean } | undefined {
  const down = text.startsWith("-");
  const order = ORDERS.find((word) => word === (down ? text.slice(1) : text));
  return order && { order, down };
}

/** Rows in an order; among equals by key. */
export function sorted(rows: readonly Row[], order: Order, down = false): Row[] {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => sign * by[order](a, b) || by.key(a, b) || a.id.localeCompare(b.id));
}

/** What a list can be parted by. */
export const GROUPINGS = ["", "folder", "group", "type", "project"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** A line of the list: the head of a group, or an asset. */
export type Line = { head: string; count: number } | { row: Row };

/** The rows as lines, parted by something. */
export function lines(rows: readonly Row[], grouping: Grouping): Line[] {
  if (!grouping) return rows.map((row) => ({ row }));
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = row[grouping] || NONE;
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  const order = (name: string) => (name === NONE ? 1 : 0);
  return [...groups]
    .sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b))
    .flatMap(([head, rows]) => [{ head, count: rows.length }, ...rows.map((row) => ({ row }))]);
}

/** What is picked after a click on a row: that row, or with shift all from the last one that was clicked. */
export function pick(
  picked: ReadonlySet<string>,
  order: readonly string[],
  id: string,
  on: boolean,
  from?: string | undefined,
): Set<string> {
  const next = new Set(picked);
  const [a, b] = [from === undefined ? -1 : order.indexOf(from), order.indexOf(id)];
  const range = a < 0 || b < 0 ? [id] : order.slice(Math.min(a, b), Math.max(a, b) + 1);
  for (const one of range) {
    if (on) next.add(one);
    else next.delete(one);
  }
  return next;
}

/** What is picked after all that is shown was picked, or unpicked: what a filter hides stays as it is. */
export function pickAll(picked: ReadonlySet<string>, shown: readonly string[], on: boolean): Set<string> {
  const next = new Set(picked);
  for (const id of shown) {
    if (on) next.add(id);
    else next.delete(id);
  }
  return next;
}

/** What is picked, by project: what dbt builds, and how many sources it does not. */
export function pickedByProject(rows: readonly Row[], picked: ReadonlySet<string>) {
  const projects = new Map<string, { ids: string[]; sources: number; all: string[] }>();
  for (const row of rows) {
    if (!picked.has(row.id)) continue;
    const of = projects.get(row.project) ?? { ids: [], sources: 0, all: [] };
    projects.set(row.project, of);
    of.all.push(row.uniqueId);
    if (row.type === "source") of.sources += 1;
    else of.ids.push(row.uniqueId);
  }
  return projects;
}
