//! Single events in their order, where the order decides.

use super::histories::{at, attempt, exited, node_finished, node_started, request, result, started};
use crate::{
    fold::{Mark, apply, begin, mark},
    model::{Event, EventKind, NodeState, ResultsSource, Run, RunId, RunState},
};

fn told(kinds: Vec<EventKind>) -> Run {
    let event = |kind| Event { run: RunId(1), at: at(0), kind };
    let request = Box::new(request("k", &["build", "test"]));
    let mut run = begin(&event(EventKind::RunRequested { request })).unwrap();
    apply(&mut run, &event(started(attempt(1, 1, 1))));
    for kind in kinds {
        apply(&mut run, &event(kind));
    }
    run
}

fn states(run: &Run) -> Vec<(&str, &str, Option<&str>)> {
    let attempt = &run.steps[0].attempts[0];
    attempt
        .nodes
        .values()
        .map(|n| (n.unique_id.as_str(), n.state.as_str(), n.reconciled.as_deref()))
        .collect()
}

fn ends(state: RunState) -> EventKind {
    EventKind::AttemptFinished { attempt: attempt(1, 1, 1), state, reason: None }
}

fn read(results: &[(&str, NodeState)]) -> EventKind {
    let results = results.iter().map(|(id, state)| result(id, state.clone())).collect();
    EventKind::ResultsRead { attempt: attempt(1, 1, 1), source: ResultsSource::RunResults, results }
}

#[test]
fn what_dbt_cancels_is_cancelled_and_what_had_ended_stays() {
    let id = attempt(1, 1, 1);
    let cancel = EventKind::CancelRequested { by: "ada".into() };
    let run = told(vec![
        EventKind::PlanResolved { attempt: id, nodes: vec!["model.later".to_owned()] },
        node_finished(id, "model.good", NodeState::Success),
        node_finished(id, "model.bad", NodeState::Error),
        node_started(id, "model.running"),
        node_started(id, "model.silent"),
        node_started(id, "model.failing"),
        node_started(id, "test.found"),
        cancel,
        node_finished(id, "model.running", NodeState::Error),
        node_finished(id, "model.failing", NodeState::Error),
        node_finished(id, "test.found", NodeState::Fail),
        EventKind::AttemptExited { attempt: id, exit: Some(exited(Some(2))) },
        // What failed by itself in the same moment is in the artifact.
        read(&[
            ("model.good", NodeState::Success),
            ("model.bad", NodeState::Error),
            ("model.failing", NodeState::Error),
            ("test.found", NodeState::Fail),
        ]),
        ends(RunState::Cancelled),
    ]);
    assert_eq!(
        states(&run),
        [
            ("model.bad", "error", None),
            ("model.failing", "error", Some("`error` by run_results.json; it was taken for cancelled")),
            ("model.good", "success", None),
            ("model.later", "cancelled", None),
            ("model.running", "cancelled", None),
            ("model.silent", "cancelled", None),
            ("test.found", "fail", None),
        ]
    );
}

#[test]
fn an_artifact_has_the_last_word_and_says_so() {
    let id = attempt(1, 1, 1);
    let plan = ["model.known", "model.stranger", "model.unheard"].map(str::to_owned).to_vec();
    let run = told(vec![
        EventKind::PlanResolved { attempt: id, nodes: plan },
        node_finished(id, "model.built", NodeState::Success),
        node_finished(id, "model.known", NodeState::Success),
        node_finished(id, "model.wrong", NodeState::Success),
        node_started(id, "model.silent"),
        EventKind::AttemptExited { attempt: id, exit: Some(exited(Some(1))) },
        read(&[
            ("model.built", NodeState::Skipped),
            ("model.known", NodeState::Success),
            ("model.wrong", NodeState::Error),
            ("model.silent", NodeState::Success),
            ("model.unheard", NodeState::Skipped),
            ("model.new", NodeState::Skipped),
        ]),
        ends(RunState::Failed),
    ]);
    assert_eq!(
        states(&run),
        [
            ("model.built", "success", Some("`success` by the events; run_results.json calls it skipped")),
            ("model.known", "success", None),
            ("model.new", "skipped", Some("`skipped` by run_results.json; the events did not name it")),
            (
                "model.silent",
                "success",
                Some("`success` by run_results.json; the events did not say how it ended")
            ),
            ("model.unheard", "skipped", Some("`skipped` by run_results.json; the events did not name it")),
            ("model.wrong", "error", Some("`error` by run_results.json; the events said `success`")),
        ]
    );
    let attempt = &run.steps[0].attempts[0];
    assert_eq!((attempt.planned, attempt.has_results), (Some(3), true));
}

#[test]
fn a_plan_is_not_cut_by_an_artifact_that_dbt_did_not_finish() {
    let id = attempt(1, 1, 1);
    let run = told(vec![
        EventKind::PlanResolved { attempt: id, nodes: vec!["model.a".to_owned()] },
        EventKind::AttemptExited { attempt: id, exit: Some(exited(Some(2))) },
        read(&[]),
        ends(RunState::Failed),
    ]);
    assert_eq!(states(&run), [("model.a", "cancelled", None)]);
}

#[test]
fn a_run_that_ends_ends_what_is_under_way() {
    let id = attempt(1, 1, 1);
    let run = told(vec![
        node_started(id, "model.a"),
        EventKind::RunFinished { state: RunState::Interrupted, reason: Some("no project".to_owned()) },
        node_finished(id, "model.a", NodeState::Success),
    ]);
    assert_eq!(states(&run), [("model.a", "cancelled", None)]);
    assert_eq!(run.steps[0].state, RunState::Interrupted);
    // The second never began.
    assert_eq!(run.steps[1].state, RunState::Queued);
}

#[test]
fn only_what_can_build_and_check_leaves_a_mark() {
    let after = |command: &str, id: &str, state: &str| {
        let run = told(vec![node_finished(attempt(1, 1, 1), id, NodeState::from(state))]);
        let args: Vec<_> = command.split(' ').map(str::to_owned).collect();
        mark(&args, &run.steps[0].attempts[0].nodes[id])
    };
    for command in ["build --select x", "run"] {
        assert_eq!(after(command, "model.a", "success"), Some(Mark::Materialized), "{command}");
        assert_eq!(after(command, "model.a", "partial success"), Some(Mark::Materialized), "{command}");
    }
    assert_eq!(after("seed", "seed.a", "success"), Some(Mark::Materialized));
    assert_eq!(after("build", "test.a", "fail"), Some(Mark::Checked));
    assert_eq!(after("test", "unit_test.a", "pass"), Some(Mark::Checked));
    assert_eq!(after("source freshness", "source.a.b", "warn"), Some(Mark::Looked));
    for (command, id, state) in [
        ("compile", "model.a", "success"),
        ("docs generate", "model.a", "success"),
        ("compile", "test.a", "success"),
        ("build", "model.a", "error"),
        ("build", "model.a", "skipped"),
        ("build", "test.a", "skipped"),
        ("build", "test.a", "cancelled"),
        ("build", "exposure.a", "no-op"),
        ("source freshness", "source.a.b", "skipped"),
        ("build", "source.a.b", "success"),
    ] {
        assert_eq!(after(command, id, state), None, "{command} {id} {state}");
    }
}
