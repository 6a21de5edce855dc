//! Sensors: files and rows that arrive, and triggers that have to be looked at again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Batch, Dispatcher,
    automation::{Firing, follows},
    later,
    limits::Due,
};
use crate::{
    config::{Job, Sensor},
    model::{Cursor, JobEventKind, Run, Tick, Trigger, TriggerState},
    store::StoreError,
};

/// How often the files of a sensor are looked at.
const LOOK: SignedDuration = SignedDuration::from_secs(10);

/// A file that has just changed may be half written: so much later it has to be the same.
const SETTLE: SignedDuration = SignedDuration::from_secs(2);

/// What file sensors have seen that may still change.
#[derive(Default)]
pub(super) struct Sensing {
    settling: BTreeMap<(String, Trigger), BTreeSet<String>>,
    /// Sensors whose folders cannot be looked at, so that it is said once.
    blind: BTreeSet<(String, Trigger)>,
}

impl Dispatcher {
    /// Looks at a trigger at that time, and not at any that was set before.
    pub(super) fn look_again(&mut self, at: Timestamp, job: &str, trigger: &Trigger) {
        let due = Due::Trigger(job.to_owned(), trigger.clone());
        #[cfg(test)]
        if self.has(super::bugs::Bug::LooksOften) {
            self.due.insert((at, due));
            return;
        }
        self.due.retain(|(_, other)| *other != due);
        self.due.insert((at, due));
    }

    /// Looks at a trigger that is not a schedule.
    pub(super) fn look_at(&mut self, name: &str, trigger: &Trigger) -> Result<(), StoreError> {
        let Some((job, state)) = self.live_now(name, trigger) else { return Ok(()) };
        if let Some(at) = self.too_soon(&job, &state) {
            self.look_again(at, name, trigger);
            return Ok(());
        }
        match (trigger, &state.cursor) {
            (Trigger::After, Cursor::Event(event)) => {
                let mut ends = self.store.ends_after(*event)?;
                ends.retain(|end| follows(&job.automated.after, end));
                let mut batch = Batch::default();
                self.follow_ends(&mut batch, &job, ends)?;
                self.commit_and_start(batch)
            }
            (Trigger::Files(glob), _) => {
                self.world.look(name, trigger, glob, &self.mail);
                Ok(())
            }
            (Trigger::Source(_), _) => self.look_at_sources(&job, trigger, &state),
            _ => Ok(()),
        }
    }

    /// `dbt source freshness` has looked at the sources of a project.
    pub(super) fn sources_were_looked_at(&mut self, project: &str) -> Result<(), StoreError> {
        if !self.automatic {
            return Ok(());
        }
        let mut sensors = Vec::new();
        for job in self.config.jobs.values().filter(|job| job.project == project) {
            let sources = job.automated.sensors.iter().filter(|s| matches!(s, Sensor::Source { .. }));
            sensors.extend(sources.map(|sensor| (job.name.clone(), sensor.trigger())));
        }
        sensors.into_iter().try_for_each(|(job, trigger)| self.look_at(&job, &trigger))
    }

    /// The data that a source sensor knows of: each table's newest row.
    fn newest_rows(&self, job: &Job, trigger: &Trigger) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let wanted = job.automated.sensors.iter().find(|sensor| sensor.trigger() == *trigger);
        let Some(sensor) = wanted else { return Ok(BTreeMap::new()) };
        let mut rows = self.store.newest_rows(&job.project)?;
        rows.retain(|unique_id, _| sensor.is_of(unique_id));
        Ok(rows)
    }

    fn look_at_sources(
        &mut self,
        job: &Job,
        trigger: &Trigger,
        state: &TriggerState,
    ) -> Result<(), StoreError> {
        let rows = self.newest_rows(job, trigger)?;
        let Cursor::Seen(seen) = &state.cursor else { return Ok(()) };
        let marks: BTreeSet<_> = rows.iter().map(|(id, at)| format!("{id} {at}")).collect();
        let mut batch = Batch::default();
        let (trigger, cursor) = (trigger.clone(), Cursor::Seen(Some(marks)));
        match seen {
            _ if rows.is_empty() => return Ok(()),
            None => self.note(&mut batch, &job.name, JobEventKind::CursorMoved { trigger, cursor }),
            Some(seen) => {
                let before = |id: &str| -> Option<Timestamp> {
                    seen.iter().find_map(|mark| mark.strip_prefix(id)?.strip_prefix(' ')?.parse().ok())
                };
                let newer: Vec<_> =
                    rows.iter().filter(|(id, at)| before(id).is_none_or(|known| known < **at)).collect();
                let Some((id, at)) = newer.first() else { return Ok(()) };
                let more =
                    if newer.len() > 1 { format!(", and {} more", newer.len() - 1) } else { String::new() };
                let reason = format!("newer data: {id} has rows up to {at:.0}{more}");
                let firing = self.sensed(&job.name, trigger, cursor, newer.len() as u64, reason);
                self.fire(&mut batch, job, firing)?;
            }
        }
        self.commit_and_start(batch)
    }

    /// A run of a job has started: what is known of its sources by now is nothing new for it any more.
    pub(super) fn data_is_used(&mut self, run: &Run) -> Result<(), StoreError> {
        let Some(job) = run.request.job.as_ref().and_then(|job| self.config.jobs.get(job)).cloned() else {
            return Ok(());
        };
        let mut batch = Batch::default();
        for sensor in job.automated.sensors.iter().filter(|s| matches!(s, Sensor::Source { .. })) {
            let trigger = sensor.trigger();
            let Some((_, state)) = self.live_now(&job.name, &trigger) else { continue };
            let rows = self.newest_rows(&job, &trigger)?;
            let marks: BTreeSet<_> = rows.iter().map(|(id, at)| format!("{id} {at}")).collect();
            let cursor = Cursor::Seen(Some(marks));
            if !rows.is_empty() && state.cursor != cursor {
                self.note(&mut batch, &job.name, JobEventKind::CursorMoved { trigger, cursor });
            }
        }
        self.commit_batch(batch)
    }

    /// A sensor has looked at its files.
    pub(super) fn found(
        &mut self,
        name: &str,
        trigger: &Trigger,
        found: Result<BTreeMap<String, String>, String>,
    ) -> Result<(), StoreError> {
        let Some((job, state)) = self.live_now(name, trigger) else { return Ok(()) };
        let now = self.world.now();
        let place = (name.to_owned(), trigger.clone());
        self.look_again(later(now, LOOK), name, trigger);
        let found = match found {
            Ok(found) => found,
            Err(reason) => {
                if self.sensing.blind.insert(place) {
                    tracing::warn!(job = name, "{trigger}: {reason}");
                }
                return Ok(());
            }
        };
        self.sensing.blind.remove(&place);
        let Cursor::Seen(seen) = &state.cursor else { return Ok(()) };
        let marks: BTreeSet<_> = found.keys().cloned().collect();
        let (trigger, cursor) = (trigger.clone(), Cursor::Seen(Some(marks.clone())));
        let mut batch = Batch::default();
        let fresh: Vec<_> = match seen {
            Some(seen) => {
                found.iter().filter(|(mark, _)| !seen.contains(*mark)).map(|(_, path)| path).collect()
            }
            None => Vec::new(),
        };
        let Some(first) = fresh.first() else {
            self.sensing.settling.remove(&place);
            if seen.as_ref() != Some(&marks) {
                self.note(&mut batch, name, JobEventKind::CursorMoved { trigger, cursor });
            }
            return self.commit_batch(batch);
        };
        if self.sensing.settling.get(&place) != Some(&marks) {
            self.sensing.settling.insert(place.clone(), marks);
            self.look_again(later(now, SETTLE), name, &trigger);
            return Ok(());
        }
        self.sensing.settling.remove(&place);
        let more = if fresh.len() > 1 { format!(", and {} more", fresh.len() - 1) } else { String::new() };
        let reason = format!("new or changed: {first}{more}");
        let firing = self.sensed(name, trigger, cursor, fresh.len() as u64, reason);
        self.fire(&mut batch, &job, firing)?;
        self.commit_and_start(batch)
    }

    fn sensed(&self, job: &str, trigger: Trigger, cursor: Cursor, count: u64, reason: String) -> Firing {
        // The decision is in one transaction with what it is about: its place among all events is its name.
        let key = format!("sensor:{job}:{}", self.store.last_event());
        Firing { trigger, tick: Tick { due: self.world.now(), count, run: None, reason }, cursor, key }
    }
}
