//! Events: each change of a run's state, as an append-only record. Everything else about a run is a fold of these.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AtTheGate, AttemptId, By, Decided, NodeState, ResourceType, RunId, RunRequest, RunState, SourceFreshness,
    StepRequest, Stop,
};

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// When the host learned of it.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// The event as a disk keeps it: its time in microseconds.
    pub fn as_kept(&self) -> Cow<'_, Self> {
        let at = kept(self.at);
        if at == self.at { Cow::Borrowed(self) } else { Cow::Owned(Self { at, ..self.clone() }) }
    }

    /// The same of one that nobody else needs.
    pub fn kept(self) -> Self {
        Self { at: kept(self.at), ..self }
    }
}

/// A time in the unit in which times of events are kept.
pub fn kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// What can happen to a run. Names are past tense; the order in this list is that of a run's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The run was accepted; it is queued from here on.
    RunRequested {
        /// What was asked for.
        request: Box<RunRequest>,
    },
    /// It was accepted and then could not be started.
    RunRefused {
        /// Why, for people.
        reason: String,
    },
    /// Its turn came.
    RunStarted {
        /// The digest of the manifest that the host had prepared.
        manifest_digest: Option<String>,
        /// The plugins that shaped its assets.
        plugins: Vec<PluginRecord>,
        /// The locks that it holds from here on.
        #[serde(default)]
        locks: Vec<String>,
        /// Its steps, where what is left to do of another run was found out only now.
        #[serde(default)]
        steps: Option<Vec<StepRequest>>,
    },
    /// An attempt is about to be spawned. Written before it is, so that nothing runs that is not on record.
    AttemptStarted {
        /// Which.
        attempt: AttemptId,
        /// The full command; empty where the gate left nothing to do and dbt was not started.
        command: Vec<String>,
        /// Names of the environment variables that dbt gets.
        environment: Vec<String>,
        /// The revision of the project's files.
        revision: Option<String>,
    },
    /// Nodes of an attempt stand behind checks that failed in earlier runs.
    GateFound {
        /// Which attempt.
        attempt: AttemptId,
        /// The checks, the nodes, and what becomes of these.
        #[serde(flatten)]
        found: Box<AtTheGate>,
    },
    /// The attempt process runs.
    AttemptSpawned {
        /// Which.
        attempt: AttemptId,
        /// How to find the process again.
        identity: AttemptIdentity,
    },
    /// dbt said something about itself.
    DbtReported {
        /// Which attempt.
        attempt: AttemptId,
        /// The version of dbt.
        dbt_version: Option<String>,
        /// The adapter and its version.
        adapter: Option<String>,
        /// The target.
        target: Option<String>,
        /// dbt's invocation id.
        invocation_id: Option<String>,
    },
    /// dbt said which nodes the attempt's selection holds.
    PlanResolved {
        /// Which attempt.
        attempt: AttemptId,
        /// Unique ids.
        nodes: Vec<String>,
    },
    /// A node began.
    NodeStarted {
        /// In which attempt.
        attempt: AttemptId,
        /// dbt's id of the node.
        unique_id: String,
        /// dbt's resource type.
        resource_type: ResourceType,
        /// When, as dbt says.
        started_at: Option<Timestamp>,
        /// dbt's thread.
        thread: Option<String>,
        /// The relation.
        relation_name: Option<String>,
    },
    /// A node ended.
    NodeFinished {
        /// In which attempt.
        attempt: AttemptId,
        /// How.
        result: Box<NodeResult>,
    },
    /// dbt said that the selection matches nothing.
    NothingToDo {
        /// In which attempt.
        attempt: AttemptId,
        /// What dbt said about the selection.
        message: Option<String>,
    },
    /// dbt itself failed, as opposed to a node.
    DbtFailed {
        /// In which attempt.
        attempt: AttemptId,
        /// dbt's own text.
        message: String,
    },
    /// So much of the attempt's log has been read.
    LogRead {
        /// Which attempt.
        attempt: AttemptId,
        /// The offset, in bytes, behind the last line that was read.
        offset: u64,
        /// How many lines up to there were not dbt events.
        raw_lines: u64,
    },
    /// Someone asked to cancel the run.
    CancelRequested {
        /// Who.
        #[serde(flatten)]
        by: By,
    },
    /// The host asked the run to stop: a limit was reached, or the host itself stops.
    StopRequested {
        /// What the run ends as, and why.
        #[serde(flatten)]
        stop: Stop,
    },
    /// dbt ended.
    AttemptExited {
        /// Which.
        attempt: AttemptId,
        /// How; none when the attempt process is gone without a word.
        exit: Option<ExitStatus>,
    },
    /// dbt's artifact of results was read.
    ResultsRead {
        /// Which attempt.
        attempt: AttemptId,
        /// From which artifact.
        source: ResultsSource,
        /// Every result in it.
        results: Vec<NodeResult>,
    },
    /// The attempt's state was decided from its nodes, its exit and what was planned.
    AttemptFinished {
        /// Which.
        attempt: AttemptId,
        /// The state.
        state: RunState,
        /// Why, where there is more to say.
        reason: Option<String>,
    },
    /// What to do about an attempt that failed was decided.
    RetryDecided {
        /// Which.
        attempt: AttemptId,
        /// The decision.
        #[serde(flatten)]
        decided: Box<Decided>,
    },
    /// The run's state was decided from its steps.
    RunFinished {
        /// The state.
        state: RunState,
        /// Why, where there is more to say.
        reason: Option<String>,
    },
}

impl EventKind {
    /// Whether it only says what stands in the attempt's log, from which it can be read again.
    pub fn is_in_the_log(&self) -> bool {
        matches!(
            self,
            Self::DbtReported { .. }
                | Self::NodeStarted { .. }
                | Self::NodeFinished { .. }
                | Self::NothingToDo { .. }
                | Self::DbtFailed { .. }
                | Self::LogRead { .. }
        )
    }
}

/// The result of a node, as an event or an artifact of dbt tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeResult {
    /// dbt's id of the node.
    pub unique_id: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// How it ended.
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
    /// dbt's id of the node because of which this one was skipped.
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
}

impl NodeResult {
    /// How a node ended, and nothing else.
    pub fn of(unique_id: &str, state: NodeState) -> Self {
        Self {
            unique_id: unique_id.to_owned(),
            resource_type: ResourceType::of_unique_id(unique_id),
            state,
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
        }
    }
}

/// Which artifact of dbt results were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultsSource {
    /// `run_results.json`.
    RunResults,
    /// `sources.json`.
    Sources,
}

/// The process that owns a dbt process, told apart from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptIdentity {
    /// Its process id.
    pub pid: i32,
    /// When it was started, in the kernel's ticks since boot.
    pub start_time: u64,
    /// The machine's boot.
    pub boot_id: String,
}

/// How a dbt process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExitStatus {
    /// The exit code, where it exited.
    pub code: Option<i32>,
    /// The signal that killed it, where one did.
    pub signal: Option<i32>,
    /// Why dbt could not be started at all.
    pub spawn_error: Option<String>,
    /// Whether it was asked to stop.
    pub cancelled: bool,
    /// Whether processes that it had left behind had to be killed.
    pub leaked: bool,
    /// Seconds of processor time that dbt used.
    pub cpu_seconds: f64,
    /// dbt's peak of memory, in bytes.
    pub peak_memory: u64,
    /// Lines that were not kept because the log had reached its cap, or could not be written.
    pub lost_lines: u64,
    /// When it ended.
    pub at: Timestamp,
}

impl ExitStatus {
    /// Nothing is known but when it ended.
    pub fn at(at: Timestamp) -> Self {
        Self {
            code: None,
            signal: None,
            spawn_error: None,
            cancelled: false,
            leaked: false,
            cpu_seconds: 0.0,
            peak_memory: 0,
            lost_lines: 0,
            at,
        }
    }

    /// It was never started.
    pub fn not_started(reason: String, at: Timestamp) -> Self {
        Self { spawn_error: Some(reason), ..Self::at(at) }
    }
}

/// A plugin that had a say in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginRecord {
    /// What it was used as, such as `translator`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The sha256 of its bytes.
    pub digest: String,
}
