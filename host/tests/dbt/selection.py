"""Lists what dbt selects for each list of arguments on stdin, all in one process: the oracle of selection.rs."""

import json
import os
import sys

from dbt.cli.main import dbtRunner

question = json.load(sys.stdin)
os.chdir(question["project"])
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
quiet = ["--profiles-dir", ".", "--quiet"]
if question["deps"]:
    assert dbtRunner().invoke(["deps", *quiet]).success
parsed = dbtRunner().invoke(["parse", *quiet])
assert parsed.success, parsed.exception
answers = []
for arguments in question["lists"]:
    keys = ["--output", "json", "--output-keys", "unique_id"]
    listed = dbtRunner(manifest=parsed.result).invoke(["ls", *arguments, *keys, *quiet])
    assert listed.success, (arguments, listed.exception)
    answers.append(sorted(json.loads(line)["unique_id"] for line in listed.result))
json.dump(answers, out)
out.flush()
