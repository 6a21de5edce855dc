/** The state of the lineage in the page's address. */
import { readIds, writeIds } from "../launch/ids";

/** What the address says: which project, what is folded, what is selected, and what of it comes along. */
export type Address = {
  project: string;
  fold: string[];
  /** Unique ids, or `group:` and the name of a folded group. */
  selected: string[];
  /** Whether everything upstream of what is selected is selected too, and downstream. */
  up: boolean;
  down: boolean;
  focus: string;
  view: "map" | "list";
};

export function readAddress(search: string): Address {
  const params = new URLSearchParams(search);
  const list = (name: string) => readIds(params.get(name) ?? "") ?? [];
  return {
    project: params.get("project") ?? "",
    fold: list("fold"),
    selected: list("selected"),
    up: params.get("up") === "1",
    down: params.get("down") === "1",
    focus: params.get("focus") ?? "",
    view: params.get("view") === "list" ? "list" : "map",
  };
}

/** Parts of the address as parameters; an empty one is taken out. */
export function writeAddress(address: Partial<Address>): Record<string, string> {
  const { project, fold, selected, up, down, focus, view } = address;
  const params: Record<string, string> = {};
  if (project !== undefined) params.project = project;
  if (fold) params.fold = writeIds(fold);
  if (selected) params.selected = writeIds(selected);
  if (up !== undefined) params.up = up ? "1" : "";
  if (down !== undefined) params.down = down ? "1" : "";
  if (focus !== undefined) params.focus = focus;
  if (view) params.view = view === "list" ? "list" : "";
  return params;
}

/** The address of a project's lineage. */
export function lineageHref(project: string, address: Partial<Address> = {}): string {
  const params = Object.entries(writeAddress({ ...address, project })).filter(([, value]) => value);
  return `/lineage?${new URLSearchParams(params)}`;
}
