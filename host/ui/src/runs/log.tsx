/** All lines of dbt: filtered and searched by the host, so that not one is missed; and followed while dbt writes. */
import { ArrowDownToLine, ArrowUpToLine, ChevronDown, ChevronUp, Download } from "lucide-preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { setParams } from "../parts/address";
import { Choice, Filters, Search } from "../parts/filters";
import { Empty, ProblemBox, Waiting } from "../parts/page";
import { useParams } from "./address";
import { type LogFilter, rawLog } from "./data";
import { clockOf } from "./events";
import {
  type Log as LogOf,
  type LogPart,
  type Matches,
  placeOf,
  type Search as SearchOf,
  useLog,
  useMatches,
} from "./log-data";
import { attemptName } from "./nodes-table";
import type { LogRow, RunDetail } from "./shapes";
import { clipped, plain } from "./text";
import { Virtual } from "./virtual";
import { bytes, count, isFinished, shortId } from "./words";

const levels = [
  { value: "debug", text: "all lines" },
  { value: "info", text: "info and above" },
  { value: "warn", text: "warnings and errors" },
  { value: "error", text: "errors" },
];

/** Lines longer than this are clipped. */
const LONGEST = 2000;
const LINES = 24;

export function Log({ run }: { run: RunDetail }) {
  const params = useParams();
  const of = (name: string) => params.get(name) ?? "";
  const isLive = !isFinished(run.state);
  const [q, line, only] = [of("log_q"), of("line"), of("log_only") === "yes"];
  const filter: LogFilter = {
    attempt: of("log_attempt"),
    node: of("log_node"),
    level: of("log_level") || "info",
    q: "",
  };
  const [follow, setFollow] = useState(isLive && !line);
  const [from, setFrom] = useState(line || (isLive ? "end" : "start"));
  // How often someone has asked to be led to an end of it; none since they went elsewhere by themselves.
  const [led, setLed] = useState(0);
  const go = (to: string) => {
    setFrom(to);
    setLed((before) => before + 1);
  };
  const log = useLog(run.id, { ...filter, q: only ? q : "" }, from);
  const search = useMatches(run.id, filter, q, log.part?.total ?? 0, isLive);
  const places = useMemo(() => new Map(log.part?.rows.map((row, at) => [placeOf(row), at])), [log.part?.rows]);
  // A line that is not here is where the log is opened anew.
  // Only a new line in the address leads elsewhere.
  useEffect(() => {
    if (line && log.part && !places.has(line)) {
      setFrom(line);
      log.again();
    }
    if (line) setFollow(false);
  }, [line]);
  const attempts = run.steps.flatMap((step) => step.attempts.map((attempt) => `${step.number}.${attempt.number}`));
  return (
    <div class="stack">
      <Filters label="Filter the log" params={["log_q", "log_only", "log_level", "log_attempt", "log_node"]}>
        <Search param="log_q" label="Search the log" />
        <Choice
          param="log_level"
          label="Level"
          all="info and above"
          options={levels.filter(({ value }) => value !== "info")}
        />
        {attempts.length > 1 && (
          <Choice
            param="log_attempt"
            label="Step"
            options={attempts.map((value) => ({ value, text: attemptName(value) }))}
          />
        )}
        {filter.node && (
          <span class="tag" title={filter.node}>
            only <span class="name">{shortId(filter.node)}</span>{" "}
            <button type="button" class="more" onClick={() => setParams({ log_node: "" })}>
              all nodes
            </button>
          </span>
        )}
      </Filters>
      {q && <Found search={search} line={line} only={only} level={filter.level} isLive={isLive} />}
      <Bar run={run} log={log} filter={filter} follow={follow} setFollow={setFollow} go={go} isLive={isLive} />
      <Lines
        run={run}
        log={log}
        q={q}
        line={line}
        follow={follow}
        leave={() => {
          setFollow(false);
          setLed(0);
        }}
        places={places}
        end={led > 0 ? { of: from, led } : undefined}
      />
    </div>
  );
}

/** How much of the log is here, and where else one can go in it. */
function Bar(props: {
  run: RunDetail;
  log: LogOf;
  filter: LogFilter;
  follow: boolean;
  setFollow: (follow: boolean) => void;
  go: (from: string) => void;
  isLive: boolean;
}) {
  const { run, log, follow, setFollow, isLive } = props;
  const go = (to: string) => {
    setParams({ line: "" });
    props.go(to);
    log.again();
  };
  return (
    <div class="row spread">
      <span class="faint small" role="status">
        {log.part && extent(log.part, props.filter)}
      </span>
      <div class="row">
        <button
          type="button"
          class="button quiet icon"
          aria-label="To the first line"
          title="To the first line"
          onClick={() => {
            setFollow(false);
            go("start");
          }}
        >
          <ArrowUpToLine aria-hidden />
        </button>
        <button
          type="button"
          class="button quiet icon"
          aria-label="To the last line"
          title="To the last line"
          onClick={() => {
            setFollow(isLive);
            go("end");
          }}
        >
          <ArrowDownToLine aria-hidden />
        </button>
        {isLive && (
          <label class="row">
            <input
              type="checkbox"
              checked={follow}
              onChange={(event) => {
                setFollow(event.currentTarget.checked);
                if (event.currentTarget.checked) go("end");
              }}
            />
            Follow
          </label>
        )}
        <a class="button quiet" href={rawLog(run.id)} download>
          <Download aria-hidden /> Download
        </a>
      </div>
    </div>
  );
}

/** How many lines are here, of how much, and whether that is all. */
function extent(part: LogPart, filter: LogFilter): string {
  const level =
    filter.level === "debug" ? "" : ` of level ${filter.level}${filter.level === "error" ? "" : " and above"}`;
  const isAll = !part.previous && (!part.next || part.scanned >= part.total);
  const here = isAll ? `all ${count(part.rows.length, "line")}` : `${count(part.rows.length, "line")} here`;
  return `${here}${level}, of ${bytes(part.total)}; ${part.complete ? "the log is complete" : "the log still grows"}`;
}

/** How often the text was found, and the way from one to the next. */
function Found(props: { search: SearchOf; line: string; only: boolean; level: string; isLive: boolean }) {
  const { search, line, only, level, isLive } = props;
  const { matches, error } = search;
  const places = matches?.places ?? [];
  const at = places.indexOf(line);
  const step = (by: number) => {
    const next = at < 0 ? (by > 0 ? 0 : places.length - 1) : (at + by + places.length) % places.length;
    setParams({ line: places[next] ?? "" });
  };
  return (
    <div class="row">
      {error !== undefined && (
        <>
          <ProblemBox error={error} />
          <button type="button" class="button" onClick={search.again}>
            Try again
          </button>
        </>
      )}
      <span role="status">
        {matches ? foundWords(matches, at, level, isLive) : error === undefined && "Searching…"}
      </span>
      {level !== "debug" && (
        <button type="button" class="button" onClick={() => setParams({ log_level: "debug" })}>
          Search debug lines, too
        </button>
      )}
      <button type="button" class="button" disabled={places.length === 0} onClick={() => step(-1)}>
        <ChevronUp aria-hidden /> Previous
      </button>
      <button type="button" class="button" disabled={places.length === 0} onClick={() => step(1)}>
        <ChevronDown aria-hidden /> Next
      </button>
      <label class="row">
        <input
          type="checkbox"
          checked={only}
          onChange={(event) => setParams({ log_only: event.currentTarget.checked ? "yes" : "" })}
        />
        Only these lines
      </label>
    </div>
  );
}

function foundWords(matches: Matches, at: number, level: string, isLive: boolean): string {
  const { places, done, searched, total } = matches;
  const soFar = isLive ? " so far" : "";
  if (done && places.length === 0) {
    if (level === "debug") return `No line has this text${soFar}.`;
    return `No line of level ${level}${level === "error" ? "" : " or above"} has this text${soFar}.`;
  }
  const where = at < 0 ? "" : `${(at + 1).toLocaleString("en")} of `;
  const extent = done ? soFar : `, ${bytes(searched)} of ${bytes(total)} searched`;
  return `${where}${count(places.length, "line")} found${extent}`;
}

function Lines(props: {
  run: RunDetail;
  log: LogOf;
  q: string;
  line: string;
  follow: boolean;
  /** Called where someone who followed goes back. */
  leave: () => void;
  places: Map<string, number>;
  /** The end that someone wanted to see last. */
  end: { of: string; led: number } | undefined;
}) {
  const { run, log, q, line, follow, leave, places, end } = props;
  const { part } = log;
  if (!part) {
    if (!log.error) return <Waiting />;
    return (
      <>
        <ProblemBox error={log.error} />
        <div>
          <button type="button" class="button" onClick={log.again}>
            Try again
          </button>
        </div>
      </>
    );
  }
  const rows = part.rows;
  const at = places.get(line) ?? -1;
  const last = rows.at(-1);
  const show = follow
    ? { at: rows.length - 1, align: "end" as const, mark: last && placeOf(last) }
    : at >= 0
      ? { at, align: "center" as const, mark: line }
      : endOf(rows, log.opened, end);
  return (
    <>
      {log.error !== undefined && <ProblemBox error={log.error} />}
      {rows.length === 0 ? (
        <Empty>{part.complete ? "No line fits." : "No line yet."}</Empty>
      ) : (
        <Virtual
          label="dbt's log"
          class="log"
          items={rows}
          keyOf={placeOf}
          size={24}
          anchored={!follow}
          show={show}
          rowClass={(row) => `${row.level} ${placeOf(row) === line ? "marked" : ""}`}
          onEnd={log.behind}
          onStart={log.before}
          onScroll={(atEnd, up) => {
            if (follow && up && !atEnd) leave();
          }}
          row={(row, index) => <Line row={row} before={rows[index - 1]} run={run} q={q} />}
        />
      )}
      {log.busy && rows.length > 0 && (
        <span class="faint small" role="status">
          Loading more…
        </span>
      )}
    </>
  );
}

/** Where to look for an end of the log: once when it is asked for, and again when the lines of that end are here. */
function endOf(rows: LogRow[], opened: number, end: { of: string; led: number } | undefined) {
  if (!end || rows.length === 0) return undefined;
  const mark = `${end.led} ${opened}`;
  if (end.of === "start") return { at: 0, align: "start" as const, mark };
  return end.of === "end" ? { at: rows.length - 1, align: "end" as const, mark } : undefined;
}

function Line({ row, before, run, q }: { row: LogRow; before: LogRow | undefined; run: RunDetail; q: string }) {
  const place = placeOf(row);
  const isNew = !before || before.step !== row.step || before.attempt !== row.attempt;
  return (
    <>
      {isNew && <Beginning row={row} run={run} />}
      <div role="cell" class="no">
        <button
          type="button"
          class="line-no"
          aria-label={`Link to line ${row.line ?? `at byte ${row.offset}`}`}
          title="Link to this line"
          onClick={() => setParams({ line: place })}
        >
          {row.line ?? "·"}
        </button>
      </div>
      <div role="cell" class="at faint">
        {row.at ? clockOf(row.at) : ""}
      </div>
      <div role="cell" class="level">
        {row.level}
      </div>
      <div role="cell" class="message">
        <Message text={row.message} q={q} />
      </div>
      <div role="cell" class="node">
        {row.unique_id && (
          <button
            type="button"
            class="of-node more clip-1"
            title={`Only what is about ${row.unique_id}`}
            onClick={() => setParams({ log_node: row.unique_id ?? "", log_level: "debug" })}
          >
            {shortId(row.unique_id).slice(0, 80)}
          </button>
        )}
      </div>
    </>
  );
}

/** Where the log of an attempt begins: its command. */
function Beginning({ row, run }: { row: LogRow; run: RunDetail }) {
  const attempt = run.steps
    .find((step) => step.number === row.step)
    ?.attempts.find((one) => one.number === row.attempt);
  return (
    <div role="cell" class="begins name">
      <strong>step {attemptName(`${row.step}.${row.attempt}`)}</strong> <code>$ {attempt?.command_line ?? "dbt"}</code>
    </div>
  );
}

/** What dbt said, clipped where it is very long, with what was searched for marked in it. */
function Message({ text, q }: { text: string; q: string }) {
  const [all, setAll] = useState(false);
  const whole = plain(text).trimEnd();
  const cut = clipped(whole, LONGEST, LINES);
  const shown = all ? whole : cut;
  return (
    <span class="name">
      {q ? marked(shown, q) : shown}
      {cut.length < whole.length && (
        <button type="button" class="more" onClick={() => setAll(!all)}>
          {all ? "show less" : `… show all ${whole.length.toLocaleString("en")} characters`}
        </button>
      )}
    </span>
  );
}

function marked(text: string, q: string) {
  const [small, wanted] = [text.toLowerCase(), q.toLowerCase()];
  // Letters that change their length when made small would put the marks elsewhere.
  if (small.length !== text.length) return text;
  const parts = [];
  let from = 0;
  for (let at = small.indexOf(wanted); at >= 0 && parts.length < 400; at = small.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return parts;
}
