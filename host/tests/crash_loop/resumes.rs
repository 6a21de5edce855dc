//! Runs that were interrupted, and those that do what was left of them.

use tidegate::model::{Run, RunState};

use crate::rounds::Loop;

/// So many in a row.
const IN_A_ROW: usize = 3;

/// All that is not as it must be.
pub fn problems(all: &Loop, runs: &[Run]) -> Vec<String> {
    let mut problems = Vec::new();
    for run in runs {
        let children: Vec<_> = runs.iter().filter(|child| child.request.resumes == Some(run.id)).collect();
        let ids: Vec<_> = children.iter().map(|child| child.id.0).collect();
        let named = |child: &&Run| {
            child.request.key == format!("resume:{}", run.id) && child.request.launch.via == "resume"
        };
        if !children.iter().all(named) || children.len() > 1 {
            problems.push(format!("run {} is resumed by {ids:?}", run.id));
        }
        let is_due = is_gone(run) && chain(runs, run) < IN_A_ROW;
        if !is_due && !children.is_empty() {
            problems
                .push(format!("run {}, {}, is resumed by {ids:?}, and nobody wants that", run.id, run.state));
        }
        // A host that is there for an errand resumes nothing.
        if is_due && children.is_empty() && all.ended_by_service.contains(&run.id.0) {
            problems.push(format!("run {} was interrupted, and nobody resumes it", run.id));
        }
    }
    problems
}

/// Whether a run ended as one does that its job wants to be resumed: its process is gone, or its host was stopped.
fn is_gone(run: &Run) -> bool {
    let last = run.steps.iter().flat_map(|step| &step.attempts).last();
    run.state == RunState::Interrupted
        && run.request.limits.resume
        && run.cancelled_by.is_none()
        && (run.stop.is_some() || last.is_some_and(|attempt| attempt.exit.is_none()))
}

/// How many runs in a row there were before it, each of which resumed the one before.
fn chain(runs: &[Run], run: &Run) -> usize {
    let parent = run.request.resumes.and_then(|id| runs.iter().find(|run| run.id == id));
    parent.map_or(0, |parent| 1 + chain(runs, parent))
}
