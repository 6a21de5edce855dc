//! Readers: apart from the writer, and never in its way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    FILE_NAME, StoreError, Stored,
    rows::{from_json, load_run, timestamp},
    schema::{MIGRATIONS, explain, open_reader},
    write::events_of,
};
#[cfg(test)]
use super::{
    alerts::{
        DELIVERIES, DELIVERIES_OF_RUN, NOTIFICATIONS_OF_RUN, PENDING_DELIVERIES, PENDING_NOTIFICATIONS, USUAL,
    },
    audit::{DEEDS, TRAIL, TRAIL_OF_ACTION, TRAIL_OF_BOTH, TRAIL_OF_USER},
    automation::{ENDS, TICKS, TICKS_OF_JOB},
    freshness::LOOKS,
    plugins::CALLS,
    retention::ENDED,
    runs,
};
use crate::model::{NodeRun, NodeState, Run, RunId, RunState};

// What is newest is what happened last, and the indexes know it: runs go by priority, not by number. A history is longer than anyone waits for: where the last of each node is asked for, the query
// steps from node to node instead of going through all.
const RUNS: &str = "SELECT id, body FROM run ORDER BY id DESC LIMIT ?1";
const RUNS_OF_JOB: &str = "SELECT id, body FROM run WHERE job = ?2 ORDER BY id DESC LIMIT ?1";
const RUNS_IN_STATE: &str = "SELECT id, body FROM run WHERE state = ?2 ORDER BY id DESC LIMIT ?1";
const RUNS_OF_JOB_IN_STATE: &str =
    "SELECT id, body FROM run WHERE job = ?2 AND state = ?3 ORDER BY id DESC LIMIT ?1";
pub(super) const COUNTS: &str = "SELECT n.state, count(*) FROM
       (SELECT step, max(attempt) AS attempt FROM node_run WHERE run_id = ?1 GROUP BY step) AS last
     CROSS JOIN node_run AS n ON n.run_id = ?1 AND n.step = last.step AND n.attempt = last.attempt
     GROUP BY n.state";
// A later attempt may do a part only. What never began in it says nothing about what an earlier one has done.
pub(super) const COUNTS_OF_ATTEMPTS: &str = "SELECT state, count(*) FROM
       (SELECT state, max(tells * 1000000000 + attempt) FROM node_run WHERE run_id = ?1 GROUP BY step, unique_id) AS last
     GROUP BY state";
const MATERIALIZATIONS: &str = "SELECT at, run_id, state, execution_time, rows_affected, relation_name
     FROM materialization WHERE project = ?1 AND unique_id = ?2
     ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?3";
const CHECK_RESULTS: &str = "SELECT at, run_id, state, failures, message
     FROM check_result WHERE project = ?1 AND unique_id = ?2
     ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?3";
const LAST_MATERIALIZATIONS: &str = "WITH RECURSIVE node (id) AS (
       SELECT min(unique_id) FROM materialization WHERE project = ?1
       UNION ALL
       SELECT (SELECT min(unique_id) FROM materialization WHERE project = ?1 AND unique_id > node.id)
       FROM node WHERE node.id IS NOT NULL)
     SELECT m.at, m.run_id, m.state, m.execution_time, m.rows_affected, m.relation_name, m.unique_id
     FROM node CROSS JOIN materialization AS m ON m.rowid =
       (SELECT rowid FROM materialization WHERE project = ?1 AND unique_id = node.id
        ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT 1)";
pub(super) const LAST_CHECKS: &str = "WITH RECURSIVE node (id) AS (
       SELECT min(unique_id) FROM check_result WHERE project = ?1
       UNION ALL
       SELECT (SELECT min(unique_id) FROM check_result WHERE project = ?1 AND unique_id > node.id)
       FROM node WHERE node.id IS NOT NULL)
     SELECT c.unique_id, c.run_id, c.at, c.state
     FROM node CROSS JOIN check_result AS c ON c.rowid =
       (SELECT rowid FROM check_result WHERE project = ?1 AND unique_id = node.id
        ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT 1)";
pub(super) const LAST_BUILT: &str =
    "SELECT max(at) FROM materialization WHERE project = ?1 AND unique_id = ?2";
pub(super) const STATUSES: &str = "WITH RECURSIVE node (id) AS (
       SELECT min(unique_id) FROM node_run WHERE tells
       UNION ALL
       SELECT (SELECT min(unique_id) FROM node_run WHERE tells AND unique_id > node.id) FROM node WHERE node.id IS NOT NULL)
     SELECT n.unique_id, n.run_id, n.body
     FROM node CROSS JOIN node_run AS n ON n.rowid =
       (SELECT m.rowid FROM node_run AS m CROSS JOIN run AS r ON r.id = m.run_id
        WHERE m.tells AND m.unique_id = node.id AND r.project = ?1
        ORDER BY m.at DESC, m.run_id DESC, m.step DESC, m.attempt DESC LIMIT 1)";

// What was rolled back has no number, and a number is never given twice: one that is not there was lost, or its run is
// forgotten.
const HOLES: &str = "WITH behind (id) AS (
       SELECT id + 1 FROM event UNION ALL SELECT 1)
     SELECT behind.id, coalesce((SELECT min(next.id) FROM event AS next WHERE next.id >= behind.id),
       (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'event'), 1) AS until
     FROM behind WHERE until > behind.id ORDER BY behind.id";

/// Each query, for the test that it uses an index.
#[cfg(test)]
pub(super) const QUERIES: [&str; 43] = [
    runs::IDS,
    runs::IDS_OF_PROJECT,
    runs::IDS_OF_JOB,
    runs::IDS_IN_STATE,
    runs::IDS_OF_NODE,
    runs::JOBS,
    runs::RESUMED_BY,
    runs::COUNTS_BY_ATTEMPT,
    runs::NODES,
    runs::NODES_OF_ATTEMPT,
    runs::NODES_IN_STATE,
    runs::NODE,
    runs::EVENTS,
    runs::HAPPENED,
    TRAIL,
    TRAIL_OF_USER,
    TRAIL_OF_ACTION,
    TRAIL_OF_BOTH,
    DEEDS,
    PENDING_NOTIFICATIONS,
    PENDING_DELIVERIES,
    NOTIFICATIONS_OF_RUN,
    DELIVERIES,
    DELIVERIES_OF_RUN,
    USUAL,
    CALLS,
    ENDED,
    TICKS,
    TICKS_OF_JOB,
    ENDS,
    RUNS,
    RUNS_OF_JOB,
    RUNS_IN_STATE,
    RUNS_OF_JOB_IN_STATE,
    COUNTS,
    COUNTS_OF_ATTEMPTS,
    MATERIALIZATIONS,
    CHECK_RESULTS,
    LAST_MATERIALIZATIONS,
    LAST_CHECKS,
    LAST_BUILT,
    LOOKS,
    STATUSES,
];

/// A reader of a state directory. Where no host has ever run it finds nothing.
#[derive(Debug)]
pub struct Reader {
    conn: Option<Connection>,
    path: PathBuf,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this job.
    pub job: Option<String>,
    /// Only in this state.
    pub state: Option<RunState>,
    /// At most so many; the newest come first.
    pub limit: u32,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The run, without its nodes.
    pub run: Run,
    /// How many nodes are in each state, behind the last attempt that did something about each.
    pub counts: BTreeMap<String, u64>,
}

/// An asset was built.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Materialization {
    /// When dbt had built it.
    pub at: Timestamp,
    /// The run that did.
    pub run: RunId,
    /// dbt's word for how it went.
    pub state: NodeState,
    /// Seconds.
    pub execution_time: Option<f64>,
    /// Rows that the adapter says it wrote.
    pub rows_affected: Option<u64>,
    /// The relation.
    pub relation_name: Option<String>,
}

/// A check was made.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckResult {
    /// When dbt had made it.
    pub at: Timestamp,
    /// The run that did.
    pub run: RunId,
    /// dbt's word for how it went.
    pub state: NodeState,
    /// Failing rows.
    pub failures: Option<u64>,
    /// What dbt said.
    pub message: Option<String>,
}

/// Where an asset stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetStatus {
    /// The run that had to do with it last.
    pub run: RunId,
    /// How that went, or goes.
    pub node: NodeRun,
}

impl Reader {
    /// A reader of a state directory.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let path = state_dir.join(FILE_NAME);
        Ok(Self { conn: open_reader(&path, MIGRATIONS)?, path })
    }

    /// A run with its nodes.
    pub fn run(&self, id: RunId) -> Result<Run, StoreError> {
        let run = match &self.conn {
            Some(conn) => load_run(conn, &self.path, id)?,
            None => None,
        };
        run.ok_or(StoreError::NoSuchRun(id.0))
    }

    /// Runs, newest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        let (job, state) = (&filter.job, filter.state.map(RunState::as_str));
        // One that names what it filters by can use its index.
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(1);
        let bodies = match (job, state) {
            (None, None) => self.query(RUNS, params![filter.limit], read),
            (Some(job), None) => self.query(RUNS_OF_JOB, params![filter.limit, job], read),
            (None, Some(state)) => self.query(RUNS_IN_STATE, params![filter.limit, state], read),
            (Some(job), Some(state)) => {
                self.query(RUNS_OF_JOB_IN_STATE, params![filter.limit, job, state], read)
            }
        }?;
        bodies
            .into_iter()
            .map(|body| {
                let run: Run = from_json(&self.path, "run", &body)?;
                let counts = self.counts(&run)?;
                Ok(RunSummary { run, counts })
            })
            .collect()
    }

    /// The number of the newest run.
    pub fn newest(&self) -> Result<Option<RunId>, StoreError> {
        let newest = self.query("SELECT max(id) FROM run", [], |row| row.get::<_, Option<i64>>(0))?;
        Ok(newest.into_iter().flatten().next().map(|id| RunId(id.unsigned_abs())))
    }

    /// The events of a run behind a number, in order.
    pub fn events(&self, run: RunId, after: u64) -> Result<Vec<Stored>, StoreError> {
        match &self.conn {
            Some(conn) => events_of(conn, &self.path, run, after),
            None => Ok(Vec::new()),
        }
    }

    /// The numbers of events that are not there, though later ones were given: the first of each hole, and the first
    /// behind it. Only forgetting a run makes holes.
    pub fn holes(&self) -> Result<Vec<std::ops::Range<u64>>, StoreError> {
        self.query(HOLES, [], |row| {
            Ok(row.get::<_, i64>(0)?.unsigned_abs()..row.get::<_, i64>(1)?.unsigned_abs())
        })
    }

    /// The last materialization of every asset of a project, by unique id.
    pub fn last_materializations(
        &self,
        project: &str,
    ) -> Result<BTreeMap<String, Materialization>, StoreError> {
        let rows = self.query(LAST_MATERIALIZATIONS, params![project], |row| {
            Ok((row.get::<_, String>(6)?, materialization(row)?))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// The materializations of an asset, newest first.
    pub fn materializations(
        &self,
        project: &str,
        unique_id: &str,
        limit: u32,
    ) -> Result<Vec<Materialization>, StoreError> {
        self.query(MATERIALIZATIONS, params![project, unique_id, limit], materialization)
    }

    /// The results of a check, newest first.
    pub fn check_results(
        &self,
        project: &str,
        unique_id: &str,
        limit: u32,
    ) -> Result<Vec<CheckResult>, StoreError> {
        self.query(CHECK_RESULTS, params![project, unique_id, limit], check_result)
    }

    /// What became of each node of a project in the last run that had to do with it, by unique id.
    pub fn statuses(&self, project: &str) -> Result<BTreeMap<String, AssetStatus>, StoreError> {
        let rows = self.query(STATUSES, params![project], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.into_iter()
            .map(|(unique_id, run, body)| {
                let node = from_json(&self.path, "node_run", &body)?;
                Ok((unique_id, AssetStatus { run: RunId(run.unsigned_abs()), node }))
            })
            .collect()
    }

    /// What SQLite itself finds wrong with the file; empty where it is sound.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        let found = self.query("PRAGMA integrity_check(10)", [], |row| row.get::<_, String>(0))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    pub(super) fn connection(&self) -> Option<(&Connection, &Path)> {
        Some((self.conn.as_ref()?, &self.path))
    }

    /// The database's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn query<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let Some(conn) = &self.conn else { return Ok(Vec::new()) };
        let rows =
            || conn.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
        rows().map_err(|e| explain(&self.path, e))
    }
}

pub(super) fn materialization(row: &rusqlite::Row<'_>) -> rusqlite::Result<Materialization> {
    Ok(Materialization {
        at: timestamp(row.get(0)?),
        run: RunId(row.get::<_, i64>(1)?.unsigned_abs()),
        state: NodeState::from(row.get::<_, String>(2)?.as_str()),
        execution_time: row.get(3)?,
        rows_affected: row.get::<_, Option<i64>>(4)?.map(i64::unsigned_abs),
        relation_name: row.get(5)?,
    })
}

pub(super) fn check_result(row: &rusqlite::Row<'_>) -> rusqlite::Result<CheckResult> {
    Ok(CheckResult {
        at: timestamp(row.get(0)?),
        run: RunId(row.get::<_, i64>(1)?.unsigned_abs()),
        state: NodeState::from(row.get::<_, String>(2)?.as_str()),
        failures: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        message: row.get(4)?,
    })
}
