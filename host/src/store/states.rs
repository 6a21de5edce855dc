//! Where all of a project stands at once, and what ran in a span of time: small rows, whatever the length of the history.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{
    Reader, SourceLook, StoreError,
    read::LAST_CHECKS,
    rows::{from_json, micros, timestamp},
};
use crate::model::{AttemptId, NodeState, Run, RunId, RunState};

/// Where an asset or a check stands, in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStanding {
    /// The attempt that had to do with it last.
    pub attempt: AttemptId,
    /// How that went, or goes.
    pub state: NodeState,
    /// When it ended, or began.
    pub at: Option<Timestamp>,
}

/// A run in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpan {
    /// Its number.
    pub id: RunId,
    /// Its project.
    pub project: String,
    /// Its job; none for what was materialized by hand.
    pub job: Option<String>,
    /// Where it stands.
    pub state: RunState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

pub(super) const STANDINGS: &str = "WITH RECURSIVE node (id) AS (
       SELECT min(unique_id) FROM node_run WHERE tells
       UNION ALL
       SELECT (SELECT min(unique_id) FROM node_run WHERE tells AND unique_id > node.id) FROM node WHERE node.id IS NOT NULL)
     SELECT n.unique_id, n.run_id, n.step, n.attempt, n.state, n.at
     FROM node CROSS JOIN node_run AS n ON n.rowid =
       (SELECT m.rowid FROM node_run AS m CROSS JOIN run AS r ON r.id = m.run_id
        WHERE m.tells AND m.unique_id = node.id AND r.project = ?1
        ORDER BY m.at DESC, m.run_id DESC, m.step DESC, m.attempt DESC LIMIT 1)";
pub(super) const LAST_LOOKS: &str = "WITH RECURSIVE node (id) AS (
       SELECT min(unique_id) FROM source_freshness WHERE project = ?1
       UNION ALL
       SELECT (SELECT min(unique_id) FROM source_freshness WHERE project = ?1 AND unique_id > node.id)
       FROM node WHERE node.id IS NOT NULL)
     SELECT s.unique_id, s.at, s.run_id, s.state, s.max_loaded_at, s.body
     FROM node CROSS JOIN source_freshness AS s ON s.rowid =
       (SELECT rowid FROM source_freshness WHERE project = ?1 AND unique_id = node.id
        ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT 1)";
pub(super) const ENDED_SINCE: &str =
    "SELECT id, project, job, state, requested_at, started_at, finished_at FROM run
     WHERE finished_at >= ?1 AND requested_at <= ?2 ORDER BY finished_at DESC LIMIT ?3";
pub(super) const NOT_ENDED: &str =
    "SELECT id, project, job, state, requested_at, started_at, finished_at FROM run
     WHERE state IN ('queued', 'running') AND requested_at <= ?1 LIMIT ?2";
pub(super) const BODIES_OF_JOB: &str = "SELECT body FROM run WHERE job = ?1 ORDER BY id DESC LIMIT ?2";

/// Each query, for the test that it uses an index.
#[cfg(test)]
pub(super) const QUERIES: [&str; 5] = [STANDINGS, LAST_LOOKS, ENDED_SINCE, NOT_ENDED, BODIES_OF_JOB];

impl Reader {
    /// Where each node of a project stands that a run has had to do with, by unique id.
    pub fn standings_of_nodes(&self, project: &str) -> Result<BTreeMap<String, NodeStanding>, StoreError> {
        let rows = self.query(STANDINGS, params![project], |row| {
            let attempt = AttemptId {
                run: RunId(row.get::<_, i64>(1)?.unsigned_abs()),
                step: row.get(2)?,
                attempt: row.get(3)?,
            };
            let state = NodeState::from(row.get_ref(4)?.as_str()?);
            let at = row.get::<_, Option<i64>>(5)?.map(timestamp);
            Ok((row.get::<_, String>(0)?, NodeStanding { attempt, state, at }))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// How each check of a project went when it was made last, by unique id.
    pub fn last_checks(&self, project: &str) -> Result<BTreeMap<String, NodeState>, StoreError> {
        let rows = self.query(LAST_CHECKS, params![project], |row| {
            Ok((row.get::<_, String>(0)?, NodeState::from(row.get_ref(3)?.as_str()?)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// The last look at each source of a project, by unique id.
    pub fn last_looks(&self, project: &str) -> Result<BTreeMap<String, SourceLook>, StoreError> {
        let rows = self.query(LAST_LOOKS, params![project], |row| {
            let look = SourceLook {
                at: timestamp(row.get(1)?),
                run: RunId(row.get::<_, i64>(2)?.unsigned_abs()),
                state: NodeState::from(row.get_ref(3)?.as_str()?),
                max_loaded_at: row.get::<_, Option<i64>>(4)?.map(timestamp),
                found: None,
            };
            Ok((row.get::<_, String>(0)?, look, row.get::<_, String>(5)?))
        })?;
        rows.into_iter()
            .map(|(id, look, body)| {
                Ok((id, SourceLook { found: from_json(self.path(), "source_freshness", &body)?, ..look }))
            })
            .collect()
    }

    /// The runs that were there in a span of time, in the order of their numbers, and whether these are all: of too many the
    /// last ones are given.
    pub fn runs_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        most: u32,
    ) -> Result<(Vec<RunSpan>, bool), StoreError> {
        // A run that ends between the two would be in neither.
        let (mut rows, open) = self.at_one_moment(|| {
            let ended = self.query(ENDED_SINCE, params![micros(from), micros(to), most + 1], span)?;
            Ok((ended, self.query(NOT_ENDED, params![micros(to), most + 1], span)?))
        })?;
        let all = rows.len() <= most as usize;
        rows.truncate(most as usize);
        let all = all && open.len() <= most as usize;
        rows.extend(open.into_iter().take(most as usize));
        let mut runs = rows
            .into_iter()
            .map(|(run, state)| {
                let state = from_json(self.path(), "run", &format!("\"{state}\""))?;
                Ok(RunSpan { state, ..run })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        runs.sort_by_key(|run| run.id);
        Ok((runs, all))
    }

    /// The last runs of a job, newest first, without their nodes.
    pub fn last_runs_of(&self, job: &str, limit: u32) -> Result<Vec<Run>, StoreError> {
        let bodies = self.query(BODIES_OF_JOB, params![job, limit], |row| row.get::<_, String>(0))?;
        bodies.iter().map(|body| from_json(self.path(), "run", body)).collect()
    }
}

fn span(row: &Row<'_>) -> rusqlite::Result<(RunSpan, String)> {
    let run = RunSpan {
        id: RunId(row.get::<_, i64>(0)?.unsigned_abs()),
        project: row.get(1)?,
        job: row.get(2)?,
        state: RunState::Queued,
        requested_at: timestamp(row.get(4)?),
        started_at: row.get::<_, Option<i64>>(5)?.map(timestamp),
        finished_at: row.get::<_, Option<i64>>(6)?.map(timestamp),
    };
    Ok((run, row.get(3)?))
}
