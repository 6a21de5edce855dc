//! What the host sees of files that are not its own: those that sensors wait for, and those that tell where dbt writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::WriteLocks;
use crate::{config, dbt, process};

/// More files than this are no inbox.
const MOST_FILES: usize = 10_000;

/// The files that match a glob: a mark for each as it is now, with its path. Another mark is another state of the file.
pub(super) fn files(glob: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let paths = glob::glob(glob).map_err(|e| e.to_string())?;
    for path in paths {
        let path = path.map_err(|e| format!("{}: {}", e.path().display(), e.error()))?;
        // What is gone again has not arrived.
        let Some(meta) = path.metadata().ok().filter(Metadata::is_file) else { continue };
        let path = path.to_string_lossy().into_owned();
        let state =
            format!("{path}\0{}\0{}\0{}\0{}", meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino());
        let mark = blake3::hash(state.as_bytes()).to_hex();
        found.insert(mark[..16].to_owned(), path);
        if found.len() > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files match"));
        }
    }
    Ok(found)
}

/// A state of a file, as far as the file system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    /// That of no file: it is nobody's but a missing one's.
    pub(super) fn unknown() -> Self {
        Self(None)
    }

    pub(super) fn of(file: &Path) -> Self {
        let meta = file.metadata().ok();
        Self(meta.map(|meta| (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino())))
    }
}

/// What profiles say about the files that dbt writes to; read again only where they have changed.
#[derive(Default)]
pub(super) struct Profiles {
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

#[derive(PartialEq)]
struct Known {
    stamps: Vec<(PathBuf, Stamp)>,
    files: Result<BTreeSet<PathBuf>, String>,
}

/// The locks of the files that some steps of a project write to.
pub fn write_locks<'a>(project: &config::Project, steps: impl Iterator<Item = &'a [String]>) -> WriteLocks {
    let files = steps.map(|args| dbt::duckdb_files(&call(project, args)).map_err(|e| e.to_string()));
    locks(&project.name, files)
}

/// A call of dbt as its profile sees it: dbt gets fewer variables than the profile may read here, and one that it misses it
/// says itself.
pub(super) fn call(project: &config::Project, args: &[String]) -> dbt::Invocation {
    let (program, nowhere) = (project.dbt.program.clone(), Path::new("/"));
    let own = std::iter::empty();
    let call = dbt::invocation(&project.dbt, program, args, nowhere, own, &Default::default(), &[]);
    let env = process::environment().chain(call.env).collect();
    dbt::Invocation { env, ..call }
}

/// A lock for each of the files of a project's calls, or one for the project where they are not known.
pub(super) fn locks(
    project: &str,
    calls: impl Iterator<Item = Result<BTreeSet<PathBuf>, String>>,
) -> WriteLocks {
    match calls.collect::<Result<Vec<_>, _>>() {
        Ok(files) => {
            let files: BTreeSet<_> = files.into_iter().flatten().collect();
            let locks = files.iter().map(|file| format!("duckdb:{}", file.display())).collect();
            WriteLocks { locks, note: None }
        }
        Err(why) => WriteLocks {
            locks: vec![format!("project:{project}")],
            note: Some(format!("{why}; until that is known, one run of the project `{project}` at a time")),
        },
    }
}

/// More calls than these are not remembered: selections by hand are many, and seldom come again.
const MOST_CALLS: usize = 10_000;

impl Profiles {
    /// The DuckDB files of a call of dbt, or why they are not known. Equal keys have to mean equal calls until all is
    /// forgotten: making a call, with its whole environment, costs more than all else that a request needs.
    pub(super) fn files(
        &self,
        key: String,
        call: impl FnOnce() -> Result<dbt::Invocation, String>,
    ) -> Result<BTreeSet<PathBuf>, String> {
        let fresh = |known: &&Arc<Known>| known.stamps.iter().all(|(file, at)| Stamp::of(file) == *at);
        if let Some(known) = self.known().get(&key).filter(fresh) {
            return known.files.clone();
        }
        let call = call()?;
        let stamps =
            dbt::profile_sources(&call).into_iter().map(|file| (file.clone(), Stamp::of(&file))).collect();
        let files = dbt::duckdb_files(&call).map_err(|e| e.to_string());
        let mut known = self.known();
        if known.len() >= MOST_CALLS {
            known.clear();
        }
        // Jobs by the thousand mostly write to one file, of which one profile tells.
        let found = Known { stamps, files: files.clone() };
        let shared = known.values().next().filter(|other| ***other == found).cloned();
        known.insert(key, shared.unwrap_or_else(|| Arc::new(found)));
        files
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls are made otherwise from here on.
    pub(super) fn forget(&self) {
        self.known().clear();
    }
}
