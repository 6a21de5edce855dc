/** Where the nodes of a graph stand, as it is shown: a word, a tone, and marks. Pure. */
import { type Tone, toneOf } from "../parts/state";
import { ago } from "../parts/time";
import type { LineageGraph } from "./graph";
import type { Standing } from "./types";

/** What is drawn and said of a node's state. */
export type Shown = {
  tone: Tone;
  /** Empty where nothing has a state, as of an exposure. */
  word: string;
  at: string | undefined;
  late: boolean;
  failedChecks: number;
};

const NEVER: Shown = { tone: "idle", word: "never", at: undefined, late: false, failedChecks: 0 };
/** What someone should look at comes first. */
const URGENCY: Tone[] = ["bad", "run", "warn", "idle", "good"];
const TONES: Record<string, Tone> = {
  ok: "good",
  warn: "warn",
  failed: "bad",
  late: "warn",
  running: "run",
  never: "idle",
};

function shownOf(standing: Standing | undefined): Shown {
  if (!standing) return NEVER;
  const { health, state, at, failed_checks: failedChecks } = standing;
  const known = health === undefined ? undefined : TONES[health];
  const own = toneOf(state ?? "");
  return {
    tone: known ?? (own === "good" && failedChecks > 0 ? "bad" : own),
    word: state ?? health ?? "never",
    at: at ?? undefined,
    late: health === "late",
    failedChecks,
  };
}

/** How each node of a graph is shown. A folded group is as its most urgent member is. */
export function shown(graph: LineageGraph, standings: ReadonlyMap<string, Standing>): Shown[] {
  return Array.from({ length: graph.count }, (_, node) => {
    if (graph.type(node) === "exposure") return { ...NEVER, word: "" };
    if (!graph.isFolded(node)) return shownOf(standings.get(graph.id(node)));
    return together(graph.members(node).map((id) => shownOf(standings.get(id))));
  });
}

function together(members: Shown[]): Shown {
  const rank = ({ tone }: Shown) => URGENCY.indexOf(tone);
  const worst = members.reduce((a, b) => (rank(b) < rank(a) ? b : a), members[0] ?? NEVER);
  const same = members.filter(({ tone }) => tone === worst.tone).length;
  const word = worst.tone === "bad" ? "failed" : worst.tone === "warn" ? "warn" : worst.word;
  return {
    tone: worst.tone,
    word: same === members.length ? `all ${word}` : `${same} of ${members.length} ${word}`,
    at: members.reduce<string | undefined>((at, b) => (b.at && (!at || b.at > at) ? b.at : at), undefined),
    late: members.some(({ late }) => late),
    failedChecks: members.reduce((sum, member) => sum + member.failedChecks, 0),
  };
}

/** A node's state in words: what is read out, and in short what a card says in its second line. */
export function words(shown: Shown, length: "long" | "short" = "long", from?: number): string {
  const { word, failedChecks, late, at } = shown;
  const parts = [word];
  if (failedChecks > 0) parts.push(`${failedChecks} failed ${failedChecks === 1 ? "check" : "checks"}`);
  if (late && word !== "late") parts.push("late");
  if (at) parts.push(length === "long" ? ago(at, from) : brief(at, from));
  return parts.filter(Boolean).join(" · ");
}

/** How long ago, in as few letters as can be. */
function brief(at: string, from = Date.now()): string {
  const seconds = Math.max(0, (from - Date.parse(at)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

/** A row of a run, as a live message has it. */
export type NodeRow = {
  unique_id: string;
  state: string;
  started_at?: string | null | undefined;
  finished_at?: string | null | undefined;
};

/** States that say nothing of how an asset is: what was there before still holds. */
const SILENT = new Set(["queued", "skipped", "cancelled", "no-op", "no_op", "reused"]);

/** What is known of where nodes stand, after a message about some of a run. */
export function moved(
  known: ReadonlyMap<string, Standing>,
  run: number,
  rows: readonly NodeRow[],
): Map<string, Standing> {
  const next = new Map(known);
  for (const { unique_id, state, started_at, finished_at } of rows) {
    if (SILENT.has(state)) continue;
    const failed_checks = known.get(unique_id)?.failed_checks ?? 0;
    const health = state === "running" || state === "started" ? "running" : undefined;
    next.set(unique_id, { health, state, run, at: finished_at ?? started_at ?? null, failed_checks });
  }
  return next;
}
