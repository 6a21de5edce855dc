//! Stopping dbt: gently, then less so, and always the whole group.

use super::*;

/// Time enough for a script to say that it heard a signal before the next one comes.
const SHORT: Ladder = Ladder { interrupt_ms: 3_000, terminate_ms: 3_000, leave_ms: 60_000 };

/// Says which signals come, and goes on.
const STUBBORN: &str = "trap 'echo got INT' INT; trap 'echo got TERM' TERM; trap 'echo got HUP' HUP; \
                        echo ready; while :; do sleep 0.02; done";

/// What the script said; some shells also say how their own commands end.
fn said(ended: &Ended) -> String {
    ended.text().lines().filter(|line| *line != "Terminated").map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_interrupt_is_enough_for_whoever_listens() {
    let script = "trap 'echo cancelling; exit 2' INT; echo ready; while :; do sleep 0.02; done";
    let running = Attempt::sh(script).start();
    process::interrupt(&running.said("ready").identity).unwrap();
    let ended = running.end().tidily();
    assert_eq!(said(&ended), "ready\ncancelling\n");
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.cancelled, exit.leaked), (Some(2), None, true, false));
}

#[test]
fn who_ignores_the_interrupt_is_terminated_after_a_while() {
    let script = "trap 'echo got INT' INT; trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done";
    let running = Attempt::sh(script).with(|spec| spec.ladder = SHORT).start();
    running.said("ready").signal(Signal::SIGINT);
    let ended = running.end().tidily();
    assert_eq!(said(&ended), "ready\ngot INT\n");
    assert_eq!((ended.exit().code, ended.exit().cancelled), (Some(3), true));
}

#[test]
fn who_ignores_everything_is_killed() {
    let running = Attempt::sh(STUBBORN).with(|spec| spec.ladder = SHORT).start();
    running.said("ready").signal(Signal::SIGINT);
    let ended = running.end().tidily();
    assert_eq!(said(&ended), "ready\ngot INT\ngot TERM\n");
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.cancelled), (None, Some(9), true));
}

#[test]
fn asking_again_does_not_wait() {
    let running = Attempt::sh(STUBBORN).start();
    running.said("ready").signal(Signal::SIGINT).said("got INT").signal(Signal::SIGINT).said("got TERM");
    let ended = running.signal(Signal::SIGTERM).exit();
    assert_eq!((ended.signal, ended.cancelled), (Some(9), true));
    running.end().tidily();
}

#[test]
fn a_hang_up_stops_nothing() {
    let script = "trap 'echo hung up' HUP; echo ready; while ! [ -e go ]; do sleep 0.02; done; echo done";
    let running = Attempt::sh(script).start();
    running.said("ready").signal(Signal::SIGHUP);
    fs::write(running.attempt.dir.path().join("go"), "").unwrap();
    let ended = running.end().tidily();
    assert_eq!(said(&ended), "ready\ndone\n");
    assert_eq!((ended.exit().code, ended.exit().cancelled), (Some(0), false));
}

#[test]
fn asked_before_it_can_listen_an_attempt_still_hears() {
    for _ in 0..20 {
        // No shell: one that is interrupted while it forks may go on.
        let running = Attempt::of("/bin/sleep", &["60"]).start();
        process::interrupt(&running.identity).unwrap();
        let exit = running.exit();
        assert_eq!((exit.code, exit.signal, exit.cancelled), (None, Some(2), true));
        running.end();
    }
}

#[test]
fn the_ladder_holds_for_a_group_whose_leader_dies_first() {
    // A script that runs dbt dies at once; dbt itself takes its time to cancel its queries.
    let dbt = "import signal, sys, time\n\
               def cancel(*_):\n    time.sleep(0.5); print('queries cancelled', flush=True); sys.exit(2)\n\
               signal.signal(signal.SIGINT, cancel); print('ready', flush=True); time.sleep(60)";
    let wrapper = "trap 'exit 130' INT; \"$0\" -c \"$1\" & wait";
    let running = Attempt::of("/bin/sh", &["-c", wrapper, python(), dbt])
        .with(|spec| {
            // More than dbt needs, much more than what it leaves behind would get.
            spec.ladder = Ladder { interrupt_ms: 60_000, terminate_ms: 60_000, leave_ms: 100 };
        })
        .start();
    // The shell has a background job ignore interrupts, but Python has been told otherwise.
    running.said("ready").signal(Signal::SIGINT);
    let ended = running.end().tidily();
    assert_eq!(said(&ended), "ready\nqueries cancelled\n");
    let exit = ended.exit();
    assert_eq!((exit.code, exit.cancelled, exit.leaked), (Some(130), true, false));
}
