//! Runs: what was asked for, and what has become of it. Each of these is a fold of the run's events.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AttemptId, AttemptIdentity, Decided, ExitStatus, FailedCheck, Gate, Gated, NodeState, Parameters,
    PluginRecord, ResourceType, RetryRule, RunId, Selection, SourceFreshness,
};

/// Who asked for a run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launch {
    /// The name of the user.
    pub user: String,
    /// `cli`, `ui`, `api`, `webhook`, `schedule`, `after`, `sensor` or `resume`.
    pub via: String,
    /// The command line that asked; empty where no person did.
    pub command: Vec<String>,
    /// Why, where nobody asked by hand: which tick, which run, which data.
    #[serde(default)]
    pub reason: Option<String>,
}

/// One step of a request: a dbt command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepRequest {
    /// dbt's arguments, from the subcommand on: `["build", "--select", "fct_orders+"]`.
    pub args: Vec<String>,
}

/// What a run is asked to do: resolved, so that later changes of the configuration do not change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunRequest {
    /// Unique; a request that comes twice with one key makes one run.
    pub key: String,
    /// The project's name.
    pub project: String,
    /// The job's name; none for a selection that was materialized by hand.
    pub job: Option<String>,
    /// In order; a step that fails ends the run.
    pub steps: Vec<StepRequest>,
    /// Whether a run that finds nothing to do counts as failed.
    pub empty_fails: bool,
    /// Who asked, and how.
    pub launch: Launch,
    /// The configuration file that named the project and the job.
    #[schema(value_type = String)]
    pub config_file: PathBuf,
    /// The project's and the job's configuration as it was used; of environment variables only the names.
    pub configuration: Arc<serde_json::Value>,
    /// What it waits for, and how long it may take.
    #[serde(default)]
    pub limits: Limits,
    /// The run whose unfinished part this one does.
    #[serde(default)]
    pub resumes: Option<RunId>,
    /// What decides about attempts that fail; without it none is repeated.
    #[serde(default)]
    pub retry: Option<RetryRule>,
    /// What becomes of nodes that stand behind a check that failed in an earlier run.
    #[serde(default)]
    pub gate: Gate,
    /// What whoever asked for it changed about the job's steps.
    #[serde(default, skip_serializing_if = "Parameters::are_none")]
    pub parameters: Parameters,
    /// What was selected, where it is no job's run: its steps say the same to dbt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
}

impl RunRequest {
    /// Whether both ask for the same: what the configuration and the lineage made of it may have changed in between.
    pub fn is_like(&self, other: &Self) -> bool {
        let what =
            |request: &Self| (request.project.clone(), request.job.clone(), request.parameters.clone());
        let selections = [self, other].map(|request| request.selection.as_ref());
        // One that an older version accepted has none on record.
        let differ = matches!(selections, [Some(one), Some(other)] if one != other);
        what(self) == what(other) && !differ
    }
}

/// What a run waits for before it starts, and how long it may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Limits {
    /// Higher goes first; among equals the older one does.
    pub priority: i32,
    /// Locks by name that it holds while it runs, beside those of the files that it writes.
    pub locks: Vec<String>,
    /// How long after it was asked for it is late where it has not ended; then that is told.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub late_after: Option<SignedDuration>,
    /// How long it may run; then it is stopped and has failed.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub max_runtime: Option<SignedDuration>,
    /// How long it may wait; then it is refused.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub queue_timeout: Option<SignedDuration>,
    /// How long dbt may say nothing; then it is stopped and has failed.
    #[schema(value_type = Option<String>, example = "PT1M30S")]
    pub silence_timeout: Option<SignedDuration>,
    /// How many runs of its job may start within a span of time; more wait.
    pub start_rate: Option<StartRate>,
    /// Whether a host that finds it interrupted resumes it.
    pub resume: bool,
}

/// So many starts within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct StartRate {
    /// How many.
    pub runs: u32,
    /// The span.
    #[schema(value_type = String, example = "PT1M30S")]
    pub per: SignedDuration,
}

/// The host has asked a run to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stop {
    /// What the run ends as.
    pub state: RunState,
    /// Why.
    pub reason: String,
}

/// The state of a run, of a step and of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Accepted, waiting for its turn.
    Queued,
    /// Under way.
    Running,
    /// Everything that was planned was done.
    Succeeded,
    /// Everything was done, and something warned.
    Warned,
    /// Nothing failed, but something was skipped.
    Incomplete,
    /// A node or dbt itself failed.
    Failed,
    /// The selection matched nothing.
    Empty,
    /// Someone stopped it.
    Cancelled,
    /// It was killed, or the machine went down.
    Interrupted,
    /// It was accepted, and then could not be started.
    Refused,
}

impl RunState {
    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Warned => "warned",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Empty => "empty",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether the next step may run after a step that ended so.
    pub fn lets_go_on(self) -> bool {
        matches!(self, Self::Succeeded | Self::Warned | Self::Empty)
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What was asked for.
    pub request: RunRequest,
    /// Where it stands.
    pub state: RunState,
    /// Why it is in that state, where there is more to say.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its first step began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked to cancel it.
    pub cancelled_by: Option<String>,
    /// Why the host stopped it, where nobody had cancelled it before.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// The locks that it holds while it runs.
    #[serde(default)]
    pub locks: Vec<String>,
    /// The digest of the manifest that the host had prepared.
    pub manifest_digest: Option<String>,
    /// The plugins that shaped its assets.
    pub plugins: Vec<PluginRecord>,
    /// Its steps, in order; all of them from the first moment.
    pub steps: Vec<Step>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// dbt's arguments.
    pub args: Vec<String>,
    /// Where it stands.
    pub state: RunState,
    /// The attempts at it, in order.
    pub attempts: Vec<Attempt>,
}

/// One dbt process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Run, step and number.
    pub id: AttemptId,
    /// Where it stands.
    pub state: RunState,
    /// Why it is in that state, where there is more to say: dbt's own error where dbt itself failed.
    pub reason: Option<String>,
    /// The full command; empty where the gate left nothing to do and dbt was not started.
    pub command: Vec<String>,
    /// Names of the environment variables that dbt got; values are not kept.
    pub environment: Vec<String>,
    /// The process that owns dbt, to find it again.
    pub identity: Option<AttemptIdentity>,
    /// The revision of the project's files, as the version control knows it.
    pub revision: Option<String>,
    /// The dbt version that dbt reported.
    pub dbt_version: Option<String>,
    /// The adapter and its version that dbt reported.
    pub adapter: Option<String>,
    /// The target that dbt reported.
    pub target: Option<String>,
    /// dbt's invocation id.
    pub invocation_id: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When dbt ended.
    pub finished_at: Option<Timestamp>,
    /// How dbt ended.
    pub exit: Option<ExitStatus>,
    /// How far dbt's log has been read, in bytes.
    pub log_offset: u64,
    /// Lines of that part of the log that were not dbt events.
    pub raw_lines: u64,
    /// How many nodes dbt said it would select; none until that is known.
    pub planned: Option<u64>,
    /// Whether dbt said that there was nothing to do.
    pub nothing_to_do: bool,
    /// Whether `run_results.json` or `sources.json` was read.
    pub has_results: bool,
    /// What was decided about it after it had failed.
    #[serde(default)]
    pub decided: Option<Box<Decided>>,
    /// What was found at the gate before it, where something was.
    #[serde(default)]
    pub gate: Option<Box<AtTheGate>>,
    /// The nodes, by unique id. The store keeps them apart.
    #[serde(skip)]
    pub nodes: BTreeMap<String, NodeRun>,
}

/// What was found at the gate before an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AtTheGate {
    /// What became of the nodes.
    pub gate: Gate,
    /// The checks that had failed.
    pub checks: Vec<FailedCheck>,
    /// The nodes of the plan that stand behind them.
    pub nodes: Vec<Gated>,
}

/// A node in an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeRun {
    /// dbt's id of the node.
    pub unique_id: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// Where it stands.
    pub state: NodeState,
    /// When dbt began it.
    pub started_at: Option<Timestamp>,
    /// When dbt ended it.
    pub finished_at: Option<Timestamp>,
    /// Seconds, as dbt measured them.
    pub execution_time: Option<f64>,
    /// dbt's thread.
    pub thread: Option<String>,
    /// The error text, or what the adapter answered.
    pub message: Option<String>,
    /// Rows that the adapter says it wrote.
    pub rows_affected: Option<u64>,
    /// Rows that made a test fail or warn.
    pub failures: Option<u64>,
    /// The relation that was built or tested.
    pub relation_name: Option<String>,
    /// The node because of which this one was skipped.
    pub skipped_because_of: Option<String>,
    /// Of a source: the time of its newest row, as `dbt source freshness` found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_loaded_at: Option<Timestamp>,
    /// Of a source: what else `dbt source freshness` found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Box<SourceFreshness>>,
    /// Of a test that failed or warned: a query that shows the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Whether dbt had planned it when the attempt began.
    pub planned: bool,
    /// What the artifacts say where the events said something else, or nothing.
    pub reconciled: Option<String>,
}

impl NodeRun {
    /// A node to which nothing has happened yet.
    pub fn queued(unique_id: &str, resource_type: ResourceType) -> Self {
        Self {
            unique_id: unique_id.to_owned(),
            resource_type,
            state: NodeState::Queued,
            started_at: None,
            finished_at: None,
            execution_time: None,
            thread: None,
            message: None,
            rows_affected: None,
            failures: None,
            relation_name: None,
            skipped_because_of: None,
            max_loaded_at: None,
            freshness: None,
            query: None,
            planned: false,
            reconciled: None,
        }
    }
}

impl Run {
    /// The step with this number, from 1.
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The attempt with this id.
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.step(id.step)?.attempts.iter().find(|a| a.id == id)
    }

    /// The attempt that is under way.
    pub fn running_attempt(&self) -> Option<&Attempt> {
        self.steps.iter().flat_map(|s| &s.attempts).find(|a| !a.state.is_finished())
    }

    /// What the run ends as if it ends before its time, and why: someone cancelled it, or the host stopped it.
    pub fn stopped(&self) -> Option<(RunState, Option<String>)> {
        match (&self.cancelled_by, &self.stop) {
            (Some(_), _) => Some((RunState::Cancelled, None)),
            (None, Some(stop)) => Some((stop.state, Some(stop.reason.clone()))),
            (None, None) => None,
        }
    }

    /// The name for listings: the job, or what was materialized. Of a run that an older version accepted only its steps are
    /// known.
    pub fn title(&self) -> String {
        let RunRequest { job, selection, steps, .. } = &self.request;
        let steps = || steps.iter().map(|step| super::shell_words(&step.args)).collect::<Vec<_>>().join("; ");
        job.clone().or_else(|| selection.as_ref().map(Selection::title)).unwrap_or_else(steps)
    }
}

impl Step {
    /// dbt's arguments in the attempt with this number: the step's own, or those that were decided upon before it.
    pub fn args_of(&self, attempt: u32) -> &[String] {
        let before = self.attempts.iter().rfind(|a| a.id.attempt < attempt);
        let decided = before.and_then(|a| a.decided.as_ref()?.args.as_deref());
        decided.unwrap_or(&self.args)
    }
}

impl Attempt {
    /// How many nodes are in each state, most telling first.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for node in self.nodes.values() {
            *counts.entry(node.state.as_str()).or_default() += 1;
        }
        counts
    }
}
