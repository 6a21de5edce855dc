//! Alerts and the outbox as rows: what each alert knows, what is to be told, and what is sent where for it.

use std::{collections::BTreeMap, path::Path};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Reader, Retention, Store, StoreError,
    rows::{from_json, micros, signed, timestamp, to_json},
    schema::explain,
};
use crate::{
    alert::{self, Standing},
    model::{
        AlertEvent, AlertEventKind, DeliveryOutcome, DeliveryRequest, Keyed, Notification, NotificationKind,
        PluginRecord, RunId,
    },
};

/// A notification in the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotificationRow {
    /// Its id.
    pub id: u64,
    /// The alert.
    pub alert: String,
    /// What happened.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The run that it is about.
    pub run: Option<RunId>,
    /// `pending`, `rendered`, `failed` or `suppressed`.
    pub state: String,
    /// What there is to say about it.
    #[serde(flatten)]
    pub body: NotificationBody,
}

/// What there is to say about a notification in the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationBody {
    /// Its title; of one that was suppressed, of what it would have been.
    pub title: String,
    /// Why it was suppressed.
    #[serde(default)]
    pub reason: Option<String>,
    /// The notifier.
    #[serde(default)]
    pub plugin: Option<PluginRecord>,
    /// Why that could not be used.
    #[serde(default)]
    pub fault: Option<String>,
}

/// A delivery in the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeliveryRow {
    /// Its idempotency key.
    pub key: String,
    /// The notification.
    pub notification: u64,
    /// The alert.
    pub alert: String,
    /// What happened.
    pub kind: String,
    /// The notification's title.
    pub title: String,
    /// The run that it is about.
    pub run: Option<RunId>,
    /// When the notification was raised.
    pub at: Timestamp,
    /// Where it goes.
    pub destination: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// What the destination answered.
    pub answer: Option<String>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Why this is not what the notifier wrote, but the plain message in its place.
    pub fault: Option<String>,
}

/// A delivery that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingDelivery {
    /// Its idempotency key.
    pub key: String,
    /// The notification.
    pub notification: u64,
    /// How often it was tried.
    pub tries: u32,
    /// When it is to be tried next.
    pub next_at: Timestamp,
    /// Where it goes.
    pub destination: String,
}

/// The part of a delivery that has no column.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
struct Body {
    request: Option<DeliveryRequest>,
    #[serde(default)]
    first_at: Option<Timestamp>,
    #[serde(default)]
    tried_at: Option<Timestamp>,
    #[serde(default)]
    answer: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

// What is pending is little, and has an index of its own; what is shown is what is newest.
pub(super) const PENDING_NOTIFICATIONS: &str =
    "SELECT id FROM notification WHERE state = 'pending' ORDER BY id";
pub(super) const PENDING_DELIVERIES: &str = "SELECT idempotency_key, notification, tries, next_at, destination FROM delivery WHERE state = 'pending' ORDER BY id";
pub(super) const NOTIFICATIONS_OF_RUN: &str =
    "SELECT id, alert, kind, at, run_id, state, body FROM notification
     WHERE run_id = ?1 ORDER BY id";
pub(super) const DELIVERIES: &str =
    "SELECT d.idempotency_key, d.notification, n.alert, n.kind, n.body, n.run_id, n.at, d.destination, d.state,
       d.tries, d.next_at, d.body
     FROM delivery AS d CROSS JOIN notification AS n ON n.id = d.notification ORDER BY d.id DESC LIMIT ?1";
pub(super) const DELIVERIES_OF_RUN: &str =
    "SELECT d.idempotency_key, d.notification, n.alert, n.kind, n.body, n.run_id, n.at, d.destination, d.state,
       d.tries, d.next_at, d.body
     FROM notification AS n CROSS JOIN delivery AS d ON d.notification = n.id WHERE n.run_id = ?1 ORDER BY n.id, d.id";
// What lies further back is of no interest any more.
pub(super) const NEWEST_RENDERED: &str = "SELECT id, alert, at, body FROM (SELECT * FROM notification ORDER BY id DESC LIMIT 500) WHERE state IN ('rendered', 'failed') ORDER BY id DESC";
pub(super) const USUAL: &str = "SELECT started_at, finished_at FROM run
     WHERE job = ?1 AND state = 'succeeded' ORDER BY id DESC LIMIT 20";

pub(super) fn load_standings(
    conn: &Connection,
    path: &Path,
) -> Result<BTreeMap<String, Standing>, StoreError> {
    let rows = || {
        conn.prepare("SELECT name, body FROM alert")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = rows().map_err(|e| explain(path, e))?;
    rows.into_iter().map(|(name, body)| Ok((name, from_json(path, "alert", &body)?))).collect()
}

pub(super) fn save_standing(conn: &Connection, name: &str, standing: &Standing) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO alert (name, body) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2",
    )?
    .execute(params![name, to_json(standing)?])?;
    Ok(())
}

/// What an event of an alert does to the outbox.
pub(super) fn post(conn: &Connection, id: u64, event: &AlertEvent) -> rusqlite::Result<()> {
    let insert = |kind: NotificationKind, run: Option<RunId>, state: &str, body: &NotificationBody| {
        conn.prepare_cached(
            "INSERT INTO notification (id, alert, kind, at, run_id, state, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            signed(id),
            event.alert,
            kind.as_str(),
            micros(event.at),
            run.map(|run| signed(run.0)),
            state,
            to_json(body)?
        ])?;
        rusqlite::Result::Ok(())
    };
    match &event.kind {
        AlertEventKind::NotificationRaised { notification, .. } => {
            let body = NotificationBody { title: notification.title.clone(), ..Default::default() };
            insert(notification.kind, notification.run.as_ref().map(|run| run.id), "pending", &body)
        }
        AlertEventKind::NotificationSuppressed { kind, title, run, reason, .. } => {
            let reason = Some(reason.clone());
            let body = NotificationBody { title: title.clone(), reason, ..Default::default() };
            insert(*kind, *run, "suppressed", &body)
        }
        AlertEventKind::NotificationRendered { notification, plugin, requests, fault } => {
            let known = "SELECT body FROM notification WHERE id = ?1 AND state = 'pending'";
            let known =
                conn.prepare_cached(known)?.query_row([signed(*notification)], |r| r.get::<_, String>(0));
            // It may have been forgotten meanwhile, and is rendered once.
            let Some(body) = known.optional()? else { return Ok(()) };
            let mut body: NotificationBody = serde_json::from_str(&body).unwrap_or_default();
            body.plugin.clone_from(plugin);
            body.fault.clone_from(fault);
            let state = if fault.is_some() && requests.is_empty() { "failed" } else { "rendered" };
            conn.prepare_cached("UPDATE notification SET state = ?2, body = ?3 WHERE id = ?1")?
                .execute(params![signed(*notification), state, to_json(&body)?])?;
            for Keyed { key, request } in requests {
                let body = Body { request: Some(request.clone()), ..Body::default() };
                conn.prepare_cached(
                    "INSERT INTO delivery (notification, idempotency_key, destination, state, tries, next_at, body)
                     VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?5) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    signed(*notification),
                    key,
                    request.destination,
                    micros(event.at),
                    to_json(&body)?
                ])?;
            }
            Ok(())
        }
        AlertEventKind::DeliveryTried { key, outcome, next_at } => {
            let known = "SELECT body FROM delivery WHERE idempotency_key = ?1 AND state = 'pending'";
            let known =
                conn.prepare_cached(known)?.query_row([key], |row| row.get::<_, String>(0)).optional()?;
            let Some(body) = known else { return Ok(()) };
            let mut body: Body = serde_json::from_str(&body).unwrap_or_default();
            body.first_at.get_or_insert(event.at);
            body.tried_at = Some(event.at);
            let state = match (outcome, next_at) {
                (DeliveryOutcome::Delivered { answer }, _) => {
                    (body.answer, body.error) = (Some(answer.clone()), None);
                    "delivered"
                }
                (DeliveryOutcome::Failed { error }, next_at) => {
                    body.error = Some(error.clone());
                    if next_at.is_some() { "pending" } else { "failed" }
                }
            };
            // Its event still has what is not needed any more.
            if state != "pending" {
                body.request = None;
            }
            conn.prepare_cached(
                "UPDATE delivery SET state = ?2, tries = tries + 1, next_at = ?3, body = ?4 WHERE idempotency_key = ?1",
            )?
            .execute(params![
                key,
                state,
                next_at.filter(|_| state == "pending").map(micros),
                to_json(&body)?
            ])?;
            Ok(())
        }
        AlertEventKind::StandingChanged { .. }
        | AlertEventKind::StandingKept { .. }
        | AlertEventKind::AlertSnoozed { .. } => Ok(()),
    }
}

impl Store {
    /// What an alert knows.
    pub fn standing(&self, alert: &str) -> Option<&Standing> {
        self.standings.as_ref()?.get(alert)
    }

    /// The notifications that no notifier has seen yet, oldest first.
    pub fn pending_notifications(&self) -> Result<Vec<u64>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(PENDING_NOTIFICATIONS)?
                .query_map([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(|e| explain(path, e))
    }

    /// A notification, with its id, and when it was raised.
    pub fn notification(&self, id: u64) -> Result<Option<(Notification, Timestamp)>, StoreError> {
        let (conn, path) = self.connection();
        notification(conn, path, id)
    }

    /// The deliveries that are to be made, or made again, oldest first.
    pub fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(PENDING_DELIVERIES)?
                .query_map([], |row| {
                    let pending = (row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?);
                    Ok((pending, row.get::<_, Option<i64>>(3)?, row.get::<_, String>(4)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = rows().map_err(|e| explain(path, e))?;
        let pending = rows.into_iter().map(|((key, notification, tries), next_at, destination)| {
            let notification = notification.unsigned_abs();
            let next_at = next_at.map_or(Timestamp::UNIX_EPOCH, timestamp);
            PendingDelivery { key, notification, tries, next_at, destination }
        });
        Ok(pending.collect())
    }

    /// What is to be sent under a key, and when that was tried first; none where it has arrived, or never will.
    pub fn request_of(&self, key: &str) -> Result<Option<(DeliveryRequest, Option<Timestamp>)>, StoreError> {
        let (conn, path) = self.connection();
        let body = conn
            .prepare_cached("SELECT body FROM delivery WHERE idempotency_key = ?1 AND state = 'pending'")
            .and_then(|mut s| s.query_row([key], |row| row.get::<_, String>(0)).optional())
            .map_err(|e| explain(path, e))?;
        let body = body.map(|body| from_json::<Body>(path, "delivery", &body)).transpose()?;
        Ok(body.and_then(|body| Some((body.request?, body.first_at))))
    }

    /// The alerts that have told something of a run, or were kept from it.
    pub fn alerts_told(&self, run: RunId, kind: NotificationKind) -> Result<Vec<String>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached("SELECT alert FROM notification WHERE run_id = ?1 AND kind = ?2")?
                .query_map(params![signed(run.0), kind.as_str()], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(|e| explain(path, e))
    }

    /// How long a job usually takes: the median of its last twenty runs that succeeded.
    pub fn usual_time(&self, job: &str) -> Result<Option<SignedDuration>, StoreError> {
        let (conn, path) = self.connection();
        let rows = || {
            conn.prepare_cached(USUAL)?
                .query_map([job], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = rows().map_err(|e| explain(path, e))?;
        let mut times: Vec<_> = rows
            .into_iter()
            .filter_map(|(began, ended)| Some(timestamp(ended?).duration_since(timestamp(began?))))
            .filter(|time| !time.is_negative())
            .collect();
        times.sort_unstable();
        Ok(times.get(times.len() / 2).copied())
    }

    /// Makes what an alert knows anew from its events, and says whether it was as they tell.
    pub fn rebuild_alert(&mut self, name: &str) -> Result<bool, StoreError> {
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let mut standing = Standing::default();
        let before = outbox_of(&transaction, name).map_err(sql)?;
        transaction.execute("DELETE FROM notification WHERE alert = ?1", [name]).map_err(sql)?;
        for (id, event) in events_of_alert(&transaction, &path, name, i64::MAX)? {
            alert::apply(&mut standing, &event);
            post(&transaction, id, &event).map_err(sql)?;
        }
        let outbox = before == outbox_of(&transaction, name).map_err(sql)?;
        let same = load_standings(&transaction, &path)?.get(name).cloned().unwrap_or_default() == standing;
        save_standing(&transaction, name, &standing).map_err(sql)?;
        transaction.commit().map_err(sql)?;
        self.standings = None;
        self.catch_up()?;
        Ok(same && outbox)
    }

    /// Removes notifications that are past the limits, with what was sent for them, oldest first, and says how many. What has
    /// not been sent stays. What their alerts know by them is kept in the place of the last of their events.
    pub fn forget_notifications(&mut self, limits: Retention, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = now
            .checked_sub(SignedDuration::from_hours(i64::from(limits.days) * 24))
            .unwrap_or(Timestamp::MIN);
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let pending = "SELECT min(id) FROM notification AS n WHERE state = 'pending' OR EXISTS
             (SELECT 1 FROM delivery WHERE notification = n.id AND state = 'pending')";
        let first_pending: Option<i64> = transaction.query_row(pending, [], |row| row.get(0)).map_err(sql)?;
        let last = "SELECT max(id) FROM notification WHERE id < ?3 AND (at < ?1
             OR id <= (SELECT id FROM notification ORDER BY id DESC LIMIT 1 OFFSET ?2))";
        let last: Option<i64> = transaction
            .query_row(
                last,
                params![micros(oldest), limits.ticks, first_pending.unwrap_or(i64::MAX)],
                |row| row.get(0),
            )
            .map_err(sql)?;
        let Some(last) = last else { return Ok(0) };
        let gone = transaction.execute("DELETE FROM notification WHERE id <= ?1", [last]).map_err(sql)?;
        let names = || {
            transaction
                .prepare(
                    "SELECT DISTINCT subject FROM event WHERE subject >= 'alert:' AND subject < 'alert;'",
                )?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        for subject in names().map_err(sql)? {
            let name = subject.trim_start_matches("alert:");
            let mut standing = Standing::default();
            let mut until = None;
            for (id, event) in events_of_alert(&transaction, &path, name, last)? {
                alert::apply(&mut standing, &event);
                until = Some((id, event));
            }
            let Some((id, event)) = until else { continue };
            if matches!(event.kind, AlertEventKind::StandingKept { .. }) {
                continue;
            }
            let write = || {
                let standing = serde_json::to_value(&standing)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
                let body = to_json(&AlertEventKind::StandingKept { standing })?;
                let older = "DELETE FROM event WHERE subject = ?1 AND id < ?2";
                transaction.execute(older, params![subject, signed(id)])?;
                let kept = "UPDATE event SET kind = 'standing_kept', body = ?2 WHERE id = ?1";
                transaction.execute(kept, params![signed(id), body])
            };
            write().map_err(sql)?;
        }
        transaction.commit().map_err(sql)?;
        Ok(gone)
    }
}

/// A notification as it stands in its row, and its body beside it.
pub(super) fn notification_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(NotificationRow, String)> {
    let row_of = NotificationRow {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        alert: row.get(1)?,
        kind: row.get(2)?,
        at: timestamp(row.get(3)?),
        run: row.get::<_, Option<i64>>(4)?.map(|id| RunId(id.unsigned_abs())),
        state: row.get(5)?,
        body: NotificationBody::default(),
    };
    Ok((row_of, row.get(6)?))
}

/// A delivery as it stands in its row.
pub(super) struct KeptDelivery {
    row: DeliveryRow,
    notification: String,
    body: String,
}

pub(super) fn delivery_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<KeptDelivery> {
    let row_of = DeliveryRow {
        key: row.get(0)?,
        notification: row.get::<_, i64>(1)?.unsigned_abs(),
        alert: row.get(2)?,
        kind: row.get(3)?,
        title: String::new(),
        run: row.get::<_, Option<i64>>(5)?.map(|id| RunId(id.unsigned_abs())),
        at: timestamp(row.get(6)?),
        destination: row.get(7)?,
        state: row.get(8)?,
        tries: row.get(9)?,
        next_at: row.get::<_, Option<i64>>(10)?.map(timestamp),
        tried_at: None,
        answer: None,
        error: None,
        fault: None,
    };
    Ok(KeptDelivery { row: row_of, notification: row.get(4)?, body: row.get(11)? })
}

impl KeptDelivery {
    pub(super) fn read(self, path: &Path) -> Result<DeliveryRow, StoreError> {
        let NotificationBody { title, fault, .. } = from_json(path, "notification", &self.notification)?;
        let Body { tried_at, answer, error, .. } = from_json(path, "delivery", &self.body)?;
        Ok(DeliveryRow { title, tried_at, answer, error, fault, ..self.row })
    }
}

type Outbox = Vec<(i64, String, String, Vec<(String, String, u32, Option<i64>, String)>)>;

fn outbox_of(conn: &Connection, name: &str) -> rusqlite::Result<Outbox> {
    let mut of = conn.prepare_cached(
        "SELECT idempotency_key, state, tries, next_at, body FROM delivery WHERE notification = ?1 ORDER BY id",
    )?;
    conn.prepare_cached("SELECT id, state, body FROM notification WHERE alert = ?1 ORDER BY id")?
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .map(|row| {
            let (id, state, body) = row?;
            let deliveries = of
                .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((id, state, body, deliveries))
        })
        .collect()
}

fn notification(
    conn: &Connection,
    path: &Path,
    id: u64,
) -> Result<Option<(Notification, Timestamp)>, StoreError> {
    let row = conn
        .prepare_cached("SELECT at, body FROM event WHERE id = ?1 AND kind = 'notification_raised'")
        .and_then(|mut s| {
            s.query_row([signed(id)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()
        })
        .map_err(|e| explain(path, e))?;
    let Some((at, body)) = row else { return Ok(None) };
    Ok(match from_json(path, "event", &body)? {
        AlertEventKind::NotificationRaised { notification, .. } => {
            Some((Notification { id: id.to_string(), ..*notification }, timestamp(at)))
        }
        _ => None,
    })
}

/// The events of an alert up to a number, oldest first.
fn events_of_alert(
    conn: &Connection,
    path: &Path,
    name: &str,
    last: i64,
) -> Result<Vec<(u64, AlertEvent)>, StoreError> {
    let rows = || {
        conn.prepare_cached("SELECT id, at, body FROM event WHERE subject = ?1 AND id <= ?2 ORDER BY id")?
            .query_map(params![format!("alert:{name}"), last], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = rows().map_err(|e| explain(path, e))?;
    rows.into_iter()
        .map(|(id, at, body)| {
            let kind = from_json(path, "event", &body)?;
            Ok((id.unsigned_abs(), AlertEvent { alert: name.to_owned(), at: timestamp(at), kind }))
        })
        .collect()
}

impl Reader {
    /// What each alert knows, by its name.
    pub fn standings(&self) -> Result<BTreeMap<String, Standing>, StoreError> {
        match self.connection() {
            Some((conn, path)) => load_standings(conn, path),
            None => Ok(BTreeMap::new()),
        }
    }

    /// What was to be told of a run, oldest first, what was suppressed included.
    pub fn notifications_of(&self, run: RunId) -> Result<Vec<NotificationRow>, StoreError> {
        let rows = self.query(NOTIFICATIONS_OF_RUN, [signed(run.0)], notification_of)?;
        let path = self.path();
        rows.into_iter()
            .map(|(row, body)| Ok(NotificationRow { body: from_json(path, "notification", &body)?, ..row }))
            .collect()
    }

    /// Deliveries, newest first.
    pub fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, StoreError> {
        self.deliveries_by(DELIVERIES, i64::from(limit))
    }

    /// What was sent of a run, oldest first.
    pub fn deliveries_of(&self, run: RunId) -> Result<Vec<DeliveryRow>, StoreError> {
        self.deliveries_by(DELIVERIES_OF_RUN, signed(run.0))
    }

    fn deliveries_by(&self, sql: &str, of: i64) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = self.query(sql, [of], delivery_of)?;
        rows.into_iter().map(|row| row.read(self.path())).collect()
    }

    /// The alerts whose notifier could not write the last notification that it was given: which, when, and why.
    pub fn faults(&self) -> Result<BTreeMap<String, (u64, Timestamp, String)>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(BTreeMap::new()) };
        let rows = || {
            conn.prepare_cached(NEWEST_RENDERED)?
                .query_map([], |row| {
                    let id = row.get::<_, i64>(0)?.unsigned_abs();
                    Ok((id, row.get::<_, String>(1)?, timestamp(row.get(2)?), row.get::<_, String>(3)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut newest: BTreeMap<String, Option<(u64, Timestamp, String)>> = BTreeMap::new();
        for (id, alert, at, body) in rows().map_err(|e| explain(path, e))? {
            let body: NotificationBody = from_json(path, "notification", &body)?;
            newest.entry(alert).or_insert_with(|| body.fault.map(|fault| (id, at, fault)));
        }
        Ok(newest.into_iter().filter_map(|(alert, fault)| Some((alert, fault?))).collect())
    }

    /// A notification, as it was raised.
    pub fn notification(&self, id: u64) -> Result<Option<(Notification, Timestamp)>, StoreError> {
        match self.connection() {
            Some((conn, path)) => notification(conn, path, id),
            None => Ok(None),
        }
    }
}
