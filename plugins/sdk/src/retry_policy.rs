//! Retry policies: what is done about an attempt that failed.
//!
//! Owns the trait that an author implements, what is worth having on [`Failure`], the way to an [`Answer`], and the macro
//! that makes a component of it all. Never decides: how often and how long is the author's to say.
//!
//! ```
//! use std::time::Duration;
//! use tidegate_plugin::NoConfig;
//! use tidegate_plugin::retry_policy::{Answer, Failure, RetryPolicy, export_retry_policy};
//!
//! struct Once;
//!
//! impl RetryPolicy for Once {
//!     type Config = NoConfig;
//!     const SUMMARY: &'static str = "Tries once more, after a minute.";
//!
//!     fn decide(_: &NoConfig, failure: &Failure) -> Result<Answer, String> {
//!         if failure.attempt > 1 {
//!             return Ok(Answer::give_up("it failed twice"));
//!         }
//!         Ok(Answer::retry_after(Duration::from_secs(60)).unfinished().because("attempt 2 of 2 in 60 s"))
//!     }
//! }
//!
//! export_retry_policy!(Once);
//! ```

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

pub use crate::bindings::retry_policy::exports::tidegate::retry_policy::retrying::{
    Answer, Decision, Description, EarlierAttempt, FailedNode, Failure, Retry, Scope,
};
pub use crate::export_retry_policy;

/// A retry policy. [`export_retry_policy!`] makes the component of it.
pub trait RetryPolicy {
    /// What the operator can set, as `config` in `[jobs.NAME.retry]` of `tidegate.toml`; without it, serde gets an empty map.
    /// Put `#[serde(deny_unknown_fields)]` on it, so that a misspelt setting is an error; a plugin that has nothing to set
    /// uses [`NoConfig`](crate::NoConfig).
    type Config: DeserializeOwned;

    /// One sentence for listings: what the policy does.
    const SUMMARY: &'static str;

    /// What to do about a failure.
    ///
    /// The answer must depend on the arguments alone: the time and a seed for chance are in the failure. An error is a
    /// sentence for people; the operator's default answer applies then. Do not panic: in a component, the message is lost.
    fn decide(config: &Self::Config, failure: &Failure) -> Result<Answer, String>;

    /// Says what is wrong with a configuration that serde accepts. The default accepts each of them.
    fn check(_config: &Self::Config) -> Result<(), String> {
        Ok(())
    }
}

impl Failure {
    /// The `kind` that says that a node failed.
    pub const NODE: &'static str = "node";
    /// The `kind` that says that dbt itself failed.
    pub const DBT: &'static str = "dbt";
    /// The `kind` that says that a signal ended dbt.
    pub const KILLED: &'static str = "killed";
    /// The `kind` that says that dbt could not be started.
    pub const NOT_STARTED: &'static str = "not-started";

    /// A number from 0 up to and without 1, for chance: another one for each attempt and each `purpose`, the same whenever
    /// the call is repeated.
    pub fn chance(&self, purpose: u64) -> f64 {
        // SplitMix64: neighbouring seeds give numbers that have nothing to do with each other.
        let mut mixed = self
            .seed
            .wrapping_add(purpose.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A value that a later version of Tidegate added under this name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        crate::data::named(&self.extra, name)
    }
}

impl FailedNode {
    /// The node's `meta` as a JSON object. A part of it: `node.meta().pointer("/retry/after")`.
    pub fn meta(&self) -> Value {
        crate::data::object(&self.meta)
    }

    /// A value that a later version of Tidegate added under this name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        crate::data::named(&self.extra, name)
    }
}

impl Answer {
    /// The run has failed, and why there is no other attempt.
    pub fn give_up(reason: impl Into<String>) -> Self {
        Self {
            decision: Decision::GiveUp,
            reason: reason.into(),
        }
    }

    /// Another attempt after so long; [`Again::because`] makes the answer of it.
    pub fn retry_after(wait: impl Into<Duration>) -> Again {
        let after = u64::try_from(wait.into().as_millis()).unwrap_or(u64::MAX);
        Again(Retry {
            after,
            scope: Scope::Unfinished,
            threads: None,
        })
    }
}

/// Another attempt, and not yet why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "`because` makes an answer of it"]
pub struct Again(Retry);

impl Again {
    /// It does what is not done: nodes that failed, what was skipped because of them, what dbt never came to. Where nothing
    /// else is said, this is meant.
    pub fn unfinished(mut self) -> Self {
        self.0.scope = Scope::Unfinished;
        self
    }

    /// It does the whole step.
    pub fn all(mut self) -> Self {
        self.0.scope = Scope::All;
        self
    }

    /// dbt has so many threads in it. More than before is not heeded.
    pub fn threads(mut self, threads: u32) -> Self {
        self.0.threads = Some(threads);
        self
    }

    /// The answer, with one sentence for people.
    pub fn because(self, reason: impl Into<String>) -> Answer {
        Answer {
            decision: Decision::Retry(self.0),
            reason: reason.into(),
        }
    }
}

/// What the contract's `check-config` answers.
#[doc(hidden)]
pub fn check_config<T: RetryPolicy>(config: &str) -> Result<(), String> {
    configured::<T>(config).map(drop)
}

/// What the contract's `decide` answers.
#[doc(hidden)]
pub fn decide<T: RetryPolicy>(config: &str, failure: &Failure) -> Result<Answer, String> {
    T::decide(&configured::<T>(config)?, failure)
}

fn configured<T: RetryPolicy>(config: &str) -> Result<T::Config, String> {
    let config = crate::config::parse(config)?;
    T::check(&config)?;
    Ok(config)
}

/// Makes the crate a component whose retry policy is the type that is given, which implements
/// [`RetryPolicy`](crate::retry_policy::RetryPolicy). The component's name and version are the crate's.
///
/// On other targets than WebAssembly it exports nothing, so that a plugin's tests run natively.
#[macro_export]
macro_rules! export_retry_policy {
    ($policy:ty) => {
        #[allow(dead_code)]
        const _: () = {
            use bindings::exports::tidegate::retry_policy::retrying;
            use $crate::bindings::retry_policy as bindings;

            struct Component;

            impl retrying::Guest for Component {
                fn describe() -> retrying::Description {
                    retrying::Description {
                        name: ::core::env!("CARGO_PKG_NAME").into(),
                        version: ::core::env!("CARGO_PKG_VERSION").into(),
                        summary: <$policy as $crate::retry_policy::RetryPolicy>::SUMMARY.into(),
                    }
                }

                fn check_config(
                    config: ::std::string::String,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::retry_policy::check_config::<$policy>(&config)
                }

                fn decide(
                    config: ::std::string::String,
                    failure: retrying::Failure,
                ) -> ::core::result::Result<retrying::Answer, ::std::string::String> {
                    $crate::retry_policy::decide::<$policy>(&config, &failure)
                }
            }

            #[cfg(target_arch = "wasm32")]
            bindings::export_component! { Component with_types_in bindings }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Span, testing};
    use serde_json::json;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        wait: Span,
    }

    struct Patient;

    impl RetryPolicy for Patient {
        type Config = Config;
        const SUMMARY: &'static str = "Waits.";

        fn decide(config: &Config, failure: &Failure) -> Result<Answer, String> {
            match failure.attempt {
                1 => Ok(Answer::retry_after(config.wait)
                    .all()
                    .threads(2)
                    .because("once more")),
                2 => Ok(Answer::give_up("enough")),
                _ => Err("it should have ended".to_owned()),
            }
        }

        fn check(config: &Config) -> Result<(), String> {
            if config.wait == Span::default() {
                return Err("`wait` has to be longer than nothing".to_owned());
            }
            Ok(())
        }
    }

    crate::export_retry_policy!(Patient);

    #[test]
    fn an_answer_is_put_together_in_words() {
        let mut failure = testing::failure();
        let config = r#"{"wait": "2m"}"#;
        let retry = Retry {
            after: 120_000,
            scope: Scope::All,
            threads: Some(2),
        };
        assert_eq!(
            decide::<Patient>(config, &failure),
            Ok(Answer {
                decision: Decision::Retry(retry),
                reason: "once more".to_owned()
            })
        );
        failure.attempt = 2;
        assert_eq!(
            decide::<Patient>(config, &failure),
            Ok(Answer {
                decision: Decision::GiveUp,
                reason: "enough".to_owned()
            })
        );
        failure.attempt = 3;
        assert_eq!(
            decide::<Patient>(config, &failure).unwrap_err(),
            "it should have ended"
        );
    }

    #[test]
    fn what_is_unfinished_is_done_again_where_nothing_else_is_said() {
        let Decision::Retry(retry) = Answer::retry_after(Duration::ZERO).because("").decision
        else {
            panic!("it should be a retry");
        };
        assert_eq!(
            retry,
            Retry {
                after: 0,
                scope: Scope::Unfinished,
                threads: None
            }
        );
    }

    #[test]
    fn a_wrong_configuration_is_refused_before_any_decision() {
        assert_eq!(check_config::<Patient>(r#"{"wait": 1}"#), Ok(()));
        let error = "`wait` has to be longer than nothing";
        assert_eq!(check_config::<Patient>("{}").unwrap_err(), error);
        assert_eq!(
            decide::<Patient>("{}", &testing::failure()).unwrap_err(),
            error
        );
        assert!(
            check_config::<Patient>(r#"{"wiat": 1}"#)
                .unwrap_err()
                .contains("expected `wait`")
        );
    }

    #[test]
    fn chance_is_spread_over_its_range_and_repeats_itself() {
        let mut failure = testing::failure();
        let mut tenths = [0; 10];
        for seed in 0..10_000 {
            failure.seed = seed;
            let chance = failure.chance(0);
            assert!((0.0..1.0).contains(&chance));
            assert!(
                chance.to_bits() == failure.chance(0).to_bits()
                    && chance.to_bits() != failure.chance(1).to_bits()
            );
            tenths[(chance * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|&count| (850..1150).contains(&count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn meta_and_extra_are_read_as_promised() {
        let mut node = testing::failed_node("model", "orders", "error", "boom");
        node.meta = r#"{"retry": {"after": "5m"}}"#.to_owned();
        node.extra = vec![("engine".to_owned(), "fusion".to_owned())];
        assert_eq!(node.meta().pointer("/retry/after"), Some(&json!("5m")));
        assert_eq!(
            (node.extra("engine"), node.extra("other")),
            (Some("fusion"), None)
        );
        node.meta = "null".to_owned();
        assert_eq!(node.meta(), json!({}));
    }
}
