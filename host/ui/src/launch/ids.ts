/** Lists of assets in an address. Long ones do not fit: they are kept by the browser's tab, and the address names them. */

/** The longest list that is written out, in characters. */
const LONGEST = 4000;
const PREFIX = "tidegate.assets.";

type Kept = Pick<Storage, "getItem" | "setItem">;

/** A list as the value of a parameter. */
export function writeIds(ids: readonly string[], kept?: Kept): string {
  const text = ids.map(encodeURIComponent).join(",");
  if (text.length <= LONGEST) return text;
  const name = `@${hash(text)}`;
  try {
    const storage = kept ?? ofTab();
    if (!storage) return text;
    storage.setItem(PREFIX + name, text);
    return name;
  } catch {
    // A full or forbidden storage: the address has to carry it all.
    return text;
  }
}

/** The list that a parameter says; none where it was kept by another tab. */
export function readIds(value: string, kept?: Kept): string[] | undefined {
  let text: string | null = value;
  if (value.startsWith("@")) {
    text = (kept ?? ofTab())?.getItem(PREFIX + value) ?? null;
    if (text === null) return undefined;
  }
  return text.split(",").filter(Boolean).map(decode);
}

/** Whether a parameter names a list that another tab keeps. */
export function isLostHere(value: string, kept?: Kept): boolean {
  return readIds(value, kept) === undefined;
}

/** What the tab keeps; a browser may forbid that. */
function ofTab(): Kept | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Tells lists apart; nobody gains by making two alike. */
function hash(text: string): string {
  let sum = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) sum = BigInt.asUintN(64, (sum ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return sum.toString(36);
}
