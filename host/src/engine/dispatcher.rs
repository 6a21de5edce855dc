//! The one place that puts events in order: it takes messages, commits what they mean, and acts on it then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    config, fold,
    model::{AttemptId, Event, EventKind, ExitStatus, Run, RunId, RunState},
    project::Opened,
    store::{Retention, Store, StoreError},
};

use super::{Mail, Message, Names, Refusal, Update, World, causes::name_causes, message::Ended};

/// The dispatcher: owns the store, and with it the truth.
pub struct Dispatcher {
    store: Store,
    world: Box<dyn World>,
    mail: Mail,
    retention: Retention,
    /// The runs whose turn has come.
    under_way: BTreeMap<RunId, UnderWay>,
    listeners: BTreeMap<RunId, Vec<mpsc::Sender<Update>>>,
    /// Whether the host ends when no run is left.
    stopping: bool,
}

/// What is in memory of a run whose turn has come.
#[derive(Default)]
struct UnderWay {
    project: Option<config::Project>,
    opened: Option<Arc<Opened>>,
    /// Whether the plan of the attempt at hand is known, or being found out.
    planning: bool,
    /// What was said last about opening the project, for whoever listens later.
    notice: Option<String>,
    /// Set when the project need not be opened any more.
    stop: Arc<AtomicBool>,
}

impl Dispatcher {
    /// A dispatcher that puts its own later messages into `mail`.
    pub fn new(store: Store, world: Box<dyn World>, mail: Mail, retention: Retention) -> Self {
        Self {
            store,
            world,
            mail,
            retention,
            under_way: BTreeMap::new(),
            listeners: BTreeMap::new(),
            stopping: false,
        }
    }

    /// Takes up what an earlier host left: attempts that still run are watched on, those that ended are read to their
    /// end, and what is queued waits for its turn again.
    pub fn recover(&mut self) -> Result<(), StoreError> {
        let runs: Vec<_> = self.store.active().filter(|r| r.state == RunState::Running).cloned().collect();
        for run in runs {
            self.under_way.insert(run.id, UnderWay::default());
            // The next step needs the project, and so do the names of what is shown.
            self.open(&run);
            if let Some(attempt) = run.running_attempt() {
                let args = run.step(attempt.id.step).map(|s| s.args.clone()).unwrap_or_default();
                self.world.watch(attempt.id, &args, attempt.identity.clone(), attempt.log_offset, &self.mail);
            }
        }
        self.start_queued()
    }

    /// Works until it is told to stop and no run is left.
    pub fn work(&mut self, messages: &mpsc::Receiver<Message>) -> Result<(), StoreError> {
        while let Ok(message) = messages.recv() {
            self.stopping |= matches!(message, Message::Stop);
            if let Err(e) = self.take(message) {
                let refusal = Refusal { message: e.to_string(), hint: e.hint() };
                for listener in self.listeners.values().flatten() {
                    let _ = listener.send(Update::Lost { refusal: refusal.clone() });
                }
                return Err(e);
            }
            if self.stopping && self.store.active().next().is_none() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, message: Message) -> Result<(), StoreError> {
        match message {
            Message::Request { request, answer } => {
                let used = self.world.highest_run();
                let accepted = self.store.request(*request, self.world.now(), used);
                let reply = match &accepted {
                    Ok((run, _)) => Ok(*run),
                    Err(e) => Err(Refusal { message: e.to_string(), hint: e.hint() }),
                };
                let _ = answer.send(reply);
                // What could not be committed was refused, and whoever asked knows.
                if accepted.is_ok() {
                    self.start_queued()?;
                }
            }
            Message::Listen { run, updates } => self.listen(run, updates)?,
            Message::Notice { run, text } => {
                if let Some(under_way) = self.under_way.get_mut(&run) {
                    under_way.notice = Some(text.clone());
                }
                self.tell(run, &Update::Notice { text });
            }
            Message::Cancel { run, by } => self.cancel(run, by)?,
            Message::Opened { run, result } => self.opened(run, result)?,
            Message::Planned { attempt, nodes } => {
                self.commit(attempt.run, vec![EventKind::PlanResolved { attempt, nodes }])?;
            }
            Message::Observed { attempt, events } => self.observed(attempt, events)?,
            Message::Ended(ended) => self.ended(*ended)?,
            Message::Stop => {}
        }
        Ok(())
    }

    /// Brings a listener up to date, and keeps it while there is more to come.
    fn listen(&mut self, id: RunId, updates: mpsc::Sender<Update>) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)? else {
            let _ = updates.send(Update::Lost { refusal: Refusal::new(format!("there is no run {id}")) });
            return Ok(());
        };
        let names = self.under_way.get(&id).and_then(|u| u.opened.as_deref()).map(Names::of);
        let names = names.map(|names| Update::Names { names: Arc::new(names) });
        let said = self.under_way.get(&id).filter(|u| u.opened.is_none()).and_then(|u| u.notice.clone());
        let waits = said.or_else(|| self.waits_for(id)).map(|text| Update::Notice { text });
        let mut news = [Some(Update::snapshot(&run)), names, waits].into_iter().flatten();
        if news.all(|update| updates.send(update).is_ok()) && !run.state.is_finished() {
            self.listeners.entry(id).or_default().push(updates);
        }
        Ok(())
    }

    /// Commits events and tells whoever listens. A full disk is waited for: it must not cost what dbt has done.
    fn commit(&mut self, run: RunId, kinds: Vec<EventKind>) -> Result<(), StoreError> {
        let at = self.world.now();
        let events: Vec<_> = kinds.into_iter().map(|kind| Event { run, at, kind }).collect();
        let mut told = false;
        let stored = loop {
            match self.store.append(events.clone()) {
                Err(StoreError::DiskFull(path)) => {
                    if !told {
                        let text = format!("{}: the disk is full; waiting for space", path.display());
                        self.tell(run, &Update::Notice { text });
                        told = true;
                    }
                    thread::sleep(Duration::from_secs(1));
                }
                other => break other?,
            }
        };
        for stored in stored {
            self.tell(run, &Update::Event { stored: Box::new(stored) });
        }
        Ok(())
    }

    fn tell(&mut self, run: RunId, update: &Update) {
        if let Some(listeners) = self.listeners.get_mut(&run) {
            listeners.retain(|listener| listener.send(update.clone()).is_ok());
        }
    }

    /// Gives each queued run its turn whose project is free: two runs of one project would be in each other's way in the
    /// warehouse.
    fn start_queued(&mut self) -> Result<(), StoreError> {
        let mut busy: BTreeSet<_> = self
            .under_way
            .keys()
            .filter_map(|id| self.store.active_run(*id))
            .map(|run| run.request.project.clone())
            .collect();
        let queued: Vec<_> = self
            .store
            .active()
            .filter(|run| run.state == RunState::Queued && !self.under_way.contains_key(&run.id))
            .cloned()
            .collect();
        for run in queued {
            if busy.insert(run.request.project.clone()) {
                self.under_way.insert(run.id, UnderWay::default());
                self.open(&run);
            }
        }
        Ok(())
    }

    /// What a queued run waits for, in words.
    fn waits_for(&self, id: RunId) -> Option<String> {
        let run = self.store.active_run(id).filter(|run| run.state == RunState::Queued)?;
        let same = |other: &&Run| {
            other.request.project == run.request.project && self.under_way.contains_key(&other.id)
        };
        let other = self.store.active().filter(|other| other.id != id).find(same)?;
        Some(format!("waiting for run {} of the same project", other.id))
    }

    fn open(&mut self, run: &Run) {
        match self.world.project_of(run) {
            Ok(project) => {
                let under_way = self.under_way.entry(run.id).or_default();
                under_way.project = Some(project.clone());
                self.world.open(run.id, project, Arc::clone(&under_way.stop), &self.mail);
            }
            Err(refusal) => {
                let _ = self.mail.send(Message::Opened { run: run.id, result: Err(refusal) });
            }
        }
    }

    fn opened(&mut self, id: RunId, result: Result<Arc<Opened>, Refusal>) -> Result<(), StoreError> {
        let Some(run) = self.store.active_run(id).cloned() else { return Ok(()) };
        let opened = match result {
            Ok(opened) => opened,
            Err(refusal) if run.running_attempt().is_some() => {
                self.tell(id, &Update::Notice { text: format!("warning: {}", refusal.message) });
                return Ok(());
            }
            Err(_) if run.cancelled_by.is_some() => {
                return self
                    .finish_run(id, EventKind::RunFinished { state: RunState::Cancelled, reason: None });
            }
            Err(Refusal { message, hint }) => {
                let reason = hint.map_or_else(|| message.clone(), |hint| format!("{message}\nhint: {hint}"));
                // A run that had begun has not been refused: it cannot go on.
                return self.finish_run(
                    id,
                    if run.state == RunState::Queued {
                        EventKind::RunRefused { reason }
                    } else {
                        EventKind::RunFinished { state: RunState::Interrupted, reason: Some(reason) }
                    },
                );
            }
        };
        for warning in &opened.warnings {
            self.tell(id, &Update::Notice { text: format!("warning: {warning}") });
        }
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.opened = Some(Arc::clone(&opened));
        }
        self.tell(id, &Update::Names { names: Arc::new(Names::of(&opened)) });
        if run.state == RunState::Queued {
            let manifest_digest = Some(opened.project.digest.clone());
            self.commit(
                id,
                vec![EventKind::RunStarted { manifest_digest, plugins: opened.plugins.clone() }],
            )?;
        }
        self.go_on(id)
    }

    /// Starts the next step of a run, or ends it.
    fn go_on(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.active_run(id).cloned() else { return Ok(()) };
        if run.running_attempt().is_some() {
            return Ok(());
        }
        if let Some((state, reason)) = fold::conclude(&run) {
            return self.finish_run(id, EventKind::RunFinished { state, reason });
        }
        let Some(next) = run.steps.iter().position(|step| !step.state.is_finished()) else { return Ok(()) };
        let Some(UnderWay { project: Some(project), opened: Some(opened), .. }) = self.under_way.get(&id)
        else {
            // After a restart the first step went on without the project; the next one needs it.
            self.open(&run);
            return Ok(());
        };
        let (project, opened) = (project.clone(), Arc::clone(opened));
        let args = run.steps[next].args.clone();
        let attempt = AttemptId {
            run: id,
            step: u32::try_from(next + 1).unwrap_or(u32::MAX),
            attempt: u32::try_from(run.steps[next].attempts.len() + 1).unwrap_or(u32::MAX),
        };
        let start = self.world.ready(attempt, &args, &project, &opened);
        let plan = self.world.known_plan(&args, &project, &opened);
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.planning = plan.is_some();
        }
        let command = std::iter::once("dbt".to_owned()).chain(start.spec.args.iter().cloned()).collect();
        let mut events = vec![EventKind::AttemptStarted {
            attempt,
            command,
            environment: start.environment.keys().cloned().collect(),
            revision: self.world.revision(&project),
        }];
        events.extend(plan.map(|nodes| EventKind::PlanResolved { attempt, nodes }));
        self.commit(id, events)?;
        match self.world.spawn(&start) {
            Ok(identity) => {
                self.commit(id, vec![EventKind::AttemptSpawned { attempt, identity: identity.clone() }])?;
                self.world.watch(attempt, &args, Some(identity), 0, &self.mail);
                Ok(())
            }
            Err(e) => self.ended(Ended {
                attempt,
                exit: Some(ExitStatus::not_started(
                    format!("the attempt process could not be started: {e}"),
                    self.world.now(),
                )),
                results: None,
                raw_tail: String::new(),
            }),
        }
    }

    fn observed(&mut self, attempt: AttemptId, mut events: Vec<EventKind>) -> Result<(), StoreError> {
        let Some(run) = self.store.active_run(attempt.run) else { return Ok(()) };
        let Some(under_way) = self.under_way.get_mut(&attempt.run) else { return Ok(()) };
        // The plan is found out behind the first node, so that it delays none.
        let begins = events.iter().any(|e| matches!(e, EventKind::NodeStarted { .. }));
        if begins
            && !under_way.planning
            && let (Some(project), Some(opened)) = (&under_way.project, &under_way.opened)
            && let Some(step) = run.step(attempt.step)
        {
            under_way.planning = true;
            self.world.plan(attempt, &step.args, project, opened, &self.mail);
        }
        if let (Some(opened), Some(state)) = (&under_way.opened, run.attempt(attempt)) {
            let results = events.iter_mut().filter_map(|event| match event {
                EventKind::NodeFinished { result, .. } => Some(&mut **result),
                _ => None,
            });
            name_causes(&opened.project, state, results);
        }
        self.commit(attempt.run, events)
    }

    fn ended(&mut self, ended: Ended) -> Result<(), StoreError> {
        let Ended { attempt: id, exit, results, raw_tail } = ended;
        if self.store.active_run(id.run).is_none() {
            return Ok(());
        }
        let mut events = vec![EventKind::AttemptExited { attempt: id, exit }];
        if let Some((source, mut results)) = results {
            let opened = self.under_way.get(&id.run).and_then(|u| u.opened.as_deref());
            let attempt = self.store.active_run(id.run).and_then(|run| run.attempt(id));
            if let (Some(opened), Some(attempt)) = (opened, attempt) {
                name_causes(&opened.project, attempt, results.iter_mut());
            }
            events.push(EventKind::ResultsRead { attempt: id, source, results });
        }
        self.commit(id.run, events)?;
        let Some(run) = self.store.active_run(id.run) else { return Ok(()) };
        let Some(attempt) = run.attempt(id) else { return Ok(()) };
        let (state, reason) = fold::verdict(attempt, run.cancelled_by.is_some(), &raw_tail);
        self.commit(id.run, vec![EventKind::AttemptFinished { attempt: id, state, reason }])?;
        self.go_on(id.run)
    }

    fn cancel(&mut self, id: RunId, by: String) -> Result<(), StoreError> {
        let Some(run) = self.store.active_run(id).cloned() else { return Ok(()) };
        if run.cancelled_by.is_none() {
            self.commit(id, vec![EventKind::CancelRequested { by }])?;
        }
        if let Some(under_way) = self.under_way.get(&id) {
            under_way.stop.store(true, Ordering::Relaxed);
        }
        if let Some(identity) = run.running_attempt().and_then(|a| a.identity.as_ref()) {
            if let Err(e) = self.world.interrupt(identity) {
                self.tell(
                    id,
                    &Update::Notice { text: format!("the attempt process could not be signalled: {e}") },
                );
            }
        } else if !self.under_way.contains_key(&id) {
            self.finish_run(id, EventKind::RunFinished { state: RunState::Cancelled, reason: None })?;
        }
        Ok(())
    }

    fn finish_run(&mut self, id: RunId, event: EventKind) -> Result<(), StoreError> {
        self.commit(id, vec![event])?;
        self.under_way.remove(&id);
        self.listeners.remove(&id);
        let forgotten = self.store.forget(self.retention, self.world.now())?;
        forgotten.into_iter().for_each(|run| self.world.forget(run));
        self.start_queued()
    }
}
