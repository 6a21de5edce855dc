//! What the dispatcher does between two attempts at a step.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    engine::Ending,
    model::{RetryDecision, RetryScope},
    policy::Judgement,
};

const LOCKED: &[(&str, &str)] = &[("model.s.a", "success"), ("model.s.b", "error"), ("model.s.c", "skipped")];

/// A bench whose runs have a retry policy.
fn bench() -> Bench {
    let rule = RetryRule {
        plugin: "builtin:transient".to_owned(),
        config: serde_json::json!({}),
        on_fault: RetryDecision::GiveUp,
        max_attempts: 3,
    };
    Bench { retry: Some(rule), ..Bench::new(&[]) }
}

fn nth(step: u32, attempt: u32) -> AttemptId {
    AttemptId { run: RunId(1), step, attempt }
}

fn retry(seconds: i64, scope: RetryScope, threads: Option<u32>) -> RetryDecision {
    RetryDecision::Retry { after: SignedDuration::from_secs(seconds), scope, threads }
}

impl Bench {
    fn decide(&mut self, attempt: AttemptId, decision: RetryDecision) {
        let judgement = Judgement { decision, ..Judgement::give_up("for a reason".to_owned()) };
        self.send(Message::Decided { attempt, judgement: Box::new(judgement) });
    }

    fn wait_until(&mut self, second: i64) {
        self.clock.store(second, Ordering::Relaxed);
        self.dispatcher.wake().unwrap();
        self.work();
    }
}

#[test]
fn what_failed_is_done_again_when_its_time_has_come() {
    let mut bench = bench();
    let run = bench.request("shop", &["build --threads 8", "test"]);
    bench.deeds();
    bench.end(nth(1, 1), 1, LOCKED);
    let left = [r#"ask about 1.1.1 with ["model.s.b", "model.s.c"] left"#];
    assert_eq!(bench.deeds(), left);
    assert_eq!(bench.run(run).state, RunState::Running, "nobody has decided yet");
    bench.decide(nth(1, 1), retry(60, RetryScope::Unfinished, Some(2)));
    assert_eq!(bench.deeds(), [""; 0]);
    let waiting = bench.run(run);
    let decided = waiting.steps[0].attempts[0].decided.clone().unwrap();
    assert_eq!(decided.due, Some(Timestamp::from_second(60).unwrap()));
    assert_eq!((waiting.state, waiting.steps[0].state), (RunState::Running, RunState::Running));
    let status = bench.dispatcher.status();
    let why = status.running[0].waits_for.clone().unwrap();
    let (until, cause) = why.split_once(" for attempt 2 of step 1: ").unwrap();
    let local = Timestamp::from_second(60).unwrap().to_zoned(jiff::tz::TimeZone::system());
    assert_eq!(until, format!("waiting until {}", local.strftime("%Y-%m-%d %H:%M:%S")));
    assert!(cause.starts_with("model.s.b"), "what failed, and not what the policy says of it: {cause}");

    bench.wait_until(59);
    assert_eq!(bench.deeds(), [""; 0]);
    bench.wait_until(60);
    let narrowed = "build --select fqn:b,resource_type:model,package:s fqn:c,resource_type:model,package:s \
                    --indirect-selection empty --threads 2";
    assert_eq!(bench.deeds(), [format!("spawn 1.1.2 {narrowed}"), "watch 1.1.2 from 0".to_owned()]);
    bench.end(nth(1, 2), 1, &[("model.s.b", "success"), ("model.s.c", "error")]);
    assert_eq!(bench.deeds(), [r#"ask about 1.1.2 with ["model.s.c"] left"#]);
    // Fewer threads stay fewer, also where all is done again.
    bench.decide(nth(1, 2), retry(0, RetryScope::All, None));
    assert_eq!(bench.deeds()[0], "spawn 1.1.3 build --threads 2");
    bench.end(nth(1, 3), 0, &[("model.s.a", "success"), ("model.s.b", "success"), ("model.s.c", "success")]);
    bench.end(nth(2, 1), 0, &[("test.s.t", "pass")]);
    let run = bench.run(run);
    assert_eq!(
        (run.state, run.steps[0].attempts.len(), run.steps[1].attempts.len()),
        (RunState::Succeeded, 3, 1)
    );
}

#[test]
fn what_is_given_up_ends_its_run_and_the_last_attempt_is_asked_about_by_nobody() {
    let mut bench = bench();
    let run = bench.request("shop", &["build"]);
    bench.end(nth(1, 1), 1, LOCKED);
    bench.decide(nth(1, 1), RetryDecision::GiveUp);
    let ended = bench.run(run);
    assert_eq!((ended.state, ended.steps[0].state), (RunState::Failed, RunState::Failed));
    assert_eq!(ended.steps[0].attempts[0].decided.as_ref().unwrap().reason, "for a reason");
    assert!(ended.reason.unwrap().contains("model.s.b"));

    let mut bench = self::bench();
    let run = bench.request("shop", &["build"]);
    for attempt in 1..3 {
        bench.end(nth(1, attempt), 1, LOCKED);
        bench.decide(nth(1, attempt), retry(0, RetryScope::All, None));
    }
    bench.deeds();
    bench.end(nth(1, 3), 1, LOCKED);
    assert_eq!(bench.deeds(), [""; 0]);
    let ended = bench.run(run);
    assert_eq!(ended.state, RunState::Failed);
    let decided = ended.steps[0].attempts[2].decided.as_ref().unwrap();
    assert_eq!(decided.reason, "`max_attempts` allows no more than 3");
}

#[test]
fn a_new_host_asks_what_nobody_has_answered_and_waits_for_what_is_due() {
    let mut bench = bench();
    bench.request("shop", &["build"]);
    bench.end(nth(1, 1), 1, LOCKED);
    let mut bench = bench.restart();
    let again = [r#"ask about 1.1.1 with ["model.s.b", "model.s.c"] left"#];
    assert_eq!(bench.deeds(), [&["open shop for 1"], &again[..]].concat());
    bench.decide(nth(1, 1), retry(60, RetryScope::All, None));
    // An answer that comes twice is one.
    bench.decide(nth(1, 1), RetryDecision::GiveUp);
    let mut bench = bench.restart();
    assert_eq!(bench.deeds(), ["open shop for 1"]);
    bench.wait_until(61);
    assert_eq!(bench.deeds()[0], "spawn 1.1.2 build");
    // Its time has passed while nobody was there: at once.
    bench.end(nth(1, 2), 1, LOCKED);
    bench.decide(nth(1, 2), retry(60, RetryScope::All, None));
    bench.clock.store(100_000, Ordering::Relaxed);
    let bench = bench.restart();
    assert!(bench.deeds().contains(&"spawn 1.1.3 build".to_owned()));
}

#[test]
fn a_run_that_waits_can_be_cancelled_and_keeps_no_host_from_ending() {
    let mut bench = bench();
    let run = bench.request("shop", &["build"]);
    bench.end(nth(1, 1), 1, LOCKED);
    bench.send(Message::End(Ending::Drained));
    assert!(!bench.dispatcher.has_ended(), "a decision is owed");
    bench.decide(nth(1, 1), retry(60, RetryScope::All, None));
    assert!(bench.dispatcher.has_ended());
    bench.deeds();
    bench.wait_until(60);
    assert_eq!(bench.deeds(), [""; 0], "a host that ends starts nothing");
    let mut bench = bench.restart();
    assert!(bench.deeds().contains(&"spawn 1.1.2 build".to_owned()));
    bench.end(nth(1, 2), 1, LOCKED);
    bench.decide(nth(1, 2), retry(60, RetryScope::All, None));
    bench.clock.store(90, Ordering::Relaxed);
    bench.send(Message::Cancel { run, by: "ada".into(), answer: None });
    let ended = bench.run(run);
    assert_eq!((ended.state, ended.steps[0].state), (RunState::Cancelled, RunState::Cancelled));
    assert_eq!(ended.finished_at, Some(Timestamp::from_second(90).unwrap()));
    bench.deeds();
    bench.wait_until(200);
    assert_eq!(bench.deeds(), [""; 0]);
}

#[test]
fn nobody_is_asked_about_what_was_stopped_or_is_gone() {
    let gone = |bench: &mut Bench, exit| {
        bench.send(Message::Ended(Box::new(Ended {
            attempt: nth(1, 1),
            exit,
            results: None,
            raw_tail: String::new(),
        })));
        bench.deeds().into_iter().filter(|deed| deed.starts_with("ask")).count()
    };
    let at = ExitStatus::at(Timestamp::UNIX_EPOCH);
    for (exit, asked, state) in [
        (None, 0, RunState::Interrupted),
        (Some(ExitStatus { signal: Some(9), ..at.clone() }), 1, RunState::Running),
        (Some(ExitStatus { code: Some(2), ..at.clone() }), 1, RunState::Running),
        (Some(ExitStatus::not_started("no dbt".to_owned(), at.at)), 1, RunState::Running),
        (Some(ExitStatus { code: Some(0), ..at.clone() }), 0, RunState::Succeeded),
    ] {
        let mut bench = bench();
        let run = bench.request("shop", &["build"]);
        assert_eq!(gone(&mut bench, exit.clone()), asked, "{exit:?}");
        assert_eq!(bench.run(run).state, state, "{exit:?}");
    }
    let mut bench = bench();
    let run = bench.request("shop", &["build"]);
    bench.send(Message::Cancel { run, by: "ada".into(), answer: None });
    assert_eq!(gone(&mut bench, Some(ExitStatus { code: Some(1), cancelled: true, ..at })), 0);
    assert_eq!(bench.run(run).state, RunState::Cancelled);
}

#[test]
fn a_project_that_cannot_be_opened_when_a_decision_is_owed_ends_its_run_as_failed() {
    let mut bench = bench();
    let run = bench.request("shop", &["build"]);
    bench.end(nth(1, 1), 1, LOCKED);
    let Bench { dir, dispatcher, clock, .. } = bench;
    drop(dispatcher);
    let mut bench = Bench::made(dir, clock, &["shop"], |_| {});
    bench.work();
    let run = bench.run(run);
    assert_eq!(run.state, RunState::Failed);
    let decided = run.steps[0].attempts[0].decided.as_ref().unwrap();
    assert_eq!(decided.fault.as_deref(), Some("it does not parse"));
}
