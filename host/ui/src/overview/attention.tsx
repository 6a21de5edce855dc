/** What needs somebody: what fails, what is late, and what is wrong with the host, the worst first. */
import { useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { assetHref, jobHref, pluginHref, runHref } from "../parts/address";
import { useHealth, useStatus } from "../parts/health";
import { failedRun, LaunchLink, useJobs } from "../parts/jobs";
import { useLiveQuery, useRunTurns } from "../parts/live";
import { LongText } from "../parts/long";
import { ProblemBox } from "../parts/page";
import { State, toneOf } from "../parts/state";
import { telling } from "../parts/telling";
import { Time } from "../parts/time";

type FreshnessRow = Schemas["FreshnessRow"];
type JobDetail = Schemas["JobDetail"];

/** So many of each are shown; the rest is a link away. */
const SHOWN = 6;

/** The first nodes of a run that failed, each with what dbt said. A run that has ended is asked about once. */
function FirstErrors({ run, reason }: { run: number; reason: string | null | undefined }) {
  const { data } = useQuery({
    queryKey: ["run", run, "failures"],
    queryFn: async () => {
      const { items } = await ask(api.GET("/api/v1/runs/{run}/nodes", { params: { path: { run } } }));
      const failed = items.filter((node) => toneOf(node.state) === "bad");
      // Of a node that was tried again only the last try counts.
      const last = [...new Map(failed.map((node) => [node.unique_id, node])).values()];
      return last.map(({ unique_id, name, message }) => ({ unique_id, name, text: telling(message ?? "") }));
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (!data?.length) return reason ? <div class="clip lines several">{reason}</div> : null;
  return (
    <ul class="plain errors">
      {data.slice(0, 2).map((node) => (
        <li key={node.unique_id} class="clip">
          <b>{node.name.slice(0, 120)}</b>: {node.text.slice(0, 400)}
        </li>
      ))}
      {data.length > 2 && <li class="faint">and {data.length - 2} more</li>}
    </ul>
  );
}

function FailingJob({ job }: { job: JobDetail }) {
  const run = failedRun(job);
  if (!run) return null;
  return (
    <li class="problem">
      <div class="row spread">
        <div class="row grow">
          <State state={run.state} />
          <Link href={jobHref(job.name)} class="name strong">
            {job.name}
          </Link>
          <span>
            <Link href={`${runHref(run.id)}`}>run {run.id}</Link> <Time at={run.finished_at} />
          </span>
        </div>
        <div class="row tight">
          <Link href={`${runHref(run.id)}?tab=log`} class="button">
            Log
          </Link>
          <LaunchLink job={job.name} />
        </div>
      </div>
      <FirstErrors run={run.id} reason={run.reason} />
    </li>
  );
}

function FailingAssets() {
  const failing = useLiveQuery(
    ["assets", "failing"],
    () => ask(api.GET("/api/v1/assets", { params: { query: { health: ["failed"], limit: SHOWN } } })),
    ["asset", "project", useRunTurns()],
  );
  const count = useHealth().data?.health.find((facet) => facet.value === "failed")?.count ?? 0;
  const rows = failing.data?.items ?? [];
  if (rows.length === 0) return null;
  return (
    <li class="problem">
      <div class="row">
        <State state="failed" />
        <Link href="/assets?health=failed" class="strong">
          {count || rows.length} {(count || rows.length) === 1 ? "asset" : "assets"}
        </Link>
      </div>
      <ul class="plain row">
        {rows.map((row) => (
          <li key={`${row.project} ${row.unique_id}`} class="clip one">
            <Link href={assetHref(row.project, row.unique_id)}>{row.key.join("/")}</Link>
            {row.failed_checks > 0 && (
              <span class="faint">
                {" "}
                {row.failed_checks} {row.failed_checks === 1 ? "check" : "checks"}
              </span>
            )}
          </li>
        ))}
        {count > rows.length && <li class="faint">and {count - rows.length} more</li>}
      </ul>
    </li>
  );
}

function Late({ rows, jobs }: { rows: FreshnessRow[]; jobs: JobDetail[] }) {
  if (rows.length === 0 && jobs.length === 0) return null;
  return (
    <li class="problem">
      <div class="row">
        <State state="late" />
        <span class="strong">What is late</span>
      </div>
      <ul class="plain">
        {jobs.slice(0, SHOWN).map((job) => {
          const run = job.runs.find((run) => run.late);
          return (
            <li key={job.name}>
              job{" "}
              <Link href={jobHref(job.name)} class="name">
                {job.name}
              </Link>
              {run && (
                <>
                  : <Link href={runHref(run.id)}>run {run.id}</Link> was asked for <Time at={run.requested_at} /> and
                  has not ended
                </>
              )}
            </li>
          );
        })}
        {rows.slice(0, SHOWN).map((row) => (
          <li key={`${row.project} ${row.unique_id}`} class="row">
            <State state={row.state ?? "late"} />
            <Link href={assetHref(row.project, row.unique_id)} class="name">
              {row.key}
            </Link>
            <span class="faint">
              {row.newest ? (
                <>
                  newest <Time at={row.newest} />
                </>
              ) : (
                "never built"
              )}
            </span>
          </li>
        ))}
        {rows.length > SHOWN && <li class="faint">and {rows.length - SHOWN} more</li>}
      </ul>
    </li>
  );
}

function Notice({ tone, title, children }: { tone: "bad" | "warn"; title: string; children: ComponentChildren }) {
  const Icon = tone === "bad" ? CircleAlert : TriangleAlert;
  return (
    <li class={`notice ${tone}`}>
      <Icon aria-hidden />
      <div class="grow">
        <div class="strong">{title}</div>
        <div class="name">{children}</div>
      </div>
    </li>
  );
}

/** What is wrong with the host and what it was given. */
function useNotices(): ComponentChildren[] {
  const status = useStatus().data;
  const plugins = useLiveQuery(["plugins"], () => ask(api.GET("/api/v1/plugins")), ["plugin", "configuration"]).data;
  const notices: ComponentChildren[] = [];
  if (status?.problem)
    notices.push(
      <Notice key="host" tone="bad" title="The host does nothing at the moment">
        <LongText text={status.problem} shown={400} />
      </Notice>,
    );
  if (status?.config_problem)
    notices.push(
      <Notice key="config" tone="bad" title="The configuration cannot be used; the one before it still holds">
        <LongText text={status.config_problem} shown={400} />
        <div class="faint">{status.config_file}</div>
      </Notice>,
    );
  for (const project of status?.projects ?? [])
    if (project.problem)
      notices.push(
        <Notice
          key={`project ${project.name}`}
          tone="bad"
          title={`Project ${project.name} cannot be read as it is now`}
        >
          <LongText text={project.problem} shown={400} />
        </Notice>,
      );
  for (const plugin of plugins ?? [])
    if (plugin.state === "refused")
      notices.push(
        <Notice key={`plugin ${plugin.name}`} tone="bad" title="A plugin is refused">
          <Link href={pluginHref(plugin.name)}>{plugin.name}</Link>: {plugin.reason}
        </Notice>,
      );
  const undelivered = status?.failing_deliveries ?? 0;
  if (undelivered > 0)
    notices.push(
      <Notice key="deliveries" tone="warn" title="Messages could not be sent yet">
        <Link href="/alerts?tab=sent">
          {undelivered} {undelivered === 1 ? "delivery" : "deliveries"}
        </Link>{" "}
        failed so far and {undelivered === 1 ? "is" : "are"} tried again.
      </Notice>,
    );
  if (status?.ending)
    notices.push(
      <Notice key="ending" tone="warn" title="The host is about to end">
        It starts nothing any more; what is under way goes on.
      </Notice>,
    );
  if (status && !status.automatic)
    notices.push(
      <Notice key="automatic" tone="warn" title="No schedule starts anything now">
        This host is here for a run, not to stay. <code>tidegate serve</code> starts what is due.
      </Notice>,
    );
  return notices;
}

/** What needs somebody. */
export function Attention() {
  const jobs = useJobs();
  const late = useLiveQuery(
    ["freshness", "late"],
    () => ask(api.GET("/api/v1/freshness", { params: { query: { late: true } } })),
    ["asset", "project", useRunTurns()],
  );
  const health = useHealth();
  const notices = useNotices();
  const failing = (jobs.data ?? []).filter((job) => failedRun(job));
  const lateJobs = (jobs.data ?? []).filter((job) => job.late);
  const failed = health.data?.health.find((facet) => facet.value === "failed")?.count ?? 0;
  const isKnown = jobs.data !== undefined && health.data !== undefined;
  const isWell =
    notices.length === 0 && !failing.length && !failed && !late.data?.length && !lateJobs.length && isKnown;
  const newest = (job: JobDetail) => failedRun(job)?.finished_at ?? "";
  failing.sort((a, b) => newest(b).localeCompare(newest(a)));
  const error = jobs.error ?? health.error;
  return (
    <section aria-labelledby="attention" class="stack">
      <h2 id="attention" class={isWell ? "visually-hidden" : ""}>
        Needs attention
      </h2>
      {!isKnown && error && <ProblemBox error={error} />}
      {isWell ? (
        <p class="row well">
          <CircleCheck aria-hidden class="good-text" />
          Nothing fails and nothing is late: {jobs.data?.length} {jobs.data?.length === 1 ? "job" : "jobs"},{" "}
          {health.data?.assets.toLocaleString("en")} assets.
        </p>
      ) : (
        <ul class="plain problems">
          {failing.slice(0, SHOWN).map((job) => (
            <FailingJob key={job.name} job={job} />
          ))}
          {failing.length > SHOWN && (
            <li>
              <Link href="/schedules?show=failing">All {failing.length} failing jobs</Link>
            </li>
          )}
          {failed > 0 && <FailingAssets />}
          <Late rows={late.data ?? []} jobs={lateJobs} />
          {notices}
        </ul>
      )}
    </section>
  );
}
