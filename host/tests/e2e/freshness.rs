//! How fresh sources are, and assets that have to be.

use serde_json::Value;

use crate::support::{Sandbox, python, text};

fn line(shop: &Sandbox, key: &str) -> Value {
    let all = shop.run(&["freshness", "--json"]).code(0).json();
    let found = all.as_array().unwrap().iter().find(|line| line["key"] == key).cloned();
    found.unwrap_or_else(|| panic!("no {key} in {all}"))
}

#[test]
fn looks_at_sources_are_kept_with_what_they_found() {
    let shop = Sandbox::models(&[("quick", "select 1 as id")]);
    shop.write(
        "models/sources.yml",
        "sources:
  - name: raw
    schema: main
    loaded_at_field: loaded_at
    freshness: {warn_after: {count: 1, period: day}, error_after: {count: 1000, period: day}}
    tables: [{name: orders}]
",
    );
    shop.write("tidegate.toml", "[projects.tiny]\n[jobs.look]\nsteps = [\"dbt source freshness\"]\n");
    let load = |days: u32| {
        let script = format!(
            "import duckdb; duckdb.connect('tiny.duckdb').execute(\"create or replace table orders as \
             select (now() at time zone 'utc')::timestamp - interval {days} day as loaded_at\")"
        );
        python(&shop, &script);
    };
    assert_eq!(line(&shop, "raw/orders")["state"], Value::Null);
    load(2000);
    shop.run(&["run", "look"]).code(1);
    load(3);
    shop.run(&["run", "look"]).code(0);
    assert_eq!(line(&shop, "raw/orders")["state"], "warn");
    shop.run(&["freshness", "--late"])
        .code(0)
        .out_has("raw/orders")
        .out_has("warn after 1 day, error after 1000 days");
    load(0);
    shop.run(&["run", "look"]).code(0);
    shop.run(&["freshness", "--late"]).code(0).err_has("nothing is late");
    let shown = shop.run(&["assets", "show", "raw/orders", "--json"]).code(0).json();
    let looks: Vec<_> =
        shown["source_freshness"].as_array().unwrap().iter().map(|look| text(&look["state"])).collect();
    assert_eq!(looks, ["pass", "warn", "error"]);
    assert!(shown["source_freshness"][1]["found"]["age"].as_f64().unwrap() > 2.0 * 86_400.0);
    shop.run(&["assets", "show", "raw/orders"]).code(0).out_has("run 1").out_has("newest row");
}

#[test]
fn what_selects_nothing_that_has_to_be_fresh_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Sandbox::models(&[("stg_orders", "select 1 as id")]);
    shop.write("models/sources.yml", "sources: [{name: raw, schema: main, tables: [{name: orders}]}]\n");
    let rule =
        |select: &str| format!("[[projects.tiny.freshness]]\nselect = \"{select}\"\nfresh_within = \"1d\"\n");
    let rules = ["key:stg_ordrs", "key:raw/orders", "tag:nonsuch", "key:stg_orders"].map(rule).concat();
    shop.write("tidegate.toml", &format!("[projects.tiny]\n{rules}"));
    shop.run(&["check"])
        .code(2)
        .out_has("no asset has the key `stg_ordrs`")
        .out_has("did you mean `key:stg_orders`?")
        .out_has("`raw/orders` is a source")
        .out_has("freshness of `tag:nonsuch`: matches no asset")
        .out_has("freshness of `key:stg_orders`: 1 asset");
    // Whatever verb comes first, what is kept is for its owner alone.
    let mode = std::fs::metadata(shop.file(".tidegate")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_asset_that_has_to_be_fresh_becomes_late_by_itself_and_on_time_when_it_is_built() {
    let shop = Sandbox::models(&[
        ("by_meta", "{{ config(meta={'tidegate': {'fresh_within': '20s'}}) }} select 1 as id"),
        ("by_tag", "{{ config(tags=['daily']) }} select 1 as id"),
        ("by_nobody", "select 1 as id"),
    ]);
    shop.write(
        "tidegate.toml",
        r#"
[projects.tiny]
[[projects.tiny.freshness]]
select = "tag:daily"
fresh_within = "1d"
[jobs.all]
steps = ["dbt run"]
"#,
    );
    let service = shop.serve(&[]);
    shop.run(&["run", "all"]).code(0);
    shop.wait_for("both", || {
        let all = shop.run(&["freshness", "--json"]).code(0).json();
        all.as_array().unwrap().iter().filter(|line| !line["state"].is_null()).count() == 2
    });
    assert_eq!(line(&shop, "by_tag")["state"], "on time");
    // Nothing runs, and the time passes.
    service.wait_for("asset is late");
    assert_eq!(line(&shop, "by_meta")["state"], "late");
    shop.run(&["freshness", "--late"]).code(0).out_has("by_meta").out_has("built within 20s");
    shop.run(&["run", "all"]).code(0);
    shop.wait_for("it is on time", || line(&shop, "by_meta")["state"] == "on time");
    shop.run(&["assets", "show", "by_meta"]).code(0).out_has("on time since");
    // What is late is known to the next host, and what need not be fresh any more is forgotten.
    service.wait_for("asset is on time");
    shop.write("tidegate.toml", "[projects.tiny]\n[jobs.all]\nsteps = [\"dbt run\"]\n");
    service.wait_for("asset need not be fresh any more");
    assert_eq!(shop.run(&["freshness", "--json"]).code(0).json().as_array().unwrap().len(), 1);
}
