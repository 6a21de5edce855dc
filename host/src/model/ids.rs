//! Names of things: runs, attempts, and dbt's resource types.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A run's number, counted from 1 within a state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(RunId).map_err(|_| {
            format!("`{text}` is not a run id: run ids are whole numbers, and `tidegate runs` lists them")
        })
    }
}

/// One dbt process of a run: the step and the attempt at it, both counted from 1. Written `RUN.STEP.ATTEMPT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The step of the run's job, from 1.
    pub step: u32,
    /// The attempt at the step, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.run, self.step, self.attempt)
    }
}

/// dbt's resource type of a node. Types that Tidegate has no use for are kept by their name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// A model.
    Model,
    /// A seed.
    Seed,
    /// A snapshot.
    Snapshot,
    /// A table of a source.
    Source,
    /// A data test, generic or singular.
    Test,
    /// A unit test.
    UnitTest,
    /// An exposure.
    Exposure,
    /// Any other type, such as `operation`, `function` or `saved_query`.
    Other(String),
}

impl ResourceType {
    /// dbt's word for the type.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Source => "source",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
            Self::Exposure => "exposure",
            Self::Other(name) => name,
        }
    }

    /// The type that a dbt unique id begins with: `model.shop.orders` is a model.
    pub fn of_unique_id(unique_id: &str) -> Self {
        Self::from(unique_id.split('.').next().unwrap_or_default())
    }

    /// Whether nodes of this type are assets.
    pub fn is_asset(&self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot | Self::Source)
    }

    /// Whether nodes of this type are checks.
    pub fn is_check(&self) -> bool {
        matches!(self, Self::Test | Self::UnitTest)
    }
}

impl From<&str> for ResourceType {
    fn from(name: &str) -> Self {
        match name {
            "model" => Self::Model,
            "seed" => Self::Seed,
            "snapshot" => Self::Snapshot,
            "source" => Self::Source,
            "test" => Self::Test,
            "unit_test" => Self::UnitTest,
            "exposure" => Self::Exposure,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ResourceType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ResourceType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}
