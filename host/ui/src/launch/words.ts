/** Texts that become what dbt is told: selections, variables, numbers. */
import { type Fault, jsonFault } from "./json";

export type { Fault };

/** Selections as they are typed, with blanks between them; quotes keep a blank. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  let open = false;
  for (const c of text) {
    if (quote) {
      if (c === quote) quote = "";
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      open = true;
    } else if (/\s/u.test(c)) {
      if (open) words.push(word);
      word = "";
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) words.push(word);
  return words;
}

/** Selections as they can be typed again. */
export function joinWords(words: readonly string[]): string {
  return words
    .map((word) => {
      if (word && !/[\s"']/u.test(word)) return word;
      return word.includes('"') ? `'${word}'` : `"${word}"`;
    })
    .join(" ");
}

/** Variables as they are typed: a JSON object, or nothing. */
export function readVars(text: string): { vars: Record<string, unknown> } | { fault: Fault } {
  if (!text.trim()) return { vars: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: jsonFault(text) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { fault: { message: 'Variables are a JSON object, such as {"day": "2026-01-31"}.' } };
  }
  return { vars: value as Record<string, unknown> };
}

/** A number of threads as it is typed. */
export function readThreads(text: string): { threads?: number } | { fault: Fault } {
  if (!text.trim()) return {};
  const threads = Number(text);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1000) {
    return { fault: { message: "Threads are a whole number from 1 to 1000." } };
  }
  return { threads };
}

/** A place in the queue as it is typed. */
export function readPriority(text: string): { priority?: number } | { fault: Fault } {
  if (!text.trim()) return {};
  const priority = Number(text);
  if (!Number.isInteger(priority) || Math.abs(priority) > 1_000_000) {
    return { fault: { message: "A priority is a whole number, such as 10; higher goes first." } };
  }
  return { priority };
}
