/** What can be set about a launch. */
import { X } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Schemas } from "../api/client";
import { assetHref, setParams, useParam } from "../parts/address";
import { CheckField, Radios, TextArea, TextField } from "./fields";
import { COMMANDS, type Faults, type Form } from "./form";
import { writeIds } from "./ids";

type Plan = Schemas["Preview"];

const SCOPE_WORDS = [
  { value: "this", text: "Only these" },
  { value: "upstream", text: "With upstream", title: "and everything that they are made from" },
  { value: "downstream", text: "With downstream", title: "and everything that is made from them" },
  { value: "both", text: "With both" },
];

/** How many assets are named before the rest is only counted. */
const NAMED = 20;

function Chosen({ form, names }: { form: Form; names: Map<string, string> }) {
  const drop = (id: string) => setParams({ assets: writeIds(form.assets.filter((other) => other !== id)) });
  return (
    <div class="field">
      <div class="label">
        {form.assets.length === 1 ? "Asset" : `${form.assets.length.toLocaleString("en")} assets`}
      </div>
      <ul class="picked">
        {form.assets.slice(0, NAMED).map((id) => (
          <li key={id} class="tag">
            <Link href={assetHref(form.project, id)} class="clip" title={(names.get(id) ?? id).slice(0, 500)}>
              {(names.get(id) ?? id).slice(0, 200)}
            </Link>
            <button
              type="button"
              class="button quiet icon"
              aria-label={`Leave out ${(names.get(id) ?? id).slice(0, 200)}`}
              onClick={() => drop(id)}
            >
              <X aria-hidden />
            </button>
          </li>
        ))}
        {form.assets.length > NAMED && (
          <li class="faint">and {(form.assets.length - NAMED).toLocaleString("en")} more</li>
        )}
      </ul>
    </div>
  );
}

/** Only what failed: of the assets that were chosen, or of the whole project. */
function FailedOnly({ form }: { form: Form }) {
  return form.assets.length > 0 ? (
    <CheckField
      param="failed"
      label="Failed only"
      help="of these, and of what comes with them, only what failed or was skipped when it was dealt with last"
    />
  ) : (
    <CheckField
      param="failed"
      label="What failed or was skipped"
      help="every node of the project that went so when it was dealt with last"
    />
  );
}

function FullRefresh({ form }: { form: Form }) {
  return (
    <>
      {form.job ? (
        <Radios
          param="full_refresh"
          label="Full refresh"
          options={[
            { value: "", text: "As the job says" },
            { value: "1", text: "Yes" },
            { value: "0", text: "No" },
          ]}
        />
      ) : (
        <CheckField param="full_refresh" label="Full refresh" />
      )}
      {form.fullRefresh === "yes" && (
        <div class="notice warn" role="status">
          <div>
            Incremental models and seeds are dropped and built again from nothing. What their sources no longer hold is
            lost, and it can take much longer. Nodes that refuse it are named beside the plan.
          </div>
        </div>
      )}
    </>
  );
}

/** The fields. What none of the steps takes is not offered. */
export function Parameters(props: {
  form: Form;
  faults: Faults;
  plan: Plan | undefined;
  projects: string[];
  names: Map<string, string>;
}) {
  const { form, faults, plan } = props;
  const [, setProject] = useParam("project");
  const isFilled = Boolean(form.vars || form.target || form.threads || form.priority);
  const [isOpen, setOpen] = useState(isFilled);
  // It opens by itself for what is filled, and never closes under the hands of who clears it.
  useEffect(() => {
    if (isFilled) setOpen(true);
  }, [isFilled]);
  const takes = (name: string) => !plan || plan.takes.includes(name);
  return (
    <form class="stack launch-form" onSubmit={(event) => event.preventDefault()}>
      {!form.job && props.projects.length > 1 && (
        <label class="field">
          Project
          <select value={form.project} onChange={(event) => setProject(event.currentTarget.value)}>
            {props.projects.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      {form.assets.length > 0 && !form.job && <Chosen form={form} names={props.names} />}
      {form.assets.length > 0 && !form.job && <Radios param="scope" label="How far" options={SCOPE_WORDS} />}
      {form.assets.length > 0 && !form.job && <FailedOnly form={form} />}
      {form.failedOf && !form.job && (
        <div class="notice">
          <div class="grow">
            What is not done of{" "}
            <Link class="in-text" href={`/runs/${form.failedOf}`}>
              run {form.failedOf}
            </Link>
            : what failed in it, was skipped or was never come to.
          </div>
        </div>
      )}
      {(!form.job || takes("select")) && (
        <TextField
          param="select"
          label={form.job ? "Select, in place of what the steps say" : form.assets.length ? "And also" : "Select"}
          placeholder={form.job ? "as the steps say" : "fct_orders+ tag:daily key:source/raw/orders+"}
          fault={faults.select}
          help={form.job ? undefined : "dbt's selection syntax, or key:ASSET/KEY; a blank unites"}
        />
      )}
      {(!form.job || takes("exclude")) && (
        <TextField param="exclude" label="Leave out" placeholder="nothing" fault={faults.exclude} />
      )}
      {!form.job && (
        <Radios
          param="command"
          label="What is done with them"
          options={COMMANDS.map((value) => ({ value, text: `dbt ${value}` }))}
        />
      )}
      {takes("full_refresh") && <FullRefresh form={form} />}
      {!form.job && form.assets.length === 0 && <FailedOnly form={form} />}
      <details class="stack" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Variables, target, threads, priority</summary>
        <div class="stack">
          <TextArea
            param="vars"
            label="Variables"
            placeholder={'{"day": "2026-01-31"}'}
            fault={faults.vars}
            help="JSON; they come before those of the job and the project"
          />
          <TextField
            param="target"
            label="Target"
            placeholder={plan?.target ?? "as configured"}
            {...(plan?.targets && { list: plan.targets })}
          />
          {takes("threads") && (
            <TextField param="threads" label="Threads" placeholder="as configured" fault={faults.threads} />
          )}
          <TextField
            param="priority"
            label="Priority"
            placeholder="as configured"
            fault={faults.priority}
            help="higher goes first in the queue"
          />
        </div>
      </details>
    </form>
  );
}
