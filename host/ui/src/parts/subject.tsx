/** What an alert or a record is about, as a link to its page. */
import { Link } from "wouter-preact";
import { assetHref, jobHref } from "./address";

/** What a subject is: `job:NAME`, `node:PROJECT:ID` or `fresh:PROJECT:ID`. */
export function Subject({ of }: { of: string }) {
  const [kind = "", rest = ""] = split(of);
  if (kind === "job")
    return (
      <Link href={jobHref(rest)} class="name">
        job {rest}
      </Link>
    );
  const [project, id] = split(rest);
  const words = kind === "fresh" ? ", which is not fresh" : "";
  return (
    <>
      <Link href={assetHref(project, id)} class="name">
        {id.split(".").slice(2).join(".") || id}
      </Link>
      <span class="faint">
        {" "}
        {id.split(".")[0]}
        {words}
      </span>
    </>
  );
}

function split(text: string): [string, string] {
  const at = text.indexOf(":");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
