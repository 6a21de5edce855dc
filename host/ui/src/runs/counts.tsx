/** How many nodes are in each state: a small bar, and the same in words. */
import { meaningOf, toneOf } from "../parts/state";
import { isDone, isFailure, progressOf, rank } from "./nodes";
import { count } from "./words";

const toneOfNode = (state: string) => (isFailure(state) ? "bad" : toneOf(state));

const inOrder = (counts: Record<string, number>) =>
  Object.entries(counts)
    .filter(([, n]) => n > 0)
    .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));

/** In the bar what is done comes before what is not. */
const place = (state: string) => (isDone(state) ? rank(state) : state === "running" ? 90 : 91);

/** The states in words, what needs a look first; and how much of each, as a bar. */
export function Counts({ counts }: { counts: Record<string, number> }) {
  const states = inOrder(counts);
  if (states.length === 0) return <span class="faint">–</span>;
  return (
    <div class="counts">
      <div class="counts-bar" aria-hidden>
        {[...states]
          .sort(([a], [b]) => place(a) - place(b))
          .map(([state, n]) => (
            <span key={state} class={toneOfNode(state)} style={{ flexGrow: n }} />
          ))}
      </div>
      <span class="small">
        {states.map(([state, n], at) => (
          <span key={state}>
            {at > 0 && ", "}
            <span class={isFailure(state) ? "bad-text" : ""} title={meaningOf(state)}>
              {n.toLocaleString("en")} {state}
            </span>
          </span>
        ))}
      </span>
    </div>
  );
}

/** How far a run is. */
export function Progress({ counts }: { counts: Record<string, number> }) {
  const { done, all } = progressOf(counts);
  if (all === 0) return null;
  return (
    <span>
      <progress value={done} max={all} aria-label="Nodes that are done" /> {done.toLocaleString("en")} of{" "}
      {count(all, "node")}
    </span>
  );
}
