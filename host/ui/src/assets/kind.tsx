/** What an asset is: a picture and a word. */
import { Box, Camera, Database, FlaskConical, LayoutDashboard, ListChecks, Sprout, Table2 } from "lucide-preact";

const icons: Record<string, typeof Box> = {
  model: Table2,
  source: Database,
  seed: Sprout,
  snapshot: Camera,
  exposure: LayoutDashboard,
  test: ListChecks,
  unit_test: FlaskConical,
};

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
