/**
 * Measures the UI in a real browser; prints what it found as JSON, all times in milliseconds. What it comes to, and whether that is
 * enough, the program that calls this says.
 */
import { launch } from "./browser.mjs";
import { first } from "./first.mjs";
import { drawn, graph } from "./lineage.mjs";
import { live } from "./live.mjs";
import { run } from "./run.mjs";

const { chromium, demo, layered, large, small, runs } = JSON.parse(process.argv[2]);
const note = (text) => console.error(`ui: ${text}`);

const found = {};
note("the graph, cold and from memory");
found.graph = await graph(layered, 4 * runs);
const browser = await launch(chromium);
try {
  note("the first page");
  found.first = await first(browser, demo, runs);
  note("a build, live");
  found.live = await live(browser, demo, Math.min(3, Math.ceil(runs / 3)));
  note("the lineage");
  found.lineage = await drawn(browser, layered, runs);
  note("a large run");
  found.run = await run(browser, layered, { large, small }, runs);
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
