/** Whoever watches a run sees all of it: in two browsers, over a reload, and over a host that was killed and came back. */
import { rm, writeFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;

/** A model that ends when somebody says so. */
function held(gate: string, after = ""): string {
  return `
import os, time


def model(dbt, session):
    ${after}
    while not os.path.exists(${JSON.stringify(host.path(gate))}):
        time.sleep(0.05)
    return session.sql("select 1 as n")
`;
}

const open = (gate: string) => writeFile(host.path(gate), "");

beforeAll(async () => {
  host = await Host.ofDemo();
  await host.edit("models/marts/held.py", () => held("one"));
  await host.edit("models/marts/held_again.py", () => held("two", 'dbt.ref("held")'));
  await host.edit("models/marts/last.sql", () => "select * from {{ ref('held_again') }}");
  await host.start();
  browser = await launch();
});

afterAll(async () => {
  await Promise.all([open("one"), open("two")]);
  await browser?.close();
  await host?.remove();
});

type Lines = { items: { line: number; message: string }[]; next: string | null };

/** A line as it is compared: much of what dbt says is only blanks. */
const short = (text: string) => text.replaceAll(/\s+/g, " ").trim().slice(0, 120);

/** All lines that the API tells of a run. */
async function told(run: number): Promise<string[]> {
  const lines: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await host.get<Lines>(`/runs/${run}/log?limit=5000${cursor && `&cursor=${cursor}`}`);
    lines.push(...page.items.map(({ line, message }) => `${line} ${short(message)}`));
    if (!page.next || page.next === cursor || page.items.length === 0) return lines;
    cursor = page.next;
  }
}

/** All lines that a page shows, from the first to the last: only some are there at a time. */
async function read(page: Page): Promise<string[]> {
  await page.getByRole("button", { name: "To the first line" }).click();
  await page.getByRole("button", { name: "Link to line 1", exact: true }).waitFor();
  const lines = new Map<number, string>();
  const log = page.getByRole("region", { name: "dbt's log" });
  for (let still = 0; still < 3; ) {
    const here = await log.evaluate((box) =>
      [...box.querySelectorAll<HTMLElement>(".virtual-body [role=row]")].map((row) => ({
        line: Number(row.querySelector(".line-no")?.textContent),
        text: row.querySelector<HTMLElement>("[role=cell].message .name")?.innerText ?? "",
      })),
    );
    const before = lines.size;
    for (const { line, text } of here) lines.set(line, `${line} ${short(text)}`);
    still = lines.size === before ? still + 1 : 0;
    await log.evaluate((box) => box.scrollBy(0, box.clientHeight * 0.8));
    await page.waitForTimeout(still ? 300 : 40);
  }
  return [...lines].sort(([a], [b]) => a - b).map(([, text]) => text);
}

/** The number of the line that is seen first. */
function firstSeen(page: Page): Promise<number> {
  return page.getByRole("region", { name: "dbt's log" }).evaluate((box) => {
    const { top } = box.getBoundingClientRect();
    const rows = [...box.querySelectorAll<HTMLElement>(".virtual-body [role=row]")];
    const places = rows.map((row) => [row.getBoundingClientRect().bottom - top, row] as const);
    const [first] = places.filter(([bottom]) => bottom > 1).sort(([a], [b]) => a - b);
    return Number(first?.[1].querySelector(".line-no")?.textContent);
  });
}

/** The nodes that the API tells of a run, by their names, with their states. */
async function nodesTold(run: number): Promise<string[]> {
  const { items } = await host.get<{ items: { name: string; key?: string | null; state: string }[] }>(
    `/runs/${run}/nodes`,
  );
  return items.map(({ name, key, state }) => `${key ?? name} ${state}`).sort();
}

/** The same, as a page shows them. */
async function nodesShown(page: Page): Promise<string[]> {
  const rows = page.getByRole("table", { name: "Nodes" }).locator(".virtual-body [role=row]");
  const shown = await rows.evaluateAll((rows) =>
    rows.map((row) => {
      const name = row.querySelector(".name-cell .clip")?.textContent;
      return `${name} ${row.querySelector(".state .badge")?.textContent}`;
    }),
  );
  return shown.sort();
}

const node = (page: Page, name: string) =>
  page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
const ended = (page: Page) => page.getByRole("heading", { level: 1 }).getByText("succeeded").waitFor();

/** Waits until a page that follows the log is where the log is. */
async function follows(page: Page, run: number, text: string): Promise<void> {
  await expect.poll(async () => (await told(run)).some((line) => line.includes(text)), { timeout: 90_000 }).toBe(true);
  const last = page.getByRole("table", { name: "dbt's log" }).getByRole("row").last();
  const shown = async () => {
    const text = (await last.getByRole("cell").allInnerTexts()).filter((cell) => !cell.includes("$ dbt"));
    return `${text[0]} ${short(text[3] ?? "")}`;
  };
  await expect.poll(async () => (await shown()) === (await told(run)).at(-1), { timeout: 60_000 }).toBe(true);
}

/** Two browsers on one run: one at its nodes, one at its log. */
async function watch(run: number): Promise<[nodes: Visit, log: Visit]> {
  const visits = [await Visit.to(browser, host.url), await Visit.to(browser, host.url)] as [Visit, Visit];
  // dbt takes its time on a busy machine.
  for (const { page } of visits) page.setDefaultTimeout(90_000);
  // High enough that all nodes are there at once.
  await visits[0].page.setViewportSize({ width: 1400, height: 3000 });
  await visits[0].page.goto(`/runs/${run}?tab=nodes`);
  await visits[1].page.goto(`/runs/${run}?tab=log&log_level=debug`);
  return visits;
}

/** Asks for a run of everything; gives its number. */
async function start(): Promise<number> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${host.url}/api/v1/runs`, { method: "POST", headers, body: '{"job":"build"}' });
  return ((await answer.json()) as { run: number }).run;
}

/** What the two show in the end is what the API tells, and the same in either of them. */
async function same(run: number, [nodes, log]: [Visit, Visit]): Promise<void> {
  await Promise.all([ended(nodes.page), ended(log.page)]);
  const [allNodes, allLines] = [await nodesTold(run), await told(run)];
  expect(allNodes.length).toBeGreaterThan(30);
  expect(allLines.length).toBeGreaterThan(500);
  await log.page.getByText("the log is complete").waitFor();
  expect(await nodesShown(nodes.page)).toEqual(allNodes);
  expect(await read(log.page)).toEqual(allLines);
  // And the other way round.
  await log.page.setViewportSize({ width: 1400, height: 3000 });
  await nodes.page.getByRole("tab", { name: "Log" }).click();
  await nodes.page.getByLabel("Level").selectOption("debug");
  await log.page.getByRole("tab", { name: "Nodes" }).click();
  await node(log.page, "last").waitFor();
  expect(await nodesShown(log.page)).toEqual(allNodes);
  await nodes.page
    .getByText(`all ${allLines.length.toLocaleString("en")} lines`)
    .waitFor()
    .catch(() => undefined);
  expect(await read(nodes.page)).toEqual(allLines);
  expect([...nodes.complaints, ...log.complaints]).toEqual([]);
}

test("two browsers see the same of one run, and a reload in the middle loses nothing", async () => {
  const run = await start();
  const visits = await watch(run);
  const [nodes, log] = visits;
  await node(nodes.page, "held").getByText("running").waitFor();
  await follows(log.page, run, "START python table model main.held ");
  await nodes.page.reload();
  await node(nodes.page, "held").getByText("running").waitFor();
  await node(nodes.page, "fct_orders").getByText("success").waitFor();
  await open("one");
  await node(nodes.page, "held_again").getByText("running").waitFor();
  await log.page.reload();
  await follows(log.page, run, "START python table model main.held_again ");
  await nodes.picture("watching-nodes");
  await log.picture("watching-log");
  // Whoever goes back to read is left there, whatever comes behind.
  await log.page.getByRole("region", { name: "dbt's log" }).evaluate((box) => box.scrollBy(0, -1500));
  await expect.poll(() => log.page.getByRole("checkbox", { name: "Follow" }).isChecked()).toBe(false);
  await log.page.waitForTimeout(500);
  const reading = await firstSeen(log.page);
  await open("two");
  await ended(log.page);
  await log.page.getByText("the log is complete").waitFor();
  expect(await firstSeen(log.page)).toBe(reading);
  await same(run, visits);
  await Promise.all(visits.map((visit) => visit.close()));
});

test("a host that is killed in the middle of a run and started again leaves no gap", async () => {
  await Promise.all(["one", "two"].map((gate) => rm(host.path(gate), { force: true })));
  const run = await start();
  const visits = await watch(run);
  const [nodes, log] = visits;
  for (const { page } of visits) await page.evaluate(() => Object.assign(window, { loadedOnce: true }));
  await node(nodes.page, "fct_orders").getByText("success").waitFor();
  await node(nodes.page, "held").getByText("running").waitFor();
  await follows(log.page, run, "START python table model main.held ");
  const before = await nodesShown(nodes.page);
  await host.stop("SIGKILL");
  for (const { page } of visits) await page.getByText("host away").waitFor();
  expect(await nodesShown(nodes.page)).toEqual(before);
  expect(await log.page.getByRole("table", { name: "dbt's log" }).getByRole("row").count()).toBeGreaterThan(5);
  await nodes.picture("watching-away");
  // dbt goes on while nobody watches it.
  await open("one");
  await host.start();
  for (const { page } of visits) await page.getByText("host away").waitFor({ state: "hidden" });
  await node(nodes.page, "held_again").getByText("running").waitFor();
  await follows(log.page, run, "START python table model main.held_again ");
  await open("two");
  await same(run, visits);
  for (const { page } of visits)
    expect(await page.evaluate(() => "loadedOnce" in window), "nobody has loaded it anew").toBe(true);
  await Promise.all(visits.map((visit) => visit.close()));
});
