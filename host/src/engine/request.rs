//! Requests for runs, made of the configuration.

use std::sync::Arc;

use serde_json::json;

use super::Refusal;
use crate::{
    config::{self, Config},
    model::{Launch, Parameters, Run, RunRequest, RunState, StepRequest},
};

/// The request for a job, with a key of its own.
pub fn of_job(config: &Config, job: &config::Job, launch: Launch, key: String) -> Option<RunRequest> {
    let project = config.projects.get(&job.project)?;
    let steps = job.steps.iter().map(|step| StepRequest { args: step.args.clone() }).collect();
    let mut request = of_steps(config, project, steps, launch, key);
    request.job = Some(job.name.clone());
    request.empty_fails = job.empty == config::EmptyPolicy::Fail;
    request.configuration = configuration(project, job.record());
    request.limits = job.limits.clone();
    request.gate = job.gate.unwrap_or(project.gate);
    request.retry = job.retry.clone();
    Some(request)
}

/// The request for some steps of a project, with a key of its own.
pub fn of_steps(
    config: &Config,
    project: &config::Project,
    steps: Vec<StepRequest>,
    launch: Launch,
    key: String,
) -> RunRequest {
    RunRequest {
        key,
        project: project.name.clone(),
        job: None,
        steps,
        empty_fails: false,
        launch,
        config_file: config.file.clone(),
        configuration: configuration(project, serde_json::Value::Null),
        limits: Default::default(),
        resumes: None,
        retry: config.retry.clone(),
        gate: project.gate,
        parameters: Parameters::default(),
        selection: None,
    }
}

fn configuration(project: &config::Project, job: serde_json::Value) -> Arc<serde_json::Value> {
    Arc::new(json!({ "project": project.record(), "job": job }))
}

/// The request for what is left to do of a run. Its steps are those that have not been done: how much of the first of them
/// is left is found out when its turn has come, since it takes the project to say so. A run is resumed once.
pub(super) fn resuming(run: &Run, launch: Launch) -> Result<RunRequest, Refusal> {
    let refused = |message: String, hint: &str| Err(Refusal { message, hint: Some(hint.to_owned()) });
    let again = match &run.request.job {
        Some(job) => format!("`tidegate run {job}` runs the job anew"),
        None => "`tidegate materialize` builds anew what you select".to_owned(),
    };
    match run.state {
        RunState::Queued | RunState::Running => {
            return refused(
                format!("run {} has not ended yet: it is {}", run.id, run.state),
                "`tidegate runs cancel` stops it",
            );
        }
        RunState::Succeeded | RunState::Warned | RunState::Empty => {
            return refused(format!("nothing is left to do of run {}: it {}", run.id, run.state), &again);
        }
        _ => {}
    }
    let left = run.steps.iter().skip_while(|step| step.state.lets_go_on());
    let steps = left.map(|step| StepRequest { args: step.args.clone() }).collect();
    Ok(RunRequest {
        key: format!("resume:{}", run.id),
        steps,
        launch,
        resumes: Some(run.id),
        ..run.request.clone()
    })
}
