/** Names and texts that would like to be scripts, in every place that shows a text: none runs, and none breaks a page. */
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
`;

beforeAll(async () => {
  host = await Host.ofDemo();
  const log = `{{ log(${quoted(`${NAME} ${LONG}`)}, info=True) }}`;
  await host.edit("models/marts/hostile.sql", () => `${log}\nselect 1 as id`);
  await host.edit("models/marts/broken.sql", () => `select error(${`'${NAME.replaceAll("'", "''")}'`}) as x`);
  await host.edit("models/marts/_hostile.yml", () => model);
  await host.edit("tidegate.toml", (text) => text + configuration);
  const checked = await host.call("check");
  expect(checked.stderr + checked.stdout).not.toContain("wrong");
  await host.start();
  await host.call("run", job);
  browser = await launch();
});

afterAll(async () => {
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
  ["asset-lineage", `${asset("model.shop.hostile")}?tab=lineage`],
  ["asset-broken", asset("model.shop.broken")],
  ["lineage", "/lineage"],
  ["runs", "/runs"],
  ["run", "/runs/1"],
  ["run-nodes", "/runs/1?tab=nodes"],
  ["run-events", "/runs/1?tab=events"],
  ["run-log", "/runs/1?tab=log"],
  ["run-attempts", "/runs/1?tab=attempts"],
  ["run-configuration", "/runs/1?tab=configuration"],
  ["run-notifications", "/runs/1?tab=notifications"],
  ["launch", "/launch"],
  ["launch-job", `/launch?job=${encodeURIComponent(job)}`],
  ["schedules", "/schedules"],
  ["schedule", `/schedules/${encodeURIComponent(job)}`],
  ["plugins", "/plugins"],
  ["alerts", "/alerts"],
  ["audit", "/audit"],
] as const;

describe.each([false, true])("on a phone: %s", (phone) => {
  test.each(pages)("%s", async (name, path) => {
    const visit = await Visit.to(browser, host.url, { phone });
    await visit.open(path);
    await visit.picture(`hostile-${name}${phone ? "-phone" : ""}`);
    expect(await visit.page.evaluate(() => "hacked" in window)).toBe(false);
    expect(visit.complaints).toEqual([]);
    expect(await visit.page.locator('a[href^="javascript:"]').count()).toBe(0);
    expect(await visit.overflow(), "wider than the window").toBeLessThanOrEqual(0);
    const tall = await visit.page.evaluate(() => document.documentElement.scrollHeight);
    expect(tall, "a page that one text fills").toBeLessThan(phone ? 4000 : 2500);
    await visit.close();
  });
});

test("what is hostile is shown as the text that it is", async () => {
  const visit = await Visit.to(browser, host.url);
  await visit.page.goto(asset("model.shop.hostile"));
  await visit.page.getByText(SCRIPT, { exact: false }).first().waitFor();
  await visit.page.goto("/schedules");
  await visit.page.getByText(job, { exact: false }).first().waitFor();
  await visit.close();
});
