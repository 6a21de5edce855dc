/** A long table of which only the rows that can be seen are made. Rows may have any height. */
import { useVirtualizer } from "@tanstack/react-virtual";
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef } from "preact/hooks";

export type VirtualProps<T> = {
  label: string;
  items: T[];
  keyOf: (item: T, at: number) => string | number;
  /** The cells of a row: elements with `role="cell"`. */
  row: (item: T, at: number) => ComponentChildren;
  /** The cells of the head. */
  head?: ComponentChildren;
  /** A row's usual height in pixels. */
  size: number;
  class?: string;
  rowClass?: (item: T) => string;
  /** How many rows there are, where not all are here. */
  total?: number;
  /** Called where someone comes near the end. */
  onEnd?: () => void;
  /** Called where someone comes near the beginning. */
  onStart?: () => void;
  /** The row to show; a new one is scrolled to. */
  show?: { at: number; align: "center" | "end" | "start"; mark: unknown } | undefined;
  /** Called where someone scrolls: whether the end can be seen, and whether it went up. */
  onScroll?: (atEnd: boolean, up: boolean) => void;
  /** Whether what is seen stays where it is when rows come before it. */
  anchored?: boolean;
};

/** The table. It scrolls by itself, and can be reached with the keyboard to do so. */
export function Virtual<T>(props: VirtualProps<T>) {
  const { items, keyOf, row, size, onEnd, onStart, show } = props;
  const box = useRef<HTMLDivElement>(null);
  // Where another function gives the keys, all rows are measured anew.
  const getItemKey = useCallback(
    (at: number) => {
      const item = items[at];
      return item === undefined ? at : keyOf(item, at);
    },
    [items],
  );
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: () => size,
    overscan: 8,
    getItemKey,
  });
  const rows = virtual.getVirtualItems();
  const [first, last] = [rows[0]?.index ?? 0, rows.at(-1)?.index ?? 0];
  useEffect(() => {
    if (items.length > 0 && last >= items.length - 20) onEnd?.();
  }, [last, items.length, onEnd]);
  useEffect(() => {
    if (items.length > 0 && first <= 10) onStart?.();
  }, [first, items.length, onStart]);
  // It is scrolled when it is asked for, and when what was asked for comes: not when it moves, nor when something else changes.
  const isThere = show !== undefined && show.at >= 0;
  useEffect(() => {
    if (show && isThere) virtual.scrollToIndex(show.at, { align: show.align });
  }, [isThere, show?.mark]);
  const firstKey = items[0] === undefined ? undefined : keyOf(items[0], 0);
  // The row that is seen first, and the first of all.
  const seen = useRef<{ first: typeof firstKey; key?: typeof firstKey; start: number }>({ first: firstKey, start: 0 });
  // What comes or goes before the row that is seen first does not move it.
  useLayoutEffect(() => {
    const element = box.current;
    const { first: before, key, start } = seen.current;
    if (props.anchored && element && before !== firstKey && key !== undefined) {
      const at = items.findIndex((item, index) => keyOf(item, index) === key);
      if (at >= 0) element.scrollTop += (virtual.measurementsCache[at]?.start ?? at * size) - start;
    }
    const from = virtual.scrollOffset ?? 0;
    const shown = virtual.getVirtualItems().find((row) => row.start + row.size > from) ?? rows[0];
    seen.current = { first: firstKey, start: 0 };
    if (shown && items[shown.index] !== undefined)
      seen.current = { first: firstKey, key: getItemKey(shown.index), start: shown.start };
  });
  const top = useRef(0);
  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    const up = element.scrollTop < top.current - 20;
    top.current = element.scrollTop;
    props.onScroll?.(element.scrollHeight - element.scrollTop - element.clientHeight < 40, up);
  };
  return (
    <div
      class={`virtual ${props.class ?? ""}`}
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
      tabIndex={0}
      style={{ height: `min(${virtual.getTotalSize() + (props.head ? 36 : 2)}px, max(320px, 68vh))` }}
      role="region"
      aria-label={props.label}
      onScroll={scrolled}
    >
      <div role="table" aria-label={props.label} aria-rowcount={(props.total ?? items.length) + (props.head ? 1 : 0)}>
        {props.head && (
          <div role="rowgroup" class="virtual-head">
            <div role="row" class="virtual-row" aria-rowindex={1}>
              {props.head}
            </div>
          </div>
        )}
        <div role="rowgroup" class="virtual-body" style={{ height: `${virtual.getTotalSize()}px` }}>
          {rows.map((shown) => {
            const item = items[shown.index];
            if (item === undefined) return null;
            return (
              <div
                key={shown.key}
                ref={virtual.measureElement}
                data-index={shown.index}
                role="row"
                class={`virtual-row ${props.rowClass?.(item) ?? ""}`}
                aria-rowindex={shown.index + (props.head ? 2 : 1)}
                style={{ transform: `translateY(${shown.start}px)` }}
              >
                {row(item, shown.index)}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
