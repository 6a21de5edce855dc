//! Where a run stands between two attempts at a step: a decision is owed, or the next attempt is due later.

use crate::model::{Attempt, Decided, RetryDecision, Run, RunState, Step};

/// The attempt about which the run's retry policy is still to be asked; none where the run has none.
///
/// Policies are asked about attempts that failed, and about those whose dbt alone was killed. What was stopped was meant to
/// end, and of an attempt that is gone with its process nobody knows what it did: that is for a resumption.
pub fn owed(run: &Run) -> Option<&Attempt> {
    let open = run.state == RunState::Running && run.request.retry.is_some() && run.stopped().is_none();
    let attempt = open.then(|| at_hand(run)).flatten()?.attempts.last()?;
    let asked = match attempt.state {
        RunState::Failed => true,
        RunState::Interrupted => attempt.exit.as_ref().is_some_and(|exit| exit.signal.is_some()),
        _ => false,
    };
    (asked && attempt.decided.is_none()).then_some(attempt)
}

/// The attempt behind which a run waits for the next one, and what was decided about it.
pub fn waiting(run: &Run) -> Option<(&Attempt, &Decided)> {
    let step = (run.state == RunState::Running).then(|| at_hand(run)).flatten()?;
    let attempt = step.attempts.last()?;
    let decided = attempt.decided.as_deref()?;
    matches!(decided.decision, RetryDecision::Retry { .. }).then_some((attempt, decided))
}

/// The first step behind which the run has not gone on.
fn at_hand(run: &Run) -> Option<&Step> {
    run.steps.iter().find(|step| !step.state.lets_go_on())
}
