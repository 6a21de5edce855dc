"""A dbt that follows a script: what it says and does depends on a seed and on the attempt, and nothing else.

Towards the host it behaves like dbt 1.11: `parse`, `ls`, commands that run nodes, and commands that run none. Whatever it
prints it writes into a ledger first, outside of the state directory, so that whoever checks knows what was said, which
processes there were, and how they meant to end.
"""

import fcntl
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from datetime import datetime, timezone

LEDGER = os.environ["CRASH_LOOP_LEDGER"]
PROJECT = os.environ["CRASH_LOOP_PROJECT"]
ATTEMPT = os.environ.get("DBT_ENV_CUSTOM_ENV_TIDEGATE_ATTEMPT")
TARGET = os.environ["DBT_TARGET_PATH"]
ARGS = sys.argv[1:]
RNG = random.Random(f"{os.environ['CRASH_LOOP_SEED']} {PROJECT} {ATTEMPT} {ARGS}")

interrupted = False
silent = False
printed_raw = 0


def started_at(pid):
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return int(stat.read().rpartition(b")")[2].split()[19])


def record(what, **more):
    """One line in one write: several processes append."""
    pid = os.getpid()
    line = {"what": what, "pid": pid, "start_time": started_at(pid), "attempt": ATTEMPT, "project": PROJECT, **more}
    line["at"] = time.time()
    out = os.open(f"{LEDGER}/records.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, (json.dumps(line) + "\n").encode())
    os.close(out)


def ledger_of(stream):
    name = f"{ATTEMPT or 'none'}.{os.getpid()}.{stream}"
    return os.open(f"{LEDGER}/lines/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


BOOKS = {1: ledger_of("out"), 2: ledger_of("err")}


def put(text, fd=1):
    """Into the ledger first, and then to whoever reads."""
    global silent
    view = memoryview(text)
    while view:
        view = view[os.write(BOOKS[fd], view) :]
    view = memoryview(text)
    while view and not silent:
        try:
            view = view[os.write(fd, view) :]
        except BrokenPipeError:
            # Whoever owned the pipe is gone. Some programs end then, and some go on as if nothing were.
            silent = True
            if RNG.random() < 0.5:
                os._exit(1)


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


def line(name, level, msg, thread="MainThread", /, **data):
    info = {
        "category": "", "code": "Z000", "extra": {}, "invocation_id": f"{PROJECT}-{ATTEMPT}", "level": level,
        "msg": msg, "name": name, "pid": os.getpid(), "thread": thread, "ts": now() + "Z",
    }
    return json.dumps({"data": data, "info": info}).encode() + b"\n"


def say(*args, **data):
    put(line(*args, **data))


def garbage():
    """What libraries, warehouses and Python itself print in between. No line is mistaken for an event, nor for stderr."""
    global printed_raw
    kinds = [
        b"",
        b"Traceback (most recent call last):",
        b'{"data": {"half": ',
        b'{"no": "event"}',
        b"\x00\xff\xfe\x1b[31mred\x1b[0m \xe2\x82",
        b"x" * RNG.randrange(1, 3000),
        bytes(RNG.choices(range(11, 256), k=40)),
        "grün 💥".encode(),
    ]
    printed_raw += 1
    put(RNG.choice(kinds) + b"\n")


def complain():
    global printed_raw
    printed_raw += 1
    put(b"stderr: a warning of a library\n", 2)


def pause(seconds):
    """Waits; says whether someone has asked to stop meanwhile."""
    until = time.monotonic() + seconds
    while not interrupted and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.01))
    return interrupted


def selected():
    """`m:7` selects seven models, `t:7` seven tests; `fqn:PROJECT.m00[6]` one, as whoever resumes a run says it; anything
    else nothing. The host's `ls` is asked with the same words."""
    kinds = {"m": "model", "t": "test"}
    counts = [(arg[0], int(arg[2:])) for arg in ARGS if arg[:2] in ("m:", "t:")]
    exact = [re.sub(r"[][]", "", arg[4:].split(",")[0]).rpartition(".")[2] for arg in ARGS if arg[:4] == "fqn:"]
    several = [f"{kinds[k]}.{PROJECT}.{k}{number:03}" for k, count in counts for number in range(count)]
    return several + [f"{kinds[name[0]]}.{PROJECT}.{name}" for name in exact]


def node_info(node, status, begun="", ended=""):
    kind, _, name = node.split(".")
    relation = {"alias": name, "database": "d", "relation_name": f'"d"."main"."{name}"', "schema": "main"}
    return {
        "materialized": "table", "meta": {}, "node_finished_at": ended, "node_name": name, "node_path": f"{name}.sql",
        "node_relation": relation, "node_started_at": begun, "node_status": status, "resource_type": kind,
        "unique_id": node,
    }


def banner():
    say("MainReportVersion", "info", "Running with dbt=1.11.16", log_version=3, version="=1.11.16")
    say("AdapterRegistered", "info", "Registered adapter: duckdb=1.11.1", adapter_name="duckdb", adapter_version="=1.11.1")


def begin(node, index, total, thread):
    begun = now()
    info = node_info(node, "started", begun)
    put(line("NodeStart", "debug", f"Began running node {node}", thread, node_info=info))
    if RNG.random() < 0.2:
        pause(0.15)
    say("LogStartLine", "info", f"{index} of {total} START {node}", thread, node_info=info, index=index, total=total)
    return begun


def chatter(node, thread, burst):
    """What dbt says at debug level while a node runs; now and then a flood."""
    count = RNG.randrange(2_000, 12_000) if burst else RNG.randrange(0, 6)
    info = node_info(node, "executing", now())
    block = b""
    for number in range(count):
        block += line("SQLQuery", "debug", f"On {node}: select {number}", thread, node_info=info, sql=f"select {number}")
        if len(block) > 60_000:
            put(block)
            block = b""
    put(block)


def finish(node, status, begun, index, total, thread):
    kind = node.split(".")[0]
    ended = now()
    info = node_info(node, status, begun, ended)
    took = RNG.random()
    level = "error" if status in ("error", "fail") else "info"
    name, message = ("LogTestResult", None) if kind == "test" else ("LogModelResult", "OK")
    if status in ("error", "fail"):
        message = f"Runtime Error in {node}\n  it was written so"
    result = {
        "adapter_response": {"rows_affected": 3} if status == "success" else {}, "execution_time": took,
        "message": message or "", "num_failures": 2 if status in ("fail", "warn") else 0, "status": status,
        "thread": thread, "timing_info": [],
    }
    words = f"{index} of {total} {status} {node}"
    say(name, level, words, thread, node_info=info, status=status, execution_time=took, index=index, total=total)
    say("NodeFinished", "debug", f"Finished running node {node}", thread, node_info=info, run_result=result)
    return {
        "status": status, "timing": [{"name": "execute", "started_at": begun + "Z", "completed_at": ended + "Z"}],
        "thread_id": thread, "execution_time": took, "adapter_response": result["adapter_response"],
        "message": message, "failures": result["num_failures"] or None, "unique_id": node, "relation_name": None,
    }


def skip(node, index, total):
    info = node_info(node, "skipped", now())
    say("SkippingDetails", "info", f"{index} of {total} SKIP {node}", node_info=info, index=index, total=total)
    return {
        "status": "skipped", "timing": [], "thread_id": "MainThread", "execution_time": 0.0, "adapter_response": {},
        "message": None, "failures": None, "unique_id": node, "relation_name": None,
    }


def run_nodes(nodes):
    """Two threads' worth of nodes. Gives the results, and whether it was stopped."""
    failing = RNG.random() < 0.2
    doomed = "fails" in ARGS
    noisy = RNG.random() < 0.3
    burst = RNG.random() < 0.08 and RNG.choice(nodes)
    results, running, waiting, failed = [], [], list(nodes), False
    while waiting or running:
        while waiting and len(running) < 2:
            node = waiting.pop(0)
            index = nodes.index(node) + 1
            if failed and RNG.random() < 0.3:
                results.append(skip(node, index, len(nodes)))
                continue
            thread = f"Thread-{index % 2 + 1} (worker)"
            running.append((node, begin(node, index, len(nodes), thread), index, thread))
            chatter(node, thread, node == burst)
        if noisy and RNG.random() < 0.5:
            garbage()
        if noisy and RNG.random() < 0.2:
            complain()
        if running:
            if pause(RNG.uniform(0.001, 0.2) if "long" not in ARGS else 40):
                for node, *_ in running:
                    say("LogCancelLine", "error", f"CANCEL query {node}", conn_name=node)
                return results, True
            node, begun, index, thread = running.pop(RNG.randrange(len(running)))
            is_test = node.startswith("test.")
            words = [("pass", 8), ("warn", 1), ("fail", 1)] if is_test else [("success", 4), ("error", 1)]
            status = RNG.choices([w for w, _ in words], [n for _, n in words])[0] if failing else words[0][0]
            if doomed and not is_test:
                status = "error"
            failed = failed or status in ("error", "fail")
            results.append(finish(node, status, begun, index, len(nodes), thread))
    return results, False


def write_results(results, name="run_results.json"):
    os.makedirs(TARGET, exist_ok=True)
    with open(f"{TARGET}/{name}", "w") as file:
        json.dump({"metadata": {"dbt_version": "1.11.16"}, "results": results, "elapsed_time": 1.0, "args": {}}, file)


def leave_something_behind(seconds):
    """A helper that outlives its dbt for a moment, and holds its pipes."""
    if os.fork() == 0:
        os.closerange(3, 64)
        record("start", command="helper")
        time.sleep(seconds)
        record("stop", command="helper", code=0)
        os._exit(0)


def leave(code, expect, results=None):
    if results is not None and RNG.random() < 0.1:
        # The last thing it says has no end.
        global printed_raw
        printed_raw += 1
        put(b"bye")
    statuses = {row["unique_id"]: row["status"] for row in results or []}
    record("stop", command=ARGS[0], code=code, expect=expect, results=statuses, raw=printed_raw, silent=silent)
    os._exit(code)


def nodes_command():
    banner()
    if pause(RNG.uniform(0, 0.2)):
        leave(1, "cancelled")
    nodes = selected()
    if not nodes:
        say("NoNodesForSelectionCriteria", "warn", "The selection criterion 'none' does not match any enabled nodes")
        say("NothingToDo", "warn", "Nothing to do. Try checking your model configs and model specification args")
        write_results([])
        leave(0, "empty", [])
    trouble = 1 if "long" in ARGS else RNG.random()
    if trouble < 0.04:
        global printed_raw
        printed_raw += 2
        put(b"Usage: dbt [OPTIONS] COMMAND [ARGS]...\nError: No such option: --no-such\n")
        leave(2, "failed")
    if trouble < 0.08:
        say("MainEncounteredError", "error", "Encountered an error:\nDatabase Error", exc="Database Error\n  it was written so")
        leave(2, "failed")
    say("ConcurrencyLine", "info", "Concurrency: 2 threads", node_count=len(nodes), num_threads=2, target_name="dev")
    if RNG.random() < 0.1:
        leave_something_behind(RNG.uniform(0.05, 0.6))
    results, stopped = run_nodes(nodes)
    states = {row["status"] for row in results}
    failed = bool(states & {"error", "fail"})
    say("EndOfRunSummary", "info", "Completed", keyboard_interrupt=stopped, num_errors=int(failed), num_warnings=0)
    if RNG.random() > 0.03:
        write_results(results)
    say("CommandCompleted", "debug", f"Command `dbt {ARGS[0]}` ended", command=f"dbt {ARGS[0]}", success=not failed)
    if stopped:
        leave(1, "cancelled", results)
    expect = "failed" if failed else "warned" if "warn" in states else "succeeded"
    leave(int(failed), expect, results)


def listen():
    stubborn = RNG.random() < 0.15

    def stop(*_):
        global interrupted
        record("signal", command=ARGS[0])
        interrupted = not stubborn

    signal.signal(signal.SIGINT, stop)


def main():
    listen()
    record("start", command=ARGS[0] if ARGS else "", folder=os.environ.get("TIDEGATE_ATTEMPT_FOLDER"))
    command = ARGS[0] if ARGS else ""
    os.makedirs(TARGET, exist_ok=True)
    if command == "parse":
        banner()
        pause(RNG.uniform(0, 0.3))
        with open("manifest.json") as source, open(f"{TARGET}/manifest.json", "w") as copy:
            copy.write(source.read())
        leave(0, "parsed")
    if command == "ls":
        pause(RNG.uniform(0, 0.2))
        for node in selected():
            kind = node.split(".")[0]
            text = json.dumps({"unique_id": node, "resource_type": kind, "config": {"materialized": "table"}})
            say("PrintEvent", "info", text, msg=text)
        leave(0, "listed")
    # Two at once would be in each other's way in the warehouse.
    lock = open(f"{LEDGER}/{PROJECT}.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        record("overlap")
    if command in ("build", "run", "test"):
        nodes_command()
    banner()
    if pause(RNG.uniform(0, 0.5)):
        leave(1, "cancelled")
    leave(0, "succeeded")


try:
    main()
except Exception:
    record("broken", trace=traceback.format_exc())
    os._exit(70)
