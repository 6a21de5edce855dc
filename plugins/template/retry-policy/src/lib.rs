//! A retry policy for Tidegate: it waits for a vendor who is down now and then, and gives up on anything else.

use serde::Deserialize;
use tidegate_plugin::Span;
use tidegate_plugin::retry_policy::{Answer, Failure, RetryPolicy, export_retry_policy};

struct Vendor;

/// What can be set in `tidegate.toml`. A setting that is not named here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What stands in the text of an error that will pass.
    text: String,
    /// How long to wait: `30s`, `5m`, or a number of seconds.
    wait: Span,
    /// How many attempts a step has.
    #[serde(default = "three")]
    attempts: u32,
}

fn three() -> u32 {
    3
}

impl RetryPolicy for Vendor {
    type Config = Config;
    const SUMMARY: &'static str = "Waits for a vendor who is down now and then.";

    fn decide(config: &Config, failure: &Failure) -> Result<Answer, String> {
        // Also there: failure.kind, .job, .command, .earlier, .threads, .now, and of a node .tags, .meta(), .failed_attempts.
        let other = failure.failed.iter().find(|node| {
            let text = node.message.as_deref().unwrap_or_default();
            !text.contains(&config.text)
        });
        if let Some(node) = other {
            return Ok(Answer::give_up(format!(
                "`{}` did not fail because of the vendor",
                node.name
            )));
        }
        if failure.failed.is_empty() {
            return Ok(Answer::give_up("no node failed, so it was not the vendor"));
        }
        if failure.attempt >= config.attempts {
            return Ok(Answer::give_up(format!(
                "the vendor was down {} times",
                failure.attempt
            )));
        }
        let reason = format!(
            "the vendor is down: attempt {} of {}",
            failure.attempt + 1,
            config.attempts
        );
        Ok(Answer::retry_after(config.wait)
            .unfinished()
            .because(format!("{reason} in {}", config.wait)))
    }
}

export_retry_policy!(Vendor);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_plugin::testing::{at_attempt, decide, failed, failed_node};

    #[test]
    fn the_vendor_gets_time() {
        let config = json!({"text": "vendor", "wait": "5m"});
        let down = failed([failed_node(
            "model",
            "orders",
            "error",
            "the vendor is down",
        )]);
        let answer = decide::<Vendor>(config.clone(), &down).unwrap();
        let five_minutes = std::time::Duration::from_secs(300);
        let expected = "the vendor is down: attempt 2 of 3 in 5 min";
        assert_eq!(
            answer,
            Answer::retry_after(five_minutes)
                .unfinished()
                .because(expected)
        );

        let answer = decide::<Vendor>(config.clone(), &at_attempt(down, 3)).unwrap();
        assert_eq!(answer, Answer::give_up("the vendor was down 3 times"));
        let broken = failed([failed_node("model", "orders", "error", "syntax error")]);
        let answer = decide::<Vendor>(config, &broken).unwrap();
        assert_eq!(
            answer,
            Answer::give_up("`orders` did not fail because of the vendor")
        );
    }
}
