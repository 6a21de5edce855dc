/** The files that dbt left behind in a run. */
import { Download } from "lucide-preact";
import { useParam } from "../parts/address";
import { Choice, Filters, Search } from "../parts/filters";
import { Empty, ProblemBox, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { artifactHref, useArtifacts } from "./data";
import { attemptName } from "./nodes-table";
import type { Artifact, RunDetail } from "./shapes";
import { bytes, isFinished } from "./words";

const kinds: Record<Artifact["kind"], string> = {
  manifest: "dbt's manifest",
  run_results: "dbt's results",
  sources: "freshness of sources",
  catalog: "dbt's catalog",
  compiled: "compiled SQL",
  executed: "SQL as it was run",
  log: "dbt's log",
  record: "record of the attempt",
  other: "other",
};

export function Artifacts({ run }: { run: RunDetail }) {
  const [named] = useParam("kind");
  const kind = Object.keys(kinds).includes(named) ? (named as Artifact["kind"]) : "";
  const [q] = useParam("file");
  const query = useArtifacts(run.id, { kind, q });
  if (!query.data) return query.error ? <ProblemBox error={query.error} /> : <Waiting />;
  const files = query.data.pages.flatMap((page) => page.items);
  const columns: Column<Artifact>[] = [
    {
      id: "name",
      head: "File",
      width: "minmax(0, 4fr)",
      cell: (file) => (
        <a href={artifactHref(run.id, file)} download class="file-link">
          <Download aria-hidden class="in-text" /> <span class="name">{file.name}</span>
        </a>
      ),
    },
    { id: "kind", head: "What", cell: (file) => kinds[file.kind] },
    { id: "at", head: "Step", width: "110px", cell: (file) => attemptName(`${file.step}.${file.attempt}`) },
    {
      id: "size",
      head: "On disk",
      width: "150px",
      num: true,
      cell: (file) => `${bytes(file.size)}${file.compressed ? ", compressed" : ""}`,
    },
  ];
  return (
    <div class="stack">
      <Filters label="Filter the files" params={["file", "kind"]}>
        <Search param="file" label="Name" />
        <Choice param="kind" label="What" options={Object.entries(kinds).map(([value, text]) => ({ value, text }))} />
      </Filters>
      {files.length === 0 ? (
        <Empty>
          {kind || q
            ? "No file fits."
            : isFinished(run.state)
              ? "There are no files: dbt was not started, or retention has taken them."
              : "There are no files yet: they appear here as dbt writes them."}
        </Empty>
      ) : (
        <Table
          label="Artifacts"
          rows={files}
          columns={columns}
          rowKey={(file) => `${file.step}.${file.attempt}/${file.name}`}
        />
      )}
      {query.hasNextPage && (
        <button
          type="button"
          class="button"
          aria-disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          Load more
        </button>
      )}
    </div>
  );
}
