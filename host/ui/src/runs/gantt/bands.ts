/** The stretches of time behind the bars: attempts, and the waits between them. */
import { span as words } from "../../parts/time";
import type { RunDetail } from "../shapes";
import type { Band } from "./draw";
import type { Bar, Row } from "./pack";
import type { Span } from "./scale";

const time = (at: string | null | undefined) => (at ? Date.parse(at) : null);

/** A band for each attempt, and one for each wait before another. */
export function bandsOf(run: RunDetail, rows: Row[]): Band[] {
  const bands: Band[] = [];
  const first = firstBars(rows);
  for (const step of run.steps) {
    for (const [at, attempt] of step.attempts.entries()) {
      const several = step.attempts.length > 1;
      const word = step.args[0] ?? "dbt";
      const label = several ? `step ${step.number} ${word}, attempt ${attempt.number}` : `step ${step.number} ${word}`;
      const tone = attempt.state === "failed" || attempt.state === "interrupted" ? "bad" : "idle";
      const from = Date.parse(attempt.started_at);
      // Before its first node dbt reads the project: that is part of what a run takes.
      const began = first.get(`${step.number}.${attempt.number}`);
      const after =
        began !== undefined && began - from > 500 ? `, first node after ${words((began - from) / 1000)}` : "";
      bands.push({
        label: `${label}: ${attempt.state}${after}`,
        from,
        to: time(attempt.finished_at),
        tone,
      });
      const { decided } = attempt;
      if (decided?.decision !== "retry" || !attempt.finished_at) continue;
      const next = step.attempts[at + 1];
      const until = next ? Date.parse(next.started_at) : (time(run.finished_at) ?? time(decided.due));
      bands.push({ label: "waits", from: Date.parse(attempt.finished_at), to: until, tone: "warn" });
    }
  }
  return [...preparing(run, bands), ...bands];
}

/** Between attempts, and before the first, the host reads the project and asks dbt for the plan: told where it takes long. */
function preparing(run: RunDetail, bands: Band[]): Band[] {
  const gaps: Band[] = [];
  let before = time(run.started_at);
  for (const band of [...bands].sort((a, b) => a.from - b.from)) {
    if (before !== null && band.from - before > 1000) {
      const label = `the host prepares it, ${words((band.from - before) / 1000)}`;
      gaps.push({ label, from: before, to: band.from, tone: "idle" });
    }
    before = band.to;
  }
  return gaps;
}

function firstBars(rows: Row[]): Map<string, number> {
  const first = new Map<string, number>();
  for (const { node, from } of rows.flatMap((row) => row.bars)) {
    const at = `${node.step}.${node.attempt}`;
    first.set(at, Math.min(first.get(at) ?? from, from));
  }
  return first;
}

/** The time in which nodes ran: without what dbt took to start. */
export function busyOf(rows: Row[], now: number): Span | undefined {
  const bars = rows.flatMap((row) => row.bars);
  if (bars.length === 0) return undefined;
  const from = bars.reduce((least, bar) => Math.min(least, bar.from), Number.POSITIVE_INFINITY);
  const to = bars.reduce((most, bar) => Math.max(most, bar.to ?? now), 0);
  return { from, to };
}

/** From the run's first moment to its last, or to now. */
export function wholeOf(run: RunDetail, rows: Row[], bands: Band[], now: number): Span {
  let from = time(run.started_at) ?? now;
  let to = time(run.finished_at) ?? now;
  const see = (bar: Pick<Bar, "from" | "to">) => {
    from = Math.min(from, bar.from);
    to = Math.max(to, bar.to ?? now);
  };
  for (const row of rows) for (const bar of row.bars) see(bar);
  for (const band of bands) from = Math.min(from, band.from);
  return { from, to: Math.max(to, from + 100) };
}
