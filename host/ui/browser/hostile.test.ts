/** Names and texts that would like to be scripts, in every place that shows a text: none runs, and none breaks a page. */
import { writeFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";
import { LONG, NAME, quoted, SCRIPT } from "./hostile";

let host: Host;
let browser: Browser;
/** Names of jobs cannot be hostile, only long. */
const job = "j".repeat(100);

const model = `
version: 2
models:
  - name: hostile
    description: ${quoted(`${NAME} ${LONG}`)}
    config:
      meta:
        tidegate:
          asset_key: [hostile, ${quoted(NAME)}]
          owners: [${quoted(NAME)}, ${quoted(LONG)}]
          group: ${quoted(NAME)}
          tags: { ${quoted(NAME)}: ${quoted(NAME)}, long: ${quoted(LONG)} }
    columns:
      - name: id
        description: ${quoted(`${NAME} ${LONG}`)}
        data_tests: [not_null]
      - name: ${quoted(NAME)}
        description: x
  - name: broken
    description: ${quoted(LONG)}
    config:
      meta: { tidegate: { asset_key: [${quoted(LONG)}] } }
exposures:
  - name: board
    label: ${quoted(NAME)}
    type: dashboard
    url: "javascript:window.hacked=1"
    owner: { name: ${quoted(NAME)}, email: ${quoted(NAME)} }
    depends_on: [ref('hostile')]
`;

const configuration = `
[jobs.${job}]
description = ${quoted(`${NAME} ${LONG}`)}
schedule = "0 ${(new Date().getUTCHours() + 4) % 24} * * *"
steps = ["dbt build --select hostile broken"]

[destinations.told.file]
path = "told.jsonl"

[alerts.all]
notifier = "builtin:webhook"
destinations = ["told"]
owners = [${quoted(NAME)}]

[alerts.any]
notifier = "builtin:webhook"
destinations = ["told"]
`;

/** A model that ends when the tests do. */
const held = () => `
import os, time


def model(dbt, session):
    while not os.path.exists(${quoted(host.path("gate"))}):
        time.sleep(0.05)
    return session.sql("select 1 as n")
`;

beforeAll(async () => {
  host = await Host.ofDemo();
  const log = `{{ log(${quoted(`${NAME} ${LONG}`)}, info=True) }}`;
  await host.edit("models/marts/hostile.sql", () => `${log}\nselect 1 as id`);
  await host.edit("models/marts/broken.sql", () => `select error(${`'${NAME.replaceAll("'", "''")}'`}) as x`);
  await host.edit("models/marts/held.py", () => held());
  await host.edit("models/marts/_hostile.yml", () => model);
  await host.edit("tidegate.toml", (text) => text + configuration);
  const checked = await host.call("check");
  expect(checked.stderr + checked.stdout).not.toContain("wrong");
  await host.start();
  await host.call("run", job);
  // Two runs can be compared.
  await host.call("run", job);
  browser = await launch();
});

afterAll(async () => {
  await writeFile(host.path("gate"), "");
  await browser?.close();
  await host?.remove();
});

const asset = (id: string) => `/assets/shop/${encodeURIComponent(id)}`;
const pages = [
  ["overview", "/"],
  ["assets", "/assets"],
  ["asset", asset("model.shop.hostile")],
  ["asset-code", `${asset("model.shop.hostile")}?tab=code`],
  ["asset-columns", `${asset("model.shop.hostile")}?tab=columns`],
  ["asset-definition", `${asset("model.shop.hostile")}?tab=definition`],
  ["asset-runs", `${asset("model.shop.hostile")}?tab=runs`],
  ["asset-checks", `${asset("model.shop.hostile")}?tab=checks`],
  ["asset-history", `${asset("model.shop.hostile")}?tab=history`],
  ["asset-lineage", `${asset("model.shop.hostile")}?tab=lineage`],
  ["asset-broken", asset("model.shop.broken")],
  ["lineage", "/lineage"],
  ["lineage-selected", "/lineage?selected=model.shop.hostile&up=1&down=1"],
  ["lineage-list", "/lineage?view=list&selected=model.shop.broken"],
  ["runs", "/runs"],
  ["run", "/runs/1"],
  ["run-nodes", "/runs/1?tab=nodes"],
  ["run-events", "/runs/1?tab=events"],
  ["run-log", "/runs/1?tab=log"],
  ["run-attempts", "/runs/1?tab=attempts"],
  ["run-configuration", "/runs/1?tab=configuration"],
  ["run-notifications", "/runs/1?tab=notifications"],
  ["run-artifacts", "/runs/1?tab=artifacts"],
  ["run-compare", "/runs/2?tab=compare&with=1&same=yes"],
  ["launch", "/launch"],
  ["launch-assets", "/launch?project=shop&assets=model.shop.hostile,model.shop.broken&failed=1"],
  ["launch-refused", `/launch?project=shop&select=${encodeURIComponent(`key:${NAME.replaceAll(" ", "")}`)}`],
  ["launch-job", `/launch?job=${encodeURIComponent(job)}`],
  ["schedules", "/schedules"],
  ["schedule", `/schedules/${encodeURIComponent(job)}`],
  ["plugins", "/plugins"],
  ["plugin-calls", "/plugins/webhook"],
  ["alerts", "/alerts"],
  ["alerts-told", "/alerts?tab=told"],
  ["alerts-sent", "/alerts?tab=sent"],
  ["audit", "/audit"],
] as const;

/** Nothing of it was run, and the page is as wide as ever. */
async function harmless(visit: Visit): Promise<void> {
  expect(await visit.page.evaluate(() => "hacked" in window)).toBe(false);
  expect(visit.complaints).toEqual([]);
  expect(await visit.page.locator('a[href^="javascript:"]').count()).toBe(0);
  expect(await visit.overflow(), "wider than the window").toBeLessThanOrEqual(0);
}

describe.each([false, true])("on a phone: %s", (phone) => {
  test.each(pages)("%s", async (name, path) => {
    const visit = await Visit.to(browser, host.url, { phone });
    await visit.open(path);
    // What a launch would do comes later: dbt is asked.
    await visit.page.getByText("asking dbt").waitFor({ state: "hidden", timeout: 90_000 });
    await visit.picture(`hostile-${name}${phone ? "-phone" : ""}`);
    await harmless(visit);
    const tall = await visit.page.evaluate(() => document.documentElement.scrollHeight);
    expect(tall, "a page that one text fills").toBeLessThan(phone ? 4000 : 2500);
    await visit.close();
  });

  test("what is picked and found in the catalogue, in the palette and in the lineage", async () => {
    const visit = await Visit.to(browser, host.url, { phone });
    await visit.open("/assets?q=hostile");
    await visit.page
      .getByRole("checkbox", { name: /^Pick hostile/ })
      .first()
      .check();
    await visit.page.getByRole("region", { name: "What is picked" }).waitFor();
    for (const facet of ["Group", "Tag", "Owner"]) {
      await visit.page
        .getByRole("search", { name: "Filters" })
        .getByRole("button", { name: facet, exact: true })
        .click();
      await visit.page.getByRole("group", { name: facet, exact: true }).waitFor();
      await visit.picture(`hostile-facet-${facet.toLowerCase()}${phone ? "-phone" : ""}`);
      await harmless(visit);
      await visit.page.keyboard.press("Escape");
    }
    await visit.page.keyboard.press("Control+k");
    await visit.page.getByRole("combobox", { name: /^A page, an asset/ }).fill("hostile");
    await visit.page.getByRole("option").filter({ hasText: SCRIPT }).first().waitFor();
    await visit.picture(`hostile-palette${phone ? "-phone" : ""}`);
    await harmless(visit);
    await visit.open("/lineage");
    await visit.page.getByRole("combobox", { name: "Find a node" }).fill("hostile");
    await visit.page.getByRole("option").first().waitFor();
    await harmless(visit);
    await visit.close();
  });

  test("the question before a run is cancelled, and what is said behind it", async () => {
    const launched = async (body: unknown) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${host.url}/api/v1/runs`, { method: "POST", headers, body: JSON.stringify(body) });
      expect(answer.status, await answer.clone().text()).toBe(201);
      return ((await answer.json()) as { run: number }).run;
    };
    // The second one waits for the first, since both want the same file of DuckDB.
    const first = await launched({ project: "shop", select: ["held"] });
    const second = await launched({ project: "shop", select: [NAME, LONG] });
    const visit = await Visit.to(browser, host.url, { phone });
    await visit.open(`/runs/${second}`);
    await visit.page.getByRole("button", { name: "Cancel", exact: true }).click();
    await visit.page.getByRole("dialog").getByText(SCRIPT, { exact: false }).first().waitFor();
    await visit.picture(`hostile-dialog${phone ? "-phone" : ""}`);
    await harmless(visit);
    await visit.page.getByRole("button", { name: "Cancel the run" }).click();
    await visit.page.getByText(`Run ${second} is being cancelled`).waitFor();
    await visit.picture(`hostile-toast${phone ? "-phone" : ""}`);
    await harmless(visit);
    await visit.open("/runs");
    await harmless(visit);
    await visit.close();
    await fetch(`${host.url}/api/v1/runs/${first}/cancel`, {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    await host.ended(first);
    await host.ended(second);
  });
});

test("a call of a plugin with all that it was given", async () => {
  const visit = await Visit.to(browser, host.url);
  await visit.open("/plugins/webhook");
  const call = visit.page
    .locator("details")
    .filter({ has: visit.page.locator("summary .clip") })
    .first();
  await call.locator("summary").click();
  await visit.settled();
  await call.getByText(SCRIPT, { exact: false }).first().waitFor();
  await visit.picture("hostile-call");
  await harmless(visit);
  await visit.close();
});

test("what is hostile is shown as the text that it is", async () => {
  const visit = await Visit.to(browser, host.url);
  await visit.page.goto(asset("model.shop.hostile"));
  await visit.page.getByText(SCRIPT, { exact: false }).first().waitFor();
  await visit.page.goto("/schedules");
  await visit.page.getByText(job, { exact: false }).first().waitFor();
  await visit.close();
});
