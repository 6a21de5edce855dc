//! Runs: listed, told of in full, compared, stopped and resumed; and their files.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use crate::{
    house::House,
    listener::Api,
    support::{ENDLESS, Sandbox, text},
};

const MODELS: [(&str, &str); 3] = [
    ("a", "select 1 as n"),
    ("b", "select n from {{ ref('a') }}"),
    ("c", "select n from {{ ref('b') }} union all select 2"),
];

fn ids(page: &[Value]) -> Vec<u64> {
    page.iter().map(|run| run["id"].as_u64().unwrap()).collect()
}

#[test]
fn runs_can_be_filtered_by_jobs_that_are_configured_or_on_record() {
    let house = House::with(
        "[jobs.old]\nsteps = [\"dbt seed\"]\n[jobs.never]\nsteps = [\"dbt seed\"]\n",
        "127.0.0.1:0",
    );
    let jobs = || house.get("/api/v1/runs/facets", &[]).is(200).json()["jobs"].clone();
    assert_eq!(jobs(), json!(["never", "night", "old"]));
    let (_, run, said) = house.run(&["run", "old", "--detach"]);
    assert_eq!(run.trim(), "1", "{said}");
    house.configure("");
    // Of the one there is a run.
    house.until("the change", || jobs() == json!(["night", "old"]));
}

#[test]
fn runs_are_told_of_in_lists_and_in_full() {
    let shop = Sandbox::models(&MODELS);
    let api = Api::of(&shop);
    shop.run(&["run", "build"]).code(0);
    shop.run(&["materialize", "a"]).code(0);
    shop.write("models/c.sql", "select nothing from {{ ref('b') }}");
    shop.run(&["run", "build"]).code(1);

    let list = |query: &str| ids(&api.all(&format!("/runs?{query}")));
    assert_eq!(list(""), [3, 2, 1]);
    assert_eq!(list("limit=1"), [3, 2, 1]);
    assert_eq!(list("state=failed"), [3]);
    assert_eq!(list("state=failed,succeeded&limit=2"), [3, 2, 1]);
    assert_eq!(list("job=build"), [3, 1]);
    assert_eq!(list("project=tiny&via=cli"), [3, 2, 1]);
    assert_eq!(list("via=ui"), [0; 0]);
    assert_eq!(list("asset=model.tiny.b"), [3, 1]);
    assert_eq!(list("q=BUILD&job=build"), [3, 1]);
    assert_eq!(api.ask("/runs?state=lost").0, 400);
    assert_eq!(api.ask("/runs?cursor=x").0, 400);
    assert_eq!(api.ask("/runs?limit=x").0, 400);
    assert_eq!(api.ask("/runs/x").0, 400);
    for path in [
        "",
        "/nodes",
        "/events",
        "/log",
        "/log/raw",
        "/log/live",
        "/artifacts",
        "/notifications",
        "/compare/1",
    ] {
        let (status, problem) = api.ask(&format!("/runs/9{path}"));
        assert_eq!((status, &problem["status"]), (404, &json!(404)), "{path}");
    }

    let run = api.get("/runs/3");
    assert_eq!(
        (&run["state"], &run["title"], &run["job"]),
        (&json!("failed"), &json!("build"), &json!("build"))
    );
    assert_eq!(run["counts"], json!({ "success": 2, "error": 1 }));
    assert_eq!(run["launch"]["via"], "cli");
    let attempt = &run["steps"][0]["attempts"][0];
    let line = text(&attempt["command_line"]);
    assert!(line.contains("dbt") && line.contains(" build"), "{line}");
    assert_eq!(attempt["exit"]["code"], 1);
    assert_eq!(attempt["counts"], run["counts"]);
    assert!(text(&attempt["dbt_version"]).starts_with("1."), "{attempt}");
    assert!(run["configuration"]["project"].is_object());
    assert_eq!(run["waits_for"], Value::Null);

    let nodes = api.get("/runs/1/nodes");
    let critical: Vec<_> =
        nodes["items"].as_array().unwrap().iter().map(|n| (text(&n["key"]), n["critical"].clone())).collect();
    assert_eq!(critical, ["a", "b", "c"].map(|key| (key.to_owned(), json!(true))));
    assert_eq!(nodes["items"][0]["unique_id"], "model.tiny.a");

    let events = api.all("/runs/1/events?limit=3");
    let numbers: Vec<_> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() > 8);
    assert_eq!(events[0]["event"], "run_requested");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    assert_eq!(api.get("/runs/1/notifications"), json!([]));

    let both = api.get("/runs/3/compare/1");
    let changed: Vec<_> = both["differences"].as_array().unwrap().iter().map(|d| d["what"].clone()).collect();
    assert_eq!(changed, [json!(["manifest_digest"])]);
    let first = &both["nodes"][0];
    assert_eq!(
        (&first["unique_id"], &first["run"]["state"], &first["other"]["state"]),
        (&json!("model.tiny.c"), &json!("error"), &json!("success"))
    );
    let other_job = api.get("/runs/2/compare/1");
    assert!(other_job["differences"].as_array().unwrap().iter().any(|d| d["what"] == json!(["job"])));
    assert_eq!(other_job["nodes"].as_array().unwrap().len(), 3);

    assert_eq!(api.post("/runs/1/resume").0, 409);
    assert_eq!(api.post("/runs/1/cancel").0, 409);
    assert_eq!(api.post("/runs/99/cancel").0, 404);
    shop.write("models/c.sql", MODELS[2].1);
    let (status, resumed) = api.post("/runs/3/resume");
    assert_eq!((status, &resumed), (200, &json!({ "run": 4 })));
    assert_eq!(api.post("/runs/3/resume").1, resumed, "once");
    shop.wait_for_run(4, "succeeded");
    let run = api.get("/runs/4");
    assert_eq!((&run["resumes"], &run["launch"]["via"]), (&json!(3), &json!("api")));
    assert_eq!(api.get("/runs/3")["resumed_by"], 4);
}

#[test]
fn a_run_is_stopped() {
    let shop = Sandbox::models(&[("endless", ENDLESS)]);
    let api = Api::of(&shop);
    let mut live = api.follow("/live", None);
    let client = shop.start(&["run", "build"]);
    live.until("the node runs", |m| m.event == "node" && m.data["nodes"][0]["state"] == "running");
    let second = shop.start(&["run", "build"]);
    live.until("another one waits", |m| m.event == "run" && m.data["id"] == 2);
    shop.wait_for("what it waits for", || api.get("/runs/2")["waits_for"].is_string());
    for run in [2, 1] {
        let (status, told) = api.post(&format!("/runs/{run}/cancel"));
        assert_eq!((status, told["cancelled_by"].is_string()), (200, true), "{told}");
    }
    let end =
        live.until("the end", |m| m.event == "run" && m.data["id"] == 1 && !m.data["finished_at"].is_null());
    assert_eq!(end.data["state"], "cancelled");
    shop.end(client);
    shop.end(second);
    let nodes = api.get("/runs/1/nodes");
    assert_eq!(nodes["items"][0]["state"], "cancelled");
}

#[test]
fn files_of_a_run_are_named_and_never_paths() {
    let shop = Sandbox::models(&MODELS);
    let api = Api::of(&shop);
    shop.run(&["run", "build"]).code(0);
    let folder = shop.file(".tidegate/runs/1/1.1");
    shop.write("secret.txt", "a secret");
    symlink(shop.file("secret.txt"), folder.join("target/link.txt")).unwrap();
    symlink(shop.dir.path(), folder.join("target/linked")).unwrap();
    fs::write(folder.join("held"), "mine").unwrap();
    fs::write(folder.join("target/page.html"), "<script>alert(1)</script>").unwrap();
    fs::create_dir(folder.join("target/a b")).unwrap();
    fs::write(folder.join("target/a b/ü\"\n.sql"), "select 1").unwrap();

    let files = api.all("/runs/1/artifacts?limit=2");
    let named = |name: &str| files.iter().find(|file| file["name"] == name);
    assert_eq!(named("target/run_results.json").unwrap()["kind"], "run_results");
    assert_eq!(named("target/compiled/tiny/models/b.sql").unwrap()["kind"], "compiled");
    assert_eq!(named("log.jsonl").unwrap()["compressed"], true);
    for name in ["target/link.txt", "target/linked", "held"] {
        assert!(named(name).is_none(), "{name}");
    }
    assert!(files.iter().all(|file| !text(&file["name"]).contains("secret")));
    let compiled = api.all("/runs/1/artifacts?kind=compiled&q=B.SQL");
    assert_eq!(compiled.len(), 1);

    let encoded = |name: &str| -> String {
        name.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    let of = |name: &str| format!("/runs/1/artifacts/1/1/{}", encoded(name));
    let results = shop.read(".tidegate/runs/1/1.1/target/run_results.json");
    assert_eq!(api.text(&of("target/run_results.json")), results);
    assert_eq!(api.text(&of("target/a b/ü\"\n.sql")), "select 1");
    let log = api.text(&of("log.jsonl"));
    assert_eq!(log, api.text("/runs/1/log/raw"));
    let page = api.send(&of("target/page.html"));
    assert_eq!(page.headers()["content-type"], "application/octet-stream");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert!(
        page.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment; filename=\"run-1.1.1-")
    );
    for name in [
        "target/link.txt",
        "target/linked/secret.txt",
        "held",
        "../../../tidegate.db",
        "target/../../../../tidegate.toml",
        "/etc/passwd",
        "target",
        "",
        ".",
        "..",
        "target/",
        "//etc/passwd",
        "target/run_results.json/..",
        "target\\run_results.json",
        "target/run_results.json\0",
    ] {
        let status = api.send(&of(name)).status().as_u16();
        assert!([400, 404].contains(&status), "{name}: {status}");
    }
    for path in [
        "/runs/1/artifacts/1/1/../../../../tidegate.db",
        "/runs/1/artifacts/1/2/log.jsonl",
        "/runs/1/artifacts/2/1/log.jsonl",
        "/runs/2/artifacts/1/1/log.jsonl",
    ] {
        assert_eq!(api.send(path).status().as_u16(), 404, "{path}");
    }
}
