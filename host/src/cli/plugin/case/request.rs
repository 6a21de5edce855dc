//! Cases of notifiers: a notification, and the requests that are expected.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    contains, difference,
    template::{default, fill, unique_id},
};
use crate::model::{DeliveryRequest, DestinationName, Notification, ResourceType};

/// A case, ready to be run.
pub(in crate::cli::plugin) struct Case {
    /// The file's name without its folder.
    pub name: String,
    /// The configuration, as JSON.
    pub config: String,
    /// Where requests can go.
    pub destinations: Vec<DestinationName>,
    /// The notification.
    pub notification: Notification,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default = "ops")]
    destinations: Vec<DestinationName>,
    notification: Value,
    expect: Expect,
}

fn ops() -> Vec<DestinationName> {
    vec![DestinationName { name: "ops".to_owned(), kind: "http".to_owned() }]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    error: Option<String>,
    requests: Option<Vec<Request>>,
}

/// What is expected of a request; what is absent may be anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    destination: Option<String>,
    method: Option<String>,
    path: Option<String>,
    /// Headers that it has to have; others it may have.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Parts of the body.
    #[serde(default)]
    body: Parts,
    /// The body, as JSON.
    json: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Parts {
    One(String),
    Many(Vec<String>),
}

impl Default for Parts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Case {
    /// Reads a case.
    pub(in crate::cli::plugin) fn parse(name: String, text: &str) -> Result<Self> {
        let Document { config, destinations, notification, expect } = toml::from_str(text)?;
        ensure!(
            expect.error.is_some() != expect.requests.is_some(),
            "`[expect]` needs `requests` (`[]` for none) or `error`, and not both"
        );
        let config = Value::Object(config).to_string();
        Ok(Self { name, config, destinations, notification: whole(notification)?, expect })
    }

    /// What is wrong with an answer, in lines; none where it is as expected.
    pub(in crate::cli::plugin) fn differences(
        &self,
        answer: &Result<Vec<DeliveryRequest>, String>,
    ) -> Option<String> {
        let mut lines = String::new();
        match (answer, &self.expect.error) {
            (Err(error), Some(part)) => contains(&mut lines, "error", part, error),
            (Err(error), None) => {
                difference(&mut lines, "answer", &json!("requests"), &json!({ "error": error }));
            }
            (Ok(answer), Some(part)) => {
                difference(&mut lines, "answer", &json!({ "error": format!("…{part}…") }), &json!(answer));
            }
            (Ok(answer), None) => {
                let expected = self.expect.requests.as_deref().unwrap_or_default();
                if expected.len() != answer.len() {
                    difference(&mut lines, "requests", &json!(expected.len()), &json!(answer.len()));
                }
                for (expected, actual) in expected.iter().zip(answer) {
                    expected.compare(actual, &mut lines);
                }
            }
        }
        (!lines.is_empty()).then_some(lines)
    }
}

impl Request {
    fn compare(&self, actual: &DeliveryRequest, lines: &mut String) {
        let fields = [
            ("destination", &self.destination, &actual.destination),
            ("method", &self.method, &actual.method),
            ("path", &self.path, &actual.path),
        ];
        for (name, expected, actual) in fields {
            if expected.as_ref().is_some_and(|expected| expected != actual) {
                difference(lines, name, &json!(expected), &json!(actual));
            }
        }
        for (name, expected) in &self.headers {
            let found = actual.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            let found = found.map(|(_, value)| value);
            if found != Some(expected) {
                difference(lines, name, &json!(expected), &json!(found));
            }
        }
        let body = String::from_utf8_lossy(&actual.body);
        let parts = match &self.body {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        };
        parts.iter().for_each(|part| contains(lines, "body", part, &body));
        if let Some(expected) = &self.json {
            let actual = serde_json::from_str(&body).unwrap_or_else(|_| json!(body));
            if *expected != actual {
                difference(lines, "json", expected, &actual);
            }
        }
    }
}

/// The notification that a case means: what it leaves out is plausible.
fn whole(given: Value) -> Result<Notification> {
    let run = json!({
        "id": 12, "state": "failed", "reason": null, "user": "scheduler", "via": "schedule", "target": "prod",
        "requested_at": "2026-01-05T06:00:00Z", "started_at": "2026-01-05T06:00:01Z",
        "finished_at": "2026-01-05T06:04:31Z", "took": "4m 30s", "usually_took": "4m", "counts": [],
        "attempts": [{
            "step": 1, "attempt": 1, "command": "dbt build", "state": "failed", "reason": null, "decision": null,
            "took": "4m 30s",
        }],
        "link": "https://tidegate.example.com/runs/12",
    });
    let template = json!({
        "id": "481",
        "kind": "run_failed",
        "at": "2026-01-05T06:04:31Z",
        "title": "nightly failed",
        "text": null,
        "alert": "ops",
        "project": "shop",
        "job": "nightly",
        "run": { "?": run.clone() },
        "nodes": [{
            "unique_id": null, "asset_key": null, "resource_type": "model", "name": "orders", "state": null,
            "message": null, "detail": null, "failures": null, "query": null, "path": null, "owners": [],
            "took": null, "link": null,
        }],
        "nodes_total": null,
        "skipped": [],
        "skipped_total": null,
        "owners": null,
        "link": null,
    });
    let is_given = given.get("run").is_some();
    let mut said = fill(template, Some(given), "notification")?;
    let of_a_run =
        said["kind"].as_str().is_some_and(|kind| kind.starts_with("run_") || kind == "retry_scheduled");
    if of_a_run && !is_given {
        said["run"] = fill(run, None, "run")?;
    }
    for node in said["nodes"].as_array_mut().into_iter().flatten() {
        default(node, "unique_id", unique_id);
        let kind = ResourceType::from(node["resource_type"].as_str().unwrap_or_default());
        default(node, "asset_key", |node| if kind.is_asset() { node["name"].clone() } else { Value::Null });
        default(node, "state", |_| json!(if kind.is_check() { "fail" } else { "error" }));
    }
    let length = |list: &Value| json!(list.as_array().map_or(0, Vec::len));
    default(&mut said, "nodes_total", |said| length(&said["nodes"]));
    default(&mut said, "skipped_total", |said| length(&said["skipped"]));
    default(&mut said, "owners", |said| {
        let owners =
            said["nodes"].as_array().into_iter().flatten().flat_map(|node| node["owners"].as_array());
        let mut owners: Vec<_> = owners.flatten().filter_map(Value::as_str).collect();
        owners.sort_unstable();
        owners.dedup();
        json!(owners)
    });
    serde_json::from_value(said).context("`[notification]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Case> {
        Case::parse("case.toml".to_owned(), text)
    }

    fn request(body: &str) -> DeliveryRequest {
        DeliveryRequest {
            destination: "ops".to_owned(),
            method: "POST".to_owned(),
            path: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn what_a_case_leaves_out_is_plausible() {
        let text = "[notification]\nkind = \"run_failed\"\n[[notification.nodes]]\nname = \"orders\"\n\
            owners = [\"team:data\"]\n[[notification.nodes]]\nresource_type = \"test\"\nname = \"unique\"\n\
            [expect]\nrequests = []\n";
        let Case { notification: said, destinations, .. } = parse(text).unwrap();
        assert_eq!(destinations, ops());
        assert_eq!(said.run.as_ref().unwrap().id.0, 12);
        assert_eq!((said.nodes_total, said.owners), (2, vec!["team:data".to_owned()]));
        assert_eq!(said.nodes[0].asset_key.as_deref(), Some("orders"));
        assert_eq!((said.nodes[1].asset_key.as_deref(), said.nodes[1].state.as_str()), (None, "fail"));
        let text = "[notification]\nkind = \"freshness_error\"\n[expect]\nrequests = []\n";
        assert_eq!(parse(text).unwrap().notification.run, None);
    }

    #[test]
    fn differences_name_the_field_and_both_sides() {
        let case = parse(
            "[notification]\n[[expect.requests]]\ndestination = \"ops\"\nbody = [\"nightly\", \"failed\"]\n\
             headers = { Content-Type = \"application/json\" }\n",
        )
        .unwrap();
        assert_eq!(case.differences(&Ok(vec![request("nightly failed")])), None);
        assert_eq!(
            case.differences(&Ok(vec![request("nightly")])).unwrap(),
            "body        expected \"…failed…\"\n             but got \"nightly\"\n"
        );
        assert!(case.differences(&Ok(vec![])).unwrap().starts_with("requests    expected 1\n"));
        assert!(case.differences(&Err("no".to_owned())).unwrap().starts_with("answer "));
        let plain = DeliveryRequest { headers: Vec::new(), ..request("nightly failed") };
        assert!(case.differences(&Ok(vec![plain])).unwrap().contains("but got null"));

        let case = parse("[notification]\n[[expect.requests]]\njson = { text = \"a\", n = 1 }\n").unwrap();
        assert_eq!(case.differences(&Ok(vec![request(r#"{"n": 1, "text": "a"}"#)])), None);
        assert!(case.differences(&Ok(vec![request(r#"{"n": 2}"#)])).unwrap().starts_with("json "));
        let case = parse("[notification]\n[expect]\nerror = \"no destination\"\n").unwrap();
        assert_eq!(case.differences(&Err("there is no destination".to_owned())), None);
    }

    #[test]
    fn cases_with_mistakes_are_refused() {
        let refused = |text: &str| format!("{:#}", parse(text).map(|_| ()).unwrap_err());
        assert!(refused("[notification]\n[expect]\n").contains("`[expect]` needs `requests`"));
        assert!(refused("[notification]\n[expect]\nerror = \"x\"\nrequests = []").contains("not both"));
        assert!(
            refused("[notification]\nkinds = 1\n[expect]\nrequests = []").contains("unknown field `kinds`")
        );
        assert!(
            refused("[notification]\nkind = \"x\"\n[expect]\nrequests = []").contains("`[notification]`")
        );
    }
}
