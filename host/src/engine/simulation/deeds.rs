//! What must hold of what the host does: when it gives a run its turn, starts a process, and has nothing to do.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{checks::AT_ONCE, world::Universe};
use crate::model::{AttemptId, RunId};

/// The ladder's bound, with what it takes to notice, in milliseconds.
const LADDER: i64 = 60_000;

impl Universe {
    /// The host opens a project for a run: where that has not begun, its turn has come.
    pub(super) fn turn(&mut self, run: RunId) {
        let (now, real) = (self.clock.now(), self.clock.real);
        let Some(told) = self.checks.runs.get(&run) else {
            return self.checks.wrong(format!("run {run} has its turn, and is not on record"));
        };
        if told.started.is_some() {
            return;
        }
        if told.turn.is_some() {
            return self.checks.wrong(format!("run {run} has its turn twice"));
        }
        if let Some(timeout) = told.request.limits.queue_timeout
            && now > told.at + timeout + AT_ONCE
        {
            return self.checks.wrong(format!("run {run} has its turn after its queue timeout"));
        }
        let locks = self.checks.handed.get(&told.request.key).cloned().unwrap_or_default();
        let mut under_way = 0;
        let mut wrong = None;
        let mut held: BTreeMap<&str, u32> = BTreeMap::new();
        for (id, other) in
            self.checks.open.iter().map(|id| (id, &self.checks.runs[id])).filter(|(id, _)| **id != run)
        {
            if other.turn.is_some() {
                under_way += 1;
                other.holds.iter().for_each(|lock| *held.entry(lock).or_default() += 1);
                continue;
            }
            // It waits.
            let before = other.place(*id) < told.place(run) && other.request.limits.start_rate.is_none();
            let needs = self.checks.handed.get(&other.request.key).map(Vec::as_slice).unwrap_or_default();
            if let Some(lock) = needs.iter().find(|lock| locks.contains(lock)).filter(|_| before) {
                wrong = Some(format!("run {run} overtakes run {id}, and both need {lock}"));
            }
        }
        if under_way >= self.config.queue.max_runs {
            wrong = Some(format!("run {run} has its turn beside {under_way} others"));
        }
        for lock in &locks {
            let capacity = self.config.locks.get(lock).copied().unwrap_or(1);
            let holders = held.get(lock.as_str()).copied().unwrap_or(0);
            if holders >= capacity {
                wrong = Some(format!("run {run} has its turn, and {holders} others hold {lock}"));
            }
        }
        wrong.into_iter().for_each(|what| self.checks.wrong(what));
        if let Some(told) = self.checks.runs.get_mut(&run) {
            told.turn = Some((now, real));
            told.holds = locks;
        }
    }

    /// The host is about to start a process.
    pub(super) fn spawning(&mut self, attempt: AttemptId) {
        let now = self.clock.real;
        let told = self.checks.runs.get(&attempt.run);
        let on_record = told.and_then(|told| told.attempts.get(&attempt)).is_some_and(|a| a.state.is_none());
        let mut wrong = None;
        if !on_record {
            wrong = Some(format!("{attempt} is spawned, and is not on record"));
        }
        if self.processes.contains_key(&attempt) {
            wrong = Some(format!("{attempt} is spawned twice"));
        }
        let mine = told.map(|told| told.holds.as_slice()).unwrap_or_default();
        for (other, _) in self.processes.iter().filter(|(_, process)| process.is_alive(now)) {
            let theirs =
                self.checks.runs.get(&other.run).map(|told| told.holds.as_slice()).unwrap_or_default();
            let file = mine.iter().find(|lock| lock.starts_with("duckdb:") && theirs.contains(lock));
            if other.run == attempt.run {
                wrong = Some(format!("{attempt} is spawned beside {other}"));
            } else if let Some(file) = file {
                wrong = Some(format!("{attempt} is spawned beside {other}, and both write to {file}"));
            }
        }
        wrong.into_iter().for_each(|what| self.checks.wrong(what));
    }

    /// The host has nothing to do at the moment.
    pub(super) fn settled(&mut self) {
        let (now, real) = (self.clock.now(), self.clock.real);
        let steady = real - self.checks.steady_since;
        let mut wrong = None;
        for (id, told) in self.checks.open.iter().map(|id| (id, &self.checks.runs[id])) {
            let limits = &told.request.limits;
            let over = |from: Timestamp, limit: Option<SignedDuration>| {
                limit
                    .and_then(|limit| from.checked_add(limit + AT_ONCE).ok())
                    .is_some_and(|until| now > until)
            };
            if told.turn.is_none() && over(told.at, limits.queue_timeout) {
                wrong = Some(format!("run {id} waits for longer than its queue timeout"));
            }
            if let Some(at) = told.stopping {
                let alive = told.attempts.iter().any(|(id, a)| {
                    a.state.is_none() && self.processes.get(id).is_some_and(|p| p.is_alive(real))
                });
                if real - at > LADDER && steady > LADDER && (alive || told.started.is_none()) {
                    wrong = Some(format!("run {id} was asked to stop, and goes on"));
                }
                continue;
            }
            if told.started.is_some_and(|(at, _)| over(at, limits.max_runtime)) {
                wrong = Some(format!("run {id} runs for longer than it may"));
            }
            for (id, told) in told.attempts.iter().filter(|(_, a)| a.state.is_none()) {
                let Some(process) = self.processes.get(id).filter(|p| p.is_alive(real)) else { continue };
                let spoke = process.spoke(real).map_or(told.at, |at| self.clock.at(at)).max(told.at);
                if over(spoke, limits.silence_timeout) {
                    wrong = Some(format!("{id} is silent for longer than it may be"));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.checks.wrong(what));
        self.nothing_is_owed();
    }
}
