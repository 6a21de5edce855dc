/** Who did what, and when. What started by itself is not here: its own history tells of it. */
import { Link } from "wouter-preact";
import { api, ask, type Schemas } from "../api/client";
import { jobHref, useParam } from "../parts/address";
import { Choice, Filters, Search } from "../parts/filters";
import { Json } from "../parts/json";
import { useLivePages } from "../parts/live";
import { More } from "../parts/more";
import { Answer, Empty, Head } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";

type AuditRow = Schemas["AuditRow"];

const words: Record<string, string> = {
  "run.launch": "launched a run",
  "run.resume": "resumed a run",
  "run.cancel": "cancelled a run",
  "job.pause": "paused a job",
  "job.resume": "resumed a job",
  "alert.snooze": "snoozed an alert",
  "configuration.reload": "changed the configuration",
  "configuration.refused": "wrote a configuration that was refused",
  "destination.test": "tested a destination",
  "token.new": "made a token",
  "token.rotate": "renewed a token",
  "token.revoke": "revoked a token",
  "session.begin": "logged in",
  "session.end": "logged out",
  "session.refused": "was refused at the login",
  "host.hand_over": "asked the host to hand over",
  "host.stop": "stopped the host",
};

function did(row: AuditRow): string {
  if (row.action === "alert.snooze" && row.detail.until === null) return "ended an alert's snooze";
  return words[row.action] ?? row.action;
}

function Thing({ object }: { object: string }) {
  const [kind, name] = [object.slice(0, object.indexOf(":")), object.slice(object.indexOf(":") + 1)];
  const leads: Record<string, string> = {
    run: `/runs/${encodeURIComponent(name)}`,
    job: jobHref(name),
    alert: "/alerts",
    destination: "/alerts?tab=destinations",
  };
  const to = leads[kind];
  const text = <span class="clip">{object.includes(":") ? `${kind} ${name}` : object}</span>;
  return to ? <Link href={to}>{text}</Link> : text;
}

/** A detail's value as one would say it. */
function inWords(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  const isSteps = name === "steps" && value.every((step) => Array.isArray(step?.args));
  return isSteps
    ? value.map((step) => `dbt ${step.args.join(" ")}`).join(", then ")
    : value.map((part) => inWords("", part)).join("; ");
}

/** What else there is to say, in a line where it is little. */
function Detail({ row }: { row: AuditRow }) {
  const facts = Object.entries(row.detail).filter(([, value]) => value !== null && value !== undefined);
  if (facts.length === 0) return <span class="faint">–</span>;
  const line = facts.map(([name, value]) => `${name}: ${inWords(name, value)}`).join(" · ");
  if (line.length <= 80) return <span class="small name">{line}</span>;
  return (
    <details class="small">
      <summary>
        <span class="clip">{line.slice(0, 160)}</span>
      </summary>
      <Json data={row.detail} label="Detail" />
    </details>
  );
}

const columns: Column<AuditRow>[] = [
  { id: "at", head: "When", width: "130px", cell: (row) => <Time at={row.at} /> },
  {
    id: "who",
    head: "Who",
    width: "minmax(0, 1fr)",
    cell: (row) => (
      <>
        <span class="clip">{row.user}</span>
        {row.via && <span class="faint small"> by {row.via}</span>}
      </>
    ),
  },
  {
    id: "what",
    head: "What",
    width: "minmax(0, 1.2fr)",
    cell: (row) => <span title={row.action}>{did(row)}</span>,
  },
  { id: "object", head: "To what", width: "minmax(0, 1fr)", cell: (row) => <Thing object={row.object} /> },
  { id: "detail", head: "Detail", width: "minmax(0, 2fr)", narrow: "line", cell: (row) => <Detail row={row} /> },
];

export default function Audit() {
  const [user] = useParam("user");
  const [action] = useParam("action");
  const filters = { user: user || undefined, action: action || undefined };
  const rows = useLivePages<AuditRow>(
    ["audit", filters],
    (cursor) => ask(api.GET("/api/v1/audit", { params: { query: { ...filters, cursor, limit: 100 } } })),
    ["audit"],
  );
  const isFiltered = Boolean(user || action);
  return (
    <>
      <Head title="Audit" />
      <Filters label="Filter the audit trail" params={["user", "action"]}>
        <Search param="user" label="User or token, exactly" />
        <Choice
          param="action"
          label="What"
          options={Object.entries(words).map(([value, text]) => ({ value, text }))}
          all="anything"
        />
      </Filters>
      <Answer of={rows}>
        {(data) =>
          data.length === 0 ? (
            <Empty>
              {isFiltered
                ? "Nobody did such a thing. Clear the filters to see everything."
                : "Nobody has done anything yet. Launches, cancellations, pauses, snoozes, logins and changes of the configuration are recorded here."}
            </Empty>
          ) : (
            <>
              <Table label="Audit trail" rows={data} columns={columns} rowKey={(row) => row.id} isOld={rows.isOld} />
              <More of={rows} what="records" />
            </>
          )
        }
      </Answer>
    </>
  );
}
