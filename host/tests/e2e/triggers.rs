//! What starts jobs by itself: schedules, the ends of other runs, files, and sources.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;
use tidegate::{
    model::{Cursor, Trigger},
    store::Reader,
};

use crate::support::{Sandbox, python, text};

fn reason(run: &Value, shop: &Sandbox) -> String {
    text(&shop.show(run["id"].as_u64().unwrap())["request"]["launch"]["reason"])
}

/// Gives what must not happen the time that it would take.
fn let_pass(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// Waits until the file sensor of a job knows what is there: what comes later is new.
fn wait_for_first_look(shop: &Sandbox, job: &str) {
    shop.wait_for("the first look", || {
        let Ok(reader) = Reader::open(&shop.file(".tidegate")) else { return false };
        let Some(automation) = reader.automations().unwrap().remove(job) else { return false };
        automation.triggers.iter().any(|(trigger, state)| {
            matches!((trigger, &state.cursor), (Trigger::Files(_), Cursor::Seen(Some(_))))
        })
    });
}

#[test]
fn files_chains_and_schedules_start_jobs() {
    let shop = Sandbox::models(&[("quick", "select 1 as id")]);
    shop.write(
        "tidegate.toml",
        r#"
[projects.tiny]
manifest = "none.json"
[jobs.load]
sensors = [{ files = "inbox/*.csv" }]
steps = ["dbt run-operation noop"]
[jobs.follow]
after = [{ job = "load" }]
steps = ["dbt run-operation noop"]
[jobs.moan]
after = [{ job = "load", on = ["failed"] }]
steps = ["dbt run-operation noop"]
[jobs.minutely]
schedule = "* * * * *"
time_zone = "Europe/Berlin"
steps = ["dbt run-operation noop"]
"#,
    );
    shop.write("none.json", crate::support::NO_NODES);
    shop.write("inbox/old.csv", "what is there already is nothing new");
    let service = shop.serve(&[]);
    service.wait_for("trigger enabled job=load");
    wait_for_first_look(&shop, "load");

    // A file that grows for some seconds is one arrival.
    let mut growing = OpenOptions::new().create(true).append(true).open(shop.file("inbox/new.csv")).unwrap();
    let grows = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while grows.load(Ordering::Relaxed) {
                growing.write_all(&[b'x'; 100]).unwrap();
                thread::sleep(Duration::from_millis(50));
            }
        });
        let_pass(14);
        let early = shop.runs_of("load");
        grows.store(false, Ordering::Relaxed);
        assert!(early.is_empty(), "it still grew: {early:?}");
    });
    let loads = shop.wait_for_ends("load", 1);
    let why = reason(&loads[0], &shop);
    assert!(why.starts_with("new or changed: ") && why.ends_with("inbox/new.csv"), "{why}");
    let follows = shop.wait_for_ends("follow", 1);
    assert_eq!(reason(&follows[0], &shop), format!("run {} of load succeeded", loads[0]["id"]));

    // A file that goes is no arrival; one that changes is.
    fs::remove_file(shop.file("inbox/new.csv")).unwrap();
    let_pass(12);
    shop.write("inbox/old.csv", "changed");
    let loads = shop.wait_for_ends("load", 2);
    assert!(reason(&loads[1], &shop).ends_with("inbox/old.csv"));
    shop.wait_for_ends("follow", 2);

    // Nothing starts a paused job, and what came meanwhile is not made up for.
    shop.run(&["schedules", "pause", "load"]).code(0).err_has("schedules resume load");
    shop.write("inbox/while-paused.csv", "x");
    let_pass(14);
    shop.run(&["schedules", "resume", "load"]).code(0);
    wait_for_first_look(&shop, "load");
    assert_eq!(shop.runs_of("load").len(), 2);
    shop.write("inbox/afterwards.csv", "x");
    let loads = shop.wait_for_ends("load", 3);
    assert!(reason(&loads[2], &shop).ends_with("inbox/afterwards.csv"));

    // A real tick of a real clock.
    shop.wait_for("a tick", || !shop.runs_of("minutely").is_empty());
    let tick = &shop.run(&["schedules", "ticks", "minutely", "--json"]).code(0).json()[0];
    assert!(text(&tick["due"]).ends_with(":00Z"), "{tick}");
    assert_eq!(tick["reason"], "tick of * * * * *");
    shop.run(&["schedules", "ticks"]).code(0).out_has("files:").out_has("after").out_has("schedule");
    assert!(shop.runs_of("moan").is_empty());
    shop.wait_for_ends("follow", 3);
}

#[test]
fn newer_rows_of_a_source_start_a_job_and_overlaps_are_decided_upon() {
    let shop = Sandbox::models(&[("quick", "select 1 as id")]);
    shop.hold("models/slow.py");
    shop.write(
        "profiles.yml",
        "tiny: {target: dev, outputs: {
            dev: {type: duckdb, path: tiny.duckdb}, memory: {type: duckdb, path: ':memory:'}}}\n",
    );
    shop.write(
        "models/sources.yml",
        "sources:
  - name: raw
    schema: main
    loaded_at_field: loaded_at
    freshness: {warn_after: {count: 1000, period: day}}
    tables: [{name: orders}, {name: others}]
",
    );
    shop.write(
        "tidegate.toml",
        r#"
[projects.tiny]
[jobs.look]
steps = ["dbt source freshness"]
[jobs.orders]
sensors = [{ source = "raw.orders" }]
steps = ["dbt run --select quick"]
[jobs.others]
sensors = [{ source = "raw.others" }]
steps = ["dbt run --select quick"]
[jobs.first]
target = "memory"
steps = ["dbt run-operation noop"]
[jobs.skips]
after = [{ job = "first" }]
overlap = "skip"
priority = 1
steps = ["dbt run --select slow"]
[jobs.replaces]
after = [{ job = "first" }]
overlap = "cancel-previous"
steps = ["dbt run --select quick"]
"#,
    );
    python(
        &shop,
        "import duckdb; c = duckdb.connect('tiny.duckdb')
for t in ('orders', 'others'): c.execute(f\"create table {t} as select timestamp '2026-01-01' as loaded_at\")",
    );
    let service = shop.serve(&[]);
    shop.run(&["run", "look"]).code(0);
    python(
        &shop,
        "import duckdb; duckdb.connect('tiny.duckdb').execute(\"insert into orders values ('2026-01-02')\")",
    );
    shop.run(&["run", "look"]).code(0);
    let orders = shop.wait_for_ends("orders", 1);
    assert_eq!(orders[0]["state"], "succeeded");
    let why = reason(&orders[0], &shop);
    assert!(why.contains("source.tiny.raw.orders has rows up to 2026-01-02"), "{why}");
    // Seen once is seen.
    shop.run(&["run", "look"]).code(0);
    assert_eq!(shop.runs_of("orders").len(), 1);
    assert!(shop.runs_of("others").is_empty(), "its data is the same");

    // The second end of `first`, which writes nowhere, finds a run of each follower: one at work, as it has the priority,
    // until it is released, and one behind it.
    shop.run(&["run", "first"]).code(0);
    let ends = |job| shop.runs_of(job).iter().map(|run| !run["finished_at"].is_null()).collect::<Vec<_>>();
    shop.wait_for("the followers", || ends("skips") == [false] && ends("replaces") == [false]);
    shop.run(&["run", "first"]).code(0);
    shop.wait_for("the run that makes way", || ends("replaces") == [true, false]);
    shop.release();
    let replaces = shop.wait_for_ends("replaces", 2);
    assert_eq!((&replaces[0]["state"], &replaces[1]["state"]), (&"cancelled".into(), &"succeeded".into()));
    assert_eq!(shop.runs_of("skips").len(), 1);
    let tick = &shop.run(&["schedules", "ticks", "skips", "--json"]).code(0).json()[0];
    assert!(text(&tick["reason"]).contains("of the job has not ended yet"), "{tick}");
    service.wait_for("tick skipped");
    shop.wait_for_ends("skips", 1);
}
