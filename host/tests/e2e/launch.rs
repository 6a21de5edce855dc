//! Launching over the API and by the command line: parameters, selections, what is shown before, and keys.

use serde_json::{Value, json};

use crate::support::{Sandbox, Service, text};

/// What the API of a host answers.
struct Api {
    url: String,
    agent: ureq::Agent,
}

impl Api {
    /// The API of a service, once it serves.
    fn of(service: &Service) -> Self {
        service.wait_for("serving version");
        let log = service.log();
        let at = log.find("url=").unwrap() + 4;
        let url = log[at..].split_whitespace().next().unwrap().trim_matches('"').to_owned();
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { url: format!("{url}/api/v1"), agent: config.into() }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call().unwrap();
        let answer = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    fn post(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let mut response = request.send(body.to_string()).unwrap();
        let answer = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// Asks for what cannot be had, and gives the status and the reason.
    fn refused(&self, path: &str, body: &Value) -> (u16, String) {
        let (status, answer) = self.post(path, None, body);
        (status, text(&answer["detail"]))
    }
}

const CONFIG: &str = "
[projects.tiny]
[jobs.build]
steps = [\"dbt build --select one+\"]
[jobs.look]
steps = [\"dbt run-operation noop\"]
";

fn sandbox() -> Sandbox {
    let shop = Sandbox::models(&[
        ("one", "{{ config(materialized='incremental') }} select {{ var('n', 1) }} as n"),
        ("two", "select n from {{ ref('one') }}"),
        (
            "kept",
            "{{ config(materialized='incremental', full_refresh=false) }} select n from {{ ref('two') }}",
        ),
        ("broken", "{{ config(materialized='table') }} select error('no') as e from {{ ref('two') }}"),
    ]);
    shop.write("tidegate.toml", CONFIG);
    shop.write("models/schema.yml", "models: [{name: one, columns: [{name: n, data_tests: [not_null]}]}]\n");
    shop
}

fn nodes(step: &Value) -> Vec<String> {
    step["nodes"].as_array().unwrap().iter().map(|node| text(&node["unique_id"])).collect()
}

#[test]
fn a_launch_does_what_its_preview_has_said() {
    let shop = sandbox();
    let service = shop.serve(&[]);
    let api = Api::of(&service);

    let wish = json!({"job": "build", "parameters": {"full_refresh": true, "vars": {"n": 7}, "threads": 1,
        "select": ["key:one+"], "exclude": ["broken"]}});
    let (status, plan) = api.post("/plan", None, &wish);
    assert_eq!(status, 200, "{plan}");
    let step = &plan["steps"][0];
    let test = nodes(step).into_iter().find(|id| id.starts_with("test.")).unwrap();
    assert_eq!(nodes(step), ["model.tiny.kept", "model.tiny.one", "model.tiny.two", &test]);
    let one = step["nodes"].as_array().unwrap().iter().find(|n| n["name"] == "one").unwrap();
    assert_eq!((&one["key"], &one["checks"]), (&json!("one"), &json!(1)));
    assert!(text(&plan["warnings"][0]).starts_with("kept: `full_refresh: false`"), "{plan}");
    assert_eq!((&plan["targets"], &plan["target"]), (&json!(["dev"]), &json!("dev")));
    assert_eq!(plan["locks"].as_array().unwrap().len(), 1, "the file of DuckDB: {plan}");
    assert_eq!(plan["waits_for"], Value::Null);
    assert_eq!(shop.runs().len(), 0, "a preview is no run");

    // The same launch under the same key is the same run.
    let (status, launched) = api.post("/runs", Some("k-1"), &wish);
    assert_eq!((status, &launched["run"]), (201, &json!(1)), "{launched}");
    assert_eq!(api.post("/runs", Some("k-1"), &wish), (200, launched));
    let other = json!({"job": "build", "parameters": {"full_refresh": true}});
    let (status, problem) = api.post("/runs", Some("k-1"), &other);
    assert_eq!(status, 409, "{problem}");
    let run = &shop.wait_for_ends("build", 1)[0];
    assert_eq!(run["state"], "succeeded");

    let shown = shop.show(1);
    let command = shown["steps"][0]["attempts"][0]["command"].as_array().unwrap().clone();
    let words: Vec<_> = command.iter().map(text).collect();
    assert_eq!(shlex::split(&text(&step["line"])).unwrap(), words, "the command is that of the preview");
    assert!(words.contains(&"--full-refresh".to_owned()) && words.contains(&"{\"n\":7}".to_owned()));
    let done = shop.nodes(1);
    assert_eq!(done, nodes(step));
    // What to launch to have it again is what was launched.
    assert_eq!(api.get("/runs/1/launch"), (200, wish));
    assert_eq!(api.get("/runs/99/launch").0, 404);
}

#[test]
fn what_failed_is_launched_again_and_assets_with_what_is_around_them() {
    let shop = sandbox();
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    let nothing = json!({"project": "tiny", "failed": true});
    assert_eq!(api.refused("/plan", &nothing), (422, "nothing has failed or was skipped".to_owned()));

    let all = json!({"project": "tiny", "select": ["*"]});
    assert_eq!(api.post("/runs", None, &all).0, 201);
    shop.wait_for("its end", || shop.runs()[0]["state"] == "failed");
    for failed in [json!({"project": "tiny", "failed": true}), json!({"project": "tiny", "failed_of": 1})] {
        let (_, plan) = api.post("/plan", None, &failed);
        assert_eq!(nodes(&plan["steps"][0]), ["model.tiny.broken"], "{plan}");
    }
    // From assets it is what failed of them and of what comes with them, not what failed anywhere.
    let of =
        |ids: &[&str], scope: &str| json!({"project": "tiny", "assets": ids, "scope": scope, "failed": true});
    let (_, plan) = api.post("/plan", None, &of(&["model.tiny.one", "model.tiny.broken"], "this"));
    assert_eq!(nodes(&plan["steps"][0]), ["model.tiny.broken"], "{plan}");
    let none = (422, "nothing of these assets has failed or was skipped".to_owned());
    assert_eq!(api.refused("/plan", &of(&["model.tiny.two"], "upstream")), none);
    let (_, plan) = api.post("/plan", None, &of(&["model.tiny.two"], "downstream"));
    assert_eq!(nodes(&plan["steps"][0]), ["model.tiny.broken"], "{plan}");
    let around = |scope: &str| {
        let asset =
            json!({"project": "tiny", "assets": ["model.tiny.two"], "scope": scope, "command": "run"});
        let (_, plan) = api.post("/plan", None, &asset);
        (text(&plan["steps"][0]["args"][2]), nodes(&plan["steps"][0]).len())
    };
    assert_eq!(around("this"), ("fqn:tiny.two".to_owned(), 1));
    assert_eq!(around("upstream"), ("+fqn:tiny.two".to_owned(), 2));
    assert_eq!(around("downstream"), ("fqn:tiny.two+".to_owned(), 3));
    assert_eq!(around("both"), ("+fqn:tiny.two+".to_owned(), 4));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let shop = sandbox();
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    for (body, reason) in [
        (json!({}), "give a `job`, or a `project`"),
        (json!({"job": "biuld"}), "there is no job `biuld`"),
        (json!({"project": "tin", "select": ["a"]}), "there is no project `tin`"),
        (json!({"project": "tiny"}), "nothing is selected"),
        (json!({"job": "build", "select": ["one"]}), "a job selects by its steps"),
        (json!({"job": "build", "parameters": {"target": "dve"}}), "has no target `dve`"),
        (
            json!({"job": "look", "parameters": {"full_refresh": true}}),
            "no step takes the parameter `full_refresh`",
        ),
        (json!({"job": "build", "parameters": {"select": ["--vars={}"]}}), "would take it for an option"),
        (json!({"job": "build", "parameters": {"fullrefresh": true}}), "unknown field `fullrefresh`"),
        (json!({"job": "build", "refresh": true}), "unknown field `refresh`"),
        (json!({"project": "tiny", "assets": ["model.tiny.gone"]}), "has no asset with the unique id"),
        (json!({"project": "tiny", "select": ["key:gone"]}), "has the key `gone`"),
        (json!({"project": "tiny", "failed_of": 5}), "there is no run 5"),
    ] {
        for path in ["/runs", "/plan"] {
            let (status, detail) = api.refused(path, &body);
            assert_eq!(status, 422, "{body}: {detail}");
            assert!(detail.contains(reason), "{body}: {detail}");
        }
    }
    assert_eq!(api.post("/runs", Some("a b"), &json!({"job": "build"})).0, 400);
    // What is for the socket alone is not for whoever comes over the network.
    assert_eq!(api.get("/runs/1/follow").0, 403);
    assert_eq!(api.post("/hand_over", None, &json!({})).0, 403);
    assert!(shop.runs().is_empty() && shop.status().is_some());

    shop.run(&["run", "look", "--full-refresh"])
        .code(2)
        .err_has("no step takes the parameter `full_refresh`");
    shop.run(&["run", "build", "--vars", "[1]"]).code(2).err_has("it is no JSON object");
    shop.run(&["run", "build", "--target", "prod"]).code(2).err_has("has no target `prod`");
}

#[test]
fn the_command_line_launches_with_parameters_too() {
    let shop = sandbox();
    let parameters = ["--full-refresh", "--vars", "{\"n\": 3}", "--threads", "1", "--select", "one"];
    shop.run(&[&["run", "build", "--request-key", "k"], &parameters[..]].concat()).code(0);
    let command = shop.show(1)["steps"][0]["attempts"][0]["command"].clone();
    let words: Vec<_> = command.as_array().unwrap().iter().map(text).collect();
    assert_eq!(words.join(" "), "dbt build --select one --full-refresh --threads 1 --vars {\"n\":3}",);
    // The key is that of these parameters.
    shop.run(&["run", "build", "--request-key", "k"]).code(2).err_has("`k` is the key of run 1");
    shop.run(&["materialize", "two", "--vars", "{\"n\": 3}", "--target", "dev"]).code(0);
    let command = shop.show(2)["steps"][0]["attempts"][0]["command"].to_string();
    assert!(command.contains("\"--target\",\"dev\""), "{command}");
}

#[test]
fn a_host_shows_a_page_and_answers_on_two_doors() {
    let shop = sandbox();
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    let (status, over_tcp) = api.get("/status");
    assert_eq!((status, &over_tcp["pid"]), (200, &json!(service.pid())));
    assert_eq!(shop.status().unwrap()["pid"], over_tcp["pid"]);
    let root = api.url.trim_end_matches("/api/v1");
    let mut page = api.agent.get(root).call().unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.body_mut().read_to_string().unwrap().contains("<title>"));
}
