/** What a launch is asked to do, as the page's address has it and as the API wants it. */
import type { Schemas } from "../api/client";
import { readIds, writeIds } from "./ids";
import { type Fault, joinWords, readPriority, readThreads, readVars, splitWords } from "./words";

export type LaunchBody = Schemas["LaunchBody"];
export type Scope = Schemas["Scope"];
export type NodeCommand = Schemas["NodeCommand"];

/** How much of the lineage around assets is meant. */
export const SCOPES: readonly Scope[] = ["this", "upstream", "downstream", "both"];

/** What is done with a selection. */
export const COMMANDS: readonly NodeCommand[] = ["build", "run", "test", "seed", "snapshot"];

/** What the page's fields say. Texts are as they were typed. */
export type Form = {
  /** The job; empty where nodes of a project are chosen instead. */
  job: string;
  project: string;
  /** Unique ids. */
  assets: string[];
  /** Whether the address names a list of assets that this tab does not have. */
  lost: boolean;
  scope: Scope;
  /** Only what failed or was skipped: of the project, or of a run. */
  failed: boolean;
  failedOf: string;
  command: NodeCommand;
  select: string;
  exclude: string;
  /** `yes`, `no`, or empty, which leaves it to the steps. */
  fullRefresh: "" | "yes" | "no";
  vars: string;
  target: string;
  threads: string;
  priority: string;
  ignoreGate: boolean;
};

const one = <T extends string>(of: readonly T[], text: string | null, otherwise: T): T =>
  of.find((word) => word === text) ?? otherwise;
const yes = (text: string | null) => text === "1" || text === "true" || text === "yes";

/** The form that an address describes. */
export function formOf(params: URLSearchParams): Form {
  const text = (name: string) => params.get(name) ?? "";
  const ids = readIds(text("assets"));
  const refresh = params.get("full_refresh");
  return {
    job: text("job"),
    project: text("project"),
    assets: ids ?? [],
    lost: ids === undefined,
    scope: one(SCOPES, params.get("scope"), "this"),
    failed: yes(params.get("failed")) || params.get("scope") === "failed",
    failedOf: text("failed_of"),
    command: one(COMMANDS, params.get("command"), "build"),
    select: text("select"),
    exclude: text("exclude"),
    fullRefresh: yes(refresh) ? "yes" : refresh === "0" || refresh === "no" || refresh === "false" ? "no" : "",
    vars: text("vars"),
    target: text("target"),
    threads: text("threads"),
    priority: text("priority"),
    ignoreGate: yes(params.get("ignore_gate")),
  };
}

/** Whether a form says at all what is to be run. */
export function isEmpty(form: Form): boolean {
  return !form.job && !form.assets.length && !form.select.trim() && !form.failed && !form.failedOf;
}

/** What the fields of a form cannot be, by their names in the address. */
export type Faults = Partial<Record<"vars" | "threads" | "priority" | "select" | "exclude" | "assets", Fault>>;

/** What a selection of the command line and of the API refuses too; said while it is typed. */
export function selectorFault(text: string): Fault | undefined {
  const odd = splitWords(text).find((word) => word.startsWith("-") || !word.trim());
  if (odd === undefined) return undefined;
  return {
    message: odd.trim() ? `\`${odd}\` is no selection: dbt would take it for an option.` : "A selection is empty.",
  };
}

/** What is wrong with a form. */
export function faultsOf(form: Form): Faults {
  const faults: Faults = {};
  const vars = readVars(form.vars);
  if ("fault" in vars) faults.vars = vars.fault;
  const threads = readThreads(form.threads);
  if ("fault" in threads) faults.threads = threads.fault;
  const priority = readPriority(form.priority);
  if ("fault" in priority) faults.priority = priority.fault;
  const select = selectorFault(form.select);
  if (select) faults.select = select;
  const exclude = selectorFault(form.exclude);
  if (exclude) faults.exclude = exclude;
  if (form.lost)
    faults.assets = { message: "The assets of this link were chosen in another tab, and are not known here." };
  return faults;
}

/** What the API is asked for by a form without faults. */
export function bodyOf(form: Form): LaunchBody {
  const vars = readVars(form.vars);
  const [select, exclude] = [splitWords(form.select), splitWords(form.exclude)];
  const parameters: NonNullable<LaunchBody["parameters"]> = {
    ...(form.fullRefresh && { full_refresh: form.fullRefresh === "yes" }),
    ...("vars" in vars && Object.keys(vars.vars).length > 0 && { vars: vars.vars }),
    ...(form.target.trim() && { target: form.target.trim() }),
    ...readThreads(form.threads),
  };
  const more = { ...(form.ignoreGate && { ignore_gate: true }), ...readPriority(form.priority) };
  if (form.job) {
    const narrowed = { ...(select.length > 0 && { select }), ...(exclude.length > 0 && { exclude }) };
    return { job: form.job, ...given({ ...parameters, ...narrowed }), ...more };
  }
  return {
    project: form.project,
    ...(form.command !== "build" && { command: form.command }),
    ...(select.length > 0 && { select }),
    ...(exclude.length > 0 && { exclude }),
    ...(form.assets.length > 0 && { assets: form.assets, scope: form.scope }),
    ...(form.failed && { failed: true }),
    ...(/^\d+$/.test(form.failedOf) && { failed_of: Number(form.failedOf) }),
    ...given(parameters),
    ...more,
  };
}

function given(parameters: NonNullable<LaunchBody["parameters"]>): Pick<LaunchBody, "parameters"> {
  return Object.keys(parameters).length ? { parameters } : {};
}

/** The parameters of the address for what the API was asked for. */
export function paramsOf(body: LaunchBody): URLSearchParams {
  const params = new URLSearchParams();
  const set = (name: string, value: string | number | null | undefined) => {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  };
  const of = body.parameters ?? {};
  set("job", body.job);
  set("project", body.project);
  set("assets", body.assets?.length ? writeIds(body.assets) : "");
  set("scope", body.scope === "this" ? "" : body.scope);
  set("command", body.command === "build" ? "" : body.command);
  set("select", joinWords((body.job ? of.select : body.select) ?? []));
  set("exclude", joinWords((body.job ? of.exclude : body.exclude) ?? []));
  set("failed", body.failed ? "1" : "");
  set("failed_of", body.failed_of);
  set("full_refresh", typeof of.full_refresh === "boolean" ? (of.full_refresh ? "1" : "0") : "");
  set("vars", of.vars && Object.keys(of.vars).length ? JSON.stringify(of.vars, undefined, 2) : "");
  set("target", of.target);
  set("threads", of.threads);
  set("priority", body.priority);
  set("ignore_gate", body.ignore_gate ? "1" : "");
  return params;
}

/** An address of this page with some of its parameters. */
export type Prefill = {
  job?: string;
  project?: string;
  assets?: readonly string[];
  scope?: Scope;
  select?: string;
  failed?: boolean;
  failedOf?: number | string;
  fullRefresh?: boolean;
  again?: number | string;
};

/** The address of the launch page for something. */
export function launchHref(of: Prefill): string {
  const params = new URLSearchParams();
  if (of.job) params.set("job", of.job);
  if (of.project) params.set("project", of.project);
  if (of.assets?.length) params.set("assets", writeIds(of.assets));
  if (of.scope && of.scope !== "this") params.set("scope", of.scope);
  if (of.select) params.set("select", of.select);
  if (of.failed) params.set("failed", "1");
  if (of.failedOf !== undefined) params.set("failed_of", String(of.failedOf));
  if (of.fullRefresh) params.set("full_refresh", "1");
  if (of.again !== undefined) params.set("again", String(of.again));
  const query = params.toString();
  return query ? `/launch?${query}` : "/launch";
}
