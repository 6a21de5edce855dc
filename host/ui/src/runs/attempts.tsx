/** Per step and attempt: what was called, how it ended, with which versions, what was decided about it and why. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { pluginHref, runHref } from "../parts/address";
import { Command } from "../parts/copy";
import { Empty } from "../parts/page";
import { State } from "../parts/state";
import { moment, span, Took } from "../parts/time";
import { tabHref } from "./address";
import type { AtTheGate, Attempt, Decided, PluginRecord, RunDetail, Step } from "./shapes";
import { Long } from "./text";
import { bytes, count, decisionOf, exitOf, isFinished, shortId } from "./words";

export function Attempts({ run }: { run: RunDetail }) {
  if (run.steps.length === 0) return <Empty>What is left to do is found out when it starts.</Empty>;
  return (
    <div class="stack">
      {run.steps.map((step) => (
        <OneStep key={step.number} run={run} step={step} />
      ))}
    </div>
  );
}

function OneStep({ run, step }: { run: RunDetail; step: Step }) {
  const notRun = isFinished(run.state) && step.state === "queued";
  return (
    <section class="card stack" aria-labelledby={`step-${step.number}`}>
      <h2 id={`step-${step.number}`} class="row">
        Step {step.number} {notRun ? <span class="badge">not run</span> : <State state={step.state} />}
      </h2>
      {step.attempts.length === 0 && <Command line={step.command_line} />}
      {step.attempts.map((attempt, at) => (
        <OneAttempt
          key={attempt.number}
          run={run}
          step={step}
          attempt={attempt}
          isLast={at === step.attempts.length - 1}
        />
      ))}
    </section>
  );
}

function OneAttempt(props: { run: RunDetail; step: Step; attempt: Attempt; isLast: boolean }) {
  const { run, step, attempt, isLast } = props;
  const at = `${step.number}.${attempt.number}`;
  const exit = exitOf(attempt);
  const counts = Object.entries(attempt.counts).map(([state, n]) => `${n.toLocaleString("en")} ${state}`);
  const used = [
    attempt.dbt_version && `dbt ${attempt.dbt_version}`,
    attempt.adapter,
    attempt.target && `target ${attempt.target}`,
  ];
  return (
    <article class="stack attempt-card" aria-label={`Step ${step.number}, attempt ${attempt.number}`}>
      {step.attempts.length > 1 && (
        <h3 class="row">
          Attempt {attempt.number} <State state={attempt.state} />
        </h3>
      )}
      {attempt.command_line ? (
        <Command line={attempt.command_line} />
      ) : (
        <p class="faint">dbt was not started: the gate left nothing to do of {step.command_line}</p>
      )}
      {attempt.reason && !["succeeded", "running"].includes(attempt.state) && (
        <pre class="message">
          <Long text={attempt.reason} />
        </pre>
      )}
      <dl class="facts">
        <Fact name="Began">{moment(attempt.started_at)}</Fact>
        <Fact name="Took">
          <Took from={attempt.started_at} to={attempt.finished_at} />
        </Fact>
        {exit && <Fact name="dbt's exit">{exit}</Fact>}
        {attempt.exit && (
          <Fact name="Used">
            {span(attempt.exit.cpu_seconds)} of processor time, {bytes(attempt.exit.peak_memory)} at the most
          </Fact>
        )}
        {attempt.exit?.cancelled && <Fact name="Stopped">It was asked to stop.</Fact>}
        {attempt.exit?.leaked && <Fact name="Left behind">Processes that dbt had left behind were killed.</Fact>}
        {attempt.exit && attempt.exit.lost_lines > 0 && (
          <Fact name="Lost lines">{count(attempt.exit.lost_lines, "line")} of its log could not be kept.</Fact>
        )}
        {used.some(Boolean) && <Fact name="With">{used.filter(Boolean).join(", ")}</Fact>}
        {attempt.revision && (
          <Fact name="Revision">
            <code class="name">{attempt.revision}</code>
          </Fact>
        )}
        {counts.length > 0 && (
          <Fact name="Nodes">
            <Link href={tabHref(run.id, { tab: "nodes", attempt: at })}>{counts.join(", ")}</Link>
            {attempt.planned != null && `; ${count(attempt.planned, "node")} planned`}
          </Fact>
        )}
        {!attempt.has_results && isFinished(attempt.state) && attempt.command_line && (
          <Fact name="Results">dbt left no results; what is known is what it said.</Fact>
        )}
        <Fact name="Log">
          <Link href={tabHref(run.id, { tab: "log", log_attempt: at })}>{bytes(attempt.log_bytes)}</Link>
          {attempt.raw_lines > 0 && `, ${count(attempt.raw_lines, "line")} of it no dbt events`}
        </Fact>
        {attempt.invocation_id && (
          <Fact name="Invocation">
            <code class="name">{attempt.invocation_id}</code>
          </Fact>
        )}
        {attempt.environment.length > 0 && (
          <Fact name="Environment">
            <details>
              <summary>{count(attempt.environment.length, "variable")}; values are not kept</summary>
              <code class="name">{attempt.environment.join(" ")}</code>
            </details>
          </Fact>
        )}
      </dl>
      {attempt.gate && <AtGate gate={attempt.gate} />}
      {attempt.decided && <Decision decided={attempt.decided} begun={!isLast} over={isFinished(run.state)} />}
    </article>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** What was found at the gate before an attempt. */
function AtGate({ gate }: { gate: AtTheGate }) {
  return (
    <div class="notice warn">
      <div>
        <strong>
          {count(gate.nodes.length, "node")} {gate.gate === "block" ? "left out" : "built all the same"}
        </strong>{" "}
        behind checks that had failed:
        <ul class="inline-list">
          {gate.checks.map((check) => (
            <li key={check.unique_id}>
              <span class="name" title={check.unique_id}>
                {shortId(check.unique_id)}
              </span>{" "}
              in <Link href={runHref(check.run)}>run {check.run}</Link>
            </li>
          ))}
        </ul>
        <details>
          <summary>Which nodes</summary>
          <ul>
            {gate.nodes.slice(0, 500).map((node) => (
              <li key={node.unique_id} class="name">
                {shortId(node.unique_id)} <span class="faint">because of {shortId(node.check)}</span>
              </li>
            ))}
          </ul>
          {gate.nodes.length > 500 && <p class="faint">and {count(gate.nodes.length - 500, "more node")}</p>}
        </details>
      </div>
    </div>
  );
}

/** What a retry policy decided, and why. */
function Decision({ decided, begun, over }: { decided: Decided; begun: boolean; over: boolean }) {
  return (
    <div class={`notice ${decided.decision === "retry" ? "warn" : "bad"}`}>
      <div class="stack">
        <div>
          <strong>{decisionOf(decided, begun, over)}</strong>
          <div class="name">{decided.reason}</div>
          {decided.fault && <div class="faint name">The default applies: {decided.fault}</div>}
          {decided.due && !begun && !over && <div>Due at {moment(decided.due)}</div>}
        </div>
        {decided.plugin && (
          <div class="small">
            <PluginName plugin={decided.plugin} />
          </div>
        )}
      </div>
    </div>
  );
}

/** A plugin that had a say, exactly. */
export function PluginName({ plugin }: { plugin: PluginRecord }) {
  return (
    <span>
      {plugin.kind}{" "}
      <Link href={pluginHref(plugin.name)} class="name">
        {plugin.name}
      </Link>{" "}
      {plugin.version} <code title={plugin.digest}>{plugin.digest.slice(0, 12)}</code>
    </span>
  );
}
