/** Every page survives what happens to a host: no data yet, a manifest that no longer parses, going away and coming back. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

/** Opens the pages one after the other; gives what is wrong with them, by their names. */
async function opened(pages: typeof PAGES, as: string): Promise<Record<string, unknown>> {
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
  }
  await visit.close();
  return faults;
}

test("each page opens where nothing has run yet", async () => {
  expect(await opened(PAGES, "nothing")).toEqual({});
});

describe("a manifest that no longer parses", () => {
  beforeAll(async () => {
    await host.call("run", "smoke");
    await host.edit("models/marts/_models.yml", () => "models: [\n  - name: {{{ broken");
    await parsed((project) => Boolean(project.problem));
  });

  test("each page opens", async () => {
    expect(await opened(PAGES, "unparsable")).toEqual({});
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
  const shown = ({ visit }: (typeof visits)[number]) => visit.page.getByRole("heading", { level: 1 }).innerText();
  const before = await Promise.all(visits.map(shown));
  await host.stop("SIGKILL");
  for (const { visit } of visits) await visit.page.getByText("host away").waitFor();
  for (const { name, visit } of visits) await visit.picture(`away-${name}`);
  expect(await Promise.all(visits.map(shown))).toEqual(before);
  await host.start();
  for (const { visit } of visits) await visit.page.getByText("host away").waitFor({ state: "hidden" });
  expect(await Promise.all(visits.map(shown))).toEqual(before);
  for (const { name, visit } of visits) {
    expect(visit.complaints, name).toEqual([]);
    // Nobody is told of a fault that is over.
    expect(await visit.page.getByText("The host does not answer.").count(), name).toBe(0);
    await visit.close();
  }
});
