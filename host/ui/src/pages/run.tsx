/** One run: first what failed, and then all that is on record of it. Only what the open tab shows is asked for. */
import "../style/runs.css";
import { useMemo } from "preact/hooks";
import { setParams, useParam, usePathPart } from "../parts/address";
import { lazy } from "../parts/lazy";
import { Answer, Empty, Head, ProblemBox, Waiting } from "../parts/page";
import { State } from "../parts/state";
import { type Tab, Tabs } from "../parts/tabs";
import { CriticalPath } from "../runs/critical";
import { useNodes, useRun } from "../runs/data";
import { FailedPanel } from "../runs/failed";
import { Timeline } from "../runs/gantt/timeline";
import { CommandLine, RunHead } from "../runs/head";
import { NodeName, NodeStory } from "../runs/node";
import { isFailure, keyOf } from "../runs/nodes";
import { NodesTable } from "../runs/nodes-table";
import type { NodeRow, RunDetail } from "../runs/shapes";
import { isFinished } from "../runs/words";

const Events = lazy(async () => (await import("../runs/events")).Events);
const Log = lazy(async () => (await import("../runs/log")).Log);
const Attempts = lazy(async () => (await import("../runs/attempts")).Attempts);
const Artifacts = lazy(async () => (await import("../runs/artifacts")).Artifacts);
const Told = lazy(async () => (await import("../runs/told")).Told);
const Used = lazy(async () => (await import("../runs/used")).Used);
const Compare = lazy(async () => (await import("../runs/compare")).Compare);

export default function Run() {
  const part = usePathPart(1);
  if (!/^[1-9]\d{0,15}$/.test(part)) {
    return (
      <>
        <Head title="No such run" />
        <Empty>Runs have numbers.</Empty>
      </>
    );
  }
  return <OneRun key={part} id={Number(part)} />;
}

function OneRun({ id }: { id: number }) {
  const query = useRun(id);
  const [tab] = useParam("tab");
  const showsNodes = tab === "" || tab === "timeline" || tab === "nodes";
  const hasFailed = Object.entries(query.data?.counts ?? {}).some(([state, n]) => n > 0 && isFailure(state));
  const nodes = useNodes(id, showsNodes || hasFailed);
  if (query.data === undefined) {
    return (
      <>
        <Head title={`Run ${id}`} />
        <Answer of={query}>{() => null}</Answer>
      </>
    );
  }
  return <Answer of={query}>{(run) => <Story run={run} nodes={nodes} tab={tab} />}</Answer>;
}

function Story({ run, nodes, tab }: { run: RunDetail; nodes: ReturnType<typeof useNodes>; tab: string }) {
  const ofNodes = (body: (nodes: NodeRow[]) => preact.ComponentChildren) => () =>
    nodes.data ? body(nodes.data.items) : nodes.error ? <ProblemBox error={nodes.error} /> : <Waiting />;
  const tabs: Tab[] = [
    { id: "timeline", title: "Timeline", body: ofNodes((all) => <Time run={run} nodes={all} />) },
    { id: "nodes", title: "Nodes", body: ofNodes((all) => <NodesTable run={run} nodes={all} />) },
    { id: "log", title: "Log", body: () => <Log run={run} /> },
    { id: "events", title: "Events", body: () => <Events run={run} /> },
    { id: "attempts", title: "Attempts", body: () => <Attempts run={run} /> },
    { id: "compare", title: "Compare", body: () => <Compare run={run} /> },
    { id: "artifacts", title: "Artifacts", body: () => <Artifacts run={run} /> },
    { id: "notifications", title: "Notifications", body: () => <Told run={run} /> },
    { id: "configuration", title: "Configuration", body: () => <Used run={run} /> },
  ];
  return (
    <>
      <RunHead run={run} />
      <FailedPanel key={tab} run={run} nodes={nodes.data?.items} isBrief={tab !== "" && tab !== "timeline"} />
      <Tabs tabs={tabs} label="Parts of the run" />
      <CommandLine run={run} />
    </>
  );
}

function Time({ run, nodes }: { run: RunDetail; nodes: NodeRow[] }) {
  const [chosen] = useParam("node");
  const node = useMemo(() => nodes.find((one) => keyOf(one) === chosen), [nodes, chosen]);
  if (!nodes.some((one) => one.started_at)) {
    return (
      <Empty>
        {isFinished(run.state)
          ? "No node of it has begun: there is nothing to draw."
          : run.state === "queued"
            ? "It has not begun."
            : "No node has begun yet: dbt reads the project."}
      </Empty>
    );
  }
  return (
    <div class="stack">
      <Timeline run={run} nodes={nodes} />
      {node && (
        <section class="card stack" aria-label={`All of ${node.name}`}>
          <div class="row spread">
            <h2 class="row">
              <State state={node.state} /> <NodeName node={node} project={run.project} />
            </h2>
            <button type="button" class="button quiet" onClick={() => setParams({ node: "" })}>
              Close
            </button>
          </div>
          <NodeStory node={node} run={run.id} project={run.project} />
        </section>
      )}
      <CriticalPath nodes={nodes} />
    </div>
  );
}
