//! What is too large to keep of a node, or rarely wanted: its code, its columns, its entry as a translator sees it.
//!
//! Owns how these are taken from the manifest's text when someone asks. Never keeps them.

use std::{borrow::Cow, collections::BTreeSet, fmt, path::Path};

use serde::{
    Serialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    ManifestError, digest,
    document::{Document, read_text},
    json::{Fields, Text, pick, text, texts},
    shape::{Config, effective_meta},
};
use crate::model::{Asset, NodeFacts, ResourceType};

/// The parts of a node that are read on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeDetails {
    /// The node's description; none where it has none.
    pub description: Option<String>,
    /// The code as its author wrote it; none for a node without code.
    pub raw_code: Option<String>,
    /// The file that documents the node, such as `shop://models/schema.yml`.
    pub patch_path: Option<String>,
    /// The columns that are documented, in the order of the manifest.
    pub columns: Vec<Column>,
}

/// A documented column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its type, where it was written down.
    pub data_type: Option<String>,
    /// What it is, where someone said so.
    pub description: Option<String>,
}

/// The details of a node; none where the manifest has no such node.
///
/// # Errors
///
/// Where the manifest cannot be read. Its version is not looked at: that was done when the project was loaded.
pub fn node_details(manifest_path: &Path, unique_id: &str) -> Result<Option<NodeDetails>, ManifestError> {
    let text = read_text(manifest_path)?;
    let document = Document::parse(manifest_path, &text)?;
    for section in ["nodes", "sources", "unit_tests", "exposures"] {
        let entries = document.section(section)?;
        if let Ok(place) = entries.binary_search_by(|(key, _)| key.0.as_ref().cmp(unique_id)) {
            return Ok(Some(details(entries[place].1)));
        }
    }
    Ok(None)
}

/// The unique ids of the nodes whose configuration keeps them from being built from scratch, whatever dbt is told.
///
/// # Errors
///
/// Where the manifest cannot be read.
pub fn never_refreshed(manifest_path: &Path) -> Result<BTreeSet<String>, ManifestError> {
    let text = read_text(manifest_path)?;
    let document = Document::parse(manifest_path, &text)?;
    let nodes = document.section("nodes")?;
    let kept = nodes.iter().filter(|(_, entry)| {
        let [config] = pick(Some(*entry), ["config"]);
        let [full_refresh] = pick(config, ["full_refresh"]);
        full_refresh.is_some_and(|value| value.get() == "false")
    });
    Ok(kept.map(|(key, _)| key.0.clone().into_owned()).collect())
}

fn details(entry: &RawValue) -> NodeDetails {
    let [description, raw_code, raw_sql, patch_path, columns] =
        pick(Some(entry), ["description", "raw_code", "raw_sql", "patch_path", "columns"]);
    NodeDetails {
        description: given(description),
        raw_code: given(raw_code).or_else(|| given(raw_sql)),
        patch_path: given(patch_path),
        columns: columns.map(read_columns).unwrap_or_default(),
    }
}

fn given(value: Option<&RawValue>) -> Option<String> {
    value.and_then(text).filter(|text| !text.is_empty()).map(Cow::into_owned)
}

fn read_columns(columns: &RawValue) -> Vec<Column> {
    struct Columns;
    impl<'de> Visitor<'de> for Columns {
        type Value = Vec<Column>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("columns")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut columns = Vec::new();
            while let Some((key, column)) = map.next_entry::<Text, &RawValue>()? {
                let [name, data_type, description] = pick(Some(column), ["name", "data_type", "description"]);
                columns.push(Column {
                    name: given(name).unwrap_or_else(|| key.0.into_owned()),
                    data_type: given(data_type),
                    description: given(description),
                });
            }
            Ok(columns)
        }
    }
    serde_json::Deserializer::from_str(columns.get()).deserialize_map(Columns).unwrap_or_default()
}

/// A node as a translator sees it. `asset` has the node's default shape; `fields` is reused from node to node.
pub(super) fn facts<'a>(asset: &Asset, entry: &'a RawValue, fields: &mut Fields<'a>) -> NodeFacts {
    fields.read(entry);
    let config = Config::of(fields);
    let string = |key| fields.get(key).and_then(text).map(Cow::into_owned);
    let strings = |key| -> Vec<String> {
        let values = fields.get(key).and_then(texts).unwrap_or_default();
        values.into_iter().map(Cow::into_owned).collect()
    };
    let mut visible = String::with_capacity(entry.get().len());
    fields.write(&mut visible, digest::visible);
    let meta = effective_meta(&config, fields).filter(|meta| meta.get().starts_with('{'));
    NodeFacts {
        unique_id: asset.unique_id.clone(),
        resource_type: asset.resource_type.clone(),
        name: asset.name.clone(),
        source_name: (asset.resource_type == ResourceType::Source).then(|| string("source_name")).flatten(),
        package_name: asset.package_name.clone(),
        original_file_path: asset.original_file_path.clone(),
        fqn: strings("fqn"),
        database: string("database"),
        schema: string("schema"),
        alias: string("alias").or_else(|| string("identifier")),
        materialized: asset.materialized.clone(),
        tags: strings("tags"),
        description: string("description").unwrap_or_default(),
        meta: meta.map_or_else(|| "{}".to_owned(), |meta| meta.get().to_owned()),
        entry: visible,
        default: asset.shape.clone(),
    }
}
