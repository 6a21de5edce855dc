/** The node because of which another one was skipped, by its name. */
import { Link } from "wouter-preact";
import { assetHref } from "../parts/address";
import { tabHref } from "./address";
import { keyOf } from "./nodes";
import { isAsset, shortId } from "./words";

type Props = { id: string; project: string; of: { run: number; step: number; attempt: number } };

/** A link to the page of an asset, or to the row of another node in the run. */
export function Cause({ id, project, of }: Props) {
  return (
    <Link
      class="name"
      href={isAsset(id) ? assetHref(project, id) : nodeHref(of.run, { ...of, unique_id: id })}
      title={id}
    >
      {shortId(id)}
    </Link>
  );
}

/** The row of a node in the table of its run, opened. */
export function nodeHref(run: number, node: { step: number; attempt: number; unique_id: string }): string {
  return tabHref(run, { tab: "nodes", node: keyOf(node) });
}
