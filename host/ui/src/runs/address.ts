/** What the addresses of these pages say. */
import { useSearch } from "wouter-preact";
import { runHref } from "../parts/address";

/** All parameters of the address; whoever asks follows its changes. */
export function useParams(): URLSearchParams {
  useSearch();
  return new URLSearchParams(window.location.search);
}

/** The address of a run's page, on a tab of it. */
export function tabHref(run: number, params: Record<string, string>): string {
  return `${runHref(run)}?${new URLSearchParams(params)}`;
}

/** The log of a run, narrowed to what is about a node; its debug lines, such as its SQL, too. */
export function logHref(run: number, node: { step: number; attempt: number; unique_id: string }): string {
  return tabHref(run, {
    tab: "log",
    log_node: node.unique_id,
    log_attempt: `${node.step}.${node.attempt}`,
    log_level: "debug",
  });
}

/** What a dbt command selects. */
export function selectionOf(args: string[]): { select: string[]; exclude: string[]; full: boolean } {
  const found = { select: [] as string[], exclude: [] as string[], full: false };
  let into: string[] | undefined;
  for (const arg of args) {
    if (arg === "--select" || arg === "-s") into = found.select;
    else if (arg === "--exclude") into = found.exclude;
    else if (arg.startsWith("-")) {
      into = undefined;
      if (arg === "--full-refresh" || arg === "-f") found.full = true;
    } else into?.push(arg);
  }
  return found;
}
