//! What plugins there are: each loaded once, kept by its file, and exchanged when the file has changed.
//!
//! Owns the way from a reference (`builtin:NAME`, a path, the NAME of a file in the plugins folder) to a plugin that has been
//! checked, and what is used where a newer file cannot be: the one before it. A plugin is exchanged as a whole, together
//! with its settings; calls under way finish on what they began with. Never knows who uses a plugin, and never writes
//! anything.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    any::AnyPlugin,
    builtin,
    contract::PluginKind,
    error::{LoadError, LoadFault, SandboxError},
    folder::{self, Settings, Stamp, settings_of},
    limits::Limits,
    notifier::Notifier,
    retry_policy::RetryPolicy,
    sandbox::Sandbox,
    source::PluginSource,
    translator::Translator,
};
use crate::model::PluginRecord;

/// Says what is wrong with the settings beside a notifier of the folder, whose name it is given: they are an alert's, and the
/// catalogue knows nothing of these.
pub type SettingsCheck = dyn Fn(&str, &toml::Table) -> Result<(), String> + Send + Sync;

/// What plugins there are. Cheap to clone; a host has one.
#[derive(Clone)]
pub struct Catalogue {
    inner: Arc<Inner>,
}

struct Inner {
    sandbox: Sandbox,
    folder: Option<PathBuf>,
    shelf: Mutex<BTreeMap<Place, Slot>>,
    check: Mutex<Option<Arc<SettingsCheck>>>,
    /// One is held while a plugin is loaded, so that two who ask for it wait for one compiler. Whoever asks for another one does
    /// not wait.
    loading: Mutex<BTreeMap<Place, Arc<Mutex<()>>>>,
}

/// Where a plugin is. A path into the folder and the name of that file are one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Builtin(String),
    File(PathBuf),
}

/// What is known of a place.
#[derive(Default)]
struct Slot {
    /// What is used.
    works: Option<Arc<Loaded>>,
    /// Why the files as they are cannot be.
    fault: Option<LoadError>,
    /// The files that were tried last.
    tried: Option<Stamp>,
    /// The files that were seen last, where they were not those.
    seen: Option<Option<Stamp>>,
}

/// A plugin that has passed its checks.
struct Loaded {
    plugin: AnyPlugin,
    record: PluginRecord,
    settings: toml::Table,
    limits: Limits,
}

/// A plugin of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPlugin {
    /// The name of its file, without `.wasm`.
    pub name: String,
    /// What is used; none where nothing is.
    pub works: Option<PluginRecord>,
    /// Why its files as they are now are not used, for people, and what to do.
    pub refused: Option<(String, Option<String>)>,
}

/// What a look at the files has found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Whether anything was loaded, refused or removed.
    pub changed: bool,
    /// What is worth a line about plugins outside of the folder.
    pub notes: Vec<String>,
    /// Why the folder cannot be read. What was read before stays.
    pub unreadable: Option<String>,
}

impl Catalogue {
    /// A catalogue that has looked at nothing yet. The folder need not exist.
    pub fn new(sandbox: Sandbox, folder: Option<PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner {
                sandbox,
                folder,
                shelf: Mutex::default(),
                check: Mutex::default(),
                loading: Mutex::default(),
            }),
        }
    }

    /// A catalogue with a sandbox of its own, which keeps what it compiles in a state directory, where there is one.
    ///
    /// # Errors
    ///
    /// Where this machine cannot run any plugin.
    pub fn open(state_dir: &Path, folder: &Path) -> Result<Self, SandboxError> {
        // A compile cache that cannot be used only costs time.
        let state_dir = Some(state_dir).filter(|dir| dir.is_dir());
        let sandbox =
            Sandbox::new(Limits::default(), state_dir).or_else(|_| Sandbox::new(Limits::default(), None))?;
        Ok(Self::new(sandbox, Some(folder.to_owned())))
    }

    /// From here on, settings beside notifiers have to pass this too. What was refused for its settings is tried again at the
    /// next look; what works goes on working.
    pub fn check_settings(&self, check: Arc<SettingsCheck>) {
        *self.inner.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
        for slot in self.shelf().values_mut() {
            if slot.fault.as_ref().is_some_and(|error| matches!(error.fault, LoadFault::Settings { .. })) {
                slot.tried = None;
            }
        }
    }

    /// The sandbox that its plugins run in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.inner.sandbox
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.inner.folder.as_deref()
    }

    /// The plugins that Tidegate carries, as references.
    pub fn builtins() -> impl Iterator<Item = String> {
        builtin::names().map(|name| format!("builtin:{name}"))
    }

    /// A plugin of whatever kind: `builtin:NAME`, an absolute path, or the name of a file in the folder. What is loaded
    /// already is given at once; what is not is loaded now, which may take its time.
    pub fn plugin(&self, reference: &str) -> Result<AnyPlugin, LoadError> {
        Ok(self.loaded(reference)?.plugin.clone())
    }

    /// A translator. Its file is looked at anew, so that a project that is opened gets what lies there now.
    pub fn translator(&self, reference: &str) -> Result<Arc<Translator>, LoadError> {
        let place = self.place(reference).map_err(|fault| fault.of(reference))?;
        if self.has_changed(&place) {
            // Where what lies there now cannot be used, what was used before still is. It may be half written: what is said of
            // it is left to those who look again.
            let _ = self.load(&place, reference, true);
        }
        match &self.loaded(reference)?.plugin {
            AnyPlugin::Translator(plugin) => Ok(Arc::clone(plugin)),
            other => Err(another(other, PluginKind::Translator).of(reference)),
        }
    }

    /// A retry policy.
    pub fn retry_policy(&self, reference: &str) -> Result<Arc<RetryPolicy>, LoadError> {
        match &self.loaded(reference)?.plugin {
            AnyPlugin::RetryPolicy(plugin) => Ok(Arc::clone(plugin)),
            other => Err(another(other, PluginKind::RetryPolicy).of(reference)),
        }
    }

    /// A notifier.
    pub fn notifier(&self, reference: &str) -> Result<Arc<Notifier>, LoadError> {
        match &self.loaded(reference)?.plugin {
            AnyPlugin::Notifier(plugin) => Ok(Arc::clone(plugin)),
            other => Err(another(other, PluginKind::Notifier).of(reference)),
        }
    }

    /// What stands in the `.toml` beside a plugin of the folder, without `limits`; empty where there is none, and for any
    /// other plugin.
    pub fn settings(&self, reference: &str) -> toml::Table {
        self.loaded(reference).map(|loaded| loaded.settings.clone()).unwrap_or_default()
    }

    /// What calls of a plugin may use, its own settings included.
    pub fn limits(&self, reference: &str) -> Result<Limits, LoadError> {
        Ok(self.loaded(reference)?.limits.clone())
    }

    /// The names of the folder's notifiers that work, as far as someone has looked.
    pub fn notifiers(&self) -> Vec<String> {
        let shelf = self.shelf();
        let named =
            shelf.iter().filter_map(|(place, slot)| Some((self.name_of(place)?, slot.works.as_ref()?)));
        let notifiers = named.filter(|(_, loaded)| loaded.plugin.kind() == PluginKind::Notifier);
        notifiers.map(|(name, _)| name).collect()
    }

    /// The plugins of the folder, as far as someone has looked, in the order of their names.
    pub fn in_folder(&self) -> Vec<FolderPlugin> {
        let shelf = self.shelf();
        let named = shelf.iter().filter_map(|(place, slot)| Some((self.name_of(place)?, slot)));
        named
            .filter(|(_, slot)| slot.works.is_some() || slot.fault.is_some())
            .map(|(name, slot)| FolderPlugin {
                name,
                works: slot.works.as_ref().map(|loaded| loaded.record.clone()),
                refused: slot.fault.as_ref().map(|error| (error.fault.to_string(), error.hint())),
            })
            .collect()
    }

    /// Looks at the folder and at the files of all plugins that were asked for, and loads what has changed. With `settle`, a
    /// file that is not as it was at the look before is left alone until it is: someone may still be writing it.
    pub fn scan(&self, settle: bool) -> Scan {
        let mut scan = Scan::default();
        let mut names = BTreeMap::new();
        if let Some(folder) = &self.inner.folder {
            match folder::components(folder) {
                Ok(found) => names = found,
                Err(error) => {
                    // It may be readable again soon: what was read before stays.
                    scan.unreadable =
                        Some(format!("the plugins folder {} cannot be read: {error}", folder.display()));
                    return scan;
                }
            }
        }
        let mut places: BTreeMap<PathBuf, String> =
            names.into_iter().map(|(name, path)| (path, name)).collect();
        for place in self.shelf().keys() {
            if let Place::File(path) = place {
                let name = self.name_of(place).unwrap_or_else(|| path.display().to_string());
                places.entry(path.clone()).or_insert(name);
            }
        }
        for (path, name) in places {
            let place = Place::File(path);
            if !self.has_changed(&place) || (settle && !self.has_settled(&place)) {
                continue;
            }
            scan.changed = true;
            let outcome = self.load(&place, &name, false);
            if self.name_of(&place).is_none() {
                scan.notes.push(match outcome {
                    Ok(loaded) => format!("plugin `{name}` is version {} now", loaded.record.version),
                    Err(error) => format!("{error}; what was used before still is"),
                });
            }
        }
        scan
    }

    fn shelf(&self) -> MutexGuard<'_, BTreeMap<Place, Slot>> {
        // Nothing can panic while it is held but an allocation.
        self.inner.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, reference: &str) -> Result<Place, LoadFault> {
        if reference.starts_with("builtin:") || reference.contains("://") || is_path(reference) {
            return Ok(match PluginSource::parse(reference, Path::new("")).map_err(|error| error.fault)? {
                PluginSource::Builtin(name) => Place::Builtin(name),
                PluginSource::File(path) => Place::File(path),
            });
        }
        if !folder::is_name(reference) {
            return Err(LoadFault::Name(reference.to_owned()));
        }
        match &self.inner.folder {
            Some(folder) => Ok(Place::File(folder.join(format!("{reference}.wasm")))),
            None => Err(LoadFault::NotInFolder { name: reference.to_owned(), folder: None }),
        }
    }

    /// The name of a plugin of the folder.
    fn name_of(&self, place: &Place) -> Option<String> {
        match place {
            Place::File(path) if self.is_in_folder(path) => {
                Some(path.file_stem()?.to_string_lossy().into_owned())
            }
            _ => None,
        }
    }

    fn is_in_folder(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| Some(parent) == self.inner.folder.as_deref())
    }

    fn stamp(&self, place: &Place) -> Option<Stamp> {
        match place {
            Place::File(path) => Stamp::of(path, self.is_in_folder(path)),
            Place::Builtin(_) => None,
        }
    }

    fn has_changed(&self, place: &Place) -> bool {
        let stamp = self.stamp(place);
        let shelf = self.shelf();
        match shelf.get(place) {
            Some(slot) => slot.tried != stamp,
            None => stamp.is_some(),
        }
    }

    /// Whether a file that has changed is as it was at the look before.
    fn has_settled(&self, place: &Place) -> bool {
        let stamp = self.stamp(place);
        let mut shelf = self.shelf();
        let slot = shelf.entry(place.clone()).or_default();
        let settled = slot.seen.as_ref() == Some(&stamp);
        slot.seen = Some(stamp);
        settled
    }

    fn loaded(&self, reference: &str) -> Result<Arc<Loaded>, LoadError> {
        let place = self.place(reference).map_err(|fault| fault.of(reference))?;
        let known = |shelf: &BTreeMap<Place, Slot>| shelf.get(&place).and_then(|slot| slot.works.clone());
        if let Some(loaded) = known(&self.shelf()) {
            return Ok(loaded);
        }
        if let (false, Some(error)) = (self.has_changed(&place), self.fault(&place)) {
            return Err(error);
        }
        self.load(&place, reference, false)
    }

    fn fault(&self, place: &Place) -> Option<LoadError> {
        self.shelf().get(place).and_then(|slot| slot.fault.clone())
    }

    /// Loads what lies at a place now. Where it cannot be used, what was used before still is; where nothing is there, and it
    /// was a plugin of the folder, it is none any more. An `early` load changes nothing unless it succeeds, or there was
    /// nothing before.
    fn load(&self, place: &Place, named: &str, early: bool) -> Result<Arc<Loaded>, LoadError> {
        let turn = {
            let mut loading = self.inner.loading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loading.entry(place.clone()).or_default())
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp(place);
        if let Some(slot) = self.shelf().get(place)
            && slot.tried == stamp
        {
            // Whoever was here before has done it.
            match (&slot.works, &slot.fault) {
                (_, Some(error)) => return Err(error.clone()),
                (Some(loaded), None) => return Ok(Arc::clone(loaded)),
                (None, None) => {}
            }
        }
        let name = self.name_of(place);
        let outcome = match (&name, &stamp) {
            (Some(name), None) => {
                Err(LoadFault::NotInFolder { name: name.clone(), folder: self.inner.folder.clone() })
            }
            (Some(name), _) if !folder::is_name(name) => Err(LoadFault::Name(name.clone())),
            _ => self.read(place),
        };
        let outcome = outcome.map(Arc::new).map_err(|fault| fault.of(named));
        let mut shelf = self.shelf();
        let works = shelf.get(place).is_some_and(|slot| slot.works.is_some());
        if early && works && outcome.is_err() {
            return outcome;
        }
        if name.is_some() && stamp.is_none() {
            shelf.remove(place);
        } else {
            let slot = shelf.entry(place.clone()).or_default();
            slot.tried = stamp;
            slot.seen = None;
            slot.fault = outcome.as_ref().err().cloned();
            if let Ok(loaded) = &outcome {
                slot.works = Some(Arc::clone(loaded));
            }
        }
        outcome
    }

    fn read(&self, place: &Place) -> Result<Loaded, LoadFault> {
        let (source, settings, file) = match place {
            Place::Builtin(name) => {
                (PluginSource::Builtin(name.clone()), Settings::default(), PathBuf::new())
            }
            Place::File(path) => {
                let settings =
                    if self.is_in_folder(path) { Settings::beside(path)? } else { Settings::default() };
                (PluginSource::File(path.clone()), settings, settings_of(path))
            }
        };
        let sandbox = self.inner.sandbox.with_limits(settings.limits(self.inner.sandbox.limits()));
        let plugin = sandbox.open(&source).map_err(|error| error.fault)?;
        let plugin = AnyPlugin::new(&sandbox, plugin).map_err(|error| error.fault)?;
        let record = plugin.record().map_err(LoadFault::Silent)?;
        let refused = |reason| LoadFault::Settings { file: file.clone(), reason };
        settings.check_keys(plugin.kind()).map_err(refused)?;
        let check = self.inner.check.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(check), Some(name), PluginKind::Notifier) = (check, self.name_of(place), plugin.kind()) {
            check(&name, &settings.rest).map_err(refused)?;
        }
        if let Some(config) = settings.config().map_err(refused)? {
            let verdict = plugin
                .check_config(&config)
                .map_err(|error| refused(format!("asked about `config`, the plugin {error}")))?;
            verdict.map_err(|reason| LoadFault::Config { file: file.clone(), reason })?;
        }
        Ok(Loaded { plugin, record, settings: settings.rest, limits: sandbox.limits().clone() })
    }
}

/// Whether a reference is a path, and no name of the folder.
pub fn is_path(reference: &str) -> bool {
    reference.contains('/') || reference.ends_with(".wasm")
}

fn another(plugin: &AnyPlugin, wanted: PluginKind) -> LoadFault {
    LoadFault::AnotherKind { is: plugin.kind(), wanted }
}
