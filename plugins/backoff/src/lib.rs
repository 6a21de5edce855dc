//! A retry policy that looks at nothing but the number of the attempt: so many retries, after a delay that can grow and
//! vary, as Dagster's own policy does it.
//!
//! Owns the count of retries and the words of its reasons. Never looks at what failed: `transient` does.

use pace::{Backoff, Jitter, Pace};
use serde::Deserialize;
use tidegate_plugin::Span;
use tidegate_plugin::retry_policy::{Answer, Failure, RetryPolicy, export_retry_policy};

struct Counted;

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
    /// What is done again.
    scope: Scope,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    Unfinished,
    All,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_retries: 2,
            delay: Span::seconds(60),
            backoff: None,
            jitter: None,
            max_delay: None,
            scope: Scope::Unfinished,
        }
    }
}

impl Config {
    fn pace(&self) -> Pace {
        let Self { delay, backoff, jitter, max_delay, .. } = *self;
        Pace { delay, backoff, jitter, max_delay }
    }
}

impl RetryPolicy for Counted {
    type Config = Config;
    const SUMMARY: &'static str = "Retries so many times, after a delay that can grow and vary.";

    fn decide(config: &Config, failure: &Failure) -> Result<Answer, String> {
        let attempts = config.max_retries.saturating_add(1);
        if failure.attempt >= attempts {
            return Ok(Answer::give_up(match attempts {
                1 => "no retries are wanted".to_owned(),
                _ => format!("attempt {} of {attempts} failed: no retry is left", failure.attempt),
            }));
        }
        let wait = config.pace().wait(failure);
        let next = failure.attempt + 1;
        let again = Answer::retry_after(wait);
        // Where nothing is known of what is not done, dbt failed before there was a plan.
        let again = match config.scope {
            Scope::Unfinished if failure.unfinished_total > 0 => again.unfinished(),
            _ => again.all(),
        };
        Ok(again.because(format!("attempt {next} of {attempts} in {wait}")))
    }

    fn check(config: &Config) -> Result<(), String> {
        config.pace().check()
    }
}

export_retry_policy!(Counted);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tidegate_plugin::retry_policy::{Decision, Retry, Scope as Done};
    use tidegate_plugin::testing::{at_attempt, dbt_failed, decide, failed, failed_node};

    fn broken() -> Failure {
        failed([failed_node("model", "orders", "error", "Binder Error: no column")])
    }

    fn answer(config: Value, attempt: u32) -> (Option<Retry>, String) {
        let answer = decide::<Counted>(config, &at_attempt(broken(), attempt)).unwrap();
        match answer.decision {
            Decision::Retry(retry) => (Some(retry), answer.reason),
            Decision::GiveUp => (None, answer.reason),
        }
    }

    #[test]
    fn retries_are_counted() {
        let again = Retry { after: 60_000, scope: Done::Unfinished, threads: None };
        assert_eq!(answer(json!({}), 1), (Some(again), "attempt 2 of 3 in 60 s".to_owned()));
        assert_eq!(answer(json!({}), 2), (Some(again), "attempt 3 of 3 in 60 s".to_owned()));
        assert_eq!(answer(json!({}), 3), (None, "attempt 3 of 3 failed: no retry is left".to_owned()));
        assert_eq!(answer(json!({}), 4).0, None);
        assert_eq!(answer(json!({"max_retries": 0}), 1), (None, "no retries are wanted".to_owned()));
    }

    #[test]
    fn settings_are_those_of_dagsters_policy() {
        let config = json!({"max_retries": 5, "delay": 30, "backoff": "exponential", "max_delay": "3m"});
        let waits: Vec<_> =
            (1..=5).filter_map(|n| answer(config.clone(), n).0).map(|retry| retry.after / 1000).collect();
        assert_eq!(waits, [30, 90, 180, 180, 180]);
    }

    #[test]
    fn the_whole_step_is_done_again_where_that_is_wanted_or_all_that_is_known() {
        assert_eq!(answer(json!({"scope": "all"}), 1).0.unwrap().scope, Done::All);
        let before_the_plan = decide::<Counted>(json!({}), &dbt_failed("boom")).unwrap();
        let Decision::Retry(retry) = before_the_plan.decision else { panic!("it should be a retry") };
        assert_eq!(retry.scope, Done::All);
    }

    #[test]
    fn mistakes_in_the_configuration_are_told() {
        for (config, words) in [
            (json!({"max_retrys": 1}), "unknown field `max_retrys`, expected one of `max_retries`"),
            (json!({"delay": "soon"}), "`soon` is not a span of time"),
            (json!({"backoff": "square"}), "unknown variant `square`, expected `linear` or `exponential`"),
            (json!({"jitter": "none"}), "expected `full` or `plus-minus`"),
            (json!({"max_delay": "1s"}), "`max_delay` is 1 s, and `delay` is longer: 60 s"),
            (json!({"max_retries": -1}), "invalid value"),
        ] {
            let error = decide::<Counted>(config, &broken()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_answer_repeats_itself_and_says_what_it_does(seed: u64, attempt in 1_u32..20, max_retries in 0_u32..20) {
            let config = json!({"max_retries": max_retries, "jitter": "full", "backoff": "linear"});
            let failure = Failure { seed, ..at_attempt(broken(), attempt) };
            let answer = decide::<Counted>(config.clone(), &failure).unwrap();
            prop_assert_eq!(&answer, &decide::<Counted>(config, &failure).unwrap());
            match answer.decision {
                Decision::GiveUp => prop_assert!(attempt > max_retries),
                Decision::Retry(retry) => {
                    prop_assert!(attempt <= max_retries);
                    prop_assert!(retry.after <= 60_000 * u64::from(attempt));
                    let wait = Span::millis(retry.after);
                    prop_assert_eq!(answer.reason, format!("attempt {} of {} in {wait}", attempt + 1, max_retries + 1));
                }
            }
        }
    }
}
