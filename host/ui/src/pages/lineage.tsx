/** Lineage: the whole graph of a project, with states as they are now; from here to any node and to its materialization. */
import { Group, List, Play, Workflow, X } from "lucide-preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation, useSearch } from "wouter-preact";
import { launchHref } from "../launch/form";
import { type Address, readAddress, regrouped, writeAddress } from "../lineage/address";
import { useGraph, useProjects, useStandings } from "../lineage/data";
import { Find } from "../lineage/find";
import type { LineageGraph } from "../lineage/graph";
import { Groups } from "../lineage/groups";
import { LineageList } from "../lineage/list";
import { LineageMap } from "../lineage/map";
import { assetsOf, effective, toggled } from "../lineage/selection";
import { type Shown, shown } from "../lineage/standing";
import { assetHref, setParams } from "../parts/address";
import { kept } from "../parts/kept";
import { Answer, Empty, Head, ProblemBox, Waiting } from "../parts/page";

const set = (address: Partial<Address>, replace = true) => setParams(writeAddress(address), replace);

export default function Lineage() {
  const search = useSearch();
  const address = useMemo(() => readAddress(window.location.search), [search]);
  const asked = useProjects();
  const projects = asked.data ?? [];
  const project = address.project || projects[0]?.name || "";
  const { problem, read } = projects.find(({ name }) => name === project) ?? {};
  // What could not be read since it was read last, or what had to do when it could not be read at all.
  const trouble =
    problem ?? read?.warnings.find((warning) => warning.includes("as it was when dbt could last read it"));
  const { query, graph } = useGraph(project, address.fold, address.by);
  const standings = useStandings(project);
  const states = useMemo(() => (graph ? shown(graph, standings) : []), [graph, standings]);

  return (
    <div class="lineage">
      <Head title="Lineage">
        {projects.length > 1 && (
          <label class="row">
            Project
            <select
              value={project}
              onChange={(event) =>
                set(
                  { project: event.currentTarget.value, fold: [], selected: [], up: false, down: false, focus: "" },
                  false,
                )
              }
            >
              {projects.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <ViewChoice view={address.view} />
      </Head>
      {address.lost && (
        <ProblemBox error={new Error("What this link selects was chosen in another tab, and is not known here.")} />
      )}
      {trouble && graph && (
        <div class="notice warn" role="status">
          <div>
            <div>The project cannot be read as it is now. This is how it was when it last could be.</div>
            <pre class="small">{trouble}</pre>
          </div>
        </div>
      )}
      {project === "" ? (
        asked.error ? (
          <ProblemBox error={asked.error} />
        ) : asked.data ? (
          <Empty>
            There is no project yet: <code>tidegate.toml</code> names the projects.
          </Empty>
        ) : (
          <Waiting />
        )
      ) : (
        <Answer of={query}>
          {() =>
            graph &&
            (graph.count === 0 ? (
              <Empty>The project `{project}` has no assets yet.</Empty>
            ) : (
              <Explorer key={project} project={project} address={address} graph={graph} states={states} />
            ))
          }
        </Answer>
      )}
    </div>
  );
}

function ViewChoice({ view }: { view: Address["view"] }) {
  return (
    <div class="row" role="group" aria-label="View">
      <button type="button" class="button" aria-pressed={view === "map"} onClick={() => set({ view: "map" })}>
        <Workflow aria-hidden /> Map
      </button>
      <button type="button" class="button" aria-pressed={view === "list"} onClick={() => set({ view: "list" })}>
        <List aria-hidden /> List
      </button>
    </div>
  );
}

/** Whether the list of groups is shown. */
const [groups, setGroups] = kept("lineage-groups", ["auto", "on", "off"] as const);
const MANY = 80;
const total = (graph: LineageGraph) => graph.document.groups.reduce((sum, { count }) => sum + count, 0);

type Explored = { project: string; address: Address; graph: LineageGraph; states: Shown[] };

function Explorer({ project, address, graph, states }: Explored) {
  const [, go] = useLocation();
  const selected = useMemo(
    () => effective(graph, address.selected, address.up, address.down),
    [graph, address.selected, address.up, address.down],
  );
  const focus = address.focus ? graph.place(address.focus) : undefined;
  // Few nodes can do without it, many cannot.
  const canGroup = total(graph) > 1;
  const showsGroups = canGroup && (groups.value === "auto" ? total(graph) > MANY : groups.value === "on");
  const folded = graph.document.groups.filter((group) => group.folded).length;
  // A link to a node leads to where it can be seen; so does a search.
  const [look, setLook] = useState<{ nodes: readonly number[]; enter: boolean }>();
  const isSought = useRef(false);
  const [wanted, setWanted] = useState(selected.size > 0 ? "selection" : address.focus);
  useEffect(() => {
    const node = graph.place(wanted);
    const nodes = wanted === "selection" ? [...selected] : node === undefined ? [] : [node];
    if (nodes.length === 0) return;
    setWanted("");
    setLook({ nodes, enter: isSought.current });
  }, [graph, wanted, selected]);

  const onSelect = (node: number | undefined, add: boolean) => {
    if (node === undefined) return set({ selected: [], up: false, down: false, focus: "" });
    const id = graph.id(node);
    if (!add) return set({ selected: [id], up: false, down: false, focus: id });
    const rest = toggled(selected, node);
    set({ selected: [...rest].map((place) => graph.id(place)), up: false, down: false, focus: id });
  };
  const onUnfold = (node: number) => {
    const group = graph.group(node);
    const fold = address.fold.includes("*")
      ? graph.document.groups.map(({ name }) => name).filter((name) => name !== group)
      : address.fold.filter((name) => name !== group);
    set({ fold, selected: address.selected.filter((id) => id !== graph.id(node)), focus: "" });
  };
  const onFind = (id: string, node: number) => {
    if (graph.isFolded(node) && id !== graph.id(node)) onUnfold(node);
    set({ selected: [id], up: false, down: false, focus: id });
    // Who has found a node goes on from it with the arrows.
    isSought.current = true;
    setWanted(id);
  };
  const onOpen = (node: number) => {
    if (graph.type(node) !== "exposure" && !graph.isFolded(node)) go(assetHref(project, graph.id(node)));
  };
  const groupList = showsGroups && (
    <Groups
      graph={graph}
      fold={address.fold}
      set={(fold) => set({ fold })}
      by={address.by}
      setBy={(by) => set(regrouped(address, by))}
    />
  );
  return (
    <>
      <div class="row">
        <Find graph={graph} onFind={onFind} />
        {canGroup && address.view === "map" && (
          <button
            type="button"
            class="button"
            aria-expanded={showsGroups}
            onClick={() => setGroups(showsGroups ? "off" : "on")}
          >
            <Group aria-hidden /> Groups{folded > 0 && ` (${folded} folded)`}
          </button>
        )}
        <Legend />
      </div>
      {address.view === "list" ? (
        <>
          {selected.size > 0 && (
            <SelectionBar
              project={project}
              address={address}
              graph={graph}
              selected={selected}
              onOpen={onOpen}
              onUnfold={onUnfold}
            />
          )}
          <LineageList
            project={project}
            graph={graph}
            shown={states}
            only={undefined}
            selected={selected}
            onSelect={onSelect}
            onUnfold={onUnfold}
          />
        </>
      ) : (
        <div class="lineage-body">
          {groupList}
          <LineageMap
            graph={graph}
            shown={states}
            label={`Lineage of ${project}`}
            subject={`${project}|${address.by}|${address.fold.join()}`}
            selected={selected}
            focus={focus}
            look={look}
            onSelect={onSelect}
            onFocus={(node) => set({ focus: node === undefined ? "" : graph.id(node) })}
            onOpen={onOpen}
            onUnfold={onUnfold}
          >
            {selected.size > 0 && (
              <div class="lineage-bar">
                <SelectionBar
                  project={project}
                  address={address}
                  graph={graph}
                  selected={selected}
                  onOpen={onOpen}
                  onUnfold={onUnfold}
                />
              </div>
            )}
          </LineageMap>
        </div>
      )}
    </>
  );
}

type Barred = {
  project: string;
  address: Address;
  graph: LineageGraph;
  selected: ReadonlySet<number>;
  onOpen: (node: number) => void;
  onUnfold: (node: number) => void;
};

/** What is selected, and what can be done with it. */
function SelectionBar({ project, address, graph, selected, onOpen, onUnfold }: Barred) {
  const picked = address.selected.flatMap((id) => graph.place(id) ?? []);
  const [only] = picked;
  const assets = assetsOf(graph, selected);
  const scope = address.up ? (address.down ? "both" : "upstream") : address.down ? "downstream" : "this";
  // Few words say what many ids would: what was picked, and what comes along.
  const ids = picked.flatMap((node) => graph.members(node));
  const href = launchHref(scope === "this" ? { project, assets } : { project, assets: ids, scope });
  const below = address.down ? 0 : assetsOf(graph, effective(graph, address.selected, address.up, true)).length;
  return (
    <div class="row" role="region" aria-label="Selection">
      <strong aria-live="polite">
        {selected.size === 1 && only !== undefined ? graph.name(only).slice(0, 200) : `${selected.size} nodes`}
      </strong>
      <button type="button" class="button" aria-pressed={address.up} onClick={() => set({ up: !address.up })}>
        + upstream
      </button>
      <button type="button" class="button" aria-pressed={address.down} onClick={() => set({ down: !address.down })}>
        + downstream
      </button>
      {selected.size === 1 && only !== undefined && !graph.isFolded(only) && graph.type(only) !== "exposure" && (
        <button type="button" class="button" onClick={() => onOpen(only)}>
          Open
        </button>
      )}
      {picked.length === 1 && only !== undefined && graph.isFolded(only) && (
        <button type="button" class="button" onClick={() => onUnfold(only)}>
          Unfold
        </button>
      )}
      {assets.length > 0 ? (
        <Link class="button primary" href={href}>
          <Play aria-hidden /> Materialize {assets.length > 1 && assets.length}
        </Link>
      ) : (
        below === 0 && <span class="faint small">Nothing of it can be materialized.</span>
      )}
      {below > assets.length && (
        <Link
          class={`button ${assets.length > 0 ? "" : "primary"}`}
          href={launchHref({ project, assets: ids, scope: address.up ? "both" : "downstream" })}
        >
          {assets.length > 0 ? "with downstream" : "Materialize what reads it"}
        </Link>
      )}
      <button
        type="button"
        class="button icon quiet"
        aria-label="Select nothing"
        title="Select nothing (Esc)"
        onClick={() => set({ selected: [], up: false, down: false, focus: "" })}
      >
        <X aria-hidden />
      </button>
    </div>
  );
}

function Legend() {
  return (
    <div class="lineage-legend small faint hide-narrow">
      <span>✓ well</span> <span>△ warns or late</span> <span>✕ failed</span> <span>◉ running</span> <span>– never</span>
    </div>
  );
}
