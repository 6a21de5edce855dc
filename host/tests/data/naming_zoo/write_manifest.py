"""Writes ../manifests/1.11-naming-zoo.json anew: parses this project with dbt and leaves out macros, docs and paths.

    PATH=…/bin-of-dbt-1.11:$PATH python write_manifest.py
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

here = pathlib.Path(__file__).parent
with tempfile.TemporaryDirectory() as scratch:
    project = shutil.copytree(here, pathlib.Path(scratch) / "zoo")
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    subprocess.run(["dbt", "parse", "--profiles-dir", "."], cwd=project, env=environment, check=True)
    text = (project / "target" / "manifest.json").read_text()
    manifest = json.loads(text.replace(str(project), "/srv/dbt"))
manifest["macros"] = {}
manifest["docs"] = {}
target = here.parent / "manifests" / "1.11-naming-zoo.json"
target.write_text(json.dumps(manifest, indent=1) + "\n")
