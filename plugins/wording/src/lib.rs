//! What notifiers for people say about a notification, in whatever format they say it.
//!
//! Owns the choice of facts and their words, and what makes a text of dbt's safe to put anywhere: no control characters, a
//! bounded length. Never knows a format: what has a meaning in it is the notifier's to escape.

use tidegate_plugin::Span;
use tidegate_plugin::notifier::{Attempt, Node, Notification, Run};

/// Something that is known, and a page about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// Its value, clean and of one line.
    pub value: String,
    /// A page about it.
    pub link: Option<String>,
}

/// What is known about where, when and how long.
pub fn facts(about: &Notification) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |label, value: Option<String>, link: Option<&str>| {
        let value = value.map(|value| line(&value, 300)).filter(|value| !value.is_empty());
        facts.extend(value.map(|value| Fact { label, value, link: link.map(str::to_owned) }));
    };
    add("Project", about.project.clone(), None);
    add("Job", about.job.clone(), None);
    if let Some(run) = &about.run {
        let asked = format!("{}, asked for by {} ({})", run.id, run.user, run.via);
        add("Run", Some(asked), page(run.link.as_deref()));
        add("Target", run.target.clone(), None);
        add("Time", time(run), None);
        add("Nodes", counts(run), None);
        add("Reason", run.reason.clone(), None);
    }
    add("When", Some(moment(&about.at)), None);
    facts
}

/// How long a run took, against the usual.
fn time(run: &Run) -> Option<String> {
    let took = run.took?;
    let mut words = Span::millis(took).to_string();
    if let Some(usual) = run.usually_took.filter(|&usual| usual > 0) {
        words.push_str(&format!(", usually {}", Span::millis(usual)));
        let tenths = (u128::from(took) * 10 + u128::from(usual) / 2) / u128::from(usual);
        if tenths >= 15 {
            words.push_str(&format!(": {}.{} times as long", tenths / 10, tenths % 10));
        }
    }
    Some(words)
}

fn counts(run: &Run) -> Option<String> {
    let counts: Vec<_> = run.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// `2026-01-01T06:02:03.123Z` as people read it.
fn moment(at: &str) -> String {
    match at.strip_suffix('Z').and_then(|at| at.split_once('T')) {
        Some((day, time)) => format!("{day} {} UTC", time.split('.').next().unwrap_or(time)),
        None => at.to_owned(),
    }
}

/// What a node is and how it ended: `model, error after 1.5 s`.
pub fn ending(node: &Node) -> String {
    let mut words = match node.resource_type.as_str() {
        "" => node.state.clone(),
        kind => format!("{}, {}", kind.replace('_', " "), node.state),
    };
    match node.failures {
        Some(1) => words.push_str(" with 1 row"),
        Some(rows) if rows > 0 => words.push_str(&format!(" with {rows} rows")),
        _ => {}
    }
    if let Some(took) = node.time() {
        words.push_str(&format!(" after {took}"));
    }
    line(&words, 200)
}

/// The owners of a node or of all, in one line.
pub fn owners(owners: &[String]) -> Option<String> {
    if owners.is_empty() {
        return None;
    }
    let shown: Vec<_> = owners.iter().take(10).map(|owner| line(owner, 80)).collect();
    Some(format!("{}{}", shown.join(", "), and_more(owners.len() - shown.len())))
}

/// An attempt and what was decided about it, in one line.
pub fn attempt(attempt: &Attempt) -> String {
    let Attempt { step, attempt: number, state, .. } = attempt;
    let mut words = format!("step {step}, attempt {number}: {state}");
    if let Some(took) = attempt.time() {
        words.push_str(&format!(" after {took}"));
    }
    if let Some(reason) = &attempt.reason {
        words.push_str(&format!(": {reason}"));
    }
    if let Some(decision) = &attempt.decision {
        words.push_str(&format!(" → {decision}"));
    }
    line(&words, 400)
}

/// The attempts that are worth telling of: none where there was one and nothing was decided; else the last so many.
pub fn attempts(run: Option<&Run>, most: usize) -> Vec<String> {
    let attempts = run.map_or(&[][..], |run| &run.attempts);
    if attempts.len() < 2 && attempts.iter().all(|attempt| attempt.decision.is_none()) {
        return Vec::new();
    }
    let first = attempts.len().saturating_sub(most);
    attempts[first..].iter().map(attempt).collect()
}

/// How many were skipped, and the first of them: `12 assets were skipped: `, then their keys.
pub fn skipped(about: &Notification, most: usize) -> Option<(String, Vec<String>, String)> {
    let total = (about.skipped_total as usize).max(about.skipped.len());
    if total == 0 {
        return None;
    }
    let shown: Vec<_> = about.skipped.iter().take(most).map(|key| line(key, 120)).collect();
    let heading =
        if total == 1 { "1 asset was skipped".to_owned() } else { format!("{total} assets were skipped") };
    let rest = and_more(total - shown.len());
    Some((heading, shown, rest))
}

/// ` and 3 more`, or nothing.
pub fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}

/// How many nodes there are beyond those that are shown.
pub fn nodes_left(about: &Notification, shown: usize) -> usize {
    (about.nodes_total as usize).max(about.nodes.len()).saturating_sub(shown)
}

/// A sign for how bad it is.
pub fn sign(about: &Notification) -> &'static str {
    match (about.severity.as_str(), about.kind.ends_with("_recovered") || about.kind == "run_succeeded") {
        ("error", _) => "🔴",
        ("warning", _) => "🟡",
        (_, true) => "🟢",
        _ => "🔵",
    }
}

/// The title, never empty.
pub fn title(about: &Notification, most: usize) -> String {
    let title = line(&about.title, most);
    if title.is_empty() { line(&about.kind.replace('_', " "), most) } else { title }
}

/// A text as one clean line of at most so many characters.
pub fn line(text: &str, most: usize) -> String {
    let words: Vec<_> = text.split_whitespace().map(clean).filter(|word| !word.is_empty()).collect();
    cut(&words.join(" "), most)
}

/// A text of several lines without what changes how it is shown: control characters, and those that turn the direction
/// of writing.
pub fn clean(text: &str) -> String {
    let shown = |c: &char| match c {
        '\n' => true,
        c if c.is_control() => false,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => false,
        // Separators of lines and paragraphs, and what is no character for interchange.
        '\u{2028}' | '\u{2029}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    };
    text.replace('\t', "    ").chars().filter(shown).collect()
}

/// A text of at most so many characters; what is cut off shows as `…`.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// A link that can stand in any format: an address of the web without characters that a format might read. Anything else is
/// no link.
pub fn page(link: Option<&str>) -> Option<&str> {
    let link = link?;
    let is_web = link.starts_with("http://") || link.starts_with("https://");
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>\"'|`\\^{}".contains(c);
    (is_web && link.len() <= 2000 && link.chars().all(is_plain)).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_plugin::testing::{notification, notified_node, run};

    #[test]
    fn facts_say_where_when_and_how_long() {
        let mut about = notification("run_failed", "build failed");
        let run = about.run.as_mut().unwrap();
        run.counts = vec![("success".to_owned(), 46), ("error".to_owned(), 1)];
        run.reason = Some("1 model failed".to_owned());
        let facts: Vec<_> = facts(&about).into_iter().map(|fact| (fact.label, fact.value)).collect();
        let expected = [
            ("Project", "shop"),
            ("Job", "build"),
            ("Run", "12, asked for by tidegate (schedule)"),
            ("Target", "dev"),
            ("Time", "2 min 3 s, usually 60 s: 2.1 times as long"),
            ("Nodes", "46 success, 1 error"),
            ("Reason", "1 model failed"),
            ("When", "2026-01-01 06:02:03 UTC"),
        ];
        assert_eq!(facts, expected.map(|(label, value)| (label, value.to_owned())));
        about.run = None;
        assert_eq!(super::facts(&about).len(), 3);
    }

    #[test]
    fn only_an_unusual_time_is_called_so() {
        let mut run = run("succeeded");
        run.took = Some(80_000);
        assert_eq!(time(&run).unwrap(), "80 s, usually 60 s");
        run.usually_took = None;
        assert_eq!(time(&run).unwrap(), "80 s");
    }

    #[test]
    fn a_node_is_said_in_words() {
        let mut node = notified_node("test", "unique_orders_id", "Got 3 results");
        node.state = "fail".to_owned();
        node.failures = Some(3);
        assert_eq!(ending(&node), "test, fail with 3 rows after 1.5 s");
    }

    #[test]
    fn attempts_are_told_where_there_is_something_to_tell() {
        let mut run = run("failed");
        let one = Attempt {
            step: 1,
            attempt: 1,
            command: "dbt build".to_owned(),
            state: "failed".to_owned(),
            reason: Some("1 model failed".to_owned()),
            decision: None,
            took: Some(3000),
        };
        run.attempts = vec![one.clone()];
        assert!(attempts(Some(&run), 5).is_empty() && attempts(None, 5).is_empty());
        run.attempts[0].decision = Some("retry in 30 s: it is locked".to_owned());
        assert_eq!(
            attempts(Some(&run), 5),
            ["step 1, attempt 1: failed after 3 s: 1 model failed → retry in 30 s: it is locked"]
        );
        run.attempts = (1..=9).map(|attempt| Attempt { attempt, ..one.clone() }).collect();
        assert!(attempts(Some(&run), 2)[0].starts_with("step 1, attempt 8:"));
    }

    #[test]
    fn links_are_plain_addresses_of_the_web() {
        assert_eq!(page(Some("https://a.b/runs/12?x=1&y=%20")), Some("https://a.b/runs/12?x=1&y=%20"));
        for link in [
            "javascript:alert(1)",
            "http://a b",
            "http://a|b",
            "http://a>b",
            "http://a\"b",
            "//a",
            "",
            "http://ä",
        ] {
            assert_eq!(page(Some(link)), None, "{link}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_line_is_one_clean_line(text in any::<String>(), most in 1_usize..100) {
            let line = line(&text, most);
            prop_assert!(line.chars().count() <= most);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
