/** Settings of this browser. One that keeps nothing starts from the defaults each time. */
import { type Signal, signal } from "@preact/signals";

/** A setting with some values, of which the first is the default; other tabs follow. */
export function kept<T extends string>(name: string, values: readonly [T, ...T[]], apply?: (value: T) => void) {
  const key = `tidegate.${name}`;
  const of = (text: string | null) => values.find((value) => value === text) ?? values[0];
  let first: string | null = null;
  try {
    first = localStorage.getItem(key);
  } catch {
    // Storage is switched off.
  }
  const setting: Signal<T> = signal(of(first));
  const set = (value: T) => {
    setting.value = value;
    apply?.(value);
    try {
      localStorage.setItem(key, value);
    } catch {
      // It holds as long as the page does.
    }
  };
  addEventListener("storage", (event) => {
    if (event.key !== key) return;
    setting.value = of(event.newValue);
    apply?.(setting.value);
  });
  return [setting, set] as const;
}
