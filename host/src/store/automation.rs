//! What starts jobs by itself: its folds as rows, the decisions of triggers, and what triggers ask of past runs.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Reader, Store, StoreError,
    rows::{from_json, micros, signed, timestamp, to_json},
    schema::explain,
};
use crate::{
    fold,
    model::{Automation, JobEvent, NodeRun, Run, RunId, RunState, Tick, Trigger},
};

/// A decision of a trigger, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TickRow {
    /// The number of its event.
    pub id: u64,
    /// The job.
    pub job: String,
    /// The trigger.
    pub trigger: Trigger,
    /// When it was decided.
    pub at: Timestamp,
    /// The decision.
    #[serde(flatten)]
    pub tick: Tick,
}

/// A run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The number of the event that says so.
    pub event: u64,
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: String,
    /// How.
    pub state: RunState,
    /// When.
    pub at: Timestamp,
}

pub(super) const TICKS: &str =
    "SELECT id, job, trigger, at, due, count, run_id, reason FROM tick ORDER BY id DESC LIMIT ?1";
pub(super) const TICKS_OF_JOB: &str = "SELECT id, job, trigger, at, due, count, run_id, reason FROM tick WHERE job = ?2 ORDER BY id DESC LIMIT ?1";
pub(super) const ENDS: &str =
    "SELECT e.id, r.id, r.job, r.state, e.at FROM event AS e CROSS JOIN run AS r ON r.id = e.run_id
     WHERE e.id > ?1 AND e.kind IN ('run_finished', 'run_refused') AND r.job IS NOT NULL ORDER BY e.id";

pub(super) fn load_automations(
    conn: &Connection,
    path: &Path,
) -> Result<BTreeMap<String, Automation>, StoreError> {
    let rows = || {
        conn.prepare("SELECT job, body FROM automation")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = rows().map_err(|e| explain(path, e))?;
    rows.into_iter().map(|(job, body)| Ok((job, from_json(path, "automation", &body)?))).collect()
}

pub(super) fn save_automation(conn: &Connection, automation: &Automation) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO automation (job, body) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2",
    )?
    .execute(params![automation.job, to_json(automation)?])?;
    Ok(())
}

/// A decision as it stands in its row, and the trigger's text beside it.
pub(super) fn tick_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, TickRow)> {
    Ok((
        row.get::<_, String>(2)?,
        TickRow {
            id: row.get::<_, i64>(0)?.unsigned_abs(),
            job: row.get(1)?,
            trigger: Trigger::Schedule,
            at: timestamp(row.get(3)?),
            tick: Tick {
                due: timestamp(row.get(4)?),
                count: row.get::<_, i64>(5)?.unsigned_abs(),
                run: row.get::<_, Option<i64>>(6)?.map(|id| RunId(id.unsigned_abs())),
                reason: row.get(7)?,
            },
        },
    ))
}

pub(super) fn save_tick(
    conn: &Connection,
    id: u64,
    event: &JobEvent,
    trigger: &Trigger,
    tick: &Tick,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO tick (id, job, trigger, at, due, count, run_id, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        signed(id),
        event.job,
        trigger.to_string(),
        micros(event.at),
        micros(tick.due),
        signed(tick.count),
        tick.run.map(|run| signed(run.0)),
        tick.reason,
    ])?;
    Ok(())
}

impl Store {
    /// The runs of jobs that have ended behind an event, in that order.
    pub fn ends_after(&self, event: u64) -> Result<Vec<RunEnd>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(ENDS)?
                .query_map([signed(event)], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, String>(3)?,
                        row.get::<_, i64>(4)?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = rows().map_err(|e| explain(path, e))?;
        rows.into_iter()
            .map(|(event, run, job, state, at)| {
                let state = from_json(path, "run", &format!("\"{state}\""))?;
                let (event, run) = (event.unsigned_abs(), RunId(run.unsigned_abs()));
                Ok(RunEnd { event, run, job, state, at: timestamp(at) })
            })
            .collect()
    }

    /// When the last runs of a job started, oldest first; at most so many. Whatever the clock shows: it may have been set.
    pub fn starts_of(&self, job: &str, most: u32) -> Result<Vec<Timestamp>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(
                "SELECT started_at FROM run WHERE job = ?1 AND started_at IS NOT NULL
                 ORDER BY started_at DESC LIMIT ?2",
            )?
            .query_map(params![job, most], |row| Ok(timestamp(row.get(0)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut starts = rows().map_err(|e| explain(path, e))?;
        starts.reverse();
        Ok(starts)
    }

    /// The time of the newest row of each source of a project, as `dbt source freshness` found it last, by unique id.
    pub fn newest_rows(&self, project: &str) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(super::read::STATUSES)?
                .query_map([project], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)))?
                .filter(|row| row.as_ref().map_or(true, |(id, _)| id.starts_with("source.")))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut newest = BTreeMap::new();
        for (unique_id, body) in rows().map_err(|e| explain(path, e))? {
            let node: NodeRun = from_json(path, "node_run", &body)?;
            newest.extend(node.max_loaded_at.map(|at| (unique_id, at)));
        }
        Ok(newest)
    }

    /// Makes the automation of a job anew from its events, and says whether it was as the events tell.
    pub fn rebuild_automation(&mut self, job: &str) -> Result<bool, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare("SELECT at, body FROM event WHERE job = ?1 ORDER BY id")?
                .query_map([job], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut automation = fold::unautomated(job);
        for (at, body) in rows().map_err(|e| explain(path, e))? {
            let event =
                JobEvent { job: job.to_owned(), at: timestamp(at), kind: from_json(path, "event", &body)? };
            fold::automate(&mut automation, &event);
        }
        let same = load_automations(conn, path)?.get(job) == Some(&automation);
        save_automation(conn, &automation).map_err(|e| explain(path, e))?;
        Ok(same)
    }
}

impl Reader {
    /// What starts jobs by itself, by job.
    pub fn automations(&self) -> Result<BTreeMap<String, Automation>, StoreError> {
        match self.connection() {
            Some((conn, path)) => load_automations(conn, path),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Decisions of triggers, of one job or of all, newest first.
    pub fn ticks(&self, job: Option<&str>, limit: u32) -> Result<Vec<TickRow>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(Vec::new()) };
        let rows = || match job {
            Some(job) => conn
                .prepare_cached(TICKS_OF_JOB)?
                .query_map(params![limit, job], tick_of)?
                .collect::<rusqlite::Result<Vec<_>>>(),
            None => conn.prepare_cached(TICKS)?.query_map([limit], tick_of)?.collect(),
        };
        let rows = rows().map_err(|e| explain(path, e))?;
        rows.into_iter()
            .map(|(trigger, row)| {
                let unreadable = |reason| StoreError::Row { path: path.to_owned(), table: "tick", reason };
                Ok(TickRow { trigger: trigger.parse().map_err(unreadable)?, ..row })
            })
            .collect()
    }

    /// The runs that wait, in the order of their numbers.
    pub fn queued(&self) -> Result<Vec<Run>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(Vec::new()) };
        let rows = || {
            conn.prepare_cached("SELECT body FROM run WHERE state = 'queued' ORDER BY id")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(|e| explain(path, e))?.iter().map(|body| from_json(path, "run", body)).collect()
    }
}
