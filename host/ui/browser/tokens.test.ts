/** Whoever needs a token gets in with one, to where they wanted to go, and sees what they may not do and why. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser";
import { Host } from "./host";

let host: Host;
let browser: Browser;
const tokens: Record<string, string> = {};

async function made(name: string, role: string): Promise<string> {
  const { code, stdout, stderr } = await host.call("token", "new", name, "--role", role);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

beforeAll(async () => {
  host = await Host.ofDemo();
  await host.edit("tidegate.toml", (text) => `${text}\n[web]\nanonymous = "none"\n`);
  await host.start();
  tokens.reads = await made("rita", "read");
  tokens.operates = await made("ana", "operate");
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await host?.remove();
});

/** Where a page is. */
const at = (page: Page) => {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
};

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name }).waitFor();

async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

test("whoever comes without a token logs in first, and gets to where they wanted to go", async () => {
  const visit = await Visit.to(browser, host.url);
  const { page } = visit;
  await page.goto("/schedules?q=build");
  await heading(page, "Log in");
  expect(at(page)).toBe(`/login?to=${encodeURIComponent("/schedules?q=build")}`);
  await logIn(page, `${tokens.operates}x`);
  await page.getByRole("alert").getByText("the token is none, or none any more").waitFor();
  expect(at(page), "a wrong token leads nowhere").toContain("/login");
  await logIn(page, tokens.operates ?? "");
  await heading(page, "Schedules");
  expect(at(page)).toBe("/schedules?q=build");
  await page.getByRole("link", { name: "build", exact: true }).waitFor();
  await page.getByRole("button", { name: "Pause build" }).click();
  await page.getByText("Nothing starts build by itself any more.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("button", { name: "Pause build" }).waitFor();
  const cookies = await visit.context.cookies();
  expect(cookies.map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }))).toEqual([
    { httpOnly: true, sameSite: "Strict" },
  ]);
  const kept = await page.evaluate(() =>
    JSON.stringify([document.cookie, localStorage, sessionStorage, location.href]),
  );
  expect(kept).not.toContain(tokens.operates);
  await page.reload();
  await heading(page, "Schedules");
  expect(visit.complaints).toEqual([]);
  await visit.close();
});

test("a wrong token locks nobody out who is in already", async () => {
  const visit = await Visit.to(browser, host.url);
  const { page } = visit;
  await page.goto("/login");
  await logIn(page, tokens.operates ?? "");
  await heading(page, "Overview");
  await page.goto("/login");
  await page.getByText("You are logged in as ana.").waitFor();
  await logIn(page, "not-a-token");
  await page.getByRole("alert").getByText("the token is none, or none any more").waitFor();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Runs" }).click();
  await heading(page, "Runs");
  await page.waitForTimeout(500);
  expect(at(page)).toBe("/runs");
  await visit.close();
});

test("whoever may only look sees everything, and of what is disabled why", async () => {
  const visit = await Visit.to(browser, host.url);
  const { page } = visit;
  await page.goto("/schedules/build");
  await logIn(page, tokens.reads ?? "");
  await heading(page, "build");
  await page.getByText("Read only: to change anything takes a token with the role operate.").waitFor();
  const why = "You may look, but not change anything: that takes a token with the role operate.";
  const pause = page.getByRole("button", { name: "Pause build" });
  expect(await pause.getAttribute("aria-disabled")).toBe("true");
  const told = await pause.evaluate(
    (button) => document.getElementById(button.getAttribute("aria-describedby") ?? "")?.textContent,
  );
  expect(told).toBe(why);
  // It can be reached, and says why; a mouse says the same.
  await pause.press("Enter");
  await page.locator(".toast").getByText(why).waitFor();
  await page.goto("/launch?job=smoke");
  const start = page.getByRole("button", { name: "Launch", exact: true });
  await start.waitFor();
  expect(await start.getAttribute("aria-disabled")).toBe("true");
  await start.press("Enter");
  await page.locator(".toast").getByText(why).waitFor();
  const runs = await page.evaluate(async () => (await (await fetch("/api/v1/runs")).json()).items.length);
  expect(runs, "nothing was started").toBe(0);
  await visit.picture("tokens-read");
  expect(visit.complaints).toEqual([]);
  await visit.close();
});

test("whoever logs out sees nothing any more, and nor do their other windows", async () => {
  const visit = await Visit.to(browser, host.url);
  const { page } = visit;
  await page.goto("/runs");
  await logIn(page, tokens.operates ?? "");
  await heading(page, "Runs");
  const other = await visit.context.newPage();
  await other.goto("/assets");
  await heading(other, "Assets");
  await page.getByRole("button", { name: "Log out" }).click();
  await heading(page, "Log in");
  expect(await page.getByRole("navigation", { name: "Pages" }).count(), "the places are still named").toBe(1);
  expect(await page.evaluate(async () => (await fetch("/api/v1/runs")).status)).toBe(401);
  expect(await visit.context.cookies()).toEqual([]);
  // The other window learns of it at its next question.
  await other.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Alerts" }).click();
  await heading(other, "Log in");
  await visit.close();
});
