//! What runs wait for: files, locks by name, slots, rates and their place in the queue.

use std::{os::unix::fs::symlink, process::Child};

use crate::support::{NO_NODES, Sandbox, overlap, span};

/// A project that keeps dbt busy on the target that it is told, until it is released.
fn busy(profile: &str) -> Sandbox {
    let shop = Sandbox::models(&[]);
    shop.hold("models/busy.py");
    shop.write("profiles.yml", profile);
    shop.write("none.json", NO_NODES);
    shop
}

fn start_all(shop: &Sandbox, jobs: &[&str]) -> Vec<Child> {
    jobs.iter()
        .map(|job| {
            let before = shop.runs().len();
            let child = shop.start(&["run", job]);
            shop.wait_for("the request", || shop.runs().len() > before);
            child
        })
        .collect()
}

#[test]
fn runs_that_write_to_one_file_take_turns_whatever_they_call_it() {
    let shop = busy(
        "tiny:
  target: dev
  outputs:
    dev: {type: duckdb, path: shared.duckdb}
    attached: {type: duckdb, path: own.duckdb, attach: [{path: ./shared.duckdb, alias: theirs}]}
    memory: {type: duckdb, path: ':memory:'}
    odd: {type: duckdb, path: \"{{ modules.datetime.datetime.now().strftime('odd%Y') }}.duckdb\"}
",
    );
    // Another project, which reaches the same file by a link to its folder.
    symlink(".", shop.file("link")).unwrap();
    shop.write("other/dbt_project.yml", "name: other\nversion: '1.0'\nprofile: other\n");
    shop.write(
        "other/profiles.yml",
        "other: {target: dev, outputs: {dev: {type: duckdb, path: ../link/shared.duckdb}}}\n",
    );
    shop.hold("other/models/busy_too.py");
    shop.write(
        "tidegate.toml",
        r#"
[projects.tiny]
manifest = "none.json"
[projects.other]
dir = "other"
manifest = "none.json"
[jobs.dev]
project = "tiny"
steps = ["dbt run"]
[jobs.theirs]
project = "other"
steps = ["dbt run"]
[jobs.attached]
project = "tiny"
target = "attached"
steps = ["dbt run"]
[jobs.memory]
project = "tiny"
target = "memory"
steps = ["dbt run"]
[jobs.odd]
project = "tiny"
target = "odd"
steps = ["dbt run"]
"#,
    );
    let service = shop.serve(&[]);
    let clients = start_all(&shop, &["dev", "theirs", "attached", "memory", "odd"]);
    // Whoever writes elsewhere, or nowhere, waits for nobody.
    shop.wait_for("three runs at once", || shop.running() == [1, 4, 5]);
    shop.release();
    clients.into_iter().for_each(|client| drop(shop.end(client).code(0)));
    let runs: Vec<_> = (1..=5).map(|run| shop.show(run)).collect();
    let spans: Vec<_> = runs.iter().map(span).collect();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert!(!overlap(spans[a], spans[b]), "{spans:?}");
    }
    assert!(overlap(spans[0], spans[3]) && overlap(spans[0], spans[4]), "{spans:?}");
    let shared = format!("duckdb:{}", shop.file("shared.duckdb").canonicalize().unwrap().display());
    assert_eq!(runs[0]["locks"], serde_json::json!([shared]));
    assert_eq!(runs[1]["locks"], serde_json::json!([shared]));
    assert_eq!(runs[2]["locks"].as_array().unwrap().len(), 2);
    assert!(runs[2]["locks"].as_array().unwrap().contains(&shared.clone().into()));
    assert_eq!(runs[3]["locks"], serde_json::json!([]));
    // Where the file cannot be known there is one lock for the project, and it is said why.
    assert_eq!(runs[4]["locks"], serde_json::json!(["project:tiny"]));
    let said = service.log();
    let why: Vec<_> =
        said.lines().filter(|line| line.contains("WARN") && line.contains("`modules`")).collect();
    assert_eq!(why.len(), 1, "it is said once:\n{said}");
    assert!(
        why[0].contains("profiles.yml") && why[0].contains("one run of the project `tiny` at a time"),
        "{}",
        why[0]
    );
}

#[test]
fn locks_slots_and_priorities_decide_who_is_next() {
    let shop = busy("tiny: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n");
    let config = |most: u32, jobs: &str| {
        format!(
            r#"
[queue]
max_runs = {most}
[locks]
warehouse = 2
[projects.tiny]
manifest = "none.json"
[jobs.a]
locks = ["warehouse"]
steps = ["dbt run"]
[jobs.b]
locks = ["warehouse"]
steps = ["dbt run"]
{jobs}
"#
        )
    };
    let rest = r#"
[jobs.c]
locks = ["warehouse"]
steps = ["dbt run"]
[jobs.low]
priority = -5
steps = ["dbt run-operation noop"]
[jobs.high]
priority = 5
steps = ["dbt run-operation noop"]
[jobs.hasty]
queue_timeout = "2s"
steps = ["dbt run-operation noop"]
[jobs.seldom]
start_rate = { runs = 1, per = "1h" }
priority = 1
steps = ["dbt run-operation noop"]
"#;
    shop.write("tidegate.toml", &config(10, rest));
    let service = shop.serve(&[]);
    // Two of three may hold the lock.
    let mut clients = start_all(&shop, &["a", "b", "c"]);
    shop.wait_for("two runs at once", || shop.running() == [1, 2]);
    let status = shop.status().unwrap();
    let why = status["waiting"][0]["waits_for"].as_str().unwrap();
    assert!(why.contains("which holds the lock `warehouse`"), "{why}");

    // One slot, and it is taken: the queue goes by priority, then by age.
    shop.write("tidegate.toml", &config(1, rest));
    shop.run(&["reload"]).code(0).out_has("max_runs");
    clients.extend(start_all(&shop, &["low", "seldom", "high", "seldom"]));
    let hasty = start_all(&shop, &["hasty"]).remove(0);
    let said = shop.end(hasty).code(2);
    assert!(said.out.contains("queue_timeout"), "{}\n{}", said.out, said.err);
    assert_eq!(shop.show(8)["state"], "refused");
    let last = clients.pop().unwrap();
    shop.release();
    for client in clients {
        shop.end(client).code(0);
    }
    let spans: Vec<_> = (1..=6).map(|run| span(&shop.show(run))).collect();
    let [a, b, c, low, seldom, high] = spans[..] else { unreachable!() };
    assert!(overlap(a, b) && !(overlap(a, c) && overlap(b, c)), "{spans:?}");
    assert!(!overlap(high, seldom) && !overlap(seldom, low));
    assert!(high.0 < seldom.0 && seldom.0 < low.0, "{spans:?}");

    // A job of which one run may start in an hour has had it.
    let status = shop.status().unwrap();
    let why = status["waiting"][0]["waits_for"].as_str().unwrap();
    assert!(why.starts_with("waiting until") && why.contains("start rate"), "{why}");
    shop.run(&["runs", "cancel", "7"]).code(0);
    shop.end(last).code(130);

    // A job that is gone from the file still has the run that was asked for, and a new slot is used at once.
    shop.hold("models/busy.py");
    let clients = start_all(&shop, &["a", "c"]);
    assert_eq!(shop.status().unwrap()["queued"], 1);
    shop.write("tidegate.toml", &config(2, ""));
    service.wait_for("job `c` is gone");
    shop.wait_for("both", || shop.running() == [9, 10]);
    shop.release();
    for client in clients {
        shop.end(client).code(0);
    }
    assert!(overlap(span(&shop.show(9)), span(&shop.show(10))));
    shop.run(&["run", "c"]).code(2).err_has("there is no job `c`");
}
