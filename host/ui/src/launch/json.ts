/** Where a text stops to be JSON. Each browser says that in words of its own, and some say no place; this says it once. */

/** What a text is not, and where. */
export type Fault = { message: string; line?: number; column?: number };

class Stop extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** What is wrong with a text that the browser refuses as JSON. */
export function jsonFault(text: string): Fault {
  try {
    const end = blank(text, value(text, blank(text, 0), 0));
    if (end < text.length) throw new Stop(end, "nothing may come behind the last bracket");
  } catch (stop) {
    if (!(stop instanceof Stop)) throw stop;
    const before = text.slice(0, stop.at).split("\n");
    return { message: stop.message, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  }
  return { message: "This is not JSON." };
}

function blank(text: string, at: number): number {
  while (at < text.length && " \t\r\n".includes(text.charAt(at))) at++;
  return at;
}

/** Goes over a value; gives where it ends. */
function value(text: string, at: number, depth: number): number {
  if (depth > 500) throw new Stop(at, "that is nested too deeply");
  const c = text.charAt(at);
  if (!c) throw new Stop(at, "a value is missing here");
  if (c === '"') return string(text, at);
  if (c === "{") return members(text, at, depth, "}");
  if (c === "[") return members(text, at, depth, "]");
  const word = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/.exec(
    text.slice(at, at + 400),
  );
  if (word) return at + word[0].length;
  if (c === "'") throw new Stop(at, "texts stand in double quotes");
  throw new Stop(at, "no value begins like this: texts stand in double quotes");
}

function members(text: string, from: number, depth: number, close: "}" | "]"): number {
  let at = blank(text, from + 1);
  if (text.charAt(at) === close) return at + 1;
  for (;;) {
    if (close === "}") {
      if (text.charAt(at) !== '"') throw new Stop(at, "a name in double quotes is missing here");
      at = blank(text, string(text, at));
      if (text.charAt(at) !== ":") throw new Stop(at, "a colon is missing here");
      at = blank(text, at + 1);
    }
    at = blank(text, value(text, at, depth + 1));
    const c = text.charAt(at);
    if (c === close) return at + 1;
    if (c !== ",") throw new Stop(at, `a comma or \`${close}\` is missing here`);
    at = blank(text, at + 1);
  }
}

function string(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '"') return at + 1;
    if (c < " ") throw new Stop(at, "a text ends on its line: write a line break as \\n");
    if (c === "\\") {
      const escaped = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at, at + 6));
      if (!escaped) throw new Stop(at, "a backslash stands alone: write it as \\\\");
      at += escaped[0].length - 1;
    }
  }
  throw new Stop(text.length, "the text is not closed: a double quote is missing");
}
