//! Why a node was skipped: the nearest failure above it in the lineage. dbt names it in no version that we read.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attempt, NodeResult, NodeState, Project, ResourceType};

/// Says for each node that was skipped because of which other one. Results come in dbt's order: a parent's before its
/// children's.
pub(super) fn name_causes<'a>(
    project: &Project,
    attempt: &Attempt,
    results: impl Iterator<Item = &'a mut NodeResult>,
) {
    // What the results at hand say, which the attempt does not know yet.
    let mut fresh: BTreeMap<String, Option<String>> = BTreeMap::new();
    for result in results {
        if result.state.is_failure() {
            fresh.insert(result.unique_id.clone(), Some(result.unique_id.clone()));
        } else if result.state == NodeState::Skipped {
            let cause = |id: &str| match (fresh.get(id), attempt.nodes.get(id)) {
                (Some(cause), _) => cause.clone(),
                (None, Some(node)) if node.state.is_failure() => Some(id.to_owned()),
                (None, node) => node?.skipped_because_of.clone(),
            };
            result.skipped_because_of = nearest(project, &result.unique_id, cause);
            fresh.insert(result.unique_id.clone(), result.skipped_because_of.clone());
        }
    }
}

/// The first failure on the way up from a node: of its own unit tests, which dbt makes before it, of an asset above it, or of a
/// check of one.
fn nearest(project: &Project, skipped: &str, cause: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_unit_test =
        |id: &str| project.check(id).is_some_and(|check| check.resource_type == ResourceType::UnitTest);
    let own = project.asset(skipped).map(|asset| asset.checks.as_slice()).unwrap_or_default();
    if let Some(cause) = own.iter().filter(|check| is_unit_test(check)).find_map(|check| cause(check)) {
        return Some(cause);
    }
    let mut seen = BTreeSet::from([skipped.to_owned()]);
    let mut front = parents(project, skipped);
    while !front.is_empty() {
        front.sort();
        for id in &front {
            if let Some(cause) = cause(id) {
                return Some(cause);
            }
            let checks = project.asset(id).map(|a| a.checks.as_slice()).unwrap_or_default();
            if let Some(cause) =
                checks.iter().filter(|check| check.as_str() != skipped).find_map(|check| cause(check))
            {
                return Some(cause);
            }
        }
        front.retain(|id| seen.insert(id.clone()));
        front = front.iter().flat_map(|id| parents(project, id)).collect();
    }
    None
}

fn parents(project: &Project, id: &str) -> Vec<String> {
    if let Some(asset) = project.asset(id) {
        return asset.upstream.clone();
    }
    if let Some(check) = project.check(id) {
        return check.upstream.clone();
    }
    project.exposures.iter().find(|e| e.unique_id == id).map(|e| e.upstream.clone()).unwrap_or_default()
}
