//! A run as it goes: on a terminal a bar with the running nodes, and lines for what matters; elsewhere plain lines.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    printer::{self, BAD, FAINT, LIVE, STRONG, styled},
    retries,
};
use crate::{
    dbt::plain,
    engine::Names,
    fold,
    model::{Attempt, Event, EventKind, NodeResult, NodeState, Run, RunState, first_line, shell_words},
};

pub use crate::model::short_name as short;

/// Drawn so often at the most: people see no more, and each drawing costs.
const FRAMES_PER_SECOND: u8 = 8;

/// As long as nobody knows how much there is to do.
const BEFORE_THE_PLAN: &str = "{elapsed:>5} {wide_msg}";

/// Once dbt has said what it will do.
const WITH_A_PLAN: &str = "{elapsed:>5} {bar:24.cyan/dim} {pos}/{len} {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─")
}

/// Shows a run as it goes.
pub struct Progress {
    bar: Option<ProgressBar>,
    names: Arc<Names>,
    last_notice: String,
}

impl Progress {
    /// For this process's terminal, if it has one.
    pub fn new() -> Self {
        let bar = printer::is_interactive().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
            let bar = ProgressBar::with_draw_target(None, target);
            bar.set_style(style(BEFORE_THE_PLAN));
            bar
        });
        Self { bar, names: Arc::default(), last_notice: String::new() }
    }

    /// What the nodes are as assets, as far as that is known.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Learns what the nodes are as assets.
    pub fn name(&mut self, names: Arc<Names>) {
        self.names = names;
    }

    /// The run as it stands when this begins to show it.
    pub fn begin(&mut self, run: &Run) {
        self.say(&format!("run {} of {}", styled(STRONG, run.id), styled(STRONG, plain(&run.title()))));
        if let Some(attempt) = run.running_attempt() {
            self.draw(attempt);
        }
    }

    /// Something for people.
    pub fn notice(&mut self, text: &str) {
        if self.last_notice != text {
            text.clone_into(&mut self.last_notice);
            match text.strip_prefix("warning: ") {
                Some(warning) => {
                    self.say(&format!("{} {}", styled(printer::ODD, "warning:"), plain(warning)))
                }
                None => {
                    self.say(&styled(FAINT, plain(text)));
                    self.waiting(text);
                }
            }
        }
    }

    /// Nothing runs yet: the project is opened, or the run waits for another.
    fn waiting(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(styled(LIVE, plain(text)));
        }
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    /// Something happened; `run` has it already.
    pub fn event(&mut self, run: &Run, event: &Event) {
        match &event.kind {
            EventKind::AttemptStarted { attempt, command, .. } if !command.is_empty() => {
                let mut which = if run.steps.len() > 1 {
                    format!("step {} of {}: ", attempt.step, run.steps.len())
                } else {
                    String::new()
                };
                if attempt.attempt > 1 {
                    which.push_str(&format!("attempt {}: ", attempt.attempt));
                }
                self.say(&format!("{which}{}", styled(FAINT, format!("$ {}", plain(&shell_words(command))))));
            }
            EventKind::NodeFinished { result, .. } => self.node(result),
            EventKind::DbtFailed { message, attempt } => {
                // dbt may say it twice; and whoever cancels knows why dbt ends.
                let reason = run.attempt(*attempt).and_then(|a| a.reason.as_ref());
                if run.cancelled_by.is_some() || reason != Some(message) {
                    return;
                }
                self.say(&format!("{} dbt: {}", styled(BAD, "error:"), plain(first_line(message))));
            }
            EventKind::RetryDecided { attempt, decided } => {
                let state = run.attempt(*attempt).map_or(RunState::Failed, |attempt| attempt.state);
                let words = retries::words(decided, None, retries::Next::ToCome);
                self.say(&format!("  {}: {words}", styled(printer::of_run(state), state)));
                if let Some(due) = decided.due {
                    self.waiting(&format!("waiting until {}", printer::time(due)));
                }
            }
            EventKind::AttemptFinished { state, .. } if run.steps.len() > 1 && fold::owed(run).is_none() => {
                self.say(&format!("  {}", styled(printer::of_run(*state), state)));
            }
            _ => {}
        }
        if let Some(attempt) = run.running_attempt() {
            self.draw(attempt);
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn node(&mut self, result: &NodeResult) {
        let quiet = matches!(result.state, NodeState::Pass | NodeState::NoOp | NodeState::Reused);
        if self.bar.is_some() && quiet {
            return;
        }
        let state = styled(printer::of_node(&result.state), format!("{:>9}", result.state.as_str()));
        let name =
            self.names.keys.get(&result.unique_id).cloned().unwrap_or_else(|| short(&result.unique_id));
        let mut line = format!("{state}  {:<10} {}", result.resource_type.as_str(), plain(&name));
        if let Some(time) = result.execution_time.filter(|_| result.state != NodeState::Skipped) {
            line.push_str(&styled(FAINT, format!("  {}", printer::seconds(time))));
        }
        if let Some(rows) = result.rows_affected {
            line.push_str(&styled(FAINT, format!("  {}", printer::count(rows as usize, "row"))));
        }
        if let Some(cause) = &result.skipped_because_of {
            let cause = self.names.keys.get(cause).cloned().unwrap_or_else(|| short(cause));
            line.push_str(&styled(FAINT, format!("  because of {}", plain(&cause))));
        }
        if let Some(message) = &result.message
            && (result.state.is_failure() || result.state == NodeState::Warn)
        {
            line.push('\n');
            line.push_str(&printer::indented(message, 11));
        }
        self.say(&line);
    }

    fn draw(&self, attempt: &Attempt) {
        let Some(bar) = &self.bar else { return };
        let done = attempt.nodes.values().filter(|node| node.state.is_finished()).count();
        let running: Vec<_> = attempt
            .nodes
            .values()
            .filter(|node| node.state == NodeState::Running)
            .map(|node| {
                self.names.keys.get(&node.unique_id).cloned().unwrap_or_else(|| short(&node.unique_id))
            })
            .map(|name| plain(&name))
            .collect();
        // What dbt has not named yet is in no list of nodes: without a plan there is no length.
        let has_plan = attempt.planned.is_some() && !attempt.nodes.is_empty();
        if has_plan != bar.length().is_some() {
            bar.set_style(style(if has_plan { WITH_A_PLAN } else { BEFORE_THE_PLAN }));
        }
        if has_plan {
            bar.set_length(attempt.nodes.len() as u64);
            bar.set_position(done as u64);
        } else {
            bar.unset_length();
        }
        let message = match attempt.state {
            RunState::Running if attempt.nodes.values().all(|node| node.state == NodeState::Queued) => {
                "dbt is starting".to_owned()
            }
            _ if has_plan => running.join(", "),
            _ => format!("{done} done; {}", running.join(", ")),
        };
        bar.set_message(styled(LIVE, message));
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| printer::note(line)),
            None => printer::note(line),
        }
    }
}
