//! An attempt's folder: what is asked of the attempt process, and what it leaves behind.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Ladder, identity::is_alive};
use crate::model::{AttemptIdentity, ExitStatus};

/// A folder `runs/RUN/STEP.ATTEMPT` of the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFolder(pub PathBuf);

/// What an attempt process is asked to do. The environment is not in it: dbt inherits the attempt process's own, so that
/// no secret is written to disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptSpec {
    /// dbt's executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Names of environment variables whose values must not be in any file.
    pub secrets: Vec<String>,
    /// How much of what dbt says is kept.
    pub caps: Caps,
    /// How dbt is stopped.
    pub ladder: Ladder,
    /// Files below the target folder that are removed once dbt has ended.
    pub discard: Vec<PathBuf>,
    /// Files below the target folder that are compressed then.
    pub compress: Vec<PathBuf>,
}

/// Bounds of an attempt's log, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// The longest line; the rest of a longer one is replaced by a mark.
    pub line: usize,
    /// The whole log; what comes behind it is counted and not kept.
    pub log: u64,
    /// How long dbt is held up by a full disk before lines are given up, in milliseconds.
    pub patience_ms: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { line: 16 << 20, log: 4 << 30, patience_ms: 60_000 }
    }
}

/// The processes of an attempt, to find them again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// The attempt process.
    pub attempt: Option<AttemptIdentity>,
    /// dbt, which leads a process group of its own.
    pub dbt: Option<AttemptIdentity>,
}

impl AttemptFolder {
    /// Makes the folder, readable for its owner only, and writes what is asked.
    pub fn create(&self, spec: &AttemptSpec) -> io::Result<()> {
        make_private(&self.0)?;
        // It may have been there, made by someone who needed a folder in it.
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))?;
        self.0.parent().map_or(Ok(()), sync_dir)?;
        write_durably(&self.spec_file(), &serde_json::to_vec_pretty(spec)?)
    }

    /// Where dbt writes its artifacts.
    pub fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    /// The log while dbt runs.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// The log once dbt has ended.
    pub fn compressed_log(&self) -> PathBuf {
        self.0.join("log.jsonl.zst")
    }

    /// What the attempt process itself had to say, which should be nothing.
    pub fn errors(&self) -> PathBuf {
        self.0.join("attempt.err")
    }

    pub(super) fn spec_file(&self) -> PathBuf {
        self.0.join("attempt.json")
    }

    /// What is asked.
    pub fn spec(&self) -> io::Result<AttemptSpec> {
        Ok(serde_json::from_slice(&fs::read(self.spec_file())?)?)
    }

    /// Makes sure that an attempt process never starts dbt, unless its [`processes`](Self::processes) are written down by
    /// the time this returns.
    pub fn withdraw(&self) -> io::Result<()> {
        match fs::remove_file(self.spec_file()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Whether nobody has withdrawn it.
    pub(super) fn is_wanted(&self) -> bool {
        self.spec_file().exists()
    }

    /// Why dbt was not even started, in the last words of an attempt process that is gone without an exit record.
    pub fn last_words(&self) -> Option<String> {
        if self.processes().dbt.is_some() {
            return None;
        }
        let words = fs::read(self.errors()).ok()?;
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        (!words.is_empty()).then_some(words)
    }

    /// The processes, as far as they have been started.
    pub fn processes(&self) -> Processes {
        read_json(&self.0.join("processes.json")).unwrap_or_default()
    }

    pub(super) fn write_processes(&self, processes: &Processes) -> io::Result<()> {
        write_durably(&self.0.join("processes.json"), &serde_json::to_vec(processes)?)
    }

    /// Holds the folder for as long as the file is open: how a host in another container, which sees no process of this one,
    /// knows that somebody is there.
    pub(super) fn hold(&self) -> io::Result<File> {
        let held = create_private(&self.0.join("held"))?;
        held.try_lock()?;
        Ok(held)
    }

    /// Whether an attempt process holds the folder.
    fn is_held(&self) -> bool {
        let file = File::open(self.0.join("held"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Whether the attempt process is there: the one of which is known how to find it, or one in another container.
    pub fn is_alive(&self, known: Option<&AttemptIdentity>) -> bool {
        let written = || self.processes().attempt;
        known.cloned().or_else(written).as_ref().is_some_and(is_alive) || self.is_held()
    }

    /// Whether the attempt process has been asked to stop dbt.
    pub fn is_asked(&self) -> bool {
        self.0.join("asked").exists()
    }

    /// Leaves a note that someone has asked, so that whoever comes next does not ask again, and thereby hurries it. On a
    /// full disk there is none.
    pub(super) fn note_asked(&self) {
        let _ = create_private(&self.0.join("asked"));
    }

    /// Takes away what is only for the time of its life: the exit record says all from then on.
    pub(super) fn forget_notes(&self) {
        let _ = fs::remove_file(self.0.join("asked"));
        let _ = fs::remove_file(self.0.join("held"));
    }

    /// How dbt ended; none while it runs.
    pub fn exit(&self) -> Option<ExitStatus> {
        read_json(&self.0.join("exit.json"))
    }

    /// Takes the space for the exit record in advance, so that a full disk cannot keep it from being written.
    pub(super) fn reserve_exit(&self) -> io::Result<File> {
        let mut file = create_private(&self.0.join("exit.json.reserved"))?;
        file.write_all(&[b' '; EXIT_SIZE])?;
        file.sync_all()?;
        Ok(file)
    }

    pub(super) fn write_exit(&self, mut reserved: File, exit: &ExitStatus) -> io::Result<()> {
        reserved.seek(SeekFrom::Start(0))?;
        reserved.write_all(&exit_record(exit)?)?;
        reserved.sync_all()?;
        fs::rename(self.0.join("exit.json.reserved"), self.0.join("exit.json"))?;
        sync_dir(&self.0)
    }
}

/// The size of an exit record on disk.
const EXIT_SIZE: usize = 4096;

/// An exit record of exactly its size; a sentence that is too long for it loses its end.
fn exit_record(exit: &ExitStatus) -> io::Result<Vec<u8>> {
    let mut exit = exit.clone();
    let mut bytes = serde_json::to_vec(&exit)?;
    while bytes.len() > EXIT_SIZE
        && let Some(sentence) = exit.spawn_error.as_mut().filter(|sentence| !sentence.is_empty())
    {
        let half = sentence.floor_char_boundary(sentence.len() / 2);
        sentence.truncate(half);
        sentence.push('…');
        bytes = serde_json::to_vec(&exit)?;
    }
    bytes.resize(EXIT_SIZE, b' ');
    Ok(bytes)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Makes a folder, and those above it that are not there, for its owner alone. One that is there stays as it is.
pub fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the state directory. What is kept there is nobody else's business, version control's included.
pub fn make_state_dir(dir: &Path) -> io::Result<()> {
    make_private(dir)?;
    let ignore = dir.join(".gitignore");
    if ignore.exists() { Ok(()) } else { fs::write(ignore, "*\n") }
}

/// Makes a file that its owner alone can read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}

/// Writes a file that its owner alone can read so that it is there as a whole or not at all, whatever happens.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = create_private(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_exit_record_has_one_size_and_is_always_whole() {
        for length in [0, 10, 3_000, 3_900, 4_000, 5_000, 100_000] {
            for filling in ["x", "\"", "\u{1}", "€"] {
                let exit = ExitStatus {
                    code: None,
                    signal: None,
                    spawn_error: Some(filling.repeat(length)),
                    cancelled: false,
                    leaked: false,
                    cpu_seconds: 1.5,
                    peak_memory: 1,
                    lost_lines: 2,
                    at: Timestamp::UNIX_EPOCH,
                };
                let record = exit_record(&exit).unwrap();
                assert_eq!(record.len(), EXIT_SIZE);
                let read: ExitStatus = serde_json::from_slice(&record).unwrap();
                assert!(read.spawn_error.unwrap().starts_with(&filling.repeat(length.min(100))));
            }
        }
    }
}
