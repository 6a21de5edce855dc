//! `tidegate run` and `tidegate materialize`.

use super::{
    Context, Exit, Failure,
    launch::{Once, launch, launched, leave},
    selection,
};
use crate::{
    dbt,
    engine::request::{of_job, of_steps},
    model::{Gate, StepRequest, nearest},
};

/// Runs a job.
#[derive(Debug, clap::Args)]
pub struct RunJob {
    /// The job's name
    job: String,
    /// Where the run stands in the queue: higher goes first [default: the job's `priority`]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Leave it to the host that serves, and print the run's number
    #[arg(long, short)]
    detach: bool,
    /// Build what reads an asset whose test has failed in an earlier run, too
    #[arg(long)]
    ignore_gate: bool,
    #[command(flatten)]
    once: Once,
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
        let mut request = of_job(&context.config, job, launched(), self.once.key())
            .ok_or_else(|| Failure::new(format!("there is no project `{}`", job.project)))?;
        request.limits.priority = self.priority.unwrap_or(request.limits.priority);
        if self.ignore_gate {
            request.gate = Gate::Ignore;
        }
        if self.detach { leave(context, request) } else { launch(context, request) }
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
    /// Build what reads an asset whose test has failed in an earlier run, too
    #[arg(long)]
    ignore_gate: bool,
    #[command(flatten)]
    once: Once,
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
        let steps = vec![StepRequest { args }];
        let mut request = of_steps(&context.config, project, steps, launched(), self.once.key());
        if self.ignore_gate {
            request.gate = Gate::Ignore;
        }
        launch(context, request)
    }
}
