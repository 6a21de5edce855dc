//! Notifications: what someone is told, and what a notifier makes of it. Serialized, they are what is in the outbox.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunId;

/// Something that someone should know. Lists are cut as `wit/notifier` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Its id: the same each time that it is rendered and sent.
    pub id: String,
    /// What happened.
    pub kind: NotificationKind,
    /// When.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// More sentences.
    pub text: Option<String>,
    /// The alert that asked for it.
    pub alert: String,
    /// The project.
    pub project: Option<String>,
    /// The job.
    pub job: Option<String>,
    /// The run.
    pub run: Option<NotifiedRun>,
    /// The nodes that it is about, worst first.
    pub nodes: Vec<NotifiedNode>,
    /// How many there are.
    pub nodes_total: u32,
    /// The keys of the assets that were skipped because of them.
    pub skipped: Vec<String>,
    /// How many there are.
    pub skipped_total: u32,
    /// The owners of all of its nodes.
    pub owners: Vec<String>,
    /// A page about it.
    pub link: Option<String>,
}

/// What a notification tells of.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// A run's turn came.
    RunStarted,
    /// A run ended well.
    RunSucceeded,
    /// A run failed, was refused, or was interrupted for good.
    RunFailed,
    /// A run ended well after the one of its job before it had failed.
    RunRecovered,
    /// Someone cancelled a run.
    RunCancelled,
    /// A run ended in which nothing failed, but something was skipped.
    RunIncomplete,
    /// A run has not ended in time.
    RunLate,
    /// A retry policy wants another attempt.
    RetryScheduled,
    /// An asset failed.
    AssetFailed,
    /// An asset that had failed was built.
    AssetRecovered,
    /// A check failed.
    CheckFailed,
    /// A check that had failed passed.
    CheckRecovered,
    /// A source is older than its `warn_after`.
    FreshnessWarn,
    /// A source is older than its `error_after`, or an asset older than its `fresh_within`.
    FreshnessError,
    /// A source or an asset is fresh again.
    FreshnessRecovered,
    /// Ticks of a schedule passed without a run.
    ScheduleMissed,
    /// Someone tries out a destination.
    Test,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NotificationSeverity)]
pub enum Severity {
    /// All is well, or well again.
    Info,
    /// Someone should have a look.
    Warning,
    /// Something is broken.
    Error,
}

impl NotificationKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::RunStarted,
        Self::RunSucceeded,
        Self::RunFailed,
        Self::RunRecovered,
        Self::RunCancelled,
        Self::RunIncomplete,
        Self::RunLate,
        Self::RetryScheduled,
        Self::AssetFailed,
        Self::AssetRecovered,
        Self::CheckFailed,
        Self::CheckRecovered,
        Self::FreshnessWarn,
        Self::FreshnessError,
        Self::FreshnessRecovered,
        Self::ScheduleMissed,
        Self::Test,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run_started",
            Self::RunSucceeded => "run_succeeded",
            Self::RunFailed => "run_failed",
            Self::RunRecovered => "run_recovered",
            Self::RunCancelled => "run_cancelled",
            Self::RunIncomplete => "run_incomplete",
            Self::RunLate => "run_late",
            Self::RetryScheduled => "retry_scheduled",
            Self::AssetFailed => "asset_failed",
            Self::AssetRecovered => "asset_recovered",
            Self::CheckFailed => "check_failed",
            Self::CheckRecovered => "check_recovered",
            Self::FreshnessWarn => "freshness_warn",
            Self::FreshnessError => "freshness_error",
            Self::FreshnessRecovered => "freshness_recovered",
            Self::ScheduleMissed => "schedule_missed",
            Self::Test => "test",
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::RunFailed | Self::AssetFailed | Self::CheckFailed | Self::FreshnessError => Severity::Error,
            Self::RunCancelled
            | Self::RunIncomplete
            | Self::RunLate
            | Self::RetryScheduled
            | Self::FreshnessWarn
            | Self::ScheduleMissed => Severity::Warning,
            Self::RunStarted
            | Self::RunSucceeded
            | Self::RunRecovered
            | Self::AssetRecovered
            | Self::CheckRecovered
            | Self::FreshnessRecovered
            | Self::Test => Severity::Info,
        }
    }
}

impl Severity {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The run that a notification is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotifiedRun {
    /// Its number.
    pub id: RunId,
    /// Where it stands.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it.
    pub user: String,
    /// How.
    pub via: String,
    /// dbt's target.
    pub target: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How long it took.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub took: Option<SignedDuration>,
    /// How long its job usually takes.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub usually_took: Option<SignedDuration>,
    /// How many nodes ended in each state.
    pub counts: Vec<(String, u32)>,
    /// Its attempts, oldest first.
    pub attempts: Vec<NotifiedAttempt>,
    /// A page about it.
    pub link: Option<String>,
}

/// An attempt of that run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotifiedAttempt {
    /// The number of the step, from 1.
    pub step: u32,
    /// The number of the attempt at it, from 1.
    pub attempt: u32,
    /// The dbt command as one types it.
    pub command: String,
    /// How it ended.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// What the retry policy decided about it, and why.
    pub decision: Option<String>,
    /// How long it took.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub took: Option<SignedDuration>,
}

/// A node that a notification is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotifiedNode {
    /// dbt's id.
    pub unique_id: String,
    /// The asset's key; of a check, that of the asset it looks at.
    pub asset_key: Option<String>,
    /// dbt's resource type.
    pub resource_type: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub state: String,
    /// The line of dbt's text that says most.
    pub message: Option<String>,
    /// dbt's text.
    pub detail: Option<String>,
    /// Of a test: rows that failed it.
    pub failures: Option<u64>,
    /// Of a test: a query that shows them.
    pub query: Option<String>,
    /// The file that defines it.
    pub path: Option<String>,
    /// Its owners.
    pub owners: Vec<String>,
    /// How long it took.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub took: Option<SignedDuration>,
    /// A page about it.
    pub link: Option<String>,
}

/// Where a notifier's request can go, as the notifier knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DestinationName {
    /// The operator's name for it.
    pub name: String,
    /// `http`, `smtp`, `file` or `stdout`.
    pub kind: String,
}

/// What a notifier wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryRequest {
    /// The name of a destination.
    pub destination: String,
    /// Of `http`: the method.
    pub method: String,
    /// Of `http`: what is put behind the destination's address.
    pub path: String,
    /// Headers, as `wit/notifier` says.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "text_or_bytes")]
    #[schema(value_type = String)]
    pub body: Vec<u8>,
}

/// Bodies are texts as a rule, and read best so; others are lists of numbers.
mod text_or_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn serialize<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(body) {
            Ok(text) => text.serialize(serializer),
            Err(_) => body.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Body::deserialize(deserializer)? {
            Body::Text(text) => text.into_bytes(),
            Body::Bytes(bytes) => bytes,
        })
    }
}
