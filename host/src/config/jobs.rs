//! Jobs: from the words of the file to values.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Automated, ConfigProblem, EmptyPolicy, JobConfig, Project, Secret,
    automation::{self, Surroundings},
    resolve::json_map,
    web,
};
use crate::{
    dbt,
    model::{Gate, Limits, RetryRule, nearest, shell_words},
};

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The project's name.
    pub project: String,
    /// What starts it by itself.
    pub automated: Automated,
    /// What its runs wait for, and how long they may take.
    pub limits: Limits,
    /// What decides about attempts that fail; the default is in it already.
    pub retry: Option<RetryRule>,
    /// Its steps, in order; at least one.
    pub steps: Vec<Step>,
    /// The target for this job alone.
    pub target: Option<String>,
    /// Variables for this job alone.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// What a run that finds nothing to do counts as.
    pub empty: EmptyPolicy,
    /// What becomes of nodes that stand behind a check that failed in an earlier run; none where the project says it.
    pub gate: Option<Gate>,
    /// What signs requests that start it; none where no request may.
    pub webhook: Option<Secret>,
}

/// A step: dbt's arguments from the subcommand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The words.
    pub args: Vec<String>,
}

impl Job {
    /// The configuration for the record of a run.
    pub fn record(&self) -> serde_json::Value {
        let mut record = json!({
            "steps": self.steps.iter().map(|s| shell_words(&s.args)).collect::<Vec<_>>(),
            "target": self.target,
            "vars": self.vars,
            "empty": self.empty,
            "gate": self.gate,
            "limits": self.limits,
            "retry": self.retry,
        });
        if let Some(secret) = &self.webhook {
            record["webhook"] = web::webhook_record(secret);
        }
        if let (Some(record), serde_json::Value::Object(automated)) =
            (record.as_object_mut(), self.automated.record())
        {
            record.extend(automated);
        }
        record
    }
}

/// A job of the file. Each problem comes with the key that it is in.
pub(super) fn resolve(
    name: &str,
    job: JobConfig,
    projects: &BTreeMap<String, Project>,
    around: &Surroundings<'_>,
) -> Result<Job, Vec<(&'static str, ConfigProblem)>> {
    let mut problems = Vec::new();
    let mut only = projects.keys();
    let project = match (job.project.clone(), only.next(), only.next()) {
        (Some(named), ..) => {
            if !projects.contains_key(&named) {
                let problem = ConfigProblem::new(format!("there is no project `{named}`"));
                let near = nearest(&named, projects.keys().map(String::as_str));
                problems.push((
                    "project",
                    match near {
                        Some(near) => problem.hint(format!("did you mean `{near}`?")),
                        None => problem.hint(format!(
                            "projects are {}",
                            projects.keys().cloned().collect::<Vec<_>>().join(", ")
                        )),
                    },
                ));
            }
            named
        }
        (None, Some(only), None) => only.clone(),
        (None, Some(_), Some(_)) => {
            let problem =
                ConfigProblem::new("there are several projects, and the job does not say which is its own")
                    .hint("add `project = \"NAME\"`");
            problems.push(("steps", problem));
            String::new()
        }
        (None, None, _) => String::new(),
    };
    if job.steps.is_empty() {
        let problem = ConfigProblem::new("a job needs at least one step").hint("steps = [\"dbt build\"]");
        problems.push(("steps", problem));
    }
    let mut steps = Vec::new();
    for step in &job.steps {
        match split_step(step) {
            Ok(args) => steps.push(Step { args }),
            Err(p) => problems.push(("steps", p)),
        }
    }
    let webhook = job.webhook.as_ref().and_then(|webhook| {
        web::webhook(webhook, around.base).map_err(|problem| problems.push(("webhook", problem))).ok()
    });
    let (automated, limits) = automation::resolve(name, &job, around, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Job {
        name: name.to_owned(),
        description: job.description,
        project,
        automated,
        limits,
        retry: around.retries.get(name).cloned().flatten(),
        steps,
        target: job.target,
        vars: json_map(job.vars),
        empty: job.empty,
        gate: job.gate,
        webhook,
    })
}

/// Splits a step into dbt's arguments, and refuses what Tidegate cannot run or has to set itself.
fn split_step(step: &str) -> Result<Vec<String>, ConfigProblem> {
    let bad = |message: String| ConfigProblem::new(format!("step `{step}`: {message}"));
    let mut words = shlex::split(step).ok_or_else(|| bad("a quote is not closed".to_owned()))?;
    if words.first().is_some_and(|w| w == "dbt") {
        words.remove(0);
    }
    dbt::check_arguments(&words).map_err(|refusal| {
        let problem = bad(refusal.message);
        match refusal.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })?;
    Ok(words)
}
