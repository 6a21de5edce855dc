/** Debian's Chromium, driven by Playwright: what a user's browser would do, and nothing that only a test could. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const program = process.env.TIDEGATE_TEST_CHROMIUM ?? "/usr/bin/chromium";
const pictures = resolve(process.env.TIDEGATE_TEST_PICTURES ?? join(import.meta.dirname, "../../../target/browser"));

export const DESKTOP = { width: 1400, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A browser without anything that talks to the world by itself. */
export function launch(): Promise<Browser> {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  return chromium.launch({
    executablePath: program,
    args: [...quiet, "--no-sandbox", "--disable-gpu", "--disable-quic"],
  });
}

/** A page that remembers what must never happen in it: errors, refused content, dialogs. */
export class Visit {
  readonly complaints: string[] = [];

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {}

  static async to(
    browser: Browser,
    url: string,
    options: { theme?: "light" | "dark"; phone?: boolean } = {},
  ): Promise<Visit> {
    const context = await browser.newContext({
      viewport: options.phone ? PHONE : DESKTOP,
      colorScheme: options.theme ?? "light",
      hasTouch: options.phone ?? false,
      baseURL: url,
    });
    const page = await context.newPage();
    const visit = new Visit(page, context);
    page.on("pageerror", (error) => visit.complaints.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => {
      visit.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      const text = message.text();
      // That a host which is away does not answer is what some tests are about.
      if (message.type() === "error" && !/Failed to load resource|ERR_CONNECTION/.test(text))
        visit.complaints.push(`console: ${text}`);
    });
    return visit;
  }

  /** Opens a page of the host, and waits until it shows what it has to show. */
  async open(path: string): Promise<void> {
    await this.page.goto(path);
    await this.settled();
  }

  /** Waits until the page has a heading, waits for nothing itself, and has stood still for a moment. */
  async settled(): Promise<void> {
    await this.page.getByRole("heading", { level: 1 }).waitFor();
    await this.page.waitForFunction(
      () =>
        new Promise<boolean>((done) => {
          const isWaiting = () => document.querySelector("main [role=status] .spin") !== null;
          const still = () => done(!isWaiting());
          let timer = setTimeout(still, 200);
          new MutationObserver((_, observer) => {
            clearTimeout(timer);
            timer = setTimeout(() => {
              observer.disconnect();
              still();
            }, 200);
          }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }),
    );
  }

  /** Takes a picture, to be looked at. */
  async picture(name: string): Promise<void> {
    await mkdir(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}.png`), animations: "disabled" });
  }

  /** Whether the page is wider than the window. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
