//! Runs of any size, put on record as a host would have done.
//!
//! Owns what such a run consists of: for each node that it began and that it ended, and lines of dbt's log. Never starts
//! dbt: what is measured is how such a run is shown, not how it came about.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;
use tidegate::{
    model::{
        AttemptId, Event, EventKind, ExitStatus, Launch, NodeResult, NodeState, ResourceType, RunId,
        RunRequest, RunState, StepRequest,
    },
    store::Store,
};

/// Milliseconds since the epoch at which each of the runs began.
const BEGUN: i64 = 1_700_000_000_000;
/// How many threads dbt had.
const THREADS: usize = 8;
/// The log says so many lines of each node.
const LINES: [&str; 3] = ["begins", "runs its statement", "has ended"];
/// How long such a line is, in bytes, at least.
const LINE: usize = 400;

/// Puts a run of these nodes on record in a state directory that no host works in: two events for each node.
pub fn run(state_dir: &Path, project: &str, nodes: &[String]) -> Result<RunId> {
    fs::create_dir_all(state_dir)?;
    let mut store = Store::open(&state_dir.join("tidegate.db")).context("could not open the store")?;
    let request = request(state_dir, project, nodes.len());
    let (run, _) = store.request(request, at(0)?).context("the run was not taken")?;
    let attempt = AttemptId { run, step: 1, attempt: 1 };
    let mut kinds = vec![
        EventKind::RunStarted { manifest_digest: None, plugins: Vec::new(), locks: Vec::new(), steps: None },
        EventKind::AttemptStarted {
            attempt,
            command: vec!["dbt".to_owned(), "build".to_owned()],
            environment: Vec::new(),
            revision: None,
        },
        EventKind::PlanResolved { attempt, nodes: nodes.to_vec() },
    ];
    let mut log = String::new();
    for (number, id) in nodes.iter().enumerate() {
        let begun = i64::try_from(number)? * 10;
        let thread = Some(format!("Thread-{}", number % THREADS + 1));
        kinds.push(EventKind::NodeStarted {
            attempt,
            unique_id: id.clone(),
            resource_type: ResourceType::Model,
            started_at: Some(at(begun)?),
            thread: thread.clone(),
            relation_name: None,
        });
        let result = NodeResult {
            started_at: Some(at(begun)?),
            finished_at: Some(at(begun + 79)?),
            execution_time: Some(0.079),
            thread,
            message: Some("OK".to_owned()),
            relation_name: Some(format!("\"layered\".\"main\".\"{id}\"")),
            ..NodeResult::of(id, NodeState::Success)
        };
        kinds.push(EventKind::NodeFinished { attempt, result: Box::new(result) });
        for what in LINES {
            let line = json!({
                "info": {
                    "name": "Said",
                    "level": "info",
                    "ts": at(begun)?.to_string(),
                    "msg": format!("{id} {what} {}", ".".repeat(LINE)),
                },
                "data": { "node_info": { "unique_id": id } },
            });
            let _ = writeln!(log, "{line}");
        }
    }
    let ended = at(i64::try_from(nodes.len())? * 10 + 80)?;
    kinds.extend([
        EventKind::LogRead { attempt, offset: log.len() as u64, raw_lines: 0 },
        EventKind::AttemptExited {
            attempt,
            exit: Some(ExitStatus { code: Some(0), ..ExitStatus::at(ended) }),
        },
        EventKind::AttemptFinished { attempt, state: RunState::Succeeded, reason: None },
        EventKind::RunFinished { state: RunState::Succeeded, reason: None },
    ]);
    let events = kinds.into_iter().map(|kind| Event { run, at: ended, kind }).collect();
    store.append(events).context("the events were not taken")?;
    let folder = state_dir.join(format!("runs/{run}/1.1"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("log.jsonl"), log)?;
    Ok(run)
}

fn request(state_dir: &Path, project: &str, nodes: usize) -> RunRequest {
    RunRequest {
        key: format!("record-{nodes}"),
        project: project.to_owned(),
        job: Some("build".to_owned()),
        steps: vec![StepRequest { args: vec!["build".to_owned()] }],
        empty_fails: false,
        launch: Launch { user: "bench".to_owned(), via: "cli".to_owned(), command: Vec::new(), reason: None },
        config_file: state_dir.with_file_name("tidegate.toml"),
        configuration: json!({}).into(),
        limits: Default::default(),
        resumes: None,
        retry: None,
        gate: Default::default(),
        parameters: Default::default(),
        selection: None,
    }
}

fn at(millisecond: i64) -> Result<Timestamp> {
    Ok(Timestamp::from_millisecond(BEGUN + millisecond)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate::store::Reader;

    #[test]
    fn a_run_is_on_record_with_two_events_for_each_node() {
        let folder = tempfile::tempdir().unwrap();
        let nodes: Vec<_> = (0..30).map(|number| format!("model.layered.model_{number}")).collect();
        let run = run(folder.path(), "layered", &nodes).unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        assert_eq!(reader.outline(run).unwrap().state, RunState::Succeeded);
        assert_eq!(reader.nodes(run).unwrap().0.len(), nodes.len());
        assert!(reader.events(run, 0).unwrap().len() >= 2 * nodes.len());
    }
}
