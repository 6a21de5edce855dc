/** Texts that try what a page may not let them do, for every place that shows a text of somebody else's. */

/** Sets a mark where it is run as a script. */
const run = "window.hacked=1";

export const SCRIPT = `<script>${run}</script>`;
export const IMAGE = `"><img src=x onerror="${run}">`;
export const QUOTES = `'"\`{{7*7}}\${7*7}</style></title>`;
export const RTL = "\u202Eevil\u2066 שלום עולם \u202D";
export const LONG = "n".repeat(10_000);

/** All of them in a row, short enough for a name. */
export const NAME = `a ${SCRIPT} ${IMAGE} ${QUOTES} ${RTL}`;

/** A text as YAML and JSON and TOML write it alike. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
