//! Bugs that a test plants, to see that the simulation finds them. None of this is in a build without tests.

use jiff::Timestamp;

use super::{Batch, Dispatcher, turns::Answers};
use crate::{
    config::{Job, MissedConfig},
    engine::Start,
    fold,
    model::{EventKind, JobEventKind, Run, RunId, RunState, Trigger},
    store::{Entry, StoreError},
};

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An attempt is spawned before it is on record.
    SpawnsBeforeTheCommit,
    /// A tick is decided, and the cursor stays.
    CursorStays,
    /// A tick and the run that it asks for are two transactions.
    TwoTransactions,
    /// Runs that are taken up hold no locks.
    ForgetsLocks,
    /// The log of an attempt that is taken up is read from its beginning.
    ReadsTwice,
    /// What is left to do of an interrupted run is asked for twice.
    ResumesTwice,
    /// A run overtakes another one that waits for a lock that both need.
    Overtakes,
    /// A run that waits begins to wait anew with each host.
    WaitsAnew,
    /// A request is answered before it is committed.
    AnswersEarly,
    /// What was cancelled has succeeded.
    CancelledIsGreen,
    /// All missed ticks are made up for, where one run is wanted for all.
    MakesUpForAll,
    /// A new host does not know that runs of a job have not ended.
    ForgetsOverlap,
    /// That the clock was set back goes unnoticed.
    TrustsTheClock,
    /// What a job follows is not noted with the end of the run.
    LosesEnds,
    /// A new host does not stop what the one before was asked to stop.
    ForgetsStops,
    /// Each look at the files of a sensor asks for one more.
    LooksOften,
    /// What would have started a paused job is made up for when it is resumed.
    FiresForPauses,
    /// A new host takes no notice of earlier starts of a job that has a rate.
    ForgetsStarts,
    /// A new host does not wait for what is due later.
    RetriesAtOnce,
    /// A new host asks nobody about an attempt whose failure it finds on record.
    ForgetsToAsk,
    /// No number of attempts is too many.
    KnowsNoMost,
}

impl Dispatcher {
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn spoil_memory(&mut self) {
        self.queue.overtakes = self.has(Bug::Overtakes);
        if self.has(Bug::ForgetsOverlap) {
            self.of_job.clear();
        }
    }

    pub(super) fn spoil_batch(&mut self, mut batch: Batch) -> Result<Batch, StoreError> {
        if self.has(Bug::CursorStays) {
            for entry in &mut batch.entries {
                let Entry::Job(event) = entry else { continue };
                let known =
                    self.store.automation(&event.job).and_then(|a| a.triggers.get(&Trigger::Schedule));
                if let JobEventKind::TickDecided { trigger: Trigger::Schedule, cursor, .. } = &mut event.kind
                    && let Some(known) = known
                {
                    *cursor = known.cursor.clone();
                }
            }
        }
        if self.has(Bug::FiresForPauses) {
            batch.entries.retain(|entry| {
                !matches!(entry, Entry::Job(event) if matches!(
                    event.kind, JobEventKind::CursorMoved { trigger: Trigger::Schedule, .. }
                ))
            });
        }
        if self.has(Bug::TwoTransactions) && batch.requested.len() == 1 {
            let runs: Vec<RunId> = batch.requested.iter().map(|(run, _)| *run).collect();
            let (later, first) = batch
                .entries
                .into_iter()
                .partition(|entry| matches!(entry, Entry::Run(event) if runs.contains(&event.run)));
            self.record(first)?;
            batch.entries = later;
        }
        if self.has(Bug::ResumesTwice)
            && let Some((_, request)) =
                batch.requested.iter().find(|(_, r)| r.launch.via == "resume").cloned()
        {
            let key = format!("{}:again", request.key);
            self.add_request(&mut batch, crate::model::RunRequest { key, ..request })?;
        }
        if self.has(Bug::LosesEnds) {
            let ends = batch.entries.iter().any(|entry| {
                matches!(entry, Entry::Run(event) if matches!(event.kind, EventKind::RunFinished { .. }))
            });
            if ends && batch.requested.iter().all(|(_, request)| request.launch.via == "after") {
                batch.requested.clear();
                batch.entries.truncate(1);
            }
        }
        Ok(batch)
    }

    pub(super) fn spoil_answers(&self, answers: &Answers) {
        if self.has(Bug::AnswersEarly) {
            for (answer, run) in answers {
                let _ = answer.send(Ok(*run.as_ref().unwrap()));
            }
        }
    }

    pub(super) fn spoil_adopted(&self, mut run: Run) -> Run {
        if self.has(Bug::ForgetsLocks) {
            run.locks.clear();
        }
        if self.has(Bug::ReadsTwice) {
            run.steps.iter_mut().flat_map(|s| &mut s.attempts).for_each(|attempt| attempt.log_offset = 0);
        }
        run
    }

    pub(super) fn spoil_spawn(&self, start: &Start) {
        if self.has(Bug::SpawnsBeforeTheCommit) {
            let _ = self.world.spawn(start);
        }
    }

    pub(super) fn spoil_owed(&self, mut run: Run) -> Run {
        let found = |at: Timestamp| at < self.since;
        if self.has(Bug::ForgetsToAsk)
            && fold::owed(&run).and_then(|attempt| attempt.finished_at).is_some_and(found)
        {
            run.request.retry = None;
        }
        run
    }

    pub(super) fn spoil_verdict(&self, state: RunState) -> RunState {
        let green = self.has(Bug::CancelledIsGreen) && state == RunState::Cancelled;
        if green { RunState::Succeeded } else { state }
    }

    pub(super) fn spoil_waiting(&self, run: &Run) -> Run {
        let mut run = run.clone();
        if self.has(Bug::WaitsAnew) {
            run.requested_at = run.requested_at.max(self.since);
        }
        run
    }

    pub(super) fn spoil_clock(&mut self) {
        if self.has(Bug::TrustsTheClock) {
            self.looked_at = self.looked_at.min(self.world.now());
        }
    }

    pub(super) fn spoil_starts(&mut self, job: &str) {
        if self.has(Bug::ForgetsStarts) {
            self.queue.remember_starts(job, Vec::new());
        }
    }

    pub(super) fn spoil_policy(&self, mut job: Job) -> Job {
        if self.has(Bug::MakesUpForAll) && job.automated.missed == MissedConfig::Once {
            job.automated.missed = MissedConfig::All(100);
        }
        job
    }
}
