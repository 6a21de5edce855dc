//! What decides about attempts that fail: from the words of the file to a rule.

use std::{collections::BTreeMap, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConfigProblem,
    automation::duration,
    plugin::{misspelt, plugin_reference},
    resolve::{json_map, unfit, unfit_value},
};
use crate::model::{RetryDecision, RetryRule, RetryScope};

/// What decides about attempts that fail.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"none\" or a table with `plugin`")]
pub enum RetryChoice {
    /// Nothing does, also where there is a default.
    Off(RetryOff),
    /// A retry policy.
    Policy(RetryConfig),
}

/// That nothing is tried again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetryOff {
    /// A step that fails ends its run.
    None,
}

/// A retry policy and its configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// `builtin:NAME`, the path of a `.wasm` file relative to this file, or the name of a plugin in the plugins folder.
    pub plugin: String,
    /// What the plugin lets you configure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub config: BTreeMap<String, toml::Value>,
    /// What is done where the plugin cannot be used or gives no answer.
    #[serde(default)]
    pub on_fault: FaultConfig,
    /// How many attempts a step may have, whatever the plugin says. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1))]
    pub max_attempts: u32,
}

/// What is done where the plugin cannot be used or gives no answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"give-up\" or { after = \"60s\", scope = \"unfinished\" }")]
pub enum FaultConfig {
    /// The run has failed.
    GiveUp(GiveUp),
    /// It is tried again.
    Retry(FaultRetry),
}

impl Default for FaultConfig {
    fn default() -> Self {
        Self::GiveUp(GiveUp::GiveUp)
    }
}

/// That nothing is tried again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GiveUp {
    /// The run has failed.
    GiveUp,
}

/// A retry that no plugin has decided upon.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultRetry {
    /// How long to wait first, such as `60s`.
    pub after: String,
    /// What is done again: what is not done, or the whole step.
    #[serde(default = "unfinished")]
    pub scope: RetryScope,
}

fn ten() -> u32 {
    10
}

fn unfinished() -> RetryScope {
    RetryScope::Unfinished
}

/// The rule that a choice makes, and what is wrong with it: the key below `retry` and the problem.
pub(super) fn resolve(
    choice: &RetryChoice,
    base: &Path,
) -> Result<Option<RetryRule>, Vec<(Vec<String>, ConfigProblem)>> {
    let RetryChoice::Policy(policy) = choice else { return Ok(None) };
    let mut problems = Vec::new();
    let plugin = plugin_reference(&policy.plugin, base);
    problems.extend(misspelt(&policy.plugin).map(|problem| (vec!["plugin".to_owned()], problem)));
    for key in unfit(&policy.config) {
        problems.push((vec!["config".to_owned(), key.clone()], unfit_value(key)));
    }
    let on_fault = match &policy.on_fault {
        FaultConfig::GiveUp(GiveUp::GiveUp) => RetryDecision::GiveUp,
        FaultConfig::Retry(retry) => match duration(&retry.after) {
            Ok(after) => RetryDecision::Retry { after, scope: retry.scope, threads: None },
            Err(mut problem) => {
                problem.message = format!("on_fault: {}", problem.message);
                problems.push((vec!["on_fault".to_owned()], problem));
                RetryDecision::GiveUp
            }
        },
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let config = serde_json::Value::Object(json_map(policy.config.clone()).into_iter().collect());
    Ok(Some(RetryRule { plugin, config, on_fault, max_attempts: policy.max_attempts }))
}
