//! `tidegate schedules`: what starts jobs by itself, when next, what was decided, and switching it off and on.

use jiff::Timestamp;

use super::{
    Context, Exit, Failure,
    host::{Handle, join},
    launch::user,
    printer::{self, FAINT, GOOD, ODD, styled},
};
use crate::{
    config::Job,
    dbt::plain,
    engine::{Client, Role},
    model::{RunId, Tick, Trigger, nearest},
    view::jobs::{self, triggers},
};

/// Shows what starts jobs by itself, and switches it off and on.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Schedules {
    #[command(subcommand)]
    verb: Option<SchedulesVerb>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum SchedulesVerb {
    /// Show the next ticks of a job's schedule
    Preview {
        /// The job's name
        job: String,
        /// How many
        #[arg(long, short = 'n', default_value_t = 10)]
        limit: u32,
        /// From this time on, such as 2027-03-27T00:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what triggers have decided, newest first: what fired, and what was skipped and why
    Ticks {
        /// Only of this job
        job: Option<String>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let nothing start a job by itself
    Pause {
        /// The job's name
        job: String,
    },
    /// Let a paused job be started by itself again, from now on
    Resume {
        /// The job's name
        job: String,
    },
}

impl Schedules {
    /// Lists, previews, pauses or resumes.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            None => list(context, self.json),
            Some(SchedulesVerb::Preview { job, limit, from, json }) => {
                preview(context, &job, limit, from, json)
            }
            Some(SchedulesVerb::Ticks { job, limit, json }) => ticks(context, job.as_deref(), limit, json),
            Some(SchedulesVerb::Pause { job }) => pause(context, job, true),
            Some(SchedulesVerb::Resume { job }) => pause(context, job, false),
        }
    }
}

fn job_of<'a>(context: &'a Context, name: &str) -> Result<&'a Job, Failure> {
    let jobs = &context.config.jobs;
    jobs.get(name).ok_or_else(|| {
        let near =
            nearest(name, jobs.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        Failure::new(format!("there is no job `{name}` in {}", context.config.file.display()))
            .with_hint(Some(near.unwrap_or_else(|| "`tidegate jobs` lists them".to_owned())))
    })
}

fn list(context: &Context, json: bool) -> Result<Exit, Failure> {
    let automations = context.reader()?.automations()?;
    let now = Timestamp::now();
    let jobs = context.config.jobs.values();
    let rows: Vec<_> = jobs.flat_map(|job| triggers(job, automations.get(&job.name), now)).collect();
    if json {
        printer::json(&rows)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        printer::note("no job starts by itself; add a `schedule`, `after` or `sensors` to one");
        return Ok(Exit::Done);
    }
    let header = ["job", "starts", "next", "last"];
    let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
    for row in &rows {
        let starts = match row.trigger {
            Trigger::Schedule => row.definition.clone(),
            Trigger::After => format!("after {}", row.definition),
            _ => format!("on {}", row.definition),
        };
        let next = match (&row.paused_by, row.next) {
            (Some(by), _) => styled(ODD, format!("paused by {by}")),
            (None, Some(at)) => printer::time(at),
            (None, None) => String::new(),
        };
        let last = row
            .last
            .as_ref()
            .map(|tick| format!("{}  {}", printer::time(tick.due), decided(tick)))
            .unwrap_or_default();
        table.push(vec![row.job.clone(), printer::shortened(&plain(&starts), 48), next, last]);
    }
    printer::table(&table);
    if !is_served(context) {
        printer::note("nothing fires these now: `tidegate serve` is not running here");
    }
    Ok(Exit::Done)
}

fn is_served(context: &Context) -> bool {
    let status = Client::connect(&context.config.state_dir).ok().and_then(|client| client.status().ok());
    status.is_some_and(|status| status.automatic)
}

fn decided(tick: &Tick) -> String {
    match tick.run {
        Some(RunId(run)) => styled(GOOD, format!("run {run}")),
        None => styled(ODD, "skipped"),
    }
}

fn preview(
    context: &Context,
    name: &str,
    limit: u32,
    from: Option<Timestamp>,
    json: bool,
) -> Result<Exit, Failure> {
    let job = job_of(context, name)?;
    let Some(ticks) = jobs::preview(job, from.unwrap_or_else(Timestamp::now), limit as usize) else {
        return Err(Failure::new(format!("the job `{name}` has no schedule"))
            .hint("add one: schedule = \"0 6 * * *\""));
    };
    if json {
        printer::json(&ticks.iter().map(|tick| tick.at).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for tick in ticks {
        printer::line(format!("{}  {}", tick.local, styled(FAINT, tick.at)));
    }
    Ok(Exit::Done)
}

fn ticks(context: &Context, job: Option<&str>, limit: u32, json: bool) -> Result<Exit, Failure> {
    let ticks = context.reader()?.ticks(job, limit)?;
    if json {
        printer::json(&ticks)?;
        return Ok(Exit::Done);
    }
    if ticks.is_empty() {
        if let Some(name) = job {
            job_of(context, name)?;
        }
        printer::note("nothing has been decided yet");
        return Ok(Exit::Done);
    }
    let header = ["due", "job", "trigger", "decision", "reason"];
    let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
    for row in &ticks {
        let trigger = printer::shortened(&plain(&row.trigger.to_string()), 32);
        let reason = plain(&row.tick.reason);
        table.push(vec![printer::time(row.tick.due), row.job.clone(), trigger, decided(&row.tick), reason]);
    }
    printer::table(&table);
    Ok(Exit::Done)
}

fn pause(context: &Context, job: String, paused: bool) -> Result<Exit, Failure> {
    job_of(context, &job)?;
    match join(context.config.clone(), Role::Chore)? {
        Handle::Client(client) => client.pause(&job, paused)?,
        Handle::Host(host) => {
            let done = host.front().pause(job.clone(), paused, user());
            host.leave(done)?;
        }
    }
    printer::note(if paused {
        format!(
            "nothing starts the job `{job}` by itself any more; `tidegate schedules resume {job}` lets it"
        )
    } else {
        format!("the job `{job}` is started by itself again, from now on")
    });
    Ok(Exit::Done)
}
