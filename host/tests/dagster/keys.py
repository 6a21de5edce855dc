"""What dagster-dbt's own translator makes of the nodes of a manifest, as JSON on standard output.

    python keys.py MANIFEST > golden.json

The answers are those of DagsterDbtTranslator itself; only the description is asked for without the SQL block, which
Tidegate leaves out on purpose, and tags without the kinds that Dagster writes among them.
"""

import json
import sys

from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import default_description_fn, get_upstream_unique_ids, is_non_asset_node

with open(sys.argv[1], encoding="utf-8") as file:
    manifest = json.load(file)

translator = DagsterDbtTranslator()
answers = {}
for unique_id, props in sorted({**manifest["nodes"], **manifest["sources"]}.items()):
    if props["resource_type"] not in ("model", "seed", "snapshot", "source") or is_non_asset_node(props):
        continue
    spec = translator.get_asset_spec(manifest, unique_id, None)
    answers[unique_id] = {
        "key": spec.key.path,
        "group": spec.group_name,
        "owners": list(spec.owners),
        "tags": dict(sorted(translator.get_tags(props).items())),
        "kinds": sorted(spec.kinds),
        "description": default_description_fn(props, display_raw_sql=False),
        "code_version": spec.code_version,
        "upstream": sorted(get_upstream_unique_ids(manifest, props)),
    }
json.dump(answers, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
sys.stdout.write("\n")
