//! `tidegate runs show ID`: the story of a run.

use std::str::FromStr;

use jiff::SignedDuration;
use serde::Serialize;

use super::{
    Context, Exit, Failure,
    printer::{self, FAINT, STRONG, styled},
    progress::short,
    retries, summary,
};
use crate::{
    dbt::plain,
    fold,
    model::{AtTheGate, Attempt, Gate, Limits, NodeRun, Run, RunId, RunState, shell_words},
    store::DeliveryRow,
};

/// Shows one run.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The run's number
    #[arg(value_parser = RunId::from_str)]
    id: RunId,
    /// All nodes, not only those that need a look
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A run as JSON: all that is on record of it, with the nodes of each attempt.
#[derive(Serialize)]
struct RunJson<'a> {
    #[serde(flatten)]
    run: &'a Run,
    nodes: Vec<AttemptNodes<'a>>,
}

#[derive(Serialize)]
struct AttemptNodes<'a> {
    step: u32,
    attempt: u32,
    nodes: Vec<&'a NodeRun>,
}

/// What alerts have told of the run, and what they have not.
fn told(context: &Context, run: RunId) -> Result<(), Failure> {
    let reader = context.reader()?;
    let deliveries = reader.deliveries_of(run)?;
    for row in reader.notifications_of(run)? {
        let title = plain(&row.body.title);
        let said = |text: &Option<String>| text.as_deref().map(plain).unwrap_or_default();
        let what = match row.state.as_str() {
            "suppressed" => format!("{} of {title} not told: {}", row.kind, said(&row.body.reason)),
            "failed" => format!("{title}: not sent: {}", said(&row.body.fault)),
            "pending" => format!("{title}: not yet written"),
            _ => {
                let sent = deliveries.iter().filter(|delivery| delivery.notification == row.id);
                let sent: Vec<_> = sent.map(became).collect();
                match sent.is_empty() {
                    true => format!("{title}: the notifier sends nothing"),
                    false => format!("{title}: {}", sent.join(", ")),
                }
            }
        };
        printer::line(format!("{} {what}", styled(STRONG, format!("alert {}", row.alert))));
        if let Some(fault) = row.body.fault.filter(|_| row.state == "rendered") {
            printer::line(printer::indented(&format!("as a plain message: {}", plain(&fault)), 2));
        }
    }
    Ok(())
}

/// What became of a delivery.
fn became(delivery: &DeliveryRow) -> String {
    let to = &delivery.destination;
    let error = delivery.error.as_deref().map(plain).unwrap_or_default();
    match (delivery.state.as_str(), delivery.next_at) {
        ("delivered", _) => format!("delivered to {to}"),
        ("failed", _) => format!("not delivered to {to}: {error}"),
        (_, Some(at)) if delivery.tries > 0 => {
            format!("not yet delivered to {to}, tried again {}: {error}", printer::time(at))
        }
        _ => format!("to be delivered to {to}"),
    }
}

impl Show {
    /// Shows the run.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let run = context.reader()?.run(self.id)?;
        if self.json {
            let nodes = run
                .steps
                .iter()
                .flat_map(|s| &s.attempts)
                .map(|a| AttemptNodes {
                    step: a.id.step,
                    attempt: a.id.attempt,
                    nodes: a.nodes.values().collect(),
                })
                .collect();
            printer::json(&RunJson { run: &run, nodes })?;
            return Ok(Exit::Done);
        }
        printer::line(summary::ending(&run, &summary::last_states(&run)));
        if let Some(reason) = &run.reason {
            printer::line(printer::indented(reason, 2));
        }
        let launch = &run.request.launch;
        let by = format!("{} via {} at {}", launch.user, launch.via, printer::time(run.requested_at));
        field("requested by", &by);
        field("because", launch.reason.as_deref().unwrap_or_default());
        let parent = run.request.resumes.map(|parent| format!("run {parent}")).unwrap_or_default();
        field("resumes", &parent);
        field("with", &shell_words(&launch.command));
        field("project", &run.request.project);
        field("configuration", &run.request.config_file.display().to_string());
        field("locks", &run.locks.join(", "));
        field("limits", &limits(&run.request.limits));
        field("gate", &gate(&run));
        field("retry by", &run.request.retry.as_ref().map(super::jobs::policy).unwrap_or_default());
        if let Some((attempt, decided)) = fold::waiting(&run) {
            let at = decided.due.map(printer::time).unwrap_or_default();
            field(
                "waiting",
                &format!("until {at} for attempt {} of step {}", attempt.id.attempt + 1, attempt.id.step),
            );
        }
        field("cancelled by", run.cancelled_by.as_deref().unwrap_or_default());
        for plugin in &run.plugins {
            let digest: String = plugin.digest.chars().take(12).collect();
            field(&plugin.kind, &format!("{} {} ({digest})", plugin.name, plugin.version));
        }
        field(
            "manifest",
            &run.manifest_digest.as_deref().unwrap_or_default().chars().take(12).collect::<String>(),
        );
        for (number, step) in (1..).zip(&run.steps) {
            let state = if run.state.is_finished() && step.state == RunState::Queued {
                styled(FAINT, "not run")
            } else {
                styled(printer::of_run(step.state), step.state)
            };
            printer::line(format!("{} {state}", styled(STRONG, format!("step {number}"))));
            if step.attempts.is_empty() {
                printer::line(format!("  $ dbt {}", plain(&shell_words(&step.args))));
            }
            for attempt in &step.attempts {
                if attempt.command.is_empty() {
                    let what = format!("dbt {}", plain(&shell_words(&step.args)));
                    printer::line(format!("  {} {what}", styled(FAINT, "not started:")));
                }
                self.attempt(attempt, step.attempts.len() > 1);
                let decided = retries::of_attempt(&run, attempt.id.step, attempt.id.attempt);
                field("decision", &decided.unwrap_or_default());
            }
        }
        told(context, run.id)?;
        context.note_orphan(&run);
        Ok(Exit::Done)
    }

    fn attempt(&self, attempt: &Attempt, several: bool) {
        if several {
            printer::line(format!(
                "  attempt {} {}",
                attempt.id.attempt,
                styled(printer::of_run(attempt.state), attempt.state)
            ));
        }
        if !attempt.command.is_empty() {
            printer::line(format!("  $ {}", plain(&shell_words(&attempt.command))));
        }
        let version = attempt.dbt_version.as_ref().map(|version| format!("dbt {version}"));
        let target = attempt.target.as_ref().map(|target| format!("target {target}"));
        let used: Vec<_> = [version, attempt.adapter.clone(), target].into_iter().flatten().collect();
        field("used", &used.join(", "));
        field("gate", &attempt.gate.as_deref().map(found).unwrap_or_default());
        field("revision", attempt.revision.as_deref().unwrap_or_default());
        if let Some(exit) = &attempt.exit {
            let how = match (exit.code, exit.signal) {
                (Some(code), _) => format!("code {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "never started".to_owned(),
            };
            let memory = exit.peak_memory as f64 / f64::from(1 << 20);
            field(
                "dbt's exit",
                &format!("{how}; {} of processor time, {memory:.0} MiB", printer::seconds(exit.cpu_seconds)),
            );
            if exit.leaked {
                field("", "processes that dbt had left behind were killed");
            }
            if exit.lost_lines > 0 {
                field("", &format!("{} lines of its log could not be kept", exit.lost_lines));
            }
        }
        let finished_well = matches!(attempt.state, RunState::Succeeded | RunState::Running);
        if let Some(reason) = attempt.reason.as_deref().filter(|_| !finished_well) {
            field("reason", reason);
        }
        let mut nodes: Vec<_> =
            attempt.nodes.values().filter(|node| self.all || needs_a_look(node)).collect();
        // What failed explains what was skipped for it.
        nodes.sort_by_key(|node| !node.state.is_failure());
        for node in nodes {
            let state = styled(printer::of_node(&node.state), format!("{:>9}", node.state.as_str()));
            let time = node.execution_time.map(|t| styled(FAINT, format!("  {}", printer::seconds(t))));
            printer::line(format!("  {state}  {}{}", plain(&node.unique_id), time.unwrap_or_default()));
            if let Some(cause) = &node.skipped_because_of {
                printer::line(printer::indented(&format!("because of {}", short(cause)), 13));
            }
            if let Some(message) = node.message.as_deref().filter(|_| needs_a_look(node)) {
                printer::line(printer::indented(message, 13));
            }
            if let Some(note) = &node.reconciled {
                printer::line(styled(FAINT, printer::indented(note, 13)));
            }
        }
        let hidden = attempt.nodes.values().filter(|node| !self.all && !needs_a_look(node)).count();
        if hidden > 0 {
            printer::line(styled(
                FAINT,
                format!("  and {} that went well; --all shows them", printer::count(hidden, "node")),
            ));
        }
    }
}

/// What becomes of nodes behind failed checks, where that is not the usual.
fn gate(run: &Run) -> String {
    let configured = &run.request.configuration;
    let configured = [&configured["job"]["gate"], &configured["project"]["gate"]]
        .into_iter()
        .find_map(|gate| serde_json::from_value::<Gate>(gate.clone()).ok());
    let word = match run.request.gate {
        Gate::Block => return String::new(),
        Gate::Warn => "warn",
        Gate::Ignore => "ignore",
    };
    match configured == Some(run.request.gate) {
        true => word.to_owned(),
        false => format!("{word}: {} wanted it so at launch", run.request.launch.user),
    }
}

/// What was found at the gate, in words.
fn found(found: &AtTheGate) -> String {
    let nodes = printer::count(found.nodes.len(), "node");
    let checks: Vec<_> = found
        .checks
        .iter()
        .map(|check| format!("{} failed in run {}", short(&check.unique_id), check.run))
        .collect();
    let what = if found.gate == Gate::Block { "left out" } else { "built all the same" };
    format!("{nodes} {what}: {}", checks.join(", "))
}

/// The limits that were set.
fn limits(limits: &Limits) -> String {
    let span = |name, span: Option<SignedDuration>| span.map(|span| format!("{name} {span:#}"));
    let rate = limits.start_rate.map(|rate| format!("start rate {} in {:#}", rate.runs, rate.per));
    let priority = (limits.priority != 0).then(|| format!("priority {}", limits.priority));
    let set = [
        priority,
        span("max. runtime", limits.max_runtime),
        span("queue timeout", limits.queue_timeout),
        span("silence timeout", limits.silence_timeout),
        rate,
    ];
    set.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn needs_a_look(node: &NodeRun) -> bool {
    use crate::model::NodeState as S;
    !matches!(node.state, S::Success | S::Pass | S::NoOp | S::Reused)
}

fn field(name: &str, value: &str) {
    if !value.is_empty() {
        printer::line(format!(
            "  {} {}",
            styled(FAINT, format!("{name:<14}")),
            plain(value).replace('\n', "\n    ")
        ));
    }
}
