//! What has changed from one event to another: each run once, its nodes attempt by attempt, and all else by its name.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;

use super::{
    message::{AlertChanged, AssetChanged, Changed, JobChanged, NodesChanged, PluginChanged, RunChanged},
    stream::message,
};
use crate::{
    model::{AttemptId, EventKind, RunId},
    store::{Happened, NodeOf, Reader, RunChange},
    web::{
        Problem,
        run::{self, NodeRow},
        state::Web,
    },
};

/// What has changed of a run.
#[derive(Default)]
struct RunTouched {
    attempts: BTreeMap<(u32, u32), NodesTouched>,
    /// Nothing of it is queued or running any more.
    ended: bool,
}

/// Which nodes of an attempt have changed.
#[derive(Default)]
struct NodesTouched {
    ids: BTreeSet<String>,
    /// All may have, and some may be gone.
    all: bool,
    /// Those that had not ended are cancelled.
    ended: bool,
}

/// As many nodes are looked up one by one.
const FEW: usize = 500;

/// The messages, and the run of those that tell of its nodes.
pub fn between(
    web: &Web,
    reader: &Reader,
    after: u64,
    until: u64,
) -> Result<Vec<(Option<RunId>, Bytes)>, Problem> {
    let mut runs: BTreeMap<RunId, RunTouched> = BTreeMap::new();
    let (mut jobs, mut subjects) = (BTreeSet::new(), BTreeSet::new());
    let mut status = false;
    for happened in reader.happened(after, until)? {
        match happened {
            Happened::ToRun { run, what, .. } => {
                status |= !is_of_the_log(&what);
                touch(runs.entry(run).or_default(), what);
            }
            Happened::ToJob { job, .. } => {
                status = true;
                jobs.insert(job);
            }
            Happened::ToSubject { subject, .. } => drop(subjects.insert(subject)),
        }
    }
    let mut messages = Vec::new();
    let ids: Vec<_> = runs.keys().copied().collect();
    // What is forgotten is gone without a word.
    let found =
        ids.into_iter().filter_map(|id| reader.summary(id).transpose()).collect::<Result<Vec<_>, _>>()?;
    let attempts: BTreeMap<RunId, Vec<AttemptId>> = found
        .iter()
        .map(|found| (found.run.id, found.run.steps.iter().flat_map(|s| &s.attempts).map(|a| a.id).collect()))
        .collect();
    for run in run::summaries(web, found)? {
        let (id, project) = (run.id, run.project.clone());
        messages.push((None, message("run", "", &RunChanged { as_of: until, run })));
        let Some(mut touched) = runs.remove(&id) else { continue };
        if touched.ended {
            for attempt in attempts.get(&id).into_iter().flatten() {
                touched.attempts.entry((attempt.step, attempt.attempt)).or_default().ended = true;
            }
        }
        let opened = web.front().shelf().known(&project);
        for ((step, attempt), touched) in touched.attempts {
            let complete = touched.all;
            let rows = nodes(reader, (id, step, attempt), touched)?;
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(step, attempt, node)| NodeRow::of(step, attempt, node, opened.as_deref()))
                .collect();
            if !rows.is_empty() || complete {
                let project = project.clone();
                let changed =
                    NodesChanged { as_of: until, run: id, project, step, attempt, complete, nodes: rows };
                messages.push((Some(id), message("node", "", &changed)));
            }
        }
    }
    messages.extend(jobs.into_iter().map(|job| (None, message("job", "", &JobChanged { job }))));
    messages.extend(subjects.iter().filter_map(|subject| Some((None, of_subject(subject)?))));
    if status {
        messages.push((None, message("status", "", &Changed {})));
    }
    Ok(messages)
}

/// Whether it changes nothing of what runs and what waits.
fn is_of_the_log(what: &RunChange) -> bool {
    match what {
        RunChange::Event(kind) => {
            kind.is_in_the_log()
                || matches!(
                    **kind,
                    EventKind::PlanResolved { .. }
                        | EventKind::GateFound { .. }
                        | EventKind::AttemptSpawned { .. }
                        | EventKind::AttemptExited { .. }
                )
        }
        RunChange::Results { .. } => true,
        RunChange::Requested => false,
    }
}

fn touch(run: &mut RunTouched, what: RunChange) {
    let attempts = &mut run.attempts;
    let kind = match what {
        RunChange::Requested => return,
        RunChange::Results { step, attempt } => {
            attempts.entry((step, attempt)).or_default().all = true;
            return;
        }
        RunChange::Event(kind) => *kind,
    };
    let id = match &kind {
        EventKind::NodeStarted { attempt, .. }
        | EventKind::NodeFinished { attempt, .. }
        | EventKind::PlanResolved { attempt, .. }
        | EventKind::GateFound { attempt, .. }
        | EventKind::AttemptFinished { attempt, .. } => attempt,
        EventKind::RunFinished { .. } | EventKind::RunRefused { .. } => {
            run.ended = true;
            return;
        }
        _ => return,
    };
    let nodes = attempts.entry((id.step, id.attempt)).or_default();
    match kind {
        EventKind::NodeStarted { unique_id, .. } => drop(nodes.ids.insert(unique_id)),
        EventKind::NodeFinished { result, .. } => drop(nodes.ids.insert(result.unique_id)),
        EventKind::PlanResolved { nodes: planned, .. } => nodes.ids.extend(planned),
        EventKind::GateFound { found, .. } => nodes.ids.extend(found.nodes.into_iter().map(|n| n.unique_id)),
        _ => nodes.ended = true,
    }
}

fn nodes(
    reader: &Reader,
    (run, step, attempt): (RunId, u32, u32),
    touched: NodesTouched,
) -> Result<Vec<NodeOf>, Problem> {
    let NodesTouched { mut ids, all, ended } = touched;
    if all || ids.len() > FEW {
        let mut found = reader.nodes_of_attempt(run, step, attempt)?;
        let is_cancelled = |node: &NodeOf| ended && node.2.state == crate::model::NodeState::Cancelled;
        found.retain(|node| all || ids.contains(&node.2.unique_id) || is_cancelled(node));
        return Ok(found);
    }
    let mut found = Vec::new();
    if ended {
        found = reader.nodes_in_state(run, step, attempt, "cancelled")?;
        ids.retain(|id| found.iter().all(|(_, _, node)| node.unique_id != *id));
    }
    for id in ids {
        found.extend(reader.node(run, step, attempt, &id)?);
    }
    Ok(found)
}

/// What the message about a subject is; none where nobody has to hear of it.
fn of_subject(subject: &str) -> Option<Bytes> {
    let (kind, name) = subject.split_once(':').unwrap_or((subject, ""));
    Some(match kind {
        "plugin" => message("plugin", "", &PluginChanged { plugin: name.to_owned() }),
        "alert" => message("alert", "", &AlertChanged { alert: name.to_owned() }),
        "asset" => {
            let (project, unique_id) = name.split_once(':')?;
            let changed = AssetChanged { project: project.to_owned(), unique_id: unique_id.to_owned() };
            message("asset", "", &changed)
        }
        "audit" => message("audit", "", &Changed {}),
        _ => return None,
    })
}
