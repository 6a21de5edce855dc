//! Nodes as alerts see them: how they ended in a run, to whom they belong, and what stands below what.

use std::collections::{BTreeMap, BTreeSet};

use super::Standing;
use crate::model::{AlertRule, NodeRun, NodeState, Project, Run, Subject};

/// How each node of a run ended, by unique id: what the last attempt says that has finished it.
pub fn final_nodes(run: &Run) -> BTreeMap<&str, &NodeRun> {
    let mut nodes: BTreeMap<&str, &NodeRun> = BTreeMap::new();
    for node in run.steps.iter().flat_map(|step| &step.attempts).flat_map(|attempt| attempt.nodes.values()) {
        if node.state.is_finished() || !nodes.contains_key(node.unique_id.as_str()) {
            nodes.insert(&node.unique_id, node);
        }
    }
    nodes
}

/// The owners of a node; of a check, those of what it looks at.
pub fn owners_of(project: &Project, unique_id: &str) -> Vec<String> {
    let owners = |id: &str| project.asset(id).map(|asset| asset.shape.owners.clone()).unwrap_or_default();
    let Some(check) = project.check(unique_id) else { return owners(unique_id) };
    let all: BTreeSet<_> = check.assets.iter().flat_map(|id| owners(id)).collect();
    all.into_iter().collect()
}

fn has_tag(project: &Project, unique_id: &str, tags: &[String]) -> bool {
    let has = |id: &str| {
        project.asset(id).is_some_and(|asset| tags.iter().any(|tag| asset.shape.tags.contains_key(tag)))
    };
    match project.check(unique_id) {
        Some(check) => check.assets.iter().any(|id| has(id)),
        None => has(unique_id),
    }
}

/// Whether a node is one that an alert is about. Where the project is not known, it may be: better told too much.
pub(super) fn is_meant(rule: &AlertRule, project: Option<&Project>, unique_id: &str) -> bool {
    if rule.tags.is_empty() && rule.owners.is_empty() {
        return true;
    }
    let Some(project) = project else { return true };
    (rule.tags.is_empty() || has_tag(project, unique_id, &rule.tags))
        && (rule.owners.is_empty()
            || owners_of(project, unique_id).iter().any(|owner| rule.owners.contains(owner)))
}

pub(super) fn is_well(state: &NodeState) -> bool {
    matches!(state, NodeState::Success | NodeState::Pass | NodeState::Warn | NodeState::Reused)
}

/// The incidents of a project's failing nodes, by everything that stands below these.
pub(super) struct Below<'a> {
    project: Option<&'a Project>,
    incidents: BTreeMap<String, u64>,
}

impl<'a> Below<'a> {
    pub(super) fn of(standing: &Standing, name: &str, project: Option<&'a Project>) -> Self {
        let mut incidents: BTreeMap<String, u64> = BTreeMap::new();
        let Some(known) = project else { return Self { project, incidents } };
        let mut front = Vec::new();
        for (subject, failing) in &standing.failing {
            let (Subject::Node { project, unique_id }, Some(incident)) = (subject, failing.incident) else {
                continue;
            };
            if project != name {
                continue;
            }
            // What a failed check has found wrong is wrong in what it looks at.
            let looked_at = known.check(unique_id).map(|check| check.assets.clone());
            let starts = looked_at.unwrap_or_else(|| vec![unique_id.clone()]);
            front.extend(starts.into_iter().map(|start| (start, incident)));
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while let Some((id, incident)) = front.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            for child in known.asset(&id).into_iter().flat_map(|asset| &asset.downstream) {
                incidents.entry(child.clone()).or_insert(incident);
                front.push((child.clone(), incident));
            }
        }
        // A check stands below what it looks at.
        for id in seen {
            let Some(asset) = known.asset(&id) else { continue };
            let failing = Subject::Node { project: name.to_owned(), unique_id: id.clone() };
            let own = standing.failing.get(&failing).and_then(|failing| failing.incident);
            let Some(incident) = own.or_else(|| incidents.get(&id).copied()) else { continue };
            for check in &asset.checks {
                incidents.entry(check.clone()).or_insert(incident);
            }
        }
        Self { project, incidents }
    }

    /// The incident above a node.
    pub(super) fn incident(&self, unique_id: &str) -> Option<u64> {
        let reads = || {
            let check = self.project?.check(unique_id)?;
            check.upstream.iter().find_map(|id| self.incidents.get(id).copied())
        };
        self.incidents.get(unique_id).copied().or_else(reads)
    }
}
