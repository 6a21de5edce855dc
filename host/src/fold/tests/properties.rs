//! What holds whatever happens.

use proptest::prelude::*;

use super::histories::{at, events, request, rule};

use crate::{
    fold::{apply, begin, conclude, owed, verdict, waiting},
    model::{Event, EventKind, Run, RunId, RunRequest, RunState},
};

fn requested() -> Run {
    let request = Box::new(RunRequest { retry: Some(rule()), ..request("k", &["seed", "build"]) });
    begin(&Event { run: RunId(1), at: at(0), kind: EventKind::RunRequested { request } }).unwrap()
}

proptest! {
    #[test]
    fn finished_is_finished(events in events(60)) {
        let mut run = requested();
        for event in &events {
            let before = run.clone();
            apply(&mut run, event);
            if before.state.is_finished() {
                prop_assert_eq!(&run, &before);
            }
            for (step, was) in run.steps.iter().zip(&before.steps) {
                for (attempt, was) in step.attempts.iter().zip(&was.attempts) {
                    if was.state.is_finished() {
                        // What was decided about it comes later, once.
                        let mut was = was.clone();
                        was.decided = was.decided.or_else(|| attempt.decided.clone());
                        prop_assert_eq!(attempt, &was);
                    }
                    for (id, node) in &attempt.nodes {
                        let ended = was.nodes.get(id).is_some_and(|was| was.state.is_finished());
                        prop_assert!(!ended || node.state.is_finished(), "{} began again", id);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_runs_in_what_has_ended(events in events(60)) {
        let mut run = requested();
        for event in &events {
            apply(&mut run, event);
            prop_assert_eq!(run.state.is_finished(), run.finished_at.is_some());
            for attempt in run.steps.iter().flat_map(|step| &step.attempts) {
                prop_assert!(attempt.state.is_finished() || !run.state.is_finished());
                prop_assert_eq!(attempt.state.is_finished(), attempt.finished_at.is_some());
                let under_way = attempt.nodes.values().filter(|node| !node.state.is_finished()).count();
                prop_assert!(under_way == 0 || !attempt.state.is_finished());
                prop_assert_eq!(attempt.counts().values().sum::<usize>(), attempt.nodes.len());
            }
        }
    }

    /// A store that writes only what was touched has all.
    #[test]
    fn touched_is_all_that_changed(events in events(60)) {
        let mut run = requested();
        for event in &events {
            let before = run.clone();
            let touched = apply(&mut run, event);
            for attempt in run.steps.iter().flat_map(|step| &step.attempts) {
                let was = before.attempt(attempt.id);
                for (id, node) in &attempt.nodes {
                    let same = was.and_then(|was| was.nodes.get(id)) == Some(node);
                    prop_assert!(same || touched.nodes.contains(&(attempt.id, id.clone())));
                }
                for id in was.into_iter().flat_map(|was| was.nodes.keys()) {
                    prop_assert!(attempt.nodes.contains_key(id) || touched.removed.contains(&(attempt.id, id.clone())));
                }
            }
        }
    }

    #[test]
    fn it_is_deterministic_and_decisions_never_panic(events in events(60)) {
        let (mut one, mut other) = (requested(), requested());
        for event in &events {
            prop_assert_eq!(apply(&mut one, event), apply(&mut other, event));
            for attempt in one.steps.iter().flat_map(|step| &step.attempts) {
                for stopped in [None, Some((RunState::Cancelled, None)), one.stopped()] {
                    let (state, _) = verdict(attempt, stopped, "usage");
                    prop_assert!(state.is_finished());
                }
            }
            prop_assert!(conclude(&one).is_none_or(|(state, _)| state.is_finished()));
        }
        prop_assert_eq!(one, other);
    }

    /// A run that is open is at one place only: something runs, a decision is owed, it waits, it ends, or its next step
    /// comes.
    #[test]
    fn between_two_attempts_a_run_is_at_one_place(events in events(60)) {
        let mut run = requested();
        for event in &events {
            apply(&mut run, event);
            let (owed, waiting, ends) = (owed(&run), waiting(&run), conclude(&run));
            prop_assert!(owed.is_none() || waiting.is_none() && ends.is_none());
            prop_assert!(owed.is_none_or(|attempt| attempt.decided.is_none()));
            prop_assert!(waiting.is_none() || ends.is_none() || run.stopped().is_some());
            prop_assert!(!run.state.is_finished() || owed.is_none() && waiting.is_none());
        }
    }

    #[test]
    fn events_of_other_runs_change_nothing(events in events(30)) {
        let mut run = requested();
        let before = run.clone();
        for mut event in events {
            event.run = RunId(7);
            apply(&mut run, &event);
        }
        prop_assert_eq!(run, before);
    }
}
