import type { ComponentChildren, VNode } from "preact";
import { describe, expect, test } from "vitest";
import { elementsOf } from "./markdown";
import { isMarked, paragraphs, plainWords } from "./prose";

type Found = { tags: string[]; links: { href: string; rel: string }[]; text: string; props: Set<string> };

/** All elements of a text, and what it says. */
function read(text: string): Found {
  const found: Found = { tags: [], links: [], text: "", props: new Set() };
  const visit = (node: ComponentChildren): void => {
    if (Array.isArray(node)) for (const part of node) visit(part);
    else if (typeof node === "string" || typeof node === "number") found.text += node;
    if (!node || typeof node !== "object" || Array.isArray(node)) return;
    const { type, props } = node as VNode<Record<string, unknown>>;
    found.tags.push(String(type));
    for (const name of Object.keys(props)) found.props.add(name);
    if (type === "a") found.links.push({ href: String(props.href), rel: String(props.rel) });
    visit(props.children as ComponentChildren);
  };
  visit(elementsOf(text));
  return found;
}

describe("Markdown", () => {
  test("becomes elements", () => {
    const found = read("# Orders\n\nOne **row** per `order`, *not* ~~line~~.\n\n- a\n  1. b\n- [x] c\n\n> said\n\n---");
    expect(found.tags).toEqual(
      expect.arrayContaining(["strong", "code", "em", "del", "ul", "ol", "li", "blockquote", "hr"]),
    );
    expect(found.text).toContain("One row per order");
    expect(found.text).toContain("☑ c");
    expect(found.tags.some((tag) => /^h\d$/.test(tag))).toBe(false);
  });

  test("has tables, and code that keeps its lines", () => {
    const found = read("| state | means |\n|---|--:|\n| `placed` | 1 |\n\n```sql\nselect 1\nfrom x\n```");
    expect(found.tags.filter((tag) => tag === "th")).toHaveLength(2);
    expect(found.tags.filter((tag) => tag === "td")).toHaveLength(2);
    expect(found.text).toContain("select 1\nfrom x");
  });

  test("shows HTML as the text that it is", () => {
    const hostile = [
      "<script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "a <b onclick='x()'>bold</b> word",
      "<iframe srcdoc='<script>x</script>'>",
      "<!-- <script>x</script> -->",
      "| <script>x</script> |\n|---|\n| <svg/onload=x> |",
    ];
    for (const text of hostile) {
      const found = read(text);
      for (const tag of ["script", "img", "b", "iframe", "svg"]) expect(found.tags).not.toContain(tag);
      for (const name of ["dangerouslySetInnerHTML", "onclick", "onerror", "srcdoc"])
        expect(found.props.has(name)).toBe(false);
      expect(found.text).toContain("<");
    }
    expect(read("<script>alert(1)</script>").text).toContain("<script>alert(1)</script>");
  });

  test("follows links only to pages and mail addresses", () => {
    const hostile = [
      "[x](javascript:alert(1))",
      "[x](JaVaScRiPt:alert(1))",
      "[x](<java\tscript:alert(1)>)",
      "[x](&#106;avascript:alert(1))",
      "[x](javascript&colon;alert(1))",
      "[x](data:text/html,<script>x</script>)",
      "[x](vbscript:x)",
      "[x](file:///etc/passwd)",
      "[x](/api/v1/runs)",
      "[x](//example.org)",
      "[x](http://)",
      "<javascript:alert(1)>",
      "![x](javascript:alert(1))",
      "[x][r]\n\n[r]: javascript:alert(1)",
    ];
    for (const text of hostile) expect({ text, links: read(text).links }).toEqual({ text, links: [] });
    const rel = "noopener noreferrer";
    expect(read('[docs](https://example.org/a?b=c "d") and <mailto:a@example.org>').links).toEqual([
      { href: "https://example.org/a?b=c", rel },
      { href: "mailto:a@example.org", rel },
    ]);
  });

  test("fetches no image, but says where it is", () => {
    const found = read("![a picture](https://example.org/x.png)");
    expect(found.tags).not.toContain("img");
    expect(found.links[0]?.href).toBe("https://example.org/x.png");
    expect(found.text).toBe("a picture");
  });

  test("survives what is nested ten thousand deep", () => {
    const deep = [
      ">".repeat(10_000),
      "[".repeat(10_000),
      "*a ".repeat(3_333),
      `${"*".repeat(3_000)}a${"*".repeat(3_000)}`,
      "- ".repeat(5_000),
      "![".repeat(5_000),
      "`".repeat(10_000),
      `|${"-|".repeat(4_000)}`,
      `${"> ".repeat(200)}deep`,
      Array.from({ length: 100 }, (_, at) => `${"  ".repeat(at)}- ${at}`).join("\n"),
    ];
    for (const text of deep) {
      const { tags } = read(text);
      expect(tags.length).toBeGreaterThan(0);
      expect(tags.length).toBeLessThan(12_000);
    }
    expect(read(`${"> ".repeat(200)}deep`).text).toContain("deep");
  });

  test("leaves a text as it was written where it is too long", () => {
    const text = `**a** ${"b ".repeat(10_000)}`;
    expect(read(text)).toMatchObject({ tags: ["p"], text });
  });

  test("decodes entities only into text", () => {
    expect(read("a &amp; b &lt;script&gt; &#60;i&#62;").text).toBe("a & b <script> <i>");
    expect(read("&lt;script&gt;").tags).toEqual(["p"]);
  });
});

describe("what is shown in one line", () => {
  test("is without the signs of Markdown", () => {
    expect(plainWords("# Orders\n\nOne **row** per `order`; see [the docs](https://example.org).\n- _a_\n- b")).toBe(
      "Orders One row per order; see the docs. a b",
    );
    expect(plainWords("| state | means |\n|---|---|\n| placed | new |")).toBe("state means placed new");
  });

  test("has its paragraphs at empty lines", () => {
    expect(paragraphs("a\nb\n\n \nc\r\n\r\nd\n")).toEqual(["a\nb", "c", "d"]);
  });

  test("keeps names and sums as they are", () => {
    expect(plainWords("stg_orders_daily and 2 * 3 * 4")).toBe("stg_orders_daily and 2 * 3 * 4");
    expect(isMarked("Rebuild fct_orders from scratch: after a backfill.")).toBe(false);
    expect(isMarked("One **row**")).toBe(true);
  });
});
