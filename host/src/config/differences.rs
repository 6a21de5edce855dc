//! What a new configuration changes, in lines for people.
//!
//! Compares records, whatever fields they have. Values of environment variables and secrets are in no record and in no line:
//! only that one has another value is said.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{Config, Destination, Job, Project, Secret, web};

/// The longest text that is shown of a value, in characters.
const LONGEST: usize = 80;

/// What differs between two configurations: one line each, projects before jobs before destinations, in order of their names. Empty where
/// nothing does that Tidegate knows.
pub fn differences(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = |config: &Config| {
        json!({
            "file": config.file,
            "state_dir": config.state_dir,
            "plugins_dir": config.plugins_dir,
            "url": config.url,
        })
    };
    compare("configuration", &whole(old), &whole(new), &mut lines);
    let retention = |config: &Config| serde_json::to_value(config.retention).unwrap_or_default();
    compare("retention", &retention(old), &retention(new), &mut lines);
    let queue = |config: &Config| serde_json::to_value(config.queue).unwrap_or_default();
    compare("queue", &queue(old), &queue(new), &mut lines);
    compare("web", &old.web.record(), &new.web.record(), &mut lines);
    compare("locks", &json!(old.locks), &json!(new.locks), &mut lines);
    compare("retry", &json!(old.retry), &json!(new.retry), &mut lines);
    each("project", &old.projects, &new.projects, &mut lines, |name, old, new, lines| {
        compare(name, &project(old), &project(new), lines);
        environment(name, &old.dbt.env, &new.dbt.env, lines);
    });
    each("job", &old.jobs, &new.jobs, &mut lines, |name, old, new, lines| {
        compare(name, &job(old), &job(new), lines);
        if web::has_changed(old.webhook.as_ref(), new.webhook.as_ref()) {
            lines.push(format!("{name}: webhook.secret has another value"));
        }
    });
    each("alert", &old.alerts, &new.alerts, &mut lines, |name, old, new, lines| {
        compare(name, &old.record(), &new.record(), lines);
    });
    each("destination", &old.destinations, &new.destinations, &mut lines, |name, old, new, lines| {
        compare(name, &old.record(), &new.record(), lines);
        secrets(name, old, new, lines);
    });
    lines
}

/// A secret that stands in the file is in no record: that it is another one is all that is said.
fn secrets(title: &str, old: &Destination, new: &Destination, lines: &mut Vec<String>) {
    let before: BTreeMap<_, _> = old.secrets().into_iter().collect();
    for (key, secret) in new.secrets() {
        if let (Some(Secret::Text(old)), Secret::Text(new)) = (before.get(&key), secret)
            && old != new
        {
            lines.push(format!("{title}: {} has another value", plain(&key)));
        }
    }
}

/// Variables are compared by name and value, not as a list of names.
fn project(project: &Project) -> Value {
    without(project.record(), "env")
}

/// A record of a run has the job's name and its project's elsewhere, and does not need to be described.
fn job(job: &Job) -> Value {
    let mut record = job.record();
    record["project"] = json!(job.project);
    record["description"] = json!(job.description);
    record
}

fn without(mut record: Value, key: &str) -> Value {
    if let Some(record) = record.as_object_mut() {
        record.remove(key);
    }
    record
}

/// Compares what both have, and names what only one has.
fn each<T>(
    what: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    lines: &mut Vec<String>,
    mut both: impl FnMut(&str, &T, &T, &mut Vec<String>),
) {
    for name in keys(old, new) {
        let title = format!("{what} `{name}`");
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => both(&title, old, new, lines),
            (None, _) => lines.push(format!("{title} is new")),
            (Some(_), None) => lines.push(format!("{title} is gone")),
        }
    }
}

fn keys<'a, T>(old: &'a BTreeMap<String, T>, new: &'a BTreeMap<String, T>) -> Vec<&'a String> {
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn environment(
    title: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    lines: &mut Vec<String>,
) {
    for name in keys(old, new) {
        let shown = plain(name);
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), Some(_)) => lines.push(format!("{title}: env {shown} has another value")),
            (None, _) => lines.push(format!("{title}: env {shown} is new")),
            (Some(_), None) => lines.push(format!("{title}: env {shown} is gone")),
        }
    }
}

fn compare(title: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    let mut found = Vec::new();
    walk("", old, new, &mut found);
    lines.extend(found.into_iter().map(|line| format!("{title}: {line}")));
}

/// Goes down to what differs.
fn walk(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let shown = if is_bare(key) { key.clone() } else { format!("`{}`", plain(key)) };
                let path = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                walk(
                    &path,
                    old.get(key).unwrap_or(&Value::Null),
                    new.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (old, new) if is_nothing(old) && is_nothing(new) => {}
        // A table that comes or goes is its entries that do.
        (Value::Null, Value::Object(_)) => walk(path, &json!({}), new, found),
        (Value::Object(_), Value::Null) => walk(path, old, &json!({}), found),
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() && before.len() > 1 => {
            for (nth, (before, after)) in before.iter().zip(after).enumerate() {
                walk(&format!("{path}[{}]", nth + 1), before, after, found);
            }
        }
        (old, new) => {
            let (old, new) = excerpts(&shown(old), &shown(new));
            found.push(format!("{path} {old} -> {new}"));
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// A value as one would write it: lists without brackets, and texts in backticks where they have spaces.
fn shown(value: &Value) -> String {
    match value {
        value if is_nothing(value) => "(none)".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::String(text) if is_bare(text) => text.clone(),
        Value::String(text) => format!("`{}`", plain(text)),
        value => plain(&value.to_string()),
    }
}

/// Whether a text is told apart from the words around it.
fn is_bare(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "_-./:+@~".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

/// The text on one line, with nothing in it that could drive a terminal.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// What is shown of two texts that differ: of long ones the part around the first difference.
fn excerpts(old: &str, new: &str) -> (String, String) {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let long = old.chars().count().max(new.chars().count()) > LONGEST;
    let from = if long { same.saturating_sub(LONGEST / 4) } else { 0 };
    let cut = |text: &str| {
        let mut rest = text.chars().skip(from);
        let part: String = rest.by_ref().take(LONGEST).collect();
        let before = if from > 0 { "…" } else { "" };
        let behind = if rest.next().is_some() { "…" } else { "" };
        format!("{before}{part}{behind}")
    };
    (cut(old), cut(new))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::FILE_NAME;

    fn load(dir: &std::path::Path, text: &str) -> Config {
        let file = dir.join(FILE_NAME);
        fs::write(&file, text).unwrap();
        Config::load(&file, None).unwrap()
    }

    fn between(old: &str, new: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let lines = differences(&load(dir.path(), old), &load(dir.path(), new));
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
        lines.join("\n").replace(&*dir.path().to_string_lossy(), "/srv")
    }

    const OLD: &str = r#"
        [retention]
        days = 365

        [projects.shop]
        target = "dev"
        vars = { days = 3, nested = { deep = "a", same = 1 }, list = [1, 2, 3], gone = true }
        env = { SHOP_KEY = "old-secret-value", SAME = "same-secret-value", GONE = "gone-secret-value" }
        pass_env = ["HOME_*"]

        [projects.shop.translator]
        plugin = "builtin:source-prefix"

        [projects.zoo]
        dir = "zoo"

        [jobs.build]
        project = "shop"
        schedule = "0 6 * * *"
        steps = ["dbt seed", "dbt build --select tag:daily"]

        [jobs.old]
        project = "zoo"
        steps = ["dbt build"]
    "#;

    const NEW: &str = r#"
        state_dir = "elsewhere"

        [retention]
        days = 90

        [projects.shop]
        target = "prod"
        vars = { days = 4, nested = { deep = "b c", same = 1, more = "\u001b[31mred\nline" }, list = [1, 2], new = { a = 1, b = 2 } }
        env = { SHOP_KEY = "new-secret-value", SAME = "same-secret-value", CAME = "came-secret-value" }
        pass_env = ["HOME_*", "EXTRA"]

        [projects.shop.translator]
        plugin = "builtin:source-prefix"
        config = { prefix = "raw" }

        [projects.farm]
        dir = "farm"

        [jobs.build]
        project = "farm"
        schedule = "0 7 * * *"
        steps = ["dbt seed", "dbt build --select tag:hourly"]
        empty = "fail"
        description = "Each morning"

        [jobs.smoke]
        project = "shop"
        schedule = ["0 1 * * *", "0 2 * * *"]
        steps = ["dbt build --selector smoke"]
    "#;

    #[test]
    fn the_queue_and_the_locks_are_compared() {
        let project = "[projects.shop]\n";
        let old = format!("[queue]\nmax_runs = 2\n[locks]\na = 1\nb = 1\n{project}");
        let new = format!("[queue]\nmax_runs = 3\n[locks]\na = 2\nc = 1\n{project}");
        assert_eq!(
            between(&old, &new).lines().collect::<Vec<_>>(),
            ["queue: max_runs 2 -> 3", "locks: a 1 -> 2", "locks: b 1 -> (none)", "locks: c (none) -> 1"]
        );
    }

    #[test]
    fn retries_are_compared() {
        let project = "[projects.shop]\n[jobs.a]\nsteps = [\"dbt build\"]\n";
        let old = format!("{project}[retry]\nplugin = \"builtin:backoff\"\nconfig = {{ max_retries = 2 }}\n");
        let new = format!(
            "{project}retry = \"none\"\n[retry]\nplugin = \"builtin:backoff\"\nconfig = {{ max_retries = 3 }}\n"
        );
        assert_eq!(
            between(&old, &new).lines().collect::<Vec<_>>(),
            [
                "retry: config.max_retries 2 -> 3",
                "job `a`: retry.config.max_retries 2 -> (none)",
                "job `a`: retry.max_attempts 10 -> (none)",
                "job `a`: retry.on_fault.decision give_up -> (none)",
                "job `a`: retry.plugin builtin:backoff -> (none)",
            ]
        );
    }

    #[test]
    fn every_difference_is_a_line() {
        insta::assert_snapshot!(between(OLD, NEW));
    }

    #[test]
    fn the_way_back_is_one_too() {
        insta::assert_snapshot!(between(NEW, OLD));
    }

    #[test]
    fn values_of_variables_are_in_no_line() {
        for (old, new) in [(OLD, NEW), (NEW, OLD)] {
            let lines = between(old, new);
            assert!(!lines.contains("secret-value"), "{lines}");
            assert!(lines.contains("env SHOP_KEY has another value"), "{lines}");
            assert!(!lines.contains("SAME"), "{lines}");
        }
    }

    #[test]
    fn the_same_has_no_differences() {
        assert_eq!(between(OLD, OLD), "");
    }

    #[test]
    fn a_field_that_comes_later_is_compared_too() {
        let mut lines = Vec::new();
        let old = json!({ "retries": { "times": 3, "on": [{ "state": "failed" }, { "state": "lost" }] } });
        let new = json!({ "retries": { "times": 3, "on": [{ "state": "failed" }, { "state": "warned" }] }, "pool": "x y" });
        compare("job `a`", &old, &new, &mut lines);
        assert_eq!(lines, ["job `a`: pool (none) -> `x y`", "job `a`: retries.on[2].state lost -> warned"]);
    }

    #[test]
    fn of_a_long_value_the_difference_is_shown() {
        let long = "x".repeat(500);
        let (old, new) = excerpts(&format!("{long}1{long}"), &format!("{long}2{long}"));
        assert!(old.contains('1') && new.contains('2'), "{old} {new}");
        assert!(old.chars().count() <= LONGEST + 2, "{old}");
        assert_eq!(excerpts("a", "b"), ("a".to_owned(), "b".to_owned()));
    }
}
