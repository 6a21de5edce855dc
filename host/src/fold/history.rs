//! What the end of a node means for the history of its asset or check, which outlives the run.

use crate::model::{NodeRun, NodeState, ResourceType};

/// What a node's end is in that history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// An asset was built.
    Materialized,
    /// A check was made.
    Checked,
    /// The freshness of a source was looked at.
    Looked,
}

/// Whether a node's state says where its asset or check stands, after a step with these arguments: not after a command
/// that only compiles, and not of a node that never began.
pub fn tells(args: &[String], node: &NodeRun) -> bool {
    let executes = matches!(
        args.first().map(String::as_str),
        Some("build" | "run" | "test" | "seed" | "snapshot" | "source")
    );
    let never_began =
        matches!(node.state, NodeState::Queued | NodeState::Cancelled) && node.started_at.is_none();
    executes && !never_began
}

/// What a node's state means after a step with these arguments. dbt says `success` of a model that it has only compiled
/// too, so the command decides what can have been built.
pub fn mark(args: &[String], node: &NodeRun) -> Option<Mark> {
    let command = args.first().map(String::as_str);
    let builds = matches!(command, Some("build" | "run" | "seed" | "snapshot"));
    let checks = matches!(command, Some("build" | "test"));
    if builds && node.resource_type.is_asset() && node.resource_type != ResourceType::Source {
        return node.state.is_materialized().then_some(Mark::Materialized);
    }
    // What was skipped or stopped has found nothing out.
    let made = node.state.is_finished() && !matches!(node.state, NodeState::Skipped | NodeState::Cancelled);
    if command == Some("source") && made && node.resource_type == ResourceType::Source {
        return Some(Mark::Looked);
    }
    (checks && made && node.resource_type.is_check()).then_some(Mark::Checked)
}
