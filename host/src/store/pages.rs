//! Long lists a page at a time: each page begins behind the last row of the one before, which an index finds at once.

use std::{fmt, str::FromStr};

use rusqlite::{Row, params};

use super::{
    CheckResult, DeliveryRow, Materialization, NotificationRow, Reader, SourceLook, StoreError, TickRow,
    alerts::{delivery_of, notification_of},
    automation::tick_of,
    plugins::{CallRow, call_of, call_row},
    read::{check_result, materialization},
    rows::{from_json, signed, timestamp},
};
use crate::model::{AttemptId, NodeRun, NodeState, PluginCall, RunId};

/// Where a row stands in a history, which goes by time and then by attempt. Written `MICROSECONDS.RUN.STEP.ATTEMPT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it was, in microseconds since the epoch.
    pub at: i64,
    /// The attempt.
    pub attempt: AttemptId,
}

impl Place {
    /// Behind which all of a history comes.
    const NEWEST: Self =
        Self { at: i64::MAX, attempt: AttemptId { run: RunId(u64::MAX), step: u32::MAX, attempt: u32::MAX } };

    fn of(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let attempt = AttemptId {
            run: RunId(row.get::<_, i64>(from + 1)?.unsigned_abs()),
            step: row.get(from + 2)?,
            attempt: row.get(from + 3)?,
        };
        Ok(Self { at: row.get(from)?, attempt })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.attempt)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('.').collect();
        let read = || -> Option<Self> {
            let [at, run, step, attempt] = parts.as_slice() else { return None };
            let attempt = AttemptId {
                run: RunId(run.parse().ok()?),
                step: step.parse().ok()?,
                attempt: attempt.parse().ok()?,
            };
            Some(Self { at: at.parse().ok()?, attempt })
        };
        read().ok_or_else(|| format!("`{text}` is no place in a history"))
    }
}

/// Some rows of a list, and what the next page begins behind; none where this was the last one.
pub type Part<T, P = u64> = (Vec<T>, Option<P>);

/// What a run had to do with an asset or a check.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePart {
    /// The attempt.
    pub attempt: AttemptId,
    /// The job of the run; none for what was materialized by hand.
    pub job: Option<String>,
    /// How that went, or goes.
    pub node: NodeRun,
}

pub(super) const MATERIALIZATIONS_BEHIND: &str = "SELECT at, run_id, state, execution_time, rows_affected, relation_name, at, run_id, step, attempt
     FROM materialization WHERE project = ?1 AND unique_id = ?2 AND (at, run_id, step, attempt) < (?3, ?4, ?5, ?6)
     ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?7";
pub(super) const CHECKS_BEHIND: &str = "SELECT at, run_id, state, failures, message, at, run_id, step, attempt
     FROM check_result WHERE project = ?1 AND unique_id = ?2 AND (at, run_id, step, attempt) < (?3, ?4, ?5, ?6)
     ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?7";
pub(super) const LOOKS_BEHIND: &str = "SELECT at, run_id, state, max_loaded_at, body, at, run_id, step, attempt
     FROM source_freshness WHERE project = ?1 AND unique_id = ?2 AND (at, run_id, step, attempt) < (?3, ?4, ?5, ?6)
     ORDER BY at DESC, run_id DESC, step DESC, attempt DESC LIMIT ?7";
pub(super) const PARTS_BEHIND: &str = "SELECT r.job, n.body, n.at, n.run_id, n.step, n.attempt
     FROM node_run AS n CROSS JOIN run AS r ON r.id = n.run_id
     WHERE n.tells AND n.unique_id = ?2 AND r.project = ?1 AND (n.at, n.run_id, n.step, n.attempt) < (?3, ?4, ?5, ?6)
     ORDER BY n.at DESC, n.run_id DESC, n.step DESC, n.attempt DESC LIMIT ?7";
pub(super) const TICKS_BEHIND: &str = "SELECT id, job, trigger, at, due, count, run_id, reason FROM tick WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const TICKS_OF_JOB_BEHIND: &str = "SELECT id, job, trigger, at, due, count, run_id, reason FROM tick WHERE job = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const NOTIFICATIONS_BEHIND: &str = "SELECT id, alert, kind, at, run_id, state, body FROM notification WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const DELIVERIES_BEHIND: &str =
    "SELECT d.idempotency_key, d.notification, n.alert, n.kind, n.body, n.run_id, n.at, d.destination, d.state,
       d.tries, d.next_at, d.body, d.id
     FROM delivery AS d CROSS JOIN notification AS n ON n.id = d.notification WHERE d.id < ?1 ORDER BY d.id DESC LIMIT ?2";
pub(super) const CALLS_BEHIND: &str =
    "SELECT at, kind, name, version, digest, subject, answer, micros, peak_memory, verdict, id
     FROM plugin_call WHERE name = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const CALL: &str =
    "SELECT at, kind, name, version, digest, subject, input, answer, micros, peak_memory, verdict
     FROM plugin_call WHERE id = ?1";

/// Each query, for the test that it uses an index.
#[cfg(test)]
pub(super) const QUERIES: [&str; 10] = [
    MATERIALIZATIONS_BEHIND,
    CHECKS_BEHIND,
    LOOKS_BEHIND,
    PARTS_BEHIND,
    TICKS_BEHIND,
    TICKS_OF_JOB_BEHIND,
    NOTIFICATIONS_BEHIND,
    DELIVERIES_BEHIND,
    CALLS_BEHIND,
    CALL,
];

/// Cuts what was read to what was asked for: one row more than that says that there is another page.
pub(super) fn cut<T, P>(mut rows: Vec<(P, T)>, limit: u32) -> Part<T, P> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let (mut places, rows): (Vec<P>, Vec<T>) = rows.into_iter().unzip();
    (rows, places.pop().filter(|_| more))
}

impl Reader {
    /// The materializations of an asset, newest first.
    pub fn materializations_behind(
        &self,
        project: &str,
        unique_id: &str,
        behind: Option<Place>,
        limit: u32,
    ) -> Result<Part<Materialization, Place>, StoreError> {
        let rows = self.history(MATERIALIZATIONS_BEHIND, (project, unique_id), behind, limit, |row| {
            Ok((Place::of(row, 6)?, materialization(row)?))
        })?;
        Ok(cut(rows, limit))
    }

    /// The results of a check, newest first.
    pub fn check_results_behind(
        &self,
        project: &str,
        unique_id: &str,
        behind: Option<Place>,
        limit: u32,
    ) -> Result<Part<CheckResult, Place>, StoreError> {
        let rows = self.history(CHECKS_BEHIND, (project, unique_id), behind, limit, |row| {
            Ok((Place::of(row, 5)?, check_result(row)?))
        })?;
        Ok(cut(rows, limit))
    }

    /// The looks at a source, newest first.
    pub fn source_looks_behind(
        &self,
        project: &str,
        unique_id: &str,
        behind: Option<Place>,
        limit: u32,
    ) -> Result<Part<SourceLook, Place>, StoreError> {
        let rows = self.history(LOOKS_BEHIND, (project, unique_id), behind, limit, |row| {
            let look = SourceLook {
                at: timestamp(row.get(0)?),
                run: RunId(row.get::<_, i64>(1)?.unsigned_abs()),
                state: NodeState::from(row.get::<_, String>(2)?.as_str()),
                max_loaded_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
                found: None,
            };
            Ok((Place::of(row, 5)?, (look, row.get::<_, String>(4)?)))
        })?;
        let (rows, next) = cut(rows, limit);
        let path = self.path();
        let read = |(look, body): (SourceLook, String)| {
            Ok(SourceLook { found: from_json(path, "source_freshness", &body)?, ..look })
        };
        Ok((rows.into_iter().map(read).collect::<Result<_, StoreError>>()?, next))
    }

    /// What runs had to do with an asset or a check, newest first.
    pub fn parts_of_node_behind(
        &self,
        project: &str,
        unique_id: &str,
        behind: Option<Place>,
        limit: u32,
    ) -> Result<Part<NodePart, Place>, StoreError> {
        let rows = self.history(PARTS_BEHIND, (project, unique_id), behind, limit, |row| {
            Ok((Place::of(row, 2)?, (row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)))
        })?;
        let more = rows.len() > limit as usize;
        let path = self.path();
        let rows = rows.into_iter().take(limit as usize);
        let rows = rows.map(|(place, (job, body))| {
            let node = from_json(path, "node_run", &body)?;
            Ok((place, NodePart { attempt: place.attempt, job, node }))
        });
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        let (mut places, parts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        Ok((parts, places.pop().filter(|_| more)))
    }

    /// Where an asset or a check stands: the part that the newest run had in it that says so.
    pub fn newest_part(&self, project: &str, unique_id: &str) -> Result<Option<NodePart>, StoreError> {
        let (parts, _) = self.parts_of_node_behind(project, unique_id, None, 1)?;
        Ok(parts.into_iter().next())
    }

    /// Decisions of triggers, of one job or of all, newest first.
    pub fn ticks_behind(
        &self,
        job: Option<&str>,
        behind: Option<u64>,
        limit: u32,
    ) -> Result<Part<TickRow>, StoreError> {
        let before = behind.map_or(i64::MAX, signed);
        let rows = match job {
            Some(job) => self.query(TICKS_OF_JOB_BEHIND, params![before, limit + 1, job], tick_of),
            None => self.query(TICKS_BEHIND, params![before, limit + 1], tick_of),
        }?;
        let path = self.path();
        let rows = rows.into_iter().map(|(trigger, row)| {
            let unreadable = |reason| StoreError::Row { path: path.to_owned(), table: "tick", reason };
            Ok((row.id, TickRow { trigger: trigger.parse().map_err(unreadable)?, ..row }))
        });
        Ok(cut(rows.collect::<Result<Vec<_>, StoreError>>()?, limit))
    }

    /// What was to be told, newest first, what was suppressed included.
    pub fn notifications_behind(
        &self,
        behind: Option<u64>,
        limit: u32,
    ) -> Result<Part<NotificationRow>, StoreError> {
        let before = behind.map_or(i64::MAX, signed);
        let rows = self.query(NOTIFICATIONS_BEHIND, params![before, limit + 1], notification_of)?;
        let path = self.path();
        let rows = rows.into_iter().map(|(row, body)| {
            Ok((row.id, NotificationRow { body: from_json(path, "notification", &body)?, ..row }))
        });
        Ok(cut(rows.collect::<Result<Vec<_>, StoreError>>()?, limit))
    }

    /// Deliveries, newest first.
    pub fn deliveries_behind(
        &self,
        behind: Option<u64>,
        limit: u32,
    ) -> Result<Part<DeliveryRow>, StoreError> {
        let before = behind.map_or(i64::MAX, signed);
        let rows = self.query(DELIVERIES_BEHIND, params![before, limit + 1], |row| {
            Ok((row.get::<_, i64>(12)?.unsigned_abs(), delivery_of(row)?))
        })?;
        let path = self.path();
        let rows = rows.into_iter().map(|(id, row)| Ok((id, row.read(path)?)));
        Ok(cut(rows.collect::<Result<Vec<_>, StoreError>>()?, limit))
    }

    /// The calls of the plugins that call themselves so, without what they were told, newest first.
    pub fn calls_behind(
        &self,
        name: &str,
        behind: Option<u64>,
        limit: u32,
    ) -> Result<Part<CallRow>, StoreError> {
        let before = behind.map_or(i64::MAX, signed);
        let rows = self.query(CALLS_BEHIND, params![before, limit + 1, name], call_row)?;
        let path = self.path();
        let rows = rows.into_iter().map(|(row, answer): (CallRow, Option<String>)| {
            let answer = answer.map(|answer| from_json(path, "plugin_call", &answer)).transpose()?;
            Ok((row.id, CallRow { answer, ..row }))
        });
        Ok(cut(rows.collect::<Result<Vec<_>, StoreError>>()?, limit))
    }

    /// One call of a plugin, with what it was told.
    pub fn call(&self, id: u64) -> Result<Option<PluginCall>, StoreError> {
        let rows = self.query(CALL, params![signed(id)], call_of)?;
        rows.into_iter().next().map(|row| row.read(self.path())).transpose()
    }

    fn history<T>(
        &self,
        sql: &str,
        (project, unique_id): (&str, &str),
        behind: Option<Place>,
        limit: u32,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let Place { at, attempt } = behind.unwrap_or(Place::NEWEST);
        let of =
            params![project, unique_id, at, signed(attempt.run.0), attempt.step, attempt.attempt, limit + 1];
        self.query(sql, of, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place { at: -7, attempt: AttemptId { run: RunId(12), step: 2, attempt: 3 } };
        assert_eq!(place.to_string(), "-7.12.2.3");
        assert_eq!(place.to_string().parse(), Ok(place));
        for odd in ["", "1.2.3", "1.2.3.4.5", "a.1.1.1", "1.-1.1.1"] {
            assert!(odd.parse::<Place>().is_err(), "{odd}");
        }
    }
}
