/** States of runs, nodes and assets: a word, a shape and a colour, so that none has to be told by its colour alone. */
import { Ban, Check, CircleDashed, CircleDot, Clock, Minus, TriangleAlert, X } from "lucide-preact";

export type Tone = "good" | "warn" | "bad" | "run" | "idle";

const tones: Record<string, Tone> = {
  succeeded: "good",
  success: "good",
  pass: "good",
  passed: "good",
  ok: "good",
  "on time": "good",
  delivered: "good",
  warned: "warn",
  warn: "warn",
  late: "warn",
  incomplete: "warn",
  interrupted: "warn",
  "partial success": "warn",
  failed: "bad",
  fail: "bad",
  error: "bad",
  "runtime error": "bad",
  refused: "bad",
  running: "run",
  started: "run",
  queued: "idle",
  rendered: "good",
  skipped: "idle",
  suppressed: "idle",
  pending: "idle",
  waiting: "idle",
  retrying: "warn",
  told: "good",
  ready: "good",
};

/** What a state means for whoever looks at it. */
export function toneOf(state: string): Tone {
  return tones[state.toLowerCase()] ?? "idle";
}

/** The shape of a state, without its word. */
export function StateMark({ state }: { state: string }) {
  const props = { "aria-hidden": true as const };
  switch (toneOf(state)) {
    case "good":
      return <Check {...props} />;
    case "warn":
      return <TriangleAlert {...props} />;
    case "bad":
      return <X {...props} />;
    case "run":
      return <CircleDot {...props} />;
    default:
      if (state === "queued" || state === "pending") return <Clock {...props} />;
      if (state === "cancelled") return <Ban {...props} />;
      if (state === "never") return <CircleDashed {...props} />;
      return <Minus {...props} />;
  }
}

/** What states mean that do not say so themselves. */
const meanings: Record<string, string> = {
  "no-op": "nothing had to be done for it: dbt builds nothing for exposures and ephemeral models",
  reused: "dbt has built nothing: what was there is still true",
  never: "no run has dealt with it here",
};

export const meaningOf = (state: string): string | undefined => meanings[state];

/** A state as a badge. */
export function State({ state, title }: { state: string; title?: string | undefined }) {
  return (
    <span class={`badge ${toneOf(state)}`} title={title ?? meaningOf(state)}>
      <StateMark state={state} />
      {state}
    </span>
  );
}
