//! Opening the database: settings, versions and migrations.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ffi::ErrorCode};

use super::StoreError;
use crate::crash;

/// Marks the file as Tidegate's: the letters "tdgt".
const APPLICATION_ID: i64 = 0x7464_6774;

/// How long a lock is waited for. A reader never holds one that the writer needs, but for the moment of a recovery.
const BUSY: Duration = Duration::from_secs(5);

/// Each brings the database from the version of its position to the next.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_runs.sql"),
    include_str!("migrations/002_automation.sql"),
    include_str!("migrations/003_alerts.sql"),
    include_str!("migrations/004_audit.sql"),
];

/// Opens for writing, creating and migrating as needed.
pub(super) fn open_writer(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    if let Some(dir) = path.parent() {
        refuse_network_file_systems(dir)?;
    }
    usable(path, true)?;
    let mut conn = Connection::open(path).map_err(|e| explain(path, e))?;
    let setup = |conn: &Connection| {
        conn.busy_timeout(BUSY)?;
        // A commit must survive the loss of power: a request that was accepted is never lost.
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        // A reader that took its time leaves a long log behind; it need not stay so.
        conn.pragma_update(None, "journal_size_limit", 16 << 20)
    };
    let version = check_version(&conn, path, migrations.len())?;
    setup(&conn).map_err(|e| explain(path, e))?;
    migrate(&mut conn, path, version, migrations)?;
    Ok(conn)
}

/// Opens for reading only; none where there is no database yet.
pub(super) fn open_reader(path: &Path, migrations: &[&str]) -> Result<Option<Connection>, StoreError> {
    if !usable(path, false)? {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| explain(path, e))?;
    let setup = || {
        conn.busy_timeout(BUSY)?;
        conn.pragma_update(None, "trusted_schema", false)
    };
    setup().map_err(|e| explain(path, e))?;
    match check_version(&conn, path, migrations.len())? {
        // A database without tables is one whose first host is just starting, or was stopped then.
        0 => Ok(None),
        version if version < migrations.len() => {
            Err(StoreError::TooOld { path: path.to_owned(), found: version, known: migrations.len() })
        }
        _ => Ok(Some(conn)),
    }
}

/// Whether there is a file, and that it can be opened: the system says better than SQLite why it cannot.
fn usable(path: &Path, writing: bool) -> Result<bool, StoreError> {
    let unusable = |reason: String| StoreError::Unusable { path: path.to_owned(), reason };
    let said = |e: io::Error| match e.kind() {
        ErrorKind::PermissionDenied => unusable("permission denied".to_owned()),
        ErrorKind::ReadOnlyFilesystem => unusable("its file system is read-only".to_owned()),
        _ => unusable(e.to_string()),
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err(unusable("it is a folder, not a file".to_owned())),
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(said(e)),
    }
    File::options().read(true).write(writing).open(path).map_err(said)?;
    Ok(true)
}

fn check_version(conn: &Connection, path: &Path, known: usize) -> Result<usize, StoreError> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || Ok((pragma("application_id")?, pragma("user_version")?, pragma("schema_version")?));
    let (application, version, schema) = read().map_err(|e| explain(path, e))?;
    if schema == 0 {
        return Ok(0);
    }
    match usize::try_from(version) {
        Ok(version) if application == APPLICATION_ID && version > 0 => {
            if version > known {
                return Err(StoreError::TooNew { path: path.to_owned(), found: version, known });
            }
            Ok(version)
        }
        _ => Err(StoreError::Foreign(path.to_owned())),
    }
}

fn migrate(
    conn: &mut Connection,
    path: &Path,
    version: usize,
    migrations: &[&str],
) -> Result<(), StoreError> {
    if version > 0 && version < migrations.len() {
        back_up(conn, path, version)?;
    }
    for (number, sql) in migrations.iter().enumerate().skip(version) {
        let mut apply = || {
            let transaction = conn.transaction()?;
            transaction.execute_batch(sql)?;
            crash::point("store.mid-migration");
            transaction.pragma_update(None, "user_version", number as i64 + 1)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.commit()
        };
        apply().map_err(|e| explain(path, e))?;
    }
    Ok(())
}

/// Keeps a copy of the database as it is, once; half a copy is none.
fn back_up(conn: &Connection, path: &Path, version: usize) -> Result<(), StoreError> {
    let backup = path.with_extension(format!("v{version}.db"));
    if backup.exists() {
        return Ok(());
    }
    let half = path.with_extension(format!("v{version}.db.half"));
    let unusable = |e: io::Error| StoreError::Unusable { path: half.clone(), reason: e.to_string() };
    match std::fs::remove_file(&half) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(unusable(e)),
        _ => {}
    }
    conn.execute("VACUUM INTO ?1", [half.to_string_lossy()]).map_err(|e| explain(path, e))?;
    let keep = || {
        File::open(&half)?.sync_all()?;
        std::fs::rename(&half, &backup)
    };
    keep().map_err(unusable)
}

/// What SQLite said, in the words of the store.
pub(super) fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    use rusqlite::Error;
    let path = path.to_owned();
    match (error.sqlite_error_code(), &error) {
        (Some(ErrorCode::DiskFull), _) => StoreError::DiskFull(path),
        // Where memory-mapped files cannot grow, SQLite knows no better than that something is wrong with the disk.
        (Some(ErrorCode::SystemIoFailure), _) if is_full(&path) => StoreError::DiskFull(path),
        // The last of them is what a statement gets that does not find its table.
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown), _) => {
            StoreError::Damaged { path, reason: error.to_string() }
        }
        (Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied), _) => {
            StoreError::Unusable { path, reason: error.to_string() }
        }
        (_, Error::ToSqlConversionFailure(reason)) => {
            StoreError::Unwritable { path, reason: reason.to_string() }
        }
        // STRICT tables hold what they are declared to hold, unless something else has written into the file.
        (
            _,
            Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..),
        ) => StoreError::Damaged { path, reason: error.to_string() },
        _ => StoreError::Sqlite { path, source: error },
    }
}

fn is_full(path: &Path) -> bool {
    let dir = path.parent().unwrap_or(path);
    nix::sys::statvfs::statvfs(dir)
        .is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() < 64 << 10)
}

/// SQLite's locks, and ours, mean nothing on some network file systems.
#[cfg(target_os = "linux")]
fn refuse_network_file_systems(dir: &Path) -> Result<(), StoreError> {
    use nix::sys::statfs;
    let Ok(stat) = statfs::statfs(dir) else { return Ok(()) };
    let kinds = [
        (statfs::NFS_SUPER_MAGIC, "NFS"),
        (statfs::SMB_SUPER_MAGIC, "SMB"),
        (statfs::CODA_SUPER_MAGIC, "Coda"),
    ];
    let found = kinds.iter().find(|(magic, _)| stat.filesystem_type() == *magic);
    // CIFS and SMB 2 have numbers of their own, which the crate does not name.
    let raw = stat.filesystem_type().0;
    let kind = found
        .map(|(_, kind)| *kind)
        .or([0xFF53_4D42, 0xFE53_4D42].contains(&(raw & 0xFFFF_FFFF)).then_some("CIFS"));
    match kind {
        Some(kind) => Err(StoreError::NetworkFileSystem { path: dir.to_owned(), kind }),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network_file_systems(_: &Path) -> Result<(), StoreError> {
    Ok(())
}
