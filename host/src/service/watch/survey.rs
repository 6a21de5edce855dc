//! What files and folders are there at one moment: where a change could happen, and a stamp that tells whether one did.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use crate::project::{is_foreign_folder, is_source};

/// More links than the system itself would follow.
const MOST_LINKS: usize = 40;

/// Deeper than any project.
const DEEPEST: usize = 40;

/// A file or folder, whatever it is called.
pub(super) type Identity = (u64, u64);

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Folders in which any file that dbt may read counts.
    pub(super) sources: BTreeMap<PathBuf, Identity>,
    /// Folders in which only some names count.
    pub(super) names: BTreeMap<PathBuf, (Identity, BTreeSet<OsString>)>,
    /// Differs where a file came, went or changed.
    pub(super) stamp: u64,
}

/// Looks at folders and files, but not into the folders `never`.
pub(super) fn survey<'a>(
    folders: &[&Path],
    files: impl IntoIterator<Item = &'a Path>,
    never: &BTreeSet<PathBuf>,
) -> Survey {
    let mut found = Survey::default();
    let never = never.iter().filter_map(|folder| Some(identity(&fs::metadata(folder).ok()?))).collect();
    let mut walk = Walk { never, seen: BTreeSet::new(), files: Vec::new(), folders: BTreeMap::new() };
    for folder in folders {
        let real = found.follow(folder);
        walk.collect(&real, 0);
    }
    for file in files {
        let real = found.follow(file);
        walk.files.extend(fs::metadata(&real).ok().map(|meta| (real, meta)));
    }
    walk.files.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = DefaultHasher::new();
    for (path, meta) in &walk.files {
        (path, identity(meta), meta.len(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
    }
    found.stamp = hasher.finish();
    found.sources = walk.folders;
    found
}

pub(super) fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

impl Survey {
    /// Follows a path through links to what it means now, or to the first part of it that is not there. On the way each
    /// name is kept whose change would make the path mean something else.
    fn follow(&mut self, path: &Path) -> PathBuf {
        let mut parts: VecDeque<_> = path.components().map(|part| part.as_os_str().to_owned()).collect();
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = parts.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(_)) => {}
                Some(Component::ParentDir) => {
                    here.pop();
                    continue;
                }
                _ => continue,
            }
            let next = here.join(&part);
            let meta = fs::symlink_metadata(&next);
            let link = meta.as_ref().is_ok_and(Metadata::is_symlink);
            if link || meta.is_err() || parts.is_empty() {
                self.keep(&here, part);
            }
            if !link {
                here = next;
                if meta.is_err() {
                    break;
                }
                continue;
            }
            links += 1;
            let Some(target) = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS) else { break };
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            for part in target.components().rev() {
                parts.push_front(part.as_os_str().to_owned());
            }
        }
        here.extend(parts);
        here
    }

    fn keep(&mut self, folder: &Path, name: OsString) {
        let Ok(meta) = fs::metadata(folder) else { return };
        let (_, names) =
            self.names.entry(folder.to_owned()).or_insert_with(|| (identity(&meta), BTreeSet::new()));
        names.insert(name);
    }
}

struct Walk {
    never: BTreeSet<Identity>,
    /// A folder that links lead to several times is looked into once: they may lead in a circle.
    seen: BTreeSet<Identity>,
    folders: BTreeMap<PathBuf, Identity>,
    files: Vec<(PathBuf, Metadata)>,
}

impl Walk {
    fn collect(&mut self, folder: &Path, depth: usize) {
        let Ok(meta) = fs::metadata(folder) else { return };
        let identity = identity(&meta);
        if depth > DEEPEST || self.never.contains(&identity) || !self.seen.insert(identity) {
            return;
        }
        let Ok(entries) = fs::read_dir(folder) else { return };
        self.folders.insert(folder.to_owned(), identity);
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() || (kind.is_symlink() && path.is_dir()) {
                if !is_others(&path) {
                    self.collect(&path, depth + 1);
                }
            } else if is_source(&path)
                && let Ok(meta) = fs::metadata(&path)
            {
                self.files.push((path, meta));
            }
        }
    }
}

/// Whether a folder is not the project's own. Packages are dbt's to install: what they are is in the package files.
pub(super) fn is_others(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "dbt_packages") || is_foreign_folder(folder)
}
