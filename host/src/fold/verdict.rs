//! How an attempt and a run ended: decided from nodes, plan and exit together, never from an exit code alone.

use std::collections::BTreeMap;

use super::owed;
use crate::model::{Attempt, Gate, NodeState, Run, RunState, Step, first_line, shell_words};

/// How an attempt ended, and why where there is more to say. `stopped` is what its run ends as where it was told to stop
/// ([`Run::stopped`]), `raw_tail` what dbt said last that was not an event.
pub fn verdict(
    attempt: &Attempt,
    stopped: Option<(RunState, Option<String>)>,
    raw_tail: &str,
) -> (RunState, Option<String>) {
    let Some(exit) = &attempt.exit else {
        return stopped.unwrap_or_else(|| {
            let reason = "the process that ran dbt is gone: it was killed, or the machine went down";
            (RunState::Interrupted, Some(reason.to_owned()))
        });
    };
    if let Some(error) = &exit.spawn_error {
        return (RunState::Failed, Some(error.clone()));
    }
    if exit.cancelled && exit.code != Some(0) {
        return stopped.unwrap_or((RunState::Cancelled, None));
    }
    if let Some(signal) = exit.signal {
        return (
            RunState::Interrupted,
            Some(format!("dbt was killed by signal {signal}{}", signal_name(signal))),
        );
    }
    let failed: Vec<_> = attempt.nodes.values().filter(|n| n.state.is_failure()).collect();
    if let [first, ..] = failed[..] {
        let text = first.message.as_deref().map(first_line).filter(|line| !line.is_empty());
        let more = if failed.len() > 1 { format!(" (and {} more)", failed.len() - 1) } else { String::new() };
        let reason = match text {
            Some(text) => format!("{}: {text}{more}", first.unique_id),
            None => format!("{}: {}{more}", first.unique_id, first.state),
        };
        return (RunState::Failed, Some(reason));
    }
    if exit.code != Some(0) {
        let said = attempt.reason.clone().or_else(|| (!raw_tail.is_empty()).then(|| raw_tail.to_owned()));
        let code = exit.code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
        return (
            RunState::Failed,
            Some(said.unwrap_or_else(|| format!("dbt exited with {code} and did not say why"))),
        );
    }
    if attempt.nothing_to_do && attempt.gate.is_none() {
        return (RunState::Empty, attempt.reason.clone());
    }
    let count = |fits: fn(&NodeState) -> bool| attempt.nodes.values().filter(|n| fits(&n.state)).count();
    match count(|s| !s.is_finished()) {
        0 => {}
        1 => return (RunState::Incomplete, Some("dbt did not say what became of 1 node".to_owned())),
        silent => {
            return (RunState::Incomplete, Some(format!("dbt did not say what became of {silent} nodes")));
        }
    }
    if let Some(reason) = at_the_gate(attempt) {
        return (RunState::Incomplete, Some(reason));
    }
    match count(|s| matches!(s, NodeState::Skipped | NodeState::Cancelled)) {
        0 => {}
        1 => {
            let reason = "1 node was skipped, though nothing failed".to_owned();
            return (RunState::Incomplete, Some(reason));
        }
        skipped => {
            let reason = format!("{skipped} nodes were skipped, though nothing failed");
            return (RunState::Incomplete, Some(reason));
        }
    }
    match count(|s| *s == NodeState::Warn) {
        0 => (RunState::Succeeded, None),
        1 => (RunState::Warned, Some("1 warning".to_owned())),
        warnings => (RunState::Warned, Some(format!("{warnings} warnings"))),
    }
}

/// Why nodes were left out at the gate, where some were.
pub fn at_the_gate(attempt: &Attempt) -> Option<String> {
    let found = attempt.gate.as_ref().filter(|found| found.gate == Gate::Block)?;
    let check = found.checks.first()?;
    let nodes = match found.nodes.len() {
        1 => "1 node was blocked".to_owned(),
        several => format!("{several} nodes were blocked"),
    };
    let more = match found.checks.len() {
        1 => String::new(),
        checks => format!(", and {} more", checks - 1),
    };
    Some(format!("{nodes}: {} failed in run {}{more}", check.unique_id, check.run))
}

/// How a run ends whose last attempt has ended; none where the next step may run, the next attempt is due later, or nobody
/// has decided yet whether there is to be one.
pub fn conclude(run: &Run) -> Option<(RunState, Option<String>)> {
    let ended: Vec<_> = run.steps.iter().take_while(|step| step.state.is_finished()).collect();
    let reason = |number: usize| {
        let step = &run.steps[number];
        let attempt = step.attempts.last();
        let reason = attempt.and_then(|a| a.reason.clone()).or_else(|| match warnings_before(step) {
            0 => None,
            1 => Some("1 warning in an earlier attempt".to_owned()),
            several => Some(format!("{several} warnings in earlier attempts")),
        });
        if run.steps.len() == 1 {
            return reason;
        }
        let which = format!("step {} (dbt {})", number + 1, shell_words(&run.steps[number].args));
        Some(reason.map_or_else(|| which.clone(), |reason| format!("{which}: {reason}")))
    };
    if owed(run).is_some() {
        return None;
    }
    if let Some(stop) = ended.iter().position(|step| !step.state.lets_go_on()) {
        return Some((ended[stop].state, reason(stop)));
    }
    if ended.len() < run.steps.len() {
        // Whoever asks when everything is done already has stopped nothing.
        return run.stopped();
    }
    // The worst of what let the run go on decides; a run is empty only if every step is.
    let at = |state| ended.iter().position(|step| step.state == state);
    let warned = ended.iter().position(|step| step.state == RunState::Warned || warnings_before(step) > 0);
    Some(match (warned, at(RunState::Succeeded), at(RunState::Empty)) {
        (Some(step), ..) => (RunState::Warned, reason(step)),
        (None, None, Some(step)) => (RunState::Empty, reason(step)),
        _ => (RunState::Succeeded, None),
    })
}

/// How many nodes of a step that ended well warned in an attempt before the last, and were not done again since: a retry
/// must not make them forgotten.
fn warnings_before(step: &Step) -> usize {
    if step.state != RunState::Succeeded || step.attempts.len() < 2 {
        return 0;
    }
    let mut last: BTreeMap<&str, &NodeState> = BTreeMap::new();
    for node in step.attempts.iter().flat_map(|attempt| attempt.nodes.values()) {
        let never_began = matches!(node.state, NodeState::Queued | NodeState::Cancelled);
        if !(never_began && node.started_at.is_none()) {
            last.insert(&node.unique_id, &node.state);
        }
    }
    last.values().filter(|state| ***state == NodeState::Warn).count()
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        9 => " (SIGKILL, perhaps for want of memory)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
