//! Projects and assets over HTTP.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    client::Api,
    support::{Sandbox, text},
};

/// Three models in a row with a check each that passes or fails, and a source that is read.
pub fn shop() -> Sandbox {
    let shop = Sandbox::models(&[
        ("staging/stg_orders", "{{ config(materialized='table') }} select 1 as id, 2 as customer"),
        (
            "orders",
            "{{ config(materialized='table', tags=['daily'], pre_hook='select 1', meta={'team': 'ours'}) }} \
             select * from {{ ref('stg_orders') }}",
        ),
        ("customers", "select customer from {{ ref('orders') }}"),
        ("broken", "select * from {{ source('raw', 'missing') }}"),
    ]);
    shop.write(
        "models/schema.yml",
        "groups: [{name: sales, owner: {name: Sales, email: sales@shop.example}}]\n\
         sources: [{name: raw, schema: main, tables: [{name: missing, description: nobody made it}]}]\n\
         models:\n\
         - name: stg_orders\n  columns: [{name: id, data_tests: [not_null]}]\n\
         - name: orders\n  description: What was <b>ordered</b>.\n  config: {group: sales}\n  columns:\n  \
         - {name: id, description: Its number., data_tests: [{accepted_values: {arguments: {values: [7]}}}]}\n\
         - name: customers\n  data_tests: [{not_null: {arguments: {column_name: customer}}}]\n\
         exposures: [{name: board, label: The board, type: dashboard, owner: {email: a@shop.example}, \
         url: 'https://bi.shop.example', depends_on: [ref('customers')]}]\n",
    );
    shop.write("tests/whole.sql", "select 1 as row from {{ ref('customers') }} where false");
    shop
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(&row["unique_id"])).collect()
}

#[test]
fn assets_are_listed_and_shown_with_what_runs_made_of_them() {
    let shop = shop();
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    // Before anything has run.
    let project = &api.get("/projects")[0];
    assert_eq!((&project["name"], &project["problem"]), (&json!("tiny"), &Value::Null));
    assert_eq!(api.get("/projects/tiny/states")["states"], json!({}));
    let before = api.get("/projects/tiny/assets/model.tiny.orders");
    assert_eq!(
        (&before["health"], &before["status"], &before["compiled"]),
        (&json!("never"), &Value::Null, &Value::Null)
    );
    assert_eq!(api.get("/projects/tiny")["read"]["assets"], 5);
    assert_eq!(api.get("/projects/tiny")["read"]["exposures"][0]["name"], "board");

    // Two runs, of which the check of `orders` fails each, so that dbt leaves `customers` out.
    for _ in 0..2 {
        shop.run(&["run", "build"]).code(1);
    }
    let rows = api.all("/assets", 2);
    assert_eq!(
        ids(&rows),
        [
            "model.tiny.broken",
            "model.tiny.customers",
            "model.tiny.orders",
            "source.tiny.raw.missing",
            "model.tiny.stg_orders"
        ]
    );
    let health: BTreeMap<_, _> = rows.iter().map(|row| (text(&row["name"]), text(&row["health"]))).collect();
    let expected = [
        ("broken", "failed"),
        ("customers", "warn"),
        ("missing", "never"),
        ("orders", "failed"),
        ("stg_orders", "ok"),
    ];
    assert_eq!(health, expected.map(|(name, health)| (name.to_owned(), health.to_owned())).into());

    let wanted = |filter: &str| {
        let mut names: Vec<_> =
            api.all(&format!("/assets?{filter}"), 50).iter().map(|row| text(&row["name"])).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(wanted("q=ORDERS"), "orders stg_orders");
    assert_eq!(wanted("q=ordered"), "orders");
    assert_eq!(wanted("tag=daily"), "orders");
    assert_eq!(wanted("group=sales&resource_type=model"), "orders");
    assert_eq!(wanted("owner=sales%40shop.example"), "orders");
    assert_eq!(wanted("state=never&state=skipped"), "customers missing");
    assert_eq!(wanted("health=failed&health=never"), "broken missing orders");
    assert_eq!(wanted("resource_type=source"), "missing");
    assert_eq!(wanted("folder=models/staging/"), "stg_orders");
    assert_eq!(wanted("folder=models%2Fstaging&folder=seeds"), "stg_orders");
    assert_eq!(wanted("folder=models"), "broken customers missing orders stg_orders");
    assert_eq!(wanted("folder=model"), "");
    assert_eq!(wanted("select=key:orders%2B"), "customers orders");
    assert_eq!(wanted("select=tag:daily+stg_orders"), "orders stg_orders");
    assert!(api.refused("/assets?select=key:order", 400).contains("did you mean `key:orders`?"));
    assert!(api.refused("/assets?select=--help", 400).contains("is not a selection"));
    assert!(api.refused("/assets?project=tinny", 404).contains("did you mean `tiny`?"));
    assert!(api.refused("/assets?cursor=x", 400).contains("cursor"));
    assert!(api.refused("/assets?health=odd", 400).contains("query"));

    let facets = api.get("/assets/facets");
    let counts = |name: &str| -> Vec<(String, u64)> {
        let facets = facets[name].as_array().unwrap().iter();
        facets.map(|facet| (text(&facet["value"]), facet["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(facets["assets"], 5);
    assert_eq!(counts("resource_types"), [("model".to_owned(), 4), ("source".to_owned(), 1)]);
    assert_eq!(counts("groups"), [("sales".to_owned(), 1)]);
    assert_eq!(counts("tags"), [("daily".to_owned(), 1)]);
    assert_eq!(counts("folders"), [("models".to_owned(), 5), ("models/staging".to_owned(), 1)]);

    let orders = api.get("/projects/tiny/assets/model.tiny.orders");
    assert_eq!(orders["description"], "What was <b>ordered</b>.");
    assert_eq!(
        (&orders["state"], &orders["failed_checks"], &orders["run"]),
        (&json!("success"), &json!(1), &json!(2))
    );
    assert!(text(&orders["definition"]["raw_code"]).contains("{{ ref('stg_orders') }}"));
    assert_eq!(
        orders["definition"]["columns"][0],
        json!({"name": "id", "data_type": null, "description": "Its number."})
    );
    let compiled = &orders["compiled"];
    assert_eq!(
        (&compiled["attempt"], &compiled["cut"]),
        (&json!({"run": 2, "step": 1, "attempt": 1}), &json!(false))
    );
    assert_eq!(orders["folder"], "models");
    let config = &orders["definition"]["config"];
    assert_eq!(
        (&config["materialized"], &config["pre-hook"][0]["sql"], &config["tags"]),
        (&json!("table"), &json!("select 1"), &json!(["daily"]))
    );
    assert!(config.get("unique_key").is_none() && config.get("post-hook").is_none(), "{config}");
    assert_eq!((&orders["definition"]["meta"], config.get("meta")), (&json!({"team": "ours"}), None));
    let code = text(&compiled["code"]);
    assert!(code.contains("stg_orders") && !code.contains("{{"), "{code}");
    assert_eq!(ids(orders["parents"].as_array().unwrap()), ["model.tiny.stg_orders"]);
    assert_eq!(
        (&orders["parents"][0]["health"], &orders["children"][0]["state"]),
        (&json!("ok"), &json!("skipped"))
    );
    let check = &orders["check_results"][0];
    assert_eq!(check["column"], "id");
    assert_eq!(
        (&check["last_result"]["state"], &check["last_result"]["failures"]),
        (&json!("fail"), &json!(1))
    );
    assert!(text(&check["query"]).to_lowercase().contains("select"), "{check}");
    // A test of a column that is not documented.
    let checks = &api.get("/projects/tiny/assets/model.tiny.customers")["check_results"];
    let columns: Vec<_> =
        checks.as_array().unwrap().iter().map(|c| (text(&c["name"]), c["column"].clone())).collect();
    assert_eq!(
        columns,
        [("not_null_customers_customer".to_owned(), json!("customer")), ("whole".to_owned(), Value::Null)]
    );
    // The graph by folders.
    let groups = |by: &str| -> Vec<String> {
        let graph = api.get(&format!("/projects/tiny/graph?{by}"));
        graph["groups"].as_array().unwrap().iter().map(|group| text(&group["name"])).collect()
    };
    assert_eq!(groups("by=folder&fold=models/staging/"), ["models/", "models/staging/"]);
    assert_eq!(groups("by=group"), groups(""));
    assert!(groups("").contains(&"sales".to_owned()));
    assert!(api.refused("/projects/tiny/graph?by=colour", 400).contains("query"));
    // By its key, too; and exposures are neighbours.
    let customers = api.get("/projects/tiny/assets/customers");
    assert_eq!(customers["children"][0]["url"], "https://bi.shop.example");
    assert_eq!(customers["children"][0]["name"], "The board");
    assert!(
        api.refused("/projects/tiny/assets/model.tiny.order", 404)
            .contains("did you mean `model.tiny.orders`?")
    );

    let runs_of = |rows: Vec<Value>, at: &str| -> Vec<Value> {
        rows.iter().map(|row| row.pointer(at).unwrap().clone()).collect()
    };
    let asset = "/projects/tiny/assets/model.tiny.orders";
    assert_eq!(runs_of(api.all(&format!("{asset}/materializations"), 1), "/run"), [2, 1]);
    assert_eq!(runs_of(api.all(&format!("{asset}/runs"), 1), "/attempt/run"), [2, 1]);
    let results = format!("/projects/tiny/checks/{}/results", text(&check["unique_id"]));
    assert_eq!(runs_of(api.all(&results, 1), "/run"), [2, 1]);
    assert_eq!(
        api.all("/projects/tiny/assets/source.tiny.raw.missing/source_freshness", 9),
        [Value::Null; 0]
    );
    assert!(api.refused(&format!("{asset}/runs?cursor=1"), 400).contains("cursor"));
    let states = api.get("/projects/tiny/states");
    assert_eq!(states["states"]["model.tiny.orders"]["health"], "failed");
    assert!(states["states"].get("source.tiny.raw.missing").is_none());
    assert_eq!(api.get("/freshness")[0]["state"], Value::Null);
    assert_eq!(api.get("/freshness?late=true"), json!([]));

    // A project that dbt cannot read any more is shown as it was, with the reason.
    shop.write("models/odd.sql", "{{ ref('nowhere') }}");
    shop.wait_for("the problem", || !api.get("/projects/tiny")["problem"].is_null());
    assert!(text(&api.get("/projects")[0]["problem"]).contains("nowhere"));
    assert_eq!(api.get("/projects/tiny")["read"]["assets"], 5);
    assert_eq!(api.all("/assets", 50).len(), 5);
    let (status, plan) = api.ask("POST", "/plan", Some(json!({ "job": "build" })));
    assert_eq!(status, 200, "{plan}");
    assert!(text(&plan["warnings"][0]).contains("nowhere"), "{plan}");
}

#[test]
fn what_dbt_would_not_resolve_just_now_it_is_not_asked_again() {
    let shop = Sandbox::models(&[("one", "select 1 as id")]);
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    let asked = || api.refused("/assets?select=planet:mars", 400);
    let said = asked();
    assert!(said.contains("planet"), "{said}");
    let folders = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let of_project = folders(shop.file(".tidegate/projects")).next().unwrap();
    let of_digest = folders(of_project.join("plans")).next().unwrap();
    let mark = folders(of_digest).next().unwrap().join("mark");
    // Each call of dbt begins with a folder that is empty.
    fs::write(&mark, "").unwrap();
    assert_eq!(asked(), said);
    assert!(mark.exists());
}

#[test]
fn a_key_that_one_project_knows_is_looked_for_in_all() {
    let shop = Sandbox::models(&[("orders", "select 1 as id")]);
    shop.write("other/dbt_project.yml", "name: other\nversion: '1.0'\nprofile: tiny\n");
    shop.write("other/models/visits.sql", "select 1 as id");
    shop.write("other/profiles.yml", &shop.read("profiles.yml"));
    shop.write("tidegate.toml", "[projects.tiny]\n\n[projects.other]\ndir = \"other\"\n");
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    let found = |query: &str| ids(&api.all(&format!("/assets?{query}"), 50));
    assert_eq!(found(""), ["model.other.visits", "model.tiny.orders"]);
    assert_eq!(found("select=key:orders"), ["model.tiny.orders"]);
    assert_eq!(found("select=%2Bkey:visits"), ["model.other.visits"]);
    assert_eq!(found("select=key:orders+key:visits"), ["model.other.visits", "model.tiny.orders"]);
    assert!(api.refused("/assets?select=key:nothing", 400).contains("`nothing`"));
    assert!(api.refused("/assets?select=key:orders+key:nothing", 400).contains("`nothing`"));
    assert!(api.refused("/assets?project=other&select=key:orders", 400).contains("project `other`"));
}
