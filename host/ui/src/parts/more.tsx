/** The end of a long list: how much of it is there, and more of it. */
import type { Pages } from "./live";

/** A button for the next page of a list. */
export function More<T>({ of, what }: { of: Pages<T>; what: string }) {
  const count = of.data?.length ?? 0;
  if (!count) return null;
  return (
    <div class="row more">
      <span class="faint small" role="status">
        {of.hasMore ? "The first" : count === 1 ? "Only" : "All"} {count.toLocaleString("en")}
        {count > 1 && ` ${what}`}
      </span>
      {of.hasMore && (
        <button type="button" class="button" aria-disabled={of.isLoadingMore} onClick={() => of.more()}>
          {of.isLoadingMore ? "Loading…" : "Load more"}
        </button>
      )}
    </div>
  );
}
