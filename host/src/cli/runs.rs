//! `tidegate runs`: list, show, cancel, resume.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Context, Exit, Failure,
    host::{Handle, join},
    launch, printer,
    printer::{FAINT, styled},
    runs_show,
};
use crate::{
    dbt::plain,
    engine::{Ending, Role, Update, is_hosted},
    model::{Run, RunId, RunState},
    store::{RunFilter, RunSummary},
};

/// Lists the runs; shows, cancels or resumes one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    #[command(subcommand)]
    verb: Option<RunsVerb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum RunsVerb {
    /// Show one run: its steps, attempts and nodes, and what was used
    Show(runs_show::Show),
    /// Stop a run: dbt gets time to cancel its queries
    Cancel {
        /// The run's number
        #[arg(value_parser = RunId::from_str)]
        id: RunId,
    },
    /// Run what is left to do of a run that failed, was cancelled or was interrupted
    Resume {
        /// The run's number
        #[arg(value_parser = RunId::from_str)]
        id: RunId,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only runs of this job
    #[arg(long)]
    job: Option<String>,
    /// Only runs in this state
    #[arg(long, value_parser = state)]
    state: Option<RunState>,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A selection may be long; `runs show` has all of it.
const LONGEST_TITLE: usize = 32;

/// A run in a list, as JSON.
#[derive(Serialize)]
struct RunJson<'a> {
    id: RunId,
    project: &'a str,
    /// Null for a selection that was materialized by hand.
    job: Option<&'a str>,
    state: RunState,
    reason: Option<&'a str>,
    requested_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    user: &'a str,
    via: &'a str,
    /// How many nodes are in each state.
    nodes: &'a BTreeMap<String, u64>,
}

impl Runs {
    /// Whether it may run something, and has to know the configuration then.
    pub fn needs_jobs(&self) -> bool {
        matches!(self.verb, Some(RunsVerb::Resume { .. }))
    }

    /// Lists, shows or cancels.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            Some(RunsVerb::Show(show)) => show.run(context),
            Some(RunsVerb::Cancel { id }) => cancel(context, id),
            Some(RunsVerb::Resume { id }) => launch::resume(context, id),
            None => self.list.run(context),
        }
    }
}

impl List {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let filter = RunFilter { job: self.job, state: self.state, limit: self.limit };
        let runs = context.reader()?.runs(&filter)?;
        if self.json {
            printer::json(&runs.iter().map(as_json).collect::<Vec<_>>())?;
        } else if runs.is_empty() {
            let unknown = filter.job.as_ref().filter(|job| !context.config.jobs.contains_key(*job));
            if let Some(job) = unknown {
                return Err(Failure::new(format!("there is no job `{job}`, and no run of one"))
                    .hint("`tidegate jobs` lists them"));
            }
            printer::note("no runs");
        } else {
            let header = ["run", "job", "state", "requested", "took", "nodes", "by"];
            let mut rows = vec![header.map(|h| styled(FAINT, h)).to_vec()];
            rows.extend(runs.iter().map(row));
            printer::table(&rows);
            runs.iter().for_each(|summary| context.note_orphan(&summary.run));
        }
        Ok(Exit::Done)
    }
}

fn as_json(summary: &RunSummary) -> RunJson<'_> {
    let run = &summary.run;
    RunJson {
        id: run.id,
        project: &run.request.project,
        job: run.request.job.as_deref(),
        state: run.state,
        reason: run.reason.as_deref(),
        requested_at: run.requested_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        user: &run.request.launch.user,
        via: &run.request.launch.via,
        nodes: &summary.counts,
    }
}

fn row(summary: &RunSummary) -> Vec<String> {
    let run = &summary.run;
    let took = run.started_at.map(|from| run.finished_at.unwrap_or_else(Timestamp::now).duration_since(from));
    let counts: Vec<_> = summary.counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    vec![
        run.id.to_string(),
        printer::shortened(&plain(&run.title()), LONGEST_TITLE),
        styled(printer::of_run(run.state), run.state),
        printer::time(run.requested_at),
        took.map(|t| printer::seconds(t.as_secs_f64())).unwrap_or_default(),
        counts.join(", "),
        by(run),
    ]
}

/// Who asked for a run, or what.
fn by(run: &Run) -> String {
    let launch = &run.request.launch;
    match (launch.via.as_str(), run.request.resumes) {
        ("resume", Some(parent)) => format!("resume of {parent}"),
        ("cli", Some(parent)) => format!("{}, resuming {parent}", plain(&launch.user)),
        ("cli", None) => plain(&launch.user),
        (via, _) => plain(via),
    }
}

fn cancel(context: &Context, id: RunId) -> Result<Exit, Failure> {
    let run = context.reader()?.run(id)?;
    if run.state.is_finished() {
        return Err(Failure::new(format!("run {id} has ended already: {}", run.state)));
    }
    if context.config.projects.is_empty() && !is_hosted(&context.config.state_dir) {
        // Whoever takes runs up has to know their projects: by a file with mistakes others would be refused.
        return Err(Failure::new(format!("run {id} has no host, and the configuration has mistakes"))
            .hint("mend it first, or start `tidegate serve` where it is sound"));
    }
    match join(Arc::clone(&context.config), Role::Chore)? {
        Handle::Client(client) => {
            client.cancel(id)?;
            printer::note(format!("run {id} is being cancelled"));
        }
        // Nobody was there: this process takes the run up, stops it, and leaves the others to whoever comes next.
        Handle::Host(host) => {
            let news = host.front().listen(id);
            host.canceller()(id, launch::user());
            let dbt =
                if run.running_attempt().is_some() { ": dbt gets 25 s to stop its queries" } else { "" };
            printer::note(format!("run {id} is being cancelled{dbt}"));
            for update in news {
                if let Update::Lost { refusal } = update {
                    return Err(refusal.into());
                }
            }
            host.end(Ending::Now);
            host.finish()?;
            let run = context.reader()?.run(id)?;
            if run.cancelled_by.is_none() && !run.state.is_finished() {
                let failure = Failure::new(format!("another host took over before run {id} was cancelled"));
                return Err(failure.hint("ask again"));
            }
            printer::note(format!("run {id} {}", run.state));
        }
    }
    Ok(Exit::Done)
}

fn state(text: &str) -> Result<RunState, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "states are queued, running, succeeded, warned, incomplete, failed, empty, cancelled, interrupted, refused"
            .to_owned()
    })
}
