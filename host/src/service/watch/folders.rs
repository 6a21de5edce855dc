//! The folders that the system watches, and whom a change in them concerns.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{
    Subject,
    survey::{Identity, Survey, is_others},
};
use crate::project::is_source;

/// Folders are watched one by one, not as trees: what dbt writes into a project's `target` is never heard.
pub(super) struct Folders {
    system: Option<RecommendedWatcher>,
    /// What the system watches. A folder with several paths is watched by one of them.
    watched: BTreeMap<PathBuf, Identity>,
    concerns: BTreeMap<PathBuf, Concern>,
    /// The system does not tell of every change.
    deaf: bool,
    /// Whether the operator was warned of it.
    told: bool,
}

/// Whom a change in a folder concerns.
#[derive(Debug, Clone, Default)]
struct Concern {
    /// By any file that dbt may read.
    sources: BTreeSet<Subject>,
    /// By some names.
    names: BTreeMap<OsString, BTreeSet<Subject>>,
}

impl Concern {
    fn add(&mut self, other: &Self) {
        self.sources.extend(other.sources.iter().cloned());
        for (name, subjects) in &other.names {
            self.names.entry(name.clone()).or_default().extend(subjects.iter().cloned());
        }
    }
}

impl Folders {
    pub(super) fn new(system: notify::Result<RecommendedWatcher>) -> Self {
        let mut folders = Self {
            system: None,
            watched: BTreeMap::new(),
            concerns: BTreeMap::new(),
            deaf: false,
            told: false,
        };
        match system {
            Ok(system) => folders.system = Some(system),
            Err(error) => folders.is_deaf(&error),
        }
        folders
    }

    /// The system does not tell of every change. One warning says so.
    pub(super) fn is_deaf(&mut self, error: &notify::Error) {
        self.deaf = true;
        let hint = match error.kind {
            notify::ErrorKind::MaxFilesWatch => "; raise fs.inotify.max_user_watches",
            _ => "",
        };
        self.warn(&format!("the system does not tell of every change ({error}){hint}"));
    }

    fn warn(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!("{reason}: files are looked at every minute");
        }
    }

    /// Whether files have to be looked at now and then.
    pub(super) fn polls(&mut self, surveys: &BTreeMap<Subject, Survey>) -> bool {
        let folders = surveys.values().flat_map(|survey| {
            let names = survey.names.iter().map(|(folder, (identity, _))| (folder, identity));
            survey.sources.iter().chain(names)
        });
        let mut devices = BTreeSet::new();
        // One look a file system is enough.
        let remote =
            folders.filter(|(_, identity)| devices.insert(identity.0)).find(|(folder, _)| is_remote(folder));
        if let Some((folder, _)) = remote {
            self.warn(&format!(
                "{} is on a file system that others may change without this one telling of it",
                folder.display()
            ));
            return true;
        }
        self.deaf
    }

    /// Watches the folders of all surveys, and no others. Says whether any of them is new.
    pub(super) fn watch(&mut self, surveys: &BTreeMap<Subject, Survey>) -> bool {
        let mut by_path: BTreeMap<PathBuf, (Identity, Concern)> = BTreeMap::new();
        for (subject, survey) in surveys {
            for (folder, identity) in &survey.sources {
                let (_, concern) = by_path.entry(folder.clone()).or_insert((*identity, Concern::default()));
                concern.sources.insert(subject.clone());
            }
            for (folder, (identity, names)) in &survey.names {
                let (_, concern) = by_path.entry(folder.clone()).or_insert((*identity, Concern::default()));
                for name in names {
                    concern.names.entry(name.clone()).or_default().insert(subject.clone());
                }
            }
        }
        // The system tells of a folder by one of its paths, whichever it is: it concerns all whom any path concerns.
        let mut by_identity: HashMap<Identity, (PathBuf, Concern)> = HashMap::new();
        for (folder, (identity, concern)) in &by_path {
            let (chosen, all) =
                by_identity.entry(*identity).or_insert_with(|| (folder.clone(), Concern::default()));
            all.add(concern);
            if self.watched.get(folder) == Some(identity) {
                chosen.clone_from(folder);
            }
        }
        let wanted: BTreeMap<_, _> =
            by_identity.iter().map(|(identity, (folder, _))| (folder.clone(), *identity)).collect();
        self.concerns = by_path
            .into_iter()
            .filter_map(|(folder, (identity, _))| Some((folder, by_identity.get(&identity)?.1.clone())))
            .collect();
        let gone: Vec<_> = self
            .watched
            .iter()
            .filter(|(folder, identity)| wanted.get(*folder) != Some(identity))
            .map(|(folder, _)| folder.clone())
            .collect();
        gone.iter().for_each(|folder| self.unwatch(folder));
        let mut any_new = false;
        for (folder, identity) in wanted {
            if !self.watched.contains_key(&folder) {
                any_new |= self.watch_one(folder, identity);
            }
        }
        any_new
    }

    fn watch_one(&mut self, folder: PathBuf, identity: Identity) -> bool {
        let Some(system) = &mut self.system else { return false };
        match system.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder, identity);
                true
            }
            // Gone already: the folder above tells of it.
            Err(error) if !folder.is_dir() => {
                tracing::debug!(folder = %folder.display(), %error, "a folder went before it could be watched");
                false
            }
            Err(error) => {
                self.is_deaf(&error);
                false
            }
        }
    }

    fn unwatch(&mut self, folder: &Path) {
        self.watched.remove(folder);
        if let Some(system) = &mut self.system {
            // The system may have taken it off by itself.
            let _ = system.unwatch(folder);
        }
    }

    /// A folder has gone from its path, with all below it: whatever comes there later is another one.
    pub(super) fn forget(&mut self, path: &Path) {
        let below: Vec<_> = self
            .watched
            .range(path.to_owned()..)
            .map(|(folder, _)| folder.clone())
            .take_while(|folder| folder.starts_with(path))
            .collect();
        below.iter().for_each(|folder| self.unwatch(folder));
    }

    /// Adds those whom a change at a path may concern; `comes_or_goes` where it is more than a change of content.
    pub(super) fn touched(&self, path: &Path, comes_or_goes: bool, subjects: &mut BTreeSet<Subject>) {
        let itself = self.concerns.get(path).filter(|_| comes_or_goes);
        if let Some(concern) = itself {
            subjects.extend(concern.sources.iter().chain(concern.names.values().flatten()).cloned());
        }
        let Some(concern) = path.parent().and_then(|parent| self.concerns.get(parent)) else { return };
        if let Some(named) = path.file_name().and_then(|name| concern.names.get(name)) {
            subjects.extend(named.iter().cloned());
        }
        let may_hold_sources = || comes_or_goes && path.is_dir() && !is_others(path);
        if !concern.sources.is_empty() && (is_source(path) || may_hold_sources()) {
            subjects.extend(concern.sources.iter().cloned());
        }
    }
}

/// Whether a folder's file system may be changed from elsewhere, which the system then does not tell of.
#[cfg(target_os = "linux")]
fn is_remote(folder: &Path) -> bool {
    use nix::sys::statfs;

    /// SMB2, CIFS, 9P, Ceph, AFS, virtiofs: not all of them have names in every library.
    const OTHERS: [u32; 6] = [0xfe53_4d42, 0xff53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x6a65_6a63];
    let Ok(stat) = statfs::statfs(folder) else { return false };
    let kind = stat.filesystem_type();
    let named = [
        statfs::NFS_SUPER_MAGIC,
        statfs::SMB_SUPER_MAGIC,
        statfs::CODA_SUPER_MAGIC,
        statfs::FUSE_SUPER_MAGIC,
    ];
    named.contains(&kind) || OTHERS.iter().any(|other| i128::from(*other) == i128::from(kind.0))
}

#[cfg(not(target_os = "linux"))]
fn is_remote(_: &Path) -> bool {
    false
}
