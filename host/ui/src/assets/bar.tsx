/** What can be done with what is picked. */
import { Hammer, Workflow, X } from "lucide-preact";
import { Link } from "wouter-preact";
import { launchHref } from "../launch/form";
import { lineageHref } from "../lineage/address";
import { pickedByProject, type Row } from "./catalogue";
import { count } from "./words";

/** A bar at the end of the window while something is picked. */
export function PickBar(props: { rows: readonly Row[]; picked: ReadonlySet<string>; clear: () => void }) {
  const { rows, picked, clear } = props;
  if (!picked.size) return null;
  const projects = [...pickedByProject(rows, picked)];
  const several = projects.length > 1;
  const sources = projects.reduce((sum, [, of]) => sum + of.sources, 0);
  const built = projects.reduce((sum, [, of]) => sum + of.ids.length, 0);
  return (
    <section class="pick-bar" aria-label="What is picked">
      <span class="grow" role="status">
        {count(picked.size, "asset")} picked
        {sources > 0 && built > 0 && <span class="faint">, {count(sources, "source")} of them not built by dbt</span>}
      </span>
      {projects.map(([project, { ids, all, sources }]) => {
        const of = several ? ` of ${project}` : "";
        return (
          <span key={project} class="row">
            {ids.length > 0 && (
              <>
                <Link class="button primary" href={launchHref({ project, assets: ids })}>
                  <Hammer aria-hidden /> Materialize {ids.length.toLocaleString("en")}
                  {of}
                </Link>
                <Link class="button" href={launchHref({ project, assets: ids, scope: "downstream" })}>
                  with downstream
                </Link>
              </>
            )}
            {ids.length === 0 && (
              <Link class="button primary" href={launchHref({ project, assets: all, scope: "downstream" })}>
                <Hammer aria-hidden /> Materialize what reads {sources === 1 ? "it" : "them"}
                {of}
              </Link>
            )}
            <Link class="button" href={lineageHref(project, { selected: all })}>
              <Workflow aria-hidden /> Show in lineage{of}
            </Link>
          </span>
        );
      })}
      <button type="button" class="button quiet" onClick={clear}>
        <X aria-hidden /> Clear
      </button>
    </section>
  );
}
