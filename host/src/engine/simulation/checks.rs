//! What must hold of runs, kept by bookkeeping of its own: what the host has promised against what the world has done.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    process::Exit,
    triggers::{Batch, Triggers},
    world::Universe,
};
use crate::{
    model::{
        AttemptId, Decided, Event, EventKind, NodeState, RetryDecision, RunId, RunRequest, RunState,
        StartRate, Stop,
    },
    store::Entry,
};

/// What is known of everything, and what was found wrong.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) violation: Option<String>,
    /// Whether nothing is ever forgotten, so that numbers of events are known.
    pub(super) exact: bool,
    pub(super) last_event: u64,
    pub(super) runs: BTreeMap<RunId, Told>,
    /// Those that have not ended.
    pub(super) open: BTreeSet<RunId>,
    pub(super) keys: BTreeMap<String, RunId>,
    /// The locks that were handed out last for each request.
    pub(super) handed: BTreeMap<String, Vec<String>>,
    pub(super) unspawnable: BTreeSet<AttemptId>,
    pub(super) forgotten: BTreeSet<RunId>,
    /// What someone has cancelled by hand.
    pub(super) cancels: BTreeSet<RunId>,
    pub(super) paused: BTreeSet<String>,
    /// The last state of each sensor's files, and since when it is there.
    pub(super) arrived: BTreeMap<String, (u64, i64)>,
    pub(super) triggers: Triggers,
    pub(super) post: super::post::Post,
    /// Since when neither host nor clock nor disk did anything unusual.
    pub(super) steady_since: i64,
    pub(super) automatic: bool,
    /// Whether the host was told to interrupt what is under way.
    pub(super) interrupts: bool,
    starts: BTreeMap<String, Vec<(Timestamp, i64, StartRate)>>,
    /// How often what has happened, so that a simulation in which nothing happens is noticed.
    pub(super) counts: BTreeMap<String, usize>,
}

/// What the host has said of a run.
pub(super) struct Told {
    pub(super) request: RunRequest,
    pub(super) at: Timestamp,
    real: i64,
    pub(super) started: Option<(Timestamp, i64)>,
    pub(super) finished: Option<RunState>,
    pub(super) cancelled: bool,
    stop: Option<Stop>,
    /// When it was asked to stop.
    pub(super) stopping: Option<i64>,
    steps: usize,
    pub(super) attempts: BTreeMap<AttemptId, ToldOfAttempt>,
    /// When its turn came, and what it holds since then.
    pub(super) turn: Option<(Timestamp, i64)>,
    pub(super) holds: Vec<String>,
}

pub(super) struct ToldOfAttempt {
    pub(super) at: Timestamp,
    started: BTreeMap<String, u32>,
    finished: BTreeMap<String, (u32, NodeState)>,
    pub(super) state: Option<RunState>,
    /// What was decided about it, and when.
    pub(super) decided: Option<(i64, Decided)>,
}

/// What the host may take for anything that it does at once.
pub(super) const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);

impl Told {
    fn stopped(&self) -> Option<RunState> {
        if self.cancelled { Some(RunState::Cancelled) } else { self.stop.as_ref().map(|stop| stop.state) }
    }

    pub(super) fn place(&self, id: RunId) -> (i32, RunId) {
        (-self.request.limits.priority, id)
    }
}

impl Checks {
    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    /// What had its turn and has not begun has it no more.
    pub(super) fn host_is_gone(&mut self) {
        self.interrupts = false;
        for id in &self.open {
            if let Some(told) = self.runs.get_mut(id).filter(|told| told.started.is_none()) {
                told.turn = None;
            }
        }
    }

    /// Someone was told that a request makes this run.
    pub(super) fn accepted(&mut self, key: &str, run: RunId) {
        if self.keys.get(key) != Some(&run) {
            self.wrong(format!("`{key}` was accepted as run {run}, and that is not on record"));
        }
    }

    pub(super) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub(super) fn unfinished_of(&self, job: &str) -> Vec<RunId> {
        let of_job = |id: &&RunId| self.runs[id].request.job.as_deref() == Some(job);
        self.open.iter().filter(of_job).copied().collect()
    }
}

impl Universe {
    /// Something is on record.
    pub(super) fn committed(&mut self, entries: &[Entry], last: u64) {
        // Calls of plugins are no events.
        let events = entries.iter().filter(|entry| !matches!(entry, Entry::Call(_))).count() as u64;
        let first = last + 1 - events;
        let mut next = first;
        let ids: Vec<_> = entries
            .iter()
            .map(|entry| {
                let id = (!matches!(entry, Entry::Call(_))).then_some(next);
                next += u64::from(id.is_some());
                id
            })
            .collect();
        if self.checks.exact && first != self.checks.last_event + 1 {
            self.checks.wrong(format!("event {} is followed by event {first}", self.checks.last_event));
        }
        self.checks.last_event = last;
        let mut batch = Batch::default();
        for (id, entry) in ids.iter().zip(entries) {
            let id = id.unwrap_or_default();
            match entry {
                Entry::Run(event) => {
                    self.told(id, event, &mut batch);
                    if let Some((_, run, state)) = batch.ended.last().copied().filter(|(end, ..)| *end == id)
                    {
                        self.checks.count(state.as_str());
                        self.owe(id, run, state);
                    }
                }
                Entry::Job(event) => self.told_of_job(event, &mut batch),
                Entry::Plugin(_) | Entry::Alert(_) | Entry::Asset(_) | Entry::Call(_) | Entry::Host(_) => {}
            }
        }
        self.told_together(&batch);
        self.told_of_alerts(entries, &ids);
    }

    fn told(&mut self, id: u64, event: &Event, batch: &mut Batch) {
        let (run, now) = (event.run, self.clock.real);
        // What waited for a place on the disk happened before.
        let lag = self.clock.now().duration_since(event.at).as_millis().max(0);
        let then = now - i64::try_from(lag).unwrap();
        if !matches!(
            event.kind,
            EventKind::LogRead { .. } | EventKind::NodeStarted { .. } | EventKind::NodeFinished { .. }
        ) {
            let text = format!("{:?}", event.kind);
            self.note(format!("#{id} run {run}: {}", text.chars().take(140).collect::<String>()));
        }
        if let EventKind::RunRequested { request } = &event.kind {
            if let Some(other) = self.checks.keys.insert(request.key.clone(), run) {
                let forgotten = self.checks.forgotten.contains(&other);
                if !forgotten {
                    self.checks.wrong(format!("`{}` makes two runs: {other} and {run}", request.key));
                }
            }
            self.checks.count(format!("by {}", request.launch.via));
            batch.requested.push((run, (**request).clone()));
            let told = Told {
                at: event.at,
                real: then,
                started: None,
                finished: None,
                cancelled: false,
                stop: None,
                stopping: None,
                steps: request.steps.len(),
                attempts: BTreeMap::new(),
                turn: None,
                holds: Vec::new(),
                request: (**request).clone(),
            };
            if self.checks.runs.insert(run, told).is_some() {
                self.checks.wrong(format!("there are two runs {run}"));
            }
            self.checks.open.insert(run);
            return;
        }
        let untouched = self.clock.untouched_since();
        let asked = match &event.kind {
            EventKind::RetryDecided { attempt, .. } => self.is_asked_about(*attempt),
            EventKind::RunFinished { .. } => self.checks.runs.get(&run).is_some_and(|told| {
                told.attempts.keys().next_back().is_some_and(|id| self.is_asked_about(*id))
            }),
            _ => false,
        };
        let Self { checks, processes, .. } = self;
        let Checks { violation, runs, open, unspawnable, cancels, interrupts, counts, .. } = checks;
        let mut wrong = |what: String| {
            violation.get_or_insert(what);
        };
        let Some(told) = runs.get_mut(&run) else { return wrong(format!("run {run} was never asked for")) };
        if told.finished.is_some() {
            return wrong(format!("run {run} has ended, and then: {:?}", event.kind));
        }
        let limits = &told.request.limits;
        // Whether so much time has passed, where the clock tells.
        let passed = |since: i64, limit: Option<SignedDuration>| {
            untouched > since
                || limit.is_some_and(|limit| now - since + 1_000 >= i64::try_from(limit.as_millis()).unwrap())
        };
        match &event.kind {
            EventKind::RunStarted { steps, .. } => {
                told.started = Some((event.at, then));
                told.steps = steps.as_ref().map_or(told.steps, Vec::len);
                batch.started.push(run);
                if told.turn.is_none() {
                    wrong(format!("run {run} starts, and its turn has not come"));
                }
            }
            EventKind::CancelRequested { by } => {
                told.cancelled = true;
                told.stopping.get_or_insert(now);
                if by.user == "ada" && !cancels.contains(&run) {
                    wrong(format!("nobody has cancelled run {run}"));
                }
            }
            EventKind::StopRequested { stop } => {
                told.stop.get_or_insert_with(|| stop.clone());
                told.stopping.get_or_insert(now);
                let speaks = told.attempts.keys().next_back().and_then(|id| processes.get(id));
                let spoke = speaks.map_or(0, |p| p.spoke(now).unwrap_or(p.started));
                let due = match stop.state {
                    RunState::Interrupted => *interrupts,
                    _ if stop.reason.contains("max_runtime") => {
                        told.started.is_some_and(|(_, at)| passed(at, limits.max_runtime))
                    }
                    _ => passed(spoke, limits.silence_timeout),
                };
                if !due {
                    wrong(format!("run {run} is stopped without need: {}", stop.reason));
                }
            }
            EventKind::AttemptStarted { attempt, .. } => {
                if told.started.is_none() || told.attempts.values().any(|a| a.state.is_none()) {
                    wrong(format!("{attempt} starts out of turn"));
                }
                if let Some(what) = told.misstarted(*attempt, |at, after| passed(at, Some(after))) {
                    wrong(what);
                }
                let fresh = ToldOfAttempt {
                    at: event.at,
                    started: BTreeMap::new(),
                    finished: BTreeMap::new(),
                    state: None,
                    decided: None,
                };
                if told.attempts.insert(*attempt, fresh).is_some() {
                    wrong(format!("there are two attempts {attempt}"));
                }
            }
            EventKind::NodeStarted { attempt, unique_id, .. } => {
                let Some(told) = told.attempts.get_mut(attempt) else { return };
                *told.started.entry(unique_id.clone()).or_default() += 1;
            }
            EventKind::NodeFinished { attempt, result } => {
                let Some(told) = told.attempts.get_mut(attempt) else { return };
                let times =
                    told.finished.entry(result.unique_id.clone()).or_insert((0, result.state.clone()));
                times.0 += 1;
            }
            EventKind::AttemptFinished { attempt, state, .. } => {
                let stopped = told.stopped();
                let Some(told) = told.attempts.get_mut(attempt) else { return };
                told.state = Some(*state);
                let expected = match processes.get(attempt) {
                    Some(process) if process.is_alive(now) => {
                        return wrong(format!("{attempt} is still alive, and was taken for {state}"));
                    }
                    Some(process) => {
                        for line in &process.lines {
                            let times = match &line.state {
                                None => told.started.get(&line.node).copied().unwrap_or(0),
                                Some(_) => told.finished.get(&line.node).map_or(0, |(times, _)| *times),
                            };
                            if times != 1 {
                                wrong(format!("{attempt}: {line:?} was counted {times} times"));
                            }
                        }
                        process.verdict(stopped)
                    }
                    None if unspawnable.contains(attempt) && *state == RunState::Failed => RunState::Failed,
                    None => stopped.unwrap_or(RunState::Interrupted),
                };
                if *state != expected {
                    wrong(format!("{attempt} is {state}, and has to be {expected}"));
                }
            }
            EventKind::RetryDecided { attempt, decided } => {
                if let Some(what) = told.misdecided(*attempt, decided, asked && told.stopped().is_none()) {
                    wrong(what);
                }
                let what = match decided.decision {
                    RetryDecision::GiveUp => "given up",
                    RetryDecision::Retry { .. } => "tried again",
                };
                *counts.entry(what.to_owned()).or_default() += 1;
                if let Some(told) = told.attempts.get_mut(attempt) {
                    told.decided = Some((then, (**decided).clone()));
                }
            }
            EventKind::RunRefused { reason } => {
                told.finished = Some(RunState::Refused);
                open.remove(&run);
                batch.ended.push((id, run, RunState::Refused));
                let due = if reason.contains("queue_timeout") {
                    passed(told.real, limits.queue_timeout)
                } else {
                    told.turn.is_some()
                };
                if !due || told.started.is_some() {
                    wrong(format!("run {run} is refused without need: {reason}"));
                }
            }
            EventKind::RunFinished { state, .. } => {
                let alive = processes
                    .range(AttemptId { run, step: 0, attempt: 0 }..)
                    .take_while(|(id, _)| id.run == run);
                if alive.into_iter().any(|(_, process)| process.is_alive(now)) {
                    wrong(format!("run {run} is {state}, and its process is alive"));
                }
                if let Some(what) = told.contradicts(*state, asked) {
                    wrong(format!("run {run} is {state}: {what}"));
                }
                told.finished = Some(*state);
                open.remove(&run);
                batch.ended.push((id, run, *state));
            }
            _ => {}
        }
    }

    fn told_together(&mut self, batch: &Batch) {
        for run in &batch.started {
            self.rate_is_kept(*run);
        }
        for (_, run, state) in &batch.ended {
            self.is_resumed(*run, *state, batch);
        }
        self.decided_together(batch);
    }

    fn rate_is_kept(&mut self, run: RunId) {
        let Self { checks, .. } = self;
        let told = &checks.runs[&run];
        let (Some(job), Some(rate), Some(turn)) =
            (&told.request.job, told.request.limits.start_rate, told.turn)
        else {
            return;
        };
        let starts = checks.starts.entry(job.clone()).or_default();
        starts.retain(|(_, _, other)| *other == rate);
        let span = i64::try_from(rate.per.as_millis()).unwrap();
        let within = |(shown, real, _): &&(Timestamp, i64, StartRate)| {
            (turn.1 - real).abs() < span - 1_000 && turn.0.duration_since(*shown).abs() < rate.per - AT_ONCE
        };
        let before = starts.iter().filter(within).count();
        starts.push((turn.0, turn.1, rate));
        // A host that starts anew knows of earlier starts what it has not forgotten.
        if before >= rate.runs as usize && checks.exact {
            checks.wrong(format!("run {run} and {before} others start within {:#}", rate.per));
        }
    }

    /// Whether what is left to do of a run is asked for together with its end, once, and only where it is to be.
    fn is_resumed(&mut self, run: RunId, state: RunState, batch: &Batch) {
        let asked = batch
            .requested
            .iter()
            .filter(|(_, r)| r.resumes == Some(run) && r.launch.via == "resume")
            .count();
        let told = &self.checks.runs[&run];
        let last = told.attempts.keys().next_back();
        let vanished = last.is_some_and(|id| match self.processes.get(id) {
            Some(process) => process.exit == Exit::Vanished,
            None => !self.checks.unspawnable.contains(id),
        });
        let gone = told.stop.is_some() || vanished;
        let mut before = 0;
        let mut parent = told.request.resumes;
        while let Some(id) = parent {
            before += 1;
            parent = self.checks.runs.get(&id).and_then(|told| told.request.resumes);
        }
        let wanted = state == RunState::Interrupted
            && self.checks.automatic
            && told.request.limits.resume
            && gone
            && !told.cancelled
            && before < 3;
        if asked != usize::from(wanted) && self.checks.exact {
            let what = format!("run {run} is {state} after {before} others, and is resumed {asked} times");
            self.checks.wrong(what);
        }
    }
}

impl Told {
    /// Why the run cannot have ended so.
    fn contradicts(&self, state: RunState, asked: bool) -> Option<String> {
        let stopped = self.stopped();
        let Some((id, last)) = self.attempts.iter().next_back() else {
            // Where its project could not be opened any more it cannot go on.
            let fits = stopped == Some(state) || state == RunState::Interrupted && self.started.is_some();
            return (!fits).then(|| "there was no attempt".to_owned());
        };
        let Some(ended) = last.state else { return Some(format!("{id} has not ended")) };
        // What warned in an attempt counts, unless a later one at the step has done it again.
        let mut last_told = BTreeMap::new();
        for (id, attempt) in &self.attempts {
            last_told.extend(attempt.finished.iter().map(|(node, (_, state))| ((id.step, node), state)));
        }
        let warned = last_told.values().any(|state| **state == NodeState::Warn);
        let decision = last.decided.as_ref().map(|(_, decided)| decided.decision);
        if asked && stopped.is_none() && self.request.retry.is_some() && decision.is_none() {
            return Some(format!("nobody has decided about {id}"));
        }
        let fits = if matches!(decision, Some(RetryDecision::Retry { .. })) {
            // Where its project could not be opened any more when its time came, it cannot go on.
            stopped == Some(state) || state == RunState::Interrupted
        } else if !ended.lets_go_on() {
            state == ended
        } else if id.step as usize == self.steps {
            state == if warned { RunState::Warned } else { RunState::Succeeded }
        } else {
            stopped == Some(state) || state == RunState::Interrupted
        };
        (!fits).then(|| format!("{id} of {} steps is {ended}", self.steps))
    }
}
