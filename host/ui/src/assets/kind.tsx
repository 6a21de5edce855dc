/** What an asset is: a picture and a word. */
import { Box, Camera, ChartColumn, Database, FlaskConical, ListChecks, Sprout } from "lucide-preact";

/** The lineage draws the same ones. */
const icons: Record<string, typeof Box> = {
  model: Box,
  source: Database,
  seed: Sprout,
  snapshot: Camera,
  exposure: ChartColumn,
  test: ListChecks,
  unit_test: FlaskConical,
};

/** The health of an asset in a word: of a source, a run builds nothing, but looks at it. */
export function healthWord(type: string, health: string): string {
  return type === "source" && health === "never" ? "not looked at" : health;
}

/** A resource type; of a model also how dbt builds it. */
export function Kind({ type, materialized, bare }: { type: string; materialized?: string | null; bare?: boolean }) {
  const Icon = icons[type] ?? Box;
  const word = type.replace("_", " ");
  const title = materialized && materialized !== type ? `${word}, ${materialized}` : word;
  return (
    <span class="kind" title={title}>
      <Icon aria-hidden />
      <span class={bare ? "visually-hidden" : ""}>{title}</span>
    </span>
  );
}
