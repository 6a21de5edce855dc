//! An asset as JSON, in lists and by itself: the fields of the API, and those that this command has promised beside them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    model::{Asset, NodeState, Project, RunId},
    store::AssetStatus,
    view::assets::AssetStanding,
};

/// An asset as JSON: its definition, and where it stands.
#[derive(Debug, Serialize)]
pub struct AssetJson<'a> {
    project: &'a str,
    /// Definition.
    #[serde(flatten)]
    asset: &'a Asset,
    /// dbt's selector of exactly this node.
    selector: String,
    /// The folder of its file below the project's; empty where it is in none.
    folder: String,
    /// The run that had to do with it last, and how that went; null where none had.
    status: Option<StatusJson<'a>>,
    /// Where it stands, with when it was last built.
    #[serde(flatten)]
    standing: &'a AssetStanding,
}

#[derive(Debug, Serialize)]
struct StatusJson<'a> {
    run: RunId,
    state: &'a NodeState,
    message: Option<&'a str>,
}

impl<'a> AssetJson<'a> {
    /// The asset with what is known of it.
    pub fn new(
        project: &'a Project,
        asset: &'a Asset,
        statuses: &'a BTreeMap<String, AssetStatus>,
        standing: &'a AssetStanding,
    ) -> Self {
        let status = statuses.get(&asset.unique_id).map(|status| StatusJson {
            run: status.run,
            state: &status.node.state,
            message: status.node.message.as_deref(),
        });
        Self {
            project: &project.name,
            asset,
            selector: asset.selector(),
            folder: project.folder(asset).into_owned(),
            status,
            standing,
        }
    }
}
