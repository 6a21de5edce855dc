/** Asking for a run so that it is one run, whatever becomes of the answer. */
import { ApiError, api, ask } from "../api/client";
import type { LaunchBody } from "./form";

/** The keys of launches that have no answer yet, by what they ask for. */
const open = new Map<string, string>();

/** A text that nobody else makes; a page that was not served securely has no `randomUUID`. */
export function freshKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How long is waited between tries, in milliseconds. */
const WAITS = [500, 1000, 2000, 4000];

function postRun(body: LaunchBody, key: string): Promise<{ run: number }> {
  return ask(api.POST("/api/v1/runs", { body, params: { header: { "Idempotency-Key": key } } }));
}

/**
 * Asks for a run; gives its number. The same body has one key until it is answered: pressed twice, or asked again because an
 * answer was lost, it is one run.
 */
export async function launch(body: LaunchBody, post = postRun, waits: readonly number[] = WAITS): Promise<number> {
  const text = JSON.stringify(body);
  const key = open.get(text) ?? freshKey();
  open.set(text, key);
  for (let tried = 0; ; tried++) {
    try {
      const { run } = await post(body, key);
      open.delete(text);
      return run;
    } catch (error) {
      const wait = waits[tried];
      // What was refused is not on its way; what got no answer may be.
      if (!(error instanceof ApiError) || error.status !== 0 || wait === undefined) {
        if (error instanceof ApiError && error.status >= 400 && error.status < 500) open.delete(text);
        throw error;
      }
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
