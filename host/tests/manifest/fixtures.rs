//! What the manifests of real dbt mean.

use insta::assert_json_snapshot;
use serde_json::json;
use tidegate::{dbt::node_details, project::load};

use super::{MANIFESTS, manifest_path, project};

fn whole(name: &str) -> serde_json::Value {
    let project = project(&manifest_path(name));
    json!({
        "digest": project.digest,
        "dbt_version": project.dbt_version,
        "adapter_type": project.adapter_type,
        "assets": project.assets,
        "checks": project.checks,
        "exposures": project.exposures,
    })
}

#[test]
fn dbt_1_8() {
    assert_json_snapshot!(whole("1.8-manifest"));
}

#[test]
fn dbt_1_12() {
    assert_json_snapshot!(whole("1.12-manifest"));
}

#[test]
fn naming_zoo() {
    assert_json_snapshot!(whole("1.11-naming-zoo"));
}

#[test]
fn details_are_read_on_demand() {
    let path = manifest_path("1.11-naming-zoo");
    let ids = ["model.zoo.with_schema", "source.zoo.raw.tracks", "snapshot.zoo.snap_old", "seed.zoo.food"];
    let details: Vec<_> = ids.iter().map(|id| (id, node_details(&path, id).unwrap().unwrap())).collect();
    assert_json_snapshot!(details);
    assert_eq!(node_details(&path, "model.zoo.unheard_of").unwrap(), None);
    for name in MANIFESTS {
        let path = manifest_path(name);
        for asset in project(&path).assets {
            let details = node_details(&path, &asset.unique_id).unwrap().unwrap();
            assert_eq!(
                details.raw_code.is_some(),
                ["model", "snapshot"].contains(&asset.resource_type.as_str())
            );
        }
    }
}

#[test]
fn a_translator_that_changes_nothing_changes_nothing() {
    for name in MANIFESTS {
        let path = manifest_path(name);
        let mut entries = Vec::new();
        let mut translate = |nodes: &[tidegate::model::NodeFacts]| {
            entries.extend(nodes.iter().map(|node| node.entry.clone()));
            nodes.iter().map(|node| Ok(node.default.clone())).collect()
        };
        let loaded = load("shop", &path, Some(&mut translate)).unwrap();
        assert_eq!(loaded.project.assets, project(&path).assets);
        for entry in entries {
            let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
            assert!(entry["unique_id"].is_string());
            assert!(
                entry.get("raw_code").or(entry.get("compiled_code")).or(entry.get("root_path")).is_none()
            );
        }
    }
}
