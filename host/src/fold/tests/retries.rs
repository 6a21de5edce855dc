//! A run between two attempts at a step.

use super::histories::{at, attempt, decided, exited, node_finished, request, rule, started};
use crate::{
    fold::{apply, begin, conclude, owed, waiting},
    model::{AttemptId, Event, EventKind, ExitStatus, NodeState, Run, RunId, RunRequest, RunState},
};

fn told(kinds: Vec<EventKind>) -> Run {
    let event = |kind| Event { run: RunId(1), at: at(0), kind };
    let request = Box::new(RunRequest { retry: Some(rule()), ..request("k", &["build", "test"]) });
    let mut run = begin(&event(EventKind::RunRequested { request })).unwrap();
    let begins =
        EventKind::RunStarted { manifest_digest: None, plugins: Vec::new(), locks: Vec::new(), steps: None };
    for kind in std::iter::once(begins).chain(kinds) {
        apply(&mut run, &event(kind));
    }
    run
}

fn ends(id: AttemptId, state: RunState) -> Vec<EventKind> {
    let exit = Some(ExitStatus { at: at(5), ..exited(Some(1)) });
    vec![
        started(id),
        EventKind::AttemptExited { attempt: id, exit },
        EventKind::AttemptFinished { attempt: id, state, reason: Some("locked".to_owned()) },
    ]
}

fn states(run: &Run) -> (RunState, RunState) {
    (run.state, run.steps[0].state)
}

#[test]
fn a_run_waits_behind_an_attempt_that_is_to_be_retried_and_goes_on_behind_one_that_ends_well() {
    let (first, second) = (attempt(1, 1, 1), attempt(1, 1, 2));
    let mut story = ends(first, RunState::Failed);
    let run = told(story.clone());
    assert_eq!(states(&run), (RunState::Running, RunState::Failed));
    assert_eq!((owed(&run).map(|a| a.id), conclude(&run)), (Some(first), None));

    story.push(decided(first, Some("build --select a")));
    let run = told(story.clone());
    assert_eq!(states(&run), (RunState::Running, RunState::Running));
    assert_eq!((owed(&run), conclude(&run)), (None, None));
    assert_eq!(waiting(&run).unwrap().1.due, Some(at(60)));
    assert_eq!(run.steps[0].args_of(1), ["build"]);
    assert_eq!(run.steps[0].args_of(2), ["build", "--select", "a"]);

    story.extend(ends(second, RunState::Succeeded));
    let run = told(story);
    assert_eq!(states(&run), (RunState::Running, RunState::Succeeded));
    assert_eq!((owed(&run), waiting(&run), conclude(&run)), (None, None, None));
}

#[test]
fn a_warning_outlives_the_retry_of_something_else() {
    let warned_at = |again: Option<NodeState>| {
        let (first, second, test) = (attempt(1, 1, 1), attempt(1, 1, 2), attempt(1, 2, 1));
        let mut story = vec![started(first), node_finished(first, "test.a", NodeState::Warn)];
        story.extend(ends(first, RunState::Failed).into_iter().skip(1));
        story.push(decided(first, Some("build --select b")));
        story.push(started(second));
        story.extend(again.map(|state| node_finished(second, "test.a", state)));
        story.extend(ends(second, RunState::Succeeded).into_iter().skip(1));
        story.extend(ends(test, RunState::Succeeded));
        conclude(&told(story)).unwrap().0
    };
    assert_eq!(warned_at(None), RunState::Warned);
    assert_eq!(warned_at(Some(NodeState::Pass)), RunState::Succeeded, "it was made again");
}

#[test]
fn what_is_given_up_concludes_as_the_attempt_ended_and_is_decided_upon_once() {
    let first = attempt(1, 1, 1);
    let mut story = ends(first, RunState::Failed);
    story.extend([decided(first, None), decided(first, Some("build"))]);
    let run = told(story);
    assert_eq!((states(&run).1, waiting(&run)), (RunState::Failed, None));
    let reason = Some("step 1 (dbt build): locked".to_owned());
    assert_eq!(conclude(&run), Some((RunState::Failed, reason)));
}

#[test]
fn a_run_that_waits_and_is_stopped_ends_as_that_and_then() {
    let first = attempt(1, 1, 1);
    let cancel = EventKind::CancelRequested { by: "ada".into() };
    let mut story = ends(first, RunState::Failed);
    let before = told([story.clone(), vec![cancel.clone()]].concat());
    assert_eq!(owed(&before), None, "nobody is asked for a run that is to end");
    assert_eq!(conclude(&before).unwrap().0, RunState::Failed);

    story.extend([decided(first, Some("build")), cancel]);
    let mut run = told(story);
    assert_eq!(conclude(&run), Some((RunState::Cancelled, None)));
    let kind = EventKind::RunFinished { state: RunState::Cancelled, reason: None };
    apply(&mut run, &Event { run: RunId(1), at: at(50), kind });
    assert_eq!(states(&run), (RunState::Cancelled, RunState::Cancelled));
    assert_eq!(run.finished_at, Some(at(50)), "its last attempt had ended long before");
}

#[test]
fn of_what_was_interrupted_only_that_counts_whose_end_is_known() {
    let first = attempt(1, 1, 1);
    let killed = |exit| {
        let mut story = vec![started(first), EventKind::AttemptExited { attempt: first, exit }];
        let state = RunState::Interrupted;
        story.push(EventKind::AttemptFinished { attempt: first, state, reason: None });
        owed(&told(story)).is_some()
    };
    assert!(killed(Some(ExitStatus { signal: Some(9), ..exited(None) })));
    assert!(!killed(None));
    assert!(!killed(Some(exited(Some(2)))));
    for state in [RunState::Incomplete, RunState::Empty, RunState::Cancelled, RunState::Warned] {
        assert_eq!(owed(&told(ends(first, state))), None, "{state}");
    }
}
