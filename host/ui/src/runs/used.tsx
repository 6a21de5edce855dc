/** What configuration a run used: as it was when the run was asked for, whatever it is now. */
import type { ComponentChildren } from "preact";
import { Copy } from "../parts/copy";
import { PluginName } from "./attempts";
import type { RunDetail } from "./shapes";
import { Long } from "./text";
import { limitsOf } from "./words";

export function Used({ run }: { run: RunDetail }) {
  const text = JSON.stringify(run.configuration, null, 2) ?? "";
  const configured = run.configuration as { job?: { gate?: string }; project?: { gate?: string } } | null;
  const gate = configured?.job?.gate ?? configured?.project?.gate ?? "block";
  return (
    <div class="stack">
      <dl class="facts">
        <Fact name="Project">
          <span class="name">{run.project}</span>
        </Fact>
        <Fact name="Job">{run.job ? <span class="name">{run.job}</span> : "none: it was asked for by hand"}</Fact>
        <Fact name="Steps">
          {run.steps.map((step) => (
            <code key={step.number} class="name block">
              {step.command_line}
            </code>
          ))}
        </Fact>
        <Fact name="Configuration file">
          <code class="name">{run.config_file}</code>
        </Fact>
        <Fact name="Manifest">
          {run.manifest_digest ? <code class="name">{run.manifest_digest}</code> : "none was prepared"}
        </Fact>
        <Fact name="Locks">{run.locks.length > 0 ? run.locks.join(", ") : "none"}</Fact>
        {limitsOf(run.limits).map(([name, value]) => (
          <Fact key={name} name={name[0]?.toUpperCase() + name.slice(1)}>
            {value}
          </Fact>
        ))}
        <Fact name="Gate">
          {run.gate}
          {run.gate !== gate && `: ${run.launch.user} wanted it so at launch`}
        </Fact>
        <Fact name="Where nothing is to do">{run.empty_fails ? "it counts as failed" : "it is empty, and well"}</Fact>
        <Fact name="Retries">
          {run.retry ? (
            <>
              {run.retry.plugin}, at most {run.retry.max_attempts} attempts; where it faults:{" "}
              {run.retry.on_fault.decision.replace("_", " ")}
              <pre class="json">{JSON.stringify(run.retry.config, null, 2)}</pre>
            </>
          ) : (
            "none"
          )}
        </Fact>
        <Fact name="Plugins">
          {run.plugins.length === 0
            ? "none"
            : run.plugins.map((plugin) => (
                <div key={`${plugin.kind} ${plugin.name}`}>
                  <PluginName plugin={plugin} />
                </div>
              ))}
        </Fact>
      </dl>
      <section aria-labelledby="configuration">
        <div class="row spread">
          <h2 id="configuration">The project's and the job's configuration</h2>
          <Copy text={text} label="Copy the configuration" />
        </div>
        <p class="faint small">Of environment variables only the names are kept.</p>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard. */}
        <pre class="json" tabIndex={0}>
          <Long text={text} longest={20_000} lines={400} />
        </pre>
      </section>
    </div>
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
