//! What has changed from one event to another: each run once, its nodes attempt by attempt, and all else by its name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use axum::body::Bytes;

use super::{
    message::{AlertChanged, AssetChanged, Changed, JobChanged, NodesChanged, PluginChanged, RunChanged},
    stream::message,
};
use crate::{
    model::{EventKind, NodeRun, NodeState, RunId},
    project::Opened,
    store::{self, Happened, NodeOf, Reader, RunChange},
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

/// So many rows are remembered; where there are more, all of them are forgotten.
const REMEMBERED: usize = 200_000;

/// A message, and the run of one that tells of its nodes.
pub type Addressed = (Option<RunId>, Bytes);

/// An attempt: its run, its step, and its number.
type Key = (RunId, u32, u32);

/// The rows of attempts as everyone knows them who has heard all messages, or has fetched them since: a digest of each by the id of
/// its node.
#[derive(Default)]
pub struct Told(BTreeMap<Key, HashMap<String, u64>>);

/// What is on record of what has changed, as it was at one moment.
struct Found {
    /// The newest event of that moment.
    until: u64,
    runs: Vec<store::RunSummary>,
    nodes: Vec<NodesFound>,
    jobs: BTreeSet<String>,
    subjects: BTreeSet<String>,
    /// What runs and what waits has changed.
    status: bool,
    /// The runs of which nothing is queued or running any more.
    ended: BTreeSet<RunId>,
}

/// Nodes of an attempt.
struct NodesFound {
    key: Key,
    touched: NodesTouched,
    /// Those that may have changed, or all of them.
    nodes: Vec<NodeOf>,
    /// Whether these are all.
    whole: bool,
}

/// What has changed behind an event: up to which event that is, the messages, and the run of those that tell of its nodes. Of nodes
/// that may all have changed those are told that are others than they were told as before, up to that first event.
pub fn behind(
    web: &Web,
    reader: &Reader,
    after: u64,
    mut told: Option<&mut Told>,
) -> Result<(u64, Vec<Addressed>), Problem> {
    let found = reader.at_one_moment(|| find(reader, after, told.as_deref()))?;
    let Found { until, runs, nodes, jobs, subjects, status, ended } = found;
    let mut nodes_of: BTreeMap<RunId, Vec<NodesFound>> = BTreeMap::new();
    for nodes in nodes {
        nodes_of.entry(nodes.key.0).or_default().push(nodes);
    }
    let mut messages = Vec::new();
    for run in run::summaries(web, runs)? {
        let (id, project) = (run.id, run.project.clone());
        messages.push((None, message("run", "", &RunChanged { as_of: until, run })));
        let opened = web.front().shelf().known(&project);
        for found in nodes_of.remove(&id).unwrap_or_default() {
            let (_, step, attempt) = found.key;
            let (complete, rows) = rows(found, opened.as_deref(), told.as_deref_mut());
            if !rows.is_empty() || complete {
                let project = project.clone();
                let changed =
                    NodesChanged { as_of: until, run: id, project, step, attempt, complete, nodes: rows };
                messages.push((Some(id), message("node", "", &changed)));
            }
        }
    }
    if let Some(told) = told {
        told.0.retain(|(run, ..), _| !ended.contains(run));
        if told.0.values().map(HashMap::len).sum::<usize>() > REMEMBERED {
            told.0.clear();
        }
    }
    messages.extend(jobs.into_iter().map(|job| (None, message("job", "", &JobChanged { job }))));
    if reader.has_deeds(after, until)? {
        messages.push((None, message("audit", "", &Changed {})));
    }
    messages.extend(subjects.iter().filter_map(|subject| Some((None, of_subject(subject)?))));
    if status {
        messages.push((None, message("status", "", &Changed {})));
    }
    Ok((until, messages))
}

fn find(reader: &Reader, after: u64, told: Option<&Told>) -> Result<Found, Problem> {
    let until = reader.newest_event()?;
    let mut touched: BTreeMap<RunId, RunTouched> = BTreeMap::new();
    let (mut jobs, mut subjects) = (BTreeSet::new(), BTreeSet::new());
    let mut status = false;
    for happened in reader.happened(after, until)? {
        match happened {
            Happened::ToRun { run, what, .. } => {
                status |= !is_of_the_log(&what);
                touch(touched.entry(run).or_default(), what);
            }
            Happened::ToJob { job, .. } => {
                status = true;
                jobs.insert(job);
            }
            Happened::ToSubject { subject, .. } => drop(subjects.insert(subject)),
        }
    }
    // What is forgotten is gone without a word.
    let ids = touched.keys().copied();
    let runs = ids.filter_map(|id| reader.summary(id).transpose()).collect::<Result<Vec<_>, _>>()?;
    let (mut nodes, mut ended) = (Vec::new(), BTreeSet::new());
    for run in &runs {
        let id = run.run.id;
        let Some(mut touched) = touched.remove(&id) else { continue };
        if touched.ended {
            ended.insert(id);
            for attempt in run.run.steps.iter().flat_map(|step| &step.attempts) {
                touched.attempts.entry((attempt.id.step, attempt.id.attempt)).or_default().ended = true;
            }
        }
        for ((step, attempt), of_attempt) in touched.attempts {
            let key = (id, step, attempt);
            // What is remembered of an attempt begins with all of its rows.
            let begins = told.is_some_and(|told| !told.0.contains_key(&key)) && !touched.ended;
            let whole = of_attempt.all || begins;
            let found = if whole {
                reader.nodes_of_attempt(id, step, attempt)?
            } else {
                some_nodes(reader, key, &of_attempt)?
            };
            nodes.push(NodesFound { key, touched: of_attempt, nodes: found, whole });
        }
    }
    Ok(Found { until, runs, nodes, jobs, subjects, status, ended })
}

/// The rows of an attempt that are to be told, and whether any other is gone.
fn rows(found: NodesFound, opened: Option<&Opened>, told: Option<&mut Told>) -> (bool, Vec<NodeRow>) {
    let NodesFound { key, touched, nodes, whole } = found;
    let names: Vec<_> = nodes.iter().map(|(_, _, node)| touched.names(node)).collect();
    let rows = nodes.into_iter().map(|(step, attempt, node)| NodeRow::of(step, attempt, node, opened));
    let rows: Vec<(bool, NodeRow)> = names.into_iter().zip(rows).collect();
    let named = |rows: Vec<(bool, NodeRow)>| {
        rows.into_iter().filter_map(|(is_named, row)| is_named.then_some(row)).collect()
    };
    let all = |rows: Vec<(bool, NodeRow)>| rows.into_iter().map(|(_, row)| row).collect();
    let Some(told) = told else {
        return if touched.all { (true, all(rows)) } else { (false, named(rows)) };
    };
    let now: HashMap<_, _> = rows.iter().map(|(_, row)| (row.node.unique_id.clone(), digest(row))).collect();
    if !whole {
        if let Some(known) = told.0.get_mut(&key) {
            known.extend(now);
        }
        return (false, named(rows));
    }
    let before = told.0.insert(key, now);
    let now = &told.0[&key];
    match before {
        _ if !touched.all => (false, named(rows)),
        Some(before) if before.keys().all(|id| now.contains_key(id)) => {
            let is_new = |(is_named, row): &(bool, NodeRow)| {
                let id = &row.node.unique_id;
                *is_named || before.get(id) != now.get(id)
            };
            (false, all(rows.into_iter().filter(is_new).collect()))
        }
        // Some are gone, or nobody knows what was told.
        _ => (true, all(rows)),
    }
}

/// A digest of a row as it is told. Only equal rows have to have equal ones, in this process.
fn digest(row: &NodeRow) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(row).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

impl NodesTouched {
    /// Whether an event has named a node, or has ended it.
    fn names(&self, node: &NodeRun) -> bool {
        self.ids.contains(&node.unique_id) || self.ended && node.state == NodeState::Cancelled
    }
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

/// The nodes of an attempt that events have named, or have ended.
fn some_nodes(
    reader: &Reader,
    (run, step, attempt): Key,
    touched: &NodesTouched,
) -> Result<Vec<NodeOf>, Problem> {
    if touched.ids.len() > FEW {
        let mut found = reader.nodes_of_attempt(run, step, attempt)?;
        found.retain(|(_, _, node)| touched.names(node));
        return Ok(found);
    }
    let mut found = Vec::new();
    if touched.ended {
        found = reader.nodes_in_state(run, step, attempt, "cancelled")?;
    }
    let cancelled: BTreeSet<_> = found.iter().map(|(_, _, node)| node.unique_id.clone()).collect();
    for id in touched.ids.difference(&cancelled) {
        found.extend(reader.node(run, step, attempt, id)?);
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
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;
    use crate::model::ResourceType;

    const KEY: Key = (RunId(1), 1, 1);

    fn node((id, state): &(&str, NodeState)) -> NodeOf {
        (1, 1, NodeRun { state: state.clone(), ..NodeRun::queued(id, ResourceType::Model) })
    }

    /// What is told where these are all nodes of an attempt, of which events have named some.
    fn tell(told: &mut Told, named: &[&str], all: bool, nodes: &[(&str, NodeState)]) -> (bool, Vec<String>) {
        let ids = named.iter().map(|id| (*id).to_owned()).collect();
        let touched = NodesTouched { ids, all, ended: false };
        let nodes = nodes.iter().map(node).collect();
        let (complete, rows) = rows(NodesFound { key: KEY, touched, nodes, whole: true }, None, Some(told));
        (complete, rows.into_iter().map(|row| row.node.unique_id).collect())
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn of_an_artifact_only_what_is_another_is_told() {
        let [running, done] = [NodeState::Running, NodeState::Success];
        let mut told = Told::default();
        // Who listens from here on has fetched b; it is remembered, and not told.
        assert_eq!(
            tell(&mut told, &["a"], false, &[("a", running.clone()), ("b", done.clone())]),
            (false, ids(&["a"]))
        );
        let artifact = [("a", done.clone()), ("b", done.clone()), ("c", done.clone())];
        assert_eq!(tell(&mut told, &[], true, &artifact), (false, ids(&["a", "c"])));
        assert_eq!(tell(&mut told, &[], true, &artifact), (false, ids(&[])));
        // It may have been another in between.
        assert_eq!(tell(&mut told, &["b"], true, &artifact), (false, ids(&["b"])));
    }

    #[test]
    fn where_some_are_gone_or_nothing_is_remembered_all_are_told() {
        let done = NodeState::Success;
        let mut told = Told::default();
        let both = [("a", done.clone()), ("b", done.clone())];
        assert_eq!(tell(&mut told, &[], true, &both), (true, ids(&["a", "b"])));
        assert_eq!(tell(&mut told, &[], true, &both[1..]), (true, ids(&["b"])));
        assert_eq!(tell(&mut told, &[], true, &[]), (true, ids(&[])));
    }

    #[test]
    fn what_was_told_alone_is_remembered_with_the_others() {
        let [running, done] = [NodeState::Running, NodeState::Success];
        let mut told = Told::default();
        tell(&mut told, &["a"], false, &[("a", running.clone()), ("b", running.clone())]);
        let ids_of_a = [String::from("a")].into();
        let touched = NodesTouched { ids: ids_of_a, all: false, ended: false };
        let found = NodesFound { key: KEY, touched, nodes: vec![node(&("a", done.clone()))], whole: false };
        let (complete, found) = rows(found, None, Some(&mut told));
        assert_eq!((complete, found.len()), (false, 1));
        assert_eq!(tell(&mut told, &[], true, &[("a", done.clone()), ("b", done)]), (false, ids(&["b"])));
    }
}
