/** The state of a page in its address, so that every state can be linked to. */
import { useCallback } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";

/** Changes parameters of the address where one is; an empty one is taken out. */
export function setParams(change: Record<string, string>, replace = true): void {
  const { pathname, search, hash } = window.location;
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  const query = params.toString();
  const to = `${pathname}${query && `?${query}`}${hash}`;
  if (to === `${pathname}${search}${hash}`) return;
  if (replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
}

/** A parameter of the address, and how to set it; an empty one is taken out. Typing replaces, it leaves no trail of steps. */
export function useParam(name: string): [string, (value: string) => void] {
  // It decodes once too often: it only says here that something changed.
  useSearch();
  const set = useCallback((value: string) => setParams({ [name]: value }), [name]);
  return [new URLSearchParams(window.location.search).get(name) ?? "", set];
}

/** The same of a list, which is written `a,b`. */
export function useListParam(name: string): [string[], (values: string[]) => void] {
  const [text, setText] = useParam(name);
  const set = useCallback((values: string[]) => setText(values.join(",")), [setText]);
  return [text ? text.split(",") : [], set];
}

/** A part of the path as it was meant: of `/assets/shop/model.x`, 0 is `assets` and 2 is `model.x`. Names can hold `%` and `/`. */
export function usePathPart(index: number): string {
  useLocation();
  const part = window.location.pathname.split("/")[index + 1] ?? "";
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of an asset's page. */
export function assetHref(project: string, uniqueId: string): string {
  return `/assets/${encodeURIComponent(project)}/${encodeURIComponent(uniqueId)}`;
}

/** The address of a check among those of its asset. */
export function checkHref(project: string, uniqueId: string, check: string): string {
  return `${assetHref(project, uniqueId)}?${new URLSearchParams({ tab: "checks", check })}`;
}

/** The address of a run's page. */
export function runHref(run: number): string {
  return `/runs/${run}`;
}

/** The address of a job's page. */
export function jobHref(job: string): string {
  return `/schedules/${encodeURIComponent(job)}`;
}

/** The address of a plugin's page. */
export function pluginHref(plugin: string): string {
  return `/plugins/${encodeURIComponent(plugin)}`;
}
