/** The head of a run's page: what it is, where it stands and why, and what can be done about it. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { jobHref, runHref } from "../parts/address";
import { Command } from "../parts/copy";
import { Head } from "../parts/page";
import { State } from "../parts/state";
import { ago, moment, now, span, Time, Took } from "../parts/time";
import { Again, Cancel, Resume } from "./actions";
import { selectionOf } from "./address";
import { Counts, Progress } from "./counts";
import { isFailure } from "./nodes";
import type { RunDetail } from "./shapes";
import { Long } from "./text";
import { askedBy, isFinished, meaningOf, stepState, waitingOf } from "./words";

export function RunHead({ run }: { run: RunDetail }) {
  return (
    <>
      <Head
        title={run.title}
        badge={<State state={run.state} />}
        crumbs={
          <>
            <Link href="/runs">Runs</Link> / run {run.id} of <span class="name">{run.project}</span>
            {run.job && (
              <>
                {" "}
                / <Link href={jobHref(run.job)}>job</Link>
              </>
            )}
          </>
        }
      >
        <Cancel run={run} />
        <Resume run={run} resumedBy={run.resumed_by} />
        <Again run={run} />
      </Head>
      <div class="run-head">
        <div class="run-facts">
          <span>
            {run.started_at ? (
              <>
                {isFinished(run.state) ? "took " : "runs for "}
                <strong>
                  <Took from={run.started_at} to={run.finished_at} />
                </strong>
              </>
            ) : (
              <>asked for {<Time at={run.requested_at} />}</>
            )}
          </span>
          <span class="name">
            by <strong>{askedBy(run)}</strong>
          </span>
          <span title={moment(run.requested_at)}>
            {moment(run.started_at ?? run.requested_at)}
            {run.started_at && waited(run)}
          </span>
          {!isFinished(run.state) && <Progress counts={run.counts} />}
        </div>
        {run.launch.reason && <p class="faint name">because {run.launch.reason}</p>}
        {run.steps.length > 1 && <Steps run={run} />}
        {Object.keys(run.counts).length > 0 && <Counts counts={run.counts} />}
      </div>
      <Why run={run} />
    </>
  );
}

/** Where each step stands, also before dbt has told of any node: of a job with several one wants to see which one runs. */
function Steps({ run }: { run: RunDetail }) {
  return (
    <ol class="run-steps" aria-label="Steps">
      {run.steps.map((step) => (
        <li key={step.number} class="row">
          <State state={stepState(step, run.state)} />
          <span class="faint">step {step.number}</span>
          <code class="clip-1" title={step.command_line}>
            {step.command_line}
          </code>
        </li>
      ))}
    </ol>
  );
}

/** The commands that do and show the same. */
export function CommandLine({ run }: { run: RunDetail }) {
  return (
    <details class="cli">
      <summary>The same on the command line</summary>
      <Command line={commandOf(run)} />
      <Command line={`tidegate runs show ${run.id}`} />
      <Command line={`tidegate logs ${run.id}`} />
    </details>
  );
}

/** How long it waited for its turn, where that is worth a word. */
function waited(run: RunDetail): string {
  const seconds = (Date.parse(run.started_at ?? run.requested_at) - Date.parse(run.requested_at)) / 1000;
  return seconds >= 2 ? `, after waiting ${span(seconds)}` : "";
}

/** The command that asks for the same again. */
function commandOf(run: RunDetail): string {
  if (run.launch.command) return run.launch.command;
  const quoted = (words: string[]) =>
    words.map((word) => (/^[\w@+:.,/=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  if (run.job) return `tidegate run ${quoted([run.job])}`;
  const { select, exclude, full } = selectionOf(run.steps[0]?.args ?? []);
  const without = exclude.length > 0 ? ["--exclude", ...exclude] : [];
  const words = [...select, ...without, ...(full ? ["--full-refresh"] : []), "--project", run.project];
  return `tidegate materialize ${quoted(words).join(" ")}`;
}

function Notice({ tone, children }: { tone: string; children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`}>
      <div class="stack">{children}</div>
    </div>
  );
}

/** Why a run is in its state, and what it waits for. */
function Why({ run }: { run: RunDetail }) {
  const waiting = waitingOf(run.steps, run.state);
  const meaning = meaningOf(run.state);
  // Which node failed is told by the panel of what failed.
  const isToldOfNodes = run.state === "failed" && Object.keys(run.counts).some(isFailure);
  // So is what dbt itself said of an attempt, where that is all that there is to say.
  const isToldOfDbt = run.steps.some((step) => {
    const attempt = step.attempts.at(-1);
    return attempt?.state === "failed" && (attempt.exit?.spawn_error ?? attempt.reason) === run.reason;
  });
  const isTold = isToldOfNodes || isToldOfDbt;
  const reason = run.reason && run.state !== "succeeded" && !isTold ? run.reason : null;
  const isOver = isFinished(run.state);
  return (
    <>
      {run.state === "queued" && (
        <Notice tone="run">
          <strong>Queued</strong>
          <span class="name">{run.waits_for ?? "waiting for its turn"}</span>
        </Notice>
      )}
      {waiting && (
        <Notice tone="run">
          <strong>
            Waits for attempt {waiting.attempt.number + 1} of step {waiting.step}
            {waiting.decided.due && `, due ${dueIn(waiting.decided.due)}`}
          </strong>
          <span class="name">{waiting.decided.reason}</span>
          {waiting.decided.plugin && (
            <span class="faint">
              decided by {waiting.decided.plugin.name} {waiting.decided.plugin.version}
            </span>
          )}
        </Notice>
      )}
      {!isOver && run.cancelled_by != null && (
        <Notice tone="warn">
          <strong class="name">{run.cancelled_by} asked to cancel it.</strong>
          <span>dbt gets 25 s to stop its queries, then SIGTERM, and 5 s later SIGKILL.</span>
        </Notice>
      )}
      {!isOver && run.stop && (
        <Notice tone="warn">
          <strong>The host has asked it to stop; it ends as {run.stop.state}.</strong>
          <span class="name">{run.stop.reason}</span>
        </Notice>
      )}
      {isOver && (meaning || reason) && (
        <Notice tone={["failed", "refused"].includes(run.state) ? "bad" : run.state === "empty" ? "" : "warn"}>
          {run.state === "cancelled" && run.cancelled_by && (
            <strong class="name">{run.cancelled_by} cancelled it.</strong>
          )}
          {reason && (
            <span class="prewrap">
              <Long text={reason} longest={600} lines={6} />
            </span>
          )}
          {meaning && <span class="faint">{meaning}</span>}
        </Notice>
      )}
      {run.resumes != null && (
        <p>
          It does what was left of <Link href={runHref(run.resumes)}>run {run.resumes}</Link>.
        </p>
      )}
    </>
  );
}

function dueIn(due: string): string {
  const seconds = (Date.parse(due) - now.value) / 1000;
  return seconds > 0 ? `${ago(due)} (${moment(due)})` : "now";
}
