//! What a dbt project consists of: assets, their checks, and the exposures that use them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FreshWithin, ResourceType};

/// The name of an asset: its parts from the outermost to the innermost. Shown with `/` between them, as Dagster does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct AssetKey(pub Vec<String>);

impl AssetKey {
    /// A key of these parts.
    pub fn new<S: Into<String>>(parts: impl IntoIterator<Item = S>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join("/"))
    }
}

/// What a translator decides about a node; without one, what dagster-dbt would have decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssetShape {
    /// The asset's key.
    pub key: AssetKey,
    /// The group that it is shown in.
    pub group: Option<String>,
    /// Mail addresses or teams.
    pub owners: Vec<String>,
    /// Tags; the value is empty for a tag that has only a name.
    pub tags: BTreeMap<String, String>,
    /// What it is, in Markdown.
    pub description: Option<String>,
    /// Anything else to show with it.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// A model, seed, snapshot or source of a dbt project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Asset {
    /// Key, group, owners, tags, description, metadata.
    #[serde(flatten)]
    pub shape: AssetShape,
    /// dbt's id of the node.
    pub unique_id: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// The node's name; of a source, the table's name.
    pub name: String,
    /// The dbt package that defines it.
    pub package_name: String,
    /// The file that defines it, relative to its package.
    pub original_file_path: String,
    /// dbt's fully qualified name, from the package down to the node.
    pub fqn: Vec<String>,
    /// How dbt builds it; none for a source.
    pub materialized: Option<String>,
    /// The relation as the adapter quotes it.
    pub relation_name: Option<String>,
    /// `dbt` and the adapter, as dagster-dbt's kinds.
    pub kinds: Vec<String>,
    /// Changes when the node's code does.
    pub code_version: Option<String>,
    /// Unique ids of the assets that it reads, ephemeral models bridged; sorted.
    pub upstream: Vec<String>,
    /// Unique ids of the assets and exposures that read it, ephemeral models bridged; sorted.
    pub downstream: Vec<String>,
    /// Unique ids of its checks; sorted.
    pub checks: Vec<String>,
    /// How fresh it has to be, as its `meta` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_within: Option<FreshWithin>,
    /// dbt's own tags.
    #[serde(skip)]
    pub dbt_tags: Vec<String>,
    /// `config.meta`, or `meta` where that is empty: a JSON object as text.
    #[serde(skip)]
    pub meta: String,
}

/// How bad a failing check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A failure makes the run fail, and blocks what is downstream.
    Error,
    /// A failure is a warning.
    Warn,
}

impl Asset {
    /// dbt's selector of exactly this node.
    pub fn selector(&self) -> String {
        match (&self.resource_type, &self.fqn[..]) {
            (ResourceType::Source, [package, .., source, table]) => {
                format!("source:{package}.{source}.{table}")
            }
            (_, fqn) => format!("fqn:{}", fqn.join(".")),
        }
    }
}

/// A data test or unit test, as a check on the asset or assets that it looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// dbt's id of the test.
    pub unique_id: String,
    /// The test's name.
    pub name: String,
    /// `test` or `unit_test`.
    pub resource_type: ResourceType,
    /// dbt's fully qualified name, from the package down to the test.
    pub fqn: Vec<String>,
    /// What its failure means.
    pub severity: Severity,
    /// The test's description.
    pub description: Option<String>,
    /// The file that defines it, relative to its package.
    pub original_file_path: String,
    /// Unique ids of the assets that it is a check on, ephemeral models bridged; sorted.
    pub assets: Vec<String>,
    /// Unique ids of all assets that it reads, such as both ends of a relationship; sorted.
    pub upstream: Vec<String>,
    /// The column that it is on; null where it is on the whole node.
    pub column: Option<String>,
    /// The place in `assets` of the one that has the column.
    #[serde(skip)]
    pub column_of: usize,
    /// dbt's own tags.
    #[serde(skip)]
    pub dbt_tags: Vec<String>,
    /// `config.meta`, or `meta` where that is empty: a JSON object as text.
    #[serde(skip)]
    pub meta: String,
}

impl Check {
    /// The check as one of its assets sees it: a column of another asset is none of its own.
    pub fn seen_by(&self, asset: &str) -> Self {
        let is_own = self.assets.get(self.column_of).is_some_and(|of| of == asset);
        Self { column: self.column.clone().filter(|_| is_own), ..self.clone() }
    }
}

/// A use of assets outside dbt: a leaf of the lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Exposure {
    /// dbt's id of the exposure.
    pub unique_id: String,
    /// The exposure's name.
    pub name: String,
    /// The name for people, where it has one.
    pub label: Option<String>,
    /// `dashboard`, `notebook`, `analysis`, `ml` or `application`.
    pub exposure_type: String,
    /// Where to find it.
    pub url: Option<String>,
    /// Mail address or name of its owner.
    pub owner: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Unique ids of the assets that it uses, ephemeral models bridged; sorted.
    pub upstream: Vec<String>,
}

/// A node that becomes an asset, as a translator sees it. The contract in `wit/` documents each field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wit/translator/translator.wit documents each field")]
pub struct NodeFacts {
    pub unique_id: String,
    pub resource_type: ResourceType,
    pub name: String,
    pub source_name: Option<String>,
    pub package_name: String,
    pub original_file_path: String,
    pub fqn: Vec<String>,
    pub database: Option<String>,
    pub schema: Option<String>,
    pub alias: Option<String>,
    pub materialized: Option<String>,
    pub tags: Vec<String>,
    pub description: String,
    pub meta: String,
    pub entry: String,
    pub default: AssetShape,
}
