//! Word of changed files: the configuration, the projects, and what else they are made of.
//!
//! Owns when a change is told: once it is quiet. Nothing is looked at while nothing happens, except every minute where the
//! system cannot tell of changes. What is in the files is not its business.

mod folders;
mod survey;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use crate::{config, project};
use folders::Folders;
use survey::{Survey, survey};

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// The configuration file, absolute.
    pub config: PathBuf,
    /// What each project is made of.
    pub projects: BTreeMap<String, Sources>,
    /// Folders that are never looked into, wherever they are: the state directory.
    pub never: BTreeSet<PathBuf>,
}

/// What a project is made of. All paths are absolute; any of them may be a link, or not be there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Folders, with what is below them as far as dbt may read it.
    pub folders: BTreeSet<PathBuf>,
    /// Single files.
    pub files: BTreeSet<PathBuf>,
}

impl Watched {
    /// What a configuration and its projects are made of.
    pub fn of(config: &config::Config) -> Self {
        let sources = |project: &config::Project| {
            let mut sources = Sources::default();
            match &project.manifest {
                Some(manifest) => _ = sources.files.insert(manifest.clone()),
                None => {
                    sources.folders.insert(project.dbt.dir.clone());
                    let profiles = project.dbt.profiles_dir.as_deref();
                    sources.files.extend(profiles.map(|dir| dir.join("profiles.yml")));
                    sources.files.extend(project::profiles_file(&project.dbt.dir, profiles));
                }
            }
            let plugin = project.translator.as_ref().map(|translator| translator.plugin.as_str());
            match plugin.filter(|plugin| !plugin.contains(':')) {
                Some(path) if Path::new(path).is_absolute() => _ = sources.files.insert(PathBuf::from(path)),
                Some(name) => sources
                    .files
                    .extend(["wasm", "toml"].map(|end| config.plugins_dir.join(format!("{name}.{end}")))),
                None => {}
            }
            sources
        };
        Self {
            config: config.file.clone(),
            projects: config
                .projects
                .iter()
                .map(|(name, project)| (name.clone(), sources(project)))
                .collect(),
            never: [config.state_dir.clone()].into(),
        }
    }
}

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The configuration file.
    pub config: bool,
    /// Projects, by name.
    pub projects: BTreeSet<String>,
}

/// When a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long it has to be quiet before.
    pub quiet: Duration,
    /// The longest time after the first change, quiet or not.
    pub longest: Duration,
    /// How often files are looked at where the system cannot tell of changes.
    pub poll: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(500),
            longest: Duration::from_secs(5),
            poll: Duration::from_secs(60),
        }
    }
}

/// What may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Config,
    Project(String),
}

enum Message {
    Event(notify::Result<Event>),
    Watch(Watched),
    Stop,
}

/// Watches for as long as it is kept.
#[derive(Debug)]
pub struct Watcher {
    mail: mpsc::Sender<Message>,
}

impl Watcher {
    /// Starts to watch: a change after this has returned is told. To be started before what it watches is read, so that
    /// nothing is missed between.
    ///
    /// # Errors
    ///
    /// Where there is no thread to be had. Where only the system's watches run out, there is a warning in the log, and
    /// files are looked at every minute.
    pub fn start(watched: Watched, tell: impl FnMut(Changed) + Send + 'static) -> io::Result<Self> {
        Self::start_at(Pace::default(), watched, tell)
    }

    /// The same, at a pace of one's own.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_at(
        pace: Pace,
        watched: Watched,
        tell: impl FnMut(Changed) + Send + 'static,
    ) -> io::Result<Self> {
        let (mail, messages) = mpsc::channel();
        let to_work = mail.clone();
        let system = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, is_change) {
                let _ = to_work.send(Message::Event(event));
            }
        });
        Self::work(pace, watched, Folders::new(system), mail, messages, tell)
    }

    /// For a system that cannot tell of changes.
    #[cfg(test)]
    fn start_deaf(
        pace: Pace,
        watched: Watched,
        tell: impl FnMut(Changed) + Send + 'static,
    ) -> io::Result<Self> {
        let (mail, messages) = mpsc::channel();
        let none = Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        Self::work(pace, watched, Folders::new(none), mail, messages, tell)
    }

    fn work(
        pace: Pace,
        watched: Watched,
        folders: Folders,
        mail: mpsc::Sender<Message>,
        messages: mpsc::Receiver<Message>,
        tell: impl FnMut(Changed) + Send + 'static,
    ) -> io::Result<Self> {
        let mut work = Work {
            pace,
            watched: Watched::default(),
            folders,
            surveys: BTreeMap::new(),
            dirty: BTreeSet::new(),
            times: None,
            next_poll: None,
            tell,
        };
        work.watch(watched);
        thread::Builder::new().name("watcher".to_owned()).spawn(move || work.see_through(&messages))?;
        Ok(Self { mail })
    }

    /// Watches something else from now on. What was watched before and has changed without having been told yet is told.
    pub fn watch(&self, watched: Watched) {
        let _ = self.mail.send(Message::Watch(watched));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.mail.send(Message::Stop);
    }
}

/// Whether an event may be about a change. Reading is none, and there is much of it while dbt parses.
fn is_change(event: &Event) -> bool {
    !matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
}

struct Work<T> {
    pace: Pace,
    watched: Watched,
    folders: Folders,
    surveys: BTreeMap<Subject, Survey>,
    /// What something has happened to since it was looked at.
    dirty: BTreeSet<Subject>,
    /// When that was, for the first and the last time.
    times: Option<(Instant, Instant)>,
    next_poll: Option<Instant>,
    tell: T,
}

impl<T: FnMut(Changed)> Work<T> {
    fn see_through(mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            let now = Instant::now();
            let due = self.due();
            let message = match due {
                // However much there is to hear, what is due is not put off.
                Some(due) if due <= now => Err(mpsc::RecvTimeoutError::Timeout),
                Some(due) => messages.recv_timeout(due - now),
                None => messages.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Event(Ok(event))) => self.event(&event),
                Ok(Message::Event(Err(error))) => {
                    self.folders.is_deaf(&error);
                    self.soil(self.subjects());
                }
                Ok(Message::Watch(watched)) => self.watch(watched),
                Err(mpsc::RecvTimeoutError::Timeout) => self.look(),
                Ok(Message::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let told = self.times.map(|(first, last)| (last + self.pace.quiet).min(first + self.pace.longest));
        [told, self.next_poll].into_iter().flatten().min()
    }

    fn subjects(&self) -> BTreeSet<Subject> {
        let projects = self.watched.projects.keys().cloned().map(Subject::Project);
        projects.chain([Subject::Config]).collect()
    }

    fn soil(&mut self, subjects: BTreeSet<Subject>) {
        if subjects.is_empty() {
            return;
        }
        self.dirty.extend(subjects);
        let now = Instant::now();
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
    }

    fn event(&mut self, event: &Event) {
        if event.need_rescan() {
            // Some were lost.
            return self.soil(self.subjects());
        }
        let (comes, goes) = match event.kind {
            EventKind::Create(_) => (true, false),
            EventKind::Remove(_) => (false, true),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => (true, false),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => (false, true),
            EventKind::Modify(ModifyKind::Name(_)) => (true, true),
            _ => (false, false),
        };
        let mut soiled = BTreeSet::new();
        for path in &event.paths {
            self.folders.touched(path, comes || goes, &mut soiled);
            if goes {
                self.folders.forget(path);
            }
        }
        self.soil(soiled);
    }

    /// Watches something else; what is the same in it stays as it is.
    fn watch(&mut self, watched: Watched) {
        let before = std::mem::replace(&mut self.watched, watched);
        let never = before.never == self.watched.never;
        let same = |subject: &Subject| match subject {
            Subject::Config => never && before.config == self.watched.config,
            Subject::Project(name) => never && before.projects.get(name) == self.watched.projects.get(name),
        };
        let subjects = self.subjects();
        self.surveys.retain(|subject, _| subjects.contains(subject) && same(subject));
        self.dirty.retain(|subject| subjects.contains(subject));
        let new: Vec<_> =
            subjects.into_iter().filter(|subject| !self.surveys.contains_key(subject)).collect();
        self.refresh(&new);
        self.next_poll = self.folders.polls(&self.surveys).then(|| Instant::now() + self.pace.poll);
    }

    /// Looks at what something has happened to, and at everything where it is time to.
    fn look(&mut self) {
        let now = Instant::now();
        let polls = self.next_poll.is_some_and(|at| at <= now);
        let dirty = std::mem::take(&mut self.dirty);
        let subjects: Vec<_> = if polls { self.subjects() } else { dirty }.into_iter().collect();
        self.times = None;
        let stamps: Vec<_> =
            subjects.iter().map(|subject| self.surveys.get(subject).map(|survey| survey.stamp)).collect();
        self.refresh(&subjects);
        let mut changed = Changed::default();
        for (subject, before) in subjects.into_iter().zip(stamps) {
            if self.surveys.get(&subject).map(|survey| survey.stamp) != before {
                match subject {
                    Subject::Config => changed.config = true,
                    Subject::Project(name) => _ = changed.projects.insert(name),
                }
            }
        }
        if changed != Changed::default() {
            (self.tell)(changed);
        }
        self.next_poll = match self.next_poll {
            Some(at) if at > now => Some(at),
            _ => self.folders.polls(&self.surveys).then(|| now + self.pace.poll),
        };
    }

    /// Surveys subjects, and watches the folders that they are in. What comes into a folder between the two is seen by
    /// surveying again.
    fn refresh(&mut self, subjects: &[Subject]) {
        for _ in 0..5 {
            for subject in subjects {
                let survey = match subject {
                    Subject::Config => survey(&[], [self.watched.config.as_path()], &self.watched.never),
                    Subject::Project(name) => {
                        let Some(sources) = self.watched.projects.get(name) else { continue };
                        let folders: Vec<&Path> = sources.folders.iter().map(PathBuf::as_path).collect();
                        let files = sources.files.iter().map(PathBuf::as_path);
                        survey(&folders, files, &self.watched.never)
                    }
                };
                self.surveys.insert(subject.clone(), survey);
            }
            if !self.folders.watch(&self.surveys) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
