//! What happens from outside, at random times: people, disasters and clocks.

use std::{collections::BTreeMap, sync::mpsc};

use jiff::SignedDuration;

use super::{
    Simulation,
    world::{Happening, Universe},
};
use crate::{
    engine::{Ending, Message, Refusal, Taken, request},
    model::{Launch, RunId, Trigger},
};

/// Something that happens again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Someone asks for a run, perhaps not for the first time with this key.
    Request,
    /// Someone cancels a run.
    Cancel,
    /// Someone resumes a run that has ended.
    Resume,
    /// Someone pauses a job, or resumes it.
    Pause,
    /// The configuration is another one.
    Reload,
    /// The host is told to end.
    End,
    /// The host is killed, now or in the midst of something.
    Kill,
    /// The machine is started anew.
    Reboot,
    /// An attempt process is killed.
    Shoot,
    /// Someone sets the clock.
    SetClock,
    /// The clock is as wrong as clocks without a battery are, and right again after a while.
    Wrong,
    /// The clock stands still for a while.
    Freeze,
    /// The disk is full for a while.
    Full,
    /// A project cannot be parsed for a while.
    Break,
    /// A profile names other files.
    Move,
    /// Files arrive.
    Files,
    /// Rows arrive.
    Rows,
    /// The clock is right again.
    Mend(i64),
    /// A project can be parsed again.
    Repair(u32),
}

const HOUR: i64 = 3_600_000;

/// How often each happens: once in so many hours.
const OFTEN: [(Load, i64); 17] = [
    (Load::Request, 5),
    (Load::Cancel, 9),
    (Load::Resume, 20),
    (Load::Pause, 30),
    (Load::Reload, 40),
    (Load::End, 30),
    (Load::Kill, 12),
    (Load::Reboot, 50),
    (Load::Shoot, 15),
    (Load::SetClock, 90),
    (Load::Wrong, 400),
    (Load::Freeze, 150),
    (Load::Full, 60),
    (Load::Break, 60),
    (Load::Move, 80),
    (Load::Files, 7),
    (Load::Rows, 9),
];

/// An answer that someone waits for.
pub(super) type Waiting = (String, mpsc::Receiver<Result<Taken, Refusal>>);

impl Universe {
    /// Lets everything happen for the first time.
    pub(super) fn begin(&mut self) {
        for (load, hours) in OFTEN {
            // In some worlds a thing never happens, and in others all the time: so each gets its chance beside each.
            let hours = match self.random.u32(0..6) {
                0 => continue,
                1 => hours.div_euclid(5).max(1),
                2 => hours * 2,
                _ => hours,
            };
            self.often.push((load, hours));
            let delay = self.random.i64(0..2 * hours * HOUR);
            self.plan(delay, Happening::Load(load));
        }
    }

    fn again(&mut self, load: Load) {
        if let Some((_, hours)) = self.often.iter().find(|(known, _)| *known == load).copied() {
            let delay = self.random.i64(1..2 * hours * HOUR);
            self.plan(delay, Happening::Load(load));
        }
    }

    fn some_run(&mut self, finished: bool) -> Option<RunId> {
        let checks = &self.checks;
        let fits = |run: &&RunId| checks.runs[run].finished.is_some() == finished;
        let runs: Vec<_> = checks.runs.keys().filter(fits).rev().take(8).copied().collect();
        (!runs.is_empty()).then(|| runs[self.random.usize(0..runs.len())])
    }

    fn some_job(&mut self) -> Option<String> {
        let jobs: Vec<_> = self.config.jobs.keys().cloned().collect();
        Some(jobs[self.random.usize(0..jobs.len())].clone())
    }

    fn set_clock(&mut self, by: SignedDuration, goes: bool) {
        self.note(format!("the clock is set by {by:#}, and goes: {goes}"));
        self.clock.set(by, goes);
        self.checks.steady_since = self.clock.real;
        self.plan(1_000, Happening::Moment);
    }
}

fn launch() -> Launch {
    Launch { user: "ada".to_owned(), via: "cli".to_owned(), command: Vec::new(), reason: None }
}

impl Simulation {
    /// Something happens. What people say is lost where no host is there to hear it.
    pub(super) fn happen(&mut self, load: Load) {
        let world = self.world.clone();
        let mut universe = world.lock();
        if universe.calm {
            return;
        }
        universe.again(load);
        universe.checks.count(format!("{load:?}").split('(').next().unwrap_or_default());
        let now = universe.clock.real;
        let mail = universe.mail.clone();
        let tell = |message| {
            if let Some(mail) = &mail {
                let _ = mail.send(message);
            }
        };
        match load {
            Load::Request => {
                // Some ask for the same thing twice, and some at the same time.
                for _ in 0..universe.random.u32(1..4) {
                    let key =
                        format!("hand:{}", universe.random.u64(0..40) + now as u64 / (24 * HOUR as u64) * 30);
                    let Some(job) = universe.some_job() else { continue };
                    let request =
                        request::of_job(&universe.config, &universe.config.jobs[&job], launch(), key.clone());
                    let (answer, answers) = mpsc::channel();
                    if let (Some(request), Some(mail)) = (request, &mail) {
                        let _ = mail.send(Message::Request { request: Box::new(request), answer });
                        self.waiting.push((key, answers));
                    }
                }
            }
            Load::Cancel => {
                if let Some(run) = universe.some_run(false) {
                    universe.note(format!("ada cancels {run}"));
                    universe.checks.cancels.insert(run);
                    tell(Message::Cancel { run, by: "ada".into(), answer: None });
                }
            }
            Load::Resume => {
                if let (Some(run), Some(mail)) = (universe.some_run(true), &mail) {
                    let (answer, answers) = mpsc::channel();
                    let _ = mail.send(Message::Resume { run, launch: launch(), answer });
                    self.waiting.push((format!("resume:{run}"), answers));
                }
            }
            Load::Pause => {
                if let Some(job) = universe.some_job() {
                    let paused = !universe.checks.paused.contains(&job);
                    universe.note(format!("ada pauses {job}: {paused}"));
                    tell(Message::Pause { job, paused, by: "ada".into(), answer: mpsc::channel().0 });
                }
            }
            Load::Reload => {
                self.model.edit(&mut universe.random);
                let config = self.model.load(&self.file);
                universe.note("another configuration");
                drop(universe);
                self.configure(config);
            }
            Load::End => {
                let ending = match universe.random.u32(0..4) {
                    0 => Ending::Drained,
                    1 => Ending::Interrupted,
                    _ => Ending::Now,
                };
                universe.note(format!("the host is told to end: {ending:?}"));
                if ending == Ending::Now && universe.random.bool() {
                    return tell(Message::HandOver(mpsc::channel().0));
                }
                if mail.is_some() {
                    universe.checks.interrupts |= ending == Ending::Interrupted;
                }
                tell(Message::End(ending));
            }
            Load::Kill if universe.random.bool() => {
                drop(universe);
                self.kill();
            }
            Load::Kill => universe.dies_in = Some(universe.random.u32(0..120)),
            Load::Reboot => {
                universe.note("the machine goes down");
                universe.reboot();
                drop(universe);
                self.kill();
            }
            Load::Shoot => {
                let alive: Vec<_> =
                    universe.processes.iter().filter(|(_, p)| p.is_alive(now)).map(|(id, _)| *id).collect();
                if let Some(id) = alive.first() {
                    universe.note(format!("{id} is killed"));
                    universe.processes.get_mut(id).unwrap().vanish(now);
                    let host = universe.host;
                    universe.plan(3_000, Happening::Watch(host, *id));
                }
            }
            Load::SetClock => {
                let minutes = [-60, 60, -5, 20, 1_500, -1_500][universe.random.usize(0..6)];
                universe.set_clock(SignedDuration::from_mins(minutes), true);
            }
            Load::Wrong => {
                let years = SignedDuration::from_hours(24 * 3_650);
                universe.set_clock(years, true);
                let delay = universe.random.i64(1_000..5 * HOUR);
                universe.plan(delay, Happening::Load(Load::Mend(-24 * 3_650)));
            }
            Load::Freeze => {
                universe.set_clock(SignedDuration::ZERO, false);
                let delay = universe.random.i64(1_000..3 * HOUR);
                universe.plan(delay, Happening::Load(Load::Mend(0)));
            }
            Load::Mend(hours) => universe.set_clock(SignedDuration::from_hours(hours), true),
            Load::Full => {
                universe.full_until = now + universe.random.i64(1_000..600_000);
                universe.note("the disk is full");
            }
            Load::Break => {
                let project = universe.random.u32(0..3);
                universe.note(format!("p{project} is broken"));
                universe.broken.insert(format!("p{project}"));
                let delay = universe.random.i64(HOUR..8 * HOUR);
                universe.plan(delay, Happening::Load(Load::Repair(project)));
            }
            Load::Repair(project) => {
                universe.note(format!("p{project} is mended"));
                universe.broken.remove(&format!("p{project}"));
            }
            Load::Move => {
                let project = format!("p{}", universe.random.u32(0..3));
                let file = format!("duckdb:/{}.db", ["p0", "p1", "p2", "q"][universe.random.usize(0..4)]);
                universe.note(format!("{project} writes to {file}"));
                universe.profiles.insert(project, vec![file]);
            }
            Load::Files => {
                let sensors: Vec<_> = universe.config.jobs.values().collect();
                let with_files = |job: &&&crate::config::Job| {
                    job.automated.triggers().keys().any(|trigger| matches!(trigger, Trigger::Files(_)))
                };
                let jobs: Vec<_> = sensors.iter().filter(with_files).map(|job| job.name.clone()).collect();
                for job in jobs {
                    universe.note(format!("a file arrives for {job}"));
                    let version = universe.files.entry(job.clone()).or_default();
                    *version += 1;
                    let version = *version;
                    universe.checks.arrived.insert(job, (version, now));
                }
            }
            Load::Rows => {
                let at = universe.clock.now();
                universe.rows.insert("raw".to_owned(), at);
            }
        }
    }
}

/// What is there of a sensor's files: each has a mark that tells in which state it is.
pub(super) fn found(job: &str, version: u64) -> BTreeMap<String, String> {
    if version == 0 {
        return BTreeMap::new();
    }
    BTreeMap::from([(format!("v{version:06}"), format!("/in/{job}/orders.csv"))])
}
