/** Markdown that others wrote, as elements and never as HTML: what no element is known for is shown as it was written. */
import { Lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren } from "preact";

/** The lexer is slow with what is hostile; nobody describes a table at greater length. */
const LONGEST = 10_000;
/** What is nested deeper is shown as text. */
const DEEPEST = 24;

/** A text in Markdown (with GFM's tables) as elements. Headings are no headings of the page: its outline is its own. */
export function Markdown({ text }: { text: string }) {
  return <>{elementsOf(text)}</>;
}

/** The elements of a text; a text that the lexer cannot take is one paragraph, as it was written. */
export function elementsOf(text: string): ComponentChildren[] {
  const asWritten = [<p class="name pre">{text}</p>];
  if (text.length > LONGEST) return asWritten;
  let tokens: Token[];
  try {
    tokens = new Lexer({ gfm: true }).lex(text);
  } catch {
    // It calls itself for each level, and a thousand levels are more than a browser has room for.
    return asWritten;
  }
  return all(tokens, 0);
}

const all = (tokens: Token[] | undefined, depth: number): ComponentChildren[] =>
  (tokens ?? []).map((token) => one(token, depth + 1));

/** The elements within a token, or its text where it has none. */
const inner = (token: { tokens?: Token[] | undefined; text?: string }, depth: number): ComponentChildren =>
  token.tokens ? all(token.tokens, depth) : decoded(token.text ?? "");

function one(token: Token, depth: number): ComponentChildren {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "paragraph":
      return <p class="name">{inner(token as Tokens.Paragraph, depth)}</p>;
    case "heading":
      return (
        <p class="name">
          <strong>{inner(token as Tokens.Heading, depth)}</strong>
        </p>
      );
    case "text":
      return inner(token as Tokens.Text, depth);
    case "escape":
      return (token as Tokens.Escape).text;
    case "strong":
      return <strong>{inner(token as Tokens.Strong, depth)}</strong>;
    case "em":
      return <em>{inner(token as Tokens.Em, depth)}</em>;
    case "del":
      return <del>{inner(token as Tokens.Del, depth)}</del>;
    case "codespan":
      return <code class="name">{(token as Tokens.Codespan).text}</code>;
    case "code":
      return <pre>{(token as Tokens.Code).text}</pre>;
    case "br":
      return <br />;
    case "hr":
      return <hr />;
    case "blockquote":
      return <blockquote>{inner(token as Tokens.Blockquote, depth)}</blockquote>;
    case "checkbox":
      return (token as { checked?: boolean }).checked ? "☑ " : "☐ ";
    case "list":
      return listOf(token as Tokens.List, depth);
    case "table":
      return tableOf(token as Tokens.Table, depth);
    case "link":
      return linked(token as Tokens.Link, inner(token as Tokens.Link, depth));
    case "image": {
      // An image would be fetched from somebody by all who look at it: whoever wants to see it follows a link.
      const { href, text } = token as Tokens.Image;
      return linked(token as Tokens.Image, decoded(text) || href);
    }
    default:
      return token.raw;
  }
}

function listOf(list: Tokens.List, depth: number) {
  const items = list.items.map((item, at) => <li key={at}>{all(item.tokens, depth)}</li>);
  return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function tableOf(table: Tokens.Table, depth: number) {
  const classOf = (cell: Tokens.TableCell) => (cell.align === "right" ? "num" : "");
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            {table.header.map((cell, at) => (
              <th key={at} scope="col" class={classOf(cell)}>
                {inner(cell, depth)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, line) => (
            <tr key={line}>
              {row.map((cell, at) => (
                <td key={at} class={classOf(cell)}>
                  {inner(cell, depth)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A link where it leads to a page or a mail address, else only what it says. */
function linked({ href, raw }: { href: string; raw: string }, children: ComponentChildren) {
  const to = safe(href);
  if (!to) return children === href ? raw : children;
  return (
    <a class="name" href={to} title={to} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

/** An address that may be followed; none where it is of this host, or of another kind than pages and mail. */
function safe(href: string): string | undefined {
  if (!/^(?:https?:\/\/|mailto:)/i.test(href)) return undefined;
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

/** A text with the entities that people write in Markdown as what they stand for; it stays text. */
function decoded(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7}));/g, (whole, name: string, number: string) => {
    if (name) return named[name] ?? whole;
    const code = Number(number);
    return code > 31 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
