//! How an asset is, in one word.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{NodeState, ResourceType, Severity};

/// How an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It is built and fresh, and its checks pass.
    Ok,
    /// Something warned, or it was left out when it was to be built.
    Warn,
    /// It could not be built, or a check of it failed.
    Failed,
    /// It is not as fresh as it has to be.
    Late,
    /// A run is at it.
    Running,
    /// Nothing is known of it yet.
    Never,
}

impl Health {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Running => "running",
            Self::Never => "never",
        }
    }
}

/// What its health is made of.
#[derive(Debug, Clone, Copy)]
pub struct Symptoms<'a> {
    /// What it is.
    pub resource_type: &'a ResourceType,
    /// How the last run went that had to do with it; none where none had, or that run is forgotten.
    pub state: Option<&'a NodeState>,
    /// Whether it was ever built.
    pub built: bool,
    /// How many of its checks failed when they were made last.
    pub failed_checks: u32,
    /// How many warned.
    pub warned_checks: u32,
    /// How bad it is that it is late; none where it is not, or need not be fresh.
    pub late: Option<Severity>,
}

/// How an asset is: what runs now first, then what is worst.
pub fn health(symptoms: Symptoms<'_>) -> Health {
    let Symptoms { resource_type, state, built, failed_checks, warned_checks, late } = symptoms;
    // dbt's `error` of a source says that it is older than `error_after`.
    let is_source = *resource_type == ResourceType::Source;
    let stale = is_source && state == Some(&NodeState::Error);
    let stands = match state {
        Some(NodeState::Queued | NodeState::Running) => return Health::Running,
        Some(_) if stale => Health::Ok,
        Some(state) if state.is_failure() => Health::Failed,
        Some(NodeState::Warn | NodeState::Skipped | NodeState::Cancelled) => Health::Warn,
        Some(_) => Health::Ok,
        None if built => Health::Ok,
        None => Health::Never,
    };
    if stands == Health::Failed || failed_checks > 0 {
        return Health::Failed;
    }
    if stale || late == Some(Severity::Error) {
        return Health::Late;
    }
    if stands == Health::Warn || warned_checks > 0 || late.is_some() {
        return Health::Warn;
    }
    stands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_comes_first_and_then_what_is_worst() {
        let model = ResourceType::Model;
        let well = Symptoms {
            resource_type: &model,
            state: Some(&NodeState::Success),
            built: true,
            failed_checks: 0,
            warned_checks: 0,
            late: None,
        };
        assert_eq!(health(well), Health::Ok);
        assert_eq!(health(Symptoms { state: None, ..well }), Health::Ok);
        assert_eq!(health(Symptoms { state: None, built: false, ..well }), Health::Never);
        let ill = Symptoms { failed_checks: 1, late: Some(Severity::Error), warned_checks: 1, ..well };
        assert_eq!(health(Symptoms { state: Some(&NodeState::Running), ..ill }), Health::Running);
        assert_eq!(health(ill), Health::Failed);
        assert_eq!(health(Symptoms { failed_checks: 0, ..ill }), Health::Late);
        assert_eq!(health(Symptoms { warned_checks: 1, ..well }), Health::Warn);
        assert_eq!(health(Symptoms { late: Some(Severity::Warn), ..well }), Health::Warn);
        assert_eq!(
            health(Symptoms { late: Some(Severity::Error), built: false, state: None, ..well }),
            Health::Late
        );
        for (state, expected) in [
            (NodeState::Error, Health::Failed),
            (NodeState::PartialSuccess, Health::Failed),
            (NodeState::Skipped, Health::Warn),
            (NodeState::Cancelled, Health::Warn),
            (NodeState::Reused, Health::Ok),
            (NodeState::NoOp, Health::Ok),
            (NodeState::Queued, Health::Running),
        ] {
            assert_eq!(health(Symptoms { state: Some(&state), ..well }), expected, "{state}");
        }
    }

    #[test]
    fn a_stale_source_is_late_and_one_that_cannot_be_asked_has_failed() {
        let of = |state: &NodeState| {
            health(Symptoms {
                resource_type: &ResourceType::Source,
                state: Some(state),
                built: false,
                failed_checks: 0,
                warned_checks: 0,
                late: None,
            })
        };
        assert_eq!(of(&NodeState::Pass), Health::Ok);
        assert_eq!(of(&NodeState::Warn), Health::Warn);
        assert_eq!(of(&NodeState::Error), Health::Late);
        assert_eq!(of(&NodeState::RuntimeError), Health::Failed);
    }
}
