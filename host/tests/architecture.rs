//! The rules of the house, read off the source: which room may know which, and what only one room may name.
//!
//! Owns the table of rooms. A rule that has to change is changed here, in the same commit as the code that needs it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Which rooms a room may name. Arrows point one way: from a room to those that it stands on.
const ROOMS: [(&str, &[&str]); 19] = [
    ("crash", &[]),
    ("model", &[]),
    ("schedule", &["model"]),
    ("fold", &["model"]),
    ("alert", &["model"]),
    ("lineage", &["model"]),
    ("process", &["crash", "model"]),
    ("dbt", &["model"]),
    ("plugins", &["model"]),
    ("store", &["alert", "crash", "fold", "model"]),
    ("policy", &["alert", "model", "plugins"]),
    ("config", &["dbt", "model", "schedule"]),
    ("deliver", &["config", "model"]),
    ("project", &["config", "dbt", "model", "plugins", "policy", "process"]),
    ("service", &["config", "project"]),
    (
        "engine",
        &[
            "alert", "config", "crash", "dbt", "deliver", "fold", "model", "plugins", "policy", "process",
            "project", "schedule", "store",
        ],
    ),
    (
        "view",
        &["alert", "config", "dbt", "deliver", "engine", "model", "plugins", "project", "schedule", "store"],
    ),
    (
        "web",
        &[
            "alert", "config", "dbt", "deliver", "engine", "fold", "lineage", "model", "plugins", "policy",
            "process", "project", "schedule", "store", "view",
        ],
    ),
    (
        "cli",
        &[
            "alert", "config", "dbt", "deliver", "engine", "fold", "model", "plugins", "policy", "process",
            "project", "schedule", "service", "store", "view", "web",
        ],
    ),
];

/// What is named in a few places only: the words, and where they may stand (a folder, or a file).
const NAMED_ONLY_IN: [(&[&str], &[&str]); 13] = [
    (&["wasmtime", "wasmtime_wasi"], &["plugins/"]),
    (&["rusqlite"], &["store/"]),
    (&["ureq", "lettre"], &["deliver/"]),
    // Signals are sent by one room; a crash point is for the process itself. Ctrl-C arrives where the terminal is.
    (&["sys::signal", "signal::kill", "signal::killpg", "libc::kill"], &["process/", "crash.rs"]),
    (&["signal_hook"], &["process/", "cli/launch.rs", "service/signals.rs"]),
    (&["minijinja", "minijinja_contrib", "saphyr_parser"], &["dbt/profile/"]),
    (&["tracing_subscriber"], &["service/log.rs"]),
    (&["RecommendedWatcher", "recommended_watcher"], &["service/watch/"]),
    (&["cron", "chrono"], &["schedule/"]),
    (&["tokio"], &["engine/", "cli/", "plugins/", "web/"]),
    // A runtime of its own has whoever waits for many at a time, and whoever speaks HTTP.
    (&["tokio::runtime"], &["engine/client.rs", "plugins/", "web/"]),
    (&["hyper", "hyper_util", "http_body_util"], &["engine/client.rs", "web/"]),
    (&["axum", "utoipa_axum", "tower", "tower_http", "rust_embed"], &["web/"]),
];

/// What the rooms that only compute must not name.
const PURE: [&str; 5] = ["model", "fold", "alert", "lineage", "schedule"];
const IMPURE: [&str; 7] =
    ["std::fs", "std::net", "std::process", "std::thread", "std::env", "std::time", "std::io"];

/// Where time comes from. Who takes it as a value can be tested with any.
const CLOCKS: [&str; 4] = ["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now"];
const CLOCKLESS: [&str; 8] = ["model", "fold", "alert", "lineage", "schedule", "store", "dbt", "view"];

const UNSAFE_IN: [&str; 2] = ["plugins/component.rs", "process/capture.rs"];
const MAX_LINES: usize = 600;

struct Source {
    /// Relative to `src`.
    path: String,
    text: String,
    /// Without comments and without what stands between quotes.
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The code up to the tests at its end.
    fn tested(&self) -> &str {
        if self.is_test() { "" } else { self.code.split("#[cfg(test)]\nmod ").next().unwrap_or_default() }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path, code: code_of(&text), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

/// Takes out line comments and the insides of plain strings, line by line: enough for code that rustfmt has seen.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut quoted = false;
    for line in text.lines() {
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '"' => {
                    quoted = !quoted;
                    code.push(c);
                }
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                c if !quoted => code.push(c),
                _ => {}
            }
        }
        // A string goes on in the next line only behind a backslash.
        quoted &= line.ends_with('\\');
        code.push('\n');
    }
    code
}

/// Where a word or path stands by itself, not as a part of a longer one.
fn places(code: &str, word: &str) -> Vec<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .filter(|(at, _)| {
            !part(code[..*at].chars().next_back()) && !part(code[at + word.len()..].chars().next())
        })
        .map(|(at, _)| at)
        .collect()
}

/// The rooms that code names: `crate::ROOM`, and each first word of `crate::{ROOM, ROOM::…}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for at in places(code, "crate") {
        let Some(rest) = code[at..].strip_prefix("crate::") else { continue };
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            if begins && depth == 0 && !c.is_whitespace() {
                named.insert(word(&group[at..]));
                begins = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ => {}
            }
        }
    }
    named.remove("");
    named
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn rooms_know_only_those_below_them() {
    let mut problems = Vec::new();
    let known: BTreeSet<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    for source in sources() {
        let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room()) else {
            if !["lib", "main"].contains(&source.room()) {
                problems.push(format!(
                    "{}: `{}` is no room: add it to the table",
                    source.path,
                    source.room()
                ));
            }
            continue;
        };
        for named in rooms_named(&source.code) {
            if known.contains(named.as_str()) && named != *room && !allowed.contains(&named.as_str()) {
                problems.push(format!("{}: `{room}` must not know `{named}`", source.path));
            }
        }
    }
    complain(&problems);
}

#[test]
fn the_table_has_no_circle() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for below in *allowed {
            let position = ROOMS.iter().position(|(room, _)| room == below);
            assert!(
                position.is_some_and(|position| position < at),
                "`{room}` stands on `{below}`, which comes later"
            );
        }
    }
}

#[test]
fn some_names_stay_in_their_room() {
    let mut problems = Vec::new();
    for source in sources() {
        for (words, places_allowed) in NAMED_ONLY_IN {
            if places_allowed.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for word in words {
                if !places(&source.code, word).is_empty() {
                    problems.push(format!(
                        "{}: `{word}` belongs into {}",
                        source.path,
                        places_allowed.join(", ")
                    ));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn what_only_computes_has_no_clock_and_no_disk() {
    let mut problems = Vec::new();
    for source in sources() {
        let code = source.tested();
        let mut refuse = |words: &[&str]| {
            for word in words.iter().filter(|word| !places(code, word).is_empty()) {
                problems.push(format!("{}: `{word}` has to come in as a value", source.path));
            }
        };
        if PURE.contains(&source.room()) {
            refuse(&IMPURE);
        }
        if CLOCKLESS.contains(&source.room()) {
            refuse(&CLOCKS);
        }
    }
    complain(&problems);
}

#[test]
fn unsafe_code_is_rare_and_says_why_it_is_sound() {
    let mut problems = Vec::new();
    let mut found = 0;
    for source in sources() {
        for at in places(&source.code, "unsafe") {
            let line = source.code[..at].matches('\n').count();
            found += 1;
            let above: Vec<_> = source.text.lines().take(line).collect();
            let reasoned = above.iter().rev().take(5).any(|line| line.contains("SAFETY:"));
            if !UNSAFE_IN.contains(&source.path.as_str()) || !reasoned {
                problems.push(format!("{}:{}: `unsafe` without leave or reason", source.path, line + 1));
            }
        }
    }
    complain(&problems);
    assert!(found <= 3, "`unsafe` stands in {found} places");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut problems = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{}: {lines} lines are more than {MAX_LINES}", source.path));
        }
        let says = source.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 15);
        if !says && !source.is_test() {
            problems.push(format!("{}: does not begin by saying what it owns", source.path));
        }
    }
    complain(&problems);
}

#[test]
fn the_reader_of_source_reads_it() {
    let code = code_of(
        "use crate::{\n    dbt::{self, crate_x},\n    model::nearest, store,\n}; // crate::cli\nlet a = \"crate::engine\";\ncrate::fold::apply();",
    );
    let named: Vec<_> = rooms_named(&code).into_iter().collect();
    assert_eq!(named, ["dbt", "fold", "model", "store"]);
    assert_eq!(places("cron chrono cron_x a::cron;", "cron"), [0, 22]);
}

#[test]
fn no_two_types_of_the_api_share_a_name() {
    let mut known = std::collections::BTreeMap::new();
    let mut problems = Vec::new();
    for source in sources() {
        for (at, _) in source.text.match_indices("#[derive(") {
            let rest = &source.text[at..];
            if !rest[..rest.find(")]").unwrap_or_default()].contains("ToSchema") {
                continue;
            }
            let lines: Vec<_> = rest.lines().skip(1).take_while(|line| !line.contains('{')).collect();
            let renamed = lines.iter().find_map(|line| line.split_once("schema(as = "));
            let declared =
                rest.lines().find(|line| line.contains("pub struct ") || line.contains("pub enum "));
            let name = match (renamed, declared) {
                (Some((_, name)), _) => name,
                (None, Some(line)) => line.split_whitespace().nth(2).unwrap_or_default(),
                _ => continue,
            };
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(other) = known.insert(name.clone(), source.path.clone()) {
                problems.push(format!("{}: `{name}` is the name of a type in {other} too", source.path));
            }
        }
    }
    assert!(known.len() > 50, "only {} types were found", known.len());
    complain(&problems);
}
