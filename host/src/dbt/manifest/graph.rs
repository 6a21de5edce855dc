//! Who reads whom: assets, checks and exposures with their neighbours.
//!
//! Owns the lineage, which it builds from what each node depends on and from nothing else in the manifest: dbt 2 leaves
//! nodes out of its own maps. Never sees JSON.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use super::nodes::{CheckNode, Ids, Nodes};

/// Gives every asset, check and exposure its neighbours. Ephemeral models and other nodes that are no assets are
/// bridged, with no end however long the chain; an asset is not its own neighbour; a node that is not in the manifest
/// is nobody's neighbour.
pub(super) fn link(nodes: &mut Nodes) {
    let Nodes { assets, checks, exposures, bridges, .. } = nodes;
    let places: HashMap<String, usize> =
        assets.iter().enumerate().map(|(place, node)| (node.asset.unique_id.clone(), place)).collect();
    let reach = |depends_on: &Ids| -> BTreeSet<usize> { bridged(depends_on, &places, bridges) };

    let upstream: Vec<BTreeSet<usize>> = assets.iter().map(|node| reach(&node.depends_on)).collect();
    let mut downstream: Vec<Vec<String>> = vec![Vec::new(); assets.len()];
    for (place, parents) in upstream.iter().enumerate() {
        let unique_id = &assets[place].asset.unique_id;
        for &parent in parents.iter().filter(|&&parent| parent != place) {
            downstream[parent].push(unique_id.clone());
        }
    }
    let ids: Vec<String> = assets.iter().map(|node| node.asset.unique_id.clone()).collect();
    let named =
        |places: BTreeSet<usize>| sorted(places.into_iter().map(|place| ids[place].clone()).collect());

    for (exposure, depends_on) in exposures {
        let parents = reach(depends_on);
        for &parent in &parents {
            downstream[parent].push(exposure.unique_id.clone());
        }
        exposure.upstream = named(parents);
    }
    for CheckNode { check, looks_at, reads, column_of } in checks {
        let places = reach(looks_at);
        for &place in &places {
            assets[place].asset.checks.push(check.unique_id.clone());
        }
        check.assets = named(places);
        let owner = column_of.as_ref().and_then(|of| check.assets.iter().position(|asset| asset == of));
        // Who reads an ephemeral model need not have its columns.
        check.column = check.column.take().filter(|_| owner.is_some());
        check.column_of = owner.unwrap_or_default();
        check.upstream = named(reach(reads));
    }
    for (place, (parents, children)) in upstream.into_iter().zip(downstream).enumerate() {
        let asset = &mut assets[place].asset;
        asset.upstream = named(parents.into_iter().filter(|&parent| parent != place).collect());
        asset.downstream = sorted(children);
        asset.checks = sorted(std::mem::take(&mut asset.checks));
    }
}

/// The assets that a node depends on, straight or through nodes that are no assets.
fn bridged(
    depends_on: &Ids,
    places: &HashMap<String, usize>,
    bridges: &HashMap<Cow<str>, Ids>,
) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut crossed = HashSet::new();
    let mut left: Vec<&str> = depends_on.iter().map(AsRef::as_ref).collect();
    while let Some(unique_id) = left.pop() {
        if let Some(&place) = places.get(unique_id) {
            found.insert(place);
        } else if let Some(further) = bridges.get(unique_id)
            && crossed.insert(unique_id)
        {
            left.extend(further.iter().map(AsRef::as_ref));
        }
    }
    found
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids.dedup();
    ids.shrink_to_fit();
    ids
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use serde_json::json;

    use super::super::tests::{manifest, parsed};
    use crate::model::{Asset, ResourceType, Severity};

    fn names(ids: &[String]) -> Vec<&str> {
        ids.iter().map(String::as_str).collect()
    }

    #[test]
    fn nodes_that_are_no_assets_are_bridged() {
        let ephemeral = |parents: &[&str]| json!({"name": "e", "config": {"materialized": "ephemeral"}, "depends_on": {"nodes": parents}});
        let text = manifest(json!({
            "nodes": {
                "seed.p.s": {"name": "s"},
                "model.p.e1": ephemeral(&["seed.p.s", "model.p.e2"]),
                "model.p.e2": ephemeral(&["source.p.r.t", "model.p.e1", "function.p.f", "model.p.gone"]),
                "model.p.m": {"name": "m", "depends_on": {"nodes": ["model.p.e1", "model.p.m", "seed.p.s"]}},
                "model.p.off": {"name": "off", "config": {"enabled": false}, "depends_on": {"nodes": ["seed.p.s"]}},
                "analysis.p.a": {"name": "a", "depends_on": {"nodes": ["model.p.m"]}},
                "test.p.loose": {"name": "loose", "depends_on": {"nodes": ["model.p.e1", "model.p.m"]},
                    "config": {"severity": "wArN"}, "meta": {"description": "why"}},
                "test.p.tied": {"name": "tied", "attached_node": "model.p.m",
                    "depends_on": {"nodes": ["model.p.m", "seed.p.s"]}},
                "test.p.on_ephemeral": {"name": "oe", "attached_node": "model.p.e1", "column_name": "id", "depends_on": null},
            },
            "sources": {"source.p.r.t": {"name": "t", "source_name": "r"}},
            "functions": {"function.p.f": {"name": "f", "depends_on": {"nodes": ["snapshot.p.h"]}}},
            "metrics": {"metric.p.x": {"name": "x", "depends_on": {"nodes": ["semantic_model.p.sm"]}}},
            "semantic_models": {"semantic_model.p.sm": {"name": "sm", "depends_on": {"nodes": ["model.p.m"]}}},
            "exposures": {"exposure.p.e": {"name": "e", "type": "dashboard", "owner": {"name": "N"},
                "depends_on": {"nodes": ["metric.p.x", "model.p.e1"]}}},
            "unit_tests": {"unit_test.p.m.u": {"name": "u", "depends_on": {"nodes": ["model.p.m"]}}},
        }));
        let manifest = parsed(&text).unwrap();
        let asset =
            |id: &str| -> &Asset { manifest.assets.iter().find(|asset| asset.unique_id == id).unwrap() };
        assert_eq!(manifest.assets.len(), 3, "neither ephemeral models nor disabled ones are assets");

        assert_eq!(names(&asset("model.p.m").upstream), ["seed.p.s", "source.p.r.t"]);
        assert_eq!(names(&asset("model.p.m").downstream), ["exposure.p.e"]);
        assert_eq!(names(&asset("seed.p.s").downstream), ["exposure.p.e", "model.p.m"]);
        assert_eq!(names(&manifest.exposures[0].upstream), ["model.p.m", "seed.p.s", "source.p.r.t"]);
        assert_eq!(manifest.exposures[0].owner.as_deref(), Some("N"));

        let check = |id: &str| manifest.checks.iter().find(|check| check.unique_id == id).unwrap();
        assert_eq!(names(&check("test.p.tied").assets), ["model.p.m"]);
        assert_eq!(names(&check("test.p.loose").assets), ["model.p.m", "seed.p.s", "source.p.r.t"]);
        assert_eq!(check("test.p.loose").severity, Severity::Warn);
        assert_eq!(check("test.p.loose").description.as_deref(), Some("why"));
        assert_eq!(check("test.p.tied").severity, Severity::Error);
        assert_eq!(names(&check("test.p.on_ephemeral").assets), ["seed.p.s", "source.p.r.t"]);
        assert_eq!(check("test.p.on_ephemeral").column, None, "these have columns of their own");
        assert_eq!(check("unit_test.p.m.u").resource_type, ResourceType::UnitTest);
        assert_eq!(names(&asset("model.p.m").checks), ["test.p.loose", "test.p.tied", "unit_test.p.m.u"]);
    }

    #[test]
    fn a_check_knows_its_column_and_whose_that_is() {
        let both = json!({"nodes": ["model.p.m", "source.p.r.t"]});
        let text = manifest(json!({
            "nodes": {
                "model.p.m": {"name": "m"},
                "test.p.plain": {"name": "plain", "attached_node": "model.p.m", "column_name": "\"Id\"",
                    "depends_on": {"nodes": ["model.p.m"]}},
                "test.p.argument": {"name": "argument", "attached_node": "model.p.m", "column_name": null,
                    "test_metadata": {"kwargs": {"column_name": "total"}}, "depends_on": {"nodes": ["model.p.m"]}},
                "test.p.whole": {"name": "whole", "attached_node": "model.p.m", "column_name": null,
                    "test_metadata": {"kwargs": {"columns": ["a"]}}, "depends_on": {"nodes": ["model.p.m"]}},
                // dbt attaches no test to a source, and this one reads a model as well.
                "test.p.source": {"name": "source", "column_name": "customer", "depends_on": both,
                    "test_metadata": {"kwargs": {"model": "{{ get_where_subquery(source('r', 't')) }}", "to": "ref('m')"}}},
                "test.p.nobodys": {"name": "nobodys", "column_name": "customer", "depends_on": both},
            },
            "sources": {"source.p.r.t": {"name": "t", "source_name": "r"}},
        }));
        let manifest = parsed(&text).unwrap();
        let column = |id: &str, of: &str| {
            let check = manifest.checks.iter().find(|check| check.unique_id == id).unwrap();
            assert!(check.assets.iter().any(|asset| asset == of));
            check.seen_by(of).column
        };
        assert_eq!(column("test.p.plain", "model.p.m").as_deref(), Some("Id"));
        assert_eq!(column("test.p.argument", "model.p.m").as_deref(), Some("total"));
        assert_eq!(column("test.p.whole", "model.p.m"), None);
        assert_eq!(column("test.p.source", "source.p.r.t").as_deref(), Some("customer"));
        assert_eq!(column("test.p.source", "model.p.m"), None);
        assert_eq!(column("test.p.nobodys", "source.p.r.t"), None);
    }

    #[test]
    fn a_long_chain_of_ephemeral_models_is_crossed() {
        let mut nodes = json!({"model.p.last": {"name": "last", "depends_on": {"nodes": ["model.p.e9999"]}}, "seed.p.s": {"name": "s"}});
        for i in 0..10_000 {
            let parent = if i == 0 { "seed.p.s".to_owned() } else { format!("model.p.e{}", i - 1) };
            nodes[format!("model.p.e{i}")] = json!({"name": "e", "config": {"materialized": "ephemeral"}, "depends_on": {"nodes": [parent]}});
        }
        let text = manifest(json!({"nodes": nodes}));
        assert_eq!(names(&parsed(&text).unwrap().assets[0].upstream), ["seed.p.s"]);
    }
}
