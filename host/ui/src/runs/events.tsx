/** What happened to a run, in order, as people read it; and as it is on record, on demand. */
import { useCallback, useMemo, useState } from "preact/hooks";
import { Choice } from "../parts/filters";
import { Empty, ProblemBox, Waiting } from "../parts/page";
import { moment } from "../parts/time";
import { useParams } from "./address";
import { useEvents } from "./data";
import { placeOf, tell } from "./event-words";
import type { RunDetail, RunEvent } from "./shapes";
import { Long, plain } from "./text";
import { Virtual } from "./virtual";
import { count, isFinished } from "./words";

export function Events({ run }: { run: RunDetail }) {
  const query = useEvents(run.id, !isFinished(run.state));
  const params = useParams();
  const wanted = params.get("events") ?? "";
  const all = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const shown = useMemo(() => all.filter((event) => isWanted(event, wanted)), [all, wanted]);
  const [open, setOpen] = useState<number>();
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (!query.data) return query.error ? <ProblemBox error={query.error} /> : <Waiting />;
  return (
    <div class="stack">
      <div class="row spread">
        <Choice
          param="events"
          label="Show"
          all="what happened"
          options={[
            { value: "run", text: "what happened to the run alone" },
            { value: "all", text: "everything, bookkeeping too" },
          ]}
        />
        <span class="faint small" role="status">
          {shown.length < all.length && `${shown.length.toLocaleString("en")} of `}
          {count(all.length, "event")}
          {hasNextPage && " so far; more are loaded as you scroll"}
        </span>
      </div>
      {shown.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        <Virtual
          label="Events"
          class="events"
          items={shown}
          keyOf={(event) => event.id}
          size={34}
          onEnd={more}
          row={(event) => (
            <Cells
              event={event}
              isOpen={event.id === open}
              toggle={() => setOpen(event.id === open ? undefined : event.id)}
            />
          )}
        />
      )}
      {hasNextPage && shown.length < 20 && (
        <button type="button" class="button" onClick={more}>
          Load more
        </button>
      )}
    </div>
  );
}

/** Whether an event is one to show. How far the log was read is nobody's news. */
function isWanted({ event }: RunEvent, wanted: string): boolean {
  if (wanted === "all") return true;
  if (event === "log_read") return false;
  return wanted !== "run" || (event !== "node_started" && event !== "node_finished");
}

function Cells({ event, isOpen, toggle }: { event: RunEvent; isOpen: boolean; toggle: () => void }) {
  const told = tell(event);
  return (
    <>
      <div role="cell" class="at faint" title={moment(event.at)}>
        {clockOf(event.at)}
      </div>
      <div role="cell" class="place faint">
        {placeOf(event)}
      </div>
      <div role="cell" class={`what ${told.tone}`}>
        <span class="name">{clip(plain(told.what), 300)}</span>
        {told.detail && (
          <>
            {" "}
            <span class={`faint small name ${told.detail.length > 60 ? "block" : ""}`}>
              {clip(plain(told.detail), 400)}
            </span>
          </>
        )}
        {isOpen && (
          <pre class="json">
            <Long text={JSON.stringify(event, null, 2)} longest={20_000} lines={200} />
          </pre>
        )}
      </div>
      <div role="cell" class="raw">
        <button type="button" class="more" aria-expanded={isOpen} onClick={toggle}>
          JSON
        </button>
      </div>
    </>
  );
}

const clip = (text: string, longest: number) => (text.length > longest ? `${text.slice(0, longest)}…` : text);

/** The time of day to the millisecond. */
export function clockOf(at: string): string {
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}
