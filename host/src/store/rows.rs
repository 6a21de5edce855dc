//! Rows as the model's types, and back.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, schema::explain};
use crate::{
    fold::{self, Mark},
    model::{AttemptId, NodeRun, Run, RunId},
};

/// Numbers in SQLite are signed.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Microseconds since the epoch.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The other way; a time that no clock shows becomes the epoch.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A row's body. A path that is not text cannot be one: better said now than when the row is read.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    table: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Row {
        path: path.to_owned(),
        table,
        reason: e.to_string(),
    })
}

/// A run with all of its nodes.
pub(super) fn load_run(conn: &Connection, path: &Path, id: RunId) -> Result<Option<Run>, StoreError> {
    let sql = |e| explain(path, e);
    let body: Option<String> = conn
        .prepare_cached("SELECT body FROM run WHERE id = ?1")
        .and_then(|mut s| s.query_row([signed(id.0)], |row| row.get(0)).optional())
        .map_err(sql)?;
    let Some(body) = body else { return Ok(None) };
    let mut run: Run = from_json(path, "run", &body)?;
    let mut statement =
        conn.prepare_cached("SELECT step, attempt, body FROM node_run WHERE run_id = ?1").map_err(sql)?;
    let mut rows = statement.query([signed(id.0)]).map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        let (step, attempt, body): (u32, u32, String) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().map_err(sql)?;
        let node: NodeRun = from_json(path, "node_run", &body)?;
        let slot =
            usize::try_from(step).ok().and_then(|n| n.checked_sub(1)).and_then(|n| run.steps.get_mut(n));
        if let Some(a) = slot.and_then(|s| s.attempts.iter_mut().find(|a| a.id.attempt == attempt)) {
            a.nodes.insert(node.unique_id.clone(), node);
        }
    }
    Ok(Some(run))
}

/// Writes the fold of a run, without its nodes. A run that begins must have a number and a key of its own.
pub(super) fn save_run(conn: &Connection, run: &Run, begins: bool) -> rusqlite::Result<()> {
    let sql = if begins {
        "INSERT INTO run (id, state, started_at, finished_at, body, request_key, project, job, requested_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    } else {
        "UPDATE run SET state = ?2, started_at = ?3, finished_at = ?4, body = ?5, request_key = ?6, project = ?7,
           job = ?8, requested_at = ?9 WHERE id = ?1"
    };
    conn.prepare_cached(sql)?.execute(params![
        signed(run.id.0),
        run.state.as_str(),
        run.started_at.map(micros),
        run.finished_at.map(micros),
        to_json(run)?,
        run.request.key,
        run.request.project,
        run.request.job,
        micros(run.requested_at),
    ])?;
    Ok(())
}

/// Writes the fold of a node, and what it means for the history of its asset or check.
pub(super) fn save_node(conn: &Connection, run: &Run, id: AttemptId, node: &NodeRun) -> rusqlite::Result<()> {
    let args = run.step(id.step).map(|step| step.args.as_slice()).unwrap_or_default();
    conn.prepare_cached(
        "INSERT INTO node_run (run_id, step, attempt, unique_id, state, tells, finished_at, body, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET state = ?5, tells = ?6, finished_at = ?7, body = ?8, at = ?9",
    )?
    .execute(params![
        signed(id.run.0),
        id.step,
        id.attempt,
        node.unique_id,
        node.state.as_str(),
        fold::tells(args, node),
        node.finished_at.map(micros),
        to_json(node)?,
        node.finished_at.or(node.started_at).map(micros),
    ])?;
    if !node.state.is_finished() {
        return Ok(());
    }
    let mark = fold::mark(args, node);
    let at = node.finished_at.or(node.started_at).map(micros);
    if let (Some(Mark::Materialized), Some(at)) = (mark, at) {
        conn.prepare_cached(
            "INSERT INTO materialization
               (run_id, step, attempt, project, unique_id, at, state, execution_time, rows_affected, relation_name)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET at = ?6, state = ?7, execution_time = ?8, rows_affected = ?9, relation_name = ?10",
        )?
        .execute(params![
            signed(id.run.0),
            id.step,
            id.attempt,
            run.request.project,
            node.unique_id,
            at,
            node.state.as_str(),
            node.execution_time,
            node.rows_affected.map(signed),
            node.relation_name
        ])?;
    } else if node.resource_type.is_asset() {
        // What the events called built, an artifact may have called failed.
        take_back(conn, "materialization", run, id, node)?;
    }
    if let (Some(Mark::Checked), Some(at)) = (mark, at) {
        conn.prepare_cached(
            "INSERT INTO check_result (run_id, step, attempt, project, unique_id, at, state, failures, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT DO UPDATE SET at = ?6, state = ?7, failures = ?8, message = ?9",
        )?
        .execute(params![
            signed(id.run.0),
            id.step,
            id.attempt,
            run.request.project,
            node.unique_id,
            at,
            node.state.as_str(),
            node.failures.map(signed),
            node.message
        ])?;
    } else if node.resource_type.is_check() {
        take_back(conn, "check_result", run, id, node)?;
    }
    if let (Some(Mark::Looked), Some(at)) = (mark, at) {
        save_look(conn, run, id, node, at)?;
    }
    Ok(())
}

/// Writes what `dbt source freshness` found of a source.
fn save_look(conn: &Connection, run: &Run, id: AttemptId, node: &NodeRun, at: i64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO source_freshness
           (run_id, step, attempt, project, unique_id, at, state, max_loaded_at, age, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET at = ?6, state = ?7, max_loaded_at = ?8, age = ?9, body = ?10",
    )?
    .execute(params![
        signed(id.run.0),
        id.step,
        id.attempt,
        run.request.project,
        node.unique_id,
        at,
        node.state.as_str(),
        node.max_loaded_at.map(micros),
        node.freshness.as_ref().and_then(|found| found.age),
        to_json(&node.freshness)?,
    ])?;
    Ok(())
}

fn take_back(
    conn: &Connection,
    table: &str,
    run: &Run,
    id: AttemptId,
    node: &NodeRun,
) -> rusqlite::Result<()> {
    conn.prepare_cached(&format!(
        "DELETE FROM {table} WHERE project = ?1 AND unique_id = ?2 AND run_id = ?3 AND step = ?4 AND attempt = ?5"
    ))?
    .execute(params![run.request.project, node.unique_id, signed(id.run.0), id.step, id.attempt])?;
    Ok(())
}
