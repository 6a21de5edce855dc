/** The graph on a canvas, for eyes, hands, keys and ears. */
import { Crosshair, Maximize, Minus, Plus } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { LineageCanvas } from "./canvas";
import type { LineageGraph, Way } from "./graph";
import { typeWord } from "./marks";
import { type Shown, words } from "./standing";
import "./lineage.css";

type Props = {
  graph: LineageGraph;
  shown: Shown[];
  /** What the graph is of, for those who cannot see it. */
  label: string;
  selected: ReadonlySet<number>;
  focus: number | undefined;
  /** Within another page: the wheel scrolls that, unless Ctrl is held. */
  embedded?: boolean;
  /** Changes where all of the graph is to be seen anew. */
  subject: string;
  /** Selects a node, nothing, or one more. */
  onSelect: (node: number | undefined, add: boolean) => void;
  onFocus: (node: number | undefined) => void;
  onOpen: (node: number) => void;
  onUnfold: (node: number) => void;
  /** Where to look, each time that it is another one; the keys go there, too, where someone enters it. */
  look?: { nodes: readonly number[]; enter?: boolean } | undefined;
  children?: ComponentChildren;
};

const WAYS: Record<string, Way> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

/** What is said of a node. */
export function spoken(graph: LineageGraph, shown: Shown[], node: number): string {
  const [up, down] = [graph.up[node]?.length ?? 0, graph.down[node]?.length ?? 0];
  const state = shown[node];
  const parts = [graph.name(node).slice(0, 200), typeWord(graph.type(node))];
  if (state?.word) parts.push(words(state));
  parts.push(`${up} upstream`, `${down} downstream`);
  return parts.join(", ");
}

export function LineageMap(props: Props) {
  const { graph, shown, selected, focus, embedded = false, subject, look } = props;
  const element = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const view = useRef<LineageCanvas>();
  const latest = useRef(props);
  latest.current = props;
  const [hovered, setHovered] = useState<number>();
  const help = useId();

  useEffect(() => {
    if (!element.current) return;
    const canvas = new LineageCanvas(
      element.current,
      {
        select: (node, add) => {
          stage.current?.focus({ preventScroll: true });
          latest.current.onSelect(node, add);
        },
        open: (node) => latest.current.onOpen(node),
        unfold: (node) => latest.current.onUnfold(node),
        hover: setHovered,
      },
      { embedded },
    );
    view.current = canvas;
    return () => canvas.close();
  }, [embedded]);

  const before = useRef<string>();
  useEffect(() => {
    view.current?.setShown(shown);
    view.current?.setGraph(graph, before.current === subject);
    before.current = subject;
    setHovered(undefined);
  }, [graph, subject]);
  useEffect(() => view.current?.setShown(shown), [shown]);
  useEffect(() => view.current?.setSelected(selected), [selected]);
  useEffect(() => view.current?.setFocus(focus), [focus]);
  useEffect(() => {
    if (look) view.current?.goTo(look.nodes);
    if (look?.enter) stage.current?.focus({ preventScroll: true });
  }, [look]);

  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = focus ?? [...selected][0];
    const way = WAYS[event.key];
    if (way) {
      const next = at === undefined ? graph.first() : graph.walk(at, way);
      if (next !== undefined) {
        props.onFocus(next);
        view.current?.reveal(next);
      }
    } else if (event.key === "Enter" && at !== undefined) {
      if (graph.isFolded(at)) props.onUnfold(at);
      else props.onOpen(at);
    } else if (event.key === " " && at !== undefined) props.onSelect(at, true);
    else if (event.key === "Escape") props.onSelect(undefined, false);
    else if (event.key === "+" || event.key === "=") view.current?.zoomBy(1.4);
    else if (event.key === "-" || event.key === "_") view.current?.zoomBy(1 / 1.4);
    else if (event.key === "0" || event.key === "f") view.current?.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const told = focus ?? (selected.size === 1 ? [...selected][0] : undefined);
  const aloud = useMemo(
    () => (told === undefined || told >= graph.count ? "" : spoken(graph, shown, told)),
    [graph, shown, told],
  );
  return (
    <div class={embedded ? "lineage-map embedded" : "lineage-map"}>
      <div
        ref={stage}
        class="lineage-stage"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes keys
        tabIndex={0}
        aria-label={`${props.label}: ${graph.count} nodes, ${graph.document.edges.from.length} edges`}
        aria-describedby={help}
        onKeyDown={press}
      >
        <canvas ref={element} aria-hidden />
      </div>
      <p id={help} class="visually-hidden">
        Arrow keys walk along the edges and within a layer, Enter opens, Space selects, plus and minus zoom, f shows
        all.
      </p>
      <p class="visually-hidden" aria-live="polite">
        {aloud}
      </p>
      {hovered !== undefined && hovered < graph.count && (
        <p class="lineage-hint small" aria-hidden>
          {spoken(graph, shown, hovered)}
        </p>
      )}
      {props.children}
      <div class="lineage-zoom" role="toolbar" aria-label="View">
        <button
          type="button"
          class="button icon"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => view.current?.zoomBy(1.5)}
        >
          <Plus aria-hidden />
        </button>
        <button
          type="button"
          class="button icon"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => view.current?.zoomBy(1 / 1.5)}
        >
          <Minus aria-hidden />
        </button>
        <button
          type="button"
          class="button icon"
          aria-label="Show all"
          title="Show all (f)"
          onClick={() => view.current?.fit()}
        >
          <Maximize aria-hidden />
        </button>
        {selected.size > 0 && (
          <button
            type="button"
            class="button icon"
            aria-label="Show the selection"
            title="Show the selection"
            onClick={() => view.current?.fit(selected)}
          >
            <Crosshair aria-hidden />
          </button>
        )}
      </div>
    </div>
  );
}
