/** Scripts of pages that do not come, and pages that cannot be drawn: nothing is dead until somebody loads it anew. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;
let visit: Visit;
let page: Page;

beforeAll(async () => {
  host = await (await Host.ofDemo()).start();
  await host.call("run", "smoke");
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

beforeEach(async () => {
  visit = await Visit.to(browser, host.url);
  page = visit.page;
  page.setDefaultTimeout(60_000);
});

afterEach(() => visit.close());

const heading = (name: string) => page.getByRole("heading", { level: 1, name }).waitFor();
const go = (name: string) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
const mark = () => page.evaluate(() => Object.assign(window, { loadedOnce: true }));
const isMarked = () => page.evaluate(() => "loadedOnce" in window);

test("a page and a tab that are opened while the host is away come when it does", async () => {
  await visit.open("/runs/1?tab=nodes");
  await mark();
  await host.stop("SIGKILL");
  await page.getByText("host away").waitFor();
  await page.getByRole("tab", { name: "Log" }).click();
  await page.getByRole("tabpanel").getByText("This could not be loaded.").waitFor();
  expect(await page.getByRole("heading", { level: 1 }).innerText(), "the rest of the page stays").toContain("smoke");
  await page.getByRole("tab", { name: "Nodes" }).click();
  await page.getByRole("table", { name: "Nodes" }).waitFor();
  await go("Audit");
  await heading("Not loaded yet");
  await page.getByRole("main").getByRole("button", { name: "Load again" }).click();
  await page.getByRole("main").getByText("This could not be loaded.").waitFor();
  await visit.picture("away-unvisited");
  await page.goBack();
  await page.getByRole("tab", { name: "Log" }).click();
  await page.getByRole("tabpanel").getByText("This could not be loaded.").waitFor();
  await host.start();
  await page.getByRole("table", { name: "dbt's log" }).getByRole("row").nth(3).waitFor();
  await go("Audit");
  await heading("Audit");
  await page.getByRole("cell", { name: "launched a run" }).first().waitFor();
  const unstyled = await page.evaluate(
    () => [...document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")].filter((link) => !link.sheet).length,
  );
  expect(unstyled).toBe(0);
  expect(await isMarked(), "nobody has loaded it anew").toBe(true);
  expect(visit.complaints).toEqual([]);
});

test("the pages of a host that has other scripts by now are loaded anew", async () => {
  await visit.open("/");
  await mark();
  const gone = /\/assets\/audit-[^/]*\.js$/;
  await page.route(gone, (route) => route.fulfill({ status: 404, body: "{}" }));
  await go("Audit");
  // Its page has other scripts, too; but there they are missing as well, and once is enough.
  await heading("Not loaded yet");
  expect(await isMarked()).toBe(false);
  expect(new URL(page.url()).pathname).toBe("/audit");
  await page.unroute(gone);
  await page.getByRole("button", { name: "Load again" }).click();
  await heading("Audit");
});

test("a page that cannot be drawn says so, and the others go on", async () => {
  await visit.open("/");
  await page.route("**/api/v1/audit?**", (route) =>
    route.fulfill({ json: { items: [{ id: 1, at: "2026-03-02T12:00:00Z", action: "alert.snooze" }], next: null } }),
  );
  await go("Audit");
  await heading("Something went wrong");
  await page.getByRole("alert").getByText("This could not be drawn").waitFor();
  await visit.picture("not-drawn");
  expect(visit.complaints.join(), "whoever develops it sees where").toContain("TypeError");
  await go("Runs");
  await heading("Runs");
  await page.getByRole("link", { name: "smoke" }).first().waitFor();
});

test("the arrow keys go through all tabs of a run, though each has to be loaded", async () => {
  await page.setViewportSize({ width: 1400, height: 500 });
  await visit.open("/runs/1");
  await mark();
  const tabs = await page.getByRole("tab").allInnerTexts();
  expect(tabs.length).toBeGreaterThan(7);
  await page.getByRole("tab").first().focus();
  await page.evaluate(() => window.scrollTo(0, 60));
  for (const name of [...tabs.slice(1), tabs[0]]) {
    await page.keyboard.press("ArrowRight");
    const focused = await page.evaluate(() => document.activeElement?.textContent);
    expect(focused).toBe(name);
    await page.locator("[role=tabpanel] .spin").first().waitFor({ state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.textContent), "once it is loaded").toBe(name);
  }
  expect(await isMarked()).toBe(true);
  expect(visit.complaints).toEqual([]);
});
