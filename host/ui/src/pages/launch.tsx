/** Launch: a job with its parameters, or nodes of a project; what it will do is shown before it starts. */
import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation, useSearch } from "wouter-preact";
import { api, ask } from "../api/client";
import "../assets/text.css";
import "../launch/launch.css";
import { useProjects } from "../assets/data";
import { bodyOf, type Form, faultsOf, formOf, isEmpty, launchHref, paramsOf } from "../launch/form";
import { JobCard } from "../launch/jobs";
import { Parameters } from "../launch/parameters";
import { type Plan, PlanView, usePlan } from "../launch/plan";
import { launch } from "../launch/send";
import { Act } from "../parts/act";
import { runHref } from "../parts/address";
import { useJobs } from "../parts/jobs";
import { Answer, Empty, Head, ProblemBox, Waiting } from "../parts/page";

/** Nothing is chosen yet: the jobs, and a selection by hand. */
function Choose({ projects }: { projects: string[] }) {
  const jobs = useJobs();
  const [chosen, setProject] = useState("");
  const [select, setSelect] = useState("");
  const project = chosen || (projects[0] ?? "");
  const [, go] = useLocation();
  return (
    <>
      <Head title="Launch" />
      <section class="stack" aria-label="Jobs">
        <h2>Jobs</h2>
        <Answer of={jobs}>
          {(jobs) =>
            jobs.length ? (
              <ul class="jobs">
                {jobs.map((job) => (
                  <JobCard key={job.name} job={job} withProject={projects.length > 1} />
                ))}
              </ul>
            ) : (
              <Empty>
                There is no job yet. Write one into <code>tidegate.toml</code>, as <code>[jobs.build]</code> with{" "}
                <code>steps = ["dbt build"]</code>, then <code>tidegate reload</code>.
              </Empty>
            )
          }
        </Answer>
      </section>
      <section class="card stack" aria-label="Some nodes">
        <h2>Or some nodes of {projects.length > 1 ? "a project" : (projects[0] ?? "the project")}</h2>
        {projects.length > 1 && (
          <label class="row">
            Project
            <select value={project} onChange={(event) => setProject(event.currentTarget.value)}>
              {projects.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (select.trim()) go(launchHref({ project, select: select.trim() }));
          }}
        >
          <input
            type="text"
            class="mono grow"
            aria-label="Select, in dbt's selection syntax or as key:ASSET/KEY"
            placeholder="fct_orders+ tag:daily key:source/raw/orders+"
            value={select}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={(event) => setSelect(event.currentTarget.value)}
          />
          <button type="submit" class="button">
            Show the plan
          </button>
        </form>
        <div class="row">
          <Link href={launchHref({ project, failed: true })} class="button">
            What failed or was skipped
          </Link>
          <Link href="/assets" class="button">
            Pick from the assets
          </Link>
        </div>
      </section>
    </>
  );
}

/** What assets are called: by their keys, once the plan tells them. */
function namesOf(ids: readonly string[], plan: Plan | undefined): Map<string, string> {
  const names = new Map(ids.map((id) => [id, id.split(".").slice(2).join(".") || id]));
  for (const node of plan?.steps.flatMap((step) => step.nodes ?? []) ?? []) {
    if (node.key && names.has(node.unique_id)) names.set(node.unique_id, node.key);
  }
  return names;
}

function titleOf(form: Form, names: Map<string, string>): string {
  if (form.job) return `Launch ${form.job}`;
  const [first] = form.assets;
  if (first && form.assets.length === 1) return `Materialize ${names.get(first) ?? first}`;
  if (first) return `Materialize ${form.assets.length.toLocaleString("en")} assets`;
  if (form.failedOf) return `Finish run ${form.failedOf}`;
  if (form.failed && !form.select) return "Materialize what failed";
  return form.select.trim() ? `Materialize ${form.select}` : "Launch";
}

/** Something is chosen: its parameters, its plan, and the button. */
function Prepare({ form, projects }: { form: Form; projects: string[] }) {
  const [, go] = useLocation();
  const faults = faultsOf(form);
  const wrong = Object.values(faults)[0]?.message ?? (isEmpty(form) ? "Nothing is selected yet." : undefined);
  const body = wrong ? undefined : bodyOf(form);
  const plan = usePlan(body);
  const names = useMemo(() => namesOf(form.assets, plan.data), [form.assets.join(), plan.data]);
  const start = async () => {
    if (body) go(runHref(await launch(body)));
  };
  return (
    <>
      <Head title={titleOf(form, names)} crumbs={<Link href="/launch">Launch</Link>}>
        <Act kind="primary" act={start} unless={wrong}>
          <Play aria-hidden /> Launch
        </Act>
      </Head>
      {form.lost && (
        <ProblemBox error={new Error("The assets of this link were chosen in another tab and are not known here.")} />
      )}
      <div class="launch">
        <section class="card" aria-label="Parameters">
          <Parameters form={form} faults={faults} plan={plan.data} projects={projects} names={names} />
        </section>
        {body ? (
          <PlanView of={plan} ignored={form.ignoreGate} />
        ) : (
          <Empty>{wrong} The plan comes when the form is in order.</Empty>
        )}
      </div>
    </>
  );
}

/** What a run was asked for, as the form that asks for it again. */
function Again({ run }: { run: string }) {
  const id = Number(run);
  const [, go] = useLocation();
  const asked = useQuery({
    queryKey: ["launch", id],
    queryFn: () => ask(api.GET("/api/v1/runs/{run}/launch", { params: { path: { run: id } } })),
  });
  useEffect(() => {
    if (asked.data) go(`/launch?${paramsOf(asked.data)}`, { replace: true });
  }, [asked.data, go]);
  return (
    <>
      <Head title={`Launch run ${run} again`} crumbs={<Link href="/launch">Launch</Link>} />
      {asked.error ? <ProblemBox error={asked.error} /> : <Waiting />}
    </>
  );
}

/** A link names no project, and there are several: whoever opens it is asked. */
function Which({ form, projects }: { form: Form; projects: string[] }) {
  const of = (project: string) => {
    const params = new URLSearchParams(window.location.search);
    params.set("project", project);
    return `/launch?${params}`;
  };
  return (
    <>
      <Head title={titleOf(form, namesOf(form.assets, undefined))} crumbs={<Link href="/launch">Launch</Link>} />
      <section class="card stack" aria-labelledby="which">
        <h2 id="which">Of which project?</h2>
        <p class="faint">The link does not say it, and there are {projects.length}.</p>
        <ul class="plain row">
          {projects.map((name) => (
            <li key={name}>
              <Link href={of(name)} class="button">
                {name}
              </Link>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

/** The page. */
export default function Launch() {
  useSearch();
  const params = new URLSearchParams(window.location.search);
  const projects = useProjects();
  const again = params.get("again");
  if (again) return <Again run={again} />;
  const form = formOf(params);
  const names = projects.data?.map((project) => project.name) ?? [];
  // A link without a project means the only one.
  if (!form.project && !form.job && names.length === 1) form.project = names[0] ?? "";
  const isNew = isEmpty(form) && !form.lost && !params.has("project");
  if (isNew) return <Choose projects={names} />;
  if (!form.job && !form.project && names.length > 0) return <Which form={form} projects={names} />;
  if (!form.job && !form.project) {
    return (
      <>
        <Head title="Launch" />
        <Answer of={projects}>{() => <Empty>There is no project.</Empty>}</Answer>
      </>
    );
  }
  return <Prepare form={form} projects={names} />;
}
