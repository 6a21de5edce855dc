/** Texts that others wrote, as text: code, and links only where a text is an address. */
import { ExternalLink } from "lucide-preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Copy } from "../parts/copy";
import { linkOf } from "./words";

/** A text that is a link where it is a mail address or a page. */
export function Linked({ text, href = text }: { text: string; href?: string }) {
  const to = linkOf(href);
  if (!to) return <span class="clip in-line">{text}</span>;
  const out = to.startsWith("mailto:") ? {} : { target: "_blank", rel: "noopener noreferrer" };
  return (
    <a class="name" href={to} {...out}>
      {text}
      {!to.startsWith("mailto:") && <ExternalLink class="icon-14" aria-label="(opens elsewhere)" />}
    </a>
  );
}

/** Code with the numbers of its lines. Marked lines, from 1, are told apart, and the first of them is in sight. */
export function Code({ text, label, marks }: { text: string; label: string; marks?: readonly number[] }) {
  const code = text.replace(/\n+$/, "");
  const region = useRef<HTMLDivElement>(null);
  const first = marks?.[0];
  useLayoutEffect(() => {
    const mark = region.current?.querySelector("mark");
    if (first && mark && region.current) region.current.scrollTop = mark.offsetTop - region.current.clientHeight / 2;
  }, [first]);
  const numbers = useMemo(() => {
    const count = code.split("\n").length;
    return Array.from({ length: count }, (_, index) => index + 1).join("\n");
  }, [code]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by the keyboard
    <div ref={region} class="code" role="region" aria-label={label} tabIndex={0}>
      <pre class="gutter" aria-hidden="true">
        {numbers}
      </pre>
      <pre>{marks?.length ? code.split("\n").map((line, at) => lineOf(line, at, marks)) : code}</pre>
    </div>
  );
}

function lineOf(line: string, at: number, marks: readonly number[]) {
  return marks.includes(at + 1) ? <mark key={at}>{`${line}\n`}</mark> : `${line}\n`;
}

/** Code under a heading, to be copied. */
export function CodeBlock(props: { title: string; note?: preact.ComponentChildren; text: string }) {
  return (
    <section class="stack tight">
      <div class="row">
        <h2>{props.title}</h2>
        <span class="faint small grow">{props.note}</span>
        <Copy text={props.text} label={`Copy: ${props.title}`} />
      </div>
      <Code text={props.text} label={props.title} />
    </section>
  );
}
