/** The state of the lineage in the page's address. */
import { isLostHere, readIds, writeIds } from "../launch/ids";

/** What the address says: which project, what is folded, what is selected, and what of it comes along. */
export type Address = {
  project: string;
  fold: string[];
  /** What the groups are: those of dbt and translators, or folders. */
  by: "group" | "folder";
  /** Unique ids, or `group:` and the name of a folded group. */
  selected: string[];
  /** Whether everything upstream of what is selected is selected too, and downstream. */
  up: boolean;
  down: boolean;
  focus: string;
  view: "map" | "list";
  /** Whether it names a list that another tab keeps. */
  lost: boolean;
};

export function readAddress(search: string): Address {
  const params = new URLSearchParams(search);
  const text = (name: string) => params.get(name) ?? "";
  const list = (name: string) => readIds(text(name)) ?? [];
  return {
    project: params.get("project") ?? "",
    fold: list("fold"),
    by: params.get("by") === "folder" ? "folder" : "group",
    selected: list("selected"),
    up: params.get("up") === "1",
    down: params.get("down") === "1",
    focus: params.get("focus") ?? "",
    view: params.get("view") === "list" ? "list" : "map",
    lost: isLostHere(text("fold")) || isLostHere(text("selected")),
  };
}

/** Parts of the address as parameters; an empty one is taken out. */
export function writeAddress(address: Partial<Omit<Address, "lost">>): Record<string, string> {
  const { project, fold, by, selected, up, down, focus, view } = address;
  const params: Record<string, string> = {};
  if (project !== undefined) params.project = project;
  if (fold) params.fold = writeIds(fold);
  if (by) params.by = by === "folder" ? by : "";
  if (selected) params.selected = writeIds(selected);
  if (up !== undefined) params.up = up ? "1" : "";
  if (down !== undefined) params.down = down ? "1" : "";
  if (focus !== undefined) params.focus = focus;
  if (view) params.view = view === "list" ? "list" : "";
  return params;
}

/** What changes when the groups are others: their names mean nothing any more. */
export function regrouped(address: Address, by: Address["by"]): Partial<Address> {
  return {
    by,
    fold: address.fold.includes("*") ? ["*"] : [],
    selected: address.selected.filter((id) => !id.startsWith("group:")),
    focus: address.focus.startsWith("group:") ? "" : address.focus,
  };
}

/** The address of a project's lineage. */
export function lineageHref(project: string, address: Partial<Address> = {}): string {
  const params = Object.entries(writeAddress({ ...address, project })).filter(([, value]) => value);
  return `/lineage?${new URLSearchParams(params)}`;
}
