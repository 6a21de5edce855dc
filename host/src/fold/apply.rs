//! How one event changes a run.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::waiting;
use crate::model::{
    AtTheGate, Attempt, AttemptId, Event, EventKind, Gate, NodeResult, NodeRun, NodeState, ResourceType,
    ResultsSource, RetryDecision, Run, RunState, Step, StepRequest,
};

/// What an event changed, so that a store writes only that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The attempt and the unique ids of those of its nodes that changed.
    pub nodes: BTreeSet<(AttemptId, String)>,
    /// Nodes that the attempt no longer has.
    pub removed: BTreeSet<(AttemptId, String)>,
}

/// The run that a request begins; none for any other event.
pub fn begin(event: &Event) -> Option<Run> {
    let EventKind::RunRequested { request } = &event.kind else { return None };
    let steps = queued(&request.steps);
    Some(Run {
        id: event.run,
        request: (**request).clone(),
        state: RunState::Queued,
        reason: None,
        requested_at: event.at,
        started_at: None,
        finished_at: None,
        cancelled_by: None,
        stop: None,
        locks: Vec::new(),
        manifest_digest: None,
        plugins: Vec::new(),
        steps,
    })
}

fn queued(steps: &[StepRequest]) -> Vec<Step> {
    let step =
        |step: &StepRequest| Step { args: step.args.clone(), state: RunState::Queued, attempts: Vec::new() };
    steps.iter().map(step).collect()
}

/// Applies an event to its run, and says what it changed. Events of other runs, of unknown attempts and after the end
/// change nothing.
pub fn apply(run: &mut Run, event: &Event) -> Touched {
    let mut touched = Touched::default();
    if event.run != run.id || run.state.is_finished() {
        return touched;
    }
    let at = event.at;
    match &event.kind {
        EventKind::RunRequested { .. } => {}
        EventKind::RunRefused { reason } => {
            finish(run, RunState::Refused, Some(reason.clone()), at, &mut touched);
        }
        EventKind::RunStarted { manifest_digest, plugins, locks, steps } => {
            let untried = run.steps.iter().all(|step| step.attempts.is_empty());
            if let Some(steps) = steps.as_ref().filter(|_| untried) {
                run.steps = queued(steps);
            }
            run.state = RunState::Running;
            run.started_at.get_or_insert(at);
            run.manifest_digest.clone_from(manifest_digest);
            run.plugins.clone_from(plugins);
            run.locks.clone_from(locks);
        }
        EventKind::CancelRequested { by } => drop(run.cancelled_by.get_or_insert_with(|| by.user.clone())),
        EventKind::StopRequested { stop } if stop.state.is_finished() => {
            run.stop.get_or_insert_with(|| stop.clone());
        }
        EventKind::RunFinished { state, reason } if state.is_finished() => {
            finish(run, *state, reason.clone(), at, &mut touched);
        }
        EventKind::AttemptStarted { attempt, command, environment, revision } => {
            let Some(step) = step_mut(run, *attempt) else { return touched };
            if step.attempts.iter().any(|a| a.id == *attempt) {
                return touched;
            }
            step.state = RunState::Running;
            step.attempts.push(Attempt {
                id: *attempt,
                state: RunState::Running,
                reason: None,
                command: command.clone(),
                environment: environment.clone(),
                identity: None,
                revision: revision.clone(),
                dbt_version: None,
                adapter: None,
                target: None,
                invocation_id: None,
                started_at: at,
                finished_at: None,
                exit: None,
                log_offset: 0,
                raw_lines: 0,
                planned: None,
                nothing_to_do: false,
                has_results: false,
                decided: None,
                gate: None,
                nodes: Default::default(),
            });
        }
        EventKind::AttemptFinished { attempt: id, state, reason } if state.is_finished() => {
            let Some(step) = step_mut(run, *id) else { return touched };
            let Some(attempt) = step.attempts.iter_mut().find(|a| a.id == *id && !a.state.is_finished())
            else {
                return touched;
            };
            step.state = *state;
            end(attempt, *state, reason.clone(), at, &mut touched);
        }
        EventKind::RetryDecided { attempt: id, decided } => {
            let Some(step) = step_mut(run, *id) else { return touched };
            let fits = |a: &&mut Attempt| a.id == *id && a.state.is_finished() && a.decided.is_none();
            if let Some(attempt) = step.attempts.last_mut().filter(fits) {
                attempt.decided = Some(decided.clone());
                if matches!(decided.decision, RetryDecision::Retry { .. }) {
                    step.state = RunState::Running;
                }
            }
        }
        kind => {
            let cancelled = run.stopped().is_some();
            if let Some(attempt) = attempt_of(kind).and_then(|id| attempt_mut(run, id)) {
                apply_to_attempt(attempt, kind, cancelled, &mut touched);
            }
        }
    }
    touched
}

fn finish(run: &mut Run, state: RunState, reason: Option<String>, at: Timestamp, touched: &mut Touched) {
    // A run whose host was gone ended when its dbt did, and not when somebody noticed; one that waited for another attempt
    // ends now.
    let ends = run.steps.iter().flat_map(|s| &s.attempts).filter_map(|a| a.finished_at);
    run.finished_at = if waiting(run).is_some() { Some(at) } else { ends.max().or(Some(at)) };
    run.state = state;
    run.reason = reason;
    for step in &mut run.steps {
        for attempt in step.attempts.iter_mut().filter(|a| !a.state.is_finished()) {
            end(attempt, state, None, at, touched);
        }
        // A step that never began has nothing to say; it stays queued where the run ended before it.
        if step.state == RunState::Running {
            step.state = state;
        }
    }
}

/// When an attempt has ended, nothing of it is left queued or running.
fn end(attempt: &mut Attempt, state: RunState, reason: Option<String>, at: Timestamp, touched: &mut Touched) {
    attempt.state = state;
    attempt.reason = reason;
    attempt.finished_at = attempt.exit.as_ref().map(|exit| exit.at).or(Some(at));
    for (unique_id, node) in attempt.nodes.iter_mut().filter(|(_, node)| !node.state.is_finished()) {
        node.state = NodeState::Cancelled;
        touched.nodes.insert((attempt.id, unique_id.clone()));
    }
}

fn apply_to_attempt(attempt: &mut Attempt, kind: &EventKind, cancelled: bool, touched: &mut Touched) {
    match kind {
        EventKind::GateFound { found, .. } => shut(attempt, found, touched),
        EventKind::AttemptSpawned { identity, .. } => attempt.identity = Some(identity.clone()),
        EventKind::DbtReported { dbt_version, adapter, target, invocation_id, .. } => {
            set(&mut attempt.dbt_version, dbt_version);
            set(&mut attempt.adapter, adapter);
            set(&mut attempt.target, target);
            set(&mut attempt.invocation_id, invocation_id);
        }
        EventKind::PlanResolved { nodes, .. } => {
            attempt.planned = Some(nodes.len() as u64);
            for unique_id in nodes {
                let node = node_mut(attempt, unique_id, ResourceType::of_unique_id(unique_id), touched);
                node.planned = true;
            }
        }
        EventKind::NodeStarted { unique_id, resource_type, started_at, thread, relation_name, .. } => {
            let node = node_mut(attempt, unique_id, resource_type.clone(), touched);
            if !node.state.is_finished() {
                node.state = NodeState::Running;
                set(&mut node.started_at, started_at);
                set(&mut node.thread, thread);
                set(&mut node.relation_name, relation_name);
            }
        }
        EventKind::NodeFinished { result, .. } => {
            let node = node_mut(attempt, &result.unique_id, result.resource_type.clone(), touched);
            if !node.state.is_finished() && cancelled && result.state == NodeState::Error {
                // dbt's word for a query that it has cancelled. Where the node had failed by itself, the artifact says so
                // later: what was cancelled is in no artifact.
                node.state = NodeState::Cancelled;
            } else if result.state.is_finished() {
                node.state = result.state.clone();
            }
            take(node, result);
        }
        EventKind::NothingToDo { message, .. } => {
            attempt.nothing_to_do = true;
            set(&mut attempt.reason, message);
        }
        EventKind::DbtFailed { message, .. } => {
            // dbt may report how it ended after it has reported why.
            attempt.reason.get_or_insert_with(|| message.clone());
        }
        EventKind::LogRead { offset, raw_lines, .. } => {
            attempt.log_offset = attempt.log_offset.max(*offset);
            attempt.raw_lines = attempt.raw_lines.max(*raw_lines);
        }
        EventKind::AttemptExited { exit, .. } => attempt.exit.clone_from(exit),
        EventKind::ResultsRead { source, results, .. } => reconcile(attempt, *source, results, touched),
        _ => {}
    }
}

/// Nodes that stand behind a shut gate are skipped, as dbt would have skipped them in the run in which the check failed.
fn shut(attempt: &mut Attempt, found: &AtTheGate, touched: &mut Touched) {
    for gated in found.nodes.iter().filter(|_| found.gate == Gate::Block) {
        let kind = ResourceType::of_unique_id(&gated.unique_id);
        let node = node_mut(attempt, &gated.unique_id, kind, touched);
        if !node.state.is_finished() {
            node.state = NodeState::Skipped;
            node.planned = true;
            node.skipped_because_of = Some(gated.check.clone());
        }
    }
    attempt.gate = Some(Box::new(found.clone()));
}

/// dbt's artifact has the last word on each node that it names, but cannot undo what dbt has done.
fn reconcile(attempt: &mut Attempt, source: ResultsSource, results: &[NodeResult], touched: &mut Touched) {
    attempt.has_results = true;
    let artifact = match source {
        ResultsSource::RunResults => "run_results.json",
        ResultsSource::Sources => "sources.json",
    };
    for result in results {
        let known = attempt.nodes.get(&result.unique_id).map(|node| node.state.clone());
        let node = node_mut(attempt, &result.unique_id, result.resource_type.clone(), touched);
        let ran = known
            .as_ref()
            .is_some_and(|s| s.is_finished() && !matches!(s, NodeState::Skipped | NodeState::Cancelled));
        if ran && result.state == NodeState::Skipped {
            // With --fail-fast dbt calls skipped what it has built while it was stopping. Built is built.
            node.reconciled = Some(format!("`{}` by the events; {artifact} calls it skipped", node.state));
            continue;
        }
        if known.as_ref() != Some(&result.state) && result.state.is_finished() {
            let said = match &known {
                Some(NodeState::Cancelled) => "it was taken for cancelled".to_owned(),
                Some(state) if state.is_finished() => format!("the events said `{state}`"),
                Some(NodeState::Running) => "the events did not say how it ended".to_owned(),
                _ => "the events did not name it".to_owned(),
            };
            node.reconciled = Some(format!("`{}` by {artifact}; {said}", result.state));
            node.state = result.state.clone();
        }
        take(node, result);
    }
    // What dbt had not considered a part of the run is in no artifact: the plan was wider than the command.
    let named: BTreeSet<_> = results.iter().map(|r| r.unique_id.as_str()).collect();
    let complete = attempt.exit.as_ref().is_some_and(|exit| exit.signal.is_none() && exit.code != Some(2));
    if complete {
        let strangers: Vec<_> = attempt
            .nodes
            .iter()
            .filter(|(id, node)| node.state == NodeState::Queued && !named.contains(id.as_str()))
            .map(|(id, _)| id.clone())
            .collect();
        for unique_id in strangers {
            attempt.nodes.remove(&unique_id);
            touched.removed.insert((attempt.id, unique_id));
        }
    }
}

fn take(node: &mut NodeRun, result: &NodeResult) {
    set(&mut node.started_at, &result.started_at);
    set(&mut node.finished_at, &result.finished_at);
    set(&mut node.execution_time, &result.execution_time);
    set(&mut node.thread, &result.thread);
    set(&mut node.message, &result.message);
    set(&mut node.rows_affected, &result.rows_affected);
    set(&mut node.failures, &result.failures);
    set(&mut node.relation_name, &result.relation_name);
    set(&mut node.skipped_because_of, &result.skipped_because_of);
    set(&mut node.max_loaded_at, &result.max_loaded_at);
    set(&mut node.freshness, &result.freshness);
    set(&mut node.query, &result.query);
}

/// Later knowledge replaces earlier, and silence replaces nothing.
fn set<T: Clone>(slot: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        slot.clone_from(value);
    }
}

fn node_mut<'a>(
    attempt: &'a mut Attempt,
    unique_id: &str,
    resource_type: ResourceType,
    touched: &mut Touched,
) -> &'a mut NodeRun {
    touched.nodes.insert((attempt.id, unique_id.to_owned()));
    let node = || NodeRun::queued(unique_id, resource_type);
    attempt.nodes.entry(unique_id.to_owned()).or_insert_with(node)
}

fn step_mut(run: &mut Run, attempt: AttemptId) -> Option<&mut Step> {
    if attempt.run != run.id {
        return None;
    }
    run.steps.get_mut(usize::try_from(attempt.step).ok()?.checked_sub(1)?)
}

fn attempt_mut(run: &mut Run, id: AttemptId) -> Option<&mut Attempt> {
    step_mut(run, id)?.attempts.iter_mut().find(|a| a.id == id && !a.state.is_finished())
}

fn attempt_of(kind: &EventKind) -> Option<AttemptId> {
    match kind {
        EventKind::AttemptStarted { attempt, .. }
        | EventKind::GateFound { attempt, .. }
        | EventKind::AttemptSpawned { attempt, .. }
        | EventKind::DbtReported { attempt, .. }
        | EventKind::PlanResolved { attempt, .. }
        | EventKind::NodeStarted { attempt, .. }
        | EventKind::NodeFinished { attempt, .. }
        | EventKind::NothingToDo { attempt, .. }
        | EventKind::DbtFailed { attempt, .. }
        | EventKind::LogRead { attempt, .. }
        | EventKind::AttemptExited { attempt, .. }
        | EventKind::ResultsRead { attempt, .. }
        | EventKind::AttemptFinished { attempt, .. }
        | EventKind::RetryDecided { attempt, .. } => Some(*attempt),
        EventKind::RunRequested { .. }
        | EventKind::RunRefused { .. }
        | EventKind::RunStarted { .. }
        | EventKind::CancelRequested { .. }
        | EventKind::StopRequested { .. }
        | EventKind::RunFinished { .. } => None,
    }
}
