/** A run beside another one: what differs in how they were made, and in what became of their nodes. */
import { useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import { assetHref, runHref, setParams, useParam } from "../parts/address";
import { Answer, Empty, ProblemBox, Waiting } from "../parts/page";
import { State } from "../parts/state";
import { moment, span } from "../parts/time";
import { useComparison, useOthers } from "./data";
import { hasRun } from "./nodes";
import type { Comparison, NodeComparison, NodeOutcome, RunDetail, RunSummary } from "./shapes";
import { plain } from "./text";
import { Virtual } from "./virtual";
import { count, isFinished } from "./words";

export function Compare({ run }: { run: RunDetail }) {
  const [chosen] = useParam("with");
  const others = useOthers(run);
  const known = others.data ?? [];
  const before =
    known.find((other) => other.id < run.id && isFinished(other.state)) ?? known.find((other) => other.id < run.id);
  const other = /^\d+$/.test(chosen) ? Number(chosen) : before?.id;
  return (
    <div class="stack">
      <div class="choice wide">
        <label for="compare-with">Compare with</label>
        <select
          id="compare-with"
          value={String(other ?? "")}
          onChange={(event) => setParams({ with: event.currentTarget.value })}
        >
          {other === undefined && <option value="">no other run</option>}
          {other !== undefined && !known.some(({ id }) => id === other) && <option value={other}>run {other}</option>}
          {known.map((one) => (
            <option key={one.id} value={one.id}>
              {optionOf(one)}
            </option>
          ))}
        </select>
      </div>
      {other === undefined ? (
        others.isLoading ? (
          <Waiting />
        ) : others.error ? (
          <ProblemBox error={others.error} />
        ) : (
          <Empty>There is no earlier run of it to compare with.</Empty>
        )
      ) : (
        <Beside run={run} other={other} />
      )}
    </div>
  );
}

function optionOf(run: RunSummary): string {
  return `run ${run.id}, ${run.state}, ${moment(run.requested_at)}`;
}

function Beside({ run, other }: { run: RunDetail; other: number }) {
  const query = useComparison(run.id, other);
  return <Answer of={query}>{(comparison) => <Differences comparison={comparison} />}</Answer>;
}

const secondsOf = (run: RunSummary) =>
  run.started_at && run.finished_at ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null;

function Differences({ comparison }: { comparison: Comparison }) {
  const { run, other, differences } = comparison;
  const nodes = useMemo(() => ranked(comparison.nodes), [comparison.nodes]);
  const [all, setAll] = useParam("same");
  const changed = useMemo(() => nodes.filter(hasChanged), [nodes]);
  const shown = all ? nodes : changed;
  const [took, before] = [secondsOf(run), secondsOf(other)];
  return (
    <>
      <p>
        <Link href={runHref(run.id)}>Run {run.id}</Link> <State state={run.state} />{" "}
        {took !== null && `in ${span(took)}`}, beside <Link href={runHref(other.id)}>run {other.id}</Link>{" "}
        <State state={other.state} /> {before !== null && `in ${span(before)}`}
        {took !== null && before !== null && `: ${by(took - before)}`}
      </p>
      <section aria-labelledby="differences">
        <h2 id="differences">How they were made</h2>
        {differences.length === 0 ? (
          <p class="faint">In the same way: configuration, manifest, plugins and versions are the same.</p>
        ) : (
          <div class="scroll-x">
            <table>
              <thead>
                <tr>
                  <th scope="col">What</th>
                  <th scope="col">Run {run.id}</th>
                  <th scope="col">Run {other.id}</th>
                </tr>
              </thead>
              <tbody>
                {differences.map((difference) => (
                  <tr key={difference.what.join("\n")}>
                    <th scope="row" class="name wrap">
                      {difference.what.join(" › ")}
                    </th>
                    <td>
                      <Value of={difference.run} />
                    </td>
                    <td>
                      <Value of={difference.other} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <section aria-labelledby="node-differences" class="stack">
        <div class="row spread">
          <h2 id="node-differences">What became of their nodes</h2>
          <label class="row">
            <input
              type="checkbox"
              checked={Boolean(all)}
              onChange={(event) => setAll(event.currentTarget.checked ? "yes" : "")}
            />
            Those that did not change, too
          </label>
        </div>
        <p class="faint small" role="status">
          {count(changed.length, "node")} of {nodes.length.toLocaleString("en")} changed; what changed most comes first.
        </p>
        {shown.length > 0 && (
          <Virtual
            label="Nodes of both runs"
            class="compared"
            items={shown}
            keyOf={(node) => node.unique_id}
            size={37}
            head={["Node", `Run ${run.id}`, `Run ${other.id}`, "Slower by", "Rows"].map((head) => (
              <div key={head} role="columnheader" class={head === "Slower by" || head === "Rows" ? "num" : ""}>
                {head}
              </div>
            ))}
            row={(node) => <Cells node={node} project={run.project} />}
          />
        )}
      </section>
    </>
  );
}

/** What did not run in one of the runs is neither slower nor faster: it comes behind what is. */
export function ranked(nodes: NodeComparison[]): NodeComparison[] {
  const ran = (one: NodeOutcome | null | undefined) => one != null && hasRun(one.state);
  const isOther = ({ run, other }: NodeComparison) => Number(run?.state !== other?.state);
  const by = (node: NodeComparison) => (node.slower_by == null ? -1 : Math.abs(node.slower_by));
  return nodes
    .map((node) => (ran(node.run) && ran(node.other) ? node : { ...node, slower_by: null }))
    .sort((a, b) => isOther(b) - isOther(a) || by(b) - by(a));
}

/** Whether a node ended otherwise, with other rows, or in another time that is more than chance. */
function hasChanged({ run, other, slower_by }: NodeComparison): boolean {
  if (!run || !other || run.state !== other.state) return true;
  if (run.rows_affected !== other.rows_affected || run.failures !== other.failures) return true;
  const before = other.execution_time ?? 0;
  return slower_by != null && Math.abs(slower_by) > Math.max(0.2, before * 0.1);
}

function Cells({ node, project }: { node: NodeComparison; project: string }) {
  const isAsset = /^(model|seed|snapshot|source)\./.test(node.unique_id);
  const name = node.key ?? node.name;
  return (
    <>
      <div role="cell" class="name-cell name" title={node.unique_id}>
        {isAsset ? <Link href={assetHref(project, node.unique_id)}>{name}</Link> : name}
      </div>
      <div role="cell">
        <Outcome of={node.run} />
      </div>
      <div role="cell">
        <Outcome of={node.other} />
      </div>
      <div role="cell" class="num">
        {node.slower_by == null ? "–" : by(node.slower_by)}
      </div>
      <div role="cell" class="num">
        {rowsOf(node)}
      </div>
    </>
  );
}

function Outcome({ of }: { of: NodeOutcome | null | undefined }) {
  if (!of) return <span class="faint">not in it</span>;
  return (
    <span class="row">
      <State state={of.state} /> <span class="faint">{of.execution_time != null && span(of.execution_time)}</span>
    </span>
  );
}

function by(seconds: number): string {
  if (Math.abs(seconds) < 0.005) return "the same";
  return seconds > 0 ? `+${span(seconds)}` : `−${span(-seconds)}`;
}

function rowsOf({ run, other }: NodeComparison): string {
  const of = (outcome: NodeOutcome | null | undefined) => outcome?.rows_affected ?? outcome?.failures ?? null;
  const [now, before] = [of(run), of(other)];
  if (now === null && before === null) return "–";
  if (now === before) return (now ?? 0).toLocaleString("en");
  return `${before?.toLocaleString("en") ?? "–"} → ${now?.toLocaleString("en") ?? "–"}`;
}

function Value({ of }: { of: unknown }) {
  if (of === null || of === undefined) return <span class="faint">none</span>;
  const text = typeof of === "string" ? of : JSON.stringify(of, null, 1);
  return <code class="name">{plain(text.length > 500 ? `${text.slice(0, 500)}…` : text)}</code>;
}
