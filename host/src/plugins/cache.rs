//! Compiled components on disk, so that a plugin is compiled once: Python's take a quarter of a minute.
//!
//! A compiled component is native code, and wasmtime runs what it is given. So each artifact is sealed: in front of it
//! stands a MAC of the artifact, of the component that it was compiled from and of the engine that compiled it, and the
//! key to that MAC is a file outside the folder. An artifact whose seal does not fit is compiled again and never looked
//! into. Whoever can read the key can also write to the state directory, and needs no plugin to run code.
//!
//! Owns the folder `cwasm` and the file `plugin-cache.key` of a state directory. Never fails a load: where it cannot do
//! its work it says so, and the plugin is compiled. Never accepts an artifact from anywhere else.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

const KEY: usize = blake3::KEY_LEN;
const SEAL: usize = blake3::OUT_LEN;
/// More artifacts than this are not kept: each upgrade of a plugin or of Tidegate leaves one behind.
const KEEP: usize = 32;

/// The cache of a state directory.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; KEY],
    engine: u64,
}

/// What the cache has for a component.
pub(super) enum Found {
    /// The artifact, whole and ours.
    Artifact(Vec<u8>),
    /// Nothing.
    Nothing,
    /// A file that cannot be used, and why.
    Unusable(String),
}

impl Cache {
    /// Opens or makes the cache of a state directory, for an engine that this number tells from others.
    pub(super) fn open(state: &Path, engine: u64) -> io::Result<Self> {
        let folder = state.join("cwasm");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        Ok(Self { folder, key: key(&state.join("plugin-cache.key"))?, engine })
    }

    /// Looks up the artifact of the component with this digest.
    pub(super) fn find(&self, component: &str) -> Found {
        let path = self.path(component);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Unusable(format!("{} cannot be read: {error}", path.display())),
        };
        let Some((seal, artifact)) = bytes.split_at_checked(SEAL) else {
            return Found::Unusable(format!("{} is too short", path.display()));
        };
        // blake3's hashes compare in constant time.
        if self.seal(component, artifact) != *seal {
            return Found::Unusable(format!("{} is not what Tidegate wrote", path.display()));
        }
        Found::Artifact(artifact.to_owned())
    }

    /// Keeps an artifact.
    pub(super) fn store(&self, component: &str, artifact: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(self.seal(component, artifact).as_bytes())?;
        file.write_all(artifact)?;
        file.persist(self.path(component))?;
        self.prune()
    }

    fn path(&self, component: &str) -> PathBuf {
        self.folder.join(format!("{component}-{:016x}.cwasm", self.engine))
    }

    /// The file's own name is in the seal, so that no artifact can take another's place.
    fn seal(&self, component: &str, artifact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(component.as_bytes()).update(&self.engine.to_le_bytes()).update(artifact);
        hasher.finalize()
    }

    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
        files.sort();
        for (_, path) in files.iter().rev().skip(KEEP) {
            // Another process may have been here first.
            fs::remove_file(path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
        Ok(())
    }
}

/// Reads the key, or makes one. A key that others could have read is replaced, which empties the cache.
fn key(path: &Path) -> io::Result<[u8; KEY]> {
    match read_key(path)? {
        Some(key) => Ok(key),
        None => {
            let mut key = [0; KEY];
            File::open("/dev/urandom")?.read_exact(&mut key)?;
            let folder = path.parent().unwrap_or(Path::new("."));
            // Made with mode 0600, and moved into place whole.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&key)?;
            file.persist(path)?;
            // Of two hosts that made a key at one time, the later one wins.
            Ok(read_key(path)?.unwrap_or(key))
        }
    }
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY]>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let ours = metadata.uid() == nix::unistd::geteuid().as_raw();
    if !ours || metadata.mode() & 0o077 != 0 || metadata.len() != KEY as u64 {
        return Ok(None);
    }
    let mut key = [0; KEY];
    file.read_exact(&mut key)?;
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(found: Found) -> Option<Vec<u8>> {
        match found {
            Found::Artifact(bytes) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn an_artifact_comes_back_for_its_component_and_engine_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 7).unwrap();
        assert!(matches!(cache.find("aa"), Found::Nothing));
        cache.store("aa", b"code").unwrap();
        assert_eq!(artifact(Cache::open(dir.path(), 7).unwrap().find("aa")).unwrap(), b"code");
        assert!(matches!(Cache::open(dir.path(), 8).unwrap().find("aa"), Found::Nothing));

        fs::rename(cache.path("aa"), cache.path("bb")).unwrap();
        assert!(matches!(cache.find("bb"), Found::Unusable(_)), "an artifact took another's place");
    }

    #[test]
    fn any_change_breaks_the_seal() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 7).unwrap();
        cache.store("aa", b"code").unwrap();
        let whole = fs::read(cache.path("aa")).unwrap();
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1;
            fs::write(cache.path("aa"), &bytes).unwrap();
            assert!(matches!(cache.find("aa"), Found::Unusable(_)), "byte {i}");
            fs::write(cache.path("aa"), &whole[..i]).unwrap();
            assert!(matches!(cache.find("aa"), Found::Unusable(_)), "cut at {i}");
        }
    }

    #[test]
    fn nobody_else_can_read_key_or_folder_and_a_key_that_they_could_read_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 7).unwrap();
        cache.store("aa", b"code").unwrap();
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("cwasm"), mode("plugin-cache.key")), (0o700, 0o600));

        let key = dir.path().join("plugin-cache.key");
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let cache = Cache::open(dir.path(), 7).unwrap();
        assert!(matches!(cache.find("aa"), Found::Unusable(_)));
        assert_eq!(mode("plugin-cache.key"), 0o600);
    }

    #[test]
    fn the_newest_artifacts_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 7).unwrap();
        for i in 0..KEEP + 3 {
            cache.store(&i.to_string(), b"code").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), KEEP);
        assert!(artifact(cache.find(&(KEEP + 2).to_string())).is_some());
        assert!(artifact(cache.find("0")).is_none());
    }
}
