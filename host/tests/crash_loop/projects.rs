//! What the host is to work with: projects, jobs with everything that can start, hold up or stop their runs, and locks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use tidegate::crash;

/// Projects with a scripted dbt. The last has no manifest from elsewhere: its dbt is asked to parse.
pub const SCRIPTED: [&str; 4] = ["ants", "bees", "cats", "dogs"];

/// The project in which dbt is real.
pub const REAL: &str = "real";

/// The jobs that clients ask for: the name behind the project's, and the steps.
pub const JOBS: [(&str, &str); 8] = [
    ("small", r#""dbt build --select m:3""#),
    ("wide", r#""dbt build --select m:20""#),
    ("steps", r#""dbt run --select m:3", "dbt test --select t:2", "dbt run-operation sweep""#),
    ("pair", r#""dbt run-operation sweep", "dbt build --select m:6""#),
    ("both", r#""dbt build --select m:5 t:5""#),
    ("nothing", r#""dbt build --select none""#),
    ("again", r#""dbt build --select m:3 fails", "dbt build --select m:1""#),
    ("long", r#""dbt build --select m:2 long""#),
];

/// The jobs that start by themselves alone.
const FOLLOWERS: [(&str, &str); 3] = [
    ("next", r#""dbt run-operation sweep""#),
    ("tail", r#""dbt build --select m:1""#),
    ("tick", r#""dbt build --select m:2""#),
];

/// Everybody is told of everything that happens to a run, in a file.
const TOLD: &str = "[destinations.told.file]\npath = \"told.jsonl\"\n[alerts.all]\nnotifier = \"builtin:webhook\"\n\
    destinations = [\"told\"]\nchanges_only = false\ngroup_by = \"run\"\n\
    on = [\"run_started\", \"run_succeeded\", \"run_failed\", \"run_cancelled\", \"run_incomplete\"]\n";

/// Where a project's file sensor looks, relative to the configuration.
pub const INBOX: &str = "inbox";

/// A name for a file that the sensor of a project's `small` job waits for.
pub fn arrival(project: &str, number: u64) -> PathBuf {
    Path::new(INBOX).join(format!("{project}-{number}.csv"))
}

/// What a job says beside its steps.
fn options(project: &str, job: &str) -> String {
    let by_project = |words: [&str; 4]| {
        let at = SCRIPTED.iter().position(|name| *name == project);
        at.map_or("", |at| words[at]).to_owned()
    };
    match job {
        "small" => format!(
            "locks = [\"shared\"]\nsensors = [{{ files = \"{INBOX}/{project}-*.csv\" }}]\n{}",
            by_project(["overlap = \"skip\"", "", "", "overlap = \"cancel-previous\""])
        ),
        "wide" => "locks = [\"pair\"]\npriority = 5\non_interruption = \"leave\"".to_owned(),
        "pair" => by_project(["priority = -1", "on_interruption = \"leave\"", "", ""]),
        "both" => "locks = [\"shared\", \"pair\"]".to_owned(),
        "nothing" => {
            by_project(["", "queue_timeout = \"3s\"", "", "start_rate = { runs = 2, per = \"5s\" }"])
        }
        "again" => "retry = { plugin = \"builtin:backoff\", config = { max_retries = 2, delay = \"1s\" } }"
            .to_owned(),
        "long" => by_project(["", "max_runtime = \"3s\"", "silence_timeout = \"2s\"", ""]),
        // Each follows its own project's job, and that of the first project.
        "next" => format!(
            "after = [{}{{ job = \"{project}-small\" }}]\n{}",
            if project == SCRIPTED[0] { "" } else { "{ job = \"ants-small\" }, " },
            by_project(["", "overlap = \"skip\"", "", "overlap = \"cancel-previous\""])
        ),
        "tail" => format!(
            "after = [{{ job = \"{project}-steps\", on = [\"succeeded\", \"warned\", \"failed\", \"interrupted\"] }}, \
             {{ job = \"{project}-long\", on = [\"failed\", \"cancelled\", \"interrupted\"] }}]\n\
             locks = [\"shared\"]\n{}",
            by_project(["min_interval = \"3s\"", "", "min_interval = \"1s\"", ""])
        ),
        "tick" => format!(
            "schedule = \"* * * * *\"\n{}",
            by_project([
                "overlap = \"cancel-previous\"",
                "overlap = \"skip\"",
                "missed = { all = 2 }",
                "missed = \"skip\""
            ])
        ),
        _ => String::new(),
    }
}

/// Writes the configuration, and what it names.
pub fn write(dir: &Path, seed: u64) {
    fs::create_dir_all(dir.join(INBOX)).unwrap();
    let mut config =
        "[retention]\nruns = 100000\n[queue]\nmax_runs = 6\n[locks]\nshared = 1\npair = 2\n".to_owned();
    config += TOLD;
    for project in SCRIPTED {
        config += &scripted(dir, project, seed);
    }
    if let Some(bin) = real_dbt() {
        config += &real(dir, &bin);
    }
    fs::write(dir.join("tidegate.toml"), config).unwrap();
}

fn scripted(house: &Path, name: &str, seed: u64) -> String {
    let dir = house.join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("dbt_project.yml"), format!("name: {name}\nprofile: none\n")).unwrap();
    let model = |n: u64| {
        let model = format!("m{n:03}");
        let node = json!({
            "name": model, "original_file_path": format!("models/{model}.sql"), "fqn": [name, model], "schema": "s",
            "database": "d", "alias": model, "config": {"materialized": "table"}, "package_name": name,
        });
        (format!("model.{name}.{model}"), node)
    };
    let nodes: serde_json::Map<_, _> = (0..20).map(model).collect();
    let manifest = json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.16",
            "adapter_type": "duckdb",
        },
        "nodes": nodes,
    });
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let elsewhere = if name == SCRIPTED[SCRIPTED.len() - 1] {
        String::new()
    } else {
        format!("manifest = \"{name}/manifest.json\"\n")
    };
    let mut text = format!(
        "\n[projects.{name}]\ndir = \"{name}\"\ndbt = {:?}\n{elsewhere}pass_env = [\"{}\"]\nenv = {{ \
         CRASH_LOOP_SEED = \"{seed}\", CRASH_LOOP_PROJECT = \"{name}\", CRASH_LOOP_LEDGER = {:?} }}\n",
        house.join("dbt"),
        // The attempt processes of one project end at crash points too.
        if name == SCRIPTED[0] { crash::VARIABLE } else { "CRASH_LOOP_NOTHING" },
        house.join("ledger")
    );
    for (job, steps) in JOBS.into_iter().chain(FOLLOWERS) {
        text += &format!(
            "[jobs.{name}-{job}]\nproject = \"{name}\"\nsteps = [{steps}]\n{}\n",
            options(name, job)
        );
    }
    text
}

fn real(house: &Path, bin: &Path) -> String {
    let dir = house.join(REAL);
    fs::create_dir_all(dir.join("models")).unwrap();
    fs::write(dir.join("dbt_project.yml"), "name: real\nversion: '1.0'\nprofile: real\n").unwrap();
    let profile = "real: {target: dev, outputs: {dev: {type: duckdb, path: real.duckdb, threads: 2}}}\n";
    fs::write(dir.join("profiles.yml"), profile).unwrap();
    for n in 0..6 {
        let sql = if n == 0 {
            "select 0 as n".to_owned()
        } else {
            format!("select n + 1 as n from {{{{ ref('m{}') }}}}", n - 1)
        };
        fs::write(dir.join(format!("models/m{n}.sql")), sql).unwrap();
    }
    format!(
        "\n[projects.{REAL}]\ndir = \"{REAL}\"\ndbt = {:?}\n[jobs.{REAL}-build]\nproject = \"{REAL}\"\n\
         steps = [\"dbt build\"]\n",
        bin.join("dbt")
    )
}

/// The folder of a real dbt, where there is one.
pub fn real_dbt() -> Option<PathBuf> {
    std::env::var_os("TIDEGATE_TEST_DBT").map(PathBuf::from)
}
