//! What is said about a text: the operator's own rules first, then what is known.
//!
//! Owns the settings of a rule. Never decides about an attempt.

use crate::known::{self, Verdict};
use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A rule of the operator's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What a text has to match somewhere; capital and small letters are the same.
    #[serde(deserialize_with = "pattern")]
    pattern: Regex,
    /// What that says about the next time.
    is: Is,
    /// Whether fewer threads help.
    #[serde(default)]
    threads: Option<Threads>,
    /// The cause, as a part of a sentence.
    #[serde(default)]
    because: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Is {
    Transient,
    Permanent,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Threads {
    Halve,
}

/// What is said about a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// About the next time.
    pub verdict: Verdict,
    /// The cause, as a part of a sentence.
    pub what: String,
}

/// How far each of so many texts is read, in bytes: what matters is said at the beginning, and patterns take their time. A call
/// has two seconds, whatever the number of texts and rules.
pub fn depth(rules: &[Rule], texts: usize) -> usize {
    const ALL: usize = 12_000_000;
    (ALL / (rules.len().max(1) * texts.max(1))).clamp(500, 4096)
}

/// Judges a text by the operator's rules.
pub fn by_own_rules(rules: &[Rule], text: &str) -> Option<Judgement> {
    let rule = rules.iter().find(|rule| rule.pattern.is_match(text))?;
    let verdict = match (rule.is, rule.threads) {
        (Is::Permanent, _) => Verdict::Permanent,
        (Is::Transient, Some(Threads::Halve)) => Verdict::Crowded,
        (Is::Transient, None) => Verdict::Transient,
    };
    let what = rule.because.clone().unwrap_or_else(|| format!("its text matches `{}`", rule.pattern));
    Some(Judgement { verdict, what })
}

/// Judges a text by what is known of databases and dbt.
pub fn by_what_is_known(text: &str) -> Option<Judgement> {
    let cause = known::cause(text)?;
    Some(Judgement { verdict: cause.verdict, what: cause.what.to_owned() })
}

/// Says what is wrong with rules that can be read.
pub fn check(rules: &[Rule]) -> Result<(), String> {
    for rule in rules {
        if rule.is == Is::Permanent && rule.threads.is_some() {
            return Err(format!(
                "rule `{}`: `threads` is of use only where `is = \"transient\"`",
                rule.pattern
            ));
        }
        if rule.pattern.is_match("") {
            return Err(format!("rule `{}`: it matches every text", rule.pattern));
        }
    }
    Ok(())
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    let built = RegexBuilder::new(&text).case_insensitive(true).size_limit(1 << 20).build();
    built.map_err(|error| D::Error::custom(format!("rule `{text}` is no pattern: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(value: Value) -> Result<Vec<Rule>, String> {
        let rules = Vec::<Rule>::deserialize(value).map_err(|error| error.to_string())?;
        check(&rules).map(|()| rules)
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = rules(json!([
            {"pattern": "vendor is (down|asleep)", "is": "transient", "because": "the vendor is not there"},
            {"pattern": "^vendor", "is": "permanent"},
            {"pattern": "crowd", "is": "transient", "threads": "halve"},
        ]))
        .unwrap();
        let judged = |text| by_own_rules(&rules, text).map(|said| (said.verdict, said.what));
        assert_eq!(
            judged("VENDOR IS DOWN"),
            Some((Verdict::Transient, "the vendor is not there".to_owned()))
        );
        assert_eq!(
            judged("vendor says no"),
            Some((Verdict::Permanent, "its text matches `^vendor`".to_owned()))
        );
        assert_eq!(judged("a crowd").unwrap().0, Verdict::Crowded);
        assert_eq!(judged("nothing"), None);
    }

    #[test]
    fn many_texts_and_many_rules_are_read_less_far() {
        let some = |count: usize| {
            rules(Value::from(vec![json!({"pattern": "a", "is": "transient"}); count])).unwrap()
        };
        assert_eq!(depth(&some(0), 1000), 4096);
        assert_eq!(depth(&some(2), 1000), 4096);
        assert_eq!(depth(&some(10), 1000), 1200);
        assert_eq!(depth(&some(100), 1000), 500);
        assert_eq!(depth(&some(100), 0), 4096);
    }

    #[test]
    fn mistakes_in_rules_are_told() {
        for (rule, words) in [
            (json!({"pattern": "(", "is": "transient"}), "rule `(` is no pattern: "),
            (json!({"pattern": "a"}), "missing field `is`"),
            (json!({"pattern": "a", "is": "maybe"}), "expected `transient` or `permanent`"),
            (json!({"pattern": "a", "is": "transient", "threads": 2}), "threads"),
            (
                json!({"pattern": "a", "is": "permanent", "threads": "halve"}),
                "rule `a`: `threads` is of use only",
            ),
            (json!({"pattern": ".*", "is": "transient"}), "rule `.*`: it matches every text"),
            (json!({"pattern": "a", "is": "transient", "then": 1}), "unknown field `then`"),
        ] {
            let error = rules(json!([rule])).unwrap_err();
            assert!(error.contains(words) || words == "threads", "{error}");
        }
    }
}
