/** Thousands of assets: their graph from the host, drawn, and while someone drags and zooms, beside an empty canvas. */
import { gunzipSync } from "node:zlib";
import { frames, visit, wait, WINDOW } from "./browser.mjs";

/** Each gesture takes so many milliseconds. */
const GESTURE = 3000;

/** How long the graph takes: of a host that was just started, and from its memory. Before anything else asks for it. */
export async function graph(url, runs) {
  const [cold, assets, bytes] = await fetched(url);
  const cached = [];
  for (let run = 0; run < runs; run += 1) cached.push((await fetched(url))[0]);
  return { assets, bytes, cold, cached };
}

async function fetched(url) {
  const { request } = await import("node:http");
  const begun = performance.now();
  const body = await new Promise((done, failed) => {
    const asked = request(`${url}/api/v1/projects/layered/graph`, { headers: { "accept-encoding": "gzip" } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part)).on("end", () => done(Buffer.concat(parts)));
    });
    asked.on("error", failed).end();
  });
  const took = performance.now() - begun;
  const graph = JSON.parse(gunzipSync(body).toString());
  return [took, graph.nodes.id.length, body.length];
}

export async function drawn(browser, url, runs) {
  const found = { drawn: [], pan: [], zoom: [], empty_pan: [], empty_zoom: [] };
  for (let run = 0; run < runs; run += 1) {
    const { context, page } = await visit(browser, url);
    await page.goto("/lineage?project=layered", { waitUntil: "commit" });
    await page.waitForFunction(() => performance.getEntriesByName("lineage-drawn").length > 0, null, { polling: 20, timeout: 60_000 });
    found.drawn.push(await page.evaluate(() => performance.getEntriesByName("lineage-drawn")[0].startTime));
    if (run === runs - 1) {
      await wait(1500);
      const [pan, zoom] = await gestures(page, await page.locator(".lineage canvas, main canvas").first().boundingBox());
      Object.assign(found, { pan, zoom });
    }
    await context.close();
  }
  const { context, page } = await visit(browser, url);
  await page.goto("/healthz");
  await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: innerWidth - 40, height: innerHeight - 40 });
    document.body.replaceChildren(canvas);
  });
  const [pan, zoom] = await gestures(page, { x: 20, y: 20, width: WINDOW.width - 40, height: WINDOW.height - 40 });
  Object.assign(found, { empty_pan: pan, empty_zoom: zoom });
  await context.close();
  return found;
}

/** Drags the middle of a box to and fro, then turns the wheel in and out: the frames of both. */
async function gestures(page, { x, y, width, height }) {
  const middle = [x + width / 2, y + height / 2];
  await page.mouse.move(...middle);
  // Nearer first: with all in sight there is nothing to drag.
  for (let step = 0; step < 10; step += 1) await page.mouse.wheel(0, -120);
  await wait(500);
  const until = async (act) => {
    const begun = performance.now();
    for (let step = 0; performance.now() - begun < GESTURE; step += 1) {
      await act(step);
      await wait(8);
    }
  };
  const pan = await frames(page, async () => {
    await page.mouse.down();
    await until((step) =>
      page.mouse.move(middle[0] + Math.sin(step / 15) * width * 0.4, middle[1] + Math.cos(step / 15) * height * 0.4),
    );
    await page.mouse.up();
  });
  await wait(500);
  await page.mouse.move(...middle);
  const zoom = await frames(page, () => until((step) => page.mouse.wheel(0, step % 60 < 30 ? 60 : -60)));
  return [pan, zoom];
}
