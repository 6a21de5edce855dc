/** An asset: what it is, how it stands, its history, its checks, its code, and what is around it. */
import { Hammer, RefreshCw, Workflow } from "lucide-preact";
import { Link } from "wouter-preact";
import "../assets/text.css";
import "../assets/assets.css";
import { filterHref } from "../assets/catalogue";
import { columnsOf } from "../assets/columns";
import { useProjects } from "../assets/data";
import { type Detail, useDetail } from "../assets/detail";
import { healthWord, Kind } from "../assets/kind";
import { FreshnessBadge, Neighbours, Overview } from "../assets/overview";
import { Checks, CodeTab, Columns, Definition, History, Looks, Runs } from "../assets/tabs";
import { Linked } from "../assets/text";
import { launchHref } from "../launch/form";
import { lineageHref } from "../lineage/address";
import { usePathPart } from "../parts/address";
import { lazy } from "../parts/lazy";
import { Answer, Head, ProblemBox } from "../parts/page";
import { State } from "../parts/state";
import { type Tab, Tabs } from "../parts/tabs";

/** The picture is larger than the page that it is on: it comes when someone looks. */
const LineageView = lazy(async () => (await import("../lineage/view")).default);

function Actions({ asset }: { asset: Detail }) {
  const of = { project: asset.project, assets: [asset.unique_id] };
  const lineage = lineageHref(asset.project, { selected: [asset.unique_id] });
  return (
    <>
      {asset.resource_type === "source" ? (
        <Link class="button primary" href={launchHref({ ...of, scope: "downstream" })}>
          <Hammer aria-hidden /> Materialize what reads it
        </Link>
      ) : (
        <div class="joined" role="group" aria-label="Materialize">
          <Link class="button primary" href={launchHref(of)}>
            <Hammer aria-hidden /> Materialize
          </Link>
          <Link class="button" href={launchHref({ ...of, scope: "upstream" })}>
            with upstream
          </Link>
          <Link class="button" href={launchHref({ ...of, scope: "downstream" })}>
            with downstream
          </Link>
          <Link class="button" href={launchHref({ ...of, fullRefresh: true })}>
            <RefreshCw aria-hidden /> full refresh
          </Link>
        </div>
      )}
      <Link class="button" href={lineage}>
        <Workflow aria-hidden /> Lineage
      </Link>
    </>
  );
}

/** What stands under the name. */
function Marks({ asset }: { asset: Detail }) {
  const tags = Object.entries(asset.tags).map(([name, value]) => (value ? `${name}=${value}` : name));
  return (
    <div class="row marks">
      <Kind type={asset.resource_type} materialized={asset.materialized ?? null} />
      {asset.failed_checks > 0 && (
        <span class="badge bad">
          {asset.failed_checks === 1 ? "1 check failed" : `${asset.failed_checks} checks failed`}
        </span>
      )}
      {asset.warned_checks > 0 && (
        <span class="badge warn">
          {asset.warned_checks === 1 ? "1 check warned" : `${asset.warned_checks} checks warned`}
        </span>
      )}
      {(asset.freshness || asset.source_freshness) && (
        <span class="row">
          <span class="faint small">freshness</span>
          <FreshnessBadge asset={asset} />
        </span>
      )}
      {asset.owners.length > 0 && (
        <span class="row">
          <span class="faint small">owners</span>
          {asset.owners.slice(0, 10).map((owner) => (
            <Linked key={owner} text={owner} />
          ))}
        </span>
      )}
      {tags.slice(0, 30).map((tag) => (
        <Link key={tag} class="tag clip" href={filterHref({ tag })}>
          {tag}
        </Link>
      ))}
    </div>
  );
}

/** Why what is shown may be old. */
function Problem({ project }: { project: string }) {
  const problem = useProjects().data?.find(({ name }) => name === project)?.problem;
  if (!problem) return null;
  return (
    <div class="notice bad" role="alert">
      <div class="grow">
        <strong>The project cannot be read as it is now; this is how it was when dbt last could.</strong>
        <pre class="message">{problem}</pre>
      </div>
    </div>
  );
}

function tabsOf(asset: Detail): Tab[] {
  const isSource = asset.resource_type === "source";
  const { check_results: checks, definition } = asset;
  const columns = columnsOf(definition?.columns ?? [], checks);
  return [
    { id: "overview", title: "Overview", body: () => <Overview asset={asset} /> },
    {
      id: "history",
      title: isSource ? "Freshness" : "History",
      body: () => (isSource ? <Looks asset={asset} /> : <History asset={asset} />),
    },
    { id: "checks", title: `Checks ${checks.length || ""}`, body: () => <Checks asset={asset} /> },
    ...(isSource ? [] : [{ id: "code", title: "Code", body: () => <CodeTab asset={asset} /> }]),
    { id: "columns", title: `Columns ${columns.length || ""}`, body: () => <Columns asset={asset} /> },
    {
      id: "lineage",
      title: "Lineage",
      body: () => (
        <div class="stack">
          <LineageView project={asset.project} uniqueId={asset.unique_id} height={420} />
          <div class="grid-2">
            <Neighbours as="h2" title="Upstream" of={asset.parents} project={asset.project} />
            <Neighbours as="h2" title="Downstream" of={asset.children} project={asset.project} />
          </div>
        </div>
      ),
    },
    { id: "runs", title: "Runs", body: () => <Runs asset={asset} /> },
    { id: "definition", title: "Definition", body: () => <Definition asset={asset} /> },
  ];
}

function Body({ asset }: { asset: Detail }) {
  const crumbs = (
    <>
      <Link href="/assets">Assets</Link> / <Link href={filterHref({ project: asset.project })}>{asset.project}</Link>
      {asset.group && (
        <>
          {" "}
          /{" "}
          <Link class="clip in-line" href={filterHref({ project: asset.project, group: asset.group })}>
            {asset.group}
          </Link>
        </>
      )}
    </>
  );
  return (
    <>
      <Head
        title={asset.key.join("/")}
        crumbs={crumbs}
        badge={
          <State
            state={healthWord(asset.resource_type, asset.health)}
            title={
              asset.state ?? (asset.resource_type === "source" ? "dbt looks where freshness rules are" : undefined)
            }
          />
        }
      >
        <Actions asset={asset} />
      </Head>
      <Problem project={asset.project} />
      <Marks asset={asset} />
      <Tabs label="Parts of the asset" tabs={tabsOf(asset)} />
    </>
  );
}

/** The page. */
export default function Asset() {
  const [project, id] = [usePathPart(1), usePathPart(2)];
  const detail = useDetail(project, id);
  if (!detail.data) {
    return (
      <>
        <Head title={id} crumbs={<Link href="/assets">Assets</Link>} />
        {detail.error ? <ProblemBox error={detail.error} /> : <Answer of={detail}>{() => null}</Answer>}
      </>
    );
  }
  return <Answer of={detail}>{(asset) => <Body asset={asset} />}</Answer>;
}
