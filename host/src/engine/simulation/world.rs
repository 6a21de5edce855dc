//! Clock, disk and child processes as values: they do what a seed says, and go on when the host dies.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    panic::resume_unwind,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;

use super::{checks::Checks, clock::Clock, load::Load, process::Process};
use crate::{
    config::{self, Config},
    engine::{Delivery, Mail, Message, Refusal, Rendering, Start, World, WriteLocks},
    model::{AttemptId, AttemptIdentity, ExitStatus, Failure, RetryRule, Run, RunId, RunRequest, Trigger},
    process::{AttemptFolder, AttemptSpec, Caps, Ladder},
    project::Opened,
    store::{Disk, Entry},
};

/// Thrown where the host is killed.
pub(super) struct Killed;

/// What happens at a time, in milliseconds since the beginning.
pub(super) enum Happening {
    /// Something reaches the host that was there when it was sent.
    Message(u32, Box<Message>),
    /// A watcher of a host looks at a log.
    Watch(u32, AttemptId),
    /// A sensor's look at its files is over.
    Look(u32, String, Trigger),
    /// Someone or something from outside.
    Load(Load),
    /// A host starts.
    Host,
    /// Nothing but a moment at which the host looks at its clock.
    Moment,
}

/// A watcher of the host that is there.
struct Watcher {
    read: usize,
    mail: Mail,
}

/// All there is, but for the host and its database.
pub(super) struct Universe {
    pub(super) random: fastrand::Rng,
    pub(super) clock: Clock,
    pub(super) agenda: BTreeMap<(i64, u64), Happening>,
    sequence: u64,
    /// Counts the hosts.
    pub(super) host: u32,
    pub(super) mail: Option<Mail>,
    pub(super) config: Arc<Config>,
    pub(super) processes: BTreeMap<AttemptId, Process>,
    watchers: BTreeMap<AttemptId, Watcher>,
    /// After so many more looks of the host at the world it is killed.
    pub(super) dies_in: Option<u32>,
    /// Until when the disk is full.
    pub(super) full_until: i64,
    /// Projects that cannot be opened.
    pub(super) broken: BTreeSet<String>,
    /// The files that projects write to.
    pub(super) profiles: BTreeMap<String, Vec<String>>,
    /// How often the files of each sensor have changed.
    pub(super) files: BTreeMap<String, u64>,
    /// Up to when the sources of each project have rows.
    pub(super) rows: BTreeMap<String, Timestamp>,
    /// How often each thing happens: once in so many hours.
    pub(super) often: Vec<(Load, i64)>,
    /// Whether new processes come to their end without ado.
    pub(super) calm: bool,
    pub(super) checks: Checks,
    pub(super) trace: VecDeque<String>,
    /// The last looks at the files of each sensor.
    pub(super) looks: BTreeMap<String, Vec<i64>>,
}

impl Universe {
    pub(super) fn new(seed: u64, start: Timestamp, config: Arc<Config>) -> Self {
        let profiles = config.projects.keys().map(|name| (name.clone(), vec![format!("duckdb:/{name}.db")]));
        Self {
            random: fastrand::Rng::with_seed(seed),
            clock: Clock::new(start),
            agenda: BTreeMap::new(),
            sequence: 0,
            host: 0,
            mail: None,
            profiles: profiles.collect(),
            config,
            processes: BTreeMap::new(),
            watchers: BTreeMap::new(),
            dies_in: None,
            full_until: 0,
            broken: BTreeSet::new(),
            files: BTreeMap::new(),
            rows: BTreeMap::new(),
            often: Vec::new(),
            calm: false,
            checks: Checks::default(),
            trace: VecDeque::new(),
            looks: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        if self.trace.len() >= 80 {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{} {}", self.clock, what.into()));
    }

    pub(super) fn plan(&mut self, delay: i64, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.clock.real + delay.max(0), self.sequence), happening);
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.random.u32(0..times) == 0
    }

    /// The host is gone, and its threads with it.
    pub(super) fn host_is_gone(&mut self) {
        self.host += 1;
        self.mail = None;
        self.watchers.clear();
        self.dies_in = None;
        self.checks.host_is_gone();
    }

    /// The machine goes down: nothing survives.
    pub(super) fn reboot(&mut self) {
        let now = self.clock.real;
        self.processes.values_mut().for_each(|process| process.vanish(now));
    }

    /// Lets a watcher look, and says when to look again.
    pub(super) fn watch(&mut self, attempt: AttemptId) {
        let (now, wall) = (self.clock.real, self.clock.now());
        let Some(watcher) = self.watchers.get_mut(&attempt) else { return };
        let Some(process) = self.processes.get(&attempt) else {
            // It was never started, and never will be.
            let mail = watcher.mail.clone();
            self.watchers.remove(&attempt);
            self.note(format!("{attempt} was never started"));
            let _ = mail.send(Message::Ended(Box::new(process_end(attempt, None))));
            return;
        };
        let (events, read) = process.events(attempt, watcher.read, now);
        if read > watcher.read {
            watcher.read = read;
            let _ = watcher.mail.send(Message::Observed { attempt, events });
        }
        if process.is_alive(now) {
            let next = process.next(now);
            let delay = self.random.i64(1..150);
            self.plan(next - now + delay, Happening::Watch(self.host, attempt));
            return;
        }
        let exit = process.exit(self.clock.at(process.end).min(wall));
        let results = process.results(&self.rows);
        let ended = crate::engine::message::Ended { results, ..process_end(attempt, exit) };
        if let Some(watcher) = self.watchers.remove(&attempt) {
            let _ = watcher.mail.send(Message::Ended(Box::new(ended)));
        }
    }
}

fn process_end(attempt: AttemptId, exit: Option<ExitStatus>) -> crate::engine::message::Ended {
    crate::engine::message::Ended { attempt, exit, results: None, raw_tail: String::new() }
}

/// What the host sees of it all.
#[derive(Clone)]
pub(super) struct SimWorld(pub(super) Arc<Mutex<Universe>>);

impl std::fmt::Debug for SimWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimWorld")
    }
}

impl SimWorld {
    pub(super) fn lock(&self) -> MutexGuard<'_, Universe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host looks at the world, or does something to it: it may be the last thing that it does.
    fn enter(&self, what: impl FnOnce() -> String) -> MutexGuard<'_, Universe> {
        let mut universe = self.lock();
        match universe.dies_in {
            Some(0) => {
                universe.note(format!("the host is killed where it would {}", what()));
                drop(universe);
                resume_unwind(Box::new(Killed));
            }
            Some(left) => universe.dies_in = Some(left - 1),
            None => {}
        }
        universe
    }
}

impl Disk for SimWorld {
    fn has_room(&self) -> bool {
        let universe = self.enter(|| "commit".to_owned());
        universe.full_until <= universe.clock.real
    }

    fn committed(&self, entries: &[Entry], last: u64) {
        self.lock().committed(entries, last);
        drop(self.enter(|| "act on what it has committed".to_owned()));
    }
}

/// What dbt is asked for names its nodes: so the plan and the process agree.
pub(super) fn nodes_of(args: &[String]) -> Vec<String> {
    if args.first().is_some_and(|arg| arg == "source") {
        return vec!["source.shop.raw.orders".to_owned()];
    }
    let count = 1 + args.iter().map(String::len).sum::<usize>() % 3;
    (1..=count).map(|n| format!("model.shop.n{n}")).collect()
}

impl World for SimWorld {
    fn now(&self) -> Timestamp {
        self.enter(|| "look at the clock".to_owned()).clock.now()
    }

    fn project_of(&self, run: &Run) -> Result<config::Project, Refusal> {
        let universe = self.enter(|| format!("read the configuration for {}", run.id));
        let project = universe.config.projects.get(&run.request.project).cloned();
        project.ok_or_else(|| Refusal::new("it is not configured any more"))
    }

    fn open(&self, run: RunId, project: config::Project, _: Arc<AtomicBool>, _: &Mail) {
        let mut universe = self.enter(|| format!("open {} for {run}", project.name));
        universe.note(format!("open {} for {run}", project.name));
        universe.turn(run);
        let broken = universe.broken.contains(&project.name);
        let result = if broken {
            Err(Refusal { message: "it does not parse".to_owned(), hint: Some("mend it".to_owned()) })
        } else {
            Ok(Arc::new(Opened {
                project: Default::default(),
                manifest: PathBuf::new(),
                prepared: None,
                plugins: Vec::new(),
                calls: Vec::new(),
                warnings: Vec::new(),
            }))
        };
        let slow = if universe.once_in(8) { 400_000 } else { 5_000 };
        let delay = universe.random.i64(1..slow);
        let host = universe.host;
        universe.plan(delay, Happening::Message(host, Box::new(Message::Opened { run, result })));
    }

    fn ready(&self, attempt: AttemptId, args: &[String], _: &config::Project, _: &Opened) -> Start {
        Start {
            attempt,
            folder: AttemptFolder(PathBuf::new()),
            spec: AttemptSpec {
                program: "dbt".into(),
                args: args.to_vec(),
                cwd: PathBuf::new(),
                secrets: Vec::new(),
                caps: Caps::default(),
                ladder: Ladder::default(),
                discard: Vec::new(),
                compress: Vec::new(),
            },
            environment: BTreeMap::new(),
            parse_cache: None,
        }
    }

    fn revision(&self, _: &config::Project) -> Option<String> {
        None
    }

    fn spawn(&self, start: &Start) -> io::Result<AttemptIdentity> {
        let mut universe = self.enter(|| format!("spawn {}", start.attempt));
        let attempt = start.attempt;
        universe.spawning(attempt);
        if !universe.calm && universe.once_in(60) {
            universe.note(format!("{attempt} cannot be spawned"));
            universe.checks.unspawnable.insert(attempt);
            return Err(io::Error::other("too many open files"));
        }
        let (now, calm) = (universe.clock.real, universe.calm);
        let process = Process::new(&mut universe.random, now, calm, &start.spec.args);
        universe.note(format!("spawn {attempt}: {process}"));
        universe.processes.insert(attempt, process);
        let pid = i32::try_from(universe.processes.len()).unwrap();
        drop(universe);
        // Here the process runs, and nobody has written down which it is.
        drop(self.enter(|| format!("say that {attempt} is spawned")));
        Ok(AttemptIdentity { pid, start_time: 1, boot_id: String::new() })
    }

    fn watch(
        &self,
        attempt: AttemptId,
        _: &[String],
        identity: Option<AttemptIdentity>,
        offset: u64,
        mail: &Mail,
    ) {
        let mut universe = self.enter(|| format!("watch {attempt}"));
        universe.note(format!("watch {attempt} from {offset}"));
        let read = Process::line_at(offset);
        universe.watchers.insert(attempt, Watcher { read, mail: mail.clone() });
        let delay = if identity.is_some() { 100 } else { 2_500 };
        let host = universe.host;
        universe.plan(delay, Happening::Watch(host, attempt));
    }

    fn known_plan(&self, args: &[String], _: &config::Project, _: &Opened) -> Option<Vec<String>> {
        self.enter(|| "look for a plan".to_owned()).once_in(3).then(|| nodes_of(args))
    }

    fn plan(&self, attempt: AttemptId, args: &[String], _: &config::Project, _: &Opened, _: &Mail) {
        let mut universe = self.enter(|| format!("plan {attempt}"));
        let nodes = (!universe.once_in(3)).then(|| nodes_of(args));
        let message = Message::Planned { attempt, nodes };
        let (host, delay) = (universe.host, universe.random.i64(1..20_000));
        universe.plan(delay, Happening::Message(host, Box::new(message)));
    }

    fn decide(&self, rule: &RetryRule, failure: Failure, _: &Mail) {
        let mut universe = self.enter(|| format!("ask about {}", failure.attempt));
        universe.note(format!("ask about {}", failure.attempt));
        universe.asked(&failure);
        let judgement = Box::new(universe.judgement(rule));
        let slow = if universe.once_in(10) { 60_000 } else { 2_000 };
        let (host, delay) = (universe.host, universe.random.i64(1..slow));
        let message = Message::Decided { attempt: failure.attempt, judgement };
        universe.plan(delay, Happening::Message(host, Box::new(message)));
    }

    fn threads(&self, _: &[String], _: &config::Project) -> Option<u32> {
        None
    }

    fn interrupt(&self, attempt: AttemptId, _: Option<&AttemptIdentity>) -> io::Result<()> {
        let mut universe = self.enter(|| format!("interrupt {attempt}"));
        let Universe { processes, random, clock, .. } = &mut *universe;
        let Some(process) = processes.get_mut(&attempt).filter(|p| p.is_alive(clock.real)) else {
            return Ok(());
        };
        process.interrupt(random, clock.real);
        let (delay, host) = (process.end - clock.real + 100, universe.host);
        universe.note(format!("interrupt {attempt}: it ends in {delay} ms"));
        universe.plan(delay, Happening::Watch(host, attempt));
        Ok(())
    }

    fn is_asked(&self, attempt: AttemptId) -> bool {
        let universe = self.enter(|| format!("look whether {attempt} is asked to stop"));
        universe.processes.get(&attempt).is_some_and(Process::is_asked)
    }

    fn write_locks(&self, request: &RunRequest) -> WriteLocks {
        let mut universe = self.enter(|| format!("look for the locks of {}", request.key));
        let files = universe.profiles.get(&request.project).cloned().unwrap_or_default();
        let mut locks = request.limits.locks.clone();
        locks.extend(files.clone());
        universe.checks.handed.insert(request.key.clone(), locks);
        WriteLocks { locks: files, note: None }
    }

    fn spoke_at(&self, attempt: AttemptId) -> Option<Timestamp> {
        let universe = self.enter(|| format!("look at the log of {attempt}"));
        let said = universe.processes.get(&attempt)?.spoke(universe.clock.real)?;
        Some(universe.clock.at(said))
    }

    fn look(&self, job: &str, trigger: &Trigger, _: &str, _: &Mail) {
        let mut universe = self.enter(|| format!("look at the files of {job}"));
        universe.looked(job);
        let (host, delay) = (universe.host, universe.random.i64(1..900));
        universe.plan(delay, Happening::Look(host, job.to_owned(), trigger.clone()));
    }

    fn alerts_of_plugins(&self, _: &BTreeSet<String>) -> Vec<config::Alert> {
        Vec::new()
    }

    fn render(&self, rendering: Rendering, _: &Mail) {
        let mut universe = self.enter(|| format!("render {}", rendering.id));
        universe.render(rendering);
    }

    fn deliver(&self, delivery: Delivery, _: &Mail) {
        let mut universe = self.enter(|| format!("deliver {}", delivery.key));
        universe.deliver(delivery);
        drop(universe);
        // Here it has arrived, or not, and nobody knows.
        drop(self.enter(|| "go on".to_owned()));
    }

    fn pause(&self, time: Duration) {
        let mut universe = self.enter(|| "wait for space".to_owned());
        universe.clock.real += i64::try_from(time.as_millis()).unwrap();
        universe.checks.steady_since = universe.clock.real;
    }

    fn highest_run(&self) -> u64 {
        0
    }

    fn forget(&self, run: RunId) {
        self.enter(|| format!("forget {run}")).checks.forgotten.insert(run);
    }
}
