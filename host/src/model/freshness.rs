//! Freshness: whether assets that have to be fresh are, as events.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Severity;

/// How fresh an asset has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FreshWithin {
    /// How old its last materialization may be.
    #[schema(value_type = String, example = "PT1M30S")]
    pub within: SignedDuration,
    /// When it is looked at; none where it has to be as fresh at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// How bad it is when it is not.
    pub severity: Severity,
}

/// The times at which an asset has to be fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deadline {
    /// A cron expression of five fields.
    pub expression: String,
    /// An IANA time zone.
    pub time_zone: String,
}

/// Whether an asset that has to be fresh is: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssetFreshness {
    /// Whether it is late.
    pub late: bool,
    /// Since when it is, or is not.
    pub since: Timestamp,
    /// How fresh it has to be.
    pub fresh_within: FreshWithin,
    /// When it was materialized last, as far as that mattered.
    pub last: Option<Timestamp>,
}

/// What `dbt source freshness` found of a source, beside its newest row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceFreshness {
    /// When dbt looked.
    pub snapshotted_at: Option<Timestamp>,
    /// Seconds between the newest row and that.
    pub age: Option<f64>,
    /// How old it may be before dbt warns, such as `6 hours`.
    pub warn_after: Option<String>,
    /// How old it may be before dbt fails.
    pub error_after: Option<String>,
}

/// Something that happened to an asset by itself, apart from any run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssetEvent {
    /// The project.
    pub project: String,
    /// dbt's id of the node.
    pub unique_id: String,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: AssetEventKind,
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AssetEventKind {
    /// It was not materialized in time.
    AssetLate {
        /// How fresh it has to be.
        fresh_within: FreshWithin,
        /// When it was materialized last; none where it never was.
        last: Option<Timestamp>,
    },
    /// It is on time, or again.
    AssetOnTime {
        /// How fresh it has to be.
        fresh_within: FreshWithin,
        /// When it was materialized last.
        last: Option<Timestamp>,
    },
    /// It need not be fresh any more.
    FreshnessUnset,
}
