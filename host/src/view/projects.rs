//! Projects: what the configuration says of each, and what dbt found in it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    config,
    model::{Exposure, Gate, PluginRecord},
    project::Opened,
};

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProjectRow {
    /// Its name.
    pub name: String,
    /// The folder with its `dbt_project.yml`.
    pub dir: String,
    /// dbt's target, where the configuration names one.
    pub target: Option<String>,
    /// The translator that shapes its assets.
    pub translator: Option<String>,
    /// What becomes of nodes that read an asset whose check has failed in an earlier run.
    pub gate: Gate,
    /// Why it cannot be read as it is now. What was read before is shown still.
    pub problem: Option<String>,
    /// What was read of it last; null where it was not read yet.
    pub read: Option<ProjectRead>,
}

/// What was read of a project last.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProjectRead {
    /// Changes when anything does that could change a selection or an asset.
    pub digest: String,
    /// The dbt version that parsed it.
    pub dbt_version: String,
    /// The adapter, such as `duckdb`.
    pub adapter: String,
    /// How many assets it has.
    pub assets: u32,
    /// How many checks.
    pub checks: u32,
    /// The exposures that use its assets.
    pub exposures: Vec<Exposure>,
    /// The plugins that shaped its assets.
    pub plugins: Vec<PluginRecord>,
    /// What its operator should know.
    pub warnings: Vec<String>,
}

impl ProjectRow {
    /// A project, as far as it is known.
    pub fn of(project: &config::Project, problem: Option<String>, opened: Option<&Opened>) -> Self {
        Self {
            name: project.name.clone(),
            dir: project.dbt.dir.display().to_string(),
            target: project.dbt.target.clone(),
            translator: project.translator.as_ref().map(|translator| translator.plugin.clone()),
            gate: project.gate,
            problem,
            read: opened.map(|opened| ProjectRead {
                digest: opened.project.digest.clone(),
                dbt_version: opened.project.dbt_version.clone(),
                adapter: opened.project.adapter_type.clone(),
                assets: opened.project.assets.len() as u32,
                checks: opened.project.checks.len() as u32,
                exposures: opened.project.exposures.clone(),
                plugins: opened.plugins.clone(),
                warnings: opened.warnings.clone(),
            }),
        }
    }
}
