/** From what dbt logs to what the browser shows, over real builds: each node's state in the table of a run's page. */
import { api, visit, wait } from "./browser.mjs";

/** Tall enough for every row: a table makes only those that can be seen. */
const TALL = { width: 1400, height: 6000 };

const isDone = (state) => state !== "queued" && state !== "running";

export async function live(browser, url, builds) {
  const found = { nodes: 0, browser: [], from_end: [], api: [], behind_api: [] };
  for (let build = 0; build < builds; build += 1) await one(browser, url, found);
  return found;
}

async function one(browser, url, found) {
  const heard = new Map();
  const listening = new AbortController();
  const ends = listen(url, listening.signal, heard);
  const { run } = await api(url, "/runs", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `bench-${Date.now()}` },
    body: JSON.stringify({ job: "build" }),
  });
  const { context, page } = await visit(browser, url, TALL);
  await page.addInitScript(() => {
    globalThis.shownAt = {};
    const look = () => {
      for (const row of document.querySelectorAll(".virtual.nodes .virtual-body [role=row]")) {
        const name = row.querySelector(".expand")?.getAttribute("aria-label")?.replace(/^\S+ all of /, "");
        const state = row.querySelector(".state")?.textContent?.trim();
        if (name && state) globalThis.shownAt[`${name} ${state}`] ??= Date.now();
      }
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
  });
  await page.goto(`/runs/${run}?tab=nodes`);
  let state = "running";
  while (!isDone(state)) {
    await wait(250);
    ({ state } = await api(url, `/runs/${run}`));
  }
  await wait(500);
  const shown = await page.evaluate(() => globalThis.shownAt);
  listening.abort();
  await ends;
  await context.close();

  const { items } = await api(url, `/runs/${run}/nodes`);
  const names = new Map(items.map((node) => [node.unique_id, node.name]));
  const log = await (await fetch(`${url}/api/v1/runs/${run}/log/raw`)).text();
  for (const line of log.split("\n")) {
    if (!line.includes('"NodeFinished"')) continue;
    const { info, data } = JSON.parse(line);
    const { unique_id: id, node_finished_at: end } = data.node_info;
    // dbt tells of the end of ephemeral models too, which nobody builds.
    if (!names.has(id)) continue;
    const at = Date.parse(info.ts);
    // The first that was shown of the node behind the word `running`, whatever it is called.
    const states = Object.entries(shown).filter(([key]) => key.startsWith(`${names.get(id)} `));
    const ended = states.filter(([key]) => isDone(key.slice(names.get(id).length + 1))).map(([, time]) => time);
    if (ended.length === 0 || !heard.has(id)) throw new Error(`${id} was never shown as ended: ${JSON.stringify(states)}`);
    const first = Math.min(...ended);
    found.nodes += 1;
    found.browser.push(first - at);
    found.from_end.push(first - Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(end) ? end : `${end}Z`));
    found.api.push(heard.get(id) - at);
    found.behind_api.push(first - heard.get(id));
  }
}

/** Listens as the page does; remembers when it heard first that a node has ended. */
async function listen(url, signal, heard) {
  try {
    const answer = await fetch(`${url}/api/v1/live`, { signal });
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      const messages = text.split("\n\n");
      text = messages.pop();
      for (const message of messages) {
        if (!/^event: ?node$/m.test(message)) continue;
        const data = JSON.parse(/^data: ?(.*)$/m.exec(message)[1]);
        for (const node of data.nodes) {
          if (isDone(node.state) && !heard.has(node.unique_id)) heard.set(node.unique_id, Date.now());
        }
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
