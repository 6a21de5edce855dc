//! Plugins as rows: what is known of those of the folder, and the record of calls.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    Reader, Store, StoreError,
    retention::{Retention, oldest},
    rows::{from_json, micros, signed, timestamp, to_json},
    schema::explain,
};
use crate::{
    fold,
    model::{CallCost, PluginCall, PluginEvent, PluginRecord, PluginState},
};

/// Most of what plugins are told is repetitive JSON.
const LEVEL: i32 = 3;

/// More than this is not kept of what a plugin was told, nor of what it answered, in bytes.
const MOST_KEPT: usize = 256 << 10;

/// So many calls are kept, the newest ones.
pub const CALLS_KEPT: u64 = 10_000;

/// As many calls go at a time.
const AT_A_TIME: u64 = 10_000;

pub(super) const CALLS: &str =
    "SELECT at, kind, name, version, digest, subject, input, answer, micros, peak_memory, verdict
     FROM plugin_call WHERE name = ?1 ORDER BY id DESC LIMIT ?2";

/// A call of a plugin in a list: what it was told is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRow {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The plugin that was called.
    pub plugin: PluginRecord,
    /// What it was about, such as `run 12.1.2` or `notification 481`.
    pub subject: String,
    /// What it answered; none where it faulted.
    pub answer: Option<Value>,
    /// What it cost.
    pub cost: CallCost,
    /// `ok`, or how it faulted.
    pub verdict: String,
}

/// A call as it stands in its row.
pub(super) struct KeptCall {
    call: PluginCall,
    input: Vec<u8>,
    answer: Option<String>,
}

pub(super) fn call_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<KeptCall> {
    let call = PluginCall {
        at: timestamp(row.get(0)?),
        plugin: record_of(row)?,
        subject: row.get(5)?,
        input: Value::Null,
        answer: None,
        cost: cost_of(row, 8)?,
        verdict: row.get(10)?,
    };
    Ok(KeptCall { call, input: row.get(6)?, answer: row.get(7)? })
}

/// A call without what it was told, and the text of its answer beside it.
pub(super) fn call_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(CallRow, Option<String>)> {
    let call = CallRow {
        id: row.get::<_, i64>(10)?.unsigned_abs(),
        at: timestamp(row.get(0)?),
        plugin: record_of(row)?,
        subject: row.get(5)?,
        answer: None,
        cost: cost_of(row, 7)?,
        verdict: row.get(9)?,
    };
    Ok((call, row.get(6)?))
}

fn record_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<PluginRecord> {
    Ok(PluginRecord { kind: row.get(1)?, name: row.get(2)?, version: row.get(3)?, digest: row.get(4)? })
}

fn cost_of(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<CallCost> {
    Ok(CallCost {
        micros: row.get::<_, i64>(from)?.unsigned_abs(),
        peak_memory: row.get::<_, i64>(from + 1)?.unsigned_abs(),
    })
}

impl KeptCall {
    pub(super) fn read(self, path: &Path) -> Result<PluginCall, StoreError> {
        let unreadable = |reason: std::io::Error| StoreError::Row {
            path: path.to_owned(),
            table: "plugin_call",
            reason: reason.to_string(),
        };
        let input = zstd::decode_all(self.input.as_slice()).map_err(unreadable)?;
        let input = from_json(path, "plugin_call", &String::from_utf8_lossy(&input))?;
        let answer = self.answer.map(|answer| from_json(path, "plugin_call", &answer)).transpose()?;
        Ok(PluginCall { input, answer, ..self.call })
    }
}

/// Keeps what an event makes of its plugin.
pub(super) fn save_plugin(conn: &Connection, event: &PluginEvent) -> rusqlite::Result<()> {
    match fold::plug(event) {
        Some(state) => conn
            .prepare_cached(
                "INSERT INTO plugin (name, body) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2",
            )?
            .execute(params![state.name, to_json(&state)?])?,
        None => conn.prepare_cached("DELETE FROM plugin WHERE name = ?1")?.execute([&event.plugin])?,
    };
    Ok(())
}

fn load_plugins(conn: &Connection, path: &Path) -> Result<BTreeMap<String, PluginState>, StoreError> {
    let rows = || {
        conn.prepare_cached("SELECT name, body FROM plugin")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = rows().map_err(|e| explain(path, e))?;
    rows.into_iter().map(|(name, body)| Ok((name, from_json(path, "plugin", &body)?))).collect()
}

pub(super) fn save_call(conn: &Connection, call: &PluginCall) -> rusqlite::Result<()> {
    let input = to_json(&call.input)?;
    let input = if input.len() > MOST_KEPT { to_json(&cut(&call.input, input.len()))? } else { input };
    let input = zstd::encode_all(input.as_bytes(), LEVEL)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    let answer = call.answer.as_ref().map(to_json).transpose()?;
    let answer = match answer {
        Some(answer) if answer.len() > MOST_KEPT => Some(to_json(&cut(&Value::Null, answer.len()))?),
        answer => answer,
    };
    conn.prepare_cached(
        "INSERT INTO plugin_call (at, kind, name, version, digest, subject, input, answer, micros, peak_memory, verdict)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        micros(call.at),
        call.plugin.kind,
        call.plugin.name,
        call.plugin.version,
        call.plugin.digest,
        call.subject,
        input,
        answer,
        signed(call.cost.micros),
        signed(call.cost.peak_memory),
        call.verdict,
    ])?;
    Ok(())
}

/// What is kept in the place of what is too large: its size, and the configuration, which is small as a rule.
fn cut(whole: &Value, bytes: usize) -> Value {
    let mut kept =
        json!({ "cut": format!("{bytes} bytes of JSON, of which {MOST_KEPT} would have been kept") });
    if let Some(config) = whole.get("config").filter(|config| config.to_string().len() < MOST_KEPT / 4) {
        kept["config"] = config.clone();
    }
    kept
}

impl Store {
    /// What is known of the plugins of the folder, by name.
    pub fn plugins(&self) -> Result<BTreeMap<String, PluginState>, StoreError> {
        let (conn, path) = self.connection();
        load_plugins(conn, path)
    }

    /// Makes what is known of the plugins anew from their events, and says whether it was as the events tell.
    pub fn rebuild_plugins(&mut self) -> Result<bool, StoreError> {
        let before = self.plugins()?;
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let sql = |e| explain(&path, e);
        let transaction = conn.transaction().map_err(sql)?;
        let rows = || {
            transaction
                .prepare("SELECT subject, at, body FROM event WHERE subject >= 'plugin:' AND subject < 'plugin;' ORDER BY id")?
                .query_map([], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = rows().map_err(sql)?;
        transaction.execute("DELETE FROM plugin", []).map_err(sql)?;
        for (subject, at, body) in rows {
            let plugin = subject.trim_start_matches("plugin:").to_owned();
            let event = PluginEvent { plugin, at: timestamp(at), kind: from_json(&path, "event", &body)? };
            save_plugin(&transaction, &event).map_err(sql)?;
        }
        transaction.commit().map_err(sql)?;
        Ok(self.plugins()? == before)
    }

    /// Removes calls of plugins that are past the limits, oldest first, and says how many.
    pub fn forget_calls(&mut self, limits: Retention, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = micros(oldest(limits, now));
        let (conn, path) = self.connection_mut();
        let path = path.to_owned();
        let mut forget = || {
            let transaction = conn.transaction()?;
            // They are written in the order of their numbers: behind one that stays all others stay.
            let last = "SELECT coalesce(max(id), 0) FROM plugin_call";
            let last: i64 = transaction.query_row(last, [], |row| row.get(0))?;
            let surplus = last.saturating_sub(signed(CALLS_KEPT));
            let mut until = None;
            {
                let mut old =
                    transaction.prepare_cached("SELECT id, at FROM plugin_call ORDER BY id LIMIT ?1")?;
                let mut rows = old.query([signed(AT_A_TIME)])?;
                while let Some(row) = rows.next()? {
                    let (id, at): (i64, i64) = (row.get(0)?, row.get(1)?);
                    if id > surplus && at >= oldest {
                        break;
                    }
                    until = Some(id);
                }
            }
            let gone = match until {
                Some(until) => transaction.execute("DELETE FROM plugin_call WHERE id <= ?1", [until])?,
                None => 0,
            };
            transaction.commit()?;
            Ok(gone)
        };
        forget().map_err(|e| explain(&path, e))
    }
}

impl Reader {
    /// What the host knows of the plugins of the folder, by name.
    pub fn plugins(&self) -> Result<BTreeMap<String, PluginState>, StoreError> {
        match self.connection() {
            Some((conn, path)) => load_plugins(conn, path),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The calls of the plugins that call themselves so, newest first.
    pub fn plugin_calls(&self, name: &str, limit: u32) -> Result<Vec<PluginCall>, StoreError> {
        let Some((conn, path)) = self.connection() else { return Ok(Vec::new()) };
        let mut statement = conn.prepare_cached(CALLS).map_err(|e| explain(path, e))?;
        let rows = statement.query_map(params![name, limit], call_of);
        let rows = rows.and_then(|rows| rows.collect::<rusqlite::Result<Vec<_>>>());
        rows.map_err(|e| explain(path, e))?.into_iter().map(|row| row.read(path)).collect()
    }
}
