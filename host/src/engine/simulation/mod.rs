//! The real dispatcher, queue, scheduler, fold and store in a simulated world, through days that no test could wait for.
//!
//! Clock, disk and child processes are values here ([`world`]), and so is everything that happens from outside ([`load`]):
//! all of it follows from a seed. The host is killed at any point, its clock is set, its disk is full; what it commits and
//! does is held against a bookkeeping of its own ([`checks`], [`deeds`], [`retries`],
//! [`triggers`]). What is found wrong is found again with the same
//! seed: `TIDEGATE_SIMULATION_SEED=N` runs one, `TIDEGATE_SIMULATION_DAYS=N` runs more days than usual.

mod checks;
mod clock;
mod deeds;
mod load;
mod model;
mod post;
mod process;
mod retries;
mod tests;
mod triggers;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
};

use tempfile::TempDir;

use super::{Dispatcher, Ending, Message, dispatcher::bugs::Bug};
use crate::{
    config::Config,
    fold,
    model::RunId,
    store::{FILE_NAME, Reader, Store, StoreError},
};
use load::Waiting;
use model::Model;
use world::{Happening, Killed, SimWorld, Universe};

const DAY: i64 = 86_400_000;

/// One world with one host after the other.
struct Simulation {
    seed: u64,
    dir: TempDir,
    file: PathBuf,
    world: SimWorld,
    model: Model,
    bug: Option<Bug>,
    host: Option<(Dispatcher, mpsc::Receiver<Message>)>,
    waiting: Vec<Waiting>,
}

/// What was found wrong.
#[derive(Debug)]
struct Finding {
    seed: u64,
    days: f64,
    what: String,
    /// What happened last.
    trace: Vec<String>,
    /// The configuration, as it was last.
    text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, days, what, trace, text } = self;
        let trace = trace.join("\n");
        write!(f, "{text}\n{trace}\nseed {seed}, after {days:.2} days: {what}")
    }
}

/// Simulates so many days; gives how often what has happened.
fn simulate(seed: u64, days: i64, bug: Option<Bug>) -> Result<BTreeMap<String, usize>, Finding> {
    let mut simulation = Simulation::new(seed, bug);
    simulation.live(days).map_err(|what| {
        let universe = simulation.world.lock();
        let trace = universe.trace.iter().cloned().collect();
        let text = simulation.model.text();
        Finding { seed: simulation.seed, days: universe.clock.real as f64 / DAY as f64, what, trace, text }
    })
}

impl Simulation {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let start = model::start(&mut random);
        let model = Model::new(&mut random);
        let file = dir.path().join("tidegate.toml");
        let config = model.load(&file);
        let mut universe = Universe::new(random.u64(..), start, config);
        universe.checks.exact = model.keeps.is_none();
        universe.begin();
        universe.plan(0, Happening::Host);
        let world = SimWorld(Arc::new(Mutex::new(universe)));
        Self { seed, dir, file, world, model, bug, host: None, waiting: Vec::new() }
    }

    fn live(&mut self, days: i64) -> Result<BTreeMap<String, usize>, String> {
        self.until(days * DAY)?;
        self.run_dry()?;
        self.audit()?;
        Ok(std::mem::take(&mut self.world.lock().checks.counts))
    }

    /// Lets everything happen up to a time.
    fn until(&mut self, end: i64) -> Result<(), String> {
        loop {
            let due = self.host.as_ref().and_then(|(dispatcher, _)| dispatcher.due());
            let mut universe = self.world.lock();
            let next = universe.agenda.first_key_value().map(|((at, _), _)| *at);
            let due = due.and_then(|due| universe.clock.real_of(due));
            let at = next.into_iter().chain(due).min().unwrap_or(end).max(universe.clock.real);
            if at >= end {
                universe.clock.real = end;
                return Ok(());
            }
            universe.clock.real = at;
            drop(universe);
            self.all_that_happens();
            self.work()?;
        }
    }

    fn all_that_happens(&mut self) {
        loop {
            let mut universe = self.world.lock();
            let now = universe.clock.real;
            let Some(entry) = universe.agenda.first_entry().filter(|entry| entry.key().0 <= now) else {
                return;
            };
            let happening = entry.remove();
            let host = universe.host;
            let mail = universe.mail.clone();
            match happening {
                Happening::Message(to, message) if to == host => {
                    if let Some(mail) = mail {
                        let _ = mail.send(*message);
                    }
                }
                Happening::Watch(of, attempt) if of == host => universe.watch(attempt),
                Happening::Look(of, job, trigger) if of == host => {
                    let version = universe.files.get(&job).copied().unwrap_or(0);
                    let found = Ok(load::found(&job, version));
                    if let Some(mail) = mail {
                        let _ = mail.send(Message::Files { job, trigger, found });
                    }
                }
                Happening::Load(load) => {
                    drop(universe);
                    self.happen(load);
                }
                Happening::Host => {
                    drop(universe);
                    self.start();
                }
                _ => {}
            }
        }
    }

    /// A host starts, as a service or now and then as an errand.
    fn start(&mut self) {
        let (mail, messages) = mpsc::channel();
        let mut universe = self.world.lock();
        if self.host.is_some() {
            return;
        }
        let automatic = universe.calm || !universe.once_in(12);
        let host = universe.host;
        universe.checks.count("hosts");
        universe.note(format!("host {host} starts, automatic: {automatic}"));
        universe.mail = Some(mail.clone());
        universe.checks.automatic = automatic;
        universe.checks.steady_since = universe.clock.real;
        let config = Arc::clone(&universe.config);
        drop(universe);
        let world = self.world.clone();
        let (dir, bug) = (self.dir.path().join(FILE_NAME), self.bug);
        let made = self.guard(|_| {
            let mut store = Store::open(&dir)?;
            store.disk = Some(Arc::new(world.clone()));
            let mut dispatcher = Dispatcher::new(store, Box::new(world), mail.clone(), config, automatic);
            dispatcher.bug = bug;
            dispatcher.recover()?;
            Ok(dispatcher)
        });
        if let Some(dispatcher) = made {
            if !automatic {
                let _ = mail.send(Message::End(Ending::Idle));
            }
            self.host = Some((dispatcher, messages));
        }
    }

    /// Does something with the host that may kill it.
    fn guard<T>(&mut self, what: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| what(self))) {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(e)) => self.world.lock().checks.wrong(format!("the host gave up: {e}")),
            Err(thrown) if thrown.is::<Killed>() => self.kill(),
            Err(_) => self.world.lock().checks.wrong("the host panicked"),
        }
        None
    }

    /// The host is killed, and another one comes after a while.
    fn kill(&mut self) {
        self.listen();
        self.host = None;
        self.waiting.clear();
        let mut universe = self.world.lock();
        universe.note("the host is gone");
        universe.host_is_gone();
        let delay = match universe.random.u32(0..10) {
            _ if universe.calm => 1_000,
            0 => universe.random.i64(DAY..4 * DAY),
            1..=3 => universe.random.i64(60_000..DAY / 2),
            _ => universe.random.i64(10..20_000),
        };
        universe.plan(delay, Happening::Host);
    }

    /// The host does what there is to do.
    fn work(&mut self) -> Result<(), String> {
        for _ in 0..5_000 {
            self.listen();
            if let Some(violation) = self.world.lock().checks.violation.take() {
                return Err(violation);
            }
            let Some((dispatcher, messages)) = &mut self.host else { return Ok(()) };
            let most = self.world.lock().random.usize(1..6);
            let batch: Vec<_> = messages.try_iter().take(most).collect();
            let now = self.world.lock().clock.now();
            let idle = batch.is_empty() && dispatcher.due().is_none_or(|due| due > now);
            if dispatcher.has_ended() {
                self.kill();
                return Ok(());
            }
            let worked = self.guard(|simulation| {
                let Some((dispatcher, _)) = &mut simulation.host else { return Ok(()) };
                if !batch.is_empty() {
                    dispatcher.take(batch)?;
                }
                dispatcher.wake()
            });
            if worked.is_some() && idle {
                let due = self.host.as_ref().and_then(|(dispatcher, _)| dispatcher.due());
                let mut universe = self.world.lock();
                if due.is_none_or(|due| due > universe.clock.now()) {
                    universe.settled();
                    return universe.checks.violation.take().map_or(Ok(()), Err);
                }
            }
        }
        Err("the host does not come to rest".to_owned())
    }

    /// Hears what those who have asked for a run are told.
    fn listen(&mut self) {
        let mut universe = self.world.lock();
        self.waiting.retain(|(key, answers)| {
            if let Ok(answer) = answers.try_recv() {
                answer.into_iter().for_each(|taken| universe.checks.accepted(key, taken.run));
                return false;
            }
            true
        });
    }

    fn configure(&mut self, config: Arc<Config>) {
        self.world.lock().config = Arc::clone(&config);
        self.guard(|simulation| match &mut simulation.host {
            Some((dispatcher, _)) => dispatcher.take(vec![Message::Configure(config)]),
            None => Ok(()),
        });
    }

    /// Nothing comes any more and nothing goes wrong: then every run comes to its end.
    fn run_dry(&mut self) -> Result<(), String> {
        self.model.still();
        let config = self.model.load(&self.file);
        {
            let mut universe = self.world.lock();
            universe.note("everything becomes calm");
            universe.calm = true;
            universe.broken.clear();
            universe.full_until = 0;
            universe.dies_in = None;
            universe.clock.set(jiff::SignedDuration::ZERO, true);
            universe.plan(1, Happening::Host);
        }
        self.configure(config);
        let end = self.world.lock().clock.real;
        for day in 1..=20 {
            self.until(end + day * DAY)?;
            let universe = self.world.lock();
            if universe.checks.open.is_empty() && universe.checks.post.is_done() {
                return Ok(());
            }
        }
        let left = self.world.lock().checks.open.clone();
        if left.is_empty() {
            return Err(format!("these are never sent: {:?}", self.world.lock().checks.post.pending.keys()));
        }
        Err(format!("these runs never come to an end: {left:?}"))
    }

    /// What is on disk is what its events tell, and what was promised.
    fn audit(&mut self) -> Result<(), String> {
        self.host = None;
        let universe = self.world.lock();
        let reader = Reader::open(self.dir.path()).unwrap();
        let kept = |run: &&RunId| !universe.checks.forgotten.contains(run);
        for (n, id) in universe.checks.runs.keys().filter(kept).enumerate() {
            // All of them take longer than all of the rest.
            if n as u64 % 4 != self.seed % 4 {
                continue;
            }
            let run = reader.run(*id).map_err(|e| e.to_string())?;
            let told = &universe.checks.runs[id];
            if Some(run.state) != told.finished || run.request.key != told.request.key {
                return Err(format!("run {id} is {}, and was {:?}", run.state, told.finished));
            }
            let mut events = reader.events(*id, 0).unwrap().into_iter();
            let mut folded = fold::begin(&events.next().unwrap().event).unwrap();
            events.for_each(|stored| drop(fold::apply(&mut folded, &stored.event)));
            if folded != run {
                return Err(format!("run {id} is not what its events tell"));
            }
        }
        let jobs: Vec<_> = reader.automations().unwrap().into_keys().collect();
        let mut store = Store::open(&self.dir.path().join(FILE_NAME)).unwrap();
        for job in jobs {
            if !store.rebuild_automation(&job).unwrap() {
                return Err(format!("what starts {job} is not what its events tell"));
            }
        }
        if !store.rebuild_audit().unwrap() {
            return Err("the trail of who did what is not what the events tell".to_owned());
        }
        if !store.rebuild_alert("all").unwrap() {
            return Err("what the alert knows is not what its events tell".to_owned());
        }
        Ok(())
    }
}
