//! The table of states: what has to be the case for each.

use super::histories::{at, attempt, exited, node_finished, node_started, request, started};
use crate::{
    fold::{apply, begin, conclude, verdict},
    model::{Attempt, Event, EventKind, ExitStatus, NodeState, Run, RunId, RunState, Stop},
};

fn event(kind: EventKind) -> Event {
    Event { run: RunId(1), at: at(0), kind }
}

fn run_of(steps: &[&str]) -> Run {
    let request = Box::new(request("k", steps));
    let mut run = begin(&event(EventKind::RunRequested { request })).unwrap();
    apply(
        &mut run,
        &event(EventKind::RunStarted {
            manifest_digest: None,
            plugins: Vec::new(),
            locks: Vec::new(),
            steps: None,
        }),
    );
    run
}

fn ended(nodes: &[(&str, &str)], exit: Option<ExitStatus>) -> Attempt {
    let id = attempt(1, 1, 1);
    let mut run = run_of(&["build"]);
    apply(&mut run, &event(started(id)));
    for (node, state) in nodes {
        apply(&mut run, &event(node_started(id, node)));
        let state = NodeState::from(*state);
        if state.is_finished() {
            apply(&mut run, &event(node_finished(id, node, state)));
        }
    }
    apply(&mut run, &event(EventKind::AttemptExited { attempt: id, exit }));
    run.attempt(id).unwrap().clone()
}

#[test]
fn every_state_has_its_conditions() {
    let code = |code| Some(exited(Some(code)));
    let with = |attempt: &Attempt, change: &dyn Fn(&mut Attempt)| {
        let mut attempt = attempt.clone();
        change(&mut attempt);
        attempt
    };
    let signalled = Some(ExitStatus { signal: Some(9), ..exited(None) });
    let odd_signal = Some(ExitStatus { signal: Some(7), ..exited(None) });
    let stopped = |code| Some(ExitStatus { cancelled: true, ..exited(Some(code)) });
    let stopped_hard = Some(ExitStatus { cancelled: true, signal: Some(9), ..exited(None) });
    let not_spawned = Some(ExitStatus { spawn_error: Some("dbt: no such file".to_owned()), ..exited(None) });
    let good = [("model.a", "success"), ("test.a", "pass"), ("model.b", "no-op"), ("model.c", "reused")];
    let nothing = with(&ended(&[], code(0)), &|a| {
        a.nothing_to_do = true;
        a.reason = Some("the criterion `x` matches nothing".to_owned());
    });
    let said = with(&ended(&[], code(2)), &|a| a.reason = Some("Compilation Error\n  no `x`".to_owned()));
    let table: Vec<(&str, Attempt, bool, &str)> = vec![
        ("all good", ended(&good, code(0)), false, ""),
        ("no nodes, as of `deps`", ended(&[], code(0)), false, "noise"),
        ("one warning", ended(&[("model.a", "success"), ("test.a", "warn")], code(0)), false, ""),
        ("two warnings", ended(&[("test.b", "warn"), ("test.a", "warn")], code(0)), false, ""),
        (
            "a skip without a failure",
            ended(&[("model.a", "success"), ("model.b", "skipped")], code(0)),
            false,
            "",
        ),
        (
            "two skips and a warning",
            ended(&[("a", "warn"), ("b", "skipped"), ("c", "skipped")], code(0)),
            false,
            "",
        ),
        ("dbt says nothing of a node", ended(&[("model.a", "running")], code(0)), false, ""),
        (
            "dbt says nothing of two nodes",
            ended(&[("model.a", "running"), ("b", "queued")], code(0)),
            false,
            "",
        ),
        ("nothing matches", nothing, false, ""),
        ("a model fails", ended(&[("model.a", "error"), ("model.b", "skipped")], code(1)), false, ""),
        ("two failures", ended(&[("model.a", "partial success"), ("test.a", "fail")], code(1)), false, ""),
        ("a failure and exit code 0", ended(&[("source.a", "runtime error")], code(0)), false, ""),
        ("a word from the future", ended(&[("model.a", "exploded")], code(0)), false, ""),
        ("exit code 1 without a failed node", ended(&good, code(1)), false, ""),
        ("exit code 2 with dbt's words", said, false, "noise"),
        ("exit code 2 with plain text", ended(&[], code(2)), false, "Error: No such option: --x"),
        ("exit code 2 without a word", ended(&[], code(2)), false, ""),
        ("neither code nor signal", ended(&[], Some(exited(None))), false, ""),
        ("killed", ended(&[("model.a", "running")], signalled), false, ""),
        ("killed by a signal without a name", ended(&[], odd_signal), false, ""),
        ("not spawned", ended(&[], not_spawned), false, ""),
        ("the attempt is gone", ended(&[("model.a", "running")], None), false, ""),
        ("the attempt is gone after a cancel", ended(&[("model.a", "running")], None), true, ""),
        ("cancelled", ended(&[("model.a", "running")], stopped(2)), true, ""),
        ("cancelled, and a node had failed", ended(&[("model.a", "error")], stopped(1)), true, ""),
        ("cancelled and killed", ended(&[("model.a", "running")], stopped_hard), true, ""),
        ("cancelled too late", ended(&good, stopped(0)), true, ""),
        ("cancelled too late, with a warning", ended(&[("test.a", "warn")], stopped(0)), true, ""),
    ];
    let said: Vec<_> = table
        .iter()
        .map(|(case, attempt, cancelled, raw_tail)| {
            match verdict(attempt, cancelled.then_some((RunState::Cancelled, None)), raw_tail) {
                (state, Some(reason)) => format!("{case}: {state}: {reason}"),
                (state, None) => format!("{case}: {state}"),
            }
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_run_concludes_from_its_steps() {
    use RunState::*;
    let concluded = |states: &[RunState], cancelled: bool| {
        let mut run = run_of(&["seed", "build --select a", "test"]);
        for (number, state) in (1..).zip(states) {
            let id = attempt(1, number, 1);
            apply(&mut run, &event(started(id)));
            let reason = Some(format!("reason {number}"));
            apply(&mut run, &event(EventKind::AttemptFinished { attempt: id, state: *state, reason }));
        }
        if cancelled {
            apply(&mut run, &event(EventKind::CancelRequested { by: "ada".into() }));
        }
        match conclude(&run) {
            Some((state, Some(reason))) => format!("{states:?}: {state}: {reason}"),
            Some((state, None)) => format!("{states:?}: {state}"),
            None => format!("{states:?}: goes on"),
        }
    };
    let mut said: Vec<_> = [
        &[][..],
        &[Succeeded],
        &[Succeeded, Empty],
        &[Succeeded, Succeeded, Succeeded],
        &[Empty, Empty, Empty],
        &[Succeeded, Empty, Succeeded],
        &[Empty, Warned, Succeeded],
        &[Failed],
        &[Warned, Incomplete],
        &[Succeeded, Cancelled],
        &[Succeeded, Interrupted],
        &[Succeeded, Succeeded, Failed],
    ]
    .iter()
    .map(|states| concluded(states, false))
    .collect();
    said.push("after a cancel:".to_owned());
    for states in [&[][..], &[Succeeded], &[Succeeded, Cancelled], &[Succeeded, Warned, Succeeded]] {
        said.push(concluded(states, true));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_the_host_stops_ends_as_the_host_says() {
    let attempt = ended(&[("model.a", "running")], Some(ExitStatus { cancelled: true, ..exited(Some(2)) }));
    let gone = ended(&[("model.a", "running")], None);
    let late = Some((RunState::Failed, Some("it ran for longer than 1h".to_owned())));
    assert_eq!(verdict(&attempt, late.clone(), ""), late.clone().unwrap());
    assert_eq!(verdict(&gone, late.clone(), ""), late.clone().unwrap());
    // What was done in time is done.
    let good = ended(&[("model.a", "success")], Some(ExitStatus { cancelled: true, ..exited(Some(0)) }));
    assert_eq!(verdict(&good, late, ""), (RunState::Succeeded, None));
    // Between two steps, it stops too; and who cancelled it first is heard first.
    let mut run = run_of(&["seed", "build"]);
    let stop = Stop { state: RunState::Interrupted, reason: "the host stops".to_owned() };
    apply(&mut run, &event(EventKind::StopRequested { stop }));
    assert_eq!(conclude(&run), Some((RunState::Interrupted, Some("the host stops".to_owned()))));
    apply(&mut run, &event(EventKind::CancelRequested { by: "ada".into() }));
    assert_eq!(conclude(&run), Some((RunState::Cancelled, None)));
}

#[test]
fn the_reason_of_a_single_step_needs_no_number() {
    let id = attempt(1, 1, 1);
    let mut run = run_of(&["build"]);
    apply(&mut run, &event(started(id)));
    let reason = Some("model.a: no".to_owned());
    apply(
        &mut run,
        &event(EventKind::AttemptFinished { attempt: id, state: RunState::Failed, reason: reason.clone() }),
    );
    assert_eq!(conclude(&run), Some((RunState::Failed, reason)));
}
