//! What dbt's log lines mean for the state of a run.
//!
//! Lines are JSON at debug level (dbt 1.8 to 1.12). Events are told apart by name; unknown ones, unknown fields and lines
//! that are not JSON are nothing to worry about: they stay in the attempt's log, and no state depends on them.

use std::collections::HashSet;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::model::{AttemptId, EventKind, NodeResult, NodeState, ResourceType};

/// What one line told.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Something that changes a state.
    Event(EventKind),
    /// A node has ended, in the words for people; the event that tells all follows, as a rule.
    Announced(Box<NodeResult>),
    /// dbt named a criterion that selects nothing.
    NothingSelected(String),
    /// A dbt event that changes no state.
    Quiet,
    /// Not a dbt event.
    Raw,
}

/// Reads the lines of an attempt in order, and remembers what needs more than one line to be told.
#[derive(Debug)]
pub struct Observer {
    attempt: AttemptId,
    /// What dbt said about the selection before it said that there is nothing to do.
    nothing_selected: Option<String>,
    /// The last lines that were not dbt events: dbt's plain-text errors, such as a usage error.
    raw_tail: Vec<String>,
    /// Results for people (`LogModelResult` and its like), each of which the fuller `NodeFinished` follows at once.
    announced: Vec<NodeResult>,
    /// How many of these have waited for it since the last time nothing was at hand.
    overdue: usize,
    /// Nodes that have begun and not ended.
    started: HashSet<String>,
    /// Whether dbt has said how it failed: what follows says it again, in other words.
    failed: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    info: Info<'a>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    msg: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    invocation_id: Option<String>,
    #[serde(default)]
    thread: Option<String>,
    #[serde(default)]
    ts: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeData {
    node_info: NodeInfo,
    run_result: Option<RunResult>,
    status: Option<String>,
    execution_time: Option<f64>,
    num_failures: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeInfo {
    unique_id: String,
    resource_type: String,
    materialized: Option<String>,
    node_status: Option<String>,
    node_started_at: Option<String>,
    node_finished_at: Option<String>,
    node_relation: Option<Relation>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Relation {
    relation_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RunResult {
    status: Option<String>,
    message: Option<String>,
    adapter_response: Value,
    execution_time: Option<f64>,
    num_failures: Value,
    thread: Option<String>,
}

impl NodeInfo {
    fn is_ephemeral(&self) -> bool {
        self.materialized.as_deref() == Some("ephemeral")
    }
}

impl Observer {
    /// An observer of one attempt.
    pub fn new(attempt: AttemptId) -> Self {
        Self {
            attempt,
            nothing_selected: None,
            raw_tail: Vec::new(),
            announced: Vec::new(),
            overdue: 0,
            started: HashSet::new(),
            failed: false,
        }
    }

    /// Reads one line, without its line end.
    pub fn line(&mut self, line: &[u8]) -> Observation {
        match observe(self.attempt, line) {
            Observation::NothingSelected(message) => {
                self.nothing_selected = Some(message);
                Observation::Quiet
            }
            Observation::Announced(result) => {
                self.announced.push(*result);
                Observation::Quiet
            }
            // At debug level a node is said to begin twice, first in full.
            Observation::Event(EventKind::NodeStarted { ref unique_id, .. })
                if !self.started.insert(unique_id.clone()) =>
            {
                Observation::Quiet
            }
            Observation::Event(EventKind::DbtFailed { .. }) if std::mem::replace(&mut self.failed, true) => {
                Observation::Quiet
            }
            Observation::Event(EventKind::NodeFinished { attempt, result }) => {
                self.started.remove(&result.unique_id);
                if let Some(at) = self.announced.iter().position(|a| a.unique_id == result.unique_id) {
                    self.announced.remove(at);
                    self.overdue -= usize::from(at < self.overdue);
                }
                Observation::Event(EventKind::NodeFinished { attempt, result })
            }
            Observation::Event(EventKind::NothingToDo { attempt, .. }) => {
                Observation::Event(EventKind::NothingToDo { attempt, message: self.nothing_selected.take() })
            }
            Observation::Raw => {
                let text = String::from_utf8_lossy(line).trim_end().to_owned();
                if !text.is_empty() {
                    if self.raw_tail.len() == 20 {
                        self.raw_tail.remove(0);
                    }
                    self.raw_tail.push(text.chars().take(2_000).collect());
                }
                Observation::Raw
            }
            other => other,
        }
    }

    /// The results that were announced and have not been told in full for a while, or at the `last` moment at all. To be
    /// called when no line is at hand.
    pub fn flush(&mut self, last: bool) -> Vec<EventKind> {
        let attempt = self.attempt;
        let due = if last { self.announced.len() } else { self.overdue.min(self.announced.len()) };
        let events = self
            .announced
            .drain(..due)
            .inspect(|result| _ = self.started.remove(&result.unique_id))
            .map(|result| EventKind::NodeFinished { attempt, result: Box::new(result) })
            .collect();
        self.overdue = self.announced.len();
        events
    }

    /// The last lines that were not dbt events.
    pub fn raw_tail(&self) -> String {
        self.raw_tail.join("\n")
    }
}

/// What one line means, by itself.
pub fn observe(attempt: AttemptId, line: &[u8]) -> Observation {
    if line.first() != Some(&b'{') {
        return Observation::Raw;
    }
    // A secret may stand where half a character was cut: such a line is still a dbt event.
    let lossy;
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(_) => {
            lossy = String::from_utf8_lossy(line).into_owned();
            &lossy
        }
    };
    let Ok(line) = serde_json::from_str::<Line>(text) else { return Observation::Raw };
    match event(attempt, &line) {
        Some(EventKind::NodeFinished { result, .. }) if line.info.name != "NodeFinished" => {
            Observation::Announced(result)
        }
        Some(event) => Observation::Event(event),
        None if line.info.name == "NoNodesForSelectionCriteria" => {
            Observation::NothingSelected(line.info.msg.unwrap_or_default().into_owned())
        }
        None => Observation::Quiet,
    }
}

fn event(attempt: AttemptId, line: &Line<'_>) -> Option<EventKind> {
    let data = line.data?.get();
    let text_of = |field: &str| {
        let data: Value = serde_json::from_str(data).ok()?;
        Some(data.get(field)?.as_str()?.trim_start_matches('=').to_owned())
    };
    let reported = |dbt_version, adapter, target| EventKind::DbtReported {
        attempt,
        dbt_version,
        adapter,
        target,
        invocation_id: line.info.invocation_id.clone(),
    };
    Some(match line.info.name.as_ref() {
        "MainReportVersion" => reported(text_of("version"), None, None),
        "AdapterRegistered" => {
            let adapter = format!("{} {}", text_of("adapter_name")?, text_of("adapter_version")?);
            reported(None, Some(adapter), None)
        }
        "ConcurrencyLine" => reported(None, None, text_of("target_name")),
        "NothingToDo" => EventKind::NothingToDo { attempt, message: None },
        "MainEncounteredError" => {
            // An exception without words leaves only a heading; the stack trace that follows names it at least.
            let message = text_of("exc").filter(|text| !text.trim().is_empty())?;
            EventKind::DbtFailed { attempt, message }
        }
        "MainStackTrace" => {
            let trace = text_of("stack_trace")?;
            let message = trace.lines().map(str::trim).rfind(|line| !line.is_empty())?.to_owned();
            EventKind::DbtFailed { attempt, message }
        }
        "NodeStart" | "LogStartLine" => {
            // dbt goes through ephemeral models too, and leaves them out of its results: they build nothing.
            let node = node(data).filter(|node| !node.node_info.is_ephemeral())?;
            EventKind::NodeStarted {
                attempt,
                resource_type: resource_type(&node.node_info),
                started_at: time(node.node_info.node_started_at.as_deref())
                    .or_else(|| time(line.info.ts.as_deref())),
                thread: line.info.thread.clone(),
                relation_name: relation(node.node_info.node_relation),
                unique_id: node.node_info.unique_id,
            }
        }
        "NodeFinished" | "LogModelResult" | "LogSeedResult" | "LogSnapshotResult" | "LogTestResult"
        | "LogFreshnessResult" | "LogFunctionResult" | "LogNodeNoOpResult" | "LogNodeResult"
        | "SkippingDetails" => {
            let node = node(data)?;
            let ephemeral = node.node_info.is_ephemeral();
            let result = finished(&line.info, node)?;
            if ephemeral && !result.state.is_failure() {
                return None;
            }
            EventKind::NodeFinished { attempt, result: Box::new(result) }
        }
        _ => return None,
    })
}

fn node(data: &str) -> Option<NodeData> {
    serde_json::from_str::<NodeData>(data).ok().filter(|node| !node.node_info.unique_id.is_empty())
}

fn finished(info: &Info<'_>, node: NodeData) -> Option<NodeResult> {
    let known = |word: &str| !matches!(word, "" | "None" | "started" | "compiling" | "executing");
    let run = node.run_result.unwrap_or_default();
    // Of a model, `data.status` is what the adapter said; of a unit test, `node_status` is empty: the node's own status
    // comes first, and what the other fields say is taken only where it is a status.
    let status = if info.name == "SkippingDetails" {
        Some("skipped".to_owned())
    } else {
        let node_status = node.node_info.node_status.clone().filter(|w| known(w));
        run.status
            .filter(|w| known(w))
            .or(node_status)
            .or_else(|| node.status.map(|said| announced(info, &said)))
    };
    let finished_at = time(node.node_info.node_finished_at.as_deref()).or_else(|| time(info.ts.as_deref()));
    Some(NodeResult {
        resource_type: resource_type(&node.node_info),
        state: NodeState::from(status.as_deref().unwrap_or("unknown")),
        started_at: time(node.node_info.node_started_at.as_deref()),
        finished_at,
        execution_time: run.execution_time.or(node.execution_time),
        thread: run.thread.filter(|t| !t.is_empty()).or_else(|| info.thread.clone()),
        message: run.message.filter(|m| !m.is_empty()),
        rows_affected: rows_affected(&run.adapter_response),
        failures: count(&run.num_failures).or_else(|| count(&node.num_failures)),
        relation_name: relation(node.node_info.node_relation),
        skipped_because_of: None,
        max_loaded_at: None,
        freshness: None,
        query: None,
        unique_id: node.node_info.unique_id,
    })
}

/// The status in `data.status`, which of a model may be what the adapter said instead, such as `SUCCESS 1`.
fn announced(info: &Info<'_>, said: &str) -> String {
    let word = said.to_lowercase();
    if !matches!(NodeState::from(word.as_str()), NodeState::Unknown(_)) {
        return word;
    }
    let state = match info.level.as_deref() {
        _ if word.starts_with("partial success") => NodeState::PartialSuccess,
        _ if info.name != "LogModelResult" => return word,
        Some("error") => NodeState::Error,
        _ => NodeState::Success,
    };
    state.as_str().to_owned()
}

fn resource_type(node: &NodeInfo) -> ResourceType {
    if node.resource_type.is_empty() {
        ResourceType::of_unique_id(&node.unique_id)
    } else {
        ResourceType::from(node.resource_type.as_str())
    }
}

fn relation(relation: Option<Relation>) -> Option<String> {
    relation?.relation_name.filter(|name| !name.is_empty())
}

/// Rows that the adapter says it wrote.
pub(super) fn rows_affected(response: &Value) -> Option<u64> {
    count(response.get("rows_affected")?)
}

/// A number of rows. Adapters and dbt write some of them as floats; -1 is "unknown".
pub(super) fn count(rows: &Value) -> Option<u64> {
    let float = rows.as_f64().filter(|rows| *rows >= 0.0 && *rows < 9.0e15)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the line above")]
    Some(float as u64)
}

/// dbt writes times with `Z`, with an offset, or without a zone, and then means UTC.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    let text = text.filter(|t| !t.is_empty())?;
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}
