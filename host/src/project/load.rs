//! From a manifest to a project: default assets, a translator's say in them, and the checks that both have to pass.
//!
//! Owns the order of these steps, and what happens to answers of a translator that cannot be used: the node keeps its
//! default asset, and one warning names the first few. Never knows what a translator is: it is a function here.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use crate::{
    dbt::{Manifest, ManifestError, ManifestText, Remark},
    model::{Asset, AssetKey, AssetShape, NodeFacts, Project},
};

/// How many nodes a translator sees at once.
const CHUNK: usize = 250;

/// How many nodes a warning or an error names.
const NAMED: usize = 3;

/// What a translator does: one answer a node, in order. Nodes behind its last answer keep their default assets without
/// another word: a translator that failed as a whole has already been reported.
pub type Translate<'t> = dyn FnMut(&[NodeFacts]) -> Vec<Result<AssetShape, String>> + 't;

/// A project, and what its operator should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The project.
    pub project: Project,
    /// Sentences for people.
    pub warnings: Vec<String>,
}

/// Why a project cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),

    /// Nodes share an asset key.
    #[error(
        "{}; give each node a key of its own: set `meta.tidegate.asset_key` on one of them, or change the translator",
        sentence(.0)
    )]
    DuplicateKeys(Vec<DuplicateKey>),
}

/// Two nodes with one asset key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: AssetKey,
    /// Unique id and file of the one.
    pub first: (String, String),
    /// Unique id and file of the other.
    pub second: (String, String),
}

/// Loads the project that a manifest describes. `name` is what `tidegate.toml` calls it.
///
/// # Errors
///
/// Where the manifest cannot be used, or two nodes end up with one asset key.
pub fn load(
    name: &str,
    manifest_path: &Path,
    translate: Option<&mut Translate<'_>>,
) -> Result<Loaded, LoadError> {
    let text = ManifestText::read(manifest_path)?;
    let mut manifest = text.parse()?;
    let mut warnings = remarks(&manifest.remarks);
    if let Some(translate) = translate {
        warnings.extend(apply(&mut manifest, translate));
    }
    let Manifest { dbt_version, adapter_type, package_name, digest, assets, checks, exposures, .. } =
        manifest;
    let duplicates = duplicates(&assets);
    if !duplicates.is_empty() {
        return Err(LoadError::DuplicateKeys(duplicates));
    }
    drop(text);
    let mut project = Project::new(assets, checks, exposures);
    project.name = name.to_owned();
    project.digest = digest;
    project.dbt_version = dbt_version;
    project.adapter_type = adapter_type;
    project.package_name = package_name;
    Ok(Loaded { project, warnings })
}

/// Lets a translator shape the assets; the warning, if any, about the nodes that keep their default assets.
fn apply(manifest: &mut Manifest, translate: &mut Translate<'_>) -> Option<String> {
    let mut refused = Vec::new();
    let mut start = 0;
    while start < manifest.assets.len() {
        let end = manifest.assets.len().min(start + CHUNK);
        let answers = translate(&manifest.facts(start..end));
        for (asset, answer) in manifest.assets[start..end].iter_mut().zip(answers) {
            match answer.and_then(valid) {
                Ok(shape) => asset.shape = shape,
                Err(reason) => refused.push((asset.unique_id.clone(), reason)),
            }
        }
        start = end;
    }
    let count = refused.len();
    let named = refused.iter().take(NAMED).map(|(unique_id, reason)| format!("`{unique_id}`: {reason}"));
    let named = named.collect::<Vec<_>>().join("; ");
    (count > 0).then(|| {
        let nodes =
            if count == 1 { "1 node keeps its default asset" } else { "nodes keep their default assets" };
        let number = if count == 1 { String::new() } else { format!("{count} ") };
        format!("{number}{nodes}, because the translator's answer cannot be used ({named}{})", rest(count))
    })
}

/// A translator's shape, if it can be used; else why not.
fn valid(mut shape: AssetShape) -> Result<AssetShape, String> {
    if shape.key.0.is_empty() {
        return Err("its key has no parts".to_owned());
    }
    if shape.key.0.iter().any(String::is_empty) {
        return Err(format!("its key `{}` has an empty part", shape.key));
    }
    if shape.tags.contains_key("") {
        return Err("one of its tags has no name".to_owned());
    }
    shape.group = shape.group.filter(|group| !group.is_empty());
    shape.owners.retain(|owner| !owner.is_empty());
    Ok(shape)
}

fn duplicates(assets: &[Asset]) -> Vec<DuplicateKey> {
    let mut owners: HashMap<&AssetKey, &Asset> = HashMap::with_capacity(assets.len());
    let mut found = Vec::new();
    let place = |asset: &Asset| (asset.unique_id.clone(), asset.original_file_path.clone());
    for asset in assets {
        if let Some(first) = owners.insert(&asset.shape.key, asset) {
            let key = asset.shape.key.clone();
            found.push(DuplicateKey { key, first: place(first), second: place(asset) });
        }
    }
    found
}

fn sentence(duplicates: &[DuplicateKey]) -> String {
    let mut text = String::new();
    for (number, DuplicateKey { key, first, second }) in duplicates.iter().take(NAMED).enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        let _ = write!(
            text,
            "{separator}`{}` ({}) and `{}` ({}) have the same asset key `{key}`",
            first.0, first.1, second.0, second.1
        );
    }
    text + &rest(duplicates.len())
}

/// A setting, and the key in it that nobody knows, where it is about one.
type About<'r> = (&'r str, Option<&'r str>);

/// One warning for each setting that was passed over.
fn remarks(remarks: &[Remark]) -> Vec<String> {
    let mut by_setting: Vec<(About<'_>, Vec<&str>)> = Vec::new();
    for remark in remarks {
        let about = (remark.setting, remark.unknown.as_deref());
        match by_setting.iter_mut().find(|(known, _)| *known == about) {
            Some((_, nodes)) => nodes.push(&remark.unique_id),
            None => by_setting.push((about, vec![&remark.unique_id])),
        }
    }
    let warning = |((setting, unknown), nodes): (About<'_>, Vec<&str>)| {
        let named = nodes.iter().take(NAMED).map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ");
        let see = format!("see {named}{}", rest(nodes.len()));
        if let Some(key) = unknown {
            return format!("`{key}` in `{setting}` is a key that nobody knows, and is ignored: {see}");
        }
        let expected = match setting.rsplit('.').next() {
            Some("asset_key") => "a string or a list of strings, none of them empty",
            Some("group") => "a string",
            Some("tags") => "a string, a list of strings, or names with values",
            Some("fresh_within") => {
                "a span such as `24h`, or a block with `within` (such a span), `deadline` (a cron expression), \
                 `time_zone` and `severity` (`error` or `warn`)"
            }
            Some("freshness_check") => {
                "a block with `lower_bound_delta_seconds` (a number above 0), `deadline_cron`, `timezone` and \
                 `severity` (`ERROR` or `WARN`)"
            }
            _ => "a string or a list of strings",
        };
        format!("`{setting}` is ignored where it is not {expected}: {see}")
    };
    by_setting.into_iter().map(warning).collect()
}

fn rest(count: usize) -> String {
    if count > NAMED { format!(", and {} more", count - NAMED) } else { String::new() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::{fs, path::PathBuf};

    use serde_json::{Value, json};

    use super::*;

    fn project(models: impl IntoIterator<Item = (String, Value)>) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest.json");
        let nodes: serde_json::Map<_, _> = models.into_iter().collect();
        let manifest = json!({
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                "dbt_version": "1.11.16",
                "adapter_type": "duckdb",
            },
            "nodes": nodes,
        });
        fs::write(&path, manifest.to_string()).unwrap();
        (directory, path)
    }

    fn models(count: usize) -> (tempfile::TempDir, PathBuf) {
        project((0..count).map(|i| {
            let model = json!({
                "name": format!("m{i:04}"), "original_file_path": "models/m.sql", "raw_code": "select 1",
                "compiled_code": "select 2", "created_at": 1.5, "fqn": ["p", "m"], "database": "d", "schema": "s",
                "alias": "a", "tags": ["t"], "description": "what", "config": {"materialized": "view", "meta": {}},
                "meta": {"colour": "red"}, "package_name": "p",
            });
            (format!("model.p.m{i:04}"), model)
        }))
    }

    fn prefixed(nodes: &[NodeFacts]) -> Vec<Result<AssetShape, String>> {
        let shape = |node: &NodeFacts| {
            let mut shape = node.default.clone();
            shape.key.0.insert(0, "pre".to_owned());
            Ok(shape)
        };
        nodes.iter().map(shape).collect()
    }

    #[test]
    fn a_translator_sees_every_node_once_in_chunks() {
        let (_directory, path) = models(600);
        let mut sizes = Vec::new();
        let mut seen = None;
        let mut translate = |nodes: &[NodeFacts]| {
            sizes.push(nodes.len());
            seen.get_or_insert_with(|| nodes[0].clone());
            prefixed(nodes)
        };
        let loaded = load("shop", &path, Some(&mut translate)).unwrap();
        assert_eq!(loaded.warnings, [""; 0]);
        assert_eq!(loaded.project.assets.len(), 600);
        assert!(loaded.project.assets.iter().all(|asset| asset.shape.key.0[0] == "pre"));
        assert_eq!(loaded.project.name, "shop");
        assert_eq!(sizes, [250, 250, 100]);
        let facts = seen.unwrap();
        assert_eq!(facts.meta, r#"{"colour":"red"}"#);
        assert_eq!(facts.fqn, ["p", "m"]);
        assert_eq!(facts.materialized.as_deref(), Some("view"));
        let entry: Value = serde_json::from_str(&facts.entry).unwrap();
        assert_eq!(entry["description"], "what");
        for absent in ["raw_code", "compiled_code", "created_at"] {
            assert!(entry.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn answers_that_cannot_be_used_leave_the_default_and_one_warning() {
        let (_directory, path) = models(6);
        let mut translate = |nodes: &[NodeFacts]| {
            let mut answers = prefixed(nodes);
            answers[0] = Err("no owner is known".to_owned());
            for (place, key) in [(1, AssetKey(vec![])), (2, AssetKey::new(["a", ""]))] {
                answers[place].as_mut().unwrap().key = key;
            }
            answers[3].as_mut().unwrap().tags.insert(String::new(), String::new());
            answers
        };
        let loaded = load("shop", &path, Some(&mut translate)).unwrap();
        let keys: Vec<_> = loaded.project.assets.iter().map(|asset| asset.shape.key.to_string()).collect();
        assert_eq!(keys, ["m0000", "m0001", "m0002", "m0003", "pre/m0004", "pre/m0005"]);
        insta::assert_snapshot!(loaded.warnings.join("\n"));
    }

    #[test]
    fn a_translator_that_fails_as_a_whole_leaves_the_rest_alone() {
        let (_directory, path) = models(300);
        let mut calls = 0;
        let mut translate = |nodes: &[NodeFacts]| {
            calls += 1;
            if calls == 1 { prefixed(&nodes[..10]) } else { Vec::new() }
        };
        let loaded = load("shop", &path, Some(&mut translate)).unwrap();
        assert_eq!(loaded.warnings, [""; 0]);
        let changed = loaded.project.assets.iter().filter(|asset| asset.shape.key.0.len() == 2);
        assert_eq!(changed.count(), 10);
    }

    #[test]
    fn two_nodes_with_one_key_are_refused_by_name() {
        let (_directory, path) = models(5);
        let mut translate = |nodes: &[NodeFacts]| {
            let mut answers = prefixed(nodes);
            for answer in &mut answers {
                answer.as_mut().unwrap().key = AssetKey::new(["same", "key"]);
            }
            answers
        };
        let error = load("shop", &path, Some(&mut translate)).unwrap_err();
        insta::assert_snapshot!(error);
    }

    #[test]
    fn what_a_setting_should_be_is_said_of_each() {
        let meta = [json!({"within": 3}), json!({"within": "1h", "sevrity": "warn"})];
        let (_directory, path) = project((0..).zip(meta).map(|(i, fresh)| {
            let meta = json!({"tidegate": {"fresh_within": fresh}});
            (format!("model.p.m{i}"), json!({"name": format!("m{i}"), "meta": meta}))
        }));
        let warnings = load("shop", &path, None).unwrap().warnings;
        assert!(
            warnings[0].contains("is not a span such as `24h`, or a block with `within`"),
            "{warnings:?}"
        );
        assert!(warnings[0].ends_with("see `model.p.m0`"), "{warnings:?}");
        assert!(warnings[1].starts_with("`sevrity` in `meta.tidegate.fresh_within`"), "{warnings:?}");
    }

    #[test]
    fn settings_that_are_passed_over_are_told_once() {
        let (_directory, path) = project((0..5).map(|i| {
            let meta = json!({"dagster": {"asset_key": {"a": i}, "group": i}});
            (format!("model.p.m{i}"), json!({"name": format!("m{i}"), "meta": meta}))
        }));
        insta::assert_snapshot!(load("shop", &path, None).unwrap().warnings.join("\n"));
    }
}
