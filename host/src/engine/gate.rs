//! The gate between runs: which nodes of a plan stand behind a check that failed in an earlier run.
//!
//! dbt skips what reads an asset whose test of severity `error` has failed, but only within one command. Here the same holds
//! for commands that come later. Pure: asks nobody, starts nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    dbt::exact_selectors,
    model::{FailedCheck, Gated, Project, Severity},
};

/// The nodes of a plan that stand behind failed checks, and which of the checks they stand behind.
///
/// A check counts where its severity is `error` and the plan neither makes it again nor builds its asset: then this run
/// decides for itself. Behind it stand the nodes that read its asset, the nodes of the plan that read those, and the checks
/// on any of them.
pub fn gated(project: &Project, plan: &[String], failed: &[FailedCheck]) -> (Vec<FailedCheck>, Vec<Gated>) {
    let planned: BTreeSet<&str> = plan.iter().map(String::as_str).collect();
    let mut behind: BTreeMap<&str, &str> = BTreeMap::new();
    let mut shut = Vec::new();
    for found in failed {
        let Some(check) = project.check(&found.unique_id) else { continue };
        if check.severity != Severity::Error || planned.contains(check.unique_id.as_str()) {
            continue;
        }
        let assets = check.assets.iter().filter(|id| !planned.contains(id.as_str()));
        let mut front: Vec<&str> = assets.map(String::as_str).collect();
        let before = behind.len();
        while let Some(id) = front.pop() {
            let readers = project.asset(id).map(|asset| asset.downstream.as_slice()).unwrap_or_default();
            for reader in readers.iter().filter(|id| planned.contains(id.as_str())) {
                if !behind.contains_key(reader.as_str()) {
                    behind.insert(reader, &check.unique_id);
                    front.push(reader);
                }
            }
        }
        if behind.len() > before {
            shut.push(found.clone());
        }
    }
    // A check on what is not built would look at what was built before, and dbt would skip it too.
    for check in project.checks.iter().filter(|check| planned.contains(check.unique_id.as_str())) {
        if let Some(cause) = check.upstream.iter().chain(&check.assets).find_map(|id| behind.get(id.as_str()))
        {
            behind.insert(&check.unique_id, cause);
        }
    }
    let gated = behind
        .into_iter()
        .map(|(id, check)| Gated { unique_id: id.to_owned(), check: check.to_owned() })
        .collect();
    (shut, gated)
}

/// The selectors of what is left of a plan without the nodes that stand behind failed checks.
pub fn left(project: &Project, plan: &[String], behind: &[Gated]) -> Vec<String> {
    let blocked = |id: &&str| behind.binary_search_by(|node| node.unique_id.as_str().cmp(id)).is_ok();
    exact_selectors(project, plan.iter().map(String::as_str).filter(|id| !blocked(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Asset, AssetKey, AssetShape, Check, ResourceType, RunId};

    fn asset(name: &str, upstream: &[&str], downstream: &[&str]) -> Asset {
        let id = |name: &&str| format!("model.shop.{name}");
        Asset {
            shape: AssetShape {
                key: AssetKey::new([name]),
                group: None,
                owners: Vec::new(),
                tags: BTreeMap::new(),
                description: None,
                metadata: BTreeMap::new(),
            },
            unique_id: id(&name),
            resource_type: ResourceType::Model,
            name: name.to_owned(),
            package_name: "shop".to_owned(),
            original_file_path: String::new(),
            dbt_tags: Vec::new(),
            meta: String::new(),
            fqn: vec!["shop".to_owned(), name.to_owned()],
            materialized: None,
            relation_name: None,
            kinds: Vec::new(),
            code_version: None,
            upstream: upstream.iter().map(id).collect(),
            downstream: downstream.iter().map(id).collect(),
            checks: Vec::new(),
            fresh_within: None,
        }
    }

    fn check(name: &str, on: &str, severity: Severity) -> Check {
        let looks_at = vec![format!("model.shop.{on}")];
        Check {
            unique_id: format!("test.shop.{name}"),
            name: name.to_owned(),
            resource_type: ResourceType::Test,
            fqn: vec!["shop".to_owned(), name.to_owned()],
            severity,
            description: None,
            original_file_path: String::new(),
            column: None,
            column_of: 0,
            dbt_tags: Vec::new(),
            meta: String::new(),
            assets: looks_at.clone(),
            upstream: looks_at,
        }
    }

    /// a → b → c → d, and a → e; a check on each of a, b and c.
    fn project() -> Project {
        let assets = vec![
            asset("a", &[], &["b", "e"]),
            asset("b", &["a"], &["c"]),
            asset("c", &["b"], &["d"]),
            asset("d", &["c"], &[]),
            asset("e", &["a"], &[]),
        ];
        let checks = ["a", "b", "c"].map(|on| check(&format!("on_{on}"), on, Severity::Error));
        let mut checks = checks.to_vec();
        checks.push(check("warns", "a", Severity::Warn));
        Project::new(assets, checks, Vec::new())
    }

    fn behind(plan: &[&str], failed: &[&str]) -> Vec<String> {
        let failed: Vec<_> = failed
            .iter()
            .map(|name| FailedCheck { unique_id: format!("test.shop.{name}"), run: RunId(1) })
            .collect();
        let id = |name: &&str| match name.strip_prefix("on_") {
            Some(_) => format!("test.shop.{name}"),
            None => format!("model.shop.{name}"),
        };
        let plan: Vec<_> = plan.iter().map(id).collect();
        let (shut, gated) = gated(&project(), &plan, &failed);
        assert_eq!(shut.is_empty(), gated.is_empty());
        gated.into_iter().map(|node| node.unique_id.rsplit('.').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_reads_the_asset_is_behind_its_failed_check_and_what_reads_that() {
        assert_eq!(behind(&["b", "c", "e"], &["on_a"]), ["b", "c", "e"]);
        assert_eq!(behind(&["b", "on_b", "on_c"], &["on_a"]), ["b", "on_b"]);
        // c reads what an earlier run built of b, and that was not behind the check.
        assert_eq!(behind(&["c", "d"], &["on_a"]), [""; 0]);
        assert_eq!(behind(&["c", "d"], &["on_a", "on_b"]), ["c", "d"]);
    }

    #[test]
    fn a_run_that_builds_the_asset_or_makes_the_check_decides_for_itself() {
        assert_eq!(behind(&["a", "b"], &["on_a"]), [""; 0]);
        assert_eq!(behind(&["on_a", "b"], &["on_a"]), [""; 0]);
    }

    #[test]
    fn warnings_and_checks_that_are_gone_shut_nothing() {
        assert_eq!(behind(&["b", "e"], &["warns", "gone"]), [""; 0]);
    }
}
