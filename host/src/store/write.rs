//! The one writer: appends events and keeps their folds, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    rows::{from_json, load_run, micros, save_node, save_run, signed, timestamp, to_json},
    schema::{MIGRATIONS, explain, open_writer},
};
use crate::{
    fold::{self, Touched},
    model::{AttemptId, Event, EventKind, Run, RunId, RunRequest},
};

/// The writer.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    path: PathBuf,
    /// The runs that are not finished, as the events have made them.
    active: BTreeMap<RunId, Run>,
    /// Those of which memory may be ahead of the disk, since a commit has failed.
    stale: BTreeSet<RunId>,
}

/// Numbers of runs are exact in any reader of JSON. A larger one that turns up is none of ours.
const MAX_RUN: u64 = 1 << 53;

/// An event with its place in the order of all events.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// Its number.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Store {
    /// Opens the database of a state directory and loads the runs that are not finished.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let conn = open_writer(path, MIGRATIONS)?;
        let mut store = Self { conn, path: path.to_owned(), active: BTreeMap::new(), stale: BTreeSet::new() };
        store.stale.extend(store.unfinished()?);
        store.catch_up()?;
        Ok(store)
    }

    /// The runs that are not finished, oldest first.
    pub fn active(&self) -> impl Iterator<Item = &Run> {
        self.active.values()
    }

    /// A run: from memory while it is not finished, otherwise from disk.
    pub fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        match self.active.get(&id) {
            Some(run) => Ok(Some(run.clone())),
            None => load_run(&self.conn, &self.path, id),
        }
    }

    /// A run that is not finished.
    pub fn active_run(&self, id: RunId) -> Option<&Run> {
        self.active.get(&id)
    }

    /// Accepts a request. A key that was accepted before gives the run that it made then, and no event. Numbers begin
    /// behind `used`, the highest number that the state directory knows from elsewhere.
    pub fn request(
        &mut self,
        request: RunRequest,
        at: Timestamp,
        used: u64,
    ) -> Result<(RunId, Option<Stored>), StoreError> {
        let known: Option<i64> = self
            .conn
            .query_row("SELECT id FROM run WHERE request_key = ?1", [&request.key], |row| row.get(0))
            .optional()
            .map_err(|e| explain(&self.path, e))?;
        if let Some(id) = known {
            return Ok((RunId(id.unsigned_abs()), None));
        }
        let last: i64 = self
            .conn
            .query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'run'", [], |row| {
                row.get(0)
            })
            .map_err(|e| explain(&self.path, e))?;
        let used = if used < MAX_RUN { used } else { 0 };
        let run = RunId(last.unsigned_abs().max(used) + 1);
        let event = Event { run, at, kind: EventKind::RunRequested { request: Box::new(request) } };
        let stored = self.append(vec![event])?;
        Ok((run, stored.into_iter().next()))
    }

    /// Appends events and what they change. Either all of it is on disk when this returns, or nothing is; only what dbt's
    /// log says as well may be lost with the power, together with how far that log has been read, and is read again. What
    /// is said of a run that is not on record (any more) is not kept.
    pub fn append(&mut self, events: Vec<Event>) -> Result<Vec<Stored>, StoreError> {
        self.catch_up()?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let runs: BTreeSet<_> = events.iter().map(|e| e.run).collect();
        let repeats = events.iter().all(|e| e.kind.is_in_the_log());
        // Waiting for the disk at every look into the log would be most of what a run costs.
        if repeats {
            self.wait_for_the_disk(false)?;
        }
        let result = self.commit(events);
        if repeats {
            self.wait_for_the_disk(true)?;
        }
        match result {
            Ok(stored) => {
                self.active.retain(|_, run| !run.state.is_finished());
                Ok(stored)
            }
            Err(e) => {
                // Memory may be ahead of the disk now: the disk is right. Where it cannot be read either, nothing more is
                // recorded until it can.
                self.stale.extend(runs);
                let _ = self.catch_up();
                Err(e)
            }
        }
    }

    fn wait_for_the_disk(&self, wait: bool) -> Result<(), StoreError> {
        let mode = if wait { "FULL" } else { "NORMAL" };
        self.conn.pragma_update(None, "synchronous", mode).map_err(|e| explain(&self.path, e))
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        while let Some(id) = self.stale.first().copied() {
            match load_run(&self.conn, &self.path, id)? {
                Some(run) if !run.state.is_finished() => drop(self.active.insert(id, run)),
                _ => drop(self.active.remove(&id)),
            }
            self.stale.remove(&id);
        }
        Ok(())
    }

    fn commit(&mut self, events: Vec<Event>) -> Result<Vec<Stored>, StoreError> {
        let path = &self.path;
        let sql = |e| explain(path, e);
        let transaction = self.conn.transaction().map_err(sql)?;
        let mut changed: BTreeMap<RunId, Touched> = BTreeMap::new();
        let mut begun = BTreeSet::new();
        let mut stored = Vec::with_capacity(events.len());
        for mut event in events {
            // The disk keeps microseconds; memory must not know better, or a replay would end elsewhere.
            event.at = timestamp(micros(event.at));
            if let Some(run) = fold::begin(&event) {
                if !begun.insert(event.run) || self.active.contains_key(&event.run) {
                    let reason = format!("there is a run {} already", event.run);
                    return Err(StoreError::Unwritable { path: path.clone(), reason });
                }
                self.active.insert(event.run, run);
                changed.entry(event.run).or_default();
            } else if let Some(run) = self.active.get_mut(&event.run) {
                let now = fold::apply(run, &event);
                let touched = changed.entry(event.run).or_default();
                touched.nodes.extend(now.nodes);
                touched.removed.extend(now.removed);
            } else if !is_known(&transaction, event.run).map_err(sql)? {
                continue;
            }
            let id = insert(&transaction, &event).map_err(sql)?;
            stored.push(Stored { id, event });
        }
        for (id, touched) in &changed {
            let Some(run) = self.active.get(id) else { continue };
            save(&transaction, run, touched, begun.contains(id)).map_err(sql)?;
        }
        transaction.commit().map_err(sql)?;
        Ok(stored)
    }

    /// Makes the folds of a run anew from its events, its part in the history of assets and checks included, and says
    /// whether the run and its nodes were as the events tell.
    pub fn rebuild(&mut self, id: RunId) -> Result<bool, StoreError> {
        let before = load_run(&self.conn, &self.path, id)?;
        let mut after: Option<Run> = None;
        for event in events_of(&self.conn, &self.path, id, 0)? {
            match &mut after {
                None => after = fold::begin(&event.event),
                Some(run) => drop(fold::apply(run, &event.event)),
            }
        }
        let same = before == after;
        let Some(run) = after else { return Err(StoreError::NoSuchRun(id.0)) };
        let sql = |e| explain(&self.path, e);
        let transaction = self.conn.transaction().map_err(sql)?;
        let write = || {
            for table in ["node_run", "materialization", "check_result"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE run_id = ?1"), [signed(id.0)])?;
            }
            let mut touched = Touched::default();
            for attempt in run.steps.iter().flat_map(|s| &s.attempts) {
                touched.nodes.extend(attempt.nodes.keys().map(|node| (attempt.id, node.clone())));
            }
            save(&transaction, &run, &touched, before.is_none())
        };
        write().map_err(sql)?;
        transaction.commit().map_err(|e| explain(&self.path, e))?;
        self.stale.insert(id);
        self.catch_up()?;
        Ok(same)
    }

    pub(super) fn connection(&mut self) -> (&mut Connection, &Path) {
        (&mut self.conn, &self.path)
    }

    fn unfinished(&self) -> Result<Vec<RunId>, StoreError> {
        let ids = || {
            self.conn
                .prepare("SELECT id FROM run WHERE state IN ('queued', 'running') ORDER BY id")?
                .query_map([], |row| Ok(RunId(row.get::<_, i64>(0)?.unsigned_abs())))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        ids().map_err(|e| explain(&self.path, e))
    }
}

fn is_known(conn: &Connection, run: RunId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM run WHERE id = ?1")?.exists([signed(run.0)])
}

fn insert(conn: &Connection, event: &Event) -> rusqlite::Result<u64> {
    let body = to_json(&event.kind)?;
    conn.prepare_cached("INSERT INTO event (run_id, at, kind, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![signed(event.run.0), micros(event.at), kind_name(&body), body])?;
    Ok(conn.last_insert_rowid().unsigned_abs())
}

fn save(conn: &Connection, run: &Run, touched: &Touched, begins: bool) -> rusqlite::Result<()> {
    save_run(conn, run, begins)?;
    for (attempt, unique_id) in &touched.removed {
        conn.prepare_cached(
            "DELETE FROM node_run WHERE run_id = ?1 AND step = ?2 AND attempt = ?3 AND unique_id = ?4",
        )?
        .execute(params![signed(attempt.run.0), attempt.step, attempt.attempt, unique_id])?;
    }
    let node = |id: AttemptId, unique_id: &str| run.attempt(id).and_then(|a| a.nodes.get(unique_id));
    for (attempt, unique_id) in &touched.nodes {
        if let Some(node) = node(*attempt, unique_id) {
            save_node(conn, run, *attempt, node)?;
        }
    }
    Ok(())
}

/// The events of a run behind a number, in order.
pub(super) fn events_of(
    conn: &Connection,
    path: &Path,
    run: RunId,
    after: u64,
) -> Result<Vec<Stored>, StoreError> {
    let sql = |e| explain(path, e);
    let mut statement = conn
        .prepare_cached("SELECT id, at, body FROM event WHERE run_id = ?1 AND id > ?2 ORDER BY id")
        .map_err(sql)?;
    let rows = statement
        .query_map(params![signed(run.0), signed(after)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })
        .map_err(sql)?;
    rows.map(|row| {
        let (id, at, body) = row.map_err(sql)?;
        let event = Event { run, at: timestamp(at), kind: from_json(path, "event", &body)? };
        Ok(Stored { id: id.unsigned_abs(), event })
    })
    .collect()
}

/// The tag that serde writes first.
fn kind_name(body: &str) -> &str {
    body.strip_prefix("{\"event\":\"").and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}
