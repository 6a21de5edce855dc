/** Plugins: which there are, what each may do, and what it was asked. */
import { ShieldCheck, TriangleAlert } from "lucide-preact";
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { pluginHref, useListParam, useParam, usePathPart } from "../parts/address";
import { Copy } from "../parts/copy";
import { Choices, Filters, Search } from "../parts/filters";
import { Json } from "../parts/json";
import { useLivePages, useLiveQuery, useRunTurns } from "../parts/live";
import { More } from "../parts/more";
import { Answer, Empty, Head } from "../parts/page";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";

type CallLine = Schemas["CallLine"];
type PluginDetail = Schemas["PluginDetail"];
type PluginRow = Schemas["PluginRow"];

function usePlugins() {
  return useLiveQuery(["plugins"], () => ask(api.GET("/api/v1/plugins")), ["plugin", "configuration"]);
}

const columns: Column<PluginRow>[] = [
  {
    id: "name",
    head: "Plugin",
    width: "minmax(0, 2fr)",
    cell: (row) => (
      <>
        <Link href={pluginHref(row.name)} class="name strong">
          {row.name}
        </Link>
        {row.reason && <div class="small bad-text clip">{row.reason}</div>}
        {row.hint && <div class="faint small clip">{row.hint}</div>}
      </>
    ),
  },
  { id: "kind", head: "Kind", width: "120px", cell: (row) => row.kind ?? "–" },
  { id: "version", head: "Version", width: "90px", cell: (row) => <span class="clip">{row.version ?? "–"}</span> },
  {
    id: "digest",
    head: "Digest",
    width: "130px",
    narrow: "hide",
    cell: (row) => <code title={row.digest}>{row.digest?.slice(0, 12) ?? "–"}</code>,
  },
  {
    id: "used",
    head: "Used by",
    width: "minmax(0, 1.5fr)",
    narrow: "line",
    cell: (row) => <span class="clip">{row.used_by.join(", ") || <span class="faint">nothing</span>}</span>,
  },
  { id: "state", head: "State", width: "120px", cell: (row) => <State state={row.state} /> },
];

function List() {
  const plugins = usePlugins();
  const [q] = useParam("q");
  const [kinds] = useListParam("kind");
  const fits = (row: PluginRow) =>
    `${row.name} ${row.used_by.join(" ")}`.toLowerCase().includes(q.toLowerCase().trim()) &&
    (!kinds.length || kinds.includes(row.kind ?? ""));
  return (
    <>
      <Head title="Plugins" />
      <p class="faint">
        Plugins compute answers and do nothing else: each runs in a sandbox of its own, and Tidegate acts on what it
        says. A file that is put into the plugins folder is taken up while the host runs.
      </p>
      <Answer of={plugins}>
        {(data) => (
          <>
            <Filters label="Filter the plugins" params={["q", "kind"]}>
              <Search label="Search plugins" />
              <Choices
                param="kind"
                label="Kind"
                options={["translator", "retry-policy", "notifier"].map((value) => ({
                  value,
                  count: data.filter((row) => row.kind === value).length,
                }))}
              />
            </Filters>
            {data.some(fits) ? (
              <Table label="Plugins" rows={data.filter(fits)} columns={columns} rowKey={(row) => row.name} />
            ) : (
              <Empty>No plugin fits. Clear the filters to see all {data.length}.</Empty>
            )}
          </>
        )}
      </Answer>
    </>
  );
}

function bytes(size: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const unit = Math.min(units.length - 1, size > 0 ? Math.floor(Math.log2(size) / 10) : 0);
  const number = size / 1024 ** unit;
  return `${unit === 0 ? number : number.toFixed(number < 10 ? 1 : 0)} ${units[unit]}`;
}

function micros(number: number): string {
  return number < 1000 ? `${number} µs` : `${(number / 1000).toFixed(number < 10_000 ? 1 : 0)} ms`;
}

/** What a plugin may do. */
function Permissions({ imports }: { imports: string[] }) {
  if (imports.length === 0)
    return (
      <p class="line">
        <ShieldCheck aria-hidden class="good-text" />
        <span>
          <b>Nothing.</b> It can compute, and nothing else: no files, no network, no clock, no environment.
        </span>
      </p>
    );
  return (
    <div class="stack">
      <p>
        What its language's runtime asks for. Behind it there is nothing: no files, no network, no environment; the
        clock stands still and chance is the same in each call.
      </p>
      <ul class="plain">
        {imports.map((name) => (
          <li key={name}>
            <code class="name">{name}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

function CallDetail({ plugin, call }: { plugin: string; call: number }) {
  const of = useLiveQuery(["call", plugin, call], () =>
    ask(api.GET("/api/v1/plugins/{name}/calls/{call}", { params: { path: { name: plugin, call } } })),
  );
  return (
    <Answer of={of}>
      {(data) => (
        <div class="grid-2">
          <Json data={data.input} label="What it was told" />
          <Json data={data.answer} label="What it answered" />
        </div>
      )}
    </Answer>
  );
}

function Call({ plugin, call }: { plugin: string; call: CallLine }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="small" onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>
        <span class="clip">{call.verdict === "ok" ? (call.gist ?? "answered") : call.verdict}</span>
      </summary>
      {isOpen && <CallDetail plugin={plugin} call={call.id} />}
    </details>
  );
}

function Calls({ plugin }: { plugin: string }) {
  const turns = useRunTurns();
  const rows = useLivePages<CallLine>(
    ["calls", plugin, {}],
    (cursor) =>
      ask(
        api.GET("/api/v1/plugins/{name}/calls", { params: { path: { name: plugin }, query: { cursor, limit: 50 } } }),
      ),
    [turns, "alert", "project"],
  );
  const calls: Column<CallLine>[] = [
    { id: "at", head: "When", width: "120px", cell: (call) => <Time at={call.at} /> },
    {
      id: "verdict",
      head: "Verdict",
      width: "110px",
      cell: (call) => <State state={call.verdict === "ok" ? "ok" : "failed"} />,
    },
    { id: "about", head: "About", width: "minmax(0, 1fr)", cell: (call) => <span class="clip">{call.subject}</span> },
    {
      id: "answer",
      head: "Answer",
      width: "minmax(0, 3fr)",
      narrow: "line",
      cell: (call) => <Call plugin={plugin} call={call} />,
    },
    { id: "time", head: "Time", width: "90px", num: true, cell: (call) => micros(call.micros) },
    { id: "memory", head: "Memory", width: "90px", num: true, cell: (call) => bytes(call.peak_memory) },
    { id: "version", head: "Version", width: "90px", narrow: "hide", cell: (call) => call.plugin.version },
  ];
  return (
    <Answer of={rows}>
      {(data) =>
        data.length === 0 ? (
          <Empty>It was not called yet. Each call, what it was told and what it answered will be here.</Empty>
        ) : (
          <>
            <Table label={`Calls of ${plugin}`} rows={data} columns={calls} rowKey={(call) => call.id} />
            <More of={rows} what="calls" />
          </>
        )
      }
    </Answer>
  );
}

function Facts({ of }: { of: PluginDetail }) {
  const { report } = of;
  const facts: [string, string | null | undefined][] = [
    ["Kind", of.kind ?? report?.kind],
    ["Contract", report?.contract],
    ["Calls itself", of.says ?? report?.name],
    ["Version", of.version ?? report?.version],
    ["Size", report ? bytes(report.size) : undefined],
    ["Source", report?.source],
    ["Used by", of.used_by.join(", ") || "nothing"],
    ["Exports", report?.exports.join(", ")],
    [
      "Limits of a call",
      report &&
        `${(report.limits.milliseconds / 1000).toLocaleString("en")} s, ${bytes(report.limits.memory)} of memory, an answer of ${bytes(report.limits.answer)}`,
    ],
  ];
  const digest = of.digest ?? report?.sha256;
  return (
    <dl class="facts">
      {facts.map(
        ([name, value]) =>
          value && (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd class="name">{value}</dd>
            </Fragment>
          ),
      )}
      {digest && (
        <>
          <dt>Digest</dt>
          <dd class="digest">
            <code class="name">{digest}</code>
            <Copy text={digest} label="Copy the digest" />
          </dd>
        </>
      )}
    </dl>
  );
}

function Plugin({ name }: { name: string }) {
  const plugins = usePlugins();
  const all = plugins.data;
  // Without its prefix one of those that Tidegate carries is meant, unless the folder has one of that name.
  const isCarried = !all?.some((row) => row.name === name) && all?.some((row) => row.name === `builtin:${name}`);
  const known = isCarried ? `builtin:${name}` : name;
  const of = useLiveQuery(
    ["plugin", known],
    () => ask(api.GET("/api/v1/plugins/{name}", { params: { path: { name: known } } })),
    ["configuration", ["plugin", (message) => message.plugin === known]],
    all !== undefined,
  );
  return (
    <>
      <Head
        title={known}
        crumbs={<Link href="/plugins">Plugins</Link>}
        badge={of.data && <State state={of.data.state} />}
      />
      {/* Without the list nobody knows which one is meant. */}
      <Answer of={all ? of : { data: of.data, error: plugins.error }}>
        {(data) => (
          <>
            {data.report?.summary && <p class="name">{data.report.summary}</p>}
            {(data.reason ?? data.report?.problem) && (
              <div class="notice bad">
                <TriangleAlert aria-hidden />
                <div class="name">
                  {data.reason ?? data.report?.problem}
                  {data.hint && <div class="faint">{data.hint}</div>}
                  {data.digest && data.state === "refused" && <div>The one before it is still used.</div>}
                </div>
              </div>
            )}
            {data.faults > 0 && (
              <div class="notice warn">
                <TriangleAlert aria-hidden />
                <div>
                  {data.faults} of its last {data.calls.length} calls went wrong: see below.
                </div>
              </div>
            )}
            <div class="grid-2">
              <section class="card stack">
                <h2>What it is</h2>
                <Facts of={data} />
              </section>
              <section class="card stack">
                <h2>What it may do</h2>
                {data.report ? (
                  <Permissions imports={data.report.imports} />
                ) : (
                  <p class="faint">Nobody knows: it could not be loaded.</p>
                )}
              </section>
            </div>
            <h2>Calls</h2>
            <Calls plugin={known} />
          </>
        )}
      </Answer>
    </>
  );
}

export default function Plugins() {
  const name = usePathPart(1);
  return name ? <Plugin key={name} name={name} /> : <List />;
}
