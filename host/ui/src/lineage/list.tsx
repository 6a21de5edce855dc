/** The same graph as a table: for screen readers, for phones, and for whoever likes lists. */
import { useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import { assetHref } from "../parts/address";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import type { LineageGraph } from "./graph";
import { typeWord } from "./marks";
import type { Shown } from "./standing";

type Props = {
  project: string;
  graph: LineageGraph;
  shown: Shown[];
  /** Only these, where there are some. */
  only: ReadonlySet<number> | undefined;
  selected: ReadonlySet<number>;
  onSelect: (node: number, add: boolean) => void;
  onUnfold: (node: number) => void;
};

export function LineageList({ project, graph, shown, only, selected, onSelect, onUnfold }: Props) {
  const rows = useMemo(() => {
    const all = Array.from({ length: graph.count }, (_, node) => node).filter((node) => !only || only.has(node));
    return all.sort((a, b) => graph.layer(a) - graph.layer(b) || graph.key(a).localeCompare(graph.key(b)));
  }, [graph, only]);
  const columns: Column<number>[] = [
    {
      id: "selected",
      head: "Select",
      width: "76px",
      cell: (node) => (
        <input
          type="checkbox"
          aria-label={`Select ${graph.name(node).slice(0, 200)}`}
          checked={selected.has(node)}
          onChange={() => onSelect(node, true)}
        />
      ),
    },
    {
      id: "name",
      head: "Node",
      width: "minmax(0, 2.5fr)",
      cell: (node) =>
        graph.isFolded(node) ? (
          <button type="button" class="button quiet" onClick={() => onUnfold(node)} title="Unfold the group">
            <span class="clip">{graph.name(node)}</span> ({graph.members(node).length})
          </button>
        ) : graph.type(node) === "exposure" ? (
          <span class="clip">{graph.name(node)}</span>
        ) : (
          <Link href={assetHref(project, graph.id(node))} class="clip">
            {graph.key(node)}
          </Link>
        ),
    },
    { id: "layer", head: "Layer", width: "70px", num: true, narrow: "hide", cell: (node) => graph.layer(node) + 1 },
    { id: "type", head: "Type", width: "100px", cell: (node) => typeWord(graph.type(node)) },
    {
      id: "state",
      head: "State",
      width: "minmax(120px, 1fr)",
      cell: (node) => {
        const state = shown[node];
        return state?.word ? (
          <span class="row">
            {graph.isFolded(node) ? (
              <span class={`badge ${state.tone}`}>{state.word}</span>
            ) : (
              <State state={state.word} />
            )}
            {state.late && <span class="badge warn">late</span>}
            {state.failedChecks > 0 && <span class="badge bad">{state.failedChecks} failed checks</span>}
          </span>
        ) : (
          <span class="faint">–</span>
        );
      },
    },
    { id: "at", head: "Last run", width: "130px", narrow: "hide", cell: (node) => <Time at={shown[node]?.at} /> },
    { id: "up", head: "Reads", width: "70px", num: true, narrow: "hide", cell: (node) => graph.up[node]?.length ?? 0 },
    {
      id: "down",
      head: "Read by",
      width: "80px",
      num: true,
      narrow: "hide",
      cell: (node) => graph.down[node]?.length ?? 0,
    },
  ];
  return (
    <Table label={`Nodes of ${project} by layer`} rows={rows} columns={columns} rowKey={(node) => graph.id(node)} />
  );
}
