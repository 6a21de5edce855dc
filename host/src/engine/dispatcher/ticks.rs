//! Ticks of schedules: each is decided upon once, when its moment has come, or when it was missed.

use jiff::{SignedDuration, Timestamp};

use super::{
    Batch, Dispatcher,
    automation::{Firing, GRACE},
    later,
    limits::Due,
};
use crate::{
    config::MissedConfig,
    model::{Cursor, JobEventKind, Tick, Trigger},
    schedule::Earlier,
    store::StoreError,
};

/// So many decisions of one moment are committed together: the disk is waited for once.
const TICKS_TOGETHER: usize = 4_096;

/// A cursor further in the future than this was left by a clock that was wrong.
const SET_BACK: SignedDuration = SignedDuration::from_hours(24);

impl Dispatcher {
    /// Decides upon what the schedules of some jobs have passed. Many decisions are one commit: a thousand schedules that
    /// fire at one moment must not wait for the disk a thousand times.
    pub(super) fn tick(&mut self, jobs: &[String]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for job in jobs {
            if let Some(next) = self.add_ticks(&mut batch, job)? {
                self.due.insert((next, Due::Tick(job.clone())));
            }
            if batch.entries.len() >= TICKS_TOGETHER {
                self.commit_and_start(std::mem::take(&mut batch))?;
            }
        }
        self.commit_and_start(batch)
    }

    /// Adds the decisions on what a schedule has passed, and gives its next tick.
    fn add_ticks(&self, batch: &mut Batch, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let now = self.world.now();
        let Some((job, state)) = self.live(name, &Trigger::Schedule) else { return Ok(None) };
        let (Some(schedule), Cursor::Time(cursor)) = (&job.automated.schedule, &state.cursor) else {
            return Ok(None);
        };
        #[cfg(test)]
        let job = &self.spoil_policy(job.clone());
        let mut from = *cursor;
        if from > later(now, SET_BACK) {
            let (trigger, cursor) = (Trigger::Schedule, Cursor::Time(now));
            tracing::warn!(job = name, "the clock was set back: the schedule begins anew");
            self.note(batch, name, JobEventKind::CursorMoved { trigger, cursor });
            from = now;
        }
        let each = match job.automated.missed {
            MissedConfig::All(most) => most as usize,
            MissedConfig::Once | MissedConfig::Skip => 1,
        };
        // One more for the tick of this moment, and one that says up to when ticks were left out.
        let passed = schedule.passed(from, now, each + 2);
        let mut ticks = passed.ticks;
        let punctual = ticks.pop_if(|last| *last >= now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let unknown = ticks.len().saturating_sub(each);
        let mut dropped: Vec<Timestamp> = ticks.drain(..unknown).collect();
        let (earlier, all) = match passed.earlier {
            Earlier::None => (0, true),
            Earlier::Exactly { count, .. } => (count as u64, true),
            Earlier::AtLeast { count, .. } => (count as u64, false),
        };
        let ticks_of = |count| ticks_of(count, all);
        let missed = earlier + dropped.len() as u64 + ticks.len() as u64;
        match job.automated.missed {
            MissedConfig::Once if punctual.is_none() => {
                if let Some(due) = ticks.pop() {
                    let reason = format!("missed while no host was there: {}", ticks_of(missed));
                    self.fire(batch, job, scheduled(name, due, missed, reason))?;
                }
            }
            MissedConfig::All(_) => {
                let left = earlier + dropped.len() as u64;
                if let Some(due) = dropped.pop() {
                    let reason = format!(
                        "missed while no host was there: {}, more than are made up for",
                        ticks_of(left)
                    );
                    self.skip(batch, name, scheduled(name, due, left, reason));
                }
                for due in ticks {
                    let reason = "missed while no host was there".to_owned();
                    self.fire(batch, job, scheduled(name, due, 1, reason))?;
                }
            }
            // With `once`, the tick of this moment makes up for what was missed.
            MissedConfig::Skip | MissedConfig::Once => {
                if let Some(due) = ticks.pop() {
                    let reason = format!("missed while no host was there: {}", ticks_of(missed));
                    self.skip(batch, name, scheduled(name, due, missed, reason));
                }
            }
        }
        if let Some(due) = punctual {
            let reason = format!("tick of {}", job.automated.expressions.join(" | "));
            self.fire(batch, job, scheduled(name, due, 1, reason))?;
        }
        Ok(schedule.next(from.max(now)))
    }
}

fn scheduled(job: &str, due: Timestamp, count: u64, reason: String) -> Firing {
    Firing {
        trigger: Trigger::Schedule,
        tick: Tick { due, count, run: None, reason },
        cursor: Cursor::Time(due),
        key: format!("schedule:{job}:{due}"),
    }
}

/// How many; where not all were counted, at least so many.
fn ticks_of(count: u64, all: bool) -> String {
    match (count, all) {
        (1, true) => "1 tick".to_owned(),
        (_, true) => format!("{count} ticks"),
        (_, false) => format!("at least {count} ticks"),
    }
}
