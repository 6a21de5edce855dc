/** The critical path in words: the chain of nodes that decided when an attempt ended. */
import { useMemo } from "preact/hooks";
import { setParams } from "../parts/address";
import { span } from "../parts/time";
import { isCritical, keyOf, tookOf } from "./nodes";
import { attemptName } from "./nodes-table";
import type { NodeRow } from "./shapes";
import { count } from "./words";

export function CriticalPath({ nodes }: { nodes: NodeRow[] }) {
  const paths = useMemo(() => pathsOf(nodes), [nodes]);
  if (paths.length === 0) return null;
  return (
    <section aria-labelledby="critical" class="stack">
      <div>
        <h2 id="critical">Critical path</h2>
        <p class="faint">
          The nodes that decided when an attempt ended: what would have to be faster for the run to be.
        </p>
      </div>
      {paths.map(({ attempt, path }) => (
        <div key={attempt}>
          <p class="small">
            {paths.length > 1 && `step ${attemptName(attempt)}: `}
            {count(path.length, "node")}, {span(path.reduce((sum, node) => sum + (tookOf(node, Date.now()) ?? 0), 0))}
          </p>
          <ol class="inline-list path">
            {path.map((node) => (
              <li key={keyOf(node)}>
                <button
                  type="button"
                  class="chip"
                  title={node.unique_id}
                  onClick={() => setParams({ node: keyOf(node) })}
                >
                  <span class="clip-1">{node.name}</span>{" "}
                  <span class="faint nowrap">{span(tookOf(node, Date.now()) ?? 0)}</span>
                </button>
              </li>
            ))}
          </ol>
        </div>
      ))}
    </section>
  );
}

/** The critical path of each attempt, in the order of time. */
function pathsOf(nodes: NodeRow[]): { attempt: string; path: NodeRow[] }[] {
  const paths = new Map<string, NodeRow[]>();
  for (const node of nodes.filter(isCritical)) {
    const attempt = `${node.step}.${node.attempt}`;
    paths.set(attempt, [...(paths.get(attempt) ?? []), node]);
  }
  return [...paths].map(([attempt, path]) => ({
    attempt,
    path: path.sort((a, b) => (a.started_at ?? "").localeCompare(b.started_at ?? "")),
  }));
}
