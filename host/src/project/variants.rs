//! The folders of a project with another target or other variables: each launch may bring new ones, and none says when it was
//! the last. Those that nobody has used for long are removed; whoever wants one again makes it again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// So many are kept however old they are.
const KEPT: usize = 16;

/// What was used since then is kept however many there are: a run may be under way with it.
const IN_USE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The name of the file that says when a folder was used last.
const MARK: &str = "used";

/// The name of the project that a folder is a variant of.
fn project_of(folder: &Path) -> Option<&str> {
    Some(folder.file_name()?.to_str()?.rsplit_once('+')?.0)
}

/// A folder is used: where it is a variant, the others have to be younger than what nobody wants any more.
pub(super) fn use_now(folder: &Path, is_new: bool) {
    let Some(project) = project_of(folder) else { return };
    // What cannot be marked or removed now is marked or removed another time.
    let _ = File::create(folder.join(MARK));
    if !is_new {
        return;
    }
    let entries = folder.parent().and_then(|all| fs::read_dir(all).ok());
    let others = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let others = others.filter(|path| project_of(path) == Some(project));
    for old in forgotten(others.map(|path| (used_at(&path), path)).collect(), SystemTime::now()) {
        let _ = fs::remove_dir_all(old);
    }
}

fn used_at(folder: &Path) -> SystemTime {
    let mark = fs::metadata(folder.join(MARK)).or_else(|_| fs::metadata(folder));
    mark.and_then(|mark| mark.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn forgotten(mut folders: Vec<(SystemTime, PathBuf)>, now: SystemTime) -> Vec<PathBuf> {
    folders.sort_by(|a, b| b.cmp(a));
    let old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age > IN_USE);
    folders.into_iter().skip(KEPT).filter(|(at, _)| old(at)).map(|(_, path)| path).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_once_there_are_many() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let day = Duration::from_secs(24 * 60 * 60);
        let folder = |age: usize| (now - day * age as u32, PathBuf::from(format!("shop+{age}")));
        assert!(forgotten((0..KEPT).map(|_| folder(9)).collect(), now).is_empty());
        let ages = (0..20).map(folder).collect();
        let left = [16, 17, 18, 19].map(|age| PathBuf::from(format!("shop+{age}")));
        assert_eq!(forgotten(ages, now), left);
        assert!(forgotten((0..40).map(|_| folder(1)).collect(), now).is_empty(), "in use");
    }

    #[test]
    fn only_variants_of_the_same_project_are_touched() {
        let state = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - IN_USE * 2;
        let make = |name: &str| {
            let folder = state.path().join(name);
            fs::create_dir(&folder).unwrap();
            File::create(folder.join(MARK)).unwrap().set_modified(long_ago).unwrap();
            folder
        };
        let all: Vec<_> = (0..KEPT + 4).map(|n| make(&format!("shop+{n:08}"))).collect();
        let (plain, other) = (make("shop"), make("shop2+00000000"));
        use_now(&all[0], true);
        assert!(plain.is_dir() && other.is_dir() && all[0].is_dir());
        assert_eq!(all.iter().filter(|folder| folder.is_dir()).count(), KEPT);
    }
}
