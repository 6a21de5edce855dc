/** What somebody who is new here does first, with a mouse and a keyboard: each thing from the overview, in at most two clicks. */
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;
let visit: Visit;
let page: Page;
let clicks = 0;

/** The assets of the demo from the sources to the marts: each is read by one of the next, where there is a next. */
const LAYERS = [
  ["source/raw/raw_customers", "source/raw/raw_orders", "source/raw/raw_payments"],
  ["stg_customers", "stg_orders", "stg_payments"],
  ["int_order_payments", "snapshots/customers_snapshot"],
  ["fct_orders"],
  ["dim_customers"],
];
const SEEDS = ["raw_customers", "raw_orders", "raw_payments"];
const [SOURCES = [], ...MODELS] = LAYERS;
/** What dbt builds; a source it only looks at. */
const BUILT = [...SEEDS, ...MODELS.flat()];

beforeAll(async () => {
  host = await (await Host.ofDemo()).start();
  browser = await launch();
  visit = await Visit.to(browser, host.url);
  page = visit.page;
  page.setDefaultTimeout(60_000);
  await page.goto("/");
  await heading("Overview").waitFor();
  // A page that is loaded anew would have lost it.
  await page.evaluate(() => Object.assign(window, { loadedOnce: true }));
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

/** Back to the overview by keys; from here on clicks count. */
beforeEach(async () => {
  await lead("o", "Overview");
  clicks = 0;
});

/** Where `g` and a letter lead. */
async function lead(key: string, title: string): Promise<void> {
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("g");
  await page.keyboard.press(key);
  await heading(title).waitFor();
}

/** One click of the mouse. */
async function click(at: Locator): Promise<void> {
  clicks += 1;
  await at.click();
}

/** What was looked for is there, and the page is still the one that was opened first. */
async function found(): Promise<void> {
  expect(clicks, "clicks from the overview").toBeLessThanOrEqual(2);
  expect(visit.complaints).toEqual([]);
  expect(await page.evaluate(() => "loadedOnce" in window), "nobody has loaded it anew").toBe(true);
}

const place = (name: string) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name });
const heading = (name: string) => page.getByRole("heading", { level: 1, name });
const row = (key: string) => page.getByRole("row").filter({ has: page.getByRole("link", { name: key, exact: true }) });
const steps = () => page.getByRole("list", { name: "Steps" }).getByRole("listitem");

/** The run that is open. */
async function openRun(): Promise<number> {
  await page.waitForURL(/\/runs\/\d+/);
  return Number(/\/runs\/(\d+)/.exec(page.url())?.[1]);
}

/** Waits until the open run's page says by itself that it ended so. */
async function ends(as: string): Promise<void> {
  const badge = page.getByRole("heading", { level: 1 }).locator(".badge");
  await badge.filter({ hasNotText: /^(running|queued)$/ }).waitFor({ timeout: 90_000 });
  expect(await badge.innerText()).toBe(as);
}

test("the lineage is seen, from the sources to the marts", async () => {
  await click(place("Lineage"));
  await heading("Lineage").waitFor();
  const map = page.getByRole("application", { name: "Lineage of shop: 14 nodes" });
  await map.waitFor();
  await visit.picture("walk-1-lineage");
  // Whoever cannot see the picture walks along the edges, and hears where that leads.
  await map.focus();
  const heard: string[] = [];
  const said = page.locator(".lineage-map > [aria-live=polite]");
  for (const name of [
    "raw_customers, seed",
    "stg_customers, model",
    "dim_customers, model",
    "Sales dashboard, exposure",
  ]) {
    await page.keyboard.press("ArrowRight");
    await said.getByText(name).waitFor();
    heard.push(await said.innerText());
  }
  expect(heard[1]).toBe("stg_customers, model, never, 2 upstream, 2 downstream");
  await click(page.getByRole("button", { name: "List" }));
  const list = page.getByRole("table", { name: "Nodes of shop by layer" });
  await list.waitFor();
  const names = await list.getByRole("link").allInnerTexts();
  expect([...names].sort()).toEqual([...LAYERS.flat(), ...SEEDS].sort());
  for (const [at, layer] of LAYERS.entries())
    for (const key of layer)
      expect(await row(key).getByRole("cell").nth(2).innerText(), `layer of ${key}`).toBe(`${at + 1}`);
  await visit.picture("walk-1-list");
  await found();
});

test("smoke is launched, and its two steps are watched while they run", async () => {
  await click(place("Launch"));
  await heading("Launch").waitFor();
  await visit.picture("walk-2-launch");
  await click(page.getByRole("button", { name: "Run now: smoke" }));
  await openRun();
  await found();
  await steps().nth(0).getByText("running").waitFor();
  expect(await steps().count()).toBe(2);
  expect(await steps().nth(1).innerText()).toMatch(/waiting[\s\S]*dbt build --selector smoke/);
  await visit.picture("walk-2-step-1");
  await page.getByRole("tab", { name: "Timeline" }).focus();
  await page.keyboard.press("ArrowRight");
  await steps().nth(1).getByText("running").waitFor();
  expect(await steps().nth(0).innerText()).toMatch(/succeeded[\s\S]*dbt seed/);
  // What the first step did is there while the second one runs.
  for (const seed of SEEDS) await row(seed).getByText("success").waitFor();
  expect(await row("stg_orders").count()).toBe(0);
  await visit.picture("walk-2-step-2");
  await row("stg_orders").getByText("success").waitFor();
  await ends("succeeded");
  // The steps are asked for a moment after the run is known to have ended.
  await expect
    .poll(() => steps().allInnerTexts())
    .toEqual([expect.stringMatching(/^succeeded/), expect.stringMatching(/^succeeded/)]);
  await page.getByText("16 nodes", { exact: true }).waitFor();
  await visit.picture("walk-2-end");
  await found();
});

test("the full build is launched", async () => {
  await click(place("Launch"));
  await click(page.getByRole("button", { name: "Run now: build" }));
  const run = await openRun();
  await found();
  await ends("succeeded");
  await visit.picture("walk-3-build");
  const { items } = await host.get<{ items: { unique_id: string; state: string }[] }>(`/runs/${run}/nodes`);
  expect(items.filter(({ state }) => !["success", "pass", "no-op"].includes(state))).toEqual([]);
  await found();
});

test("each asset says when it was built", async () => {
  await click(place("Assets"));
  await row("dim_customers").getByRole("cell").nth(5).locator("time").waitFor();
  for (const key of BUILT) {
    const built = await row(key).getByRole("cell").nth(5).locator("time").getAttribute("datetime");
    expect(Date.now() - Date.parse(built ?? ""), `since ${key} was built`).toBeLessThan(300_000);
    expect(await row(key).getByRole("cell").nth(4).innerText(), key).toBe("ok");
  }
  for (const key of SOURCES) expect(await row(key).getByRole("cell").nth(5).innerText(), key).toBe("");
  await visit.picture("walk-4-assets");
  await click(page.getByRole("link", { name: "fct_orders", exact: true }));
  await page.getByRole("heading", { name: "Last materialization" }).waitFor();
  await page.locator(".facts time").first().waitFor();
  await visit.picture("walk-4-asset");
  await found();
});

test("source_freshness warns of the source that is late", async () => {
  await click(place("Launch"));
  await click(page.getByRole("button", { name: "Run now: source_freshness" }));
  await openRun();
  await found();
  await ends("warned");
  await visit.picture("walk-5-run");

  await lead("o", "Overview");
  clicks = 0;
  await click(place("Assets"));
  const freshness = (key: string) => row(key).getByRole("cell").nth(7);
  await freshness("source/raw/raw_payments").getByText("warn").waitFor();
  expect(await freshness("source/raw/raw_orders").innerText()).toBe("pass");
  await visit.picture("walk-5-assets");
  await click(page.getByRole("link", { name: "source/raw/raw_payments" }));
  await heading("source/raw/raw_payments").locator(".badge").getByText("warn").waitFor();
  await page.getByText("warn after 24 hours, error after 72 hours").waitFor();
  await visit.picture("walk-5-source");
  await found();

  await lead("o", "Overview");
  await page.getByRole("region", { name: "Needs attention" }).getByText("source/raw/raw_payments").waitFor();
  await visit.picture("walk-5-overview");
});

test("fct_orders is built from scratch, and its log tells so", async () => {
  await click(place("Launch"));
  await click(page.getByRole("button", { name: "Run now: full_refresh_fct_orders" }));
  const run = await openRun();
  await found();
  await ends("succeeded");
  await visit.picture("walk-6-run");

  await lead("o", "Overview");
  clicks = 0;
  await click(page.getByRole("link", { name: new RegExp(`^Run ${run}: succeeded`) }));
  await click(page.getByRole("tab", { name: "Log" }));
  // The old table is put aside and the new one takes its place.
  await page.getByRole("searchbox", { name: "Search the log" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("rename to");
  await page.getByText("No line of level info or above has this text.").waitFor();
  await visit.picture("walk-6-nothing");
  await found();
  await page.getByRole("button", { name: "Search debug lines, too" }).press("Enter");
  await page.getByText("2 lines found").waitFor();
  await page.getByRole("button", { name: "Next" }).press("Enter");
  const log = page.getByRole("table", { name: "dbt's log" });
  await log.locator(".marked").getByText('rename to "fct_orders__dbt_backup"').waitFor();
  await visit.picture("walk-6-found");
  const search = page.getByRole("searchbox", { name: "Search the log" });
  await search.focus();
  await search.press("Control+a");
  await page.keyboard.type("merge into");
  await page.getByText("No line has this text.").waitFor();
});

test("fct_orders and what is made from it are picked in the lineage and materialized", async () => {
  await lead("l", "Lineage");
  await page.getByRole("application", { name: "Lineage of shop" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("fct_orders");
  await page.getByRole("option", { name: "fct_orders" }).waitFor();
  await page.keyboard.press("Enter");
  const bar = page.getByRole("region", { name: "Selection" });
  await bar.getByText("fct_orders", { exact: true }).waitFor();
  await visit.picture("walk-7-selected");
  await click(bar.getByRole("button", { name: "+ downstream" }));
  await bar.getByText("3 nodes").waitFor();
  await visit.picture("walk-7-downstream");
  await click(bar.getByRole("link", { name: "Materialize 2" }));
  await found();
  await heading("Materialize fct_orders").waitFor();
  const plan = page.getByRole("region", { name: "What it will do" });
  await plan.getByText(/^dbt build /).waitFor();
  expect(await plan.innerText()).toMatch(/\ndbt build --select \S*fct_order\[s]\+/);
  const models = plan.getByRole("group").filter({ hasText: /^2 models/ });
  expect(await models.getByRole("link").allInnerTexts()).toEqual(["dim_customers", "fct_orders"]);
  await visit.picture("walk-7-plan");
  await page.getByRole("button", { name: "Launch", exact: true }).press("Enter");
  const run = await openRun();
  await ends("succeeded");
  await visit.picture("walk-7-run");
  const { items } = await host.get<{ items: { unique_id: string }[] }>(`/runs/${run}/nodes`);
  const built = items.map(({ unique_id }) => unique_id).filter((id) => id.startsWith("model."));
  expect(built.sort()).toEqual(["model.shop.dim_customers", "model.shop.fct_orders"]);
  await found();
});

test("from the lineage to a launch of a node with what reads it takes two clicks, the launch included", async () => {
  await lead("l", "Lineage");
  await page.getByRole("application", { name: "Lineage of shop" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("dim_customers");
  await page.keyboard.press("Enter");
  const bar = page.getByRole("region", { name: "Selection" });
  await bar.getByText("dim_customers", { exact: true }).waitFor();
  // Only a dashboard reads it, which dbt does not build.
  expect(await bar.getByRole("link", { name: "with downstream" }).count()).toBe(0);
  const find = page.getByRole("combobox", { name: "Find a node" });
  await find.press("Control+a");
  await page.keyboard.type("int_order_payments");
  await page.keyboard.press("Enter");
  await bar.getByText("int_order_payments", { exact: true }).waitFor();
  await click(bar.getByRole("link", { name: "with downstream" }));
  await heading("Materialize int_order_payments").waitFor();
  await click(page.getByRole("button", { name: "Launch", exact: true }));
  await openRun();
  await found();
  await ends("succeeded");
});
