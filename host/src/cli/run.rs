//! `tidegate run` and `tidegate materialize`.

use super::{
    Context, Exit, Failure,
    launch::{Once, launch, launched, leave},
    parameters::{Call, request},
};
use crate::{
    engine::launch::{Wanted, What},
    model::{Parameters, Selection},
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
    /// What the steps select in place of what they say, in dbt's selection syntax, or `key:ASSET/KEY`
    #[arg(long, value_name = "SELECTION", num_args = 1..)]
    select: Vec<String>,
    /// What they leave out in place of what they say, in the same syntax
    #[arg(long, value_name = "SELECTION", num_args = 1..)]
    exclude: Vec<String>,
    #[command(flatten)]
    call: Call,
    #[command(flatten)]
    once: Once,
}

impl RunJob {
    /// Runs the job.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let wanted = Wanted {
            what: What::Job(self.job),
            parameters: Parameters { select: self.select, exclude: self.exclude, ..self.call.parameters() },
            ignore_gate: self.ignore_gate,
            priority: self.priority,
        };
        let request = request(context, wanted, launched(), self.once.key())?;
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
    #[command(flatten)]
    call: Call,
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
        let project = context.project(self.project.as_deref())?.name.clone();
        let selection = Selection { select: self.selection, exclude: self.exclude, ..Selection::default() };
        let wanted = Wanted {
            what: What::Nodes { project, selection },
            parameters: self.call.parameters(),
            ignore_gate: self.ignore_gate,
            priority: None,
        };
        let request = request(context, wanted, launched(), self.once.key())?;
        launch(context, request)
    }
}
