/** A job: what it does, when it starts next, and what was decided about it, with the reasons. */
import { CirclePause } from "lucide-preact";
import { Fragment } from "preact";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { runHref, useParam } from "../parts/address";
import { Command } from "../parts/copy";
import { LaunchLink, PauseButton } from "../parts/jobs";
import { Json } from "../parts/json";
import { useLivePages, useLiveQuery, useRunTurns } from "../parts/live";
import { More } from "../parts/more";
import { Answer, Empty, Head } from "../parts/page";
import { Prose } from "../parts/prose";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Tabs } from "../parts/tabs";
import { spanOf, Time, Took } from "../parts/time";
import { Starts } from "./schedules";

type JobDetail = Schemas["JobDetail"];
type TickRow = Schemas["TickRow"];

const ticks: Column<TickRow>[] = [
  { id: "due", head: "Due", width: "120px", cell: (tick) => <Time at={tick.due} /> },
  { id: "trigger", head: "Trigger", width: "minmax(0, 1fr)", cell: (tick) => <span class="clip">{tick.trigger}</span> },
  {
    id: "decision",
    head: "Decision",
    width: "130px",
    cell: (tick) =>
      tick.run == null ? <State state="skipped" /> : <Link href={runHref(tick.run)}>run {tick.run}</Link>,
  },
  {
    id: "reason",
    head: "Reason",
    width: "minmax(0, 3fr)",
    narrow: "line",
    cell: (tick) => (
      <span class="name">
        {tick.reason}
        {tick.count > 1 && <span class="faint"> ({tick.count.toLocaleString("en")} ticks together)</span>}
      </span>
    ),
  },
];

function History({ job }: { job: string }) {
  const rows = useLivePages<TickRow>(
    ["ticks", job, {}],
    (cursor) => ask(api.GET("/api/v1/jobs/{job}/ticks", { params: { path: { job }, query: { cursor, limit: 100 } } })),
    [["job", (message) => message.job === job]],
  );
  return (
    <Answer of={rows}>
      {(data) =>
        data.length === 0 ? (
          <Empty>
            Nothing was decided yet. Each tick of the schedule and each start by something else will be here, with the
            reason where it was skipped.
          </Empty>
        ) : (
          <>
            <Table label={`Decisions about ${job}`} rows={data} columns={ticks} rowKey={(tick) => tick.id} />
            <More of={rows} what="decisions" />
          </>
        )
      }
    </Answer>
  );
}

const amounts = ["10", "25", "100"];

function Preview({ job }: { job: JobDetail }) {
  const [wanted, setWanted] = useParam("n");
  const n = amounts.includes(wanted) ? wanted : "10";
  const next = useLiveQuery(
    ["preview", job.name, n],
    () => ask(api.GET("/api/v1/jobs/{job}/preview", { params: { path: { job: job.name }, query: { n: Number(n) } } })),
    ["configuration", ["job", (message) => message.job === job.name]],
  );
  return (
    <div class="stack">
      {job.paused && (
        <p class="notice warn">
          <CirclePause aria-hidden />
          <span>None of these comes while the job is paused: this is what its schedule says.</span>
        </p>
      )}
      <div class="row spread">
        <p class="faint">On the clocks of {job.time_zone}, and how far that is.</p>
        <div class="choice">
          <label for="how-many">Show</label>
          <select id="how-many" value={n} onChange={(event) => setWanted(event.currentTarget.value)}>
            {amounts.map((amount) => (
              <option key={amount}>{amount}</option>
            ))}
          </select>
        </div>
      </div>
      <Answer of={next}>
        {(data) =>
          data.length === 0 ? (
            <Empty>The schedule never fires again.</Empty>
          ) : (
            <ol class="plain ticks">
              {data.map((tick) => (
                <li key={tick.at} class="row spread">
                  <span class="mono">{tick.local}</span>
                  <span class="faint">
                    <Time at={tick.at} />
                  </span>
                </li>
              ))}
            </ol>
          )
        }
      </Answer>
    </div>
  );
}

function missedWords(missed: unknown): string {
  if (missed === "skip") return "ticks that passed while no host was there are skipped";
  if (missed === "once") return "one run for all ticks that passed while no host was there";
  const all = (missed as { all?: number } | null)?.all;
  return `a run for each of the last ${all ?? "few"} ticks that passed while no host was there`;
}

const overlapWords: Record<string, string> = {
  queue: "a tick while a run is under way waits for it",
  skip: "a tick while a run is under way is skipped",
  "cancel-previous": "a tick cancels the run that is under way",
};

function Definition({ job }: { job: JobDetail }) {
  const { limits } = job;
  const facts: [string, string | undefined | null][] = [
    ["Target", job.target],
    ["Priority", limits.priority ? String(limits.priority) : undefined],
    ["Locks", limits.locks?.join(", ")],
    ["At most", spanOf(limits.max_runtime)],
    ["Late after", spanOf(limits.late_after)],
    ["Waits at most", spanOf(limits.queue_timeout)],
    ["Silent at most", spanOf(limits.silence_timeout)],
    ["Starts", limits.start_rate ? `at most ${limits.start_rate.runs} in ${spanOf(limits.start_rate.per)}` : undefined],
    ["Least interval", spanOf(job.min_interval)],
    ["Missed", job.schedule.length > 0 ? missedWords(job.missed) : undefined],
    ["Overlap", job.triggers.length > 0 ? (overlapWords[job.overlap] ?? job.overlap) : undefined],
    ["Interrupted", limits.resume ? "what is left is resumed by itself" : "left as it is"],
    ["Gate", job.gate],
  ];
  return (
    <div class="stack">
      <h2>Steps</h2>
      {job.steps.map((step) => (
        <Command key={step} line={step} />
      ))}
      <h2>Settings</h2>
      <dl class="facts">
        <dt>Project</dt>
        <dd class="name">
          <Link href={`/assets?project=${encodeURIComponent(job.project)}`}>{job.project}</Link>
        </dd>
        {facts.map(
          ([name, value]) =>
            value && (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd class="name">{value}</dd>
              </Fragment>
            ),
        )}
        <dt>Retries</dt>
        <dd class="name">
          {job.retry ? (
            <>
              <Link href={`/plugins/${encodeURIComponent(job.retry.plugin)}`}>{job.retry.plugin}</Link>, at most{" "}
              {job.retry.max_attempts} attempts
            </>
          ) : (
            "none"
          )}
        </dd>
      </dl>
      {job.retry && <Json data={job.retry.config} label="Configuration of the retry policy" />}
      {Object.keys(job.vars).length > 0 && <Json data={job.vars} label="Variables" />}
    </div>
  );
}

function Runs({ job }: { job: JobDetail }) {
  if (job.runs.length === 0) return <Empty>It never ran. Run it, or wait for its next tick.</Empty>;
  return (
    <div class="stack">
      <Table
        label={`Last runs of ${job.name}`}
        rows={job.runs}
        rowKey={(run) => run.id}
        columns={[
          { id: "run", head: "Run", width: "90px", cell: (run) => <Link href={runHref(run.id)}>run {run.id}</Link> },
          { id: "state", head: "State", width: "130px", cell: (run) => <State state={run.state} /> },
          { id: "at", head: "Asked for", width: "130px", cell: (run) => <Time at={run.requested_at} /> },
          {
            id: "took",
            head: "Took",
            width: "110px",
            cell: (run) => (run.started_at ? <Took from={run.started_at} to={run.finished_at} /> : "–"),
          },
          {
            id: "by",
            head: "By",
            width: "minmax(0, 1fr)",
            cell: (run) => (
              <span class="clip">
                {run.user} <span class="faint small">{run.via}</span>
              </span>
            ),
          },
          {
            id: "reason",
            head: "Why",
            width: "minmax(0, 2fr)",
            narrow: "line",
            cell: (run) => <span class="clip">{run.reason ?? ""}</span>,
          },
        ]}
      />
      <Link href={`/runs?job=${encodeURIComponent(job.name)}`}>All runs of this job</Link>
    </div>
  );
}

/** The page of a job. */
export function Job({ name }: { name: string }) {
  const turns = useRunTurns((message) => message.job === name);
  const of = useLiveQuery(
    ["job", name],
    () => ask(api.GET("/api/v1/jobs/{job}", { params: { path: { job: name } } })),
    ["configuration", ["job", (message) => message.job === name], turns],
  );
  const job = of.data;
  return (
    <>
      <Head
        title={name}
        crumbs={<Link href="/schedules">Schedules</Link>}
        badge={job?.paused ? <span class="badge warn">paused</span> : undefined}
      >
        {job && (
          <>
            <PauseButton job={job} />
            <LaunchLink job={name} />
          </>
        )}
      </Head>
      <Answer of={of}>
        {(job) => (
          <>
            {job.description && <Prose text={job.description} />}
            {job.paused && (
              <p class="notice warn">
                <CirclePause aria-hidden />
                <span>
                  Paused by <b class="name">{job.paused.by}</b>, <Time at={job.paused.since} />: nothing starts it by
                  itself until it is resumed, and what passes meanwhile is not made up for.
                </span>
              </p>
            )}
            <div>
              {job.triggers.length === 0 ? (
                <p class="faint">
                  Nothing starts this job by itself. Give it a <code>schedule</code>, <code>after</code> or{" "}
                  <code>sensors</code> in <code>tidegate.toml</code>, or run it by hand.
                </p>
              ) : (
                job.triggers.map((trigger) => <Starts key={trigger.trigger} of={trigger} />)
              )}
            </div>
            <Tabs
              label="About this job"
              tabs={[
                ...(job.schedule.length > 0 ? [{ id: "next", title: "Next", body: () => <Preview job={job} /> }] : []),
                { id: "history", title: "Decisions", body: () => <History job={name} /> },
                { id: "runs", title: "Last runs", body: () => <Runs job={job} /> },
                { id: "definition", title: "Definition", body: () => <Definition job={job} /> },
              ]}
            />
          </>
        )}
      </Answer>
    </>
  );
}
