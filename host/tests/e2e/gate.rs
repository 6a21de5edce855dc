//! The gate between runs: what reads an asset whose test failed in an earlier run.

use crate::support::{Sandbox, text};

/// `orders` → `daily` → `weekly`, with a test on `orders` that fails while the variable says so.
fn shop() -> Sandbox {
    let shop = Sandbox::models(&[
        ("orders", "select {{ var('id', 'null') }} as id"),
        ("daily", "select * from {{ ref('orders') }}"),
        ("weekly", "select * from {{ ref('daily') }}"),
        ("other", "select 1 as id"),
    ]);
    shop.write(
        "models/tests.yml",
        "models:
  - {name: orders, columns: [{name: id, data_tests: [not_null]}]}
  - {name: daily, columns: [{name: id, data_tests: [{unique: {severity: warn}}]}]}
",
    );
    shop.write(
        "tidegate.toml",
        r#"
[projects.tiny]
[jobs.orders]
steps = ["dbt build --select orders"]
[jobs.mended]
vars = { id = 1 }
steps = ["dbt build --select orders"]
[jobs.readers]
steps = ["dbt build --select daily weekly other"]
[jobs.warned]
gate = "warn"
steps = ["dbt build --select daily weekly"]
[jobs.only]
steps = ["dbt run --select daily+"]
"#,
    );
    shop
}

#[test]
fn a_failed_test_blocks_its_readers_in_other_runs_too_until_it_passes() {
    let shop = shop();
    shop.run(&["run", "mended"]).code(0);
    shop.run(&["run", "readers"]).code(0);
    shop.run(&["run", "orders"]).code(1);
    // What reads it is left out, what reads that too, and nothing else.
    shop.run(&["run", "readers"]).out_has("blocked");
    let states = shop.states(4);
    assert_eq!(states["model.tiny.other"], "success", "{states:?}");
    for blocked in ["model.tiny.daily", "model.tiny.weekly", "test.tiny.unique_daily_id.4c42b0ac53"] {
        if let Some(state) = states.get(blocked) {
            assert_eq!(state, "skipped", "{blocked}");
        }
    }
    assert_eq!(states["model.tiny.weekly"], "skipped");
    let run = shop.show(4);
    assert_eq!(run["state"], "incomplete");
    assert!(text(&run["reason"]).contains("not_null_orders_id"), "{}", run["reason"]);
    assert!(text(&run["reason"]).ends_with("failed in run 3"), "{}", run["reason"]);
    shop.run(&["runs", "show", "4"]).code(0).out_has("left out").out_has("failed in run 3");
    // Where nothing else is left to do, nothing is done.
    shop.run(&["run", "only"]);
    let run = shop.show(5);
    assert_eq!(run["state"], "incomplete");
    assert!(text(&run["reason"]).contains("all 2 nodes were blocked"), "{}", run["reason"]);
    assert_eq!(shop.states(5)["model.tiny.weekly"], "skipped");
    shop.run(&["runs", "show", "5"])
        .code(0)
        .out_has("not started:")
        .out_has("left out")
        .out_has("because of");
    // Someone knows better, and is on record for it.
    shop.run(&["run", "readers", "--ignore-gate"]).code(0);
    shop.run(&["runs", "show", "6"]).code(0).out_has("ignore:").out_has("at launch").out_has("--ignore-gate");
    shop.run(&["run", "warned"]).code(0).err_has("built behind failed checks");
    shop.run(&["runs", "show", "7"]).code(0).out_has("built all the same");
    // A run that builds the asset decides for itself, and one in which the test passes opens the gate.
    shop.run(&["materialize", "orders+"]).code(1);
    assert_eq!(shop.show(8)["state"], "failed");
    shop.run(&["run", "mended"]).code(0);
    shop.run(&["run", "readers"]).code(0);
}
