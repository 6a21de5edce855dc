//! `tidegate run` and `tidegate materialize`.

use super::{
    Context, Exit, Failure,
    launch::{launch, request},
    selection,
};
use crate::{
    dbt,
    model::{StepRequest, nearest},
};

/// Runs a job.
#[derive(Debug, clap::Args)]
pub struct RunJob {
    /// The job's name
    job: String,
}

impl RunJob {
    /// Runs the job.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let jobs = &context.config.jobs;
        let job = jobs.get(&self.job).ok_or_else(|| {
            let failure =
                Failure::new(format!("there is no job `{}` in {}", self.job, context.config.file.display()));
            match nearest(&self.job, jobs.keys().map(String::as_str)) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`tidegate jobs` lists them"),
            }
        })?;
        let project = context.project(Some(&job.project))?;
        let steps = job.steps.iter().map(|step| StepRequest { args: step.args.clone() }).collect();
        launch(context, request(context, project, Some(job), steps))
    }
}

/// Builds a selection of assets.
#[derive(Debug, clap::Args)]
pub struct Materialize {
    /// What to build, in dbt's selection syntax, or `key:ASSET/KEY`; several are united
    #[arg(required = true, value_name = "SELECTION", allow_hyphen_values = false)]
    selection: Vec<String>,
    /// What to leave out, in the same syntax
    #[arg(long, value_name = "SELECTION", num_args = 1..)]
    exclude: Vec<String>,
    /// Rebuild incremental models and seeds from scratch
    #[arg(long)]
    full_refresh: bool,
    /// The project, where there are several
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

impl Materialize {
    /// Builds the selection.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let project = context.project(self.project.as_deref())?;
        let mut args = vec!["build".to_owned(), "--select".to_owned()];
        args.extend(selection::to_dbt(context, project, &self.selection)?);
        if !self.exclude.is_empty() {
            args.push("--exclude".to_owned());
            args.extend(selection::to_dbt(context, project, &self.exclude)?);
        }
        if self.full_refresh {
            args.push("--full-refresh".to_owned());
        }
        dbt::check_arguments(&args).map_err(|r| Failure::new(r.message).with_hint(r.hint))?;
        launch(context, request(context, project, None, vec![StepRequest { args }]))
    }
}
