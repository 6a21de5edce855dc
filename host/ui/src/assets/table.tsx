/** The catalogue as a table. */
import { ArrowDown, ArrowUp } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import { assetHref, setParams } from "../parts/address";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import { type Grouping, type Line, lines, type Order, pick, pickAll, type Row } from "./catalogue";
import { healthWord, Kind } from "./kind";

function Checks({ of }: { of: Row["checks"] }) {
  if (!of.total) return null;
  if (of.failed) return <span class="badge bad">{`${of.failed} of ${of.total} failed`}</span>;
  if (of.warned) return <span class="badge warn">{`${of.warned} of ${of.total} warned`}</span>;
  return (
    <span class="faint">
      {of.total}
      <span class="narrow-only"> {of.total === 1 ? "check" : "checks"}</span>
    </span>
  );
}

function Some({ of }: { of: string[] }) {
  const [first, ...others] = of;
  if (!first) return null;
  return (
    <span class="one-line" title={of.slice(0, 20).join(", ")}>
      {first}
      {others.length > 0 && <span class="faint"> +{others.length}</span>}
    </span>
  );
}

type Props = {
  rows: readonly Row[];
  by: Grouping;
  order: { order: Order; down: boolean };
  picked: ReadonlySet<string>;
  setPicked: (picked: Set<string>) => void;
  isOld: boolean;
};

/** The table: a click on a box picks, with shift all from the last one on. */
export function Catalogue({ rows, by, order, picked, setPicked, isOld }: Props) {
  const last = useRef<string>();
  const all = useMemo(() => lines(rows, by), [rows, by]);
  const ids = useMemo(() => all.flatMap((line) => ("row" in line ? [line.row.id] : [])), [all]);
  const isAll = ids.length > 0 && ids.every((id) => picked.has(id));
  const sort = (of: Order, text: string): Pick<Column<Line>, "head" | "header" | "sorted"> => {
    const isBy = order.order === of;
    const next = isBy && !order.down ? `-${of}` : of === "key" ? "" : of;
    return {
      head: text,
      sorted: isBy ? (order.down ? "descending" : "ascending") : undefined,
      header: (
        <button type="button" class="sort" onClick={() => setParams({ sort: next })}>
          {text}
          {isBy && (order.down ? <ArrowDown class="icon-14" aria-hidden /> : <ArrowUp class="icon-14" aria-hidden />)}
        </button>
      ),
    };
  };
  const cell = (of: (row: Row) => ComponentChildren) => (line: Line) => ("row" in line ? of(line.row) : null);
  const key = sort("key", "Asset");
  const columns: Column<Line>[] = [
    {
      id: "key",
      ...key,
      width: "minmax(220px, 1fr)",
      header: (
        <span class="row">
          <input
            type="checkbox"
            aria-label={isAll ? "Pick none of these" : `Pick all ${ids.length}`}
            checked={isAll}
            onChange={() => setPicked(pickAll(picked, ids, !isAll))}
          />
          {key.header}
        </span>
      ),
      cell: (line) =>
        "row" in line ? (
          <span class="asset-name">
            <input
              type="checkbox"
              aria-label={`Pick ${line.row.key}`}
              checked={picked.has(line.row.id)}
              onClick={(event) => {
                const from = event.shiftKey ? last.current : undefined;
                setPicked(pick(picked, ids, line.row.id, event.currentTarget.checked, from));
                last.current = line.row.id;
              }}
            />
            <Kind type={line.row.type} bare />
            <Link class="clip" href={assetHref(line.row.project, line.row.uniqueId)}>
              {line.row.key}
            </Link>
          </span>
        ) : (
          <strong class="clip">
            {line.head} <span class="faint">{line.count.toLocaleString("en")}</span>
          </strong>
        ),
    },
    {
      id: "type",
      ...sort("type", "Type"),
      width: "140px",
      narrow: "hide",
      cell: cell((row) => (
        <span class="one-line">
          {row.type}
          {row.materialized && row.materialized !== row.type && <span class="faint"> {row.materialized}</span>}
        </span>
      )),
    },
    {
      id: "group",
      ...sort("group", "Group"),
      width: "minmax(70px, 110px)",
      narrow: "hide",
      cell: cell((row) => <span class="one-line">{row.group}</span>),
    },
    {
      id: "owners",
      head: "Owners",
      width: "minmax(80px, 130px)",
      narrow: "hide",
      cell: cell((row) => <Some of={row.owners} />),
    },
    {
      id: "health",
      ...sort("health", "Health"),
      width: "118px",
      cell: cell((row) => (
        <State
          state={healthWord(row.type, row.health)}
          title={row.state ? `${row.state} in run ${row.run}` : undefined}
        />
      )),
    },
    {
      id: "built",
      ...sort("built", "Built"),
      width: "125px",
      cell: cell((row) => row.builtAt && <Time at={row.builtAt} />),
    },
    { id: "checks", ...sort("checks", "Checks"), width: "112px", cell: cell((row) => <Checks of={row.checks} />) },
    {
      id: "freshness",
      head: "Freshness",
      width: "110px",
      cell: cell((row) => row.freshness && <State state={row.freshness.state} title={row.freshness.limit} />),
    },
  ];
  return (
    <Table
      label="Assets"
      rows={all}
      columns={columns}
      rowKey={(line) => ("row" in line ? line.row.id : `group ${line.head}`)}
      rowClass={(line) => ("row" in line ? (picked.has(line.row.id) ? "picked-row" : "") : "group-row")}
      rowHeight={35}
      isOld={isOld}
    />
  );
}
