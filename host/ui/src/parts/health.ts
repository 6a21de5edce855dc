/** How the host and everything on it is, in few numbers: for the sidebar and for whoever asks what is wrong. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "preact/hooks";
import { api, ask, type Schemas } from "../api/client";
import { on } from "../api/live";
import { failedRun, useJobs } from "./jobs";
import { useLiveQuery, useRunTurns } from "./live";

type RunSummary = Schemas["RunSummary"];

/** How the host is. */
export function useStatus() {
  return useLiveQuery(["status"], () => ask(api.GET("/api/v1/status")), [
    "status",
    "configuration",
    "project",
    "job",
    useRunTurns(),
  ]);
}

/** How many assets are of which health. */
export function useHealth() {
  return useLiveQuery(["facets"], () => ask(api.GET("/api/v1/assets/facets")), ["asset", "project", useRunTurns()]);
}

/** How many jobs and assets are failing. */
export function useFailing(): { jobs: number; assets: number } {
  const jobs = useJobs().data ?? [];
  const health = useHealth().data?.health ?? [];
  return {
    jobs: jobs.filter((job) => failedRun(job)).length,
    assets: health.find((facet) => facet.value === "failed")?.count ?? 0,
  };
}

const isOpen = (run: RunSummary) => run.state === "running" || run.state === "queued";

/** The runs that are under way or wait, the newest first. What the host says of each is taken over as it says it. */
export function useOpenRuns() {
  const client = useQueryClient();
  const key = ["runs", "open"];
  const query = useLiveQuery(key, async () => {
    const { items } = await ask(
      api.GET("/api/v1/runs", { params: { query: { state: "running,queued", limit: 100 } } }),
    );
    return items.filter(isOpen);
  }, ["status"]);
  useEffect(
    () =>
      on("run", (run) => {
        client.setQueryData<RunSummary[]>(["runs", "open"], (before) => {
          if (!before) return before;
          const others = before.filter((other) => other.id !== run.id);
          return isOpen(run) ? [run, ...others].sort((a, b) => b.id - a.id) : others;
        });
      }),
    [client],
  );
  return query;
}
