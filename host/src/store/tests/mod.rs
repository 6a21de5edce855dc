//! The store's contract, kept against crashes, full disks, damaged files and time.

mod alerts;
mod audit;
mod automation;
mod crashes;
mod damage;
mod history;
mod pages;
mod plugins;
mod queries;
mod runs;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Store, rows::load_run, write::events_of};
use crate::{
    fold::{self, Mark, tests::histories::*},
    model::{Event, EventKind, NodeState, ResultsSource, Run, RunId, RunState},
};

/// A state directory.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        // In memory where there is such a place: these tests commit some ten thousand times.
        Self(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn db(&self) -> PathBuf {
        self.0.path().join(super::FILE_NAME)
    }

    fn store(&self) -> Store {
        Store::open(&self.db()).unwrap()
    }
}

fn event(run: RunId, kind: EventKind) -> Event {
    Event { run, at: at(0), kind }
}

/// What a run of two steps commits, transaction by transaction, behind its request.
fn life(run: RunId) -> Vec<Vec<EventKind>> {
    let (first, second) = (attempt(run.0, 1, 1), attempt(run.0, 2, 1));
    let plan = vec!["model.shop.orders".to_owned(), "model.shop.late".to_owned()];
    let exit = |attempt| EventKind::AttemptExited { attempt, exit: Some(exited(Some(0))) };
    let ended = |attempt| EventKind::AttemptFinished { attempt, state: RunState::Succeeded, reason: None };
    let results = vec![
        result("model.shop.orders", NodeState::Success),
        result("model.shop.wrong", NodeState::Error),
        result("test.shop.unique", NodeState::Pass),
    ];
    let source = ResultsSource::RunResults;
    let batches = vec![
        vec![EventKind::RunStarted {
            manifest_digest: Some("d".to_owned()),
            plugins: Vec::new(),
            locks: Vec::new(),
            steps: None,
        }],
        vec![started(first)],
        vec![node_started(first, "seed.shop.raw"), node_finished(first, "seed.shop.raw", NodeState::Success)],
        vec![
            exit(first),
            ended(first),
            started(second),
            EventKind::PlanResolved { attempt: second, nodes: plan },
        ],
        vec![
            node_started(second, "model.shop.orders"),
            node_finished(second, "model.shop.wrong", NodeState::Success),
            EventKind::LogRead { attempt: second, offset: 9, raw_lines: 0 },
        ],
        vec![exit(second), EventKind::ResultsRead { attempt: second, source, results }],
        vec![ended(second)],
        vec![EventKind::RunFinished { state: RunState::Succeeded, reason: None }],
    ];
    batches
}

fn append(store: &mut Store, run: RunId, kinds: Vec<EventKind>) {
    store.append(kinds.into_iter().map(|kind| event(run, kind)).collect()).unwrap();
}

/// A run from its request to its end.
fn live(store: &mut Store, key: &str) -> RunId {
    let (run, _) = store.request(request(key, &["seed", "build"]), at(0)).unwrap();
    life(run).into_iter().for_each(|kinds| append(store, run, kinds));
    run
}

fn replayed(conn: &Connection, path: &Path, id: RunId) -> Option<Run> {
    let mut run: Option<Run> = None;
    for stored in events_of(conn, path, id, 0).unwrap() {
        match &mut run {
            None => run = fold::begin(&stored.event),
            Some(run) => drop(fold::apply(run, &stored.event)),
        }
    }
    run
}

fn column<T: rusqlite::types::FromSql>(conn: &Connection, sql: &str) -> Vec<T> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The invariants of a database that nothing was forgotten from. Gives the number of its events.
fn audit(path: &Path) -> usize {
    let conn = Connection::open(path).unwrap();
    assert_eq!(column::<String>(&conn, "PRAGMA integrity_check"), ["ok"]);
    let ids: Vec<i64> = column(&conn, "SELECT id FROM event ORDER BY id");
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>(), "events have gaps");
    let runs: BTreeSet<i64> = column(&conn, "SELECT id FROM run").into_iter().collect();
    assert_eq!(
        runs,
        column(&conn, "SELECT run_id FROM event").into_iter().collect(),
        "runs without events, or otherwise"
    );
    let mut marks = BTreeSet::new();
    for id in runs {
        let id = RunId(id.unsigned_abs());
        let run = load_run(&conn, path, id).unwrap().unwrap();
        assert_eq!(Some(&run), replayed(&conn, path, id).as_ref(), "events and rows differ");
        for (number, step) in (1..).zip(&run.steps) {
            for (a, node) in step.attempts.iter().flat_map(|a| a.nodes.values().map(move |n| (a, n))) {
                let dated = node.finished_at.or(node.started_at).is_some();
                match fold::mark(&step.args, node).filter(|_| dated && node.state.is_finished()) {
                    Some(Mark::Materialized) => {
                        marks.insert(format!("m {id} {number} {} {}", a.id.attempt, node.unique_id))
                    }
                    Some(Mark::Checked) => {
                        marks.insert(format!("c {id} {number} {} {}", a.id.attempt, node.unique_id))
                    }
                    Some(Mark::Looked) => {
                        marks.insert(format!("l {id} {number} {} {}", a.id.attempt, node.unique_id))
                    }
                    None => false,
                };
            }
        }
    }
    let row = "run_id || ' ' || step || ' ' || attempt || ' ' || unique_id";
    let kept = column(
        &conn,
        &format!(
            "SELECT 'm ' || {row} FROM materialization UNION ALL SELECT 'c ' || {row} FROM check_result
             UNION ALL SELECT 'l ' || {row} FROM source_freshness"
        ),
    );
    assert_eq!(marks, kept.into_iter().collect(), "history and runs differ");
    ids.len()
}

/// Memory is as the disk is.
fn in_step(store: &Store, path: &Path) {
    let conn = Connection::open(path).unwrap();
    let running: Vec<i64> = column(&conn, "SELECT id FROM run WHERE state = 'running' ORDER BY id");
    assert_eq!(store.running().map(|run| run.id.0 as i64).collect::<Vec<_>>(), running);
    for run in store.running() {
        assert_eq!(Some(run), load_run(&conn, path, run.id).unwrap().as_ref());
    }
}
