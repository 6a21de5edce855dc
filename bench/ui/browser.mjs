/** A browser as a user has it, and what a page itself says about when something was there. */
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../host/ui/package.json", import.meta.url))("playwright-core");

export const WINDOW = { width: 1400, height: 900 };

/** A browser that talks to nobody by itself. */
export function launch(program) {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  return chromium.launch({
    executablePath: program,
    args: [...quiet, "--no-sandbox", "--disable-gpu", "--disable-quic"],
  });
}

/** A window of its own: nothing is in its cache. */
export async function visit(browser, url, viewport = WINDOW) {
  const context = await browser.newContext({ viewport, baseURL: url });
  const page = await context.newPage();
  return { context, page };
}

/**
 * Opens an address; gives in milliseconds from its request when the first answer was whole, when something was painted first, and
 * when an element that fits `selector` was painted (nothing to wait for: null).
 */
export async function opened(page, path, selector) {
  await page.addInitScript((selector) => {
    if (!selector) return;
    const look = () => {
      if (globalThis.thereAt !== undefined || !document.querySelector(selector)) return;
      globalThis.thereAt = 0;
      // It is painted behind the next frame's callbacks.
      requestAnimationFrame(() => setTimeout(() => (globalThis.thereAt = performance.now())));
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true });
  }, selector);
  await page.goto(path, { waitUntil: "commit" });
  await page.waitForFunction(
    (waits) => (!waits || globalThis.thereAt > 0) && performance.getEntriesByName("first-contentful-paint").length > 0,
    Boolean(selector),
    { polling: 20, timeout: 60_000 },
  );
  return page.evaluate(() => ({
    answered: performance.getEntriesByType("navigation")[0].responseEnd,
    painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    there: globalThis.thereAt ?? null,
  }));
}

/** Counts the frames of a page while something is done to it: the milliseconds between each two. */
export async function frames(page, act) {
  await page.evaluate(() => {
    globalThis.frameTimes = [];
    let last;
    const next = (time) => {
      if (last !== undefined) globalThis.frameTimes.push(time - last);
      last = time;
      globalThis.frameLoop = requestAnimationFrame(next);
    };
    globalThis.frameLoop = requestAnimationFrame(next);
  });
  await act();
  return page.evaluate(() => {
    cancelAnimationFrame(globalThis.frameLoop);
    return globalThis.frameTimes;
  });
}

/** Asks the API. */
export async function api(url, path, options) {
  const answer = await fetch(`${url}/api/v1${path}`, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

export const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
