//! A client of the API that holds every answer against its description.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::Service;

/// The API of a service.
pub struct Api {
    base: String,
    document: Value,
}

impl Api {
    /// The API of a service that has said where it answers.
    pub fn of(service: &Service) -> Self {
        service.wait_for("url=http://");
        let log = service.log();
        let url = log.split("url=").nth(1).unwrap().split_whitespace().next().unwrap();
        let base = format!("{}/api/v1", url.trim_matches('"'));
        let document = ask("GET", &format!("{base}/openapi.json"), None).1;
        Self { base, document }
    }

    /// Asks, and holds the answer against the description.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, answer) = ask(method, &format!("{}{path}", self.base), body);
        self.check(method, path, status, &answer);
        (status, answer)
    }

    /// What is there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, None);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// What was refused, and as what.
    #[track_caller]
    pub fn refused(&self, path: &str, expected: u16) -> String {
        let (status, problem) = self.ask("GET", path, None);
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{path}: {problem}");
        format!("{} {}", problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap_or_default())
    }

    /// All items of a list, so many at a time.
    #[track_caller]
    pub fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let first = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{first}limit={limit}{cursor}"));
            let some = page["items"].as_array().unwrap();
            assert!(some.len() <= limit, "{page}");
            items.extend(some.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
            assert_eq!(some.len(), limit, "only the last page may be short: {page}");
        }
    }

    #[track_caller]
    fn check(&self, method: &str, path: &str, status: u16, answer: &Value) {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (a, b): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.starts_with('{') || a == b)
        };
        let paths: BTreeMap<String, Value> = serde_json::from_value(self.document["paths"].clone()).unwrap();
        let known = paths.iter().filter_map(|(template, operations)| {
            let template = template.strip_prefix("/api/v1")?;
            fits(template).then_some((template, operations))
        });
        // What is written out is more telling than what stands for anything.
        let (_, operations) = known.min_by_key(|(template, _)| template.matches('{').count()).unwrap();
        let responses = &operations[method.to_lowercase()]["responses"];
        let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
        let kind = if status < 400 { "application/json" } else { "application/problem+json" };
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{method} {path} does not say that it answers {status}: {answer}");
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("answer.json", schema).unwrap();
        let schema = compiler.compile("answer.json", &mut schemas).unwrap();
        if let Err(mistakes) = schemas.validate(answer, schema) {
            panic!("{method} {path}: {mistakes:#}\n{answer:#}");
        }
    }
}

fn ask(method: &str, url: &str, body: Option<Value>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = match (method, body) {
        ("GET", _) => agent.get(url).call(),
        (_, Some(body)) => agent.post(url).header("Content-Type", "application/json").send(body.to_string()),
        (_, None) => agent.post(url).header("Content-Type", "application/json").send("{}"),
    }
    .unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    let answer = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{method} {url}: {e}: {text}"));
    (response.status().as_u16(), answer)
}
