//! What starts jobs by itself: its arrangement, and the way from a reason to a run. Every decision is recorded, in one
//! transaction with the run that it asks for.

use std::{collections::BTreeSet, sync::mpsc};

use jiff::{SignedDuration, Timestamp};

use super::{Batch, Dispatcher, later, limits::Due, sensors::Sensing};
use crate::{
    config::{After, Job, MissedConfig, OverlapPolicy},
    crash,
    engine::{Refusal, request},
    model::{
        Automation, By, Cursor, Event, EventKind, JobEvent, JobEventKind, Launch, Run, RunId, Tick, Trigger,
        TriggerState, nearest,
    },
    store::{Entry, RunEnd, StoreError},
};

/// What is decided upon later than this was missed. A host that is there is never so late.
pub(super) const GRACE: SignedDuration = SignedDuration::from_mins(1);

/// A trigger that has reason to start its job.
pub(super) struct Firing {
    pub(super) trigger: Trigger,
    pub(super) tick: Tick,
    pub(super) cursor: Cursor,
    pub(super) key: String,
}

impl Dispatcher {
    /// Arranges what the configuration says: what is new or changed begins now, and what has passed is decided upon.
    pub(super) fn arrange(&mut self) -> Result<(), StoreError> {
        let now = self.world.now();
        let mut batch = Batch::default();
        let known: BTreeSet<_> = self.store.automations().map(|a| a.job.clone()).collect();
        let jobs: BTreeSet<_> = known.iter().chain(self.config.jobs.keys()).cloned().collect();
        for job in &jobs {
            let wanted = self.config.jobs.get(job).map(|j| j.automated.triggers()).unwrap_or_default();
            let have = self.store.automation(job).map(|a| a.triggers.clone()).unwrap_or_default();
            for trigger in have.keys().filter(|trigger| !wanted.contains_key(trigger)) {
                self.note(&mut batch, job, JobEventKind::TriggerRemoved { trigger: trigger.clone() });
            }
            for (trigger, definition) in wanted {
                if have.get(&trigger).is_none_or(|state| state.definition != definition) {
                    let cursor = self.beginning(&trigger, now);
                    self.note(&mut batch, job, JobEventKind::TriggerEnabled { trigger, definition, cursor });
                }
            }
        }
        self.commit_batch(batch)?;
        self.due.retain(|(_, due)| !matches!(due, Due::Tick(_) | Due::Trigger(..)));
        self.sensing = Sensing::default();
        let mut schedules = Vec::new();
        for (job, triggers) in self.all_triggers() {
            for trigger in triggers {
                match trigger {
                    Trigger::Schedule => schedules.push(job.clone()),
                    other => self.look_at(&job, &other)?,
                }
            }
        }
        self.tick(&schedules)
    }

    fn all_triggers(&self) -> Vec<(String, Vec<Trigger>)> {
        let triggers = |a: &Automation| (a.job.clone(), a.triggers.keys().cloned().collect());
        self.store.automations().map(triggers).collect()
    }

    /// From where a trigger decides that is new, or has been paused: never for the past.
    fn beginning(&self, trigger: &Trigger, now: Timestamp) -> Cursor {
        match trigger {
            Trigger::Schedule => Cursor::Time(now),
            Trigger::After => Cursor::Event(self.store.last_event()),
            Trigger::Source(_) | Trigger::Files(_) => Cursor::Seen(None),
        }
    }

    pub(super) fn note(&self, batch: &mut Batch, job: &str, kind: JobEventKind) {
        batch.entries.push(Entry::Job(JobEvent { job: job.to_owned(), at: self.world.now(), kind }));
    }

    /// Someone pauses a job, or resumes it.
    pub(super) fn pause(
        &mut self,
        job: String,
        paused: bool,
        by: By,
        answer: &mpsc::Sender<Result<(), Refusal>>,
    ) -> Result<(), StoreError> {
        let Some(configured) = self.config.jobs.get(&job) else {
            let near = nearest(&job, self.config.jobs.keys().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let _ = answer.send(Err(Refusal { hint, ..Refusal::new(format!("there is no job `{job}`")) }));
            return Ok(());
        };
        if configured.automated.triggers().is_empty() {
            let refusal = Refusal {
                hint: Some("only what starts by itself can be paused".to_owned()),
                ..Refusal::new(format!("nothing starts the job `{job}` by itself"))
            };
            let _ = answer.send(Err(refusal));
            return Ok(());
        }
        let is_paused = self.store.automation(&job).is_some_and(|a| a.paused.is_some());
        if paused != is_paused {
            let mut batch = Batch::default();
            let now = self.world.now();
            if paused {
                self.note(&mut batch, &job, JobEventKind::JobPaused { by });
            } else {
                self.note(&mut batch, &job, JobEventKind::JobResumed { by });
                let triggers = self.store.automation(&job).map(|a| a.triggers.clone()).unwrap_or_default();
                for trigger in triggers.into_keys() {
                    let cursor = self.beginning(&trigger, now);
                    self.note(&mut batch, &job, JobEventKind::CursorMoved { trigger, cursor });
                }
            }
            self.commit_batch(batch)?;
            if self.automatic {
                self.arrange()?;
            }
        }
        let _ = answer.send(Ok(()));
        Ok(())
    }

    /// A job that is to be started by itself now, and where its trigger stands; none where it is paused or gone.
    pub(super) fn live(&self, job: &str, trigger: &Trigger) -> Option<(&Job, &TriggerState)> {
        let automation = self.store.automation(job).filter(|automation| automation.paused.is_none())?;
        Some((self.config.jobs.get(job)?, automation.triggers.get(trigger)?))
    }

    /// The same to be kept while something is done about it.
    pub(super) fn live_now(&self, job: &str, trigger: &Trigger) -> Option<(Job, TriggerState)> {
        self.live(job, trigger).map(|(job, state)| (job.clone(), state.clone()))
    }

    /// Adds a decision to start a job, as far as its other runs let it.
    pub(super) fn fire(&self, batch: &mut Batch, job: &Job, firing: Firing) -> Result<(), StoreError> {
        let Firing { trigger, mut tick, cursor, key } = firing;
        let in_batch =
            batch.requested.iter().filter(|(_, request)| request.job.as_deref() == Some(&job.name));
        let mut unfinished: Vec<_> = self.of_job.get(&job.name).into_iter().flatten().copied().collect();
        unfinished.extend(in_batch.map(|(run, _)| *run));
        let known = self.store.run_of_key(&key)?;
        if let Some(run) = known {
            tick.reason = format!("run {run} was started for it already");
        } else if let (Some(run), OverlapPolicy::Skip) = (unfinished.first(), job.automated.overlap) {
            tick.reason = format!("run {run} of the job has not ended yet ({})", tick.reason);
        } else {
            let launch = Launch {
                user: "tidegate".to_owned(),
                via: trigger.via().to_owned(),
                command: Vec::new(),
                reason: Some(tick.reason.clone()),
            };
            match request::of_job(&self.config, job, launch, key) {
                Some(request) => {
                    if job.automated.overlap == OverlapPolicy::CancelPrevious {
                        let by = By::new(format!("{} of {}", trigger.via(), job.name), trigger.via());
                        unfinished.into_iter().for_each(|run| self.add_cancel(batch, run, &by));
                    }
                    tick.run = Some(self.add_request(batch, request)?);
                }
                None => tick.reason = format!("there is no project `{}`", job.project),
            }
        }
        self.note(batch, &job.name, JobEventKind::TickDecided { trigger, tick, cursor });
        Ok(())
    }

    /// Adds that a run has to make way, so that it does whatever happens behind the commit.
    fn add_cancel(&self, batch: &mut Batch, run: RunId, by: &By) {
        if !batch.cancelled.contains(&run) {
            let kind = EventKind::CancelRequested { by: by.clone() };
            batch.entries.push(Event { run, at: self.world.now(), kind }.into());
            batch.cancelled.push(run);
        }
    }

    pub(super) fn skip(&self, batch: &mut Batch, job: &str, firing: Firing) {
        let Firing { trigger, tick, cursor, .. } = firing;
        self.note(batch, job, JobEventKind::TickDecided { trigger, tick, cursor });
    }

    /// A run is about to end: jobs that follow it are asked for in the same transaction, whose first event says so.
    pub(super) fn follow(&mut self, batch: &mut Batch, run: &Run) -> Result<(), StoreError> {
        let Some(job) = run.request.job.as_ref().filter(|_| self.automatic) else { return Ok(()) };
        let (event, at) = (self.store.last_event() + 1, self.world.now());
        let end = RunEnd { event, run: run.id, job: job.clone(), state: run.state, at };
        let followers: Vec<_> =
            self.config.jobs.values().filter(|j| follows(&j.automated.after, &end)).cloned().collect();
        for follower in followers {
            // Ends that wait for the interval are decided upon together, when it is over.
            if let Some((job, state)) = self.live_now(&follower.name, &Trigger::After) {
                if let Some(at) = self.too_soon(&job, &state) {
                    self.look_again(at, &job.name, &Trigger::After);
                    continue;
                }
                // The interval may be over, and those that have waited for it not looked at yet.
                let mut ends = match &state.cursor {
                    Cursor::Event(event) if !job.automated.min_interval.is_zero() => {
                        self.store.ends_after(*event)?
                    }
                    _ => Vec::new(),
                };
                ends.retain(|end| follows(&job.automated.after, end));
                ends.push(end.clone());
                self.follow_ends(batch, &job, ends)?;
            }
        }
        Ok(())
    }

    pub(super) fn follow_ends(
        &self,
        batch: &mut Batch,
        job: &Job,
        ends: Vec<RunEnd>,
    ) -> Result<(), StoreError> {
        let Some(last) = ends.last() else { return Ok(()) };
        let late = last.at < self.world.now().checked_sub(GRACE).unwrap_or(Timestamp::MIN);
        let late = late && job.automated.missed == MissedConfig::Skip && job.automated.min_interval.is_zero();
        let more = if ends.len() > 1 { format!(", and {} before it", ends.len() - 1) } else { String::new() };
        let reason = format!("run {} of {} {}{more}", last.run, last.job, last.state);
        let tick = Tick { due: last.at, count: ends.len() as u64, run: None, reason };
        let firing = Firing {
            trigger: Trigger::After,
            tick,
            cursor: Cursor::Event(last.event),
            key: format!("after:{}:{}", job.name, last.event),
        };
        if late {
            self.skip(batch, &job.name, firing);
            return Ok(());
        }
        self.fire(batch, job, firing)
    }

    /// When a trigger may fire again that has just fired.
    pub(super) fn too_soon(&self, job: &Job, state: &TriggerState) -> Option<Timestamp> {
        let now = self.world.now();
        // What fired later than now did so by a clock that was wrong.
        let at = later(state.fired_at.filter(|at| *at <= now)?, job.automated.min_interval);
        (at > now).then_some(at)
    }

    pub(super) fn commit_and_start(&mut self, batch: Batch) -> Result<(), StoreError> {
        let fires = !batch.requested.is_empty();
        self.commit_batch(batch)?;
        if !fires {
            return Ok(());
        }
        crash::point("engine.after-tick");
        self.start_queued()
    }
}

pub(super) fn follows(after: &[After], end: &RunEnd) -> bool {
    after.iter().any(|after| after.job == end.job && after.on.contains(&end.state))
}
