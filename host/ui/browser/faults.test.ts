/** What somebody has to know is said: what went wrong, what is unclear, what became late while nothing happened. */
import { writeFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;
let visit: Visit;
let page: Page;

const problem = (detail: string, status: number) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: "about:blank", title: "no", status, detail }),
});

beforeAll(async () => {
  host = await Host.ofDemo();
  const gate = JSON.stringify(host.path("gate"));
  await host.edit(
    "models/marts/held.py",
    () => `
import os, time


def model(dbt, session):
    while not os.path.exists(${gate}):
        time.sleep(0.05)
    return session.sql("select 1 as n")
`,
  );
  await host.edit(
    "tidegate.toml",
    (text) => `${text}\n[jobs.slow]\nsteps = ["dbt build --select held"]\nlate_after = "25s"\n`,
  );
  await host.start();
  browser = await launch();
});

afterAll(async () => {
  await writeFile(host.path("gate"), "");
  await browser?.close();
  await host?.remove();
});

beforeEach(async () => {
  visit = await Visit.to(browser, host.url);
  page = visit.page;
  page.setDefaultTimeout(60_000);
});

afterEach(() => visit.close());

test("an undo that is refused says why", async () => {
  await page.goto("/schedules/build");
  await page.route("**/api/v1/jobs/build/resume", (route) => route.fulfill(problem("the host has other plans", 409)));
  await page.getByRole("button", { name: "Pause build" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator(".toast.bad").getByText("the host has other plans").waitFor();
  await page.unroute("**/api/v1/jobs/build/resume");
  await page.getByRole("button", { name: "Resume build" }).click();
  await page.getByRole("button", { name: "Pause build" }).waitFor();
});

test("a plugin's page says why where the list of plugins cannot be had", async () => {
  await page.route("**/api/v1/plugins", (route) => route.fulfill(problem("the shelf is empty", 503)));
  await page.goto("/plugins/backoff");
  await page.getByRole("alert").getByText("the shelf is empty").waitFor();
});

test("a link to a launch that names no project asks which of several is meant", async () => {
  await page.route("**/api/v1/projects", async (route) => {
    const answer = await route.fetch();
    const [shop] = (await answer.json()) as object[];
    await route.fulfill({ response: answer, json: [{ ...shop, name: "another" }, shop] });
  });
  await page.goto("/launch?select=fct_orders");
  await page.getByRole("heading", { name: "Of which project?" }).waitFor();
  expect(await page.getByRole("button", { name: "Launch", exact: true }).count()).toBe(0);
  await visit.picture("launch-which");
  await page.getByRole("link", { name: "shop", exact: true }).click();
  await page.getByRole("button", { name: "Launch", exact: true }).waitFor();
  expect(new URL(page.url()).search).toBe("?select=fct_orders&project=shop");
  expect(await page.getByLabel("Project").inputValue()).toBe("shop");
});

test("the list of keys has those of each page", async () => {
  await visit.open("/lineage");
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  for (const group of ["Everywhere", "Go to", "Tabs", "Lineage", "Timeline of a run"])
    await keys.getByRole("table", { name: group }).waitFor();
  await visit.picture("keys");
  await page.setViewportSize({ width: 390, height: 844 });
  await visit.picture("keys-phone");
  expect(await keys.evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth)).toBeLessThanOrEqual(0);
});

test("a run that becomes late while nothing happens is shown as late", async () => {
  const headers = { "content-type": "application/json" };
  await fetch(`${host.url}/api/v1/runs`, { method: "POST", headers, body: '{"job":"slow"}' });
  await visit.open("/");
  await page.getByText("What is late").waitFor();
  await page.getByRole("listitem").filter({ hasText: "job slow" }).getByText("has not ended").waitFor();
  await page.locator(".lanes").getByText("late", { exact: true }).waitFor();
  expect(visit.complaints).toEqual([]);
});
