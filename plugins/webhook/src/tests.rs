//! The body against what its page promises.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate_plugin::notifier::Attempt;
use tidegate_plugin::testing::{destination, notification, notified_node, render};

fn whole() -> Notification {
    let mut about = notification("run_failed", "build failed: \"quotes\"\n☃");
    let mut node = notified_node("test", "unique_orders_id", "Got 3 results");
    node.failures = Some(3);
    about.nodes = vec![node];
    about.nodes_total = 5000;
    about.skipped = vec!["marts/orders".to_owned()];
    about.skipped_total = 1;
    about.owners = vec!["team:data".to_owned()];
    let run = about.run.as_mut().unwrap();
    run.counts = vec![("success".to_owned(), 46), ("fail".to_owned(), 1)];
    run.attempts = vec![Attempt {
        step: 1,
        attempt: 1,
        command: "dbt build".to_owned(),
        state: "failed".to_owned(),
        reason: None,
        decision: Some("given up".to_owned()),
        took: Some(9),
    }];
    about
}

fn body(config: Value, about: &Notification) -> Value {
    let requests = render::<Webhook>(config, &[destination("ops", "http")], about).unwrap();
    serde_json::from_slice(&requests[0].body).unwrap()
}

#[test]
fn the_body_is_what_is_known() {
    assert_eq!(
        body(json!({}), &whole()),
        json!({
            "version": 1, "id": "481", "kind": "run_failed", "severity": "error", "at": "2026-01-01T06:02:03Z",
            "title": "build failed: \"quotes\"\n☃", "text": null, "alert": "ops", "project": "shop", "job": "build",
            "link": "http://127.0.0.1:4600/runs/12", "owners": ["team:data"],
            "run": {
                "id": 12, "state": "failed", "reason": null, "user": "tidegate", "via": "schedule", "target": "dev",
                "requested_at": "2026-01-01T06:00:00Z", "started_at": "2026-01-01T06:00:00Z",
                "finished_at": "2026-01-01T06:02:03Z", "took_ms": 123_000, "usually_took_ms": 60_000,
                "counts": {"success": 46, "fail": 1},
                "attempts": [{
                    "step": 1, "attempt": 1, "command": "dbt build", "state": "failed", "reason": null,
                    "decision": "given up", "took_ms": 9,
                }],
                "link": "http://127.0.0.1:4600/runs/12",
            },
            "nodes": [{
                "unique_id": "test.shop.unique_orders_id", "asset_key": null, "resource_type": "test",
                "name": "unique_orders_id", "state": "error", "message": "Got 3 results", "detail": "Got 3 results",
                "failures": 3, "query": null, "path": "models/unique_orders_id.sql", "owners": [], "took_ms": 1500,
                "link": null,
            }],
            "nodes_total": 5000, "skipped": ["marts/orders"], "skipped_total": 1,
        })
    );
    assert_eq!(body(json!({"max_nodes": 0}), &whole())["nodes"], json!([]));
}

/// The names of all fields, such as `run.attempts[].step`.
fn fields(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let field = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                // From a state to a number: the names are dbt's.
                if field != "run.counts" {
                    fields(value, &field, found);
                }
                found.insert(field);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, &format!("{place}[]"), found)),
        _ => {}
    }
}

#[test]
fn the_page_names_each_field_and_no_other() {
    let page = include_str!("../../../docs/webhook.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let told: BTreeSet<String> = rows.map(|(field, _)| field.to_owned()).collect();
    let mut found = BTreeSet::new();
    fields(&body(json!({}), &whole()), "", &mut found);
    assert_eq!(told, found);
}

#[test]
fn it_goes_to_programs_only_and_to_each_in_its_way() {
    let to = [("a", "http"), ("b", "smtp"), ("c", "file"), ("d", "stdout")]
        .map(|(name, kind)| destination(name, kind));
    let config = json!({"headers": {"X-Team": "data"}, "path": "/in?x=1"});
    let requests = render::<Webhook>(config, &to, &whole()).unwrap();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/in?x=1"));
    let headers = [("Content-Type", "application/json"), ("X-Team", "data")];
    assert_eq!(requests[0].headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for request in &requests[1..] {
        let line = std::str::from_utf8(&request.body).unwrap();
        assert!(line.ends_with("}\n") && line.lines().count() == 1 && request.headers.is_empty());
    }
    assert!(render::<Webhook>(json!({}), &to[1..2], &whole()).unwrap_err().contains("JSON is no mail"));
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    for path in ["", "/", "/a/", "?x=..//", "/a/b?x=/../"] {
        render::<Webhook>(json!({"path": path}), &[destination("a", "http")], &whole()).unwrap();
    }
    for (config, words) in [
        (json!({"headers": {"": "x"}}), "\"\" is no name of a header"),
        (json!({"headers": {"a b": "x"}}), "\"a b\" is no name of a header"),
        (json!({"headers": {"A": "x\r\nB: y"}}), "the value of A is not one line of ASCII"),
        (json!({"headers": {"content-TYPE": "x"}}), "the content type is application/json"),
        (
            json!({"headers": {"authorization": "x"}}),
            "authorization is set by Tidegate, or belongs to the destination",
        ),
        (json!({"path": "in"}), "`path` is \"in\": it begins with"),
        (json!({"path": "/a b"}), "has no blanks"),
        (json!({"path": "/a#b"}), "no `#`"),
        (json!({"path": "/a/../b"}), "it has an empty part, or one of dots"),
        (json!({"path": "//evil.example"}), "it has an empty part"),
        (json!({"url": "http://a"}), "unknown field `url`"),
    ] {
        let error = render::<Webhook>(config, &[], &whole()).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
