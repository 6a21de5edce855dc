//! An asset as JSON, in lists and by itself.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    model::{Asset, NodeState, RunId},
    store::{AssetStatus, Materialization},
};

/// An asset as JSON: its definition, and where it stands.
#[derive(Debug, Serialize)]
pub struct AssetJson<'a> {
    project: &'a str,
    /// Definition.
    #[serde(flatten)]
    asset: &'a Asset,
    /// The run that had to do with it last, and how that went; null where none had.
    status: Option<StatusJson<'a>>,
    /// When it was last built; null where it never was, and for sources.
    last_materialization: Option<&'a Materialization>,
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
        project: &'a str,
        asset: &'a Asset,
        statuses: &'a BTreeMap<String, AssetStatus>,
        materializations: &'a BTreeMap<String, Materialization>,
    ) -> Self {
        let status = statuses.get(&asset.unique_id).map(|status| StatusJson {
            run: status.run,
            state: &status.node.state,
            message: status.node.message.as_deref(),
        });
        Self { project, asset, status, last_materialization: materializations.get(&asset.unique_id) }
    }
}
