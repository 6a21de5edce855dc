/** Every node of a run in a table: sorted, filtered, and each with all that is on record of it. */
import { ArrowDown, ArrowUp, ChevronDown, ChevronRight } from "lucide-preact";
import { useMemo } from "preact/hooks";
import { setParams } from "../parts/address";
import { Choice, Choices, Filters, Search } from "../parts/filters";
import { Empty } from "../parts/page";
import { State } from "../parts/state";
import { moment, now, span } from "../parts/time";
import { useParams } from "./address";
import { threadName } from "./gantt/pack";
import { NodeName, NodeStory } from "./node";
import { countsOf, fits, isCritical, keyOf, rank, type SortKey, sorted, tookOf } from "./nodes";
import type { NodeRow, RunDetail } from "./shapes";
import { plain } from "./text";
import { Virtual } from "./virtual";
import { firstLine } from "./words";

const columns: [SortKey, string][] = [
  ["state", "State"],
  ["name", "Name"],
  ["type", "Type"],
  ["attempt", "Step"],
  ["thread", "Thread"],
  ["started", "Began"],
  ["took", "Took"],
  ["rows", "Rows"],
  ["failures", "Failures"],
];
const numbers = new Set<SortKey>(["started", "took", "rows", "failures"]);

export function NodesTable({ run, nodes }: { run: RunDetail; nodes: NodeRow[] }) {
  const params = useParams();
  const of = (name: string) => params.get(name) ?? "";
  const [states, type, text, attempt, open] = [of("state"), of("type"), of("q"), of("attempt"), of("node")];
  const [key, down] = sortOf(of("sort"));
  const counts = useMemo(() => countsOf(nodes), [nodes]);
  const types = useMemo(() => [...new Set(nodes.map((node) => node.resource_type))].sort(), [nodes]);
  const attempts = useMemo(() => [...new Set(nodes.map((node) => `${node.step}.${node.attempt}`))], [nodes]);
  const shown = useMemo(() => {
    const wanted = nodes.filter((node) => fits(node, { states: states ? states.split(",") : [], type, text, attempt }));
    return sorted(wanted, key, down);
  }, [nodes, states, type, text, attempt, key, down]);
  if (nodes.length === 0) return <Empty>No node is known yet.</Empty>;
  const at = open ? shown.findIndex((node) => keyOf(node) === open) : -1;
  return (
    <div class="stack">
      <Filters label="Filter the nodes" params={["q", "state", "type", "attempt"]}>
        <Search label="Name, id, message or thread" />
        <Choice param="type" label="Type" options={types.map((value) => ({ value }))} />
        {attempts.length > 1 && (
          <Choice
            param="attempt"
            label="Attempt"
            options={attempts.map((value) => ({ value, text: attemptName(value) }))}
          />
        )}
        <Choices
          param="state"
          label="States"
          options={Object.entries(counts)
            .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
            .map(([value, count]) => ({ value, count }))}
        />
      </Filters>
      <p class="faint small" role="status">
        {shown.length === nodes.length
          ? `${nodes.length.toLocaleString("en")} nodes`
          : `${shown.length.toLocaleString("en")} of ${nodes.length.toLocaleString("en")} nodes`}
      </p>
      {shown.length === 0 ? (
        <Empty>No node fits these filters.</Empty>
      ) : (
        <Virtual
          label="Nodes"
          class="nodes"
          items={shown}
          keyOf={keyOf}
          size={37}
          rowClass={(node) => (keyOf(node) === open ? "open" : "")}
          show={at >= 0 ? { at, align: "center", mark: open } : undefined}
          head={columns.map(([column, title]) => (
            <div
              key={column}
              role="columnheader"
              class={`${column} ${numbers.has(column) ? "num" : ""}`}
              aria-sort={column === key ? (down ? "descending" : "ascending") : "none"}
            >
              <button type="button" class="sort" onClick={() => setParams({ sort: nextSort(column, key, down) })}>
                {title}
                {column === key && (down ? <ArrowDown aria-hidden /> : <ArrowUp aria-hidden />)}
              </button>
            </div>
          ))}
          row={(node) => <Cells node={node} run={run} isOpen={keyOf(node) === open} />}
        />
      )}
    </div>
  );
}

function Cells({ node, run, isOpen }: { node: NodeRow; run: RunDetail; isOpen: boolean }) {
  const took = tookOf(node, node.state === "running" ? now.value : 0);
  // What went well says how many rows it wrote, which has its own column.
  const isQuiet = ["success", "pass", "no-op", "reused"].includes(node.state);
  const said = node.message && !isQuiet ? firstLine(plain(node.message), 200) : "";
  return (
    <>
      <div role="cell" class="state">
        <button
          type="button"
          class="expand"
          aria-expanded={isOpen}
          aria-label={`${isOpen ? "Hide" : "Show"} all of ${node.name}`}
          onClick={() => setParams({ node: isOpen ? "" : keyOf(node) })}
        >
          {isOpen ? <ChevronDown aria-hidden /> : <ChevronRight aria-hidden />}
        </button>
        <State state={node.state} />
      </div>
      <div role="cell" class="name-cell">
        <NodeName node={node} project={run.project} />
        {isCritical(node) && (
          <span class="tag" title="on the critical path">
            ◆ critical
          </span>
        )}
        {said && !isOpen && <div class="faint small clip-1">{said}</div>}
      </div>
      <div role="cell" class="type">
        {node.resource_type}
      </div>
      <div role="cell" class="attempt">
        {attemptName(`${node.step}.${node.attempt}`)}
      </div>
      <div role="cell" class="thread clip-1">
        {node.thread ? threadName(node.thread) : "–"}
      </div>
      <div role="cell" class="started num" title={node.started_at ? moment(node.started_at) : undefined}>
        {node.started_at ? sinceStart(run, node.started_at) : "–"}
      </div>
      <div role="cell" class="took num">
        {took === null ? "–" : span(took)}
      </div>
      <div role="cell" class="rows num">
        {node.rows_affected?.toLocaleString("en") ?? "–"}
      </div>
      <div role="cell" class="failures num">
        {node.failures || /test$/.test(node.resource_type) ? (node.failures?.toLocaleString("en") ?? "–") : "–"}
      </div>
      {isOpen && (
        <div role="cell" class="story">
          <NodeStory node={node} run={run.id} project={run.project} />
        </div>
      )}
    </>
  );
}

/** When something happened, counted from the run's beginning. */
function sinceStart(run: RunDetail, at: string): string {
  const from = Date.parse(run.started_at ?? run.requested_at);
  return `+${span(Math.max(0, (Date.parse(at) - from) / 1000))}`;
}

/** `1.1` is `1`, `2.3` is `2, attempt 3`. */
export function attemptName(attempt: string): string {
  const [step, number] = attempt.split(".");
  return number === "1" ? `${step}` : `${step}, attempt ${number}`;
}

/** What the address says about the order: a column, with a `-` before it where the largest comes first. */
function sortOf(text: string): [SortKey, boolean] {
  const name = text.replace(/^-/, "");
  const found = columns.find(([column]) => column === name);
  return found ? [found[0], text.startsWith("-")] : ["state", false];
}

function nextSort(column: SortKey, key: SortKey, down: boolean): string {
  // Of times and counts the largest are looked for first.
  const first = column === "took" || column === "rows" || column === "failures";
  const next = column === key ? !down : first;
  const text = `${next ? "-" : ""}${column}`;
  return text === "state" ? "" : text;
}
