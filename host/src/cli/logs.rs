//! `tidegate logs ID`: what dbt said.

use std::{io::BufRead, str::FromStr, thread, time::Duration};

use super::{
    Context, Exit, Failure,
    printer::{self, FAINT, styled},
    progress::short,
    retries,
};
use crate::{
    dbt::{Level, LogLine, plain},
    engine::{self, attempt_folder},
    model::{AttemptId, Run, RunId},
    process::{LogFile, Tail},
};

/// Shows what dbt said.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// The run's number
    #[arg(value_parser = RunId::from_str)]
    id: RunId,
    /// Go on until the run ends
    #[arg(long, short)]
    follow: bool,
    /// Only what is about this node: its name, unique id or asset key. Shows debug lines, such as its SQL, too
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// The least important level to show: debug, info, warn or error
    #[arg(long, value_parser = level, value_name = "LEVEL")]
    level: Option<Level>,
    /// Only this step
    #[arg(long)]
    step: Option<u32>,
    /// Every line exactly as dbt wrote it
    #[arg(long)]
    raw: bool,
}

/// How often it is looked for more.
const INTERVAL: Duration = Duration::from_millis(100);

struct Filter {
    node: Option<Vec<String>>,
    level: Level,
    raw: bool,
}

impl Logs {
    /// Shows the log.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let reader = context.reader()?;
        let run = reader.run(self.id)?;
        let node = self.node.as_deref().map(|name| nodes_named(context, &run, name)).transpose()?;
        let level = self.level.unwrap_or(if node.is_some() { Level::Debug } else { Level::Info });
        let filter = Filter { node, level, raw: self.raw };
        let state_dir = &context.config.state_dir;
        let wanted = |id: &AttemptId| self.step.is_none_or(|step| id.step == step);
        if !self.follow {
            for attempt in run.steps.iter().flat_map(|s| &s.attempts).filter(|a| wanted(&a.id)) {
                let Some(log) = LogFile::open(&attempt_folder(state_dir, attempt.id))? else { continue };
                for line in log.split(b'\n') {
                    filter.show(&line?);
                }
                note_decision(&run, attempt.id);
            }
            return Ok(Exit::Done);
        }
        self.follow(context, &filter, wanted)
    }

    /// Shows what comes until the run ends, or until nobody is left to go on with it.
    fn follow(
        &self,
        context: &Context,
        filter: &Filter,
        wanted: impl Fn(&AttemptId) -> bool,
    ) -> Result<Exit, Failure> {
        let reader = context.reader()?;
        let state_dir = &context.config.state_dir;
        let mut done: Vec<AttemptId> = Vec::new();
        let mut undecided: Option<AttemptId> = None;
        loop {
            let run = reader.run(self.id)?;
            let decided = |id: &AttemptId| run.attempt(*id).is_some_and(|a| a.decided.is_some());
            if let Some(id) = undecided.take_if(|id| decided(id)) {
                note_decision(&run, id);
            }
            let attempts = run.steps.iter().flat_map(|s| &s.attempts);
            if let Some(attempt) = attempts.into_iter().find(|a| wanted(&a.id) && !done.contains(&a.id)) {
                let folder = attempt_folder(state_dir, attempt.id);
                let mut tail = Tail::new(folder.clone(), 0);
                loop {
                    // Looked at before the log is read: the log is complete where there is an exit record.
                    let ended = attempt.state.is_finished() || folder.exit().is_some();
                    if tail.poll(ended, |line| filter.show(line))? {
                        continue;
                    }
                    if ended {
                        break;
                    }
                    thread::sleep(INTERVAL);
                }
                done.push(attempt.id);
                undecided = Some(attempt.id);
            } else if run.state.is_finished() {
                return Ok(Exit::Done);
            } else if engine::is_hosted(state_dir) {
                thread::sleep(INTERVAL);
            } else {
                context.note_orphan(&run);
                return Ok(Exit::Done);
            }
        }
    }
}

/// What was decided between two attempts, beside what dbt said in them.
fn note_decision(run: &Run, id: AttemptId) {
    if let Some(words) = retries::of_attempt(run, id.step, id.attempt) {
        printer::note(styled(FAINT, format!("attempt {} of step {}: {words}", id.attempt, id.step)));
    }
}

impl Filter {
    fn show(&self, line: &[u8]) {
        if self.raw && self.node.is_none() && self.level <= Level::Info {
            printer::line(String::from_utf8_lossy(line));
            return;
        }
        let parsed = LogLine::parse(line);
        let about = |ids: &[String]| parsed.unique_id.as_ref().is_some_and(|id| ids.contains(id));
        if parsed.level < self.level || self.node.as_deref().is_some_and(|ids| !about(ids)) {
            return;
        }
        if self.raw {
            printer::line(String::from_utf8_lossy(line));
            return;
        }
        if parsed.is_blank() {
            return;
        }
        let at = parsed
            .at
            .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S%.3f").to_string());
        let (style, word) = match parsed.level {
            Level::Debug => (FAINT, "debug"),
            Level::Info => (printer::GOOD, "info"),
            Level::Warn => (printer::ODD, "warn"),
            Level::Error => (printer::BAD, "error"),
        };
        let message = plain(&parsed.message);
        let message = message.trim_end().replace('\n', "\n                    ");
        printer::line(format!(
            "{} {} {message}",
            styled(FAINT, format!("{:>12}", at.unwrap_or_default())),
            styled(style, format!("{word:<5}")),
        ));
    }
}

/// The unique ids of a run's nodes that someone means by a name.
fn nodes_named(context: &Context, run: &Run, name: &str) -> Result<Vec<String>, Failure> {
    let ids: Vec<_> = run.steps.iter().flat_map(|s| &s.attempts).flat_map(|a| a.nodes.keys()).collect();
    let mut found: Vec<String> =
        ids.iter().filter(|id| id.as_str() == name || short(id) == name).map(|id| (*id).clone()).collect();
    if found.is_empty() {
        let opened = context.look(context.project(Some(&run.request.project))?)?;
        found = opened.project.assets_by_key(name).map(|a| a.unique_id.clone()).collect();
    }
    if found.is_empty() {
        return Err(Failure::new(format!("run {} has no node `{}`", run.id, plain(name)))
            .hint(format!("`tidegate runs show {} --all` lists them", run.id)));
    }
    Ok(found)
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "debug" => Ok(Level::Debug),
        "info" => Ok(Level::Info),
        "warn" => Ok(Level::Warn),
        "error" => Ok(Level::Error),
        _ => Err("levels are debug, info, warn and error".to_owned()),
    }
}
