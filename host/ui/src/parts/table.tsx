/** Tables that can be long: only the rows that are seen are there, and the rest is told to those who cannot see. */
import { useVirtualizer, useWindowVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import type { ComponentChildren } from "preact";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

export type Column<T> = {
  id: string;
  head: string;
  cell: (row: T) => ComponentChildren;
  /** The width as a track of a grid: `minmax(0, 1fr)` without it. */
  width?: string;
  /** What stands in the head where that is more than a text, such as a button that orders the rows. */
  header?: ComponentChildren;
  /** How the rows are ordered by it, where they are. */
  sorted?: "ascending" | "descending" | undefined;
  /** A number: it stands to the right. */
  num?: boolean;
  /** On a phone: left out, or on a line of its own. Without it, it stands beside others. */
  narrow?: "hide" | "line";
};

type Props<T> = {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string | number;
  /** How high a row is as a rule, in pixels; rows are measured when they are shown. */
  rowHeight?: number;
  /** The most that it may be high, such as `70vh`; then it scrolls by itself. Without it, the page scrolls. */
  height?: string;
  /** More classes of a row. */
  rowClass?: (row: T) => string | undefined;
  /** Whether what is shown is about to be replaced. */
  isOld?: boolean;
};

/** Below so many rows all of them are there: the browser's own search finds them. */
const ALL = 150;

/** A table. Rows can be of any height; names in them never widen it. */
export function Table<T>(props: Props<T>) {
  return props.height ? <InBox {...props} height={props.height} /> : <InPage {...props} />;
}

function InPage<T>(props: Props<T>) {
  const body = useRef<HTMLDivElement>(null);
  const [above, setAbove] = useState(0);
  useLayoutEffect(() => {
    const top = body.current ? body.current.getBoundingClientRect().top + window.scrollY : 0;
    if (Math.abs(top - above) > 1) setAbove(top);
  });
  const virtual = useWindowVirtualizer<HTMLDivElement>({
    count: props.rows.length,
    estimateSize: () => props.rowHeight ?? 38,
    overscan: 12,
    scrollMargin: above,
    getItemKey: useKeys(props),
  });
  return (
    <div class="vt" {...roles(props)}>
      <Header columns={props.columns} />
      <Body {...props} virtual={virtual} above={above} body={body} />
    </div>
  );
}

function InBox<T>(props: Props<T> & { height: string }) {
  const box = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer<HTMLDivElement, HTMLDivElement>({
    count: props.rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => props.rowHeight ?? 38,
    overscan: 12,
    getItemKey: useKeys(props),
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by the keyboard
    <div ref={box} class="vt boxed" style={{ maxHeight: props.height }} tabIndex={0} {...roles(props)}>
      <Header columns={props.columns} />
      <Body {...props} virtual={virtual} above={0} body={body} />
    </div>
  );
}

/** What gives the keys; another function would have all rows measured anew, so it is another one only for other rows. */
function useKeys<T>({ rows, rowKey }: Props<T>): (index: number) => string | number {
  return useCallback(
    (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
    [rows],
  );
}

function roles<T>(props: Props<T>) {
  return {
    role: "table" as const,
    "aria-label": props.label,
    "aria-rowcount": props.rows.length + 1,
    "aria-busy": props.isOld,
  };
}

function tracks<T>(columns: readonly Column<T>[]): string {
  return columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ");
}

function Header<T>({ columns }: { columns: readonly Column<T>[] }) {
  return (
    <div role="rowgroup" class="vt-head">
      <div role="row" class="vt-row" aria-rowindex={1} style={{ gridTemplateColumns: tracks(columns) }}>
        {columns.map((column) => (
          <div key={column.id} role="columnheader" aria-sort={column.sorted} class={classOf(column)}>
            {column.header ?? column.head}
          </div>
        ))}
      </div>
    </div>
  );
}

function classOf<T>(column: Column<T>): string {
  return `${column.num ? "num" : ""} ${column.narrow ? `narrow-${column.narrow}` : ""}`;
}

type BodyProps<T> = Props<T> & {
  virtual: Virtualizer<Window, HTMLDivElement> | Virtualizer<HTMLDivElement, HTMLDivElement>;
  above: number;
  body: { current: HTMLDivElement | null };
};

function Body<T>({ rows, columns, rowKey, rowClass, virtual, above, body }: BodyProps<T>) {
  const template = tracks(columns);
  const one = (row: T, index: number, place?: { start: number }) => (
    <div
      key={rowKey(row)}
      ref={place && virtual.measureElement}
      data-index={index}
      role="row"
      aria-rowindex={index + 2}
      class={`vt-row ${rowClass?.(row) ?? ""}`}
      style={{
        gridTemplateColumns: template,
        ...(place && { position: "absolute", insetInline: 0, transform: `translateY(${place.start - above}px)` }),
      }}
    >
      {columns.map((column) => (
        <div key={column.id} role="cell" class={classOf(column)} data-label={column.head}>
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
  if (rows.length <= ALL) {
    return (
      <div role="rowgroup" ref={body}>
        {rows.map((row, index) => one(row, index))}
      </div>
    );
  }
  return (
    <div role="rowgroup" ref={body} style={{ position: "relative", height: virtual.getTotalSize() }}>
      {virtual.getVirtualItems().map((item) => {
        const row = rows[item.index];
        return row === undefined ? null : one(row, item.index, item);
      })}
    </div>
  );
}
