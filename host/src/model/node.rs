//! The state of a node in a run, in dbt's own words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a node in an attempt. The words are dbt's; what a future dbt may say is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Planned, not yet started.
    Queued,
    /// Started, not yet finished.
    Running,
    /// A model, seed or snapshot was built.
    Success,
    /// A test or a freshness check passed.
    Pass,
    /// A test, a freshness check or (dbt 2) a model ended with a warning.
    Warn,
    /// It failed to run, or a source is staler than `error_after`.
    Error,
    /// A test of severity error found failing rows.
    Fail,
    /// dbt left it out because something above it failed.
    Skipped,
    /// It was running or planned when the run was cancelled or killed.
    Cancelled,
    /// dbt found that it need not be built again.
    Reused,
    /// dbt had nothing to do for it.
    NoOp,
    /// Some batches of a microbatch model failed.
    PartialSuccess,
    /// A freshness query failed.
    RuntimeError,
    /// A word that this version does not know.
    Unknown(String),
}

impl NodeState {
    /// dbt's word for the state.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Reused => "reused",
            Self::NoOp => "no-op",
            Self::PartialSuccess => "partial success",
            Self::RuntimeError => "runtime error",
            Self::Unknown(word) => word,
        }
    }

    /// Whether the node has ended, one way or another.
    pub fn is_finished(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether the node makes its run fail.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Error | Self::Fail | Self::PartialSuccess | Self::RuntimeError | Self::Unknown(_)
        )
    }

    /// Whether a model, seed or snapshot in this state was materialized by the run.
    pub fn is_materialized(&self) -> bool {
        matches!(self, Self::Success | Self::Warn | Self::PartialSuccess)
    }
}

impl From<&str> for NodeState {
    fn from(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "running" | "started" | "compiling" | "executing" => Self::Running,
            "success" => Self::Success,
            "pass" => Self::Pass,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "fail" => Self::Fail,
            "skipped" | "skip" => Self::Skipped,
            "cancelled" => Self::Cancelled,
            "reused" => Self::Reused,
            "no-op" => Self::NoOp,
            "partial success" => Self::PartialSuccess,
            "runtime error" => Self::RuntimeError,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for NodeState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NodeState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}
