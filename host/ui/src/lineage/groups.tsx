/** The groups of a graph, to fold and unfold. */
import type { Address } from "./address";
import type { LineageGraph } from "./graph";

type Props = {
  graph: LineageGraph;
  fold: string[];
  set: (fold: string[]) => void;
  by: Address["by"];
  setBy: (by: Address["by"]) => void;
};

export function Groups({ graph, fold, set, by, setBy }: Props) {
  const { groups } = graph.document;
  const names = groups.map(({ name }) => name);
  const folded = fold.includes("*") ? names : fold;
  const toggle = (name: string, isFolded: boolean) => {
    const now = isFolded ? folded.filter((other) => other !== name) : [...folded, name];
    set(now.length === names.length ? ["*"] : now);
  };
  return (
    <section class="lineage-groups" aria-label="Groups">
      <h2>Folded groups</h2>
      <label class="row">
        Grouped by
        <select value={by} onChange={(event) => setBy(event.currentTarget.value === "folder" ? "folder" : "group")}>
          <option value="group">group</option>
          <option value="folder">folder</option>
        </select>
      </label>
      <div class="row">
        <button type="button" class="button" disabled={folded.length === names.length} onClick={() => set(["*"])}>
          Fold all
        </button>
        <button type="button" class="button" disabled={folded.length === 0} onClick={() => set([])}>
          Unfold all
        </button>
      </div>
      <ul>
        {groups.map(({ name, count, folded: isFolded }) => (
          <li key={name}>
            <label>
              <input type="checkbox" checked={isFolded} onChange={() => toggle(name, isFolded)} />
              <span class="clip grow">{name}</span>
              <span class="faint small">{count}</span>
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}
