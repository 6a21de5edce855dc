//! What triggers have decided beside what there was to decide: each tick and its run, each end of a run that another job
//! follows, and each file that arrived.

use std::collections::BTreeMap;

use tidegate::{
    config::{Config, OverlapPolicy},
    model::{EventKind, Run, RunState, Trigger},
    store::{Reader, RunFilter, TickRow},
};

use crate::rounds::Loop;

/// The end of a run.
struct End {
    event: u64,
    job: String,
    state: RunState,
    at: jiff::Timestamp,
}

pub fn config(all: &Loop) -> Config {
    Config::load(&all.house.dir.join("tidegate.toml"), None).unwrap()
}

/// Every decision that is on record, in its order.
fn ticks(reader: &Reader) -> Vec<TickRow> {
    let mut ticks = reader.ticks(None, u32::MAX).unwrap();
    ticks.reverse();
    ticks
}

/// What nobody has decided upon yet.
pub fn undecided(all: &Loop) -> Vec<String> {
    let reader = all.house.reader().unwrap();
    let filter = RunFilter { limit: u32::MAX, ..RunFilter::default() };
    let runs: Vec<_> = reader.runs(&filter).unwrap().into_iter().map(|summary| summary.run).collect();
    let ticks = ticks(&reader);
    let mut undecided = files_are_decided(all, &ticks);
    undecided.extend(ends_are_decided(all, &reader, &runs, &ticks));
    undecided
}

/// All that is not as it must be.
pub fn problems(all: &Loop, runs: &[Run]) -> Vec<String> {
    let reader = all.house.reader().unwrap();
    let ticks = ticks(&reader);
    let mut problems = each_tick_has_its_run(all, runs, &ticks);
    problems.extend(files_are_decided(all, &ticks));
    problems.extend(ends_are_decided(all, &reader, runs, &ticks));
    problems
}

/// A tick names a run that it has started, and a run that was started by itself has the one tick that says so.
fn each_tick_has_its_run(all: &Loop, runs: &[Run], ticks: &[TickRow]) -> Vec<String> {
    let config = config(all);
    let mut problems = Vec::new();
    let mut named: BTreeMap<u64, u32> = BTreeMap::new();
    for row in ticks {
        let job = &config.jobs[&row.job];
        let Some(id) = row.tick.run else {
            let was_missed = row.tick.reason.starts_with("missed");
            if job.automated.overlap != OverlapPolicy::Skip && !was_missed {
                problems.push(format!("a tick was skipped that its job does not skip: {row:?}"));
            }
            continue;
        };
        *named.entry(id.0).or_default() += 1;
        match runs.iter().find(|run| run.id == id) {
            None => problems.push(format!("there is no run {id}: {row:?}")),
            Some(run) => {
                let request = &run.request;
                if request.launch.via != row.trigger.via() || request.job.as_ref() != Some(&row.job) {
                    problems.push(format!("run {id} is {:?}, by {:?}: {row:?}", request.job, request.launch));
                }
            }
        }
    }
    for run in runs {
        let via = run.request.launch.via.as_str();
        let expected = u32::from(["schedule", "after", "sensor"].contains(&via));
        let found = named.get(&run.id.0).copied().unwrap_or(0);
        if found != expected {
            problems.push(format!("run {}, by {via}, has {found} ticks", run.id));
        }
    }
    problems
}

/// Each file that has arrived is counted by one tick.
fn files_are_decided(all: &Loop, ticks: &[TickRow]) -> Vec<String> {
    let mut problems = Vec::new();
    for (project, arrived) in &all.arrived {
        let job = format!("{project}-small");
        let of_sensor = |row: &&TickRow| row.job == job && matches!(row.trigger, Trigger::Files(_));
        let decided: u64 = ticks.iter().filter(of_sensor).map(|row| row.tick.count).sum();
        if decided != *arrived {
            problems.push(format!("{arrived} files arrived for {job}, and {decided} were decided upon"));
        }
    }
    problems
}

/// Each end that a job follows is counted by the next tick of that job, and by none else.
fn ends_are_decided(all: &Loop, reader: &Reader, runs: &[Run], ticks: &[TickRow]) -> Vec<String> {
    let ends: Vec<_> =
        runs.iter().filter(|run| run.id.0 > all.inherited).filter_map(|run| end(reader, run)).collect();
    let automations = reader.automations().unwrap();
    let mut problems = Vec::new();
    for job in config(all).jobs.values().filter(|job| !job.automated.after.is_empty()) {
        let state = automations.get(&job.name).and_then(|known| known.triggers.get(&Trigger::After));
        let Some(enabled_at) = state.map(|state| state.enabled_at) else { continue };
        let matches = |end: &&End| {
            let mut after = job.automated.after.iter();
            end.at > enabled_at && after.any(|after| after.job == end.job && after.on.contains(&end.state))
        };
        let mut followed: Vec<_> = ends.iter().filter(matches).collect();
        followed.sort_by_key(|end| end.event);
        for row in ticks.iter().filter(|row| row.job == job.name && row.trigger == Trigger::After) {
            let count = followed.iter().take_while(|end| end.event < row.id).count();
            let decided: Vec<_> = followed.drain(..count).collect();
            if decided.len() as u64 != row.tick.count {
                problems.push(format!(
                    "{} ends and not {} were before {row:?}",
                    decided.len(),
                    row.tick.count
                ));
            }
            let Some((id, last)) = row.tick.run.zip(decided.last()) else { continue };
            let key = format!("after:{}:{}", job.name, last.event);
            if runs.iter().find(|run| run.id == id).is_none_or(|run| run.request.key != key) {
                problems.push(format!("run {id} has not the key {key}: {row:?}"));
            }
        }
        for end in followed {
            problems
                .push(format!("{} does not follow event {}, {} {}", job.name, end.event, end.job, end.state));
        }
    }
    problems
}

fn end(reader: &Reader, run: &Run) -> Option<End> {
    let job = run.request.job.clone().filter(|_| run.state.is_finished())?;
    let events = reader.events(run.id, 0).unwrap();
    let last = events.into_iter().find(|stored| {
        matches!(stored.event.kind, EventKind::RunFinished { .. } | EventKind::RunRefused { .. })
    })?;
    Some(End { event: last.id, job, state: run.state, at: last.event.at })
}
