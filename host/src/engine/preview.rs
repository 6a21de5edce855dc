//! What a run would do, found out before it is asked for: its commands, the nodes that they touch, what it would wait for. It
//! changes nothing, and says what the run itself will find; only what happens in between can make that another.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Refusal,
    gate::{gated, left},
    launch::{LaunchError, targets},
    real::{adapted, invocation, plan_step},
    sense,
};
use crate::{
    config::{self, Config},
    dbt::{
        can_be_narrowed, is_full_refresh, list_arguments, narrowed_arguments, never_refreshed, parameters_of,
    },
    model::{FailedCheck, Gate, Gated, Project, ResourceType, RunId, RunRequest, RunState, shell_words},
    project::Opened,
    store::{Reader, RunFilter},
};

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// The project's name.
    pub project: String,
    /// The job's name; null for a selection.
    pub job: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<PreviewStep>,
    /// The locks that it holds while it runs, and whoever holds them now.
    pub locks: Vec<PreviewLock>,
    /// Why it would not start at once; null where nothing is in its way.
    pub waits_for: Option<String>,
    /// What becomes of nodes behind checks that failed in earlier runs.
    pub gate: Gate,
    /// These checks.
    pub failed_checks: Vec<FailedCheck>,
    /// What whoever launches it should know.
    pub warnings: Vec<String>,
    /// The names of the parameters that its steps take.
    pub takes: Vec<String>,
    /// The targets of the project's profile; null where only dbt can tell.
    pub targets: Option<Vec<String>>,
    /// The target that it would have; null where only dbt can tell.
    pub target: Option<String>,
}

/// What a step of a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewStep {
    /// dbt's arguments, from the subcommand on; empty where the gate leaves nothing to do and dbt is not started.
    pub args: Vec<String>,
    /// The whole command as a shell takes it.
    pub line: String,
    /// The nodes that it touches, sorted by unique id; null where nobody can tell before it runs.
    pub nodes: Option<Vec<PreviewNode>>,
    /// Why nobody can tell.
    pub problem: Option<String>,
    /// The nodes behind failed checks: left out, or built all the same, as `gate` says.
    pub gated: Vec<Gated>,
}

/// A node that a step would touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewNode {
    /// dbt's id of the node.
    pub unique_id: String,
    /// The asset's key; null for a check.
    pub key: Option<String>,
    /// Its name.
    pub name: String,
    /// Its resource type.
    pub resource_type: ResourceType,
    /// How many checks of it the step makes.
    pub checks: u32,
}

/// A lock that a run holds while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewLock {
    /// Its name.
    pub name: String,
    /// How many runs may hold it.
    pub capacity: u32,
    /// Those that hold it now.
    pub held_by: Vec<RunId>,
}

/// Says what a run would do that is asked for now. Opening the project and listing nodes may call dbt.
///
/// # Errors
///
/// Where the project cannot be read at all, or the store cannot.
pub fn preview(
    config: &Config,
    request: &RunRequest,
    open: &dyn Fn(&config::Project) -> Result<Arc<Opened>, Refusal>,
    reader: &Reader,
) -> Result<Preview, LaunchError> {
    let project = config
        .projects
        .get(&request.project)
        .ok_or_else(|| Refusal::new(format!("there is no project `{}`", request.project)))?;
    let project = adapted(project.clone(), request);
    let opened = open(&project).map_err(LaunchError::Unreadable)?;
    let failed = match request.gate {
        Gate::Ignore => Vec::new(),
        Gate::Block | Gate::Warn => reader.standing_failures(&opened.project)?,
    };
    let mut shut = BTreeMap::new();
    let mut steps = Vec::with_capacity(request.steps.len());
    let mut touched = Vec::new();
    for step in &request.steps {
        let (step, checks, plan) = preview_step(config, &project, &opened, request.gate, &step.args, &failed);
        shut.extend(checks.into_iter().map(|check| (check.unique_id.clone(), check)));
        if is_full_refresh(&step.args) {
            touched.extend(plan);
        }
        steps.push(step);
    }
    let mut warnings = opened.warnings.clone();
    warnings.extend(kept(&opened, &touched));
    let locks = sense::write_locks(&project, request.steps.iter().map(|step| step.args.as_slice()));
    warnings.extend(locks.note);
    let names = request.limits.locks.iter().cloned().chain(locks.locks);
    let (locks, waits_for) = waiting(config, names, reader)?;
    let args: Vec<_> = request.steps.iter().map(|step| step.args.clone()).collect();
    let (targets, target) = targets(&project, None).unzip();
    Ok(Preview {
        project: request.project.clone(),
        job: request.job.clone(),
        steps,
        locks,
        waits_for,
        gate: request.gate,
        failed_checks: shut.into_values().collect(),
        warnings,
        takes: parameters_of(&args).into_iter().map(str::to_owned).collect(),
        targets,
        target,
    })
}

fn preview_step(
    config: &Config,
    project: &config::Project,
    opened: &Opened,
    gate: Gate,
    args: &[String],
    failed: &[FailedCheck],
) -> (PreviewStep, Vec<FailedCheck>, Vec<String>) {
    let (plan, problem) = match plan_step(&config.state_dir, project, opened, args) {
        Some(Ok(plan)) => (Some(plan), None),
        Some(Err(refusal)) => (None, Some(refusal.message)),
        None if opened.prepared.is_none() => {
            (None, Some("dbt cannot read the project as it is now".to_owned()))
        }
        None => {
            let command = args.first().map(String::as_str).unwrap_or_default();
            (None, Some(format!("`dbt {command}` does not tell before it runs")))
        }
    };
    let (mut checks, mut behind, mut args) = (Vec::new(), Vec::new(), args.to_vec());
    if let Some(plan) = plan.as_ref().filter(|_| can_be_narrowed(&args) && list_arguments(&args).is_some()) {
        (checks, behind) = gated(&opened.project, plan, failed);
        if gate == Gate::Block && !behind.is_empty() {
            let selectors = left(&opened.project, plan, &behind);
            args = narrowed_arguments(&args, &selectors).unwrap_or_default();
        }
    }
    let plan = plan.map(|plan| match gate {
        Gate::Block => {
            plan.into_iter().filter(|id| !behind.iter().any(|node| node.unique_id == *id)).collect()
        }
        Gate::Warn | Gate::Ignore => plan,
    });
    let line = if args.is_empty() { String::new() } else { line(project, opened, &args) };
    let nodes = plan.as_ref().map(|plan| nodes(&opened.project, plan));
    (PreviewStep { args, line, nodes, problem, gated: behind }, checks, plan.unwrap_or_default())
}

/// The command as an attempt will have it.
fn line(project: &config::Project, opened: &Opened, args: &[String]) -> String {
    let call = invocation(project, opened, args, Path::new("target"), &[]);
    format!("dbt {}", shell_words(&call.args))
}

fn nodes(project: &Project, plan: &[String]) -> Vec<PreviewNode> {
    let mut checks: BTreeMap<&str, u32> = BTreeMap::new();
    for check in plan.iter().filter_map(|id| project.check(id)) {
        for asset in &check.assets {
            *checks.entry(asset).or_default() += 1;
        }
    }
    let node = |id: &String| {
        let asset = project.asset(id);
        let name = asset.map(|asset| asset.name.clone());
        let name = name.or_else(|| project.check(id).map(|check| check.name.clone()));
        PreviewNode {
            unique_id: id.clone(),
            key: asset.map(|asset| asset.shape.key.to_string()),
            name: name.unwrap_or_else(|| id.splitn(3, '.').last().unwrap_or(id).to_owned()),
            resource_type: ResourceType::of_unique_id(id),
            checks: checks.get(id.as_str()).copied().unwrap_or_default(),
        }
    };
    plan.iter().map(node).collect()
}

/// A warning of nodes that dbt does not build from scratch whatever it is told.
fn kept(opened: &Opened, touched: &[String]) -> Option<String> {
    if touched.is_empty() {
        return None;
    }
    let never = never_refreshed(&opened.manifest).ok()?;
    let names = |id: &String| {
        let asset = opened.project.asset(id)?;
        never.contains(id).then(|| asset.name.clone())
    };
    let names: Vec<_> = touched.iter().filter_map(names).collect();
    let more = names.len().saturating_sub(5);
    let list = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty())
        .then(|| format!("{list}{more}: `full_refresh: false` in their configuration keeps what is there"))
}

/// The locks with their holders, and why a run would wait that needs them.
fn waiting(
    config: &Config,
    names: impl Iterator<Item = String>,
    reader: &Reader,
) -> Result<(Vec<PreviewLock>, Option<String>), LaunchError> {
    let filter = RunFilter { job: None, state: Some(RunState::Running), limit: u32::MAX };
    let running = reader.runs(&filter)?;
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    let locks: Vec<_> = names
        .into_iter()
        .map(|name| PreviewLock {
            capacity: config.locks.get(&name).copied().unwrap_or(1),
            held_by: running.iter().filter(|r| r.run.locks.contains(&name)).map(|r| r.run.id).collect(),
            name,
        })
        .collect();
    let held = locks.iter().find(|lock| lock.held_by.len() >= lock.capacity as usize);
    let max = config.queue.max_runs;
    let waits_for = match held {
        Some(PreviewLock { name, held_by, .. }) => {
            let runs: Vec<_> = held_by.iter().map(ToString::to_string).collect();
            let run = if runs.len() == 1 { "run" } else { "runs" };
            Some(format!("the lock `{name}` is held by {run} {}", runs.join(", ")))
        }
        None if running.len() >= max as usize => {
            Some(format!("{} runs are under way, and no more than {max} may be", running.len()))
        }
        None => None,
    };
    Ok((locks, waits_for))
}
