//! How fresh sources are, and assets that have to be.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{Asset, AssetFreshness, AssetKey, FreshWithin, NodeState, Project, ResourceType},
    store::{Reader, SourceLook, StoreError},
};

/// A source, or an asset that has to be fresh.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FreshnessRow {
    /// Its project.
    pub project: String,
    /// Its key, its parts with `/` between them.
    pub key: String,
    /// The parts of its key.
    pub parts: AssetKey,
    /// dbt's id of the node.
    pub unique_id: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// `pass`, `warn`, `error` or `runtime error` of a source; `on time` or `late` of an asset; null where nobody has looked.
    pub state: Option<String>,
    /// Since when it is so; of a source, when dbt looked last.
    pub at: Option<Timestamp>,
    /// The newest row of a source; the last materialization of an asset.
    pub newest: Option<Timestamp>,
    /// The last look of `dbt source freshness` at a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<SourceLook>,
    /// How fresh an asset has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_within: Option<FreshWithin>,
}

impl FreshnessRow {
    /// Whether it is not as fresh as it has to be.
    pub fn is_late(&self) -> bool {
        self.state.as_deref().is_some_and(|state| !matches!(state, "pass" | "on time"))
    }

    /// Its state as dbt would say it, for its colour.
    pub fn as_node_state(&self) -> Option<NodeState> {
        Some(match self.state.as_deref()? {
            "on time" => NodeState::Pass,
            "late" => NodeState::Error,
            word => NodeState::from(word),
        })
    }
}

/// Whether an asset is late, in words.
pub fn word(freshness: &AssetFreshness) -> &'static str {
    if freshness.late { "late" } else { "on time" }
}

/// How fresh the sources of a project are, and its assets that have to be.
pub fn rows(reader: &Reader, project: &Project) -> Result<Vec<FreshnessRow>, StoreError> {
    let mut looks = reader.last_looks(&project.name)?;
    let mut kept = reader.asset_freshness(&project.name)?;
    let row = |asset: &Asset| {
        let look = looks.remove(&asset.unique_id);
        let freshness = kept.remove(&asset.unique_id);
        let fresh_within =
            freshness.as_ref().map(|kept| &kept.fresh_within).or(asset.fresh_within.as_ref()).cloned();
        let is_source = asset.resource_type == ResourceType::Source;
        if !is_source && fresh_within.is_none() {
            return None;
        }
        let freshness = freshness.as_ref();
        let state = match (&look, freshness) {
            (Some(look), _) => Some(look.state.to_string()),
            (None, Some(freshness)) => Some(word(freshness).to_owned()),
            (None, None) => None,
        };
        Some(FreshnessRow {
            project: project.name.clone(),
            key: asset.shape.key.to_string(),
            parts: asset.shape.key.clone(),
            unique_id: asset.unique_id.clone(),
            resource_type: asset.resource_type.clone(),
            state,
            at: look.as_ref().map(|look| look.at).or(freshness.map(|f| f.since)),
            newest: look.as_ref().and_then(|look| look.max_loaded_at).or(freshness.and_then(|f| f.last)),
            look,
            fresh_within,
        })
    };
    Ok(project.assets.iter().filter_map(row).collect())
}
