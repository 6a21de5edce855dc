//! The plugins folder as the disk has it: which files are plugins, whether they have changed, and the settings beside them.
//!
//! Owns the names that plugins of the folder may have, the stamp by which a change shows, and the shape of a plugin's
//! `.toml`. Never loads a plugin, and remembers nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;

use super::{contract::PluginKind, error::LoadFault, limits::Limits};
use crate::model::json_of;

/// Settings are read up to this size.
const MOST_SETTINGS: u64 = 1 << 20;

/// No call may take longer, whatever its settings say.
const LONGEST_CALL: Duration = Duration::from_secs(600);

const LEAST_MEMORY: usize = 1 << 20;

/// What tells one state of a plugin's two files from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    component: State,
    settings: Option<State>,
}

/// Size, time of the last change in nanoseconds, and the file itself: a file that was moved into place may be as old as the
/// one before it.
type State = (u64, i128, u64, u64);

impl Stamp {
    /// The stamp of a component, with the settings beside it if they count; none where there is no component.
    pub(super) fn of(component: &Path, with_settings: bool) -> Option<Self> {
        let settings = with_settings.then(|| state(&settings_of(component))).flatten();
        Some(Self { component: state(component)?, settings })
    }
}

fn state(path: &Path) -> Option<State> {
    let file = fs::metadata(path).ok()?;
    let changed = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
    Some((file.len(), changed, file.ino(), file.dev()))
}

/// The settings' file of a component.
pub(super) fn settings_of(component: &Path) -> PathBuf {
    component.with_extension("toml")
}

/// The components of a folder, by the name of their file. A folder that does not exist has none.
pub(super) fn components(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // What begins with a point is what some program copies at this moment.
        if path.extension().is_some_and(|extension| extension == "wasm") && !name.starts_with('.') {
            found.insert(name, path);
        }
    }
    Ok(found)
}

/// Whether a file's name can be the name of a plugin.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('-') && name.chars().all(fits)
}

/// What stands in the `.toml` beside a plugin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settings {
    /// The longest time of a call, where it says one.
    time: Option<Duration>,
    /// The memory of a call in bytes, where it says one.
    memory: Option<usize>,
    /// The rest of it.
    pub(super) rest: toml::Table,
}

impl Settings {
    /// Reads the settings beside a component; where there are none, all is as it is without.
    pub(super) fn beside(component: &Path) -> Result<Self, LoadFault> {
        let file = settings_of(component);
        let refused = |reason: String| LoadFault::Settings { file: file.clone(), reason };
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(refused(format!("it cannot be read: {error}"))),
            Ok(found) if !found.is_file() => return Err(refused("it is not a file".to_owned())),
            Ok(found) if found.len() > MOST_SETTINGS => {
                return Err(refused("it is larger than 1 MiB".to_owned()));
            }
            Ok(_) => {}
        }
        let text =
            fs::read_to_string(&file).map_err(|error| refused(format!("it cannot be read: {error}")))?;
        Self::parse(&text).map_err(refused)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut rest: toml::Table =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let mut settings = Self::default();
        match rest.remove("limits") {
            None => {}
            Some(toml::Value::Table(limits)) => {
                for (key, value) in &limits {
                    let said = value.as_str().ok_or_else(|| format!("`limits.{key}` should be a text"))?;
                    match key.as_str() {
                        "time" => settings.time = Some(time(said)?),
                        "memory" => settings.memory = Some(memory(said)?),
                        _ => {
                            return Err(format!(
                                "unknown key `{key}` in `[limits]`: known keys are time, memory"
                            ));
                        }
                    }
                }
            }
            Some(_) => return Err("`limits` should be a table".to_owned()),
        }
        if rest.get("config").is_some_and(|config| !config.is_table()) {
            return Err("`config` should be a table".to_owned());
        }
        settings.rest = rest;
        Ok(settings)
    }

    /// Refuses keys that a kind has no use for. Those of a notifier belong to its alert, and are checked with it.
    pub(super) fn check_keys(&self, kind: PluginKind) -> Result<(), String> {
        let unknown = self.rest.keys().find(|key| key.as_str() != "config");
        match unknown.filter(|_| kind != PluginKind::Notifier) {
            Some(key) => Err(format!("unknown key `{key}`: a {} has limits and config", kind.noun())),
            None => Ok(()),
        }
    }

    /// The configuration in it, as JSON; none where it gives none.
    pub(super) fn config(&self) -> Result<Option<String>, String> {
        let Some(config) = self.rest.get("config") else { return Ok(None) };
        let unfit = || "`config` has a number that is not finite, which JSON cannot say".to_owned();
        json_of(config.clone()).map(|config| Some(config.to_string())).ok_or_else(unfit)
    }

    /// Limits with what it says about them.
    pub(super) fn limits(&self, limits: &Limits) -> Limits {
        Limits {
            call_time: self.time.unwrap_or(limits.call_time),
            memory: self.memory.unwrap_or(limits.memory),
            // More than that would be no limit of a call any more.
            memory_ceiling: limits.memory_ceiling.max(self.memory.unwrap_or(0)),
            ..limits.clone()
        }
    }
}

fn time(said: &str) -> Result<Duration, String> {
    let unfit = || format!("`limits.time` should be a time such as `5s`, at most 10 minutes, not `{said}`");
    let time: SignedDuration = said.parse().map_err(|_| unfit())?;
    let time = Duration::try_from(time).map_err(|_| unfit())?;
    if time.is_zero() || time > LONGEST_CALL { Err(unfit()) } else { Ok(time) }
}

fn memory(said: &str) -> Result<usize, String> {
    let unfit =
        || format!("`limits.memory` should be a size such as `64MiB`, from 1MiB to 4GiB, not `{said}`");
    let digits = said.len() - said.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = said.split_at(digits);
    let unit: usize = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(unfit()),
    };
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(unfit)?;
    if (LEAST_MEMORY..=4 << 30).contains(&bytes) { Ok(bytes) } else { Err(unfit()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_limits_and_what_the_kind_takes() {
        let text = "on = [\"run_failed\"]\n[limits]\ntime = \"5s\"\nmemory = \"128 MiB\"\n[config]\nat = 2020-01-01\n";
        let settings = Settings::parse(text).unwrap();
        let limits = settings.limits(&Limits::default());
        assert_eq!((limits.call_time, limits.memory), (Duration::from_secs(5), 128 << 20));
        assert_eq!(settings.config().unwrap().unwrap(), r#"{"at":"2020-01-01"}"#);
        assert!(settings.rest.contains_key("on") && !settings.rest.contains_key("limits"));
        assert_eq!(settings.check_keys(PluginKind::Notifier), Ok(()));
        assert_eq!(
            settings.check_keys(PluginKind::RetryPolicy).unwrap_err(),
            "unknown key `on`: a retry policy has limits and config"
        );
        let none = Settings::parse("").unwrap();
        assert_eq!((none.limits(&Limits::default()), none.config().unwrap()), (Limits::default(), None));
    }

    #[test]
    fn settings_with_mistakes_have_their_sentence() {
        let refused = |text: &str| Settings::parse(text).unwrap_err();
        assert!(refused("limits = 1").contains("`limits` should be a table"));
        assert!(refused("config = 1").contains("`config` should be a table"));
        assert!(refused("[limits]\nfuel = \"1\"").contains("unknown key `fuel`"));
        assert!(refused("[limits]\ntime = 5").contains("`limits.time` should be a text"));
        for time in ["", "0s", "-5s", "11m", "soon"] {
            assert!(
                refused(&format!("[limits]\ntime = \"{time}\"")).contains("a time such as `5s`"),
                "{time}"
            );
        }
        for memory in ["", "64", "64 MB", "0MiB", "5GiB", "99999999999999999999GiB", "-1MiB", "1.5MiB"] {
            let text = format!("[limits]\nmemory = \"{memory}\"");
            assert!(refused(&text).contains("a size such as `64MiB`"), "{memory}");
        }
        assert!(refused("a = ").contains("line 1"));
        let infinite = Settings::parse("[config]\na = inf").unwrap();
        assert!(infinite.config().unwrap_err().contains("not finite"));
    }

    #[test]
    fn names_are_plain() {
        for name in ["slack", "team-owners", "a_1", "1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "Slack", "a b", "-a", "über", "a.b", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_takes_anothers_place_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        assert_eq!(Stamp::of(&path, true), None);
        fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path, true).unwrap();
        assert_eq!(Stamp::of(&path, true).unwrap(), first);
        // The same size and the same time.
        let other = dir.path().join("b");
        fs::write(&other, "two").unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::File::open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        let second = Stamp::of(&path, true).unwrap();
        assert_ne!(first, second);
        fs::write(dir.path().join("a.toml"), "").unwrap();
        assert_ne!(Stamp::of(&path, true).unwrap(), second);
        assert_eq!(Stamp::of(&path, false).unwrap(), Stamp { settings: None, ..second });
        assert_eq!(components(dir.path()).unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
