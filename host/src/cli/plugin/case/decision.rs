//! Cases of retry policies: a failure, and the decision that is expected.

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    contains, difference,
    template::{default, fill, unique_id},
};
use crate::model::{Failure, RetryAnswer, RetryDecision, RetryScope};

/// A case, ready to be run.
pub(in crate::cli::plugin) struct Case {
    /// The file's name without its folder.
    pub name: String,
    /// The configuration, as JSON.
    pub config: String,
    /// The failure.
    pub failure: Failure,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    config: Map<String, Value>,
    failure: Value,
    expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Expect {
    error: Option<String>,
    decision: Option<Word>,
    after: Option<SignedDuration>,
    scope: Option<RetryScope>,
    threads: Option<u32>,
    reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Word {
    GiveUp,
    Retry,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::GiveUp => "give-up",
            Self::Retry => "retry",
        }
    }
}

impl Case {
    /// Reads a case.
    pub(in crate::cli::plugin) fn parse(name: String, text: &str) -> Result<Self> {
        let Document { config, failure, expect } = toml::from_str(text)?;
        let Expect { error, decision, after, scope, threads, reason } = &expect;
        let retries = after.is_some() || scope.is_some() || threads.is_some();
        let answers = retries || decision.is_some() || reason.is_some();
        ensure!(
            error.is_some() || answers,
            "`[expect]` is empty: the case would pass whatever the plugin says"
        );
        ensure!(
            error.is_none() || !answers,
            "`[expect]` has `error` and parts of a decision: an answer is one or the other"
        );
        ensure!(
            *decision != Some(Word::GiveUp) || !retries,
            "`[expect]` gives up, and says how to retry: a decision is one or the other"
        );
        let config = Value::Object(config).to_string();
        Ok(Self { name, config, failure: whole(failure)?, expect })
    }

    /// What is wrong with an answer, in lines; none where it is as expected.
    pub(in crate::cli::plugin) fn differences(&self, answer: &Result<RetryAnswer, String>) -> Option<String> {
        let mut lines = String::new();
        match (answer, &self.expect.error) {
            (Err(error), Some(part)) => contains(&mut lines, "error", part, error),
            (Err(error), None) => {
                difference(&mut lines, "answer", &json!("a decision"), &json!({ "error": error }));
            }
            (Ok(answer), Some(part)) => {
                difference(&mut lines, "answer", &json!({ "error": format!("…{part}…") }), &json!(answer));
            }
            (Ok(answer), None) => self.expect.compare(answer, &mut lines),
        }
        (!lines.is_empty()).then_some(lines)
    }
}

impl Expect {
    fn compare(&self, answer: &RetryAnswer, lines: &mut String) {
        let (word, retry) = match answer.decision {
            RetryDecision::GiveUp => (Word::GiveUp, None),
            RetryDecision::Retry { after, scope, threads } => (Word::Retry, Some((after, scope, threads))),
        };
        let mut field = |name: &str, expected: Option<Value>, actual: Value| match expected {
            Some(expected) if expected != actual => difference(lines, name, &expected, &actual),
            _ => {}
        };
        field("decision", self.decision.map(|word| json!(word.as_str())), json!(word.as_str()));
        let time = |time: SignedDuration| json!(format!("{time:#}"));
        field("after", self.after.map(time), retry.map_or(Value::Null, |(after, ..)| time(after)));
        field("scope", self.scope.map(|s| json!(s)), retry.map_or(Value::Null, |(_, scope, _)| json!(scope)));
        field("threads", self.threads.map(|t| json!(t)), retry.map_or(Value::Null, |(.., t)| json!(t)));
        if let Some(part) = &self.reason {
            contains(lines, "reason", part, &answer.reason);
        }
    }
}

/// The failure that a case means: what it leaves out is plausible.
fn whole(given: Value) -> Result<Failure> {
    let template = json!({
        "project": "shop",
        "job": "nightly",
        "run": 1,
        "step": 1,
        "attempt": 1,
        "command": ["build"],
        "kind": "node",
        "exit_code": null,
        "signal": null,
        "message": null,
        "failed": [{
            "unique_id": null, "resource_type": "model", "name": "orders", "state": null, "message": null,
            "failures": null, "started_at": null, "took": null, "tags": [], "meta": null, "failed_attempts": 1,
        }],
        "failed_total": null,
        "unfinished": null,
        "unfinished_total": null,
        "earlier": [{
            "attempt": 1, "kind": "node", "message": null, "failed": [], "started_at": "2026-01-05T05:00:00Z",
            "finished_at": "2026-01-05T05:01:00Z", "waited": "0s", "reason": "",
        }],
        "threads": null,
        "started_at": "2026-01-05T06:00:00Z",
        "finished_at": "2026-01-05T06:01:00Z",
        "now": "2026-01-05T06:01:00Z",
        "seed": 0,
    });
    let mut failure = fill(template, Some(given), "failure")?;
    for node in failure["failed"].as_array_mut().into_iter().flatten() {
        default(node, "unique_id", unique_id);
        let test = matches!(node["resource_type"].as_str(), Some("test" | "unit_test"));
        default(node, "state", |_| json!(if test { "fail" } else { "error" }));
        default(node, "meta", |_| json!({}));
    }
    let length = |list: &Value| json!(list.as_array().map_or(0, Vec::len));
    default(&mut failure, "unfinished", |failure| {
        let failed = failure["failed"].as_array().into_iter().flatten();
        failed.map(|node| node["unique_id"].clone()).collect()
    });
    default(&mut failure, "failed_total", |failure| length(&failure["failed"]));
    default(&mut failure, "unfinished_total", |failure| length(&failure["unfinished"]));
    failure["attempt"] =
        json!({ "run": failure["run"], "step": failure["step"], "attempt": failure["attempt"] });
    serde_json::from_value(failure).context("`[failure]`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    fn parse(text: &str) -> Result<Case> {
        Case::parse("case.toml".to_owned(), text)
    }

    fn answer(decision: RetryDecision) -> Result<RetryAnswer, String> {
        Ok(RetryAnswer { decision, reason: "it is locked".to_owned() })
    }

    #[test]
    fn what_a_case_leaves_out_is_plausible() {
        let text = "[failure]\nkind = \"node\"\nattempt = 2\n[[failure.failed]]\nname = \"orders\"\ntook = \"2s\"\n\
            [[failure.failed]]\nresource_type = \"test\"\nname = \"unique\"\n[expect]\ndecision = \"give-up\"\n";
        let Case { failure, config, .. } = parse(text).unwrap();
        assert_eq!((config.as_str(), failure.kind, failure.attempt.attempt), ("{}", FailureKind::Node, 2));
        assert_eq!(failure.failed[0].took, Some(SignedDuration::from_secs(2)));
        let states: Vec<_> =
            failure.failed.iter().map(|node| (node.unique_id.as_str(), node.state.as_str())).collect();
        assert_eq!(states, [("model.shop.orders", "error"), ("test.shop.unique", "fail")]);
        assert_eq!((failure.failed_total, failure.unfinished_total), (2, 2));
        assert_eq!(failure.unfinished, ["model.shop.orders", "test.shop.unique"]);
    }

    #[test]
    fn differences_name_the_field_and_both_sides() {
        let case = parse(
            "[failure]\n[expect]\ndecision = \"retry\"\nafter = \"60s\"\nscope = \"unfinished\"\nreason = \"locked\"\n",
        )
        .unwrap();
        let retry = |seconds| RetryDecision::Retry {
            after: SignedDuration::from_secs(seconds),
            scope: RetryScope::Unfinished,
            threads: None,
        };
        assert_eq!(case.differences(&answer(retry(60))), None);
        assert_eq!(
            case.differences(&answer(retry(5))).unwrap(),
            "after       expected \"1m\"\n             but got \"5s\"\n"
        );
        let lines = case.differences(&answer(RetryDecision::GiveUp)).unwrap();
        assert!(
            lines.starts_with("decision    expected \"retry\"\n             but got \"give-up\"\n"),
            "{lines}"
        );
        assert!(case.differences(&Err("no".to_owned())).unwrap().contains("a decision"));
        let case = parse("[failure]\n[expect]\nerror = \"unknown field\"").unwrap();
        assert_eq!(case.differences(&Err("an unknown field `x`".to_owned())), None);
        assert!(case.differences(&Err("something".to_owned())).unwrap().contains("…unknown field…"));
        assert!(case.differences(&answer(RetryDecision::GiveUp)).unwrap().starts_with("answer "));
    }

    #[test]
    fn cases_with_mistakes_are_refused() {
        let refused = |text: &str| format!("{:#}", parse(text).map(|_| ()).unwrap_err());
        assert!(refused("[failure]\n[expect]\n").contains("`[expect]` is empty"));
        assert!(refused("[failure]\n[expect]\nerror = \"x\"\nreason = \"y\"").contains("one or the other"));
        let both = "[failure]\n[expect]\ndecision = \"give-up\"\nafter = \"1s\"";
        assert!(refused(both).contains("one or the other"));
        assert!(refused("[failure]\nknd = 1\n[expect]\nreason = \"y\"").contains("unknown field `knd`"));
        assert!(refused("[failure]\nkind = \"x\"\n[expect]\nreason = \"y\"").contains("`[failure]`"));
    }
}
