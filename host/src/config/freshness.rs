//! How fresh assets have to be: from the words of the file to values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConfigProblem, OneOrMany,
    automation::{duration, zone},
};
use crate::{
    model::{Deadline, FreshWithin, Severity},
    schedule::Schedule,
};

/// How fresh a selection of assets has to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessConfig {
    /// What is selected, in dbt's selection syntax, or `key:ASSET/KEY`; several are united.
    pub select: OneOrMany,
    /// How old the last materialization may be, such as `24h`.
    pub fresh_within: String,
    /// When that is looked at: a cron expression, such as `0 9 * * *`. Default: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The time zone of the deadline. Default: the one at the top of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How bad it is when an asset is late: `error` or `warn`. Default: `error`.
    #[serde(default = "error")]
    #[schemars(with = "SeverityConfig")]
    pub severity: Severity,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum SeverityConfig {
    Error,
    Warn,
}

fn error() -> Severity {
    Severity::Error
}

/// How fresh a selection of assets has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// The selection, in dbt's syntax or by key.
    pub select: Vec<String>,
    /// How fresh.
    #[serde(flatten)]
    pub fresh_within: FreshWithin,
}

/// How fresh a selection of assets has to be.
pub(super) fn resolve(rule: &FreshnessConfig, around: &str) -> Result<Freshness, ConfigProblem> {
    let of = |p: ConfigProblem| p.of("freshness");
    let select = rule.select.as_slice().to_vec();
    if select.is_empty() {
        return Err(of(
            ConfigProblem::new("`select` is empty").hint("name what has to be fresh: `tag:daily`")
        ));
    }
    if let Some(odd) = select.iter().find(|part| part.starts_with('-') || part.trim().is_empty()) {
        return Err(of(ConfigProblem::new(format!("`{odd}` is not a selection"))));
    }
    let within = duration(&rule.fresh_within).map_err(of)?;
    let named = rule.time_zone.as_deref().unwrap_or(around);
    let deadline = match &rule.deadline {
        None => None,
        Some(expression) => {
            let zone = zone(named).map_err(of)?;
            Schedule::parse(std::slice::from_ref(expression), zone)
                .map_err(|reason| of(ConfigProblem::new(format!("`deadline`: {reason}"))))?;
            Some(Deadline { expression: expression.clone(), time_zone: named.to_owned() })
        }
    };
    Ok(Freshness { select, fresh_within: FreshWithin { within, deadline, severity: rule.severity } })
}
