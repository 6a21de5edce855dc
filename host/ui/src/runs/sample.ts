/** A node and a run as the tests need them. */
import type { NodeRow, RunSummary } from "./shapes";

export function aNode(of: Partial<NodeRow>): NodeRow {
  const node: NodeRow = {
    step: 1,
    attempt: 1,
    key: null,
    name: (of.unique_id ?? "model.shop.orders").split(".").at(-1) ?? "",
    critical: null,
    unique_id: "model.shop.orders",
    resource_type: "model",
    state: "success",
    started_at: "2026-01-01T00:00:00Z",
    finished_at: "2026-01-01T00:00:01Z",
    execution_time: 1,
    thread: "Thread-1 (worker)",
    message: null,
    rows_affected: null,
    failures: null,
    relation_name: null,
    skipped_because_of: null,
    planned: true,
    reconciled: null,
  };
  return { ...node, ...of };
}

export function aRun(of: Partial<RunSummary>): RunSummary {
  const run: RunSummary = {
    id: 1,
    project: "shop",
    job: "build",
    title: "build",
    state: "succeeded",
    reason: null,
    launch: { user: "ada", via: "cli", reason: null, command: null },
    requested_at: "2026-01-01T00:00:00Z",
    started_at: null,
    finished_at: null,
    counts: {},
    step_count: 1,
    attempts: 1,
    parameters: {},
    selection: null,
    resumes: null,
    cancelled_by: null,
    waits_for: null,
  };
  return { ...run, ...of };
}
