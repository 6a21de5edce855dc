//! Steps that fail for a reason that passes heal themselves, and only the part that failed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::{Sandbox, dbt_bin, signal, text};

/// Another program that has a DuckDB file open, so that nobody else can open it.
struct Holder(Child);

impl Holder {
    fn of(shop: &Sandbox, file: &str) -> Self {
        let script = "import duckdb, sys
held = duckdb.connect(sys.argv[1])
held.sql('create or replace table facts as select 7 as id')
held.sql('checkpoint')
print('held', flush=True)
sys.stdin.read()";
        let mut child = Command::new(dbt_bin().join("python"))
            .args(["-c", script, file])
            .current_dir(shop.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A model reads a file that another program may hold; two others read it, and one is apart.
fn shop(retry: &str) -> Sandbox {
    let shop = Sandbox::models(&[
        ("apart", "select 1 as id"),
        (
            "from_outside",
            "{{ config(pre_hook=\"attach if not exists 'outside.duckdb' as outside (read_only)\") }} \
             select id from outside.facts",
        ),
        ("child", "select * from {{ ref('from_outside') }}"),
        ("grandchild", "select * from {{ ref('child') }}"),
    ]);
    shop.write(
        "models/tests.yml",
        "models:\n  - name: child\n    columns: [{name: id, data_tests: [not_null]}]\n",
    );
    shop.write(
        "tidegate.toml",
        &format!("[projects.tiny]\n\n[jobs.build]\nsteps = [\"dbt build\"]\n\n[jobs.build.retry]\n{retry}\n"),
    );
    shop
}

fn attempts(run: &Value) -> Vec<Value> {
    run["steps"][0]["attempts"].as_array().unwrap().clone()
}

/// The names of the nodes of an attempt, with their states.
fn nodes(run: &Value, attempt: usize) -> Vec<(String, String)> {
    let all = run["nodes"].as_array().unwrap();
    let of = all.iter().find(|nodes| nodes["attempt"] == attempt).unwrap()["nodes"].as_array().unwrap();
    of.iter()
        .map(|node| {
            let id = text(&node["unique_id"]);
            (id.split('.').nth(2).unwrap().to_owned(), text(&node["state"]))
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

/// What is done again: the model that failed, what was skipped for it, and nothing else.
const AGAIN: [&str; 4] = ["child", "from_outside", "grandchild", "not_null_child_id"];

fn of_all(state: [&str; 4]) -> Vec<(String, String)> {
    pairs(&std::array::from_fn::<_, 4, _>(|at| (AGAIN[at], state[at])))
}

const LOCKED: [&str; 4] = ["skipped", "error", "skipped", "skipped"];
const DONE: [&str; 4] = ["success", "success", "success", "pass"];

#[test]
fn a_model_that_finds_its_file_locked_is_built_when_the_lock_is_gone() {
    let shop = shop("plugin = \"builtin:transient\"\nconfig = { max_retries = 8, delay = \"2s\" }");
    let holder = Holder::of(&shop, "outside.duckdb");
    let child = shop.start(&["run", "build"]);
    shop.wait_for("two attempts that were decided about", || {
        shop.runs().len() == 1
            && attempts(&shop.show(1)).iter().filter(|a| !a["decided"].is_null()).count() >= 2
    });
    drop(holder);
    let said = shop.end(child).code(0);
    assert!(said.out.contains("run 1 of build succeeded"), "{}", said.out);
    assert!(said.err.contains("to be retried after 2s by transient"), "{}", said.err);

    let run = shop.show(1);
    let tried = attempts(&run);
    assert!(tried.len() >= 3, "{tried:?}");
    let (last, failed) = tried.split_last().unwrap();
    for attempt in failed {
        assert_eq!(attempt["state"], "failed");
        let decided = &attempt["decided"];
        assert_eq!((&decided["decision"], &decided["scope"]), (&"retry".into(), &"unfinished".into()));
        assert_eq!(decided["plugin"]["name"], "transient");
        assert!(text(&decided["reason"]).contains("from_outside"), "{decided}");
    }
    assert_eq!((&last["state"], &last["decided"]), (&"succeeded".into(), &Value::Null));
    let mut first = of_all(LOCKED);
    first.insert(0, ("apart".to_owned(), "success".to_owned()));
    first.sort();
    let mut found = nodes(&run, 1);
    found.sort();
    assert_eq!(found, first);
    let sorted = |attempt| {
        let mut nodes = nodes(&run, attempt);
        nodes.sort();
        nodes
    };
    for attempt in 2..tried.len() {
        assert_eq!(sorted(attempt), of_all(LOCKED), "attempt {attempt}");
    }
    assert_eq!(sorted(tried.len()), of_all(DONE));
    // What has been built once has been built once.
    assert_eq!(shop.runs()[0]["nodes"], serde_json::json!({ "success": 4, "pass": 1 }));

    let shown = shop.run(&["runs", "show", "1"]).code(0);
    for words in
        ["attempt 1 failed", "Could not set lock on file", "retried after 2s by transient", "4 nodes"]
    {
        assert!(shown.out.contains(words), "`{words}` is missing:\n{}", shown.out);
    }
    shop.run(&["logs", "1"]).code(0).err_has("attempt 1 of step 1: retried after 2s by transient");
    shop.run(&["plugin", "calls", "transient", "--json"]).code(0).out_has("run 1.1.1");
}

#[test]
fn a_data_test_that_fails_is_given_up_at_once() {
    let shop = shop("plugin = \"builtin:transient\"\nconfig = { delay = \"1s\" }");
    shop.write("models/from_outside.sql", "select null as id");
    let said = shop.run(&["run", "build"]).code(1);
    assert!(said.err.contains("given up by transient"), "{}", said.err);
    let run = shop.show(1);
    let [attempt] = &attempts(&run)[..] else { panic!("{run}") };
    assert_eq!((&run["state"], &attempt["decided"]["decision"]), (&"failed".into(), &"give_up".into()));
    assert!(text(&attempt["decided"]["reason"]).contains("not_null_child_id"), "{attempt}");
    assert!(text(&run["reason"]).contains("not_null_child_id"), "{run}");
}

#[test]
fn a_host_that_is_killed_while_a_run_waits_loses_nothing() {
    let shop = shop("plugin = \"builtin:backoff\"\nconfig = { max_retries = 1, delay = \"8s\" }");
    let holder = Holder::of(&shop, "outside.duckdb");
    let service = shop.serve(&[]);
    shop.run(&["run", "build", "--detach"]).code(0);
    let waits = || {
        let status = shop.status()?;
        status["running"][0]["waits_for"].as_str().map(str::to_owned)
    };
    shop.wait_for("a run that waits", || waits().is_some());
    let why = waits().unwrap();
    assert!(why.starts_with("waiting until") && why.contains("for attempt 2"), "{why}");
    let shown = shop.run(&["status"]).code(0);
    assert!(shown.out.contains("waiting until"), "{}", shown.out);
    let before = attempts(&shop.show(1));
    drop(holder);
    signal(service.pid(), "-KILL");
    drop(service);
    shop.run(&["runs", "show", "1"]).code(0).err_has("it waits");

    let service = shop.serve(&[]);
    shop.wait_for_run(1, "succeeded");
    let run = shop.show(1);
    let after = attempts(&run);
    assert_eq!(after.len(), 2);
    assert_eq!(after[0]["decided"], before[0]["decided"]);
    let at = |value: &Value| text(value).parse::<jiff::Timestamp>().unwrap();
    assert!(at(&after[1]["started_at"]) >= at(&after[0]["decided"]["due"]));
    let mut done = nodes(&run, 2);
    done.sort();
    assert_eq!(done, of_all(DONE));
    drop(service);
}

#[test]
fn a_policy_that_cannot_be_used_leaves_the_declared_answer() {
    let retry = "plugin = \"builtin:backoff\"\nconfig = { max_retry = 1 }\n\
                 on_fault = { after = \"1s\", scope = \"unfinished\" }\nmax_attempts = 2";
    let shop = shop(retry);
    let holder = Holder::of(&shop, "outside.duckdb");
    shop.run(&["check"]).code(2).out_has("max_retry");
    shop.run(&["run", "build"]).code(1);
    let run = shop.show(1);
    let [first, last] = &attempts(&run)[..] else { panic!("{run}") };
    assert!(text(&first["decided"]["fault"]).contains("max_retry"), "{first}");
    assert_eq!(
        (&first["decided"]["decision"], &first["decided"]["plugin"]["name"]),
        (&"retry".into(), &"backoff".into())
    );
    assert!(text(&last["decided"]["reason"]).contains("max_attempts"), "{last}");
    assert_eq!(last["decided"]["fault"], Value::Null);
    drop(holder);

    let jobs = |plugin: &str| {
        format!(
            "[projects.tiny]\n[jobs.build]\nretry = {{ plugin = \"nobody\" }}\nsteps = [\"dbt build --select no_such+ apart\"]\n\
             [jobs.bad]\nretry = {{ plugin = \"{plugin}\" }}\nsteps = [\"dbt run-operation no_such\"]\n"
        )
    };
    shop.write("tidegate.toml", &jobs("builtin:backof"));
    shop.run(&["check"]).code(2).err_has("tidegate.toml:6").err_has("did you mean `builtin:backoff`");
    shop.write("tidegate.toml", &jobs("backof"));
    shop.run(&["check"]).code(2).out_has("there is no plugin `backof`");
    shop.run(&["run", "bad"]).code(1);
    let run = shop.show(2);
    let [attempt] = &attempts(&run)[..] else { panic!("{run}") };
    assert!(text(&attempt["decided"]["fault"]).contains("`backof`"), "{attempt}");
    assert_eq!(
        (&attempt["decided"]["plugin"], &attempt["decided"]["decision"]),
        (&Value::Null, &"give_up".into())
    );
}

#[test]
fn what_waits_for_another_attempt_can_be_cancelled_and_resumed() {
    let shop = shop("plugin = \"builtin:backoff\"\nconfig = { max_retries = 1, delay = \"1h\" }");
    let holder = Holder::of(&shop, "outside.duckdb");
    let child = shop.start(&["run", "build"]);
    shop.wait_for("a decision", || {
        shop.runs().len() == 1 && attempts(&shop.show(1)).iter().any(|a| !a["decided"].is_null())
    });
    signal(child.id(), "-INT");
    shop.end(child).code(130);
    assert_eq!(shop.show(1)["state"], "cancelled");
    drop(holder);
    shop.run(&["runs", "resume", "1"]).code(0);
    let mut done = nodes(&shop.show(2), 1);
    done.sort();
    assert_eq!(done, of_all(DONE));
}
