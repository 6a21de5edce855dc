//! What can be wrong with the database.

use std::path::PathBuf;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("{}: the disk is full, and nothing was recorded", .0.display())]
    DiskFull(PathBuf),
    /// It is damaged, or not a database.
    #[error("{}: the database is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// It is a database of something else.
    #[error("{}: this is a database, but not one of Tidegate", .0.display())]
    Foreign(PathBuf),
    /// A newer Tidegate wrote it.
    #[error("{}: the database has version {found}, and this Tidegate reads up to {known}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that this binary knows.
        known: usize,
    },
    /// An older Tidegate wrote it, and no host has brought it up to date since.
    #[error("{}: the database has version {found}, and this Tidegate reads version {known}", path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The version that this binary knows.
        known: usize,
    },
    /// It lies where its locks cannot be trusted.
    #[error("{}: the state directory is on a network file system ({kind})", path.display())]
    NetworkFileSystem {
        /// The directory.
        path: PathBuf,
        /// Which.
        kind: &'static str,
    },
    /// It cannot be opened as a file.
    #[error("{}: the database cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something has text in it that cannot be kept.
    #[error("{}: cannot be recorded: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else that SQLite reports.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// A row that does not say what it should.
    #[error("{}: a row of table `{table}` cannot be read: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(u64),
}

impl StoreError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DiskFull(_) => {
                "free some space and run it again: what was recorded before is safe".to_owned()
            }
            Self::Damaged { path, .. } | Self::Row { path, .. } => format!(
                "move it away (`mv {0} {0}.damaged`, with its -wal and -shm files) and start again: runs keep their logs \
                 in `runs/`, and numbers go on behind them",
                path.display()
            ),
            Self::Foreign(_) => "point `state_dir` at a folder of Tidegate's own".to_owned(),
            Self::TooNew { .. } => "use the newer Tidegate that wrote it, or another `state_dir`".to_owned(),
            Self::TooOld { .. } => {
                "the next run brings it up to date, and keeps a copy of it as it was".to_owned()
            }
            Self::NetworkFileSystem { .. } => {
                "set `state_dir` (or TIDEGATE_STATE_DIR) to a folder on a local disk".to_owned()
            }
            Self::Unusable { .. } => {
                "the user who runs Tidegate has to be able to read and write it, and the folder that it is in"
                    .to_owned()
            }
            Self::NoSuchRun(_) => "`tidegate runs` lists them".to_owned(),
            Self::Sqlite { .. } | Self::Unwritable { .. } => return None,
        })
    }
}
