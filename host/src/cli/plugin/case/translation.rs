//! Cases of translators: a node, and the asset that is expected.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::difference;
use crate::model::{AssetKey, AssetShape, NodeFacts, ResourceType};

/// A case, ready to be run.
pub(in crate::cli::plugin) struct Case {
    /// The file's name without its folder.
    pub name: String,
    /// The configuration, as JSON.
    pub config: String,
    /// The node.
    pub node: NodeFacts,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    config: BTreeMap<String, Value>,
    node: Node,
    expect: Expect,
}

/// The fields of the contract's node; what is absent gets a plausible value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    unique_id: Option<String>,
    resource_type: String,
    name: String,
    source_name: Option<String>,
    package_name: Option<String>,
    original_file_path: Option<String>,
    fqn: Option<Vec<String>>,
    database: Option<String>,
    schema: Option<String>,
    alias: Option<String>,
    materialized: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    meta: BTreeMap<String, Value>,
    #[serde(default)]
    entry: BTreeMap<String, Value>,
    default_asset: Option<Shape>,
}

/// Some fields of an asset.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Shape {
    key: Option<Vec<String>>,
    group: Option<String>,
    owners: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
    description: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
}

/// What is expected: fields of the asset, or a part of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    error: Option<String>,
    key: Option<Vec<String>>,
    group: Option<String>,
    owners: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
    description: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
}

impl Case {
    pub(in crate::cli::plugin) fn parse(name: String, text: &str) -> Result<Self> {
        let Document { config, node, expect } = toml::from_str(text)?;
        anyhow::ensure!(
            !expect.is_empty(),
            "`[expect]` is empty: the case would pass whatever the plugin says"
        );
        anyhow::ensure!(
            expect.error.is_none() || expect.is_only_error(),
            "`[expect]` has `error` and fields of an asset: an answer is one or the other"
        );
        Ok(Self { name, config: json!(config).to_string(), node: node.facts()?, expect })
    }

    /// What is wrong with an answer, in lines; none where it is as expected.
    pub(in crate::cli::plugin) fn differences(&self, answer: &Result<AssetShape, String>) -> Option<String> {
        let mut lines = String::new();
        match (answer, &self.expect.error) {
            (Err(error), Some(part)) if error.contains(part) => {}
            (Err(error), Some(part)) => {
                difference(&mut lines, "error", &json!(format!("…{part}…")), &json!(error))
            }
            (Err(error), None) => {
                difference(&mut lines, "answer", &json!("an asset"), &json!({ "error": error }))
            }
            (Ok(shape), Some(part)) => {
                difference(&mut lines, "answer", &json!({ "error": format!("…{part}…") }), &json!(shape));
            }
            (Ok(shape), None) => self.expect.compare(shape, &mut lines),
        }
        (!lines.is_empty()).then_some(lines)
    }
}

impl Expect {
    fn is_empty(&self) -> bool {
        self.error.is_none() && self.is_only_error()
    }

    fn is_only_error(&self) -> bool {
        let Self { error: _, key, group, owners, tags, description, metadata } = self;
        key.is_none()
            && group.is_none()
            && owners.is_none()
            && tags.is_none()
            && description.is_none()
            && metadata.is_none()
    }

    fn compare(&self, shape: &AssetShape, lines: &mut String) {
        let mut field = |name: &str, expected: Option<Value>, actual: Value| match expected {
            Some(expected) if expected != actual => difference(lines, name, &expected, &actual),
            _ => {}
        };
        field("key", self.key.as_ref().map(|v| json!(v)), json!(shape.key));
        field("group", self.group.as_ref().map(|v| json!(v)), json!(shape.group));
        field("owners", self.owners.as_ref().map(|v| json!(v)), json!(shape.owners));
        field("tags", self.tags.as_ref().map(|v| json!(v)), json!(shape.tags));
        field("description", self.description.as_ref().map(|v| json!(v)), json!(shape.description));
        field("metadata", self.metadata.as_ref().map(|v| json!(v)), json!(shape.metadata));
    }
}

impl Node {
    fn facts(self) -> Result<NodeFacts> {
        let kind = ResourceType::from(self.resource_type.as_str());
        anyhow::ensure!(
            kind.is_asset(),
            "`resource_type` is `{kind}`: a translator sees models, seeds, snapshots and sources"
        );
        let is_source = kind == ResourceType::Source;
        anyhow::ensure!(
            is_source == self.source_name.is_some(),
            "`source_name` belongs to a source, and every source has one"
        );
        let package = self.package_name.clone().unwrap_or_else(|| "shop".to_owned());
        let place: Vec<&str> = self.source_name.as_deref().into_iter().chain([self.name.as_str()]).collect();
        let unique_id =
            self.unique_id.clone().unwrap_or_else(|| format!("{kind}.{package}.{}", place.join(".")));
        let path = self.original_file_path.clone().unwrap_or_else(|| match &kind {
            ResourceType::Source => "models/sources.yml".to_owned(),
            ResourceType::Seed => format!("seeds/{}.csv", self.name),
            ResourceType::Snapshot => format!("snapshots/{}.sql", self.name),
            _ => format!("models/{}.sql", self.name),
        });
        let default = self.default(&place);
        let fqn = std::iter::once(package.as_str()).chain(place.iter().copied()).map(str::to_owned).collect();
        let built = match &kind {
            ResourceType::Source => None,
            ResourceType::Model => Some("view".to_owned()),
            other => Some(other.to_string()),
        };
        let mut entry = json!({
            "unique_id": unique_id, "resource_type": kind, "package_name": package, "name": self.name,
            "original_file_path": path, "tags": self.tags, "description": self.description, "meta": self.meta,
        });
        if let (Some(entry), Some(source)) = (entry.as_object_mut(), &self.source_name) {
            entry.insert("source_name".to_owned(), json!(source));
        }
        if let Some(entry) = entry.as_object_mut() {
            entry.extend(self.entry.clone());
        }
        Ok(NodeFacts {
            unique_id,
            resource_type: kind,
            fqn: self.fqn.unwrap_or(fqn),
            database: Some(self.database.unwrap_or_else(|| "warehouse".to_owned())),
            schema: Some(
                self.schema.or_else(|| self.source_name.clone()).unwrap_or_else(|| "main".to_owned()),
            ),
            alias: Some(self.alias.unwrap_or_else(|| self.name.clone())),
            materialized: self.materialized.or(built),
            name: self.name,
            source_name: self.source_name,
            package_name: package,
            original_file_path: path,
            tags: self.tags,
            description: self.description,
            meta: json!(self.meta).to_string(),
            entry: entry.to_string(),
            default,
        })
    }

    /// The asset without a translator: the same rules as for a project, as far as a case can say what they look at.
    fn default(&self, place: &[&str]) -> AssetShape {
        let said = self.default_asset.as_ref();
        let of_meta = match self.meta.get("dagster").and_then(|dagster| dagster.get("asset_key")) {
            Some(Value::String(part)) => Some(vec![part.clone()]),
            Some(Value::Array(parts)) => parts.iter().map(|part| part.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let config = |name: &str| self.entry.get("config").and_then(|c| c.get(name)).and_then(Value::as_str);
        let schema = config("schema").filter(|_| self.source_name.is_none());
        let by_place = || schema.into_iter().chain(place.iter().copied()).map(str::to_owned).collect();
        let description = (!self.description.is_empty()).then(|| self.description.clone());
        AssetShape {
            key: AssetKey(said.and_then(|s| s.key.clone()).or(of_meta).unwrap_or_else(by_place)),
            group: said.and_then(|s| s.group.clone()).or_else(|| config("group").map(str::to_owned)),
            owners: said.and_then(|s| s.owners.clone()).unwrap_or_default(),
            tags: said
                .and_then(|s| s.tags.clone())
                .unwrap_or_else(|| self.tags.iter().map(|tag| (tag.clone(), String::new())).collect()),
            description: said.and_then(|s| s.description.clone()).or(description),
            metadata: said.and_then(|s| s.metadata.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Case> {
        Case::parse("case.toml".to_owned(), text)
    }

    const SOURCE: &str = "[node]\nresource_type = \"source\"\nsource_name = \"raw\"\nname = \"orders\"\n";

    #[test]
    fn what_a_case_leaves_out_is_plausible() {
        let case = parse(&format!("{SOURCE}[expect]\nkey = [\"raw\", \"orders\"]")).unwrap();
        assert_eq!(case.config, "{}");
        assert_eq!(case.node.unique_id, "source.shop.raw.orders");
        assert_eq!(case.node.fqn, ["shop", "raw", "orders"]);
        assert_eq!((case.node.schema.as_deref(), case.node.materialized.as_deref()), (Some("raw"), None));
        assert_eq!(case.node.default.key.0, ["raw", "orders"]);
        assert_eq!(case.differences(&Ok(case.node.default.clone())), None);
    }

    #[test]
    fn default_keys_follow_the_projects_rules() {
        let key = |more: &str| {
            let text = format!(
                "[node]\nresource_type = \"model\"\nname = \"orders\"\n{more}\n[expect]\ngroup = \"x\""
            );
            parse(&text).unwrap().node.default.key.to_string()
        };
        assert_eq!(key(""), "orders");
        assert_eq!(key("entry = { config = { schema = \"marts\" } }"), "marts/orders");
        assert_eq!(key("meta = { dagster = { asset_key = [\"a\", \"b\"] } }"), "a/b");
        assert_eq!(key("default_asset = { key = [\"mine\"] }"), "mine");
    }

    #[test]
    fn differences_name_the_field_and_both_sides() {
        let case = parse(&format!("{SOURCE}[expect]\nkey = [\"x\"]\ntags = {{ nightly = \"\" }}")).unwrap();
        assert_eq!(
            case.differences(&Ok(case.node.default.clone())).unwrap(),
            "key         expected [\"x\"]\n             but got [\"raw\",\"orders\"]\n\
             tags        expected {\"nightly\":\"\"}\n             but got {}\n"
        );
        let case = parse(&format!("{SOURCE}[expect]\nerror = \"unknown field\"")).unwrap();
        assert_eq!(case.differences(&Err("an unknown field `x`".to_owned())), None);
        assert!(case.differences(&Err("something".to_owned())).unwrap().contains("…unknown field…"));
        assert!(case.differences(&Ok(case.node.default.clone())).unwrap().starts_with("answer "));
    }

    #[test]
    fn mistakes_in_a_case_are_told() {
        let error = |text: &str| format!("{:#}", parse(text).map(|_| ()).unwrap_err());
        assert!(error("[node]\nnaem = 1").contains("unknown field `naem`"));
        assert!(error(&format!("{SOURCE}[expect]")).contains("`[expect]` is empty"));
        assert!(error(&format!("{SOURCE}[expect]\nerror = \"a\"\nkey = []")).contains("one or the other"));
        let test = SOURCE.replace("\"source\"", "\"test\"");
        assert!(error(&format!("{test}[expect]\nkey = []")).contains("`resource_type` is `test`"));
        let model = SOURCE.replace("\"source\"", "\"model\"");
        assert!(error(&format!("{model}[expect]\nkey = []")).contains("belongs to a source"));
    }
}
