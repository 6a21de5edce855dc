//! The one place that puts events in order: it takes messages, commits what they mean, and acts on it then.

mod alerts;
mod automation;
#[cfg(test)]
pub(super) mod bugs;
mod freshness;
mod gate;
mod limits;
mod outbox;
mod plugins;
mod retries;
mod runs;
mod sensors;
mod status;
mod ticks;
mod tokens;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::sync::watch;

use crate::{
    config::{self, Config},
    fold,
    model::{AlertEventKind, AttemptId, Event, EventKind, RunId, RunRequest, RunState},
    project::Opened,
    store::{Entry, Retention, Store, StoreError, Stored},
};

use super::{Ending, Mail, Message, Names, Refusal, Update, World, queue::Queue};
use limits::Due;
use outbox::Outbox;
use sensors::Sensing;
pub use status::{NextTick, ProjectStatus, RunStatus, Status};

/// The dispatcher: owns the store, and with it the truth.
pub struct Dispatcher {
    store: Store,
    world: Box<dyn World>,
    mail: Mail,
    config: Arc<Config>,
    /// Whether schedules and other triggers start runs.
    automatic: bool,
    queue: Queue,
    /// The runs whose turn has come.
    under_way: BTreeMap<RunId, UnderWay>,
    /// The runs of each job that have not ended.
    of_job: BTreeMap<String, BTreeSet<RunId>>,
    listeners: BTreeMap<RunId, Vec<mpsc::Sender<Update>>>,
    /// What is to be looked at when.
    due: BTreeSet<(Timestamp, Due)>,
    sensing: Sensing,
    expected: freshness::Expectations,
    ending: Option<Ending>,
    /// Where the UI answers.
    listening: Option<SocketAddr>,
    since: Timestamp,
    /// The latest time that the clock has shown since it was set.
    looked_at: Timestamp,
    /// Why the last new configuration was refused.
    misconfigured: Option<String>,
    /// What was warned of since the configuration was read.
    warned: BTreeSet<String>,
    projects: BTreeMap<String, ProjectStatus>,
    outbox: Outbox,
    /// Each project as it was opened last.
    lineages: BTreeMap<String, Arc<Opened>>,
    pulse: Arc<AtomicU64>,
    /// The newest event on record, for whoever waits for the next.
    news: watch::Sender<u64>,
    /// How the host was when it began to wait for its disk; none where it does not.
    stalled: watch::Sender<Option<Arc<Status>>>,
    /// What a test has planted.
    #[cfg(test)]
    pub(super) bug: Option<bugs::Bug>,
}

/// What is in memory of a run whose turn has come.
#[derive(Default)]
struct UnderWay {
    project: Option<config::Project>,
    opened: Option<Arc<Opened>>,
    /// Whether the plan of the attempt at hand is known, or being found out.
    planning: bool,
    /// What the gate has to know before an attempt begins.
    wanted: Option<gate::Wanted>,
    /// The attempt about which its retry policy is being asked.
    asking: Option<AttemptId>,
    /// When its next attempt is due, as far as the clock was right.
    retries_at: Option<Timestamp>,
    /// What was said last about opening the project, for whoever listens later.
    notice: Option<String>,
    /// Set when the project need not be opened any more.
    stop: Arc<AtomicBool>,
    /// The locks that it holds.
    locks: Vec<String>,
    /// From when its time is counted: its start, as far as the clock was right.
    since: Timestamp,
}

/// What is committed together.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    /// The runs that it asks for, which are among the entries.
    requested: Vec<(RunId, RunRequest)>,
    /// The runs that have to make way for these: that they are cancelled is among the entries.
    cancelled: Vec<RunId>,
}

impl Batch {
    /// The run that is asked for by the same key.
    fn twin(&self, request: &RunRequest) -> Option<&(RunId, RunRequest)> {
        self.requested.iter().find(|(_, known)| known.key == request.key)
    }
}

/// Even when nothing is due, the clock is looked at: it may have been set.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(1);

/// As many messages are taken together, so that a flood of requests is not a flood of waits for the disk.
const TOGETHER: usize = 256;

impl Dispatcher {
    /// A dispatcher that puts its own later messages into `mail`. An `automatic` one starts runs by itself.
    pub fn new(
        store: Store,
        world: Box<dyn World>,
        mail: Mail,
        config: Arc<Config>,
        automatic: bool,
    ) -> Self {
        let since = world.now();
        Self {
            store,
            world,
            mail,
            config,
            automatic,
            queue: Queue::default(),
            under_way: BTreeMap::new(),
            of_job: BTreeMap::new(),
            listeners: BTreeMap::new(),
            due: BTreeSet::new(),
            sensing: Sensing::default(),
            expected: BTreeMap::new(),
            ending: None,
            listening: None,
            since,
            looked_at: since,
            misconfigured: None,
            warned: BTreeSet::new(),
            projects: BTreeMap::new(),
            outbox: Outbox::default(),
            lineages: BTreeMap::new(),
            pulse: Arc::default(),
            news: watch::Sender::new(0),
            stalled: watch::Sender::new(None),
            #[cfg(test)]
            bug: None,
        }
    }

    /// Counts on for as long as it works.
    pub fn pulse(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.pulse)
    }

    /// The number of the newest event on record, and word of each change of it.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How the host was when it began to wait for its disk: while it does, nobody else gets an answer.
    pub fn stalled(&self) -> watch::Receiver<Option<Arc<Status>>> {
        self.stalled.subscribe()
    }

    /// Lets what waits go on waiting.
    pub fn hold_back(&mut self) {
        self.queue.close();
    }

    /// Lets what is to be told wait for another host.
    pub fn tell_nobody(&mut self) {
        self.outbox.closed = true;
    }

    /// Takes up what an earlier host left: attempts that still run are watched on, those that ended are read to their
    /// end, and what is queued waits for its turn again. Then what should have happened meanwhile is decided upon.
    pub fn recover(&mut self) -> Result<(), StoreError> {
        self.store.count_from(self.world.highest_run());
        self.news.send_replace(self.store.last_event());
        self.queue.limit(self.config.queue.max_runs, self.config.locks.clone());
        // First: what is raised from here on is known already.
        self.take_up_outbox()?;
        self.take_up_running();
        self.take_up_queued()?;
        #[cfg(test)]
        self.spoil_memory();
        self.due.insert((self.world.now(), Due::Housekeeping));
        if self.automatic {
            self.arrange()?;
        }
        self.start_queued()
    }

    /// Works until it is told to end.
    pub fn work(&mut self, messages: &mpsc::Receiver<Message>) -> Result<(), StoreError> {
        let result = self.work_on(messages);
        if let Err(e) = &result {
            tracing::error!("the host cannot go on: {e}");
            let refusal = Refusal { message: e.to_string(), hint: e.hint() };
            for listener in self.listeners.values().flatten() {
                let _ = listener.send(Update::Lost { refusal: refusal.clone() });
            }
        }
        result
    }

    fn work_on(&mut self, messages: &mpsc::Receiver<Message>) -> Result<(), StoreError> {
        while !self.has_ended() {
            self.pulse.fetch_add(1, Ordering::Relaxed);
            let due = self.due().map(|due| due.duration_since(self.world.now()));
            let wait = due.map_or(LOOK_AT_THE_CLOCK, |due| due.try_into().unwrap_or_default());
            match messages.recv_timeout(wait.min(LOOK_AT_THE_CLOCK)) {
                Ok(first) => {
                    let more = std::iter::from_fn(|| messages.try_recv().ok());
                    let together = std::iter::once(first).chain(more.take(TOGETHER - 1)).collect();
                    self.take(together)?;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.wake()?;
        }
        Ok(())
    }

    /// When something is due next.
    pub fn due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether it has done what it was told to do before it ends.
    pub fn has_ended(&self) -> bool {
        match self.ending {
            None => false,
            Some(Ending::Now) => true,
            // Who waits for the next attempt at a step does so with the next host.
            Some(Ending::Drained | Ending::Interrupted) => {
                self.store.running().all(|run| fold::waiting(run).is_some())
            }
            Some(Ending::Idle) => self.queue.len() == 0 && self.under_way.is_empty() && !self.lingers(),
        }
    }

    /// Takes messages in their order. Requests that come together are committed together.
    pub fn take(&mut self, messages: Vec<Message>) -> Result<(), StoreError> {
        let mut requests = Vec::new();
        for message in messages {
            if let Message::Request { request, answer } = message {
                requests.push((*request, answer));
                continue;
            }
            self.accept(std::mem::take(&mut requests))?;
            self.take_one(message)?;
        }
        self.accept(requests)
    }

    fn take_one(&mut self, message: Message) -> Result<(), StoreError> {
        match message {
            Message::Request { request, answer } => self.accept(vec![(*request, answer)])?,
            Message::Resume { run, launch, answer } => self.resume(run, launch, &answer)?,
            Message::Listen { run, updates } => self.listen(run, updates)?,
            Message::Notice { run, text } => {
                if let Some(under_way) = self.under_way.get_mut(&run) {
                    under_way.notice = Some(text.clone());
                }
                self.tell(run, || Update::Notice { text });
            }
            Message::Cancel { run, by, answer } => {
                self.cancel(run, by)?;
                let _ = answer.map(|answer| answer.send(()));
            }
            Message::Opened { run, result } => self.opened(run, result)?,
            Message::Planned { attempt, nodes } => self.planned(attempt, nodes)?,
            Message::Observed { attempt, events } => self.observed(attempt, events)?,
            Message::Ended(ended) => self.ended(*ended)?,
            Message::Decided { attempt, judgement } => self.decided(attempt, *judgement)?,
            Message::Pause { job, paused, by, answer } => self.pause(job, paused, by, &answer)?,
            Message::Status(answer) => drop(answer.send(self.status())),
            Message::Waits { runs, answer } => drop(answer.send(self.waits(&runs))),
            Message::Configure(config) => {
                self.configure(config)?;
                // Says what it makes of settings beside notifiers: they may name what is no destination any more.
                drop(self.alerts());
            }
            Message::Listening(address) => self.listening = Some(address),
            Message::Misconfigured(problem) => self.misconfigured = problem,
            Message::Looked(status) => drop(self.projects.insert(status.name.clone(), status)),
            Message::Expect { project, opened, assets, all } => {
                self.lineages.insert(project.clone(), opened);
                self.expect(&project, assets, all)?;
            }
            Message::Plugins(found) => self.plugins_are(found)?,
            Message::Files { job, trigger, found } => self.found(&job, &trigger, found)?,
            Message::Rendered(rendered) => self.rendered(*rendered)?,
            Message::Delivered(delivered) => self.delivered(*delivered)?,
            Message::Snooze { alert, until, by, answer } => {
                let _ = answer.send(self.snooze(alert, until, by)?);
            }
            Message::Note { kind, answer } => {
                self.note_of_host(kind)?;
                let _ = answer.map(|answer| answer.send(()));
            }
            Message::Token { kind, answer } => {
                let _ = answer.send(self.change_token(kind)?);
            }
            Message::End(ending) => self.end(ending)?,
            Message::HandOver(answer) => {
                tracing::info!("another tidegate takes over");
                self.ending = Some(Ending::Now);
                let _ = answer.send(());
            }
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending) -> Result<(), StoreError> {
        self.ending = self.ending.max(Some(ending));
        if ending >= Ending::Drained {
            self.hold_back();
        }
        if ending == Ending::Interrupted {
            let runs: Vec<_> = self.store.running().map(|run| run.id).collect();
            for run in runs {
                self.stop(run, RunState::Interrupted, "the host was stopped".to_owned())?;
            }
        }
        Ok(())
    }

    /// Works by another configuration from here on. Runs that were asked for stay as they were asked for.
    fn configure(&mut self, config: Arc<Config>) -> Result<(), StoreError> {
        self.config = config;
        self.misconfigured = None;
        self.warned.clear();
        self.queue.limit(self.config.queue.max_runs, self.config.locks.clone());
        // Nobody reads a project any more that is gone, and so nobody would say that its assets need not be fresh.
        let is_gone = |project: &&String| !self.config.projects.contains_key(*project);
        let gone: BTreeSet<_> = self.expected.keys().map(|(name, _)| name).filter(is_gone).cloned().collect();
        for project in gone {
            self.expect(&project, Vec::new(), true)?;
        }
        if self.automatic {
            self.arrange()?;
        }
        self.send()?;
        self.start_queued()
    }

    /// Brings a listener up to date, and keeps it while there is more to come.
    fn listen(&mut self, id: RunId, updates: mpsc::Sender<Update>) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)? else {
            let _ = updates.send(Update::Lost { refusal: Refusal::new(format!("there is no run {id}")) });
            return Ok(());
        };
        let names = self.under_way.get(&id).and_then(|u| u.opened.as_deref()).map(Names::of);
        let names = names.map(|names| Update::Names { names: Arc::new(names) });
        let waits = self
            .opening(id)
            .or_else(|| self.waits_for(id))
            .or_else(|| self.waits_for_retry(&run))
            .map(|text| Update::Notice { text });
        let mut news = [Some(Update::snapshot(&run)), names, waits].into_iter().flatten();
        if news.all(|update| updates.send(update).is_ok()) && !run.state.is_finished() {
            self.listeners.entry(id).or_default().push(updates);
        }
        Ok(())
    }

    /// What is being done to open the project of a run whose turn has come.
    fn opening(&self, id: RunId) -> Option<String> {
        self.under_way.get(&id).filter(|run| run.opened.is_none())?.notice.clone()
    }

    /// Commits events of a run and tells whoever listens.
    fn commit(&mut self, run: RunId, kinds: Vec<EventKind>) -> Result<(), StoreError> {
        let at = self.world.now();
        self.record(kinds.into_iter().map(|kind| Event { run, at, kind }.into()).collect())
    }

    /// Commits what belongs together, and lets the runs that it asks for wait for their turn.
    fn commit_batch(&mut self, batch: Batch) -> Result<(), StoreError> {
        #[cfg(test)]
        let batch = self.spoil_batch(batch)?;
        let Batch { entries, requested, cancelled } = batch;
        self.record(entries)?;
        for (run, request) in requested {
            self.enqueue(run, &request, self.world.now())?;
        }
        cancelled.into_iter().try_for_each(|run| self.wind_down(run))
    }

    /// A full disk is waited for: it must not cost what dbt has done.
    fn record(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let entries = self.with_alerts(entries)?;
        let mut told = false;
        let numbers = loop {
            match self.store.record(&entries) {
                Err(StoreError::DiskFull(path)) => {
                    if !told {
                        let text = format!("{}: the disk is full; waiting for space", path.display());
                        tracing::error!("{text}");
                        let status = Status { problem: Some(text.clone()), ..self.status() };
                        self.stalled.send_replace(Some(Arc::new(status)));
                        let runs: Vec<_> = self.listeners.keys().copied().collect();
                        runs.into_iter()
                            .for_each(|run| self.tell(run, || Update::Notice { text: text.clone() }));
                        told = true;
                    }
                    self.pulse.fetch_add(1, Ordering::Relaxed);
                    self.world.pause(Duration::from_secs(1));
                }
                other => break other,
            }
        };
        if told {
            self.stalled.send_replace(None);
        }
        let numbers = numbers?;
        self.news.send_replace(self.store.last_event());
        for entry in &entries {
            status::log(entry, &self.store);
        }
        let mut is_raised = false;
        for (entry, id) in entries.into_iter().zip(numbers) {
            match (entry, id) {
                (Entry::Run(event), Some(id)) => self.tell(event.run, || Update::Event {
                    stored: Box::new(Stored { id, event: event.kept() }),
                }),
                (Entry::Alert(event), Some(id))
                    if matches!(event.kind, AlertEventKind::NotificationRaised { .. }) =>
                {
                    self.outbox.raise(id);
                    is_raised = true;
                }
                _ => {}
            }
        }
        if is_raised { self.send() } else { Ok(()) }
    }

    fn tell(&mut self, run: RunId, update: impl FnOnce() -> Update) {
        if let Some(listeners) = self.listeners.get_mut(&run) {
            let update = update();
            listeners.retain(|listener| listener.send(update.clone()).is_ok());
        }
    }

    fn retention(&self) -> Retention {
        let limits = self.config.retention;
        Retention { days: limits.days, runs: limits.runs, ticks: limits.ticks, audit: limits.audit }
    }
}

/// What can be done another time, where the disk is full now.
fn unless_full<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(StoreError::DiskFull(_)) => Ok(None),
        other => other.map(Some),
    }
}

/// A time for people, as tables have it: where the host stands.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time so much later, or the end of time.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
