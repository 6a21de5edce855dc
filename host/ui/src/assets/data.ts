/** What the pages for assets and for launching ask the host for. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { api, ask, type Schemas } from "../api/client";
import { on } from "../api/live";
import { type Message, useLivePages, useLiveQuery } from "../parts/live";
import { freshnessOf, type Row, rowId, rowOf, type Seen, seen } from "./catalogue";

/** The projects. */
export function useProjects() {
  return useLiveQuery(["projects"], () => ask(api.GET("/api/v1/projects")), ["project", "configuration"]);
}

/** What a message about nodes carries. */
export type NodesMessage = Schemas["NodesChanged"];

const hasEnded = (message: Message) => message.state !== "queued" && message.state !== "running";

/** How many assets are asked for at a time. */
const PAGE = 1000;

/** How long what runs say is gathered before the list is drawn anew, in milliseconds. */
const GATHER = 150;

/** What runs have said of nodes while someone looks, by the ids of rows. */
function useSeen(): ReadonlyMap<string, Seen> {
  const [said, setSaid] = useState<ReadonlyMap<string, Seen>>(new Map());
  useEffect(() => {
    const waiting = new Map<string, Seen>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = on("node", (data) => {
      const { run, project, nodes } = data;
      for (const node of nodes) {
        const at = node.finished_at ?? node.started_at ?? undefined;
        waiting.set(rowId(project, node.unique_id), { state: node.state, run, at });
      }
      timer ??= setTimeout(() => {
        timer = undefined;
        setSaid(new Map(waiting));
      }, GATHER);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, []);
  return said;
}

/** The assets of all projects, or those that dbt selects; they come in parts. */
export function useCatalogue(select: string, projects: string[]) {
  const query = { ...(select && { select }), ...(select && projects.length && { project: projects }) };
  const pages = useLivePages(
    ["assets", query],
    (cursor) =>
      ask(api.GET("/api/v1/assets", { params: { query: { ...query, limit: PAGE, ...(cursor && { cursor }) } } })),
    ["asset", "project", "configuration", ["run", hasEnded]],
  );
  const fresh = useLiveQuery(["freshness"], () => ask(api.GET("/api/v1/freshness")), [
    "asset",
    "project",
    ["run", hasEnded],
  ]);
  useEffect(() => {
    if (pages.hasMore && !pages.isLoadingMore && !pages.error) pages.more();
  });
  const said = useSeen();
  const rows = useMemo<Row[] | undefined>(() => {
    const freshness = freshnessOf(fresh.data ?? []);
    return pages.data?.map((asset) => {
      const id = rowId(asset.project, asset.unique_id);
      const row = rowOf(asset, freshness.get(id));
      const now = said.get(id);
      return now ? seen(row, now) : row;
    });
  }, [pages.data, fresh.data, said]);
  return { ...pages, rows };
}
