/** The lineage around one asset, for a page about it. */
import { Workflow } from "lucide-preact";
import { useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { assetHref } from "../parts/address";
import { Answer, Empty } from "../parts/page";
import { lineageHref } from "./address";
import { compact } from "./compact";
import { useGraph, useStandings } from "./data";
import { LineageGraph } from "./graph";
import { LineageMap } from "./map";
import { shown } from "./standing";

type Props = {
  project: string;
  /** The asset in the middle. */
  uniqueId: string;
  /** How many steps up- and downstream at first; the reader can change that. */
  up?: number;
  down?: number;
  /** The height of the picture, in pixels. */
  height?: number;
};

const MOST = 9;

/** What an asset is made of and what is made of it. A click leads to the page of what was clicked. */
export default function LineageView({ project, uniqueId, up = 2, down = 2, height = 360 }: Props) {
  const [, go] = useLocation();
  const [steps, setSteps] = useState({ up, down });
  const { query, graph } = useGraph(project, []);
  const standings = useStandings(project);
  const part = useMemo(() => {
    const at = graph?.place(uniqueId);
    if (!graph || at === undefined) return undefined;
    const near = graph.only(graph.neighbourhood([at], steps.up, steps.down));
    return new LineageGraph(compact(new LineageGraph(near)));
  }, [graph, uniqueId, steps]);
  const states = useMemo(() => (part ? shown(part, standings) : []), [part, standings]);
  const at = part?.place(uniqueId);
  const selected = useMemo(() => new Set<number>(), []);
  const [focus, setFocus] = useState<number>();
  const open = (node: number) => {
    if (part && part.type(node) !== "exposure") go(assetHref(project, part.id(node)));
  };
  return (
    <Answer of={query}>
      {() =>
        part && at !== undefined ? (
          <div class="stack">
            <div class="row">
              <Steps label="Upstream" value={steps.up} set={(value) => setSteps({ ...steps, up: value })} />
              <Steps label="Downstream" value={steps.down} set={(value) => setSteps({ ...steps, down: value })} />
              <span class="grow" />
              <Link class="button" href={lineageHref(project, { selected: [uniqueId] })}>
                <Workflow aria-hidden /> In the whole lineage
              </Link>
            </div>
            <div class="lineage-frame" style={{ height: `${height}px` }}>
              <LineageMap
                graph={part}
                shown={states}
                label="Lineage around this asset"
                embedded
                subject={`${uniqueId}|${steps.up}|${steps.down}`}
                selected={selected}
                focus={focus ?? at}
                onSelect={(node) => node !== undefined && node !== at && open(node)}
                onFocus={setFocus}
                onOpen={open}
                onUnfold={() => {}}
              />
            </div>
          </div>
        ) : (
          <Empty>The lineage does not have this asset.</Empty>
        )
      }
    </Answer>
  );
}

function Steps({ label, value, set }: { label: string; value: number; set: (value: number) => void }) {
  return (
    <label class="row small">
      {label}
      <select value={value} onChange={(event) => set(Number(event.currentTarget.value))}>
        {Array.from({ length: MOST + 1 }, (_, steps) => (
          <option key={steps} value={steps}>
            {steps}
          </option>
        ))}
        <option value={1000}>all</option>
      </select>
    </label>
  );
}
