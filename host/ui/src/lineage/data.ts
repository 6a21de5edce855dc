/** A project's graph and where its nodes stand, asked of the host and kept true. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "preact/hooks";
import { ApiError, ask } from "../api/client";
import { on } from "../api/live";
import { useLiveQuery } from "../parts/live";
import { withMeanwhile } from "../parts/meanwhile";
import type { Address } from "./address";
import { LineageGraph } from "./graph";
import { moved, type NodeRow } from "./standing";
import type { GraphDocument, ProjectRow, Standing, StatesDocument } from "./types";

/** Where nodes stand, and the event up to which that is told. */
type Known = { asOf: number; standings: ReadonlyMap<string, Standing> };
const NONE: ReadonlyMap<string, Standing> = new Map();

/** How long live news are gathered before they are shown, in milliseconds; how long news of checks, before all is asked again. */
const GATHER = 60;
const CHECKS = 1500;

/** Asks for something by its path; several parameters can have one name. */
async function get<T>(path: string, params: [string, string][] = []): Promise<T> {
  const query = new URLSearchParams(params).toString();
  const fetched = async () => {
    const response = await fetch(`/api/v1${path}${query && `?${query}`}`, { credentials: "same-origin" });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok && body === undefined) throw new ApiError(response.status, "The host's answer cannot be read.");
    return response.ok ? { data: body as T, response } : { error: body, response };
  };
  return ask<T>(fetched());
}

const isOf = (project: string) => (message: Record<string, unknown>) => message.project === project;

/** The graph of a project with some of its groups folded. */
export function useGraph(project: string, fold: readonly string[], by: Address["by"] = "group") {
  const query = useLiveQuery<GraphDocument>(
    ["graph", project, by, ...fold],
    () =>
      get(`/projects/${encodeURIComponent(project)}/graph`, [
        ["by", by],
        ...fold.map((name): [string, string] => ["fold", name]),
      ]),
    [["project", isOf(project)], "configuration"],
    project !== "",
  );
  const graph = useMemo(() => query.data && new LineageGraph(query.data), [query.data]);
  return { query, graph };
}

const IS_OVER = /^(succeeded|warned|incomplete|failed|empty|cancelled|interrupted|refused)$/;

/** Where they stand after news, if those are newer than the answer. */
function after(known: Known, { as_of, run, nodes }: { as_of: number; run: number; nodes: NodeRow[] }): Known {
  return as_of > known.asOf ? { ...known, standings: moved(known.standings, run, nodes) } : known;
}

/** Where they stand, with what is told of them until the answer is here. */
export function standingsNow(project: string): Promise<Known> {
  return withMeanwhile({
    kind: "node",
    ask: async () => {
      const { as_of, states } = await get<StatesDocument>(`/projects/${encodeURIComponent(project)}/states`);
      const standings: Known["standings"] = new Map(Object.entries(states));
      return { asOf: as_of, standings };
    },
    merge: (known: Known, news) => (news.project === project ? after(known, news) : known),
  });
}

/** Where the nodes of a project stand: asked once, then moved on by what the host tells. */
export function useStandings(project: string): ReadonlyMap<string, Standing> {
  const client = useQueryClient();
  const query = useLiveQuery<Known>(
    ["standings", project],
    () => standingsNow(project),
    [
      ["asset", isOf(project)],
      ["project", isOf(project)],
      ["run", (message) => message.project === project && IS_OVER.test(String(message.state))],
    ],
    project !== "",
  );
  useEffect(() => {
    const key = ["standings", project];
    let news: { as_of: number; run: number; nodes: NodeRow[] }[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let checks: ReturnType<typeof setTimeout> | undefined;
    const tell = () => {
      timer = undefined;
      const told = news;
      news = [];
      client.setQueryData<Known>(key, (known) => known && told.reduce(after, known));
    };
    const askAgain = () => {
      checks = undefined;
      void client.invalidateQueries({ queryKey: key, exact: true });
    };
    const end = on("node", (message) => {
      if (message.project !== project) return;
      news.push(message);
      // Many nodes change at once; what is drawn anew is drawn once.
      timer ??= setTimeout(tell, GATHER);
      // What a check says of its assets only the host knows.
      const isCheck = ({ unique_id, state }: NodeRow) =>
        /^(unit_)?test\./.test(unique_id) && /^(fail|warn|error)$/.test(state);
      if (message.nodes.some(isCheck)) checks ??= setTimeout(askAgain, CHECKS);
    });
    return () => {
      clearTimeout(timer);
      clearTimeout(checks);
      end();
    };
  }, [client, project]);
  return query.data?.standings ?? NONE;
}

/** The projects of the host. */
export function useProjects() {
  return useLiveQuery<ProjectRow[]>(["projects"], () => get("/projects"), ["project", "configuration"]);
}
