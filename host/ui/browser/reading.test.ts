/** Whoever may only look sees everything, and is told why nothing can be changed. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;

const config = `
[web]
anonymous = "read"

[destinations.told.file]
path = "told.jsonl"

[alerts.all]
notifier = "builtin:webhook"
destinations = ["told"]
`;

beforeAll(async () => {
  host = await Host.ofDemo();
  await host.edit("tidegate.toml", (text) => text + config);
  await host.start();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

test("an alert is not snoozed, and the button says why", async () => {
  const visit = await Visit.to(browser, host.url);
  await visit.open("/alerts");
  const snooze = visit.page.getByRole("button", { name: "Snooze…" });
  expect(await snooze.getAttribute("aria-disabled")).toBe("true");
  expect(await snooze.getAttribute("title")).toBeTruthy();
  // It can be reached and pressed all the same.
  await snooze.click({ force: true });
  expect(await visit.page.getByRole("dialog").count()).toBe(0);
  expect(visit.complaints).toEqual([]);
  await visit.close();
});

test("runs can be filtered by any job, though none has run yet", async () => {
  const visit = await Visit.to(browser, host.url);
  await visit.open("/runs");
  const { jobs } = await host.get<{ jobs: string[] }>("/runs/facets");
  expect(jobs).toContain("smoke");
  const offered = await visit.page.getByLabel("Job", { exact: true }).locator("option").allInnerTexts();
  expect(offered).toEqual(["all", ...jobs]);
  expect(visit.complaints).toEqual([]);
  await visit.close();
});
