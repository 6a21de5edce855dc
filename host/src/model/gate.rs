//! The gate between runs: a check that failed in one run, and what stands behind it in another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunId;

/// What becomes of nodes that read an asset whose check has failed in an earlier run.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// They are left out, as dbt leaves them out within a run.
    #[default]
    Block,
    /// They are built, and the run says what they stand on.
    Warn,
    /// They are built.
    Ignore,
}

/// A check that has failed, and has not been made again since; nor has its asset been built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedCheck {
    /// dbt's id of the test.
    pub unique_id: String,
    /// The run in which it failed last.
    pub run: RunId,
}

/// A node that stands behind a failed check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gated {
    /// dbt's id of the node.
    pub unique_id: String,
    /// dbt's id of the failed test.
    pub check: String,
}
