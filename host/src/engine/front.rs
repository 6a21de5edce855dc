//! The front of the host: what it does for whoever asks, through the API or in this process, and what they may look at. It puts
//! messages to the dispatcher and waits for the answers; it decides nothing.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Configuration, Mail, Message, Refusal, Shelf, Status, Taken, Update, tokens};
use crate::{
    model::{By, HostEventKind, Launch, Role, RunId, RunRequest},
    plugins::Catalogue,
    store::{Reader, StoreError},
};

/// How long the dispatcher may take to answer. Clients of the socket wait a little longer, and so hear why.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often whoever waits looks whether the dispatcher waits too.
const LOOK: Duration = Duration::from_millis(200);

/// Why the host does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// It will not, as things stand.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// It does nothing at the moment: its disk is full, or it does not answer.
    #[error("{}", .0.message)]
    Stalled(Refusal),
    /// It has stopped, or is just doing so: the next one may.
    #[error("the host has stopped")]
    Stopped,
}

impl From<Refusal> for Unable {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unable> for Refusal {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Refused(refusal) | Unable::Stalled(refusal) => refusal,
            Unable::Stopped => Self::new("the host has stopped"),
        }
    }
}

/// The front of a host. Clones are of the same host.
#[derive(Clone)]
pub struct Front {
    pub(super) mail: Mail,
    pub(super) configuration: Arc<Configuration>,
    pub(super) catalogue: Catalogue,
    pub(super) shelf: Shelf,
    pub(super) news: watch::Receiver<u64>,
    pub(super) state_dir: PathBuf,
    pub(super) pulse: Arc<AtomicU64>,
    pub(super) listening: Arc<OnceLock<SocketAddr>>,
    pub(super) known: Arc<Known>,
}

/// How the host is, as far as that is known without asking the dispatcher.
pub(super) struct Known {
    /// How it was when it began to wait for its disk; none where it does not.
    stalled: watch::Receiver<Option<Arc<Status>>>,
    /// How it was when someone asked last.
    last: Mutex<Option<Status>>,
}

impl Known {
    pub(super) fn new(stalled: watch::Receiver<Option<Arc<Status>>>) -> Self {
        Self { stalled, last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Option<Status>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stalled(&self) -> Option<Status> {
        self.stalled.borrow().as_deref().cloned()
    }
}

impl Front {
    /// Asks for a run; gives its number once it is on record.
    pub fn request(&self, request: RunRequest) -> Result<RunId, Unable> {
        self.launch(request).map(|taken| taken.run)
    }

    /// The same; says too whether the run is a new one.
    pub fn launch(&self, request: RunRequest) -> Result<Taken, Unable> {
        Ok(self.asked(|answer| Message::Request { request: Box::new(request), answer })??)
    }

    /// Asks for what is left to do of a run; gives the number of the run that does it.
    pub fn resume(&self, run: RunId, launch: Launch) -> Result<RunId, Unable> {
        let taken: Taken = self.asked(|answer| Message::Resume { run, launch, answer })??;
        Ok(taken.run)
    }

    /// Asks for a run to be stopped; returns once that is on record.
    pub fn cancel(&self, run: RunId, by: impl Into<By>) -> Result<(), Unable> {
        self.asked(|answer| Message::Cancel { run, by: by.into(), answer: Some(answer) })
    }

    /// Listens to a run: a snapshot, then what happens to it.
    pub fn listen(&self, run: RunId) -> mpsc::Receiver<Update> {
        let (updates, receiver) = mpsc::channel();
        let _ = self.mail.send(Message::Listen { run, updates });
        receiver
    }

    /// Pauses what starts a job by itself, or resumes it.
    pub fn pause(&self, job: String, paused: bool, by: impl Into<By>) -> Result<(), Unable> {
        Ok(self.asked(|answer| Message::Pause { job, paused, by: by.into(), answer })??)
    }

    /// Tells nothing of an alert until a time; none ends that.
    pub fn snooze(&self, alert: String, until: Option<Timestamp>, by: impl Into<By>) -> Result<(), Unable> {
        Ok(self.asked(|answer| Message::Snooze { alert, until, by: by.into(), answer })??)
    }

    /// Reads the configuration again; gives what changed.
    pub fn reload(&self, by: impl Into<By>) -> Result<Vec<String>, Unable> {
        Ok(self.configuration.reload(&by.into())?)
    }

    /// Puts on record what happened to the host; returns once it is.
    pub fn note(&self, kind: HostEventKind) -> Result<(), Unable> {
        self.asked(|answer| Message::Note { kind, answer: Some(answer) })
    }

    /// Makes a token, which nobody sees again.
    pub fn new_token(&self, name: String, role: Role, by: impl Into<By>) -> Result<String, Unable> {
        if let Some(refusal) = tokens::refuse_name(&name) {
            return Err(refusal.into());
        }
        let token = tokens::mint()?;
        let kind =
            HostEventKind::TokenCreated { by: by.into(), name, role, digests: tokens::digests(&token) };
        self.asked(|answer| Message::Token { kind, answer })??;
        Ok(token)
    }

    /// Exchanges a token for another one of the same name and role; the old one is worth nothing from here on.
    pub fn rotate_token(&self, name: String, by: impl Into<By>) -> Result<String, Unable> {
        let token = tokens::mint()?;
        let kind = HostEventKind::TokenRotated { by: by.into(), name, digests: tokens::digests(&token) };
        self.asked(|answer| Message::Token { kind, answer })??;
        Ok(token)
    }

    /// Makes a token worth nothing.
    pub fn revoke_token(&self, name: String, by: impl Into<By>) -> Result<(), Unable> {
        let kind = HostEventKind::TokenRevoked { by: by.into(), name };
        Ok(self.asked(|answer| Message::Token { kind, answer })??)
    }

    /// How the host is. Where it does nothing at the moment that is how it was before, with word of why.
    pub fn status(&self) -> Result<Status, Unable> {
        let known = &self.known;
        let status = match known.stalled() {
            Some(status) => status,
            None => match self.asked(Message::Status) {
                Ok(status) => {
                    *known.last() = Some(status.clone());
                    status
                }
                Err(Unable::Stalled(refusal)) => {
                    let problem = Some(refusal.message.clone());
                    let last = || Some(Status { problem, ..known.last().clone()? });
                    known.stalled().or_else(last).ok_or(Unable::Stalled(refusal))?
                }
                Err(refused) => return Err(refused),
            },
        };
        Ok(Status { listening: self.listening().map(|address| format!("http://{address}")), ..status })
    }

    /// What runs wait for, in words; of those that wait for nothing there is none.
    pub fn waits(&self, runs: Vec<RunId>) -> Result<BTreeMap<RunId, String>, Unable> {
        self.asked(|answer| Message::Waits { runs, answer })
    }

    /// The address at which the UI and the API answer; none where they do not, or not yet.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }

    /// Says at which address the UI and the API answer.
    pub fn set_listening(&self, address: SocketAddr) {
        let _ = self.listening.set(address);
        let _ = self.mail.send(Message::Listening(address));
    }

    /// Counts on for as long as the dispatcher works.
    pub fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Asks the host to leave, and what is under way to whoever comes next.
    pub fn hand_over(&self, by: impl Into<By>) -> Result<(), Unable> {
        self.note(HostEventKind::HandedOver { by: by.into() })?;
        self.asked(Message::HandOver)
    }

    /// The configuration that it works by, and how it is read again.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    /// The plugins that it uses.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Its projects, as they were read last.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The number of the newest event on record, and word of each change of it.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.clone()
    }

    /// Its state directory.
    pub fn state_dir(&self) -> &std::path::Path {
        &self.state_dir
    }

    /// A reader of what it keeps.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.state_dir)
    }

    /// Puts a message to the dispatcher, and waits for the answer; not where it waits itself, since whoever waits with it is in
    /// the way of those who ask for what can be had.
    fn asked<T>(&self, message: impl FnOnce(mpsc::Sender<T>) -> Message) -> Result<T, Unable> {
        if let Some(problem) = self.problem() {
            let hint = "nothing was done; ask again once there is space".to_owned();
            return Err(Unable::Stalled(Refusal { message: problem, hint: Some(hint) }));
        }
        let (answer, answers) = mpsc::channel();
        self.mail.send(message(answer)).map_err(|_| Unable::Stopped)?;
        let begun = Instant::now();
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(Unable::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let slow = || {
                let seconds = PATIENCE.as_secs();
                let text =
                    format!("the host has not answered for {seconds} seconds; maybe it waits for its disk");
                (begun.elapsed() > PATIENCE).then_some(text)
            };
            if let Some(message) = self.problem().or_else(slow) {
                let hint = "it may be done as soon as the host goes on: look before you ask again";
                return Err(Unable::Stalled(Refusal { message, hint: Some(hint.to_owned()) }));
            }
        }
    }

    /// What the dispatcher waits for.
    fn problem(&self) -> Option<String> {
        self.known.stalled.borrow().as_ref()?.problem.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        engine::{self, Ending, Handle},
    };

    #[test]
    fn a_host_that_has_stopped_says_so_whatever_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tidegate.toml");
        std::fs::create_dir(folder.path().join("shop")).unwrap();
        std::fs::write(
            folder.path().join("shop/dbt_project.yml"),
            "name: shop\nversion: '1'\nprofile: shop\n",
        )
        .unwrap();
        std::fs::write(&file, "[projects.shop]\ndir = \"shop\"\n[jobs.night]\nsteps = [\"dbt build\"]\n")
            .unwrap();
        let config = Arc::new(Config::load(&file, None).unwrap());
        let Handle::Host(mut host) = engine::join(config, engine::Role::Chore).unwrap() else {
            panic!("there is another host")
        };
        let front = host.front().clone();
        let by = || By::new("ana", "api");
        // One that works refuses for a reason.
        assert!(matches!(front.pause("nigth".to_owned(), true, by()), Err(Unable::Refused(_))));
        host.end(Ending::Now);
        host.finish().unwrap();
        assert_eq!(front.pause("night".to_owned(), true, by()), Err(Unable::Stopped));
        assert_eq!(front.cancel(RunId(1), by()), Err(Unable::Stopped));
        assert_eq!(front.new_token("ci".to_owned(), Role::Read, by()), Err(Unable::Stopped));
        assert!(matches!(front.status(), Err(Unable::Stopped)));
    }
}
