/** What a launch would do, before it starts. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Info, LoaderCircle, ShieldAlert, TriangleAlert } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { count } from "../assets/words";
import { assetHref, runHref, useParam } from "../parts/address";
import { Command } from "../parts/copy";
import { useInvalidation } from "../parts/live";
import { ProblemBox } from "../parts/page";
import type { LaunchBody } from "./form";

export type Plan = Schemas["Preview"];
type PlanStep = Schemas["PreviewStep"];
type PlanNode = Schemas["PreviewNode"];

/** How long a form has to rest before the host is asked, in milliseconds. */
const REST = 300;

/** The last of a value that changes often. */
function useRested(value: string): string {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), REST);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}

/** The plan of a launch; none while there is nothing that could be planned. A newer question ends an older one. */
export function usePlan(body: LaunchBody | undefined) {
  const text = useRested(body ? JSON.stringify(body) : "");
  const key = ["plan", text];
  useInvalidation(key, ["project", "configuration", "status"]);
  const plan = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(api.POST("/api/v1/plan", { body: JSON.parse(text) as LaunchBody, signal })),
    enabled: text !== "" && body !== undefined,
    placeholderData: keepPreviousData,
    staleTime: 0,
    refetchOnWindowFocus: false,
  });
  const isOld = plan.isPlaceholderData || (body !== undefined && JSON.stringify(body) !== text);
  return { ...plan, isOld };
}

/** How many names of a type are shown before the rest is only counted. */
const NAMED = 300;

/** Types in the order in which dbt comes to them. */
const TYPES = ["source", "seed", "snapshot", "model", "test", "unit_test", "exposure"];
const words: Record<string, [string, string]> = {
  unit_test: ["unit test", "unit tests"],
  saved_query: ["saved query", "saved queries"],
};

/** Nodes by their type. */
export function byType(nodes: readonly PlanNode[]): [type: string, nodes: PlanNode[]][] {
  const types = new Map<string, PlanNode[]>();
  for (const node of nodes) {
    const known = types.get(node.resource_type);
    if (known) known.push(node);
    else types.set(node.resource_type, [node]);
  }
  const place = (type: string) => (TYPES.indexOf(type) + TYPES.length + 1) % (TYPES.length + 1);
  return [...types].sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b));
}

/** So many of a type, in words. */
export function typeCount(many: number, type: string): string {
  const [one, more] = words[type] ?? [type, `${type}s`];
  return count(many, one, more);
}

function Nodes({ project, nodes }: { project: string; nodes: PlanNode[] }) {
  if (!nodes.length) {
    return (
      <div class="notice warn">
        <TriangleAlert aria-hidden />
        <div>Nothing is selected: dbt would find nothing to do.</div>
      </div>
    );
  }
  return (
    <div class="stack tight">
      {byType(nodes).map(([type, of]) => (
        <details key={type} open={of.length <= 12 && type !== "test"}>
          <summary>{typeCount(of.length, type)}</summary>
          <ul class="names">
            {of.slice(0, NAMED).map((node) => (
              <li key={node.unique_id} class="name">
                {node.key ? (
                  <Link class="clip in-line" href={assetHref(project, node.unique_id)}>
                    {node.key}
                  </Link>
                ) : (
                  <span class="clip in-line">{node.name}</span>
                )}
                {node.checks > 0 && <span class="faint small"> {count(node.checks, "check")}</span>}
              </li>
            ))}
            {of.length > NAMED && <li class="faint">and {(of.length - NAMED).toLocaleString("en")} more</li>}
          </ul>
        </details>
      ))}
    </div>
  );
}

function Step({ plan, step, number }: { plan: Plan; step: PlanStep; number: number }) {
  const names = new Map(step.nodes?.map((node) => [node.unique_id, node.key ?? node.name]));
  return (
    <section class="card stack" aria-label={`Step ${number}`}>
      <h3>
        {plan.steps.length > 1 ? `Step ${number} of ${plan.steps.length}` : "The command"}
        {step.nodes && <span class="faint"> · {count(step.nodes.length, "node")}</span>}
      </h3>
      {step.args.length > 0 ? (
        <Command line={step.line} />
      ) : (
        <p>dbt is not started: the gate leaves nothing of this step to do.</p>
      )}
      {step.args.length === 0 ? null : step.nodes ? (
        <Nodes project={plan.project} nodes={step.nodes} />
      ) : (
        <p class="faint name">{step.problem ?? "Which nodes it touches is known when it runs."}</p>
      )}
      {step.gated.length > 0 && (
        <details>
          <summary>
            {plan.gate === "block" ? "Left out" : "Built in spite of failed checks"}: {count(step.gated.length, "node")}
          </summary>
          <ul class="names">
            {step.gated.slice(0, NAMED).map((gated) => (
              <li key={gated.unique_id} class="name">
                {names.get(gated.unique_id) ?? gated.unique_id}{" "}
                <span class="faint small">stands behind {gated.check}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Gate({ plan, ignored }: { plan: Plan | undefined; ignored: boolean }) {
  const [, set] = useParam("ignore_gate");
  if (!ignored && !plan?.failed_checks.length) return null;
  return (
    <div class="notice warn">
      <ShieldAlert aria-hidden />
      <div class="stack tight grow">
        {plan && plan.failed_checks.length > 0 && (
          <div>
            {plan.gate === "block"
              ? "Checks have failed in earlier runs. What reads their assets is left out:"
              : "Checks have failed in earlier runs; what reads their assets is built all the same:"}
            <ul class="names">
              {plan.failed_checks.slice(0, 20).map((check) => (
                <li key={check.unique_id} class="name">
                  {check.unique_id} in{" "}
                  <Link class="in-text" href={runHref(check.run)}>
                    run {check.run}
                  </Link>
                </li>
              ))}
              {plan.failed_checks.length > 20 && <li class="faint">and {plan.failed_checks.length - 20} more</li>}
            </ul>
          </div>
        )}
        {(ignored || plan?.gate === "block") && (
          <label class="row check">
            <input
              type="checkbox"
              checked={ignored}
              onChange={(event) => set(event.currentTarget.checked ? "1" : "")}
            />
            Run in spite of checks that failed in earlier runs; the run's record says who wanted that
          </label>
        )}
      </div>
    </div>
  );
}

function Waits({ plan }: { plan: Plan }) {
  const held = plan.locks.filter((lock) => lock.held_by.length > 0);
  return (
    <div class={`notice ${plan.waits_for ? "run" : ""}`}>
      <Info aria-hidden />
      <div class="grow">
        <div class="name">{plan.waits_for ? `It would wait: ${plan.waits_for}` : "It would start at once."}</div>
        {plan.locks.length > 0 && (
          <details>
            <summary>
              {count(plan.locks.length, "lock")}
              {held.length > 0 && `, ${held.length} held`}
            </summary>
            <ul class="names">
              {plan.locks.map((lock) => (
                <li key={lock.name} class="name">
                  {lock.name}{" "}
                  <span class="faint small">
                    {lock.held_by.length} of {lock.capacity} held
                  </span>{" "}
                  {lock.held_by.map((run) => (
                    <Link key={run} href={runHref(run)}>
                      run {run}{" "}
                    </Link>
                  ))}
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </div>
  );
}

/** The plan as far as it is known. */
export function PlanView({ of, ignored }: { of: ReturnType<typeof usePlan>; ignored: boolean }) {
  const plan = of.data;
  return (
    <section class="stack" aria-label="What it will do" aria-busy={of.isFetching}>
      <div class="row">
        <h2>What it will do</h2>
        <span class="faint small row" role="status">
          {of.isFetching && (
            <>
              <LoaderCircle class="spin icon-16" aria-hidden /> asking dbt
            </>
          )}
        </span>
      </div>
      {of.error && <ProblemBox error={of.error} />}
      <Gate plan={plan} ignored={ignored} />
      {plan && !of.error && (
        <div class={of.isOld ? "stack old" : "stack"}>
          {plan.warnings.map((text) => (
            <div key={text} class="notice warn">
              <TriangleAlert aria-hidden />
              <div class="name pre">{text}</div>
            </div>
          ))}
          <Waits plan={plan} />
          {plan.steps.map((step, index) => (
            <Step key={index} plan={plan} step={step} number={index + 1} />
          ))}
        </div>
      )}
    </section>
  );
}
