//! Tokens as rows: what their events make of them. Of a token there are digests only.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::{
    Reader, Store, StoreError,
    rows::{micros, timestamp},
    schema::explain,
};
use crate::model::{HostEvent, HostEventKind, Role, Token, TokenDigests};

/// A token as it is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToken {
    /// The token.
    pub token: Token,
    /// How.
    pub digests: TokenDigests,
}

/// Writes what an event makes of tokens.
pub(super) fn save_token(conn: &Connection, event: &HostEvent) -> rusqlite::Result<()> {
    let at = micros(event.at);
    match &event.kind {
        HostEventKind::TokenCreated { name, role, digests, .. } => conn
            .prepare_cached(
                "INSERT OR REPLACE INTO token (name, role, digest, session, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![name, role.as_str(), digests.token, digests.session, at])?,
        HostEventKind::TokenRotated { name, digests, .. } => conn
            .prepare_cached("UPDATE token SET digest = ?2, session = ?3, rotated_at = ?4 WHERE name = ?1")?
            .execute(params![name, digests.token, digests.session, at])?,
        HostEventKind::TokenRevoked { name, .. } => {
            conn.prepare_cached("DELETE FROM token WHERE name = ?1")?.execute([name])?
        }
        _ => 0,
    };
    Ok(())
}

fn load_tokens(conn: &Connection, path: &Path) -> Result<Vec<KnownToken>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(KnownToken {
            token: Token {
                name: row.get(0)?,
                // What nobody knows may do the least.
                role: if row.get::<_, String>(1)? == "operate" { Role::Operate } else { Role::Read },
                created_at: timestamp(row.get(4)?),
                rotated_at: row.get::<_, Option<i64>>(5)?.map(timestamp),
            },
            digests: TokenDigests { token: row.get(2)?, session: row.get(3)? },
        })
    };
    let rows = || {
        conn.prepare_cached(
            "SELECT name, role, digest, session, created_at, rotated_at FROM token ORDER BY name",
        )?
        .query_map([], read)?
        .collect::<rusqlite::Result<Vec<_>>>()
    };
    rows().map_err(|e| explain(path, e))
}

impl Reader {
    /// The tokens, by name.
    pub fn tokens(&self) -> Result<Vec<KnownToken>, StoreError> {
        match self.connection() {
            Some((conn, path)) => load_tokens(conn, path),
            None => Ok(Vec::new()),
        }
    }
}

impl Store {
    /// The tokens, by name.
    pub fn tokens(&self) -> Result<Vec<KnownToken>, StoreError> {
        let (conn, path) = self.connection();
        load_tokens(conn, path)
    }
}
