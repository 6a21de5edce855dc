//! What the gate asks the store: which checks have failed, and whether that still stands.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

use super::{
    Reader, Store, StoreError,
    read::{LAST_BUILT, LAST_CHECKS},
    rows::timestamp,
    schema::explain,
};
use crate::model::{FailedCheck, NodeState, Project, RunId};

/// The checks of a project that failed when they were made last: dbt's id of the test, the run, and when.
fn failed_checks(
    conn: &Connection,
    path: &Path,
    project: &str,
) -> Result<Vec<(String, RunId, Timestamp)>, StoreError> {
    let rows = || {
        let read = |row: &rusqlite::Row<'_>| {
            let state = NodeState::from(row.get::<_, String>(3)?.as_str());
            let run = RunId(row.get::<_, i64>(1)?.unsigned_abs());
            Ok(state.is_failure().then_some((row.get::<_, String>(0)?, run, timestamp(row.get(2)?))))
        };
        let mut statement = conn.prepare_cached(LAST_CHECKS)?;
        statement.query_map([project], read)?.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()
    };
    rows().map_err(|e| explain(path, e))
}

fn last_built(
    conn: &Connection,
    path: &Path,
    project: &str,
    unique_id: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let query = || {
        let mut statement = conn.prepare_cached(LAST_BUILT)?;
        let at = statement
            .query_row(params![project, unique_id], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        Ok(at.flatten().map(timestamp))
    };
    query().map_err(|e| explain(path, e))
}

fn standing_failures(
    conn: &Connection,
    path: &Path,
    project: &Project,
) -> Result<Vec<FailedCheck>, StoreError> {
    let mut failed = Vec::new();
    for (unique_id, run, at) in failed_checks(conn, path, &project.name)? {
        let Some(check) = project.check(&unique_id) else { continue };
        let mut rebuilt = false;
        for asset in &check.assets {
            rebuilt |= last_built(conn, path, &project.name, asset)?.is_some_and(|built| built > at);
        }
        if !rebuilt {
            failed.push(FailedCheck { unique_id, run });
        }
    }
    Ok(failed)
}

impl Store {
    /// The checks of a project that failed when they were made last, and whose assets have not been built since: what was
    /// built later is another matter.
    pub fn standing_failures(&self, project: &Project) -> Result<Vec<FailedCheck>, StoreError> {
        let (conn, path) = self.connection();
        standing_failures(conn, path, project)
    }

    /// When an asset was materialized last.
    pub fn last_built(&self, project: &str, unique_id: &str) -> Result<Option<Timestamp>, StoreError> {
        let (conn, path) = self.connection();
        last_built(conn, path, project, unique_id)
    }
}

impl Reader {
    /// The checks of a project that failed when they were made last, and whose assets have not been built since.
    pub fn standing_failures(&self, project: &Project) -> Result<Vec<FailedCheck>, StoreError> {
        match self.connection() {
            Some((conn, path)) => standing_failures(conn, path, project),
            None => Ok(Vec::new()),
        }
    }

    /// The run that a request with this key has made.
    pub fn run_of_key(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(None) };
        let query = || {
            let mut statement = conn.prepare_cached("SELECT id FROM run WHERE request_key = ?1")?;
            statement.query_row([key], |row| row.get::<_, i64>(0)).optional()
        };
        Ok(query().map_err(|e| explain(path, e))?.map(|id| RunId(id.unsigned_abs())))
    }
}
