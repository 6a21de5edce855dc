/** The first page, beside a page of the same host that has nothing to draw but a line of text. */
import { opened, visit } from "./browser.mjs";

/** What belongs to the overview and comes with its data: the lane of a job. */
const CONTENT = ".timeline .lane";

export async function first(browser, url, runs) {
  const found = { empty: [], painted: [], content: [], again: [], content_again: [] };
  // One window before: the browser itself has to get warm.
  for (let round = -1; round < runs; round += 1) {
    const keep = (name, value) => round >= 0 && found[name].push(value);
    const bare = await visit(browser, url);
    keep("empty", (await opened(bare.page, "/healthz")).painted);
    await bare.context.close();
    const { context, page } = await visit(browser, url);
    const fresh = await opened(page, "/", CONTENT);
    keep("painted", fresh.painted);
    keep("content", fresh.there);
    // The same window once more: files with a digest in their names are known to it.
    const second = await opened(page, "/", CONTENT);
    keep("again", second.painted);
    keep("content_again", second.there);
    await context.close();
  }
  return found;
}
