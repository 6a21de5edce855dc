//! Retries: what a retry policy is told about a failure, and what it decides.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AttemptId, PluginRecord};

/// The retry policy of a run, resolved: later changes of the configuration do not change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetryRule {
    /// The plugin: `builtin:NAME`, an absolute path, or a name in the plugins folder.
    pub plugin: String,
    /// Its configuration, a JSON object.
    pub config: serde_json::Value,
    /// What is done where the policy faults.
    pub on_fault: RetryDecision,
    /// How many attempts a step may have, whatever the policy says.
    pub max_attempts: u32,
}

/// What is to be done about an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum RetryDecision {
    /// The run has failed.
    GiveUp,
    /// Another attempt follows.
    Retry {
        /// How long to wait first.
        #[schema(value_type = String, example = "PT1M30S")]
        after: SignedDuration,
        /// What it does again.
        scope: RetryScope,
        /// With how many threads; none for as many as before.
        threads: Option<u32>,
    },
}

/// What a retry policy answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetryAnswer {
    /// What is to be done.
    #[serde(flatten)]
    pub decision: RetryDecision,
    /// Why, for people.
    pub reason: String,
}

/// What another attempt does again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetryScope {
    /// The whole step.
    All,
    /// What is not done: nodes that failed, what was skipped because of them, and what dbt never came to.
    Unfinished,
}

/// A decision about an attempt, as it is on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// What is done.
    #[serde(flatten)]
    pub decision: RetryDecision,
    /// Why, for people.
    pub reason: String,
    /// The plugin that decided; none where it could not be loaded.
    pub plugin: Option<PluginRecord>,
    /// Why the declared default applies and not the plugin's answer.
    pub fault: Option<String>,
    /// When the next attempt is due; none where there is none.
    pub due: Option<Timestamp>,
    /// dbt's arguments of the next attempt; none where there is none.
    pub args: Option<Vec<String>>,
}

/// A failure, as a retry policy is told of it. Lists are cut as `wit/retry-policy` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The project.
    pub project: String,
    /// The job; none for a selection that was materialized by hand.
    pub job: Option<String>,
    /// Run, step and number of the attempt.
    pub attempt: AttemptId,
    /// dbt's arguments in the step, from the subcommand on.
    pub command: Vec<String>,
    /// What failed.
    pub kind: FailureKind,
    /// dbt's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended dbt.
    pub signal: Option<i32>,
    /// Why the attempt failed.
    pub message: Option<String>,
    /// The nodes that failed.
    pub failed: Vec<FailedNode>,
    /// How many failed.
    pub failed_total: u32,
    /// The nodes that are not done.
    pub unfinished: Vec<String>,
    /// How many are not done.
    pub unfinished_total: u32,
    /// The attempts at the step before this one, oldest first.
    pub earlier: Vec<EarlierAttempt>,
    /// How many threads dbt had.
    pub threads: Option<u32>,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The time of the question.
    pub now: Timestamp,
    /// A number for chance: the same each time that this attempt is asked about.
    pub seed: u64,
}

/// What failed in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// At least one node.
    Node,
    /// dbt itself.
    Dbt,
    /// A signal ended dbt.
    Killed,
    /// dbt could not be started.
    NotStarted,
}

impl FailureKind {
    /// Its name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Dbt => "dbt",
            Self::Killed => "killed",
            Self::NotStarted => "not-started",
        }
    }
}

/// A node that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailedNode {
    /// dbt's id.
    pub unique_id: String,
    /// dbt's resource type.
    pub resource_type: String,
    /// Its name.
    pub name: String,
    /// dbt's word for how it ended.
    pub state: String,
    /// dbt's text about it.
    pub message: Option<String>,
    /// Of a test: rows that failed it.
    pub failures: Option<u64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub took: Option<SignedDuration>,
    /// dbt's tags.
    pub tags: Vec<String>,
    /// Its meta, a JSON object.
    pub meta: serde_json::Value,
    /// In how many attempts at the step it has failed, this one included.
    pub failed_attempts: u32,
}

/// An attempt before the one that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EarlierAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// What failed in it.
    pub kind: FailureKind,
    /// Why it failed.
    pub message: Option<String>,
    /// The nodes that failed in it.
    pub failed: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long the policy waited after it.
    #[schema(value_type = String, example = "PT1M30S")]
    pub waited: SignedDuration,
    /// The reason that it gave.
    pub reason: String,
}
