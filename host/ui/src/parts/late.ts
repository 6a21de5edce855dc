/** Runs that become late: nothing happens then that the host could tell of, so the pages ask when the time has come. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "preact/hooks";
import type { Schemas } from "../api/client";
import { useJobs } from "./jobs";
import { millisOf } from "./time";

/** What decides when a job is late. */
export type Timed = Pick<Schemas["JobDetail"], "limits" | "runs">;

/** The earliest moment at which one of the runs that are under way becomes late, in milliseconds since the epoch. */
export function lateAt(jobs: readonly Timed[]): number | undefined {
  const moments = jobs.flatMap(({ limits, runs }) => {
    const after = millisOf(limits.late_after);
    const open = after === undefined ? [] : runs.filter((run) => !run.finished_at && !run.late);
    return open.map((run) => Date.parse(run.requested_at) + (after ?? 0));
  });
  return moments.length > 0 ? Math.min(...moments) : undefined;
}

/** A timer takes no longer waits, in milliseconds. */
const LONGEST = 86_400_000;
/** How long after its moment a run is late for certain, and how long to wait for a host whose clock is behind, in milliseconds. */
const CERTAIN = 500;
const BEHIND = 15_000;

/** Calls back when a run becomes late, and now and then until the host knows of it; gives what ends that. */
export function whenLate(jobs: readonly Timed[], call: () => void): () => void {
  const at = lateAt(jobs);
  if (at === undefined) return () => undefined;
  let timer: ReturnType<typeof setTimeout>;
  const arm = () => {
    const left = at + CERTAIN - Date.now();
    timer = setTimeout(
      () => {
        call();
        arm();
      },
      left > 0 ? Math.min(left, LONGEST) : BEHIND,
    );
  };
  arm();
  return () => clearTimeout(timer);
}

/** Has all that tells of late runs asked for again when one becomes late. */
export function useLateness(): void {
  const client = useQueryClient();
  const { data } = useJobs();
  useEffect(
    () =>
      whenLate(data ?? [], () => {
        for (const key of ["jobs", "job", "timeline"])
          void client.invalidateQueries({ queryKey: [key] }, { cancelRefetch: false });
      }),
    [client, data],
  );
}
