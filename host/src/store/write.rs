//! The one writer: appends events and keeps their folds, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry as MapEntry},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    alerts::{self, load_standings, save_standing},
    audit,
    automation::{load_automations, save_automation, save_tick},
    rows::{from_json, load_run, micros, save_node, save_run, signed, timestamp, to_json},
    schema::{MIGRATIONS, explain, open_writer},
    tokens,
};
use crate::{
    alert::{self, Standing},
    crash,
    fold::{self, Touched},
    model::{
        AlertEvent, AssetEvent, AttemptId, Automation, Event, EventKind, HostEvent, JobEvent, JobEventKind,
        PluginCall, PluginEvent, Run, RunId, RunRequest, RunState, kept,
    },
};

/// The writer.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    path: PathBuf,
    /// The runs that are under way, as the events have made them. Those that wait are many, and stay on disk.
    running: BTreeMap<RunId, Run>,
    /// Those of which memory may be ahead of the disk, since a commit has failed.
    stale: BTreeSet<RunId>,
    /// What starts jobs by itself; none where memory may be ahead of the disk.
    automations: Option<BTreeMap<String, Automation>>,
    /// What alerts know; none where memory may be ahead of the disk.
    pub(super) standings: Option<BTreeMap<String, Standing>>,
    /// How many runs there are that have ended; none where memory may be ahead of the disk.
    ended: Option<u64>,
    /// The highest number that a run has had.
    last_run: u64,
    /// The number of the last event.
    last_event: u64,
    /// The disk, where a test holds it in its hand.
    #[cfg(test)]
    pub(crate) disk: Option<std::sync::Arc<dyn super::Disk>>,
}

/// A thousand schedules that fire at one moment touch a few thousand pages in one transaction. Written and read again since
/// memory for them is short, they take twice the time; but only then.
const MANY: usize = 500;
const PAGES_FOR_MANY: i64 = 12_000;
const PAGES: i64 = 2_000;

/// Numbers of runs are exact in any reader of JSON. A larger one that turns up is none of ours.
const MAX_RUN: u64 = 1 << 53;

/// An event with its place in the order of all events.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Stored {
    /// Its number.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something that happened to a run.
    Run(Event),
    /// Something that happened to what starts a job by itself.
    Job(JobEvent),
    /// Something that happened to a plugin of the folder.
    Plugin(PluginEvent),
    /// Something that happened to an alert.
    Alert(AlertEvent),
    /// Something that happened to an asset by itself.
    Asset(AssetEvent),
    /// Something that happened to the host itself, or that someone did to it.
    Host(HostEvent),
    /// A plugin was called. It is kept beside what it led to, and is no event.
    Call(Box<PluginCall>),
}

impl Store {
    /// Opens the database of a state directory and loads the runs that are under way.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let conn = open_writer(path, MIGRATIONS)?;
        let mut store = Self {
            conn,
            path: path.to_owned(),
            running: BTreeMap::new(),
            stale: BTreeSet::new(),
            automations: None,
            standings: None,
            ended: None,
            last_run: 0,
            last_event: 0,
            #[cfg(test)]
            disk: None,
        };
        store.last_run = store.sequence("run")?;
        store.last_event = store.sequence("event")?;
        store.stale.extend(store.in_state(RunState::Running)?);
        store.catch_up()?;
        Ok(store)
    }

    /// The runs that are under way, oldest first.
    pub fn running(&self) -> impl Iterator<Item = &Run> {
        self.running.values()
    }

    /// A run that is under way.
    pub fn running_run(&self, id: RunId) -> Option<&Run> {
        self.running.get(&id)
    }

    /// The numbers of the runs that wait, oldest first.
    pub fn queued(&self) -> Result<Vec<RunId>, StoreError> {
        self.in_state(RunState::Queued)
    }

    /// A run: from memory while it is under way, otherwise from disk.
    pub fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        match self.running.get(&id) {
            Some(run) => Ok(Some(run.clone())),
            None => load_run(&self.conn, &self.path, id),
        }
    }

    /// What starts a job by itself.
    pub fn automation(&self, job: &str) -> Option<&Automation> {
        self.automations.as_ref()?.get(job)
    }

    /// The same of every job that has, or had, something.
    pub fn automations(&self) -> impl Iterator<Item = &Automation> {
        self.automations.iter().flat_map(BTreeMap::values)
    }

    /// The number of the last event.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// The run that a request with this key has made.
    pub fn run_of_key(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        self.conn
            .prepare_cached("SELECT id FROM run WHERE request_key = ?1")
            .and_then(|mut s| s.query_row([key], |row| row.get::<_, i64>(0)).optional())
            .map(|id| id.map(|id| RunId(id.unsigned_abs())))
            .map_err(|e| explain(&self.path, e))
    }

    /// The number that the next run gets.
    pub fn next_run(&self) -> RunId {
        RunId(self.last_run + 1)
    }

    /// Numbers of runs go on behind this one, which the state directory knows from elsewhere.
    pub fn count_from(&mut self, used: u64) {
        if used < MAX_RUN {
            self.last_run = self.last_run.max(used);
        }
    }

    /// Accepts a request. A key that was accepted before gives the run that it made then, and no event.
    pub fn request(
        &mut self,
        request: RunRequest,
        at: Timestamp,
    ) -> Result<(RunId, Option<Stored>), StoreError> {
        if let Some(id) = self.run_of_key(&request.key)? {
            return Ok((id, None));
        }
        let run = self.next_run();
        let event = Event { run, at, kind: EventKind::RunRequested { request: Box::new(request) } };
        let stored = self.append(vec![event])?;
        Ok((run, stored.into_iter().next()))
    }

    /// Appends events of runs, and gives them back with their numbers: see [`record`](Self::record).
    pub fn append(&mut self, events: Vec<Event>) -> Result<Vec<Stored>, StoreError> {
        let entries: Vec<_> = events.into_iter().map(|event| Entry::Run(event.kept())).collect();
        let numbers = self.record(&entries)?;
        let stored = entries.into_iter().zip(numbers).filter_map(|(entry, id)| match entry {
            Entry::Run(event) => Some(Stored { id: id?, event }),
            _ => None,
        });
        Ok(stored.collect())
    }

    /// Records events and what they change, and gives back their numbers; none for those that are not kept. Either all of it is on disk when this returns, or
    /// nothing is; only what dbt's log says as well may be lost with the power, together with how far that log has been
    /// read, and is read again. What is said of a run that is not on record (any more) is not kept.
    pub fn record(&mut self, entries: &[Entry]) -> Result<Vec<Option<u64>>, StoreError> {
        self.catch_up()?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let runs: BTreeSet<_> = entries.iter().filter_map(Entry::run).collect();
        let jobs = entries.iter().any(|entry| matches!(entry, Entry::Job(_)));
        let alerts = entries.iter().any(|entry| matches!(entry, Entry::Alert(_)));
        let repeats =
            entries.iter().all(|entry| matches!(entry, Entry::Run(event) if event.kind.is_in_the_log()));
        // Waiting for the disk at every look into the log would be most of what a run costs.
        if repeats {
            self.wait_for_the_disk(false)?;
        }
        let many = entries.len() >= MANY;
        if many {
            self.remember_pages(PAGES_FOR_MANY)?;
        }
        let result = self.commit(entries);
        if many {
            self.remember_pages(PAGES)?;
        }
        if repeats {
            self.wait_for_the_disk(true)?;
        }
        match result {
            Ok((numbers, last_event)) => {
                self.last_run = self.last_run.max(runs.last().map_or(0, |run| run.0));
                self.last_event = last_event;
                let ended = self.running.values().filter(|run| run.state.is_finished()).count();
                self.ended = self.ended.map(|before| before + ended as u64);
                self.running.retain(|_, run| run.state == RunState::Running);
                #[cfg(test)]
                self.disk.iter().for_each(|disk| disk.committed(entries, last_event));
                Ok(numbers)
            }
            Err(e) => {
                // Memory may be ahead of the disk now: the disk is right. Where it cannot be read either, nothing more is
                // recorded until it can.
                self.stale.extend(runs);
                self.ended = None;
                if jobs {
                    self.automations = None;
                }
                if alerts {
                    self.standings = None;
                }
                let _ = self.catch_up();
                Err(e)
            }
        }
    }

    /// How much of the database is kept in memory, in KiB.
    fn remember_pages(&self, most: i64) -> Result<(), StoreError> {
        self.conn.pragma_update(None, "cache_size", -most).map_err(|e| explain(&self.path, e))
    }

    fn wait_for_the_disk(&self, wait: bool) -> Result<(), StoreError> {
        let mode = if wait { "FULL" } else { "NORMAL" };
        self.conn.pragma_update(None, "synchronous", mode).map_err(|e| explain(&self.path, e))
    }

    pub(super) fn catch_up(&mut self) -> Result<(), StoreError> {
        while let Some(id) = self.stale.first().copied() {
            match load_run(&self.conn, &self.path, id)? {
                Some(run) if run.state == RunState::Running => drop(self.running.insert(id, run)),
                _ => drop(self.running.remove(&id)),
            }
            self.stale.remove(&id);
        }
        if self.automations.is_none() {
            self.automations = Some(load_automations(&self.conn, &self.path)?);
        }
        if self.standings.is_none() {
            self.standings = Some(load_standings(&self.conn, &self.path)?);
        }
        Ok(())
    }

    fn commit(&mut self, entries: &[Entry]) -> Result<(Vec<Option<u64>>, u64), StoreError> {
        let path = &self.path;
        let sql = |e| explain(path, e);
        let transaction = self.conn.transaction().map_err(sql)?;
        let automations = self.automations.get_or_insert_default();
        let mut changed: BTreeMap<RunId, Touched> = BTreeMap::new();
        let standings = self.standings.get_or_insert_default();
        let (mut changed_jobs, mut changed_alerts) = (BTreeSet::new(), BTreeSet::new());
        let mut begun = BTreeSet::new();
        let mut numbers = Vec::with_capacity(entries.len());
        let mut last_event = self.last_event;
        for entry in entries {
            let event = match entry {
                // The disk keeps microseconds; memory must not know better, or a replay would end elsewhere.
                Entry::Run(event) => event.as_kept(),
                Entry::Job(event) => {
                    let event = event.as_kept();
                    last_event = insert_of_job(&transaction, &event).map_err(sql)?;
                    numbers.push(Some(last_event));
                    let automation =
                        automations.entry(event.job.clone()).or_insert_with(|| fold::unautomated(&event.job));
                    fold::automate(automation, &event);
                    if let JobEventKind::TickDecided { trigger, tick, .. } = &event.kind {
                        save_tick(&transaction, last_event, &event, trigger, tick).map_err(sql)?;
                    }
                    changed_jobs.insert(event.job.clone());
                    continue;
                }
                Entry::Call(call) => {
                    super::plugins::save_call(&transaction, call).map_err(sql)?;
                    numbers.push(None);
                    continue;
                }
                Entry::Plugin(event) => {
                    let subject = format!("plugin:{}", event.plugin);
                    last_event =
                        insert_of_subject(&transaction, &subject, event.at, &event.kind).map_err(sql)?;
                    super::plugins::save_plugin(&transaction, &event.as_kept()).map_err(sql)?;
                    numbers.push(Some(last_event));
                    continue;
                }
                Entry::Alert(event) => {
                    let event = AlertEvent { at: kept(event.at), ..event.clone() };
                    let subject = format!("alert:{}", event.alert);
                    last_event =
                        insert_of_subject(&transaction, &subject, event.at, &event.kind).map_err(sql)?;
                    numbers.push(Some(last_event));
                    alerts::post(&transaction, last_event, &event).map_err(sql)?;
                    alert::apply(standings.entry(event.alert.clone()).or_default(), &event);
                    changed_alerts.insert(event.alert);
                    continue;
                }
                Entry::Asset(event) => {
                    let subject = format!("asset:{}:{}", event.project, event.unique_id);
                    last_event =
                        insert_of_subject(&transaction, &subject, event.at, &event.kind).map_err(sql)?;
                    super::freshness::save(&transaction, event).map_err(sql)?;
                    numbers.push(Some(last_event));
                    continue;
                }
                Entry::Host(event) => {
                    let event = event.as_kept();
                    last_event =
                        insert_of_subject(&transaction, "host", event.at, &event.kind).map_err(sql)?;
                    tokens::save_token(&transaction, &event).map_err(sql)?;
                    numbers.push(Some(last_event));
                    continue;
                }
            };
            if let Some(run) = fold::begin(&event) {
                if !begun.insert(event.run) || self.running.contains_key(&event.run) {
                    let reason = format!("there is a run {} already", event.run);
                    return Err(StoreError::Unwritable { path: path.clone(), reason });
                }
                self.running.insert(event.run, run);
                changed.entry(event.run).or_default();
            } else {
                let run = match self.running.entry(event.run) {
                    MapEntry::Occupied(running) => Some(running.into_mut()),
                    MapEntry::Vacant(place) => match load_run(&transaction, path, event.run)? {
                        None => {
                            numbers.push(None);
                            continue;
                        }
                        Some(run) if run.state.is_finished() => None,
                        Some(run) => Some(place.insert(run)),
                    },
                };
                if let Some(run) = run {
                    let now = fold::apply(run, &event);
                    let touched = changed.entry(event.run).or_default();
                    touched.nodes.extend(now.nodes);
                    touched.removed.extend(now.removed);
                }
            }
            last_event = insert(&transaction, &event).map_err(sql)?;
            numbers.push(Some(last_event));
        }
        audit::save_deeds(&transaction, entries, &numbers).map_err(sql)?;
        for (id, touched) in &changed {
            let Some(run) = self.running.get(id) else { continue };
            save(&transaction, run, touched, begun.contains(id)).map_err(sql)?;
        }
        for automation in changed_jobs.iter().filter_map(|job| automations.get(job)) {
            save_automation(&transaction, automation).map_err(sql)?;
        }
        for (name, standing) in standings.iter().filter(|(name, _)| changed_alerts.contains(*name)) {
            save_standing(&transaction, name, standing).map_err(sql)?;
        }
        crash::point("store.before-commit");
        #[cfg(test)]
        super::room(self.disk.as_deref(), path)?;
        transaction.commit().map_err(sql)?;
        crash::point("store.after-commit");
        Ok((numbers, last_event))
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
            for table in ["node_run", "materialization", "check_result", "source_freshness"] {
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
        self.ended = None;
        self.catch_up()?;
        Ok(same)
    }

    pub(super) fn connection(&self) -> (&Connection, &Path) {
        (&self.conn, &self.path)
    }

    pub(super) fn connection_mut(&mut self) -> (&mut Connection, &Path) {
        (&mut self.conn, &self.path)
    }

    /// How many runs there are that have ended.
    pub(super) fn ended(&mut self) -> Result<u64, StoreError> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        let count = "SELECT count(*) FROM run WHERE finished_at IS NOT NULL";
        let count = self.conn.query_row(count, [], |row| row.get::<_, i64>(0));
        let ended = count.map_err(|e| explain(&self.path, e))?.unsigned_abs();
        self.ended = Some(ended);
        Ok(ended)
    }

    /// So many of these have been removed.
    pub(super) fn have_gone(&mut self, runs: usize) {
        self.ended = self.ended.map(|before| before.saturating_sub(runs as u64));
    }

    fn sequence(&self, table: &str) -> Result<u64, StoreError> {
        let last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
        let last = self.conn.query_row(last, [table], |row| row.get::<_, i64>(0));
        last.map(i64::unsigned_abs).map_err(|e| explain(&self.path, e))
    }

    fn in_state(&self, state: RunState) -> Result<Vec<RunId>, StoreError> {
        let ids = || {
            self.conn
                .prepare_cached("SELECT id FROM run WHERE state = ?1 ORDER BY id")?
                .query_map([state.as_str()], |row| Ok(RunId(row.get::<_, i64>(0)?.unsigned_abs())))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        ids().map_err(|e| explain(&self.path, e))
    }
}

impl Entry {
    fn run(&self) -> Option<RunId> {
        match self {
            Self::Run(event) => Some(event.run),
            _ => None,
        }
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self::Run(event)
    }
}

fn insert(conn: &Connection, event: &Event) -> rusqlite::Result<u64> {
    let body = to_json(&event.kind)?;
    conn.prepare_cached("INSERT INTO event (run_id, at, kind, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![signed(event.run.0), micros(event.at), kind_name(&body), body])?;
    Ok(conn.last_insert_rowid().unsigned_abs())
}

fn insert_of_job(conn: &Connection, event: &JobEvent) -> rusqlite::Result<u64> {
    let body = to_json(&event.kind)?;
    conn.prepare_cached("INSERT INTO event (job, at, kind, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![event.job, micros(event.at), kind_name(&body), body])?;
    Ok(conn.last_insert_rowid().unsigned_abs())
}

fn insert_of_subject(
    conn: &Connection,
    subject: &str,
    at: Timestamp,
    kind: &impl serde::Serialize,
) -> rusqlite::Result<u64> {
    let body = to_json(kind)?;
    conn.prepare_cached("INSERT INTO event (subject, at, kind, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![subject, micros(at), kind_name(&body), body])?;
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
