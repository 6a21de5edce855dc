/** Descriptions that others wrote in Markdown: at length as elements, in one line as plain text. */
import { lazy, Suspense } from "preact/compat";

/** What reads Markdown is as large as a page: it comes when a text has some. */
const Markdown = lazy(() => import("./markdown").then((part) => ({ default: part.Markdown })));

/** A text of fewer characters fits without being scrolled. */
const LONG = 600;

/** A description. A very long one scrolls by itself. */
export function Prose({ text, label = "Description" }: { text: string; label?: string }) {
  // Whoever uses the keyboard scrolls what is focused.
  const scrolls = text.length > LONG ? { role: "region" as const, "aria-label": label, tabIndex: 0 } : {};
  const asWritten = paragraphs(text).map((part, index) => (
    <p key={index} class="name pre">
      {part}
    </p>
  ));
  return (
    <div class="prose" {...scrolls}>
      {isMarked(text) ? (
        <Suspense fallback={asWritten}>
          <Markdown text={text} />
        </Suspense>
      ) : (
        asWritten
      )}
    </div>
  );
}

/** The paragraphs of a text. */
export function paragraphs(text: string): string[] {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((part) => part.trim())
    .filter(Boolean);
}

/** Whether a text can have Markdown in it; one without it is shown as it is. A name such as `a_b` has none. */
export function isMarked(text: string): boolean {
  return /[*`[\]<>~|\\&@]|(?:^|\W)_|https?:|www\.|^ {0,3}(?:#|[-+]\s|\d+[.)]\s|[-=]{2,}\s*$)/m.test(text);
}

/** Nobody reads more of it in one line. */
const ONE_LINE = 1000;

/** The words of a description in one line, without the signs of Markdown. */
export function plainWords(text: string): string {
  return text
    .slice(0, ONE_LINE)
    .replace(/^ {0,3}(?:#{1,6}\s+|>\s?|[-*+]\s+|\d{1,9}[.)]\s+|(?:`{3}|~{3}).*$|[-|: ]{3,}$)/gm, "")
    .replace(/!?\[([^[\]]*)\]\([^()\s]*(?:\s+"[^"]*")?\)/g, "$1")
    .replace(/(\*\*|__|~~|`)(?=\S)(.+?)\1/g, "$2")
    .replace(/(^|[^\w*])([*_])(?=\S)([^*_\n]+)\2(?!\w)/g, "$1$3")
    .replace(/\s*\|\s*/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
