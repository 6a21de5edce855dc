//! What is due when: ticks, timeouts, and what has to be looked at again.

use jiff::{SignedDuration, Timestamp};

use super::{Dispatcher, later, unless_full};
use crate::{
    model::{AttemptId, EventKind, Run, RunId, RunState, Trigger},
    store::StoreError,
};

/// Something to look at at a time. That the time has come says nothing yet: whether it still matters is looked at then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A schedule has a tick.
    Tick(String),
    /// A trigger that waits for its interval, or a sensor, is to be looked at.
    Trigger(String, Trigger),
    /// A rate lets a run start.
    Rate,
    /// A run has waited for long enough.
    QueueTimeout(RunId),
    /// A run has run for long enough.
    MaxRuntime(RunId),
    /// dbt has said nothing for long enough.
    Silence(AttemptId),
    /// An asset of a project may be late.
    Freshness(String, String),
    /// A run that has not ended is late.
    Late(RunId),
    /// A delivery is to be tried again, or the host has stayed long enough for those under way.
    Delivery,
    /// A run's next attempt at a step is due.
    Retry(RunId),
    /// Old decisions of triggers are to be forgotten.
    Housekeeping,
}

/// How often old decisions are looked through.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(1);

/// A clock that is set back by less is only being adjusted.
const SET: SignedDuration = SignedDuration::from_secs(1);

impl Dispatcher {
    /// Does what is due.
    pub fn wake(&mut self) -> Result<(), StoreError> {
        self.look_at_the_clock();
        self.linger();
        loop {
            let now = self.world.now();
            let Some((at, due)) = self.due.first().cloned().filter(|(at, _)| *at <= now) else {
                return Ok(());
            };
            self.due.remove(&(at, due.clone()));
            if self.has_ended() {
                return Ok(());
            }
            match due {
                Due::Tick(job) => {
                    let jobs = self.due_ticks(job, now);
                    self.tick(&jobs)?;
                }
                Due::Trigger(job, trigger) => self.look_at(&job, &trigger)?,
                Due::Rate => self.start_queued()?,
                Due::QueueTimeout(run) => self.has_waited(run)?,
                Due::MaxRuntime(run) => self.has_run(run)?,
                Due::Silence(attempt) => self.has_been_silent(attempt)?,
                Due::Freshness(project, unique_id) => {
                    let assets = self.due_assets((project, unique_id), now);
                    self.look_at_assets(assets)?;
                }
                Due::Late(run) => self.is_late(run)?,
                Due::Delivery => self.send()?,
                Due::Retry(run) => self.retry(run)?,
                Due::Housekeeping => {
                    unless_full(self.store.forget_notifications(self.retention(), now))?;
                    unless_full(self.store.forget_ticks(self.retention(), now))?;
                    unless_full(self.store.forget_deeds(self.retention(), now))?;
                    unless_full(self.store.forget_calls(self.retention(), now))?;
                    self.due.insert((later(now, HOUSEKEEPING), Due::Housekeeping));
                }
            }
        }
    }

    /// The jobs whose schedules have a tick by now, the first of which is known.
    fn due_ticks(&mut self, first: String, now: Timestamp) -> Vec<String> {
        let mut jobs = vec![first];
        while let Some((at, Due::Tick(job))) = self.due.first()
            && *at <= now
        {
            jobs.push(job.clone());
            self.due.pop_first();
        }
        jobs
    }

    /// The assets that are to be looked at by now, the first of which is known. A thousand with one deadline are one commit,
    /// and one thing to tell of.
    fn due_assets(&mut self, first: (String, String), now: Timestamp) -> Vec<(String, String)> {
        let mut assets = vec![first];
        while let Some((at, Due::Freshness(project, unique_id))) = self.due.first()
            && *at <= now
        {
            assets.push((project.clone(), unique_id.clone()));
            self.due.pop_first();
        }
        // One that was due at several times would be told of at each.
        assets.sort();
        assets.dedup();
        assets
    }

    /// What was due by a clock that has been set back since is looked at now: whatever is due later says so again.
    fn look_at_the_clock(&mut self) {
        let now = self.world.now();
        #[cfg(test)]
        self.spoil_clock();
        if later(now, SET) >= self.looked_at {
            self.looked_at = now.max(self.looked_at);
            return;
        }
        tracing::warn!("the clock was set back, from {:.0} to {now:.0}", self.looked_at);
        self.looked_at = now;
        self.due = std::mem::take(&mut self.due).into_iter().map(|(at, due)| (at.min(now), due)).collect();
        self.queue.set_back(now);
        self.outbox.set_back(now);
        for run in self.under_way.values_mut() {
            run.since = now.min(run.since);
            run.retries_at = None;
        }
    }

    /// Looks at the limits of a run that is under way when they are reached.
    pub(super) fn watch_limits(&mut self, run: &Run) {
        let now = self.world.now();
        if let Some(under_way) = self.under_way.get_mut(&run.id) {
            under_way.since = run.started_at.unwrap_or(now).min(now);
        }
        if run.request.limits.max_runtime.is_some() {
            self.due.insert((now, Due::MaxRuntime(run.id)));
        }
        if let (Some(attempt), Some(_)) = (run.running_attempt(), run.request.limits.silence_timeout) {
            // It may have been silent for long already.
            self.due.insert((now, Due::Silence(attempt.id)));
        }
    }

    pub(super) fn watch_silence(&mut self, attempt: AttemptId, timeout: Option<SignedDuration>) {
        if let Some(timeout) = timeout {
            self.due.insert((later(self.world.now(), timeout), Due::Silence(attempt)));
        }
    }

    fn has_waited(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)?.filter(|_| self.queue.has(id)) else { return Ok(()) };
        // The clock may have been set since.
        match self.waits_until(&run) {
            Some(until) if until > self.world.now() => {
                self.due.insert((until, Due::QueueTimeout(id)));
                Ok(())
            }
            Some(_) => self.waited_in_vain(&run),
            None => Ok(()),
        }
    }

    /// Until when a run may wait.
    pub(super) fn waits_until(&self, run: &Run) -> Option<Timestamp> {
        #[cfg(test)]
        let run = &self.spoil_waiting(run);
        Some(later(run.requested_at, run.request.limits.queue_timeout?))
    }

    /// A run has waited for longer than it may.
    pub(super) fn waited_in_vain(&mut self, run: &Run) -> Result<(), StoreError> {
        let (id, timeout) = (run.id, run.request.limits.queue_timeout.unwrap_or_default());
        let why = self.waits_for(id).map(|why| format!("; it was {why}")).unwrap_or_default();
        let reason = format!("it waited for longer than its `queue_timeout` of {timeout:#}{why}");
        self.finish_run(id, EventKind::RunRefused { reason })
    }

    fn has_run(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id) else { return Ok(()) };
        let Some(most) = run.request.limits.max_runtime else { return Ok(()) };
        let Some(under_way) = self.under_way.get(&id) else { return Ok(()) };
        let due = later(under_way.since, most);
        if due > self.world.now() {
            self.due.insert((due, Due::MaxRuntime(id)));
            return Ok(());
        }
        self.stop(id, RunState::Failed, format!("it ran for longer than its `max_runtime` of {most:#}"))
    }

    fn has_been_silent(&mut self, id: AttemptId) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id.run) else { return Ok(()) };
        let Some(attempt) = run.attempt(id).filter(|attempt| !attempt.state.is_finished()) else {
            return Ok(());
        };
        let Some(timeout) = run.request.limits.silence_timeout else { return Ok(()) };
        let spoke_at = self.world.spoke_at(id).unwrap_or(attempt.started_at).max(attempt.started_at);
        let due = later(spoke_at, timeout);
        if due > self.world.now() {
            self.due.insert((due, Due::Silence(id)));
            return Ok(());
        }
        let reason = format!("dbt said nothing for longer than the `silence_timeout` of {timeout:#}");
        self.stop(id.run, RunState::Failed, reason)
    }
}
