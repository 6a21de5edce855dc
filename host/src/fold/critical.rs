//! The critical path of an attempt: the chain of nodes that decided when it ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{NodeRun, Project};

/// The unique ids of the nodes that decided when an attempt ended, the last of them first.
///
/// It is the node that ended last, before it what it waited for last, and so on. What a node waits for its project knows: the
/// assets above it, and their checks; what did not run in the attempt is looked through. Of what no project knows, it is what
/// went before it in its thread.
pub fn critical_path<'a>(
    nodes: impl IntoIterator<Item = &'a NodeRun>,
    project: Option<&Project>,
) -> Vec<&'a str> {
    let ran: BTreeMap<&str, &NodeRun> = nodes
        .into_iter()
        .filter(|node| node.started_at.is_some() && node.finished_at.is_some())
        .map(|node| (node.unique_id.as_str(), node))
        .collect();
    let mut threads: BTreeMap<&str, Vec<&NodeRun>> = BTreeMap::new();
    for node in ran.values().copied().rev() {
        threads.entry(node.thread.as_deref().unwrap_or_default()).or_default().push(node);
    }
    threads.values_mut().for_each(|nodes| nodes.sort_by_key(|node| node.finished_at));
    let (mut path, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next = latest(ran.values().copied());
    while let Some(node) = next {
        path.push(node.unique_id.as_str());
        seen.insert(node.unique_id.as_str());
        let is_new = |other: &&NodeRun| !seen.contains(other.unique_id.as_str());
        next = match (project.filter(|project| knows(project, &node.unique_id)), node.thread.as_deref()) {
            (Some(project), _) => {
                let waited = waited_for(project, &node.unique_id, &ran);
                let waited = waited.into_iter().filter_map(|id| ran.get(id).copied());
                latest(waited.filter(|other| other.finished_at <= node.started_at).filter(is_new))
            }
            (None, Some(thread)) => {
                let thread = threads.get(thread).map(Vec::as_slice).unwrap_or_default();
                let before = thread.partition_point(|other| other.finished_at <= node.started_at);
                thread[..before].iter().copied().rfind(is_new)
            }
            (None, None) => None,
        };
    }
    path
}

/// What ended last; of several the first by its id.
fn latest<'a>(nodes: impl Iterator<Item = &'a NodeRun>) -> Option<&'a NodeRun> {
    nodes.reduce(|last, node| if node.finished_at > last.finished_at { node } else { last })
}

fn knows(project: &Project, unique_id: &str) -> bool {
    project.asset(unique_id).is_some() || project.check(unique_id).is_some()
}

/// The nodes that ran and had to end before a node could begin.
fn waited_for<'a>(
    project: &'a Project,
    unique_id: &str,
    ran: &BTreeMap<&str, &NodeRun>,
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let is_check = project.check(unique_id).is_some();
    let mut front = above(project, unique_id);
    while let Some(id) = front.pop() {
        if !seen.insert(id) {
            continue;
        }
        // A check waits for what it looks at, and for no other check.
        let checks = project.asset(id).filter(|_| !is_check).map(|asset| asset.checks.as_slice());
        let checks = checks.unwrap_or_default();
        found.extend(checks.iter().map(String::as_str).filter(|check| ran.contains_key(check)));
        if ran.contains_key(id) {
            found.insert(id);
        } else {
            front.extend(above(project, id));
        }
    }
    found.remove(unique_id);
    found
}

fn above<'a>(project: &'a Project, unique_id: &str) -> Vec<&'a str> {
    let upstream = match (project.asset(unique_id), project.check(unique_id)) {
        (Some(asset), _) => &asset.upstream,
        (None, Some(check)) => &check.upstream,
        (None, None) => return Vec::new(),
    };
    upstream.iter().map(String::as_str).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fold::tests::histories::at,
        model::{Asset, AssetKey, AssetShape, Check, ResourceType},
    };

    /// A node that ran from one second to another in a thread.
    fn node(unique_id: &str, thread: &str, from: i64, to: i64) -> NodeRun {
        NodeRun {
            started_at: Some(at(from)),
            finished_at: Some(at(to)),
            thread: Some(thread.to_owned()),
            ..NodeRun::queued(unique_id, ResourceType::of_unique_id(unique_id))
        }
    }

    fn texts(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn asset(unique_id: &str, upstream: &[&str], checks: &[&str]) -> Asset {
        Asset {
            shape: AssetShape {
                key: AssetKey::new([unique_id]),
                group: None,
                owners: Vec::new(),
                tags: Default::default(),
                description: None,
                metadata: Default::default(),
            },
            unique_id: unique_id.to_owned(),
            resource_type: ResourceType::Model,
            name: unique_id.to_owned(),
            package_name: String::new(),
            original_file_path: String::new(),
            fqn: Vec::new(),
            materialized: None,
            relation_name: None,
            kinds: Vec::new(),
            code_version: None,
            upstream: texts(upstream),
            downstream: Vec::new(),
            checks: texts(checks),
            fresh_within: None,
            dbt_tags: Vec::new(),
            meta: String::new(),
        }
    }

    fn check(unique_id: &str, of: &[&str]) -> Check {
        Check {
            unique_id: unique_id.to_owned(),
            name: unique_id.to_owned(),
            resource_type: ResourceType::Test,
            fqn: Vec::new(),
            severity: crate::model::Severity::Error,
            description: None,
            original_file_path: String::new(),
            assets: texts(of),
            upstream: texts(of),
            column: None,
            column_of: 0,
            dbt_tags: Vec::new(),
            meta: String::new(),
        }
    }

    /// a → b → c, a → d; a has a test.
    fn project() -> Project {
        let assets = vec![
            asset("model.a", &[], &["test.a", "test.a2"]),
            asset("model.b", &["model.a"], &[]),
            asset("model.c", &["model.b"], &[]),
            asset("model.d", &["model.a"], &[]),
        ];
        Project::new(assets, vec![check("test.a", &["model.a"]), check("test.a2", &["model.a"])], Vec::new())
    }

    #[test]
    fn it_leads_from_the_last_end_over_what_was_waited_for_last() {
        let nodes = [
            node("model.a", "1", 0, 3),
            node("test.a", "1", 3, 5),
            node("test.a2", "2", 3, 4),
            node("model.d", "2", 5, 6),
            node("model.b", "1", 5, 7),
            node("model.c", "1", 7, 9),
        ];
        let path = critical_path(&nodes, Some(&project()));
        assert_eq!(path, ["model.c", "model.b", "test.a", "model.a"]);
    }

    #[test]
    fn what_did_not_run_is_looked_through() {
        let nodes = [node("model.a", "1", 0, 3), node("model.c", "2", 4, 9), node("model.d", "1", 4, 5)];
        assert_eq!(critical_path(&nodes, Some(&project())), ["model.c", "model.a"]);
    }

    #[test]
    fn what_no_project_knows_waited_for_its_thread() {
        let nodes = [
            node("model.x", "1", 0, 3),
            node("model.y", "2", 0, 4),
            node("model.z", "1", 3, 9),
            NodeRun::queued("model.never", ResourceType::Model),
        ];
        assert_eq!(critical_path(&nodes, None), ["model.z", "model.x"]);
        assert_eq!(critical_path(&nodes, Some(&project())), ["model.z", "model.x"]);
        assert_eq!(critical_path(&nodes[3..], None), [""; 0]);
    }

    proptest! {
        #[test]
        fn whatever_the_clocks_say_it_ends_and_names_each_node_once(
            times in proptest::collection::vec((0..5_i64, 0..5_i64, 0..3_u8), 6),
            known in any::<bool>(),
        ) {
            let ids = ["model.a", "model.b", "model.c", "model.d", "test.a", "test.a2"];
            let nodes: Vec<_> = ids.iter().zip(&times).map(|(id, (from, to, thread))| {
                node(id, &thread.to_string(), *from, *to)
            }).collect();
            let project = project();
            let path = critical_path(&nodes, known.then_some(&project));
            prop_assert!(!path.is_empty());
            let unique: BTreeSet<_> = path.iter().collect();
            prop_assert_eq!(unique.len(), path.len());
            let last = times.iter().map(|(_, to, _)| at(*to)).max();
            let first = nodes.iter().find(|node| node.unique_id == path[0]).unwrap();
            prop_assert_eq!(first.finished_at, last);
        }
    }
}
