//! dbt's `manifest.json`: what a project consists of, read from the artifact of dbt 1.8 to 1.12 (schema v12).
//!
//! Owns which manifests can be read, what they mean, and what to say about those that cannot be read. Never runs dbt,
//! never asks a translator, and never builds a tree of the JSON: the file is read once, as text, and everything else
//! is a slice of it until it becomes an asset, a check or an exposure.
//!
//! Fields that are not used are ignored. A field that is used and has the wrong type is an error that names the node
//! and the field, except in `meta`, which belongs to the project's authors: there it is a [`Remark`].

mod details;
mod digest;
mod document;
mod error;
mod freshness;
mod graph;
mod json;
mod nodes;
mod shape;

use std::path::Path;

use serde_json::value::RawValue;

pub use details::{Column, NodeDetails, never_refreshed, node_details};
pub use error::ManifestError;
pub use shape::Remark;

use crate::model::{Asset, Check, Exposure, NodeFacts};
use digest::Digester;
use document::Document;
use json::Fields;
use nodes::Nodes;

/// The schema of dbt 1.8 to 1.12.
const SCHEMA: u32 = 12;

/// The oldest minor version of dbt 1 whose manifests are read.
const OLDEST_MINOR: u32 = 8;

/// A manifest's text, in memory.
pub struct ManifestText<'p> {
    path: &'p Path,
    text: String,
}

/// A project as its manifest describes it, with default assets.
pub struct Manifest<'a> {
    /// The dbt version that wrote it.
    pub dbt_version: String,
    /// The adapter, such as `duckdb`; empty where the manifest does not say.
    pub adapter_type: String,
    /// The project's name, which is that of its own package; empty where the manifest does not say.
    pub package_name: String,
    /// The same for two parses of the same project, another one when a selection or an asset may be another.
    pub digest: String,
    /// The assets, with their default shapes; sorted by unique id.
    pub assets: Vec<Asset>,
    /// The checks.
    pub checks: Vec<Check>,
    /// The exposures.
    pub exposures: Vec<Exposure>,
    /// Settings in `meta` that were passed over.
    pub remarks: Vec<Remark>,
    entries: Vec<&'a RawValue>,
}

impl<'p> ManifestText<'p> {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Where it is not there, cannot be read, or is not text.
    pub fn read(path: &'p Path) -> Result<Self, ManifestError> {
        Ok(Self { path, text: document::read_text(path)? })
    }

    /// What the text says.
    ///
    /// # Errors
    ///
    /// Where it is not a manifest of a dbt version that Tidegate knows, or is damaged.
    pub fn parse(&self) -> Result<Manifest<'_>, ManifestError> {
        let document = Document::parse(self.path, &self.text)?;
        let dbt_version = check_version(&document)?;
        let adapter_type = metadata(&document, "adapter_type").unwrap_or_default();
        let mut digester = Digester::default();
        let mut nodes = Nodes::read(&document, &adapter_type, &mut digester)?;
        graph::link(&mut nodes);
        let Nodes { assets, checks, exposures, remarks, .. } = nodes;
        let mut assets: Vec<_> = assets.into_iter().map(|node| (node.asset, node.entry)).collect();
        assets.sort_by(|a, b| a.0.unique_id.cmp(&b.0.unique_id));
        let (assets, entries) = assets.into_iter().unzip();
        Ok(Manifest {
            dbt_version,
            adapter_type,
            package_name: metadata(&document, "project_name").unwrap_or_default(),
            digest: digester.finish(),
            assets,
            checks: checks.into_iter().map(|node| node.check).collect(),
            exposures: exposures.into_iter().map(|(exposure, _)| exposure).collect(),
            remarks,
            entries,
        })
    }
}

impl Manifest<'_> {
    /// Some of the assets (places in [`Manifest::assets`]) as a translator sees them.
    pub fn facts(&self, places: std::ops::Range<usize>) -> Vec<NodeFacts> {
        let assets = self.assets.iter().zip(&self.entries);
        let some = assets.skip(places.start).take(places.len());
        let mut fields = Fields::default();
        some.map(|(asset, entry)| details::facts(asset, entry, &mut fields)).collect()
    }
}

fn metadata(document: &Document, key: &str) -> Option<String> {
    let (_, value) = document.entries("metadata").iter().find(|(name, _)| name.0 == key)?;
    json::text(value).map(|text| text.into_owned())
}

/// The version of the dbt that wrote the manifest, if its manifests can be read.
fn check_version(document: &Document) -> Result<String, ManifestError> {
    let path = document.path().to_owned();
    let unfit = |detail: &str| ManifestError::NotManifest { path: path.clone(), detail: detail.to_owned() };
    let schema = metadata(document, "dbt_schema_version")
        .ok_or_else(|| unfit("`metadata.dbt_schema_version` is missing"))?;
    // https://schemas.getdbt.com/dbt/manifest/v12.json
    let mut parts = schema.rsplit('/');
    let number = parts.next().and_then(|file| file.strip_prefix('v')?.strip_suffix(".json")?.parse().ok());
    let (artifact, number) = (parts.next().unwrap_or_default(), number);
    let Some(number) = number.filter(|_| artifact == "manifest") else {
        return Err(unfit(&format!("its schema is `{schema}`")));
    };
    let dbt_version = metadata(document, "dbt_version");
    match number {
        SCHEMA => {}
        schema => {
            let dbt_version = dbt_version.unwrap_or_else(|| "of an unknown version".to_owned());
            return Err(if schema < SCHEMA {
                ManifestError::SchemaTooOld { path, schema, dbt_version }
            } else {
                ManifestError::SchemaTooNew { path, schema, dbt_version }
            });
        }
    }
    let dbt_version = dbt_version.ok_or_else(|| unfit("`metadata.dbt_version` is missing"))?;
    let mut numbers = dbt_version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) if minor >= OLDEST_MINOR => Ok(dbt_version),
        (Some(Ok(0 | 1)), Some(Ok(_))) => Err(ManifestError::DbtTooOld { path, dbt_version }),
        (Some(Ok(_)), _) => Err(ManifestError::DbtTooNew { path, dbt_version }),
        _ => Err(unfit(&format!("`metadata.dbt_version` is `{dbt_version}`, which is no version"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A manifest of dbt 1.11 with these sections.
    pub(super) fn manifest(mut sections: Value) -> Value {
        sections["metadata"] = json!({
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16",
            "adapter_type": "duckdb",
            "project_name": "shop",
        });
        sections
    }

    /// What a manifest says; the entries of its nodes are not kept.
    pub(super) fn parsed(manifest: &Value) -> Result<Manifest<'static>, ManifestError> {
        parsed_text(&manifest.to_string())
    }

    fn parsed_text(text: &str) -> Result<Manifest<'static>, ManifestError> {
        let text = ManifestText { path: Path::new("target/manifest.json"), text: text.to_owned() };
        let manifest = text.parse()?;
        Ok(Manifest { entries: Vec::new(), ..manifest })
    }

    fn refusal(change: impl Fn(&mut Value)) -> String {
        let mut text = manifest(json!({"nodes": {}}));
        change(&mut text);
        parsed(&text).err().unwrap().to_string()
    }

    #[test]
    fn refusals_say_what_to_do() {
        let schema = |name: &str| json!(format!("https://schemas.getdbt.com/dbt/{name}.json"));
        let all = [
            refusal(|m| {
                m["metadata"]["dbt_schema_version"] = schema("manifest/v11");
                m["metadata"]["dbt_version"] = json!("1.7.4");
            }),
            refusal(|m| m["metadata"]["dbt_schema_version"] = schema("manifest/v13")),
            refusal(|m| m["metadata"]["dbt_schema_version"] = schema("run-results/v6")),
            refusal(|m| m["metadata"]["dbt_schema_version"] = json!(12)),
            refusal(|m| m["metadata"]["dbt_version"] = json!("1.7.9")),
            refusal(|m| m["metadata"]["dbt_version"] = json!("2.0.0-preview.3")),
            refusal(|m| m["metadata"]["dbt_version"] = json!("soon")),
            refusal(|m| m["metadata"] = json!(null)),
            refusal(|m| m["nodes"] = json!([])),
            refusal(|m| m["nodes"] = json!({"model.p.m": 5})),
            refusal(|m| m["nodes"] = json!({"model.p.m": {"name": null}})),
            refusal(|m| m["nodes"] = json!({"model.p.m": {"name": "m", "depends_on": {"nodes": [null]}}})),
            refusal(|m| *m = json!([1])),
            parsed_text("{\"metadata\": {\n\"dbt_v").err().unwrap().to_string(),
            parsed_text("").err().unwrap().to_string(),
            parsed_text("{\"metadata\": }").err().unwrap().to_string(),
            parsed_text("{} {}").err().unwrap().to_string(),
            ManifestText::read(Path::new("no/such/manifest.json")).err().unwrap().to_string(),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn versions_from_1_8_on_are_read() {
        for version in ["1.8.0", "1.8.10", "1.9.0b1", "1.10.0rc2", "1.12.6", "1.13.0"] {
            let mut text = manifest(json!({}));
            text["metadata"]["dbt_version"] = json!(version);
            assert_eq!(parsed(&text).unwrap().dbt_version, version);
        }
    }

    #[test]
    fn a_byte_order_mark_and_unknown_sections_do_no_harm() {
        let text = format!(
            "\u{feff}{}",
            manifest(json!({"novelties": [1, {"a": [true, null, 1.5, "x"]}], "zeal": -1}))
        );
        assert!(parsed_text(&text).unwrap().assets.is_empty());
    }

    #[test]
    fn the_digest_rests_on_content_alone() {
        let digest = |sections: &str| {
            let metadata = manifest(json!({}))["metadata"].to_string();
            parsed_text(&format!("{{\"metadata\": {metadata}, {sections}}}")).unwrap().digest
        };
        let first = digest(
            r#""nodes": {"model.p.a": {"name": "a", "created_at": 1}, "model.p.b": {"name": "b", "tags": []}},
               "macros": {"m": {"macro_sql": "x"}}, "parent_map": {"a": []}, "docs": {}, "disabled": {}"#,
        );
        let second = digest(
            r#""macros": {"m": {"macro_sql": "x", "created_at": 5}}, "child_map": {},
               "nodes": {"model.p.b": {"tags": [], "name": "b", "compiled_code": "select"},
                         "model.p.a": {"root_path": "/srv", "created_at": 2, "name": "a"}}"#,
        );
        assert_eq!(first, second);
        for other in [
            r#""nodes": {"model.p.a": {"name": "a"}, "model.p.b": {"name": "b", "tags": ["t"]}}, "macros": {"m": {"macro_sql": "x"}}"#,
            r#""nodes": {"model.p.a": {"name": "a"}, "model.p.b": {"name": "b", "tags": []}}, "macros": {"m": {"macro_sql": "y"}}"#,
            r#""nodes": {"model.p.a": {"name": "a"}, "model.p.c": {"name": "b", "tags": []}}, "macros": {"m": {"macro_sql": "x"}}"#,
            r#""nodes": {"model.p.a": {"name": "a"}, "model.p.b": {"name": "b", "tags": []}}, "macros": {"m": {"macro_sql": "x"}}, "selectors": {"s": {"name": "s"}}"#,
        ] {
            assert_ne!(first, digest(other), "{other}");
        }
    }
}
