//! A retry policy that reads what went wrong: what may work the next time is tried again, only what is not done of it; what
//! would fail again is given up at once.
//!
//! Owns the decision and its words. Never counts on a single node: one that would fail again means that the run fails
//! whatever becomes of the others.

mod known;
mod rules;

use known::Verdict;
use pace::{Backoff, Jitter, Pace};
use rules::{Judgement, Rule};
use serde::Deserialize;
use tidegate_plugin::Span;
use tidegate_plugin::retry_policy::{Answer, FailedNode, Failure, RetryPolicy, export_retry_policy};

struct Transient;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// How many retries a step has: attempts after the first.
    max_retries: u32,
    /// How long to wait, before `backoff` and `jitter` change it.
    delay: Span,
    /// How the delay grows.
    backoff: Option<Backoff>,
    /// How it varies.
    jitter: Option<Jitter>,
    /// No wait is longer.
    max_delay: Option<Span>,
    /// What is done about a text that nothing is known of.
    unknown: Unknown,
    /// Rules that come before what is known.
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Unknown {
    GiveUp,
    Retry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_retries: 3,
            delay: Span::seconds(30),
            backoff: None,
            jitter: None,
            max_delay: None,
            unknown: Unknown::GiveUp,
            rules: Vec::new(),
        }
    }
}

impl Config {
    fn pace(&self) -> Pace {
        let Self { delay, backoff, jitter, max_delay, .. } = *self;
        Pace { delay, backoff, jitter, max_delay }
    }
}

impl RetryPolicy for Transient {
    type Config = Config;
    const SUMMARY: &'static str = "Retries what is unfinished after locks, broken connections and the like, and gives up on anything else.";

    fn decide(config: &Config, failure: &Failure) -> Result<Answer, String> {
        let found = match judge(config, failure) {
            Ok(found) => found,
            Err(reason) => return Ok(Answer::give_up(reason)),
        };
        let attempts = config.max_retries.saturating_add(1);
        if failure.attempt >= attempts {
            return Ok(Answer::give_up(match attempts {
                1 => format!("{}, and no retries are wanted", found.what),
                _ => format!(
                    "{}: attempt {} of {attempts} failed, no retry is left",
                    found.what, failure.attempt
                ),
            }));
        }
        let wait = config.pace().wait(failure);
        let mut reason = format!("{}: attempt {} of {attempts} in {wait}", found.what, failure.attempt + 1);
        let mut again = Answer::retry_after(wait);
        if found.crowded
            && let Some(threads) = failure.threads.filter(|&threads| threads > 1)
        {
            let fewer = threads / 2;
            again = again.threads(fewer);
            reason.push_str(&format!(", with {fewer} thread{}", if fewer == 1 { "" } else { "s" }));
        }
        // Where nothing is known of what is not done, dbt failed before there was a plan.
        let again = if failure.unfinished_total > 0 { again.unfinished() } else { again.all() };
        Ok(again.because(reason))
    }

    fn check(config: &Config) -> Result<(), String> {
        config.pace().check()?;
        rules::check(&config.rules)
    }
}

export_retry_policy!(Transient);

/// Why another attempt may work.
struct Found {
    what: String,
    crowded: bool,
}

/// Why another attempt may work, or the reason why none can.
fn judge(config: &Config, failure: &Failure) -> Result<Found, String> {
    if failure.kind == Failure::NOT_STARTED {
        return Err(format!(
            "dbt could not be started, and waiting does not help{}",
            quoted(failure.message.as_deref())
        ));
    }
    let mut causes: Vec<(&FailedNode, Judgement)> = Vec::new();
    let mut unknown: Option<&FailedNode> = None;
    let depth = rules::depth(&config.rules, failure.failed.len());
    for node in &failure.failed {
        match judge_node(config, node, depth) {
            Some(said) if said.verdict == Verdict::Permanent => {
                return Err(format!(
                    "`{}` would fail again: {}{}",
                    node.name,
                    said.what,
                    quoted(node.message.as_deref())
                ));
            }
            Some(said) if said.verdict == Verdict::Consequence => {}
            Some(said) => causes.push((node, said)),
            None => unknown = unknown.or(Some(node)),
        }
    }
    let crowded = causes.iter().any(|(_, said)| said.verdict == Verdict::Crowded);

    if failure.kind == Failure::KILLED {
        let signal = failure.signal.unwrap_or_default();
        // What the kernel does when memory runs out, and seldom anyone else.
        let (why, memory) =
            if signal == 9 { (", perhaps because memory ran out", true) } else { ("", false) };
        return Ok(Found { what: format!("signal {signal} ended dbt{why}"), crowded: crowded || memory });
    }
    if let Some(node) = unknown {
        let line = quoted(node.message.as_deref());
        if config.unknown == Unknown::GiveUp {
            return Err(format!("nothing is known of why `{}` failed{line}", node.name));
        }
        causes.push((
            node,
            Judgement { verdict: Verdict::Transient, what: "the cause is not known".to_owned() },
        ));
    }
    if let Some((node, said)) = causes.first() {
        let others = failure.failed_total.saturating_sub(1);
        let others = if others == 0 { String::new() } else { format!(" and {others} more") };
        return Ok(Found { what: format!("{} (`{}`{others})", said.what, node.name), crowded });
    }

    // No node tells of a cause: dbt itself does, or nobody.
    let text = failure.message.as_deref();
    match text.and_then(|text| judge_text(config, text)) {
        Some(said) if said.verdict == Verdict::Permanent => {
            Err(format!("dbt would fail again: {}{}", said.what, quoted(text)))
        }
        Some(said) if said.verdict != Verdict::Consequence => {
            Ok(Found { what: said.what, crowded: said.verdict == Verdict::Crowded })
        }
        _ if config.unknown == Unknown::Retry => {
            Ok(Found { what: "the cause is not known".to_owned(), crowded: false })
        }
        _ => Err(format!("nothing is known of why dbt failed{}", quoted(text))),
    }
}

/// What is said about a node; none where nothing is known.
fn judge_node(config: &Config, node: &FailedNode, depth: usize) -> Option<Judgement> {
    let text = node.message.as_deref().unwrap_or_default();
    let text = &text[..text.floor_char_boundary(depth)];
    if let Some(said) = rules::by_own_rules(&config.rules, text) {
        return Some(said);
    }
    let said = |verdict, what: &str| Some(Judgement { verdict, what: what.to_owned() });
    match (node.resource_type.as_str(), node.state.as_str()) {
        (_, "skipped" | "cancelled") => said(Verdict::Consequence, "it was not done"),
        ("unit_test", "fail") => said(Verdict::Permanent, "its unit test fails"),
        (_, "fail") => said(Verdict::Permanent, "the data does not pass the test"),
        // A source whose query fails has the state `runtime error`.
        ("source", "error") => said(Verdict::Permanent, "its data is too old"),
        _ => rules::by_what_is_known(text),
    }
}

fn judge_text(config: &Config, text: &str) -> Option<Judgement> {
    rules::by_own_rules(&config.rules, text).or_else(|| rules::by_what_is_known(text))
}

/// The line of a text that says most, behind a colon and not too long.
fn quoted(text: Option<&str>) -> String {
    const LONGEST: usize = 200;
    let line = text.map_or("", telling_line);
    if line.is_empty() {
        return String::new();
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!(": {}…", &line[..end]),
        None => format!(": {line}"),
    }
}

/// The first line that is not only a heading.
fn telling_line(text: &str) -> &str {
    let is_heading = |line: &str| {
        let headings =
            ["Encountered an error", "Runtime Error", "Database Error", "Compilation Error", "Parsing Error"];
        headings.iter().any(|heading| line.starts_with(heading))
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if is_heading(first) { lines.find(|line| !is_heading(line)).unwrap_or(first) } else { first }
}

#[cfg(test)]
mod tests;
