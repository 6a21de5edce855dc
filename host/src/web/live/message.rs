//! The messages of `/live`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::RunId,
    web::run::{NodeRow, RunSummary},
};

/// A message of `/live`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes what is sent piece by piece")]
pub enum LiveMessage {
    /// The first one.
    Hello(Hello),
    /// Too much was missed: whatever is shown has to be fetched anew.
    Resync(Resync),
    /// A run has changed, or there is a new one.
    Run(Box<RunChanged>),
    /// Nodes of an attempt have changed.
    Node(NodesChanged),
    /// Something about a job has changed: its triggers, its ticks, whether it is paused.
    Job(JobChanged),
    /// Something about an alert has changed, or what was told or sent for it.
    Alert(AlertChanged),
    /// A plugin of the folder has changed.
    Plugin(PluginChanged),
    /// Whether an asset is on time has changed.
    Asset(AssetChanged),
    /// A project was read anew, and is another one.
    Project(ProjectChanged),
    /// The configuration was read anew.
    Configuration(Changed),
    /// Someone has done something that is in the audit trail.
    Audit(Changed),
    /// What runs and what waits has changed, or when what is next.
    Status(Changed),
}

/// The first message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hello {
    /// The newest event. What is fetched from here on is not older.
    pub as_of: u64,
    /// The version of the host.
    pub version: String,
    /// The digests of the projects that were read, by name. What is another than was known has changed while nobody listened.
    pub projects: BTreeMap<String, String>,
    /// Marks the configuration: where it is another than was known, the configuration may have changed. It means nothing else.
    pub configuration: String,
}

/// Too much was missed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resync {
    /// The newest event.
    pub as_of: u64,
}

/// A run, as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunChanged {
    /// The event up to which this is told.
    pub as_of: u64,
    /// The run.
    #[serde(flatten)]
    pub run: RunSummary,
}

/// Nodes of an attempt, as they are now: those that may be others than they were told as before.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodesChanged {
    /// The event up to which this is told.
    pub as_of: u64,
    /// The run.
    pub run: RunId,
    /// Its project.
    pub project: String,
    /// The step, from 1.
    pub step: u32,
    /// The attempt at the step, from 1.
    pub attempt: u32,
    /// Whether these are all nodes of the attempt: any other that was known is gone.
    pub complete: bool,
    /// The nodes.
    pub nodes: Vec<NodeRow>,
}

/// Something about a job has changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobChanged {
    /// The job.
    pub job: String,
}

/// Something about an alert has changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertChanged {
    /// The alert.
    pub alert: String,
}

/// A plugin of the folder has changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginChanged {
    /// The plugin's name in the folder.
    pub plugin: String,
}

/// Something about an asset has changed, apart from any run.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetChanged {
    /// The project.
    pub project: String,
    /// dbt's id of the node.
    pub unique_id: String,
}

/// A project was read anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectChanged {
    /// The project.
    pub project: String,
    /// Its digest: another one is another project.
    pub digest: String,
}

/// Something has changed; there is no more to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {}
