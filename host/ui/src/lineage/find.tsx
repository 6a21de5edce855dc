/** Finds a node by a few letters of its name. */
import fuzzysort from "fuzzysort";
import { useId, useMemo, useState } from "preact/hooks";
import { useParam } from "../parts/address";
import type { LineageGraph } from "./graph";
import { typeWord } from "./marks";

type Props = { graph: LineageGraph; onFind: (id: string, node: number) => void };
type Target = { id: string; node: number; text: string; type: string };

/** Nobody types more, and nothing longer is searched. */
const LONGEST = 200;
const SHOWN = 12;

/** Everything that can be found: nodes, and what is in folded ones. */
function targetsOf(graph: LineageGraph): Target[] {
  return Array.from({ length: graph.count }, (_, node) => {
    const own = { id: graph.id(node), node, text: graph.key(node).slice(0, LONGEST), type: graph.type(node) };
    if (!graph.isFolded(node)) return [own];
    const within = graph.members(node).map((id) => ({
      id,
      node,
      text: id.split(".").slice(2).join(".").slice(0, LONGEST),
      type: id.split(".")[0] ?? "",
    }));
    return [own, ...within];
  }).flat();
}

export function Find({ graph, onFind }: Props) {
  const [text, setText] = useParam("q");
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const list = useId();
  const targets = useMemo(() => targetsOf(graph), [graph]);
  const found = useMemo(
    () => (text ? fuzzysort.go(text, targets, { key: "text", limit: SHOWN }).map(({ obj }) => obj) : []),
    [text, targets],
  );
  const take = (target: Target | undefined) => {
    if (!target) return;
    setOpen(false);
    onFind(target.id, target.node);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(at + 1, found.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else if (event.key === "Enter") take(found[at]);
    else if (event.key === "Escape" && isOpen) setOpen(false);
    else return;
    event.preventDefault();
  };
  const shows = isOpen && text !== "";
  return (
    <div class="lineage-find">
      <input
        type="search"
        data-search
        role="combobox"
        aria-label="Find a node"
        aria-expanded={shows}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shows && found[at] ? `${list}-${at}` : undefined}
        placeholder="Find a node"
        autocomplete="off"
        spellcheck={false}
        maxLength={LONGEST}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
          setAt(0);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={press}
      />
      <div id={list} role="listbox" aria-label="Nodes" hidden={!shows}>
        {shows &&
          found.map((target, index) => (
            <div
              key={target.id}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === at}
              onMouseDown={(event) => {
                event.preventDefault();
                take(target);
              }}
            >
              <span class="clip">{target.text}</span>
              <span class="faint small">{typeWord(target.type)}</span>
            </div>
          ))}
        {shows && found.length === 0 && (
          <div role="option" aria-selected={false} aria-disabled class="faint">
            Nothing is called so.
          </div>
        )}
      </div>
    </div>
  );
}
