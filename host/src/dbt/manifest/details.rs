//! What is too large to keep of a node, or rarely wanted: its code, its columns, its config and meta, its entry as a
//! translator sees it.
//!
//! Owns how these are taken from the manifest's text when someone asks. Never keeps them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use serde::{
    Serialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{
    ManifestError, digest,
    document::{Document, read_text},
    json::{Fields, Text, pick, text, texts, truthy},
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
    /// How dbt is told to build it: all of `config` but `meta`, without what is null or empty.
    pub config: BTreeMap<String, Value>,
    /// The node's `meta`, that of `config` first.
    pub meta: BTreeMap<String, Value>,
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
    let [description, raw_code, raw_sql, patch_path, columns, config, meta] =
        pick(Some(entry), ["description", "raw_code", "raw_sql", "patch_path", "columns", "config", "meta"]);
    let [config_meta] = pick(config, ["meta"]);
    let setting = |(name, value): (String, Value)| Some((name, set(value)?));
    NodeDetails {
        description: given(description),
        raw_code: given(raw_code).or_else(|| given(raw_sql)),
        patch_path: given(patch_path),
        columns: columns.map(read_columns).unwrap_or_default(),
        config: config
            .map(object)
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| name.0 != "meta")
            .map(tree)
            .filter_map(setting)
            .collect(),
        meta: config_meta
            .filter(|meta| truthy(meta))
            .or(meta)
            .map(object)
            .unwrap_or_default()
            .into_iter()
            .map(tree)
            .collect(),
    }
}

fn given(value: Option<&RawValue>) -> Option<String> {
    value.and_then(text).filter(|text| !text.is_empty()).map(Cow::into_owned)
}

fn read_columns(columns: &RawValue) -> Vec<Column> {
    let column = |(key, column): (Text, &RawValue)| {
        let [name, data_type, description] = pick(Some(column), ["name", "data_type", "description"]);
        Column {
            name: given(name).unwrap_or_else(|| key.0.into_owned()),
            data_type: given(data_type),
            description: given(description),
        }
    };
    object(columns).into_iter().map(column).collect()
}

/// The fields of an object as they stand; none where it is no object.
fn object(value: &RawValue) -> Vec<(Text<'_>, &RawValue)> {
    struct Standing;
    impl<'de> Visitor<'de> for Standing {
        type Value = Vec<(Text<'de>, &'de RawValue)>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Standing).unwrap_or_default()
}

/// What is set of a setting: none for null, and for a text, a list or an object with nothing in it. `false` and 0 are set.
fn set(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()).map(Value::String),
        // The items of a list count by their places.
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let item = |item: Value| if item.is_object() { set(item).unwrap_or_default() } else { item };
            Some(Value::Array(items.into_iter().map(item).collect()))
        }
        Value::Object(fields) => {
            let fields: serde_json::Map<_, _> =
                fields.into_iter().filter_map(|(name, value)| Some((name, set(value)?))).collect();
            Some(fields).filter(|fields| !fields.is_empty()).map(Value::Object)
        }
        other => Some(other),
    }
}

/// A field as a tree; as text where it is too deep for one, or holds what no number or text can be.
fn tree((name, value): (Text, &RawValue)) -> (String, Value) {
    let tree = serde_json::from_str(value.get()).unwrap_or_else(|_| Value::from(value.get()));
    (name.0.into_owned(), tree)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(entry: &str) -> NodeDetails {
        details(serde_json::from_str(entry).unwrap())
    }

    #[test]
    fn a_config_is_told_without_what_nobody_set() {
        let entry = json!({
            "config": {
                "materialized": "incremental", "unique_key": ["a", "b"], "full_refresh": false, "batch": 0,
                "pre-hook": [{"sql": "select 1", "transaction": true}], "post-hook": [], "tags": [],
                "alias": null, "schema": "", "column_types": {}, "meta": {"team": "ours"},
                "docs": {"show": true, "node_color": null}, "snapshot_meta_column_names": {"dbt_scd_id": null},
                "partition_by": [null, {"field": "day", "range": null}],
            },
            "meta": {"team": "theirs", "dropped": true},
        });
        let details = of(&entry.to_string());
        assert_eq!(
            json!(details.config),
            json!({
                "docs": {"show": true}, "partition_by": [null, {"field": "day"}], "batch": 0, "full_refresh": false, "materialized": "incremental", "unique_key": ["a", "b"],
                "pre-hook": [{"sql": "select 1", "transaction": true}],
            })
        );
        assert_eq!(json!(details.meta), json!({"team": "ours"}), "that of the config wins as a whole");
        let node = of(r#"{"config": {"meta": {}}, "meta": {"tidegate": {"group": null}}}"#);
        assert_eq!(json!(node.meta), json!({"tidegate": {"group": null}}), "meta is told as it is");
    }

    #[test]
    fn what_is_no_tree_is_told_as_text_and_what_is_no_object_not_at_all() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let odd = format!(r#"{{"config": {{"deep": {deep}, "huge": 1e999, "lone": "\ud800"}}, "meta": 5}}"#);
        let details = of(&odd);
        assert_eq!(json!(details.config), json!({"deep": deep, "huge": "1e999", "lone": "\"\\ud800\""}));
        assert!(details.meta.is_empty());
        assert!(of(r#"{"config": [1], "meta": "x"}"#).config.is_empty());
    }
}
