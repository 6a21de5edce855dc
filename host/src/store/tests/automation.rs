//! What starts jobs by itself: folds, decisions, and what outlives them.

use jiff::SignedDuration;

use super::*;
use crate::{
    model::{Cursor, JobEvent, JobEventKind, Tick, Trigger},
    store::{Entry, Reader, Retention},
};

fn of_job(job: &str, second: i64, kind: JobEventKind) -> Entry {
    Entry::Job(JobEvent { job: job.to_owned(), at: at(second), kind })
}

fn enabled(job: &str, trigger: Trigger) -> Entry {
    let (definition, cursor) = (trigger.to_string(), Cursor::Time(at(0)));
    of_job(job, 0, JobEventKind::TriggerEnabled { trigger, definition, cursor })
}

fn tick(job: &str, second: i64, run: Option<RunId>) -> Entry {
    let due = at(second);
    let tick = Tick { due, count: 1, run, reason: "it was time".to_owned() };
    of_job(
        job,
        second,
        JobEventKind::TickDecided { trigger: Trigger::Schedule, tick, cursor: Cursor::Time(due) },
    )
}

#[test]
fn decisions_and_the_runs_that_they_ask_for_are_one() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = store.next_run();
    let requested = EventKind::RunRequested { request: Box::new(request("schedule:a:1", &["build"])) };
    store.record(&[enabled("a", Trigger::Schedule), enabled("b", Trigger::After)]).unwrap();
    store.record(&[event(run, requested).into(), tick("a", 1, Some(run))]).unwrap();
    store
        .record(&[tick("a", 2, None), of_job("b", 3, JobEventKind::JobPaused { by: "ada".into() })])
        .unwrap();
    assert_eq!((store.last_event(), store.next_run()), (6, RunId(2)));
    drop(store);

    let mut store = dir.store();
    assert_eq!(store.queued().unwrap(), [run]);
    let state = &store.automation("a").unwrap().triggers[&Trigger::Schedule];
    assert_eq!((state.fired_at, &state.cursor), (Some(at(1)), &Cursor::Time(at(2))));
    assert_eq!(store.automation("b").unwrap().paused, Some(("ada".to_owned(), at(3))));
    assert!(store.rebuild_automation("a").unwrap() && store.rebuild_automation("b").unwrap());
    let reader = Reader::open(dir.0.path()).unwrap();
    let ticks: Vec<_> =
        reader.ticks(None, 9).unwrap().into_iter().map(|row| (row.id, row.tick.run)).collect();
    assert_eq!(ticks, [(5, None), (4, Some(run))]);
    assert_eq!(reader.ticks(Some("b"), 9).unwrap(), []);
    assert_eq!(reader.automations().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_committed_leaves_no_decision() {
    let dir = Dir::new();
    let mut store = dir.store();
    store.record(&[enabled("a", Trigger::Schedule)]).unwrap();
    let before = store.automation("a").cloned();
    // A run that cannot be recorded takes the decision with it.
    let twice =
        || event(RunId(1), EventKind::RunRequested { request: Box::new(request("k", &["build"])) }).into();
    store.record(&[tick("a", 1, Some(RunId(1))), twice(), twice()]).unwrap_err();
    assert_eq!(store.automation("a").cloned(), before);
    assert_eq!(store.last_event(), 1);
    store.record(&[tick("a", 1, None)]).unwrap();
    assert!(store.rebuild_automation("a").unwrap());
    assert_eq!(Reader::open(dir.0.path()).unwrap().ticks(None, 9).unwrap().len(), 1);
}

#[test]
fn old_decisions_go_and_the_last_of_each_trigger_stays() {
    let dir = Dir::new();
    let mut store = dir.store();
    store.record(&[enabled("a", Trigger::Schedule), enabled("b", Trigger::Schedule)]).unwrap();
    store.record(&(1..=50).map(|second| tick("a", second, None)).collect::<Vec<_>>()).unwrap();
    store.record(&[tick("b", 51, None)]).unwrap();
    let limits = Retention { days: 10_000, runs: 10, ticks: 20, audit: 365 };
    assert_eq!(store.forget_ticks(limits, at(60)).unwrap(), 31);
    assert_eq!(store.forget_ticks(limits, at(60)).unwrap(), 0);
    let reader = Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader.ticks(None, 99).unwrap().len(), 20);
    let late = at(60) + SignedDuration::from_hours(24 * 3);
    assert_eq!(store.forget_ticks(Retention { days: 1, ..limits }, late).unwrap(), 18);
    let left: Vec<_> = reader.ticks(None, 99).unwrap().into_iter().map(|row| row.job).collect();
    assert_eq!(left, ["b", "a"]);
    assert!(store.rebuild_automation("a").unwrap());
}

#[test]
fn ends_of_jobs_and_their_starts_are_found() {
    let dir = Dir::new();
    let mut store = dir.store();
    let first = live(&mut store, "a");
    let after = store.last_event();
    let second = live(&mut store, "b");
    let (third, _) = store.request(request("c", &["build"]), at(0)).unwrap();
    append(&mut store, third, vec![EventKind::RunRefused { reason: "no".to_owned() }]);
    let ends = |after| -> Vec<_> {
        store.ends_after(after).unwrap().into_iter().map(|end| (end.run, end.job, end.state)).collect()
    };
    let nightly = "nightly".to_owned();
    let late = [(second, nightly.clone(), RunState::Succeeded), (third, nightly.clone(), RunState::Refused)];
    assert_eq!(ends(after), late);
    assert_eq!(ends(0).len(), 3);
    assert_eq!(ends(0)[0], (first, nightly, RunState::Succeeded));
    assert_eq!(store.starts_of("nightly", 9).unwrap(), [at(0), at(0)], "the refused one never began");
    assert_eq!(store.starts_of("nightly", 1).unwrap(), [at(0)]);
}
