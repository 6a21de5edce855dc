//! A notifier for programs: a documented JSON body (`docs/webhook.md`), by HTTP or as a line.
//!
//! Owns the names and types of the body's fields. They are a contract: a field is never renamed or removed, and never
//! changes its type, while `version` is the same. Never leaves a field out: what is not known is null.

mod body;

use body::Body;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_plugin::notifier::{Destination, Notification, Notifier, Request, export_notifier};

struct Webhook;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// More headers of the request. Secrets belong to the destination.
    headers: BTreeMap<String, String>,
    /// What is put behind the destination's address.
    path: String,
    /// How many nodes are listed.
    max_nodes: usize,
}

/// Headers that are not a notifier's to set.
const TAKEN: [&str; 8] = [
    "Authorization",
    "Connection",
    "Content-Length",
    "Cookie",
    "Host",
    "Idempotency-Key",
    "Transfer-Encoding",
    "User-Agent",
];

impl Default for Config {
    fn default() -> Self {
        Self { headers: BTreeMap::new(), path: String::new(), max_nodes: 100 }
    }
}

impl Notifier for Webhook {
    type Config = Config;
    const SUMMARY: &'static str = "Posts a documented JSON body, or writes it as a line.";

    fn render(config: &Config, to: &[Destination], about: &Notification) -> Result<Vec<Request>, String> {
        let body = serde_json::to_string(&Body::of(about, config.max_nodes))
            .map_err(|error| format!("the notification cannot be written as JSON: {error}"))?;
        let request = |destination: &Destination| {
            if destination.is_lines() {
                return Some(Request::line(destination, &body));
            }
            let request = Request::post(destination)
                .path(&config.path)
                .header("Content-Type", "application/json")
                .body(body.as_str());
            let with = |request: Request, (name, value): (&String, &String)| request.header(name, value);
            destination.is_http().then(|| config.headers.iter().fold(request, with))
        };
        let requests: Vec<_> = to.iter().filter_map(request).collect();
        if requests.is_empty() {
            return Err("none of the destinations is `http`, `file` or `stdout`: JSON is no mail".to_owned());
        }
        Ok(requests)
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { headers, path, .. } = config;
        for (name, value) in headers {
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(is_token) {
                return Err(format!("`headers`: \"{}\" is no name of a header", name.escape_debug()));
            }
            if name.eq_ignore_ascii_case("content-type") {
                return Err("`headers`: the content type is application/json".to_owned());
            }
            if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
                return Err(format!("`headers`: {name} is set by Tidegate, or belongs to the destination"));
            }
            if !value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
                return Err(format!("`headers`: the value of {name} is not one line of ASCII"));
            }
        }
        let begins = path.is_empty() || path.starts_with(['/', '?']);
        if !begins || !path.chars().all(|c| c.is_ascii_graphic() && c != '#') {
            return Err(format!(
                "`path` is \"{}\": it begins with `/` or `?`, and has no blanks and no `#`",
                path.escape_debug()
            ));
        }
        let (way, _) = path.split_once('?').unwrap_or((path, ""));
        let within = way.strip_prefix('/').unwrap_or(way);
        let last = within.split('/').count();
        let leads_elsewhere = |(number, part): (usize, &str)| match part {
            "." | ".." => true,
            // A path may end with a slash.
            "" => number + 1 < last,
            _ => false,
        };
        if within.split('/').enumerate().any(leads_elsewhere) {
            return Err(format!("`path` is \"{path}\": it has an empty part, or one of dots"));
        }
        Ok(())
    }
}

export_notifier!(Webhook);

#[cfg(test)]
mod tests;
