/** One asset as the host tells of it, and its histories. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "preact/hooks";
import { api, ask, type Schemas } from "../api/client";
import { on } from "../api/live";
import { type Kinds, type Message, useLivePages, useLiveQuery } from "../parts/live";
import { healthAfter } from "./catalogue";
import type { NodesMessage } from "./data";

export type Detail = Schemas["AssetDetail"];

/** After which messages something about an asset or one of these checks is asked for again. */
function kindsOf(project: string, ids: readonly string[]): Kinds {
  const isOf = (message: Message) => message.project === project;
  return [
    [
      "node",
      (message) =>
        isOf(message) && (message as unknown as NodesMessage).nodes.some(({ unique_id }) => ids.includes(unique_id)),
    ],
    ["asset", (message) => isOf(message) && ids.includes(String(message.unique_id))],
    ["project", isOf],
  ];
}

/** An asset. What a run says of it is shown at once, and asked for a moment later. */
export function useDetail(project: string, id: string) {
  const client = useQueryClient();
  const key = ["asset", project, id];
  const known = client.getQueryData<Detail>(key);
  const query = useLiveQuery<Detail>(
    key,
    () =>
      ask(api.GET("/api/v1/projects/{project}/assets/{unique_id}", { params: { path: { project, unique_id: id } } })),
    kindsOf(project, [id, known?.unique_id ?? id, ...(known?.checks ?? [])]),
  );
  useEffect(
    () =>
      on("node", (message) => {
        const node = message.project === project && message.nodes.find(({ unique_id }) => unique_id === id);
        if (!node || node.resource_type === "source") return;
        client.setQueryData<Detail>(
          ["asset", project, id],
          (before) => before && { ...before, state: node.state, run: message.run, health: healthAfter(node.state) },
        );
      }),
    [client, project, id],
  );
  return query;
}

/** How many lines of a history are asked for at a time: enough for a chart. */
const PAGE = 200;

type Histories = {
  materializations: Schemas["Materialization"];
  runs: Schemas["NodeStatus"];
  source_freshness: Schemas["SourceLook"];
};

/** A history of an asset, newest first. */
export function useHistory<K extends keyof Histories>(kind: K, project: string, id: string) {
  return useLivePages<Histories[K]>(
    ["history", kind, project, id],
    async (cursor) => {
      const params = {
        path: { project, unique_id: id },
        query: { limit: PAGE, ...(cursor && { cursor }) },
      };
      const page = await ask<{ items: unknown[]; next?: string | null }>(
        kind === "materializations"
          ? api.GET("/api/v1/projects/{project}/assets/{unique_id}/materializations", { params })
          : kind === "runs"
            ? api.GET("/api/v1/projects/{project}/assets/{unique_id}/runs", { params })
            : api.GET("/api/v1/projects/{project}/assets/{unique_id}/source_freshness", { params }),
      );
      return page as { items: Histories[K][]; next?: string | null };
    },
    kindsOf(project, [id]),
  );
}

/** What came of a check, newest first. */
export function useResults(project: string, check: string) {
  return useLivePages<Schemas["CheckResult"]>(
    ["results", project, check],
    (cursor) =>
      ask(
        api.GET("/api/v1/projects/{project}/checks/{unique_id}/results", {
          params: { path: { project, unique_id: check }, query: { limit: 50, ...(cursor && { cursor }) } },
        }),
      ),
    kindsOf(project, [check]),
  );
}
