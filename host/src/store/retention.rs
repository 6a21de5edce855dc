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
    /// How many decisions of triggers are kept.
    pub ticks: u32,
    /// Days for which it is known who did what.
    pub audit: u32,
}

/// How many runs go at a time, so that nobody waits long for it: the rest goes next time.
const AT_A_TIME: u32 = 100;

/// This is asked at the end of each run: it must not go through all of them.
pub(super) const ENDED: &str =
    "SELECT id, finished_at FROM run WHERE finished_at IS NOT NULL ORDER BY finished_at, id LIMIT ?1";

impl Store {
    /// Removes runs that are past the limits, oldest first, with their events, and says which: their files are the
    /// caller's to remove, before or after.
    pub fn forget(&mut self, limits: Retention, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
        let oldest = micros(oldest(limits, now));
        let too_many = self.ended()?.saturating_sub(u64::from(limits.runs));
        #[cfg(test)]
        let disk = self.disk.clone();
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let forget = || {
            let mut ids = Vec::new();
            let mut statement = transaction.prepare_cached(ENDED)?;
            let mut rows = statement.query([AT_A_TIME])?;
            // Either limit is reached by those that ended first: behind one that stays all others stay.
            while let Some(row) = rows.next()? {
                if ids.len() as u64 >= too_many && row.get::<_, i64>(1)? >= oldest {
                    break;
                }
                ids.push(RunId(row.get::<_, i64>(0)?.unsigned_abs()));
            }
            for id in &ids {
                transaction.execute("DELETE FROM event WHERE run_id = ?1", [signed(id.0)])?;
                transaction.execute("DELETE FROM run WHERE id = ?1", [signed(id.0)])?;
            }
            Ok(ids)
        };
        let ids = forget().map_err(sql)?;
        #[cfg(test)]
        super::room(disk.as_deref().filter(|_| !ids.is_empty()), &path)?;
        transaction.commit().map_err(sql)?;
        self.have_gone(ids.len());
        Ok(ids)
    }

    /// Removes decisions of triggers that are past the limits, oldest first, and says how many. The last one of each trigger
    /// stays, and the last one that started a run: they say where the trigger stands. Goes through all of them: for quiet times.
    pub fn forget_ticks(&mut self, limits: Retention, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = oldest(limits, now);
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let mut forget = || {
            let transaction = conn.transaction()?;
            let ids = transaction
                .prepare(
                    "SELECT id FROM tick WHERE (at < ?1
                       OR id <= (SELECT id FROM tick ORDER BY id DESC LIMIT 1 OFFSET ?2))
                     AND id NOT IN (SELECT max(id) FROM tick GROUP BY job, trigger)
                     AND id NOT IN (SELECT max(id) FROM tick WHERE run_id IS NOT NULL GROUP BY job, trigger)
                     ORDER BY id LIMIT ?3",
                )?
                .query_map(params![micros(oldest), limits.ticks, AT_A_TIME * 100], |row| {
                    row.get::<_, i64>(0)
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for id in &ids {
                transaction.prepare_cached("DELETE FROM tick WHERE id = ?1")?.execute([id])?;
                transaction.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([id])?;
            }
            transaction.commit()?;
            Ok(ids.len())
        };
        forget().map_err(|e| explain(&path, e))
    }
}

pub(super) fn oldest(limits: Retention, now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(i64::from(limits.days) * 24)).unwrap_or(Timestamp::MIN)
}
