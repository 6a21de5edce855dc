/** Alerts: who is told of what, what is failing now, what was told, and whether it got there. */
import { useQueryClient } from "@tanstack/react-query";
import { BellOff, Send } from "lucide-preact";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { Act } from "../parts/act";
import { pluginHref, runHref } from "../parts/address";
import { Dialog } from "../parts/dialog";
import { useLivePages, useLiveQuery } from "../parts/live";
import { More } from "../parts/more";
import { Answer, Empty, Head } from "../parts/page";
import { State } from "../parts/state";
import { Subject } from "../parts/subject";
import { type Column, Table } from "../parts/table";
import { Tabs } from "../parts/tabs";
import { span, spanOf, Time } from "../parts/time";
import { complain, say } from "../parts/toast";

type AlertDetail = Schemas["AlertDetail"];
type DeliveryRow = Schemas["DeliveryRow"];
type DestinationRow = Schemas["DestinationRow"];
type NotificationRow = Schemas["NotificationRow"];
type Tested = Schemas["Tested"];

const HOUR = 3_600_000;
const spans: [string, number][] = [
  ["1 hour", HOUR],
  ["4 hours", 4 * HOUR],
  ["1 day", 24 * HOUR],
  ["3 days", 72 * HOUR],
  ["1 week", 168 * HOUR],
];

const kindWords = (kind: string) => kind.replaceAll("_", " ");

function useSnooze(alert: string) {
  const client = useQueryClient();
  return async (until: string | null): Promise<void> => {
    await ask(api.POST("/api/v1/alerts/{alert}/snooze", { params: { path: { alert } }, body: { until } }));
    await client.invalidateQueries({ queryKey: ["alerts"] });
  };
}

function SnoozeDialog({ alert, onClose }: { alert: string; onClose: () => void }) {
  const [ms, setMs] = useState(HOUR);
  const snooze = useSnooze(alert);
  return (
    <Dialog title={`Snooze ${alert}`} onClose={onClose}>
      <p class="faint">
        It says nothing until then, but for the recovery of what it had told before. What happens meanwhile is on
        record.
      </p>
      <fieldset class="plain">
        <legend>For how long</legend>
        <div class="row">
          {spans.map(([text, value]) => (
            <label key={text} class="row tight">
              <input type="radio" name="span" checked={ms === value} onChange={() => setMs(value)} />
              {text}
            </label>
          ))}
        </div>
      </fieldset>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          Do not snooze
        </button>
        <Act
          kind="primary"
          act={async () => {
            await snooze(new Date(Date.now() + ms).toISOString());
            onClose();
            say(`${alert} says nothing for ${spans.find(([, value]) => value === ms)?.[0]}.`, {
              undo: () => void snooze(null).catch(complain),
            });
          }}
        >
          <BellOff aria-hidden /> Snooze
        </Act>
      </div>
    </Dialog>
  );
}

/** What an alert is narrowed to, in words. */
function narrowed(rule: AlertDetail["rule"]): string {
  const parts: [string, string[]][] = [
    ["projects", rule.projects],
    ["jobs", rule.jobs],
    ["tags", rule.tags],
    ["owners", rule.owners],
  ];
  return parts
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => `${name} ${values.join(", ")}`)
    .join(" · ");
}

function Rule({ alert }: { alert: AlertDetail }) {
  const [isAsking, setAsking] = useState(false);
  const snooze = useSnooze(alert.name);
  const only = narrowed(alert.rule);
  const suppress = spanOf(alert.rule.suppress);
  const isQuiet = alert.incidents.length === 0 && alert.failing.length === 0;
  return (
    <section class="card stack" aria-labelledby={`alert-${alert.name}`}>
      <div class="row spread">
        <h2 id={`alert-${alert.name}`} class="row">
          <span class="name">{alert.name}</span>
          {alert.of_plugin && <span class="tag">of the plugins folder</span>}
          {alert.snoozed_until && <span class="badge warn">snoozed</span>}
        </h2>
        {alert.snoozed_until ? (
          <Act act={() => snooze(null).then(() => say(`${alert.name} is heard again.`))}>End the snooze</Act>
        ) : (
          <Act act={() => setAsking(true)}>
            <BellOff aria-hidden /> Snooze…
          </Act>
        )}
      </div>
      {isAsking && <SnoozeDialog alert={alert.name} onClose={() => setAsking(false)} />}
      {alert.snoozed_until && (
        <p>
          Says nothing until <Time at={alert.snoozed_until} exact /> (<Time at={alert.snoozed_until} />
          ), says <b class="name">{alert.snoozed_by}</b>.
        </p>
      )}
      {alert.fault && (
        <div class="notice bad">
          <div>
            The notifier could not write the last notification, which went out as a plain message,{" "}
            <Time at={alert.fault_at} />:<div class="name">{alert.fault.slice(0, 600)}</div>
          </div>
        </div>
      )}
      <dl class="facts">
        <dt>Tells of</dt>
        <dd>
          {alert.on.map((kind) => (
            <span key={kind} class="tag">
              {kindWords(kind)}
            </span>
          ))}
        </dd>
        <dt>By</dt>
        <dd class="name">
          <Link href={pluginHref(alert.notifier)}>{alert.notifier}</Link>
        </dd>
        <dt>To</dt>
        <dd class="name">{alert.destinations.join(", ")}</dd>
        {only && (
          <>
            <dt>Only of</dt>
            <dd class="name clip">{only}</dd>
          </>
        )}
        <dt>How</dt>
        <dd>
          one message for each {alert.rule.group_by}
          {alert.rule.changes_only ? ", only when something changes" : ", each time"}
          {alert.rule.after_last_retry ? ", after the last retry" : ", after each attempt"}
          {suppress && `, not again within ${suppress}`}
        </dd>
        <dt>Failing now</dt>
        <dd>
          {isQuiet && <State state="ok" title="Nothing is failing" />}
          <ul class="plain">
            {alert.incidents.map((incident) => (
              <li key={incident.number}>
                <State state="failed" /> <Link href={runHref(incident.run)}>run {incident.run}</Link> of{" "}
                <span class="name">{incident.job}</span>, <Time at={incident.since} />: {incident.failing} of{" "}
                {incident.members} still failing, {incident.told_at ? "told" : "not told"}
                <details class="small">
                  <summary>Which</summary>
                  <ul>
                    {incident.subjects.map((subject) => (
                      <li key={subject}>
                        <Subject of={subject} />
                      </li>
                    ))}
                  </ul>
                </details>
              </li>
            ))}
            {alert.failing.map((failing) => (
              <li key={failing.subject}>
                <State state="failed" /> <Subject of={failing.subject} />, <Time at={failing.since} />,{" "}
                {failing.told ? "told" : "not told"}
              </li>
            ))}
          </ul>
        </dd>
      </dl>
    </section>
  );
}

function Rules() {
  const alerts = useLiveQuery(["alerts"], () => ask(api.GET("/api/v1/alerts")), ["alert", "configuration", "plugin"]);
  return (
    <Answer of={alerts}>
      {(data) =>
        data.length === 0 ? (
          <Empty>
            Nobody is told of anything. Add <code>[alerts.ops]</code> with a <code>notifier</code> and{" "}
            <code>destinations</code> to <code>tidegate.toml</code>.
          </Empty>
        ) : (
          <div class="stack">
            {data.map((alert) => (
              <Rule key={alert.name} alert={alert} />
            ))}
          </div>
        )
      }
    </Answer>
  );
}

const told: Column<NotificationRow>[] = [
  { id: "at", head: "When", width: "120px", cell: (row) => <Time at={row.at} /> },
  { id: "alert", head: "Alert", width: "minmax(0, 1fr)", cell: (row) => <span class="clip">{row.alert}</span> },
  {
    id: "what",
    head: "What",
    width: "minmax(0, 3fr)",
    narrow: "line",
    cell: (row) => (
      <>
        <span class="faint small">{kindWords(row.kind)} </span>
        <span class="clip">{row.title}</span>
        {(row.reason ?? row.fault) && <div class="faint small clip">{row.reason ?? row.fault}</div>}
      </>
    ),
  },
  {
    id: "run",
    head: "Run",
    width: "90px",
    cell: (row) => (row.run == null ? "–" : <Link href={runHref(row.run)}>run {row.run}</Link>),
  },
  {
    id: "state",
    head: "State",
    width: "130px",
    cell: (row) => <State state={row.state === "rendered" ? "told" : row.state} />,
  },
];

function Told() {
  const rows = useLivePages<NotificationRow>(
    ["notifications", {}],
    (cursor) => ask(api.GET("/api/v1/notifications", { params: { query: { cursor, limit: 100 } } })),
    ["alert"],
  );
  return (
    <Answer of={rows}>
      {(data) =>
        data.length === 0 ? (
          <Empty>Nothing was told yet. What an alert tells of, or keeps to itself and why, will be here.</Empty>
        ) : (
          <>
            <Table label="Notifications" rows={data} columns={told} rowKey={(row) => row.id} rowHeight={56} />
            <More of={rows} what="notifications" />
          </>
        )
      }
    </Answer>
  );
}

const sent: Column<DeliveryRow>[] = [
  { id: "at", head: "When", width: "120px", cell: (row) => <Time at={row.tried_at ?? row.at} /> },
  { id: "to", head: "To", width: "minmax(0, 1fr)", cell: (row) => <span class="clip">{row.destination}</span> },
  {
    id: "what",
    head: "What",
    width: "minmax(0, 2fr)",
    narrow: "line",
    cell: (row) => (
      <>
        <span class="clip">{row.title}</span>
        <span class="faint small">
          {row.alert}, {kindWords(row.kind)}
          {row.run != null && (
            <>
              , <Link href={runHref(row.run)}>run {row.run}</Link>
            </>
          )}
        </span>
      </>
    ),
  },
  {
    id: "state",
    head: "State",
    width: "130px",
    cell: (row) => <State state={row.state === "pending" && row.tries > 0 ? "retrying" : row.state} />,
  },
  {
    id: "answer",
    head: "Answer",
    width: "minmax(0, 2fr)",
    narrow: "line",
    cell: (row) => (
      <div class="small">
        <span class="clip">{row.error ?? row.answer ?? ""}</span>
        <span class="faint">
          {row.tries} {row.tries === 1 ? "try" : "tries"}
          {row.next_at && (
            <>
              , the next <Time at={row.next_at} />
            </>
          )}
        </span>
      </div>
    ),
  },
];

function Sent() {
  const rows = useLivePages<DeliveryRow>(
    ["deliveries", {}],
    (cursor) => ask(api.GET("/api/v1/deliveries", { params: { query: { cursor, limit: 100 } } })),
    ["alert"],
  );
  return (
    <Answer of={rows}>
      {(data) =>
        data.length === 0 ? (
          <Empty>Nothing was sent yet. Each message and what its destination answered will be here.</Empty>
        ) : (
          <>
            <Table
              label="Deliveries"
              rows={data}
              columns={sent}
              rowKey={(row) => row.key}
              rowHeight={56}
              rowClass={(row) => (row.state === "failed" ? "is-bad" : undefined)}
            />
            <More of={rows} what="deliveries" />
          </>
        )
      }
    </Answer>
  );
}

function Place({ of, notifiers }: { of: DestinationRow; notifiers: string[] }) {
  const [notifier, setNotifier] = useState("");
  const [result, setResult] = useState<Tested>();
  const id = `notifier-${of.name}`;
  return (
    <section class="card stack" aria-labelledby={`to-${of.name}`}>
      <div class="row spread">
        <h2 id={`to-${of.name}`} class="row">
          <span class="name">{of.name}</span> <span class="tag">{of.kind}</span>
        </h2>
        <div class="row">
          <div class="choice">
            <label for={id}>Written by</label>
            <select id={id} value={notifier} onChange={(event) => setNotifier(event.currentTarget.value)}>
              <option value="">nobody: a short line</option>
              {notifiers.map((name) => (
                <option key={name} value={name}>
                  {name.slice(0, 60)}
                </option>
              ))}
            </select>
          </div>
          <Act
            label={`Send a test to ${of.name}`}
            act={async () => {
              setResult(undefined);
              const params = { path: { destination: of.name } };
              const body = notifier ? { notifier } : {};
              setResult(await ask(api.POST("/api/v1/destinations/{destination}/test", { params, body })));
            }}
          >
            <Send aria-hidden /> Send a test
          </Act>
        </div>
      </div>
      {of.unusable.map((lack) => (
        <div key={lack.key} class="notice bad">
          <div>
            <code>{lack.key}</code>: <span class="name">{lack.reason}</span>
          </div>
        </div>
      ))}
      <div role="status">
        {result && (
          <div class={`notice ${result.delivered ? "good" : "bad"}`}>
            <div>
              <State state={result.delivered ? "delivered" : "failed"} /> {result.requests}{" "}
              {result.requests === 1 ? "message" : "messages"} in {span(result.took)}
              <div class="name">{(result.error ?? result.answer ?? "").slice(0, 2000)}</div>
              {result.otherwise && <div class="faint small">If this were no test, {result.otherwise}.</div>}
            </div>
          </div>
        )}
      </div>
    </section>
  );
}

function Places() {
  const places = useLiveQuery(["destinations"], () => ask(api.GET("/api/v1/destinations")), ["configuration"]);
  const plugins = useLiveQuery(["plugins"], () => ask(api.GET("/api/v1/plugins")), ["plugin", "configuration"]);
  const notifiers = (plugins.data ?? []).filter((plugin) => plugin.kind === "notifier").map((plugin) => plugin.name);
  return (
    <Answer of={places}>
      {(data) =>
        data.length === 0 ? (
          <Empty>
            There is nowhere to send anything. Add <code>[destinations.ops.http]</code> with a <code>url</code> to{" "}
            <code>tidegate.toml</code>.
          </Empty>
        ) : (
          <div class="stack">
            {data.map((place) => (
              <Place key={place.name} of={place} notifiers={notifiers} />
            ))}
          </div>
        )
      }
    </Answer>
  );
}

export default function Alerts() {
  return (
    <>
      <Head title="Alerts" />
      <Tabs
        label="About alerts"
        tabs={[
          { id: "rules", title: "Rules", body: () => <Rules /> },
          { id: "told", title: "Notifications", body: () => <Told /> },
          { id: "sent", title: "Deliveries", body: () => <Sent /> },
          { id: "destinations", title: "Destinations", body: () => <Places /> },
        ]}
      />
    </>
  );
}
