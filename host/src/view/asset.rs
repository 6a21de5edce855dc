//! One asset: everything of its page but the histories.

use std::{
    fs::File,
    io::Read,
    path::{Component, Path},
};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    assets::{AssetStanding, Standings},
    health::Health,
};
use crate::{
    dbt::{ManifestError, NodeDetails, compiled_code, node_details},
    engine::attempt_folder,
    model::{
        Asset, AssetFreshness, AssetKey, AttemptId, Check, NodeRun, NodeState, Project, ResourceType,
        Severity,
    },
    project::Opened,
    store::{CheckResult, NodePart, Reader, SourceLook, StoreError},
};

/// No more than so much of compiled code is shown, in bytes.
const MOST_CODE: u64 = 256 << 10;

/// In so many of the last attempts its code is looked for: one that failed early has none.
const MOST_ATTEMPTS: u32 = 5;

/// An asset with what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetDetail {
    /// Its project.
    pub project: String,
    /// What it is.
    #[serde(flatten)]
    pub asset: Asset,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: AssetStanding,
    /// dbt's selector of exactly this node.
    pub selector: String,
    /// The folder of its file below the project's; empty where it is in none.
    pub folder: String,
    /// How the last run went, or goes, that had to do with it; null where none had.
    pub status: Option<NodeStatus>,
    /// How it is written down: description, columns, code, config, meta; null where the manifest has lost it.
    pub definition: Option<NodeDetails>,
    /// Its code as dbt ran it last; null where nobody knows.
    pub compiled: Option<CompiledCode>,
    /// What it reads.
    pub parents: Vec<Neighbour>,
    /// What reads it, exposures included.
    pub children: Vec<Neighbour>,
    /// Its checks, those that failed first.
    pub check_results: Vec<CheckDetail>,
    /// Whether it is as fresh as it has to be; null where it need not be.
    pub freshness: Option<AssetFreshness>,
    /// The last look of `dbt source freshness` at it; null for what is no source, and where dbt has not looked.
    pub source_freshness: Option<SourceLook>,
}

/// What a run had to do with a node.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NodeStatus {
    /// The attempt.
    pub attempt: AttemptId,
    /// The job of the run; null for what was materialized by hand.
    pub job: Option<String>,
    /// How that went, or goes.
    #[serde(flatten)]
    pub node: NodeRun,
}

impl From<NodePart> for NodeStatus {
    fn from(part: NodePart) -> Self {
        let NodePart { attempt, job, node } = part;
        Self { attempt, job, node }
    }
}

/// Code as dbt ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompiledCode {
    /// The attempt that ran it.
    pub attempt: AttemptId,
    /// The code.
    pub code: String,
    /// Whether it goes on: more than 256 KiB are not shown.
    pub cut: bool,
}

/// An asset or an exposure beside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Neighbour {
    /// dbt's id.
    pub unique_id: String,
    /// The asset's key; null for an exposure.
    pub key: Option<AssetKey>,
    /// Its name; of an exposure the one for people.
    pub name: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// dbt's word for how the last run went that had to do with it; null where none had.
    pub state: Option<NodeState>,
    /// How it is; null for an exposure.
    pub health: Option<Health>,
    /// Of an exposure: where to find it.
    pub url: Option<String>,
}

/// A check with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckDetail {
    /// What it is.
    #[serde(flatten)]
    pub check: Check,
    /// How it went when it was made last; null where it never was.
    pub last_result: Option<CheckResult>,
    /// A query that shows the rows which made it fail or warn.
    pub query: Option<String>,
    /// How the last run went, or goes, that had to do with it; null where none had.
    pub status: Option<NodeStatus>,
}

/// Why an asset cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DetailError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An asset with what is known of it.
pub fn detail(
    state_dir: &Path,
    reader: &Reader,
    opened: &Opened,
    standings: &Standings,
    asset: &Asset,
) -> Result<AssetDetail, DetailError> {
    let project = &opened.project;
    let (name, id) = (&project.name, &asset.unique_id);
    let (parts, _) = reader.parts_of_node_behind(name, id, None, MOST_ATTEMPTS)?;
    let attempts: Vec<_> = parts.iter().map(|part| part.attempt).collect();
    let status = parts.into_iter().next().map(NodeStatus::from);
    let mut check_results = Vec::new();
    for check in asset.checks.iter().filter_map(|id| project.check(id)) {
        let last_result = reader.check_results(name, &check.unique_id, 1)?.into_iter().next();
        let status = reader.newest_part(name, &check.unique_id)?.map(NodeStatus::from);
        let query = status.as_ref().and_then(|status| status.node.query.clone());
        check_results.push(CheckDetail { check: check.seen_by(id), last_result, query, status });
    }
    check_results.sort_by_key(|check| (rank(check), check.check.name.clone()));
    let is_source = asset.resource_type == ResourceType::Source;
    let neighbours = |ids: &[String]| ids.iter().map(|id| neighbour(project, standings, id)).collect();
    Ok(AssetDetail {
        project: name.clone(),
        standing: standings.of(id).clone(),
        selector: asset.selector(),
        folder: project.folder(asset).into_owned(),
        definition: node_details(&opened.manifest, id)?,
        compiled: attempts.iter().find_map(|attempt| compiled(state_dir, asset, *attempt)),
        status,
        parents: neighbours(&asset.upstream),
        children: neighbours(&asset.downstream),
        check_results,
        freshness: reader.asset_freshness(name)?.remove(id),
        source_freshness: match is_source {
            true => reader.source_looks(name, id, 1)?.into_iter().next(),
            false => None,
        },
        asset: asset.clone(),
    })
}

/// What failed goes before what warned, what was never made, and what passed.
fn rank(check: &CheckDetail) -> u8 {
    match check.last_result.as_ref().map(|result| &result.state) {
        Some(state) if state.is_failure() => 0,
        Some(NodeState::Warn) => 1,
        None if check.check.severity == Severity::Error => 2,
        None => 3,
        Some(_) => 4,
    }
}

fn neighbour(project: &Project, standings: &Standings, id: &str) -> Neighbour {
    let unique_id = id.to_owned();
    let resource_type = ResourceType::of_unique_id(id);
    match project.asset(id) {
        Some(asset) => {
            let standing = standings.of(id);
            Neighbour {
                unique_id,
                key: Some(asset.shape.key.clone()),
                name: asset.name.clone(),
                resource_type,
                state: standing.state.clone(),
                health: Some(standing.health),
                url: None,
            }
        }
        None => {
            let exposure = project.exposures.iter().find(|exposure| exposure.unique_id == id);
            let name = exposure.map(|exposure| exposure.label.as_ref().unwrap_or(&exposure.name).clone());
            Neighbour {
                unique_id,
                key: None,
                name: name.unwrap_or_else(|| id.to_owned()),
                resource_type,
                state: None,
                health: None,
                url: exposure.and_then(|exposure| exposure.url.clone()),
            }
        }
    }
}

/// The code of an asset as dbt left it behind in an attempt: models as files of their own, snapshots among the results.
fn compiled(state_dir: &Path, asset: &Asset, attempt: AttemptId) -> Option<CompiledCode> {
    let target = attempt_folder(state_dir, attempt).target();
    let mut bytes = if asset.resource_type == ResourceType::Snapshot {
        compiled_code(&target.join("run_results.json"), &asset.unique_id)?.into_bytes()
    } else {
        let file = Path::new(&asset.package_name).join(&asset.original_file_path);
        // These come from a manifest, and must not lead out of the attempt's folder.
        if !file.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let mut bytes = Vec::new();
        let file = File::open(target.join("compiled").join(file)).ok()?;
        file.take(MOST_CODE + 1).read_to_end(&mut bytes).ok()?;
        bytes
    };
    let cut = bytes.len() as u64 > MOST_CODE;
    bytes.truncate(MOST_CODE as usize);
    Some(CompiledCode { attempt, code: String::from_utf8_lossy(&bytes).into_owned(), cut })
}
