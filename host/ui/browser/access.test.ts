/** Every page in both themes, at a desk and on a phone: by axe's rules, without complaints of the browser, no wider than the window. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults, RunOptions } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";
import { PAGES } from "./pages";

type Role = Parameters<Page["getByRole"]>[0];
type Over = readonly [name: string, path: string, open: (page: Page) => Promise<unknown>, role: Role, of: string];

let host: Host;
let browser: Browser;
let axe: string;

/** Somebody is told of what happens, so that the pages about alerts have something to show. */
const alert = `
[destinations.told.file]
path = "told.jsonl"

[alerts.all]
notifier = "builtin:webhook"
destinations = ["told"]
`;

beforeAll(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  host = await Host.ofDemo();
  await host.edit("tidegate.toml", (text) => text + alert);
  await host.start();
  await host.call("run", "build");
  await host.call("run", "source_freshness");
  // Something that failed is what people look at most.
  await host.edit("models/staging/stg_payments.sql", (text) => `${text}\n-- broken\nfrom nowhere`);
  await host.call("run", "build");
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe has to say of the page as it is shown now. */
async function faults(visit: Visit, runOnly: RunOptions["runOnly"]): Promise<string[]> {
  const options: RunOptions = { runOnly, resultTypes: ["violations"] };
  const results = (await visit.page.evaluate(
    // @ts-expect-error: axe was put there
    (options) => window.axe.run(document, options),
    options,
  )) as AxeResults;
  return results.violations.map(
    (rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
  );
}

/** At a desk by day, and when it gets dark; a phone is held in the dark. */
describe.each([
  ["at a desk", "light", false],
  ["on a phone", "dark", true],
] as const)("%s", (_, theme, phone) => {
  let visit: Visit;

  beforeAll(async () => {
    visit = await Visit.to(browser, host.url, { theme, phone });
  });

  afterAll(() => visit?.close());

  test.each(PAGES)("%s", async (name, path) => {
    visit.complaints.length = 0;
    await visit.page.emulateMedia({ colorScheme: theme });
    await visit.open(path);
    await visit.picture(`${name}-${theme}${phone ? "-phone" : ""}`);
    await visit.page.evaluate(axe);
    expect(await faults(visit, { type: "tag", values: tags })).toEqual([]);
    expect(await visit.overflow(), "wider than the window").toBeLessThanOrEqual(0);
    if (!phone) {
      await visit.page.emulateMedia({ colorScheme: "dark" });
      await visit.picture(`${name}-dark`);
      expect(await faults(visit, { type: "rule", values: ["color-contrast"] }), "in the dark").toEqual([]);
    }
    expect(visit.complaints).toEqual([]);
  });

  /** What opens over a page: what it is, where, how it is opened, and what is there then. */
  const over: Over[] = [
    ["palette", "/", (page) => page.keyboard.press("Control+k"), "dialog", "Find"],
    ["keys", "/", (page) => page.keyboard.press("?"), "dialog", "Keyboard shortcuts"],
    ...(phone
      ? [
          [
            "menu",
            "/",
            (page: Page) => page.getByRole("button", { name: "More" }).click(),
            "dialog",
            "All pages",
          ] as const,
        ]
      : []),
    [
      "facet",
      "/assets",
      (page) => page.getByRole("search", { name: "Filters" }).getByRole("button", { name: "Type" }).click(),
      "group",
      "Type",
    ],
    ["find-node", "/lineage", (page) => page.getByLabel("Find a node").fill("orders"), "listbox", "Nodes"],
    ["snooze", "/alerts", (page) => page.getByRole("button", { name: "Snooze…" }).click(), "dialog", "Snooze all"],
  ];

  test.each(over)("what opens: %s", async (name, path, open, role, of) => {
    visit.complaints.length = 0;
    await visit.page.emulateMedia({ colorScheme: theme });
    await visit.open(path);
    await open(visit.page);
    await visit.page.getByRole(role, { name: of }).waitFor();
    await visit.picture(`over-${name}-${theme}${phone ? "-phone" : ""}`);
    await sound(name);
    await visit.page.keyboard.press("Escape");
  });

  /** That axe finds nothing to say, in the theme of now and in the dark. */
  async function sound(name: string): Promise<void> {
    await visit.page.evaluate(axe);
    expect(await faults(visit, { type: "tag", values: tags }), name).toEqual([]);
    expect(await visit.overflow(), "wider than the window").toBeLessThanOrEqual(0);
    await visit.page.emulateMedia({ colorScheme: "dark" });
    expect(await faults(visit, { type: "rule", values: ["color-contrast"] }), `${name} in the dark`).toEqual([]);
    expect(visit.complaints).toEqual([]);
  }

  test("what is said after something was done", async () => {
    visit.complaints.length = 0;
    await visit.page.emulateMedia({ colorScheme: theme });
    await visit.open("/alerts");
    await visit.page.getByRole("button", { name: "Snooze…" }).click();
    await visit.page.getByRole("dialog").getByRole("button", { name: "Snooze", exact: true }).click();
    const said = visit.page.getByText(/^all says nothing for/);
    await said.waitFor();
    // What someone points at stays.
    await said.hover();
    await visit.picture(`over-toast-${theme}${phone ? "-phone" : ""}`);
    await sound("toast");
    await visit.page.getByRole("button", { name: "Undo" }).click();
    await visit.page.getByRole("button", { name: "Snooze…" }).waitFor();
  });
});
