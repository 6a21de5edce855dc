/** Every page survives what happens to a host: no data yet, a manifest that no longer parses, going away and coming back. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";
import { PAGES } from "./pages";

let host: Host;
let browser: Browser;

beforeAll(async () => {
  host = await (await Host.ofDemo()).start();
  browser = await launch();
  await parsed((project) => project.read !== null);
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

type Project = { read: unknown; problem?: string | null };

/** Waits until the project is known so. */
async function parsed(is: (project: Project) => boolean): Promise<void> {
  for (;;) {
    const [project] = await host.get<Project[]>("/projects");
    if (project && is(project)) return;
    await new Promise((done) => setTimeout(done, 300));
  }
}

/** Opens the pages one after the other; gives what is wrong with them, by their names. Some may say that something is wrong. */
async function opened(pages: typeof PAGES, as: string, complains: RegExp): Promise<Record<string, unknown>> {
  const faults: Record<string, unknown> = {};
  const visit = await Visit.to(browser, host.url);
  for (const [name, path] of pages) {
    visit.complaints.length = 0;
    await visit.page.goto(path);
    await visit.page.getByRole("heading", { level: 1 }).waitFor();
    // What a page waits for comes, or it is told why not.
    await visit.page.locator("main .empty .spin").first().waitFor({ state: "detached" });
    await visit.picture(`${as}-${name}`);
    const said = await visit.page.getByRole("main").innerText();
    if (visit.complaints.length > 0) faults[name] = [...visit.complaints];
    else if (said.length < 12) faults[name] = `it only says: ${said}`;
    const wrong = await visit.page.locator("main .notice.bad").allInnerTexts();
    if (wrong.length > 0 !== complains.test(name)) faults[name] ??= `it complains: ${wrong.join()}`;
  }
  await visit.close();
  return faults;
}

test("each page opens where nothing has run yet", async () => {
  expect(await opened(PAGES, "nothing", /^run-|^run$/)).toEqual({});
});

describe("a manifest that no longer parses", () => {
  let sound = "";

  beforeAll(async () => {
    await host.call("run", "smoke");
    await host.edit("models/marts/_models.yml", (text) => {
      sound = text;
      return "models: [\n  - name: {{{ broken";
    });
    await parsed((project) => Boolean(project.problem));
  });

  afterAll(async () => {
    await host.edit("models/marts/_models.yml", () => sound);
    await parsed((project) => !project.problem);
  });

  test("each page opens", async () => {
    expect(await opened(PAGES, "unparsable", /^(overview|asset.*|source.*|run-failed|run-compare)$/)).toEqual({});
  });

  test("the assets are shown as they were, and why", async () => {
    const visit = await Visit.to(browser, host.url);
    for (const path of ["/assets", "/lineage?view=list"]) {
      await visit.page.goto(path);
      await visit.page.getByRole("link", { name: "stg_orders", exact: true }).waitFor();
      await visit.page.getByText("_models.yml").first().waitFor();
    }
    await visit.close();
  });
});

/** All that a page says, but for how long ago things were: that moves on. */
function told(page: Page): Promise<string> {
  return page.getByRole("main").evaluate((main) => {
    const copy = main.cloneNode(true) as HTMLElement;
    for (const moving of copy.querySelectorAll("time, .away-place, .axis, .tick")) moving.remove();
    const lines = copy.innerHTML.replaceAll(/<[^>]*>/g, "\n").split("\n");
    return lines.filter((line) => line.trim()).join("\n");
  });
}

test("each page keeps what it showed while the host is away, and is up to date when that is back", async () => {
  // A browser has six connections to one host: more pages than that are of several ones.
  const visits = await Promise.all(
    PAGES.map(async ([name, path]) => {
      const visit = await Visit.to(browser, host.url);
      visit.page.setDefaultTimeout(90_000);
      await visit.page.goto(path);
      await visit.page.getByRole("heading", { level: 1 }).waitFor();
      await visit.page.locator("main .empty .spin").first().waitFor({ state: "detached" });
      return { name, visit };
    }),
  );
  const all = async () =>
    Object.fromEntries(await Promise.all(visits.map(async ({ name, visit }) => [name, await told(visit.page)])));
  for (const { visit } of visits) await visit.settled();
  const before = await all();
  await host.stop("SIGKILL");
  for (const { visit } of visits) await visit.page.getByText("host away").waitFor();
  for (const { name, visit } of visits) await visit.picture(`away-${name}`);
  expect(await all()).toEqual(before);
  await host.start();
  for (const { visit } of visits) await visit.page.getByText("host away").waitFor({ state: "hidden" });
  await parsed((project) => project.read !== null);
  for (const { visit } of visits) await visit.settled();
  await expect.poll(all, { timeout: 30_000 }).toEqual(before);
  for (const { name, visit } of visits) {
    expect(visit.complaints, name).toEqual([]);
    // Nobody is told of a fault that is over.
    expect(await visit.page.getByText("The host does not answer.").count(), name).toBe(0);
    await visit.close();
  }
});

/** Says to a page that nobody looks at it, or that somebody does again. */
function look(page: Page, isSeen: boolean): Promise<void> {
  return page.evaluate((isSeen) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: !isSeen });
    Object.defineProperty(document, "visibilityState", { configurable: true, value: isSeen ? "visible" : "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isSeen);
}

/** Longer than a page goes on listening that nobody looks at, in milliseconds. */
const UNSEEN = 22_000;

describe("a page that nobody looks at", () => {
  const visits: Visit[] = [];

  async function opened(path: string, link: string): Promise<Page> {
    const visit = await Visit.to(browser, host.url);
    visits.push(visit);
    visit.page.setDefaultTimeout(60_000);
    await visit.page.goto(path);
    await visit.page.getByRole("link", { name: link }).first().waitFor();
    await visit.page.evaluate(() => Object.assign(window, { loadedOnce: true }));
    return visit.page;
  }

  afterEach(async () => {
    for (const visit of visits.splice(0)) await visit.close();
  });

  test("is up to date when somebody does again, whatever became of the project and the configuration", async () => {
    const graph = await opened("/lineage?view=list", "stg_orders");
    const assets = await opened("/assets", "stg_orders");
    const jobs = await opened("/schedules", "smoke");
    for (const page of [graph, assets, jobs]) await look(page, false);
    await graph.waitForTimeout(UNSEEN);
    await host.edit("models/marts/seen_later.sql", () => "select 1 as n");
    await host.edit("tidegate.toml", (text) => `${text}\n[jobs.made_later]\nsteps = ["dbt build"]\n`);
    const has = async (path: string, name: string) => JSON.stringify(await host.get(path)).includes(name);
    await expect.poll(() => has("/assets?limit=1000", "seen_later"), { timeout: 60_000 }).toBe(true);
    await expect.poll(() => has("/jobs", "made_later"), { timeout: 60_000 }).toBe(true);
    for (const page of [graph, assets, jobs]) await look(page, true);
    await graph.getByRole("link", { name: "seen_later", exact: true }).waitFor();
    await assets.getByRole("link", { name: "seen_later", exact: true }).waitFor();
    await jobs.getByRole("link", { name: "made_later", exact: true }).waitFor();
    for (const page of [graph, assets, jobs])
      expect(await page.evaluate(() => "loadedOnce" in window), "nobody has loaded it anew").toBe(true);
  });

  test("finds a host again that went away and came back meanwhile", async () => {
    const page = await opened("/runs", "smoke");
    await host.stop("SIGKILL");
    await page.getByText("host away").waitFor();
    await look(page, false);
    await page.waitForTimeout(UNSEEN);
    await host.start();
    await host.call("run", "source_freshness");
    await look(page, true);
    await page.getByText("host away").waitFor({ state: "hidden" });
    await page.getByRole("link", { name: "source_freshness" }).first().waitFor();
    expect(await page.evaluate(() => "loadedOnce" in window)).toBe(true);
  });
});
