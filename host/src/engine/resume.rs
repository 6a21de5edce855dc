//! What is left to do of a run that has ended.
//!
//! Owns which nodes count as done. `dbt retry` knows only what dbt wrote down at its end, so it loses what was running or
//! waiting when dbt was stopped; here the plan and everything that dbt said count. Pure: starts nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use crate::{
    dbt::{can_be_narrowed, exact_selectors, narrowed_arguments},
    model::{Attempt, NodeState, Project, ResourceType, Run, RunState, Step, StepRequest, shell_words},
};

/// What is left to do of a step.
enum Rest {
    /// Nothing: all nodes are done.
    Nothing,
    /// Everything: it cannot be told what is done, or dbt cannot be told.
    Whole,
    /// Some of it, by these arguments.
    Some(Vec<String>),
}

/// What is left to do of a run that has ended: the steps of the run that resumes it.
///
/// Steps that let the run go on are left out. The first that did not is narrowed to the nodes that are not done, and to the
/// assets whose tests failed, with their other tests; later steps follow as they were.
///
/// # Errors
///
/// Where the run has not ended, or has nothing left to do.
pub fn resume(run: &Run, project: &Project) -> Result<Vec<StepRequest>, Refusal> {
    let again = match &run.request.job {
        Some(job) => format!("to run it anew: tidegate run {job}"),
        None if run.request.launch.command.is_empty() => "launch it anew".to_owned(),
        None => format!("to run it anew: {}", shell_words(&run.request.launch.command)),
    };
    let refuse = |message: String, hint: String| Err(Refusal { message, hint: Some(hint) });
    match run.state {
        RunState::Queued | RunState::Running => {
            return refuse(
                format!("run {} is still {}: there is nothing to resume yet", run.id, run.state),
                "wait for its end, or cancel it".to_owned(),
            );
        }
        RunState::Succeeded | RunState::Warned | RunState::Empty => {
            return refuse(
                format!("run {} {}: there is nothing to resume", run.id, outcome(run.state)),
                again,
            );
        }
        RunState::Incomplete
        | RunState::Failed
        | RunState::Cancelled
        | RunState::Interrupted
        | RunState::Refused => {}
    }
    let mut steps = Vec::new();
    let mut left = run.steps.iter().skip_while(|step| step.state.lets_go_on());
    if let Some(step) = left.next() {
        match rest(step, project) {
            Rest::Nothing => {}
            Rest::Whole => steps.push(StepRequest { args: step.args.clone() }),
            Rest::Some(args) => steps.push(StepRequest { args }),
        }
    }
    steps.extend(left.map(|step| StepRequest { args: step.args.clone() }));
    if steps.is_empty() {
        let message = format!("run {} {}, but all of its nodes are done", run.id, outcome(run.state));
        return refuse(message, again);
    }
    Ok(steps)
}

/// A state as the end of a sentence about a run.
fn outcome(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "is queued",
        RunState::Running => "is running",
        RunState::Succeeded => "succeeded",
        RunState::Warned => "succeeded with warnings",
        RunState::Incomplete => "is incomplete",
        RunState::Failed => "failed",
        RunState::Empty => "found nothing to do",
        RunState::Cancelled => "was cancelled",
        RunState::Interrupted => "was interrupted",
        RunState::Refused => "could not be started",
    }
}

/// What another attempt at a step does that is to do what is not done, and the nodes that are not done. All of the step,
/// where nobody can tell what is done, or all nodes are and dbt failed even so.
pub(super) fn unfinished(step: &Step, project: &Project) -> (Vec<String>, Vec<String>) {
    let args = match rest(step, project) {
        Rest::Some(args) => args,
        Rest::Nothing | Rest::Whole => step.args.clone(),
    };
    (args, left(step, project).into_iter().collect())
}

/// The nodes of a run that are not done, as far as any attempt has told.
pub(super) fn not_done(run: &Run, project: &Project) -> BTreeSet<String> {
    run.steps.iter().flat_map(|step| left(step, project)).collect()
}

fn rest(step: &Step, project: &Project) -> Rest {
    if !can_be_narrowed(&step.args) || !step.attempts.iter().any(|attempt| tells_all(step, attempt)) {
        return Rest::Whole;
    }
    let left = left(step, project);
    if left.is_empty() {
        return Rest::Nothing;
    }
    let selectors = exact_selectors(project, left.iter().map(String::as_str));
    narrowed_arguments(&step.args, &selectors).map_or(Rest::Whole, Rest::Some)
}

/// The nodes that are not done, as far as any attempt at the step has told, and those that have to be done with them.
fn left(step: &Step, project: &Project) -> BTreeSet<String> {
    let states = last_states(step);
    let mut left: BTreeSet<&str> =
        states.iter().filter(|(_, (state, _))| !is_done(state)).map(|(id, _)| *id).collect();
    // Running a failed test alone would look at the same rows again.
    let failed = states.iter().filter(|(_, (state, _))| **state == NodeState::Fail);
    let looked_at = failed.filter_map(|(id, _)| project.check(id)).flat_map(|check| &check.assets);
    let rebuilt: BTreeSet<&str> = looked_at
        .map(String::as_str)
        .filter(|id| states.get(id).is_some_and(|(_, kind)| **kind != ResourceType::Source))
        .collect();
    for asset in rebuilt.iter().filter_map(|id| project.asset(id)) {
        left.extend(asset.checks.iter().map(String::as_str).filter(|check| states.contains_key(check)));
    }
    left.extend(rebuilt);
    left.into_iter().map(str::to_owned).collect()
}

/// Whether an attempt knows all nodes of the step: it was planned, or dbt came to its end and told of each.
fn tells_all(step: &Step, attempt: &Attempt) -> bool {
    // With --fail-fast, older dbt says nothing of what it did not start.
    let stops_early = step.args.iter().any(|arg| {
        arg == "--fail-fast" || arg.starts_with('-') && !arg.starts_with("--") && arg.contains('x')
    });
    let ended = attempt.exit.as_ref().is_some_and(|exit| {
        matches!(exit.code, Some(0 | 1))
            && exit.signal.is_none()
            && !exit.cancelled
            && exit.spawn_error.is_none()
    });
    attempt.planned.is_some() || ended && attempt.has_results && !stops_early && !attempt.nodes.is_empty()
}

/// Where each node of the step stands after all of its attempts.
fn last_states(step: &Step) -> BTreeMap<&str, (&NodeState, &ResourceType)> {
    let mut states: BTreeMap<&str, (&NodeState, &ResourceType)> = BTreeMap::new();
    for node in step.attempts.iter().flat_map(|attempt| attempt.nodes.values()) {
        // An attempt that never came to a node leaves it as it was.
        let untouched = match node.state {
            NodeState::Queued => true,
            NodeState::Cancelled => node.started_at.is_none(),
            _ => false,
        };
        let was_done = states.get(node.unique_id.as_str()).is_some_and(|(state, _)| is_done(state));
        if !(untouched && was_done) {
            states.insert(&node.unique_id, (&node.state, &node.resource_type));
        }
    }
    states
}

fn is_done(state: &NodeState) -> bool {
    match state {
        NodeState::Success | NodeState::Pass | NodeState::Warn | NodeState::NoOp | NodeState::Reused => true,
        NodeState::Queued
        | NodeState::Running
        | NodeState::Error
        | NodeState::Fail
        | NodeState::Skipped
        | NodeState::Cancelled
        | NodeState::PartialSuccess
        | NodeState::RuntimeError
        | NodeState::Unknown(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests;
