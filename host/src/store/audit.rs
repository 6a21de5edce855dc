//! Who did what, as rows: a projection of the events that outlives the runs they are of.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Entry, Reader, Retention, Store, StoreError,
    pages::{Part, cut},
    rows::{from_json, micros, signed, timestamp, to_json},
    schema::explain,
    tokens::save_token,
};
use crate::{
    fold,
    model::{AlertEvent, Deed, Event, HostEvent, JobEvent, RunId},
};

/// What someone did, as it is on record.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditRow {
    /// The number of its event.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What to show of the trail.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only what this user did.
    pub user: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what has a lower number.
    pub before: Option<u64>,
    /// At most so many; the newest come first.
    pub limit: u32,
}

pub(super) const TRAIL: &str =
    "SELECT id, at, user, via, action, object, detail FROM audit WHERE id < ?2 ORDER BY id DESC LIMIT ?1";
pub(super) const TRAIL_OF_USER: &str = "SELECT id, at, user, via, action, object, detail FROM audit WHERE id < ?2 AND user = ?3 ORDER BY id DESC LIMIT ?1";
pub(super) const TRAIL_OF_ACTION: &str = "SELECT id, at, user, via, action, object, detail FROM audit WHERE id < ?2 AND action = ?3 ORDER BY id DESC LIMIT ?1";
pub(super) const TRAIL_OF_BOTH: &str = "SELECT id, at, user, via, action, object, detail FROM audit WHERE id < ?2 AND user = ?3 AND action = ?4 ORDER BY id DESC LIMIT ?1";

pub(super) const DEEDS: &str = "SELECT id FROM audit WHERE id > ?1 AND id <= ?2 LIMIT 1";

/// What an entry says of someone's doing, and when.
fn deed_of(entry: &Entry) -> Option<(Timestamp, Deed)> {
    Some(match entry {
        Entry::Run(event) => (event.at, fold::deed_of_run(event)?),
        Entry::Job(event) => (event.at, fold::deed_of_job(event)?),
        Entry::Alert(event) => (event.at, fold::deed_of_alert(event)?),
        Entry::Host(event) => (event.at, fold::deed_of_host(event)?),
        Entry::Plugin(_) | Entry::Asset(_) | Entry::Call(_) => return None,
    })
}

/// Writes what entries that have been given these numbers say of someone's doing.
pub(super) fn save_deeds(
    conn: &Connection,
    entries: &[Entry],
    numbers: &[Option<u64>],
) -> rusqlite::Result<()> {
    for (entry, id) in entries.iter().zip(numbers) {
        if let (Some(id), Some((at, deed))) = (id, deed_of(entry)) {
            save(conn, *id, at, &deed)?;
        }
    }
    Ok(())
}

fn save(conn: &Connection, id: u64, at: Timestamp, deed: &Deed) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO audit (id, at, user, via, action, object, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        signed(id),
        micros(at),
        deed.user,
        deed.via,
        deed.action,
        deed.object,
        to_json(&deed.detail)?
    ])?;
    Ok(())
}

fn row(path: &Path, row: &Row<'_>) -> rusqlite::Result<Result<AuditRow, StoreError>> {
    let deed = Deed {
        user: row.get(2)?,
        via: row.get(3)?,
        action: row.get(4)?,
        object: row.get(5)?,
        detail: serde_json::Value::Null,
    };
    let (id, at) = (row.get::<_, i64>(0)?.unsigned_abs(), timestamp(row.get(1)?));
    let detail = from_json(path, "audit", &row.get::<_, String>(6)?);
    Ok(detail.map(|detail| AuditRow { id, at, deed: Deed { detail, ..deed } }))
}

impl Reader {
    /// Who did what, newest first.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(Vec::new()) };
        let before = signed(filter.before.unwrap_or(u64::MAX));
        let limit = filter.limit;
        let read = |row: &Row<'_>| self::row(path, row);
        let rows = || match (&filter.user, &filter.action) {
            (None, None) => conn.prepare_cached(TRAIL)?.query_map(params![limit, before], read)?.collect(),
            (Some(user), None) => {
                conn.prepare_cached(TRAIL_OF_USER)?.query_map(params![limit, before, user], read)?.collect()
            }
            (None, Some(action)) => conn
                .prepare_cached(TRAIL_OF_ACTION)?
                .query_map(params![limit, before, action], read)?
                .collect(),
            (Some(user), Some(action)) => conn
                .prepare_cached(TRAIL_OF_BOTH)?
                .query_map(params![limit, before, user, action], read)?
                .collect::<rusqlite::Result<Vec<_>>>(),
        };
        rows().map_err(|e| explain(path, e))?.into_iter().collect()
    }

    /// A page of the same: as many as the filter says.
    pub fn audit_page(&self, filter: &AuditFilter) -> Result<Part<AuditRow>, StoreError> {
        let one_more = AuditFilter { limit: filter.limit + 1, ..filter.clone() };
        let rows = self.audit(&one_more)?;
        Ok(cut(rows.into_iter().map(|row| (row.id, row)).collect(), filter.limit))
    }

    /// Whether someone did something behind an event, up to another one.
    pub fn has_deeds(&self, after: u64, until: u64) -> Result<bool, StoreError> {
        let found = self.query(DEEDS, params![signed(after), signed(until)], |row| row.get::<_, i64>(0))?;
        Ok(!found.is_empty())
    }
}

impl Store {
    /// Makes the trail anew from the events that are there, and the tokens; says whether both were as these tell. What is on
    /// the trail of runs that have been forgotten stays as it is, and what is older than all that it keeps does not come back.
    pub fn rebuild_audit(&mut self) -> Result<bool, StoreError> {
        let tokens = self.tokens()?;
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let events = || {
            transaction
                .prepare(
                    "SELECT id, at, body, run_id, job, subject FROM event WHERE subject = 'host' OR kind IN ('run_requested',
                       'cancel_requested', 'job_paused', 'job_resumed', 'alert_snoozed') ORDER BY id",
                )?
                .query_map([], |row| {
                    let (at, body) = (timestamp(row.get(1)?), row.get::<_, String>(2)?);
                    let of = (row.get::<_, Option<i64>>(3)?, row.get(4)?, row.get(5)?);
                    Ok((row.get::<_, i64>(0)?.unsigned_abs(), at, body, of))
                })?
                .collect::<rusqlite::Result<Vec<(u64, Timestamp, String, Of)>>>()
        };
        let events = events().map_err(sql)?;
        transaction.execute("DELETE FROM token", []).map_err(sql)?;
        let oldest: Option<i64> =
            transaction.query_row("SELECT min(id) FROM audit", [], |row| row.get(0)).map_err(sql)?;
        let oldest = oldest.unwrap_or_default().unsigned_abs();
        let mut same = true;
        for (id, at, body, of) in events {
            let Some(entry) = entry(&path, at, &body, of)? else { continue };
            if let Entry::Host(event) = &entry {
                save_token(&transaction, event).map_err(sql)?;
            }
            if id < oldest {
                continue;
            }
            let known = transaction
                .prepare_cached("SELECT id, at, user, via, action, object, detail FROM audit WHERE id = ?1")
                .and_then(|mut s| s.query_row([signed(id)], |row| self::row(&path, row)).optional())
                .map_err(sql)?
                .transpose()?;
            let told = deed_of(&entry).map(|(at, deed)| AuditRow { id, at, deed });
            same &= known == told;
            match told {
                Some(AuditRow { id, at, deed }) => save(&transaction, id, at, &deed).map_err(sql)?,
                None => {
                    transaction.execute("DELETE FROM audit WHERE id = ?1", [signed(id)]).map_err(sql)?;
                }
            }
        }
        // A row of an event that tells of nobody's doing, or that never was.
        let strange =
            "SELECT count(*) FROM audit WHERE id > (SELECT seq FROM sqlite_sequence WHERE name = 'event')
             OR id IN (SELECT id FROM event WHERE subject IS NOT 'host' AND kind NOT IN ('run_requested',
               'cancel_requested', 'job_paused', 'job_resumed', 'alert_snoozed'))";
        same &= transaction.query_row(strange, [], |row| row.get::<_, i64>(0)).map_err(sql)? == 0;
        transaction.commit().map_err(sql)?;
        Ok(same && self.tokens()? == tokens)
    }

    /// Removes what is older than the limit from the trail, and says how much. What tokens are is known from their events, and
    /// these stay.
    pub fn forget_deeds(&mut self, limits: Retention, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = now
            .checked_sub(jiff::SignedDuration::from_hours(i64::from(limits.audit) * 24))
            .unwrap_or(Timestamp::MIN);
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let mut forget = || {
            let transaction = conn.transaction()?;
            // Ids are in the order in which things happened: those of old deeds are the first.
            let last: Option<i64> = transaction.query_row(
                "SELECT max(id) FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?1) WHERE at < ?2",
                params![AT_A_TIME, micros(oldest)],
                |row| row.get(0),
            )?;
            let Some(last) = last else { return Ok(0) };
            transaction.execute(
                "DELETE FROM event WHERE id IN (SELECT id FROM audit WHERE id <= ?1) AND subject = 'host'
                   AND kind NOT IN ('token_created', 'token_rotated', 'token_revoked')",
                [last],
            )?;
            let gone = transaction.execute("DELETE FROM audit WHERE id <= ?1", [last])?;
            transaction.commit()?;
            Ok(gone)
        };
        forget().map_err(|e| explain(&path, e))
    }
}

/// As many rows of the trail go at a time.
const AT_A_TIME: u32 = 10_000;

/// What an event is of: a run, a job, or something else.
type Of = (Option<i64>, Option<String>, Option<String>);

fn entry(path: &Path, at: Timestamp, body: &str, of: Of) -> Result<Option<Entry>, StoreError> {
    Ok(match of {
        (Some(run), ..) => {
            let kind = from_json(path, "event", body)?;
            Some(Entry::Run(Event { run: RunId(run.unsigned_abs()), at, kind }))
        }
        (_, Some(job), _) => Some(Entry::Job(JobEvent { job, at, kind: from_json(path, "event", body)? })),
        (.., Some(subject)) if subject == "host" => {
            Some(Entry::Host(HostEvent { at, kind: from_json(path, "event", body)? }))
        }
        (.., Some(subject)) => match subject.strip_prefix("alert:") {
            Some(alert) => Some(Entry::Alert(AlertEvent {
                alert: alert.to_owned(),
                at,
                kind: from_json(path, "event", body)?,
            })),
            None => None,
        },
        _ => None,
    })
}
