/** One node of a run: its name as a link, and all that is on record of it. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { assetHref } from "../parts/address";
import { Copy } from "../parts/copy";
import { moment, span } from "../parts/time";
import { logHref } from "./address";
import { Cause, nodeHref } from "./cause";
import { CompiledSql } from "./compiled";
import { isCritical, tookOf } from "./nodes";
import type { NodeRow } from "./shapes";
import { Long } from "./text";
import { isAsset } from "./words";

/** A node's name; that of an asset leads to its page, that of another to its row where the run is said. */
export function NodeName({ node, project, run }: { node: NodeRow; project: string; run?: number }) {
  const name = node.key ?? node.name;
  if (!isAsset(node.unique_id)) {
    return run !== undefined ? (
      <Link class="clip in-line" href={nodeHref(run, node)} title={node.unique_id}>
        {name}
      </Link>
    ) : (
      <span class="clip in-line" title={node.unique_id}>
        {name}
      </span>
    );
  }
  return (
    <Link class="clip in-line" href={assetHref(project, node.unique_id)} title={node.unique_id}>
      {name}
    </Link>
  );
}

const isTest = (node: NodeRow) => /test$/.test(node.resource_type);

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** All that is on record of a node in an attempt. */
export function NodeStory({ node, run, project }: { node: NodeRow; run: number; project: string }) {
  const took = tookOf(node, Date.now());
  return (
    <div class="stack node-story">
      {node.message && (
        <pre class="message">
          <Long text={node.message} />
        </pre>
      )}
      {node.query && <Query query={node.query} />}
      <CompiledSql node={node} run={run} project={project} />
      <dl class="facts small">
        <Fact name="dbt's id">
          <code class="name">{node.unique_id}</code>
        </Fact>
        <Fact name="Part of">
          step {node.step}, attempt {node.attempt}
          {node.thread && `, ${node.thread}`}
        </Fact>
        {node.started_at && <Fact name="Began">{moment(node.started_at)}</Fact>}
        {took !== null && node.state !== "running" && <Fact name="Took">{span(took)}</Fact>}
        {isCritical(node) && (
          <Fact name="Critical path">It is one of the nodes that decided when the attempt ended.</Fact>
        )}
        {node.rows_affected != null && <Fact name="Rows">{node.rows_affected.toLocaleString("en")}</Fact>}
        {node.failures != null && (isTest(node) || node.failures > 0) && (
          <Fact name="Failing rows">{node.failures.toLocaleString("en")}</Fact>
        )}
        {node.relation_name && (
          <Fact name="Relation">
            <code class="name">{node.relation_name}</code> <Copy text={node.relation_name} label="Copy the relation" />
          </Fact>
        )}
        {node.skipped_because_of && (
          <Fact name="Skipped because of">
            <Cause id={node.skipped_because_of} project={project} of={{ ...node, run }} />
          </Fact>
        )}
        {node.max_loaded_at && <Fact name="Newest row">{moment(node.max_loaded_at)}</Fact>}
        {node.reconciled && <Fact name="Reconciled">{node.reconciled}</Fact>}
      </dl>
      <div class="row">
        <Link class="button" href={logHref(run, node)}>
          Its log lines
        </Link>
        {isAsset(node.unique_id) && (
          <Link class="button" href={assetHref(project, node.unique_id)}>
            Its asset
          </Link>
        )}
      </div>
    </div>
  );
}

/** The query that shows the rows that made a check fail. */
export function Query({ query }: { query: string }) {
  return (
    <div>
      <div class="row spread">
        <h3>The query that shows the failing rows</h3>
        <Copy text={query} label="Copy the query" />
      </div>
      <pre class="message">
        <Long text={query} longest={8000} lines={40} />
      </pre>
    </div>
  );
}
