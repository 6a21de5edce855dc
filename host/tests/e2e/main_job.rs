//! The main job: the demo's jobs, from an empty folder.

use crate::support::{Sandbox, text};

#[test]
fn the_demo_runs_as_assets() {
    let shop = Sandbox::demo();
    let said = shop.run(&["run", "build"]).code(0);
    assert!(said.out.contains("run 1 of build succeeded"), "{}", said.out);
    assert!(said.err.contains("success  model      fct_orders"), "{}", said.err);
    assert_eq!(shop.states(1), shop.results("1/1.1", "run_results.json"), "states are dbt's own");

    // The record says what was used.
    let run = shop.show(1);
    let attempt = &run["steps"][0]["attempts"][0];
    assert_eq!(run["plugins"][0]["name"], "source-prefix");
    assert_eq!(attempt["dbt_version"], "1.11.16");
    assert_eq!(attempt["target"], "dev");
    assert_eq!(attempt["exit"]["code"], 0);
    assert_eq!(run["request"]["launch"]["via"], "cli");
    let names: Vec<_> = attempt["environment"].as_array().unwrap().iter().map(text).collect();
    assert!(names.contains(&"DBT_ENV_CUSTOM_ENV_TIDEGATE_RUN".to_owned()));

    // Every line of dbt's is stamped with its run, and kept.
    let log = shop.run(&["logs", "1", "--raw"]).code(0).out;
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(first["info"]["extra"]["TIDEGATE_RUN"], "1");
    assert!(log.lines().last().unwrap().contains("CommandCompleted") || log.contains("CommandCompleted"));

    // Sources have the translator's keys, and what was built has a materialization.
    let assets = shop.run(&["assets", "--json"]).code(0).json();
    let key = |asset: &serde_json::Value| {
        asset["key"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("/")
    };
    let keys: Vec<_> = assets.as_array().unwrap().iter().map(key).collect();
    assert!(keys.contains(&"source/raw/raw_orders".to_owned()), "{keys:?}");
    for asset in assets.as_array().unwrap() {
        let built = !asset["last_materialization"].is_null();
        assert_eq!(built, asset["resource_type"] != "source", "{}", key(asset));
    }

    // The second run knows what dbt will do before dbt says so: dbt was asked once, behind the first node of the first run.
    let plans = shop.file(".tidegate/projects/shop/plans");
    shop.wait_for("the plan", || {
        let folders = |dir: &std::path::Path| -> Vec<_> {
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
        };
        folders(&plans).iter().flat_map(|dir| folders(dir)).any(|plan| plan.join("exit.json").exists())
    });
    shop.run(&["run", "build"]).code(0);
    let planned = shop.show(2)["steps"][0]["attempts"][0]["planned"].as_u64();
    assert_eq!(planned, Some(shop.states(2).len() as u64), "the plan is what dbt did");
}

#[test]
fn the_other_jobs_of_the_demo() {
    let shop = Sandbox::demo();
    let smoke = shop.run(&["run", "smoke"]).code(0);
    assert!(smoke.err.contains("step 2 of 2"), "{}", smoke.err);
    assert_eq!(shop.show(1)["steps"].as_array().unwrap().len(), 2);

    let freshness = shop.run(&["run", "source_freshness"]).code(0).out_has("warned");
    assert!(freshness.out.contains("source/raw/raw_payments"), "{}", freshness.out);
    assert_eq!(shop.states(2), shop.results("2/1.1", "sources.json"));
    assert_eq!(shop.show(2)["state"], "warned");

    shop.run(&["run", "build"]).code(0);
    shop.run(&["run", "full_refresh_fct_orders"]).code(0);
    // That the table was rebuilt, and not merged into, stands in dbt's debug log alone.
    let log = shop.run(&["logs", "4", "--node", "fct_orders"]).code(0).out.to_lowercase();
    assert!(log.contains("rename to \"fct_orders__dbt_backup\"") && !log.contains("merge into"), "{log}");

    let selected = shop.run(&["materialize", "key:fct_orders+", "--full-refresh"]).code(0);
    assert!(selected.err.contains("fqn:shop.marts.fct_orders+"), "{}", selected.err);
    let built = shop.states(5);
    assert!(built.contains_key("model.shop.fct_orders") && built.contains_key("model.shop.dim_customers"));
    assert!(!built.contains_key("model.shop.stg_orders"), "{built:?}");
}

#[test]
fn a_failing_model_is_seen_at_once_and_explained_afterwards() {
    let shop = Sandbox::models(&[
        ("bad", "select nope from (select 1 as id)"),
        ("child", "select * from {{ ref('bad') }}"),
        ("grandchild", "select * from {{ ref('child') }}"),
    ]);
    shop.hold("models/good.py");
    let mut child = shop.command(&["run", "build"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The error text is there while another model still runs.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let seen = lines.by_ref().map_while(Result::ok).find(|line| line.contains("nope"));
    assert!(seen.is_some_and(|line| line.contains("Binder Error")));
    shop.wait_for_node(1, "model.tiny.good", "running");
    shop.release();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(1));

    assert_eq!(shop.states(1), shop.results("1/1.1", "run_results.json"));
    let run = shop.show(1);
    assert_eq!(run["state"], "failed");
    let nodes = run["nodes"][0]["nodes"].as_array().unwrap().clone();
    let skipped = nodes.iter().find(|n| n["unique_id"] == "model.tiny.grandchild").unwrap();
    assert_eq!(skipped["skipped_because_of"], "model.tiny.bad");
    shop.run(&["runs", "show", "1"]).code(0).out_has("Binder Error").out_has("because of bad");
    shop.run(&["logs", "1", "--level", "error"]).code(0).out_has("Binder Error");
    shop.run(&["assets", "show", "bad"]).code(0).out_has("error in run 1");
}

#[test]
fn what_its_own_unit_test_keeps_from_being_built_says_so() {
    let shop =
        Sandbox::models(&[("first", "select 1 as id"), ("second", "select id from {{ ref('first') }}")]);
    let test = "unit_tests:\n  - name: twice\n    model: second\n    given:\n      - input: ref('first')\n        rows: [{id: 1}]\n    \
                expect:\n      rows: [{id: 2}]\n";
    shop.write("models/unit.yml", test);
    shop.run(&["run", "build"]).code(1);
    let run = shop.show(1);
    let nodes = run["nodes"][0]["nodes"].as_array().unwrap();
    let second = nodes.iter().find(|node| node["unique_id"] == "model.tiny.second").unwrap();
    assert_eq!(
        (&second["state"], &second["skipped_because_of"]),
        (&"skipped".into(), &"unit_test.tiny.second.twice".into())
    );
}

#[test]
fn ephemeral_models_are_bridged_and_never_assets() {
    let shop = Sandbox::models(&[
        ("first", "select 1 as id"),
        ("between", "{{ config(materialized='ephemeral') }} select * from {{ ref('first') }}"),
        ("last", "select * from {{ ref('between') }}"),
    ]);
    shop.run(&["run", "build"]).code(0);
    let last = shop.run(&["assets", "show", "last", "--json"]).code(0).json();
    assert_eq!(last["upstream"], serde_json::json!(["model.tiny.first"]));
    assert!(!shop.states(1).contains_key("model.tiny.between"));
}

#[test]
fn secrets_are_in_no_file() {
    let shop = Sandbox::models(&[(
        "leak",
        "select '{{ env_var('WAREHOUSE_PASSWORD') }}' as pw {{ log('pw is ' ~ env_var('WAREHOUSE_PASSWORD'), info=true) }}",
    )]);
    let canary = "canary-7f3a-of-the-mine";
    let output = shop.command(&["run", "build"]).env("WAREHOUSE_PASSWORD", canary).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let log = shop.run(&["logs", "1"]).out;
    assert!(log.contains("pw is *****"), "{log}");
    let mut folders = vec![shop.file(".tidegate/runs"), shop.file(".tidegate/tidegate.db")];
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(path).unwrap().flatten().map(|e| e.path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let bytes = if path.extension().is_some_and(|e| e == "zst") {
            zstd::decode_all(&bytes[..]).unwrap()
        } else {
            bytes
        };
        let found = bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
        assert!(!found, "the secret is in {}", path.display());
    }
}
