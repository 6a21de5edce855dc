"""Says of each case on stdin (a JSON list) which files dbt and DuckDB open: the oracle of profiles.rs.

The profile is loaded by dbt's own code, and what it names is opened by DuckDB as dbt-duckdb opens it.
"""

import json
import os
import sys

from dbt.cli.flags import Flags
from dbt.cli.main import cli
from dbt.config.runtime import load_profile
from dbt.flags import set_flags
from dbt_common.context import set_invocation_context

import dbt.clients.jinja
import duckdb


def databases(root):
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.realpath(os.path.join(folder, n)) for n in names if not n.endswith((".yml", ".env"))]
    return set(found)


def answer(case):
    os.environ.clear()
    os.environ.update(case["env"])
    os.chdir(case["cwd"])
    set_invocation_context(os.environ)
    # It keeps what it rendered, whatever the environment was.
    dbt.clients.jinja._render_cache.clear()
    command, *rest = case["args"]
    parent = cli.make_context("dbt", [command])
    context = cli.commands[command].make_context(command, rest, parent=parent)
    flags = Flags(context)
    set_flags(flags)
    profile = load_profile(flags.PROJECT_DIR, flags.VARS, flags.PROFILE, flags.TARGET)
    credentials = profile.credentials
    if credentials.remote or not case["open"]:
        return {"files": [], "path": credentials.path}
    before = databases(case["root"])
    connection = duckdb.connect(credentials.path)
    for attachment in credentials.attach or []:
        connection.execute(attachment.to_sql())
    connection.close()
    return {"files": sorted(databases(case["root"]) - before), "path": credentials.path}


answers = []
for case in json.load(sys.stdin):
    try:
        answers.append(answer(case))
    except (Exception, SystemExit) as error:
        answers.append({"refused": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
