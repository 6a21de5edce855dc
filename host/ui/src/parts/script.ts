/** Scripts that come when they are first wanted. One that did not come is not lost: the host may be away, or another one by now. */
import { signal } from "@preact/signals";
import { unanswered } from "../api/client";

/** Why a script did not come: no host answers, the host has other scripts by now, or it should have come. */
export type Why = "away" | "replaced" | "there";

/** What a script does about its failure. */
export type Cures = {
  why: () => Promise<Why>;
  /** Gets what belongs to it and did not come either. */
  mend: () => Promise<unknown>;
  /** Loads the whole page anew; false where that was done just now. */
  anew: () => boolean;
};

/** A script, and what came of it. */
export class Script<T> {
  /** Neither of both while it is on its way. */
  readonly came = signal<{ part?: T; error?: unknown }>({});
  private isAsked = false;
  private failures = 0;

  constructor(
    private readonly load: () => Promise<T>,
    private readonly cures: Cures = browser,
  ) {}

  /** Asks for it, unless it is here or on its way. */
  ask(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    if (this.came.peek().error !== undefined) this.came.value = {};
    const loaded = this.failures > 0 ? this.cures.mend().then(this.load) : this.load();
    loaded.then(
      (part) => {
        this.came.value = { part };
      },
      (error) => this.failed(error),
    );
  }

  private async failed(error: unknown): Promise<void> {
    this.failures += 1;
    const why = await this.cures.why();
    this.isAsked = false;
    // Once more is enough of a host that is there: a browser may remember for as long as the page lives that it did not come.
    if (why === "there" && this.failures === 1) return this.ask();
    if (why !== "away" && this.cures.anew()) return;
    this.came.value = { error };
    // Whoever shows that asks again when the host is heard.
    if (why === "away") unanswered.value += 1;
  }
}

/** How long after one the page is not loaded anew by itself again, in milliseconds: it may not help. */
const RESTS = 30_000;

const browser: Cures = {
  async why() {
    const entry = document.querySelector("script[type=module][src]")?.getAttribute("src");
    try {
      const page = await fetch("/", { headers: { accept: "text/html" }, cache: "no-store" });
      if (!page.ok) return "away";
      return entry && !(await page.text()).includes(entry) ? "replaced" : "there";
    } catch {
      return "away";
    }
  },

  // A style that did not come would be missed silently: it counts as loaded.
  mend: () =>
    Promise.all(
      [...document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")]
        .filter((link) => !link.sheet)
        .map(
          (link) =>
            new Promise((come, fail) => {
              const again = link.cloneNode() as HTMLLinkElement;
              again.addEventListener("load", come);
              again.addEventListener("error", () => fail(new Error("A style sheet could not be loaded.")));
              link.replaceWith(again);
            }),
        ),
    ),

  anew() {
    const key = "tidegate.loaded-anew";
    try {
      if (Date.now() - Number(sessionStorage.getItem(key)) < RESTS) return false;
      sessionStorage.setItem(key, `${Date.now()}`);
    } catch {
      // Who cannot remember it would do it for ever.
      return false;
    }
    window.location.reload();
    return true;
  },
};
