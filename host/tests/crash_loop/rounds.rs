//! The rounds: a host is started, asked for runs, and killed or stopped; and what is true right after a start is looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tidegate::{
    crash,
    engine::attempt_folder,
    model::{AttemptId, Cursor, Run, RunState, Trigger},
    process::is_alive,
    store::RunFilter,
};

use crate::{
    house::{House, ON_STOP, Tidegate, What, kill_process},
    load::{Load, Request},
    projects::SCRIPTED,
    random::Random,
};

/// How long the state of a run may be untrue behind a start.
const TRUE_WITHIN: Duration = Duration::from_secs(120);

/// How many runs may wait or run before no more are asked for.
const ENOUGH: usize = 10;

/// Crash points that only a host comes by that starts runs by itself.
const OF_SERVICES: [&str; 2] = ["engine.after-tick", "engine.before-follow"];

/// A time in which hosts may have started attempt processes that were to end at a crash point.
pub struct Crashing {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Everything that is going on, and what was done to it.
pub struct Loop {
    pub house: House,
    pub load: Load,
    seed: u64,
    pub random: Random,
    pub running: Vec<Tidegate>,
    /// Crash points, in the order in which their turn comes.
    points: Vec<&'static str>,
    /// What is being done, for whoever reads of a failure.
    pub doing: String,
    /// When hosts died.
    pub deaths: Vec<Timestamp>,
    /// The folders of attempts of which a process was killed.
    pub killed: BTreeSet<PathBuf>,
    pub crashing: Vec<Crashing>,
    /// The runs of which a service has said that it has ended them.
    pub ended_by_service: BTreeSet<u64>,
    /// How many files have arrived, by project.
    pub arrived: BTreeMap<&'static str, u64>,
    /// Up to here runs were there before anything began.
    pub inherited: u64,
    /// How many asked to cancel a run and were told that it is so.
    pub cancels: u32,
    /// How often a service was asked to stop, and how often another one took over.
    pub stops: u32,
    pub take_overs: u32,
    pub reached: BTreeMap<&'static str, u32>,
    pub kills: u32,
    pub problems: Vec<String>,
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.running.iter_mut().for_each(Tidegate::kill);
        if thread::panicking() {
            let (seed, doing, dir) = (self.seed, &self.doing, self.house.dir.display());
            eprintln!("seed {seed}, {doing}; everything is left in {dir}");
        }
    }
}

impl Loop {
    pub fn new(seed: u64) -> Self {
        Self {
            house: House::new(seed),
            load: Load::default(),
            seed,
            random: Random::new(seed),
            running: Vec::new(),
            points: Vec::new(),
            doing: String::new(),
            deaths: Vec::new(),
            killed: BTreeSet::new(),
            crashing: Vec::new(),
            ended_by_service: BTreeSet::new(),
            arrived: BTreeMap::new(),
            inherited: 0,
            cancels: 0,
            stops: 0,
            take_overs: 0,
            reached: BTreeMap::new(),
            kills: 0,
            problems: Vec::new(),
        }
    }

    pub fn round(&mut self, number: u64) {
        // The first start migrates; later each point has its turn, and as often there is none.
        let point = match number {
            1 => Some("store.mid-migration"),
            _ => self.random.percent(60).then(|| self.next_point()),
        };
        let at = point.map(|point| format!("{point}:{}", self.pass_of(point)));
        self.doing = format!("round {number}, crash point {}", at.as_deref().unwrap_or("none"));
        if point.is_some() || self.random.percent(20) {
            // Whoever is left would take over without a crash point.
            self.running.iter_mut().for_each(Tidegate::kill);
            self.deaths.push(Timestamp::now());
        }
        self.settle();
        if point.is_some_and(|point| point.starts_with("attempt.")) {
            let now = Timestamp::now();
            self.crashing.push(Crashing { from: now, until: now });
        }
        let serves = point.is_some_and(|point| OF_SERVICES.contains(&point)) || self.random.percent(80);
        if point == Some("engine.after-tick") {
            self.drop_a_file();
        }
        if serves {
            self.serve(at.as_deref());
        } else {
            let request = self.some_request(number);
            self.run_errand(request, at.as_deref());
        }
        let is_up = self.house.wait_for_host(&mut self.running);
        if serves && is_up {
            let request = self.some_request(number);
            self.ask(request, at.as_deref());
        }
        if is_up && self.random.percent(35) {
            self.expect_truth();
        }
        if is_up {
            self.put_to_work(number, at.as_deref());
        }
        self.strike(point);
        thread::sleep(self.random.millis(0, 400));
    }

    fn next_point(&mut self) -> &'static str {
        if self.points.is_empty() {
            let mut all: Vec<_> = crash::POINTS.into_iter().filter(|p| *p != "store.mid-migration").collect();
            while !all.is_empty() {
                let at = usize::try_from(self.random.below(all.len() as u64)).unwrap();
                self.points.push(all.swap_remove(at));
            }
        }
        self.points.pop().unwrap()
    }

    /// There are many commits in the life of a run, and few of everything else.
    fn pass_of(&mut self, point: &str) -> u64 {
        let few = if self.random.percent(50) { 1 } else { 3 };
        1 + self.random.below(match point {
            "store.mid-migration" => 2,
            point if point.starts_with("store.") => 40,
            point if point.starts_with("attempt.") => 1,
            _ => few,
        })
    }

    fn some_request(&mut self, round: u64) -> Request {
        let open = self.load.unanswered();
        match self.random.one_of(&open) {
            Some(request) if self.random.percent(60) => request.clone(),
            // The same again: it must be the same run.
            _ if self.random.percent(10) || self.active().len() > ENOUGH => self.known_request(round),
            _ => self.load.fresh(&mut self.random, round),
        }
    }

    pub fn known_request(&mut self, round: u64) -> Request {
        let all: Vec<_> = self.load.all.values().map(|asked| asked.request.clone()).collect();
        match self.random.one_of(&all) {
            Some(request) => request.clone(),
            None => self.load.fresh(&mut self.random, round),
        }
    }

    /// Starts a host that stays.
    pub fn serve(&mut self, crash_at: Option<&str>) {
        let on_stop = self.random.one_of(&ON_STOP).unwrap();
        let tidegate = self.house.start_serve(on_stop, crash_at);
        self.running.push(tidegate);
    }

    /// Starts a host that ends when nothing is left to do.
    pub fn run_errand(&mut self, request: Request, crash_at: Option<&str>) {
        self.load.all.get_mut(&request.key).unwrap().waiting += 1;
        let tidegate = self.house.start_errand(request, crash_at);
        self.running.push(tidegate);
    }

    /// Asks whoever is the host.
    pub fn ask(&mut self, request: Request, crash_at: Option<&str>) {
        self.load.all.get_mut(&request.key).unwrap().waiting += 1;
        let left = self.random.percent(40);
        let tidegate = self.house.start_client(request, left, crash_at);
        self.running.push(tidegate);
    }

    /// Lets a file arrive that a sensor waits for, if that knows by now what was there before.
    pub fn drop_a_file(&mut self) {
        let project = self.random.one_of(&SCRIPTED).unwrap();
        if self.knows_its_files(project) {
            let number = self.arrived.entry(project).or_default();
            *number += 1;
            self.house.drop_file(project, *number);
        }
    }

    pub fn knows_its_files(&self, project: &str) -> bool {
        let automations =
            self.house.reader().and_then(|reader| reader.automations().ok()).unwrap_or_default();
        automations.get(&format!("{project}-small")).is_some_and(|automation| {
            let mut sensors = automation.triggers.iter().filter(|(t, _)| matches!(t, Trigger::Files(_)));
            sensors.any(|(_, state)| matches!(state.cursor, Cursor::Seen(Some(_))))
        })
    }

    /// Clients come and go while the host works, until it is time to kill it, or it comes by its crash point.
    fn put_to_work(&mut self, round: u64, crash_at: Option<&str>) {
        let longest = if crash_at.is_some() { 3_500 } else { 1_800 };
        let begun = Instant::now();
        let until = self.random.millis(if crash_at.is_some() { longest - 500 } else { 10 }, longest);
        let mut clients: Vec<_> = (0..self.random.below(4)).map(|_| self.random.millis(0, 1_000)).collect();
        let mut cancels: Vec<_> = (0..self.random.below(3)).map(|_| self.random.millis(100, 1_500)).collect();
        let mut files: Vec<_> = (0..self.random.below(2)).map(|_| self.random.millis(0, 1_000)).collect();
        let take_over = self.random.percent(20).then(|| self.random.millis(100, 1_500));
        let mut take_over: Vec<_> = take_over.into_iter().collect();
        while begun.elapsed() < until {
            if self.running.iter_mut().any(Tidegate::has_crashed) {
                return;
            }
            let due = |times: &mut Vec<Duration>| {
                let before = times.len();
                times.retain(|at| *at > begun.elapsed());
                before - times.len()
            };
            for _ in 0..due(&mut clients) {
                let request = if self.random.percent(10) && self.active().len() < ENOUGH {
                    self.load.long(&mut self.random)
                } else {
                    self.some_request(round)
                };
                // Two may ask for the same at once.
                if self.random.percent(10) {
                    self.ask(request.clone(), crash_at);
                }
                self.ask(request, crash_at);
            }
            for _ in 0..due(&mut files) {
                self.drop_a_file();
            }
            for _ in 0..due(&mut take_over) {
                self.serve(crash_at);
                self.take_overs += 1;
            }
            for _ in 0..due(&mut cancels) {
                self.cancel_something();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Cancels what takes long, and now and then something else.
    pub fn cancel_something(&mut self) {
        let active = self.active();
        let long: Vec<_> = active.iter().filter(|run| is_long(run)).cloned().collect();
        let choice = if long.is_empty() || self.random.percent(20) { active } else { long };
        let Some(run) = self.random.one_of(&choice).map(|run| run.id.0) else { return };
        let cancel = self.house.cancel(run);
        self.running.push(cancel);
    }

    pub fn active(&self) -> Vec<Run> {
        let Some(reader) = self.house.reader() else { return Vec::new() };
        let of = |state| {
            let filter = RunFilter { state: Some(state), limit: u32::MAX, ..RunFilter::default() };
            reader.runs(&filter).unwrap_or_default().into_iter().map(|summary| summary.run)
        };
        of(RunState::Running).chain(of(RunState::Queued)).collect()
    }

    pub fn is_hosted(&mut self) -> bool {
        let state_dir = self.house.state_dir();
        self.running.iter_mut().any(|t| !t.is_gone() && t.is_host(&state_dir))
    }

    /// Kills the host, as a rule; and what it has started, now and then, before or after.
    fn strike(&mut self, point: Option<&'static str>) {
        if let (Some(point), true) = (point, self.running.iter_mut().any(Tidegate::has_crashed)) {
            *self.reached.entry(point).or_default() += 1;
        }
        let how = self.random.below(100);
        let before = self.random.percent(50);
        if how < 20 && before {
            self.strike_an_attempt();
        }
        let everything = (20..35).contains(&how);
        let clients = everything || (35..55).contains(&how);
        // A service may be asked to stop, and may be killed before it has.
        let gently = self.random.percent(30);
        let patience = self.random.percent(50).then(|| self.random.millis(0, 1_500));
        let state_dir = self.house.state_dir();
        for tidegate in &mut self.running {
            let is_host = !tidegate.is_gone() && tidegate.is_host(&state_dir);
            if is_host && gently && tidegate.serves() {
                tidegate.stop();
                self.stops += 1;
                let Some(patience) = patience else { continue };
                thread::sleep(patience);
            }
            if is_host && tidegate.is_gone() {
                continue;
            }
            if is_host || (clients && !matches!(tidegate.what, What::Cancel(_))) {
                tidegate.kill();
            }
            if is_host {
                self.deaths.push(Timestamp::now());
            }
        }
        if everything {
            for run in self.active() {
                self.kill_attempt(&run, true, true);
            }
        }
        if how < 20 && !before {
            self.strike_an_attempt();
        }
        self.kills += 1;
        self.settle();
    }

    fn strike_an_attempt(&mut self) {
        let runs: Vec<_> = self.active().into_iter().filter(|run| run.running_attempt().is_some()).collect();
        let Some(run) = self.random.one_of(&runs) else { return };
        let which = self.random.below(3);
        self.kill_attempt(run, which != 1, which != 0);
    }

    fn kill_attempt(&mut self, run: &Run, attempt: bool, dbt: bool) {
        let Some(running) = run.running_attempt() else { return };
        let folder = attempt_folder(&self.house.state_dir(), running.id);
        let processes = folder.processes();
        // Noted before: whoever looks at the killed must find it.
        self.killed.insert(folder.0);
        processes.attempt.iter().filter(|_| attempt).for_each(kill_process);
        processes.dbt.iter().filter(|_| dbt).for_each(kill_process);
    }

    /// Each run that was under way when the host was there is soon what it is said to be: it has ended, or someone owns
    /// its dbt.
    fn expect_truth(&mut self) {
        let mut untrue: Vec<_> = self
            .active()
            .into_iter()
            .filter(|run| run.state == RunState::Running)
            .map(|run| run.id)
            .collect();
        let begun = Instant::now();
        while !untrue.is_empty() {
            if !self.is_hosted() {
                return;
            }
            let Some(reader) = self.house.reader() else { return };
            let state_dir = self.house.state_dir();
            untrue.retain(|id| {
                let run = reader.run(*id).unwrap();
                let lives = |id: AttemptId| {
                    attempt_folder(&state_dir, id).processes().attempt.as_ref().is_some_and(is_alive)
                };
                !run.state.is_finished() && !run.running_attempt().is_some_and(|a| lives(a.id))
            });
            assert!(
                untrue.is_empty() || begun.elapsed() < TRUE_WITHIN,
                "{:?} behind the start of the host, runs {untrue:?} are not in a true state",
                begun.elapsed()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn is_long(run: &Run) -> bool {
    run.request.job.as_ref().is_some_and(|job| job.ends_with("-long"))
}
