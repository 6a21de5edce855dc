//! `tidegate status` and `tidegate reload`: how the host is, and telling it to read its configuration again.

use jiff::Timestamp;

use super::{
    Context, Exit, Failure,
    printer::{self, BAD, FAINT, ODD, STRONG, styled},
};
use crate::{
    dbt::plain,
    engine::{Client, RunStatus, Status},
};

/// Shows how the host is.
#[derive(Debug, clap::Args)]
pub struct ShowStatus {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Has the host read its configuration again.
#[derive(Debug, clap::Args)]
pub struct Reload {}

fn host(context: &Context) -> Result<Client, Failure> {
    let state_dir = &context.config.state_dir;
    Client::connect(state_dir).map_err(|_| {
        let mut failure = Failure::new(format!("no tidegate runs for {}", state_dir.display()));
        failure.exit = Exit::Failed;
        failure.hint("`tidegate serve` starts one that stays")
    })
}

impl ShowStatus {
    /// Shows how the host is; the exit code is 1 where there is none.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let status = host(context)?.status()?;
        if self.json {
            printer::json(&status)?;
        } else {
            show(&status);
        }
        Ok(Exit::Done)
    }
}

fn show(status: &Status) {
    let role = if status.automatic { "serving" } else { "on an errand: no schedule is fired" };
    let role = if status.ending { "about to end: nothing is started" } else { role };
    let up = printer::seconds(Timestamp::now().duration_since(status.since).as_secs_f64());
    printer::line(format!(
        "{} {} (process {}), up {up}, {role}",
        styled(STRONG, "tidegate"),
        status.version,
        status.pid
    ));
    if let Some(problem) = &status.problem {
        printer::line(format!("  {} {}", styled(BAD, "it does nothing at the moment:"), plain(problem)));
    }
    printer::line(format!("configuration  {}", status.config_file.display()));
    if let Some(problem) = &status.config_problem {
        printer::line(format!("  {} {}", styled(BAD, "a newer state of it is refused:"), plain(problem)));
    }
    for project in &status.projects {
        let assets = project.assets.map_or_else(|| "never read".to_owned(), |n| format!("{n} assets"));
        printer::line(format!("project        {}: {assets}", project.name));
        if let Some(problem) = &project.problem {
            let problem = printer::indented(problem, 4);
            printer::line(format!("  {}\n{problem}", styled(BAD, "as it is now it cannot be read:")));
        }
    }
    printer::line(format!("running        {}", status.running.len()));
    status.running.iter().for_each(run);
    printer::line(format!("queued         {}", status.queued));
    status.waiting.iter().for_each(run);
    let more = status.queued.saturating_sub(status.waiting.len() as u64);
    if more > 0 {
        printer::line(styled(FAINT, format!("  … and {more} more")));
    }
    if !status.next.is_empty() {
        printer::line("next");
        for tick in status.next.iter().take(5) {
            printer::line(format!("  {}  {}", printer::time(tick.at), tick.job));
        }
    }
    if status.failing_deliveries > 0 {
        let failing =
            format!("{} tried again; `tidegate notify deliveries` says why", status.failing_deliveries);
        printer::line(format!("deliveries     {}", styled(BAD, failing)));
    }
    if !status.paused.is_empty() {
        printer::line(format!("paused         {}", styled(ODD, status.paused.join(", "))));
    }
}

fn run(run: &RunStatus) {
    let title = printer::shortened(&plain(&run.title), 48);
    let since = |at: &Timestamp| printer::seconds(Timestamp::now().duration_since(*at).as_secs_f64());
    let what = match (&run.started_at, &run.waits_for) {
        (Some(at), None) => format!("for {}", since(at)),
        (Some(at), Some(why)) => format!("for {}, {}", since(at), plain(why)),
        (None, Some(why)) => plain(why),
        (None, None) => "about to start".to_owned(),
    };
    printer::line(format!("  run {} of {title}  {}", run.run, styled(FAINT, what)));
}

impl Reload {
    /// Has the host read its configuration again, and shows what changed.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let changes = host(context)?.reload()?;
        if changes.is_empty() {
            printer::note("nothing changed");
        }
        changes.iter().for_each(|change| printer::line(plain(change)));
        Ok(Exit::Done)
    }
}
