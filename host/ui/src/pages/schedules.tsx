/** What starts jobs by itself: when next, what was decided last, and why. */
import { CirclePause, Clock, FileInput, GitBranch, type LucideIcon, Webhook } from "lucide-preact";
import { Link } from "wouter-preact";
import type { Schemas } from "../api/client";
import { jobHref, runHref, useListParam, useParam, usePathPart } from "../parts/address";
import { Choices, Filters, Search } from "../parts/filters";
import { failedRun, LaunchLink, PauseButton, useJobs } from "../parts/jobs";
import { Answer, Empty, Head } from "../parts/page";
import { plainWords } from "../parts/prose";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import { Job } from "./job";

type JobDetail = Schemas["JobDetail"];
type TriggerRow = Schemas["TriggerRow"];

function iconOf(trigger: string): LucideIcon {
  if (trigger === "schedule") return Clock;
  if (trigger === "after") return GitBranch;
  return trigger === "webhook" ? Webhook : FileInput;
}

/** What a trigger is, in a line. */
export function Starts({ of }: { of: TriggerRow }) {
  const Icon = iconOf(of.trigger);
  const words = of.trigger === "after" ? `after ${of.definition}` : of.definition;
  return (
    <div class="line">
      <Icon aria-hidden />
      <span class="visually-hidden">{of.trigger.split(":")[0]}:</span>
      <span class="clip">{of.trigger === "schedule" ? <code>{words}</code> : words}</span>
    </div>
  );
}

/** What a trigger has decided last. */
function Decided({ of }: { of: TriggerRow }) {
  if (!of.last) return <span class="faint">nothing yet</span>;
  const { run, reason, due } = of.last;
  return (
    <div>
      <Time at={due} /> {run == null ? <State state="skipped" /> : <Link href={runHref(run)}>run {run}</Link>}
      <div class="faint small clip">{reason}</div>
    </div>
  );
}

const columns: Column<JobDetail>[] = [
  {
    id: "job",
    head: "Job",
    width: "minmax(0, 1.6fr)",
    cell: (job) => (
      <>
        <Link href={jobHref(job.name)} class="name strong">
          {job.name}
        </Link>
        {job.description && <div class="faint small clip">{plainWords(job.description)}</div>}
      </>
    ),
  },
  {
    id: "starts",
    head: "Starts",
    width: "minmax(0, 1.6fr)",
    narrow: "line",
    cell: (job) =>
      job.triggers.length === 0 ? (
        <span class="faint">by hand</span>
      ) : (
        job.triggers.map((trigger) => <Starts key={trigger.trigger} of={trigger} />)
      ),
  },
  {
    id: "next",
    head: "Next",
    width: "minmax(0, 1fr)",
    cell: (job) => {
      if (job.paused)
        return (
          <>
            <span class="badge warn">
              <CirclePause aria-hidden /> paused
            </span>
            <div class="faint small clip">
              by {job.paused.by}, <Time at={job.paused.since} />
            </div>
          </>
        );
      return job.next[0] ? <Time at={job.next[0]} /> : <span class="faint">–</span>;
    },
  },
  {
    id: "last",
    head: "Decided last",
    width: "minmax(0, 1.8fr)",
    narrow: "hide",
    cell: (job) => {
      const decided = job.triggers.filter((trigger) => trigger.last);
      const newest = decided.sort((a, b) => (b.last?.due ?? "").localeCompare(a.last?.due ?? ""))[0];
      return newest ? <Decided of={newest} /> : <span class="faint">–</span>;
    },
  },
  {
    id: "run",
    head: "Last run",
    width: "150px",
    cell: (job) => {
      const run = job.runs[0];
      if (!run) return <span class="faint">never</span>;
      return (
        <>
          <Link href={runHref(run.id)} aria-label={`Run ${run.id}: ${run.state}`}>
            <State state={run.state} />
          </Link>
          <div class="faint small">
            <Time at={run.started_at ?? run.requested_at} />
          </div>
        </>
      );
    },
  },
  {
    id: "do",
    head: "Do",
    width: "226px",
    cell: (job) => (
      <div class="row tight">
        <LaunchLink job={job.name} />
        {job.triggers.length > 0 && <PauseButton job={job} />}
      </div>
    ),
  },
];

const kinds = ["scheduled", "triggered", "by hand", "paused", "failing"] as const;

function isOf(job: JobDetail, kind: string): boolean {
  switch (kind) {
    case "scheduled":
      return job.schedule.length > 0;
    case "triggered":
      return job.triggers.some((trigger) => trigger.trigger !== "schedule");
    case "by hand":
      return job.triggers.length === 0;
    case "paused":
      return Boolean(job.paused);
    default:
      return failedRun(job) !== undefined;
  }
}

function Jobs() {
  const jobs = useJobs();
  const [q] = useParam("q");
  const [chosen] = useListParam("show");
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (job: JobDetail) => {
    const text = `${job.name} ${job.description ?? ""} ${job.project}`.toLowerCase();
    return words.every((word) => text.includes(word)) && (!chosen.length || chosen.some((kind) => isOf(job, kind)));
  };
  return (
    <>
      <Head title="Schedules" />
      <Answer of={jobs}>
        {(all) =>
          all.length === 0 ? (
            <Empty>
              There are no jobs yet. Add one to <code>tidegate.toml</code>: <code>[jobs.build]</code> with{" "}
              <code>steps = ["dbt build"]</code> and <code>schedule = "0 6 * * *"</code>. It is taken up by itself.
            </Empty>
          ) : (
            <>
              <Filters label="Filter the jobs" params={["q", "show"]}>
                <Search label="Search jobs" />
                <Choices
                  param="show"
                  label="Show"
                  options={kinds
                    .map((value) => ({ value, count: all.filter((job) => isOf(job, value)).length }))
                    .filter(({ count, value }) => count > 0 || chosen.includes(value))}
                />
              </Filters>
              {all.some(fits) ? (
                <Table
                  label="Jobs"
                  rows={all.filter(fits)}
                  columns={columns}
                  rowKey={(job) => job.name}
                  rowHeight={58}
                />
              ) : (
                <Empty>No job fits. Clear the filters to see all {all.length}.</Empty>
              )}
            </>
          )
        }
      </Answer>
    </>
  );
}

export default function Schedules() {
  const job = usePathPart(1);
  return job ? <Job key={job} name={job} /> : <Jobs />;
}
