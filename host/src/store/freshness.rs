//! What is known of assets and checks between runs: checks that failed, when assets were built, and how fresh they are.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Reader, Store, StoreError,
    rows::{from_json, timestamp, to_json},
    schema::explain,
};
use crate::{
    fold,
    model::{AssetEvent, AssetFreshness, NodeState, RunId, SourceFreshness},
};

/// A look of `dbt source freshness` at a source.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceLook {
    /// When.
    pub at: Timestamp,
    /// The run that looked.
    pub run: RunId,
    /// dbt's word for how fresh it was: `pass`, `warn`, `error` or `runtime error`.
    pub state: NodeState,
    /// The time of its newest row.
    pub max_loaded_at: Option<Timestamp>,
    /// What else was found.
    pub found: Option<SourceFreshness>,
}

pub(super) const LOOKS: &str = "SELECT at, run_id, state, max_loaded_at, body FROM source_freshness
     WHERE project = ?1 AND unique_id = ?2 ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?3";

/// Writes what an event of an asset makes of it.
pub(super) fn save(conn: &Connection, event: &AssetEvent) -> rusqlite::Result<()> {
    let after = fold::freshness(event);
    match after {
        Some(after) => conn
            .prepare_cached(
                "INSERT INTO asset_freshness (project, unique_id, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET body = ?3",
            )?
            .execute(params![event.project, event.unique_id, to_json(&after)?])?,
        None => conn
            .prepare_cached("DELETE FROM asset_freshness WHERE project = ?1 AND unique_id = ?2")?
            .execute(params![event.project, event.unique_id])?,
    };
    Ok(())
}

fn load(
    conn: &Connection,
    path: &Path,
    project: &str,
) -> Result<BTreeMap<String, AssetFreshness>, StoreError> {
    let rows = || {
        conn.prepare_cached("SELECT unique_id, body FROM asset_freshness WHERE project = ?1")?
            .query_map([project], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = rows().map_err(|e| explain(path, e))?;
    rows.into_iter().map(|(id, body)| Ok((id, from_json(path, "asset_freshness", &body)?))).collect()
}

impl Reader {
    /// Whether the assets of a project that have to be fresh are, by unique id.
    pub fn asset_freshness(&self, project: &str) -> Result<BTreeMap<String, AssetFreshness>, StoreError> {
        match self.connection() {
            Some((conn, path)) => load(conn, path, project),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The looks at a source, newest first.
    pub fn source_looks(
        &self,
        project: &str,
        unique_id: &str,
        limit: u32,
    ) -> Result<Vec<SourceLook>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(Vec::new()) };
        let rows = || {
            conn.prepare_cached(LOOKS)?
                .query_map(params![project, unique_id, limit], |row| {
                    let look = SourceLook {
                        at: timestamp(row.get(0)?),
                        run: RunId(row.get::<_, i64>(1)?.unsigned_abs()),
                        state: NodeState::from(row.get::<_, String>(2)?.as_str()),
                        max_loaded_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
                        found: None,
                    };
                    Ok((look, row.get::<_, String>(4)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = rows().map_err(|e| explain(path, e))?;
        rows.into_iter()
            .map(|(look, body)| Ok(SourceLook { found: from_json(path, "source_freshness", &body)?, ..look }))
            .collect()
    }
}

impl Store {
    /// Whether the assets of a project that have to be fresh are, by unique id.
    pub fn asset_freshness(&self, project: &str) -> Result<BTreeMap<String, AssetFreshness>, StoreError> {
        let (conn, path) = self.connection();
        load(conn, path, project)
    }
}
