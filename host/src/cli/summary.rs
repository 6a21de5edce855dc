//! What became of a run: its assets one by one, and one line for the whole.

use std::collections::BTreeMap;

use super::{
    printer::{self, BAD, FAINT, ODD, STRONG, styled},
    progress::short,
};
use crate::{
    dbt::plain,
    engine::Names,
    fold,
    model::{Gate, NodeRun, NodeState, ResourceType, Run, RunState},
};

/// Prints a run's assets, its troubles, and how it ended.
pub fn print(run: &Run, names: &Names) {
    let nodes = last_states(run);
    let rows = assets(&nodes, names);
    if !rows.is_empty() {
        printer::note("");
        let header = ["asset", "type", "state", "time", "rows", "checks"];
        let mut table = vec![header.iter().map(|h| styled(FAINT, h)).collect::<Vec<_>>()];
        table.extend(rows);
        printer::table(&table);
    }
    for node in nodes.values().filter(|node| node.state.is_failure() && !is_asset(node)) {
        let name = plain(&short(&node.unique_id));
        printer::line(format!("{}  {name}", styled(BAD, node.state.as_str())));
    }
    printer::line(ending(run, &nodes));
    if let Some(reason) = run.reason.as_deref().filter(|_| run.state != RunState::Succeeded) {
        let reason = reason.replace('\n', "\n  ");
        printer::line(format!("  {}", plain(&reason)));
    }
    if matches!(run.state, RunState::Failed | RunState::Incomplete | RunState::Interrupted) {
        printer::note(styled(FAINT, format!("  more: tidegate runs show {0}, tidegate logs {0}", run.id)));
        let blocked = run.state == RunState::Incomplete && is_blocked(run);
        let then = if blocked { "once the check has passed" } else { "what is left to do" };
        printer::note(styled(FAINT, format!("  {then}: tidegate runs resume {}", run.id)));
        if blocked {
            let verb = match &run.request.job {
                Some(job) => format!("tidegate run {}", plain(job)),
                None => "tidegate materialize …".to_owned(),
            };
            printer::note(styled(FAINT, format!("  to build behind it all the same: {verb} --ignore-gate")));
        }
    }
}

/// Whether the last attempt was kept from nodes at the gate.
fn is_blocked(run: &Run) -> bool {
    let last = run.steps.iter().flat_map(|step| &step.attempts).next_back();
    last.and_then(|attempt| attempt.gate.as_deref()).is_some_and(|found| found.gate == Gate::Block)
}

/// One line: how it ended, and the counts.
pub fn ending(run: &Run, nodes: &BTreeMap<&str, &NodeRun>) -> String {
    let took = run.started_at.zip(run.finished_at).map(|(from, to)| to.duration_since(from).as_secs_f64());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes.values() {
        *counts.entry(node.state.as_str()).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    let state = if run.state == RunState::Empty { "had nothing to do (empty)" } else { run.state.as_str() };
    format!(
        "run {} of {} {}{}{}",
        run.id,
        plain(&run.title()),
        styled(printer::of_run(run.state).effects(STRONG.get_effects()), state),
        took.map(|t| format!(" in {}", printer::seconds(t))).unwrap_or_default(),
        if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) },
    )
}

/// The last state of each node over all steps and attempts.
pub fn last_states(run: &Run) -> BTreeMap<&str, &NodeRun> {
    let mut last = BTreeMap::new();
    for step in &run.steps {
        for (id, node) in step.attempts.iter().flat_map(|a| &a.nodes) {
            // What only compiled says nothing about what an earlier step has built.
            if fold::tells(&step.args, node) || !last.contains_key(id.as_str()) {
                last.insert(id.as_str(), node);
            }
        }
    }
    last
}

fn is_asset(node: &NodeRun) -> bool {
    node.resource_type.is_asset()
}

fn assets(nodes: &BTreeMap<&str, &NodeRun>, names: &Names) -> Vec<Vec<String>> {
    let mut checks: BTreeMap<&str, Vec<&NodeState>> = BTreeMap::new();
    for node in nodes.values().filter(|node| node.resource_type.is_check()) {
        for asset in names.checks.get(&node.unique_id).into_iter().flatten() {
            checks.entry(asset).or_default().push(&node.state);
        }
    }
    let mut rows: Vec<_> = nodes
        .values()
        .filter(|node| is_asset(node))
        .map(|node| {
            let key = names.keys.get(&node.unique_id).cloned().unwrap_or_else(|| short(&node.unique_id));
            (rank(&node.state), node.resource_type != ResourceType::Source, key, *node)
        })
        .collect();
    rows.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    rows.into_iter()
        .map(|(_, _, key, node)| {
            vec![
                plain(&key),
                node.resource_type.to_string(),
                styled(printer::of_node(&node.state), &node.state),
                node.execution_time
                    .filter(|_| node.started_at.is_some())
                    .map(printer::seconds)
                    .unwrap_or_default(),
                node.rows_affected.map(|rows| rows.to_string()).unwrap_or_default(),
                checks.get(node.unique_id.as_str()).map(|c| check_counts(c)).unwrap_or_default(),
            ]
        })
        .collect()
}

/// What needs a look comes first.
fn rank(state: &NodeState) -> u8 {
    match state {
        state if state.is_failure() => 0,
        NodeState::Cancelled => 1,
        NodeState::Skipped => 2,
        NodeState::Warn => 3,
        _ => 4,
    }
}

fn check_counts(states: &[&NodeState]) -> String {
    let count = |fits: fn(&NodeState) -> bool| states.iter().filter(|s| fits(s)).count();
    let passed = count(|s| *s == NodeState::Pass);
    let failed = count(NodeState::is_failure);
    let warned = count(|s| *s == NodeState::Warn);
    let rest = states.len() - passed - failed - warned;
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(styled(BAD, format!("{failed} failed")));
    }
    if warned > 0 {
        parts.push(styled(ODD, format!("{warned} warned")));
    }
    if passed > 0 {
        parts.push(format!("{passed} passed"));
    }
    if rest > 0 {
        parts.push(format!("{rest} not run"));
    }
    parts.join(", ")
}
