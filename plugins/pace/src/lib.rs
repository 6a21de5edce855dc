//! How long a retry policy waits: Dagster's arithmetic, in the words of a configuration.
//!
//! Owns the settings `delay`, `backoff`, `jitter` and `max_delay`, and what they come to. Never decides whether to retry,
//! and never makes up chance: the number comes from the failure.
//!
//! With `n` the number of the attempt that failed, from 1:
//!
//! | `backoff` | the wait `d` |
//! | --- | --- |
//! | none | `delay` |
//! | `linear` | `n · delay` |
//! | `exponential` | `(2ⁿ − 1) · delay` |
//!
//! | `jitter` | becomes |
//! | --- | --- |
//! | none | `d` |
//! | `full` | anything from nothing to `d` |
//! | `plus-minus` | anything from `d − delay` to `d + delay`, and never less than nothing |

use serde::Deserialize;
use std::time::Duration;
use tidegate_plugin::Span;
use tidegate_plugin::retry_policy::Failure;

/// How the wait grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Backoff {
    /// By the delay.
    Linear,
    /// By more than it was.
    Exponential,
}

/// How chance changes the wait, so that what failed together is not tried again together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// To anything up to it.
    Full,
    /// By up to the delay, either way.
    PlusMinus,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The delay that all is reckoned from.
    pub delay: Span,
    /// How it grows; it stays the same where nothing is said.
    pub backoff: Option<Backoff>,
    /// How it varies; it does not where nothing is said.
    pub jitter: Option<Jitter>,
    /// No wait is longer.
    pub max_delay: Option<Span>,
}

/// No wait is longer, whatever the arithmetic says: a run that waits for weeks is a mistake.
pub const LONGEST: Span = Span::seconds(7 * 86_400);

impl Pace {
    /// Says what is wrong with settings that do not go together.
    pub fn check(&self) -> Result<(), String> {
        match self.max_delay {
            Some(max) if max < self.delay => {
                Err(format!("`max_delay` is {max}, and `delay` is longer: {}", self.delay))
            }
            _ => Ok(()),
        }
    }

    /// How long to wait after a failure.
    pub fn wait(&self, failure: &Failure) -> Span {
        self.after(failure.attempt, failure.chance(0))
    }

    /// How long to wait after the attempt of this number, with a number of chance from 0 up to and without 1.
    pub fn after(&self, attempt: u32, chance: f64) -> Span {
        let delay = self.delay.duration().as_millis() as f64;
        let grown = match self.backoff {
            None => delay,
            Some(Backoff::Linear) => delay * f64::from(attempt),
            Some(Backoff::Exponential) => {
                delay * (2_f64.powi(i32::try_from(attempt).unwrap_or(i32::MAX)) - 1.0)
            }
        };
        let most = self.max_delay.unwrap_or(LONGEST).min(LONGEST).duration().as_millis() as f64;
        // Bounded before chance has its say, so that the longest waits vary too; nothing times infinity is no number.
        let bounded = if delay == 0.0 { 0.0 } else { grown.min(most) };
        let varied = match self.jitter {
            None => bounded,
            Some(Jitter::Full) => bounded * chance,
            Some(Jitter::PlusMinus) => bounded + (2.0 * chance - 1.0) * delay,
        };
        let millis = varied.clamp(0.0, most).round() as u64;
        // To the second where that changes little: a reason is read by people.
        let millis =
            if self.jitter.is_some() && millis > 10_000 { (millis + 500) / 1000 * 1000 } else { millis };
        Span::from(Duration::from_millis(millis.min(most as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pace(backoff: Option<Backoff>, jitter: Option<Jitter>) -> Pace {
        Pace { delay: Span::seconds(60), backoff, jitter, max_delay: None }
    }

    fn waits(pace: Pace, chance: f64) -> Vec<u64> {
        (1..=5).map(|attempt| pace.after(attempt, chance).duration().as_secs()).collect()
    }

    #[test]
    fn waits_grow_as_they_do_in_dagster() {
        assert_eq!(waits(pace(None, None), 0.5), [60, 60, 60, 60, 60]);
        assert_eq!(waits(pace(Some(Backoff::Linear), None), 0.5), [60, 120, 180, 240, 300]);
        assert_eq!(waits(pace(Some(Backoff::Exponential), None), 0.5), [60, 180, 420, 900, 1860]);
    }

    #[test]
    fn chance_changes_them_as_it_does_in_dagster() {
        let full = pace(Some(Backoff::Linear), Some(Jitter::Full));
        assert_eq!(waits(full, 0.0), [0, 0, 0, 0, 0]);
        assert_eq!(waits(full, 0.5), [30, 60, 90, 120, 150]);
        let around = pace(Some(Backoff::Exponential), Some(Jitter::PlusMinus));
        assert_eq!(waits(around, 0.0), [0, 120, 360, 840, 1800]);
        assert_eq!(waits(around, 0.5), [60, 180, 420, 900, 1860]);
        assert_eq!(waits(around, 0.75), [90, 210, 450, 930, 1890]);
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let mut pace = pace(Some(Backoff::Exponential), None);
        for attempt in [100, 5000, u32::MAX] {
            assert_eq!(pace.after(attempt, 0.5), LONGEST);
        }
        pace.max_delay = Some(Span::seconds(300));
        assert_eq!(waits(pace, 0.5), [60, 180, 300, 300, 300]);
        pace.delay = Span::seconds(0);
        assert_eq!(pace.after(u32::MAX, 0.5), Span::seconds(0));
    }

    #[test]
    fn a_longest_wait_below_the_delay_is_refused() {
        let mut pace = pace(None, None);
        pace.max_delay = Some(Span::seconds(59));
        assert_eq!(pace.check().unwrap_err(), "`max_delay` is 59 s, and `delay` is longer: 60 s");
        pace.max_delay = Some(Span::seconds(60));
        assert_eq!(pace.check(), Ok(()));
    }

    /// The same in whole numbers, by doubling and adding up: in milliseconds, the least and the most that a wait may be.
    fn bounds(pace: &Pace, attempt: u32) -> (u128, u128) {
        let delay = pace.delay.duration().as_millis();
        let most = pace.max_delay.unwrap_or(LONGEST).min(LONGEST).duration().as_millis();
        let mut grown = delay;
        for number in 2..=attempt {
            grown = match pace.backoff {
                None => grown,
                Some(Backoff::Linear) => grown + delay,
                // d(n) = 2·d(n−1) + delay, which is (2ⁿ − 1)·delay.
                Some(Backoff::Exponential) => 2 * grown + delay,
            };
            if number > 90 {
                break;
            }
        }
        let grown = grown.min(most);
        match pace.jitter {
            None => (grown, grown),
            Some(Jitter::Full) => (0, grown),
            Some(Jitter::PlusMinus) => (grown.saturating_sub(delay), (grown + delay).min(most)),
        }
    }

    fn paces() -> impl Strategy<Value = Pace> {
        let backoff = prop_oneof![Just(None), Just(Some(Backoff::Linear)), Just(Some(Backoff::Exponential))];
        let jitter = prop_oneof![Just(None), Just(Some(Jitter::Full)), Just(Some(Jitter::PlusMinus))];
        let delay = 0_u64..86_400_000;
        let more = prop::option::of(0_u64..86_400_000 * 10);
        (delay, backoff, jitter, more).prop_map(|(delay, backoff, jitter, more)| Pace {
            delay: Span::millis(delay),
            backoff,
            jitter,
            max_delay: more.map(|more| Span::millis(delay + more)),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn waits_are_what_another_reckoning_gives(pace in paces(), attempt in 1_u32..80, chance in 0.0..1.0) {
            let (least, most) = bounds(&pace, attempt);
            let wait = pace.after(attempt, chance).duration().as_millis();
            // Rounding to the second, where chance is in play.
            let slack = if pace.jitter.is_some() { 500 } else { 0 };
            prop_assert!(wait + slack >= least && wait <= most + slack, "{wait} is not in {least}..={most}");
            prop_assert!(wait <= pace.max_delay.unwrap_or(LONGEST).min(LONGEST).duration().as_millis());
        }

        #[test]
        fn more_of_chance_is_more_of_a_wait(pace in paces(), attempt in 1_u32..80, a in 0.0..1.0, b in 0.0..1.0) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(pace.after(attempt, low) <= pace.after(attempt, high));
        }
    }
}
