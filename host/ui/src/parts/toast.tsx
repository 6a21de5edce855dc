/** Short messages about what was just done, or could not be. */
import { signal } from "@preact/signals";
import { Check, CircleAlert, Info, X } from "lucide-preact";
import { ApiError } from "../api/client";

type Tone = "good" | "bad" | "idle";
type Toast = { id: number; text: string; hint?: string | undefined; tone: Tone; undo?: (() => void) | undefined };

const toasts = signal<Toast[]>([]);
const timers = new Map<number, ReturnType<typeof setTimeout>>();
let last = 0;

/** How long a message stays, in milliseconds; one about a failure stays until it is closed. */
const STAYS = 7000;

function close(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

function hold(id: number): void {
  clearTimeout(timers.get(id));
}

function letGo({ id, tone }: Toast): void {
  if (tone !== "bad") timers.set(id, setTimeout(close, STAYS, id));
}

/** Says what was done; with `undo` it can be taken back. */
export function say(text: string, more: { tone?: Tone; hint?: string | undefined; undo?: () => void } = {}): void {
  last += 1;
  const toast = { id: last, text, tone: more.tone ?? "good", hint: more.hint, undo: more.undo };
  toasts.value = [...toasts.value.slice(-3), toast];
  letGo(toast);
}

/** Says why something could not be done. */
export function complain(error: unknown): void {
  const hint = error instanceof ApiError ? error.hint : undefined;
  say(error instanceof Error ? error.message : "It could not be done.", { tone: "bad", hint });
}

const icons = { good: Check, bad: CircleAlert, idle: Info };

/** Where the messages are shown. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => {
        const Icon = icons[toast.tone];
        return (
          // biome-ignore lint/a11y/noStaticElementInteractions: it is only held while it is read
          <div
            key={toast.id}
            class={`toast ${toast.tone}`}
            onMouseEnter={() => hold(toast.id)}
            onMouseLeave={() => letGo(toast)}
            onFocusIn={() => hold(toast.id)}
            onFocusOut={() => letGo(toast)}
          >
            <Icon aria-hidden />
            <div class="grow">
              <div class="name">{toast.text}</div>
              {toast.hint && <div class="small name">{toast.hint}</div>}
            </div>
            {toast.undo && (
              <button
                type="button"
                class="button"
                onClick={() => {
                  close(toast.id);
                  toast.undo?.();
                }}
              >
                Undo
              </button>
            )}
            <button type="button" class="button quiet icon" aria-label="Close" onClick={() => close(toast.id)}>
              <X aria-hidden />
            </button>
          </div>
        );
      })}
    </div>
  );
}
