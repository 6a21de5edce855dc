/** A malicious page in another origin can neither read nor change anything: each door is tried with a browser of today. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;
let elsewhere: Server;
let evil: string;

beforeAll(async () => {
  host = await (await Host.ofDemo()).start();
  browser = await launch();
  elsewhere = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end("<!doctype html><title>evil</title><body></body>");
  });
  await new Promise<void>((done) => elsewhere.listen(0, "127.0.0.1", done));
  const port = (elsewhere.address() as AddressInfo).port;
  // The same site to a browser's cookies, and another origin; the other name is another site too.
  evil = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await browser?.close();
  elsewhere?.close();
  await host?.remove();
});

async function evilPage(origin = evil): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(origin);
  return page;
}

/** What a page gets to know of an answer. */
function tried(page: Page, path: string, init: RequestInit): Promise<string> {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, init as RequestInit);
        return `${answer.type} ${answer.status} ${await answer.text()}`;
      } catch (error) {
        return `refused: ${error}`;
      }
    },
    [`${host.url}${path}`, init] as const,
  );
}

const runs = async () => (await host.get<{ items: unknown[] }>("/runs")).items.length;
const launchBody = JSON.stringify({ job: "smoke" });

test.each(["127.0.0.1", "localhost"])("a page at %s on another port reads nothing", async (name) => {
  const page = await evilPage(evil.replace("127.0.0.1", name));
  for (const path of ["/api/v1/status", "/api/v1/runs", "/api/v1/openapi.json", "/api/v1/session"]) {
    expect(await tried(page, path, {})).toMatch(/^refused/);
    expect(await tried(page, path, { mode: "no-cors" })).toMatch(/^refused/);
  }
});

test("a page elsewhere starts nothing: no form, no simple request, no preflighted one", async () => {
  const page = await evilPage();
  const post = (type: string, mode: RequestMode) =>
    tried(page, "/api/v1/runs", { method: "POST", mode, body: launchBody, headers: { "content-type": type } });
  expect(await post("text/plain", "no-cors")).toMatch(/^refused/);
  expect(await post("application/json", "cors")).toMatch(/^refused/);
  expect(await post("application/x-www-form-urlencoded", "cors")).toMatch(/^refused/);
  const submitted = page.waitForResponse((answer) => answer.request().method() === "POST");
  await page.evaluate((url) => {
    const form = document.createElement("form");
    form.method = "post";
    form.enctype = "text/plain";
    form.action = `${url}/api/v1/runs`;
    const field = document.createElement("input");
    field.name = '{"job": "smoke", "x": "';
    field.value = '"}';
    form.append(field);
    document.body.append(form);
    form.submit();
  }, host.url);
  expect((await submitted).status()).toBeGreaterThanOrEqual(400);
  expect(await runs()).toBe(0);
});

test("a page elsewhere hears nothing of what happens", async () => {
  const page = await evilPage();
  const heard = await page.evaluate(
    (url) =>
      new Promise<string>((done) => {
        const source = new EventSource(`${url}/api/v1/live`);
        for (const kind of ["message", "hello", "run", "status"])
          source.addEventListener(kind, () => done(`heard ${kind}`));
        source.addEventListener("error", () => done("refused"));
      }),
    host.url,
  );
  expect(heard).toBe("refused");
});

test("a page elsewhere frames no page and loads no answer as a script", async () => {
  const page = await evilPage();
  const framed = await page.evaluate(
    (url) =>
      new Promise<string>((done) => {
        const frame = document.createElement("iframe");
        frame.src = url;
        // A refused frame shows an error page of the browser, which nobody can look into either way.
        frame.addEventListener("load", () => done(frame.contentDocument === null ? "closed" : "open"));
        document.body.append(frame);
      }),
    host.url,
  );
  expect(framed).toBe("closed");
  const frame = page.frames().find((frame) => frame !== page.mainFrame());
  expect(await frame?.content()).not.toContain("Tidegate");
  const script = await page.evaluate(
    (url) =>
      new Promise<string>((done) => {
        const script = document.createElement("script");
        script.src = `${url}/api/v1/status`;
        script.addEventListener("load", () => done("loaded"));
        script.addEventListener("error", () => done("refused"));
        document.body.append(script);
      }),
    host.url,
  );
  expect(script).toBe("refused");
});

test("a name that was bound to this machine later is not ours", async () => {
  const rebound = await chromium.launch({
    executablePath: process.env.TIDEGATE_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
  });
  try {
    const page = await rebound.newPage();
    const port = new URL(host.url).port;
    const answer = await page.goto(`http://evil.example:${port}/`);
    expect(answer?.status()).toBe(421);
    // From here on the page is of the very origin that it asks.
    const asked = (path: string, init: RequestInit) =>
      page.evaluate(async ([path, init]) => (await fetch(path, init as RequestInit)).status, [path, init] as const);
    expect(await asked("/api/v1/runs", {})).toBe(421);
    expect(await asked("/api/v1/live", {})).toBe(421);
    const headers = { "content-type": "application/json" };
    expect(await asked("/api/v1/runs", { method: "POST", body: launchBody, headers })).toBe(421);
  } finally {
    await rebound.close();
  }
  expect(await runs()).toBe(0);
});

test("the host's own page goes through the doors that are shut to the others", async () => {
  const page = await evilPage(host.url);
  expect(await tried(page, "/api/v1/status", {})).toMatch(/^basic 200 /);
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ job: "no such job" });
  expect(await tried(page, "/api/v1/runs", { method: "POST", body, headers })).toMatch(/^basic 4\d\d .*no such job/);
});
