/** Assets: the catalogue of all projects. */
import { CircleAlert } from "lucide-preact";
import { useMemo } from "preact/hooks";
import { useSearch } from "wouter-preact";
import "../assets/text.css";
import "../assets/assets.css";
import "../assets/catalogue.css";
import { PickBar } from "../assets/bar";
import { FACETS, GROUPINGS, narrow, readOrder, search, sorted } from "../assets/catalogue";
import { useCatalogue, useProjects } from "../assets/data";
import { Facets, Healths, readChosen, Selection } from "../assets/filters";
import { Catalogue } from "../assets/table";
import { isLostHere, readIds, writeIds } from "../launch/ids";
import { setParams, useParam } from "../parts/address";
import { Choice, Filters, Search } from "../parts/filters";
import { Empty, Head, ProblemBox, Waiting } from "../parts/page";

/** Why projects are shown as they were. */
function Problems({ of }: { of: ReturnType<typeof useProjects> }) {
  const broken = of.data?.filter(({ problem }) => problem) ?? [];
  return (
    <>
      {broken.map(({ name, problem, read }) => (
        <div key={name} class="notice bad" role="alert">
          <CircleAlert aria-hidden />
          <div class="grow">
            <strong>
              Project {name} cannot be read as it is now
              {read ? "; its assets are shown as they were when dbt last could." : "."}
            </strong>
            <pre class="message">{problem}</pre>
          </div>
        </div>
      ))}
      {of.data?.flatMap(({ name, read }) =>
        (read?.warnings ?? []).map((text) => (
          <div key={`${name} ${text}`} class="notice warn">
            <div class="name pre">{text}</div>
          </div>
        )),
      )}
    </>
  );
}

/** What the address says of a list of ids; long lists are kept by the tab. */
function usePicked(): [ReadonlySet<string>, (picked: Set<string>) => void] {
  const [text] = useParam("pick");
  const picked = useMemo(() => new Set(readIds(text) ?? []), [text]);
  return [picked, (next) => setParams({ pick: writeIds([...next]) })];
}

/** The page. */
export default function Assets() {
  useSearch();
  const params = new URLSearchParams(window.location.search);
  const text = (name: string) => params.get(name) ?? "";
  const [q, select] = [text("q"), text("select")];
  const chosen = readChosen(params);
  const order = readOrder(text("sort"));
  const by = GROUPINGS.find((word) => word === text("by")) ?? "";
  const [picked, setPicked] = usePicked();
  const isLost = ["pick", ...FACETS].some((name) => isLostHere(text(name)));
  const projects = useProjects();
  const catalogue = useCatalogue(select, chosen.project);
  const { rows } = catalogue;
  const found = useMemo(() => (rows ? search(rows, q) : []), [rows, q]);
  const shown = useMemo(() => {
    const narrowed = narrow(found, chosen);
    // A search has an order of its own: what is most like it comes first.
    return order || !q ? sorted(narrowed, order?.order ?? "key", order?.down) : narrowed;
  }, [found, JSON.stringify(chosen), text("sort"), q]);
  const isFiltered = Boolean(q || select || FACETS.some((facet) => chosen[facet].length));
  return (
    <>
      <Head title="Assets">
        <span class="faint" role="status">
          {rows &&
            (shown.length === rows.length
              ? `${rows.length.toLocaleString("en")} assets`
              : `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} assets`)}
          {rows && catalogue.hasMore && ", more are coming"}
        </span>
      </Head>
      <Problems of={projects} />
      {isLost && (
        <ProblemBox error={new Error("What this link picks was chosen in another tab, and is not known here.")} />
      )}
      <Filters label="Filters" params={["q", "select", ...FACETS]}>
        <Search label="Search assets" />
        <Facets rows={found} chosen={chosen} />
        <Choice
          param="by"
          label="Grouped by"
          all="nothing"
          options={GROUPINGS.filter(Boolean).map((value) => ({ value }))}
        />
      </Filters>
      <div class="row">
        <Healths rows={found} chosen={chosen} />
        <span class="grow" />
        <Selection busy={Boolean(select) && (catalogue.isOld || !rows) && !catalogue.error} />
      </div>
      {catalogue.error !== null && <ProblemBox error={catalogue.error} />}
      {!rows && !catalogue.error && <Waiting />}
      {rows && shown.length > 0 && (
        <Catalogue
          rows={shown}
          by={by}
          order={order ?? { order: "key", down: false }}
          picked={picked}
          setPicked={setPicked}
          isOld={catalogue.isOld}
        />
      )}
      {rows && shown.length === 0 && !catalogue.hasMore && (
        <Empty>
          {isFiltered ? (
            "No asset is like that. Take a filter away."
          ) : (
            <>
              There are no assets yet. Each model, seed, snapshot and source of a dbt project is one; name the project
              in <code>tidegate.toml</code>, and <code>tidegate check</code> says what is in its way.
            </>
          )}
        </Empty>
      )}
      <PickBar rows={rows ?? []} picked={picked} clear={() => setPicked(new Set())} />
    </>
  );
}
