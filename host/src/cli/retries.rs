//! What was decided about an attempt that failed, in words.

use crate::{
    dbt::plain,
    model::{Decided, NodeRun, RetryDecision, RetryScope, Run, Step},
};

/// What has come of the attempt that follows a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is still to come.
    ToCome,
    /// It has begun.
    Begun,
    /// The run ended before it began.
    Never,
}

/// A decision as one sentence, with what the next attempt does again, where it is known.
pub fn words(decided: &Decided, again: Option<&str>, next: Next) -> String {
    let by = match &decided.plugin {
        Some(plugin) => format!(" by {} {}", plugin.name, plugin.version),
        None => String::new(),
    };
    let what = match decided.decision {
        RetryDecision::GiveUp => format!("given up{by}"),
        RetryDecision::Retry { after, scope, threads } => {
            let what = match (scope, again) {
                (RetryScope::All, _) => "the whole step".to_owned(),
                (RetryScope::Unfinished, None) => "what was unfinished".to_owned(),
                (RetryScope::Unfinished, Some(nodes)) => nodes.to_owned(),
            };
            let threads = threads.map(|n| format!(", with --threads {n}")).unwrap_or_default();
            let will = match next {
                Next::ToCome => "to be retried",
                Next::Begun => "retried",
                Next::Never => "was to be retried",
            };
            let when = if after.is_zero() { "at once".to_owned() } else { format!("after {after:#}") };
            format!("{will} {when}{by}, {what}{threads}")
        }
    };
    let fault = decided.fault.as_ref().map(|fault| format!(" ({})", plain(fault))).unwrap_or_default();
    format!("{what}: {}{fault}", plain(&decided.reason))
}

/// What the attempt behind one does again, where it knows that: how many nodes.
pub fn again(step: &Step, attempt: u32) -> Option<String> {
    let next = step.attempts.iter().find(|a| a.id.attempt > attempt)?;
    let nodes =
        next.nodes.values().filter(|node: &&NodeRun| node.planned || node.state.is_finished()).count();
    (nodes > 0).then(|| super::printer::count(nodes, "node"))
}

/// The decision about each attempt of a run, where there is one: the attempt's number within its step, and the words.
pub fn of_attempt(run: &Run, step: u32, attempt: u32) -> Option<String> {
    let step = run.step(step)?;
    let decided = step.attempts.iter().find(|a| a.id.attempt == attempt)?.decided.as_deref()?;
    let next = match step.attempts.iter().any(|a| a.id.attempt > attempt) {
        true => Next::Begun,
        false if run.state.is_finished() => Next::Never,
        false => Next::ToCome,
    };
    Some(words(decided, again(step, attempt).as_deref(), next))
}
