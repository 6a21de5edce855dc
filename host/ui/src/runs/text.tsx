/** Texts from outside: without what steers a terminal, and not longer than can be read at once. */
import { useState } from "preact/hooks";

const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A text without colours, movements of the cursor and other control characters. */
export function plain(text: string): string {
  return text.replace(steering, "");
}

/** A text that is clipped where it is long; all of it on demand. */
export function Long({ text, longest = 2000, lines = 14 }: { text: string; longest?: number; lines?: number }) {
  const [all, setAll] = useState(false);
  const whole = plain(text);
  const cut = clipped(whole, longest, lines);
  const short = cut.length < whole.length;
  return (
    <>
      <span class="name">{all ? whole : cut}</span>
      {short && !all && "…"}
      {short && (
        <button type="button" class="more" onClick={() => setAll(!all)}>
          {all ? "show less" : `show all ${whole.length.toLocaleString("en")} characters`}
        </button>
      )}
    </>
  );
}

/** The beginning of a text: at most so many characters and lines. */
export function clipped(text: string, longest: number, lines: number): string {
  let end = Math.min(text.length, longest);
  let at = -1;
  for (let n = 0; n < lines; n += 1) {
    at = text.indexOf("\n", at + 1);
    if (at < 0) return text.slice(0, end);
  }
  end = Math.min(end, at);
  return text.slice(0, end);
}
