/** The page of a large run, part by part, beside that of a small one. */
import { opened, visit } from "./browser.mjs";

const PARTS = {
  nodes: ["nodes", ".virtual.nodes .virtual-body .virtual-row"],
  log: ["log&log_level=debug", ".virtual.log .virtual-body .virtual-row"],
  timeline: ["timeline", ".gantt canvas, main canvas"],
  events: ["events", ".virtual .virtual-body .virtual-row"],
};

export async function run(browser, url, { large, small }, runs) {
  const found = {};
  for (const [part, [tab, selector]] of Object.entries(PARTS)) {
    const both = { large: [], small: [] };
    for (let round = 0; round < runs; round += 1) {
      for (const [size, id] of Object.entries({ small, large })) {
        const { context, page } = await visit(browser, url);
        both[size].push((await opened(page, `/runs/${id}?tab=${tab}`, selector)).there);
        await context.close();
      }
    }
    found[part] = both;
  }
  return found;
}
