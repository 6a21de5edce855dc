//! Forgetting old runs.

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::{
    Store, StoreError,
    rows::{micros, signed},
    schema::explain,
};
use crate::model::RunId;

/// How long runs are kept. A run goes when either limit says so; what it materialized stays in the history of its assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days since a run ended.
    pub days: u32,
    /// How many finished runs are kept.
    pub runs: u32,
}

/// How many runs go at a time, so that nobody waits long for it: the rest goes next time.
const AT_A_TIME: u32 = 100;

impl Store {
    /// Removes runs that are past the limits, oldest first, with their events, and says which: their files are the
    /// caller's to remove, before or after.
    pub fn forget(&mut self, limits: Retention, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
        let oldest = now
            .checked_sub(SignedDuration::from_hours(i64::from(limits.days) * 24))
            .unwrap_or(Timestamp::MIN);
        let (conn, path) = self.connection();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let forget = || {
            let ids = transaction
                .prepare(
                    "SELECT id FROM run WHERE finished_at < ?1
                     UNION
                     SELECT id FROM (SELECT id FROM run WHERE finished_at IS NOT NULL
                       ORDER BY finished_at DESC, id DESC LIMIT -1 OFFSET ?2)
                     ORDER BY id LIMIT ?3",
                )?
                .query_map(params![micros(oldest), limits.runs, AT_A_TIME], |row| {
                    Ok(RunId(row.get::<_, i64>(0)?.unsigned_abs()))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for id in &ids {
                transaction.execute("DELETE FROM event WHERE run_id = ?1", [signed(id.0)])?;
                transaction.execute("DELETE FROM run WHERE id = ?1", [signed(id.0)])?;
            }
            Ok(ids)
        };
        let ids = forget().map_err(sql)?;
        transaction.commit().map_err(sql)?;
        Ok(ids)
    }
}
