/** The SQL that dbt compiled of a node of a run, where the host still has it. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import "../assets/assets.css";
import { useDetail } from "../assets/detail";
import { Code } from "../assets/text";
import { runHref } from "../parts/address";
import { Copy } from "../parts/copy";
import { ProblemBox, Waiting } from "../parts/page";
import { linesOfError } from "./error-line";
import type { NodeRow } from "./shapes";

const compiles = new Set(["model", "snapshot"]);

type Props = { node: NodeRow; run: number; project: string };

/** A fold with the SQL; what it says is asked for when it is opened. Nothing for what dbt does not compile. */
export function CompiledSql(props: Props) {
  const [open, setOpen] = useState(false);
  const { resource_type: type, state } = props.node;
  if (!compiles.has(type) || state === "queued" || state === "skipped") return null;
  return (
    <details class="compiled" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Compiled SQL</summary>
      {open && <Sql {...props} />}
    </details>
  );
}

function Sql({ node, run, project }: Props) {
  const { data, error } = useDetail(project, node.unique_id);
  if (!data) return error ? <ProblemBox error={error} /> : <Waiting />;
  const { compiled } = data;
  if (!compiled) return <p class="faint">dbt has compiled nothing of it: it did not come so far.</p>;
  const of = compiled.attempt;
  if (of.run !== run || of.step !== node.step) {
    return (
      <p class="faint">
        The host keeps what was compiled last, and that was not here but by{" "}
        <Link href={runHref(of.run)}>run {of.run}</Link>: the asset's page has it. What this run compiled is in its
        artifacts, in <code>manifest.json</code>.
      </p>
    );
  }
  const marks = linesOfError(node.message, compiled.code);
  return (
    <div class="stack tight">
      <div class="row spread">
        <span class="faint small">
          {marks.length > 0 && "The line that the error names is marked. "}
          {compiled.cut && "It goes on: the artifacts of the run have all of it."}
        </span>
        <Copy text={compiled.code} label="Copy the compiled SQL" />
      </div>
      <Code text={compiled.code} label="Compiled SQL" marks={marks} />
    </div>
  );
}
