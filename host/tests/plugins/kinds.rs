//! Retry policies and notifiers: what they answer, what may not be answered, and what each fault is called.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate::{
    model::{
        AttemptId, DeliveryRequest, DestinationName, FailedNode, Failure, FailureKind, Notification,
        NotificationKind, NotifiedNode, RetryAnswer, RetryDecision, RetryScope, RunId,
    },
    plugins::{
        AnyPlugin, CallError, LoadError, LoadFault, Notifier, PluginKind, RetryPolicy, Sandbox, Shortage,
        Translator,
    },
};

use crate::{File, guest::Guest, hasty, pieces::Pieces, sandbox};

pub fn failure(nodes: usize) -> Failure {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let node = |number: usize| FailedNode {
        unique_id: format!("model.shop.m{number}"),
        resource_type: "model".to_owned(),
        name: format!("m{number}"),
        state: "error".to_owned(),
        message: Some("x".repeat(8 << 10)),
        failures: None,
        started_at: Some(at),
        took: Some(SignedDuration::from_secs(2)),
        tags: vec!["nightly".to_owned()],
        meta: json!({"a": 1}),
        failed_attempts: 1,
    };
    Failure {
        project: "shop".to_owned(),
        job: Some("nightly".to_owned()),
        attempt: AttemptId { run: RunId(12), step: 1, attempt: 2 },
        command: vec!["build".to_owned()],
        kind: FailureKind::Node,
        exit_code: Some(1),
        signal: None,
        message: None,
        failed: (0..nodes).map(node).collect(),
        failed_total: u32::try_from(nodes).unwrap(),
        unfinished: (0..nodes).map(|number| format!("model.shop.m{number}")).collect(),
        unfinished_total: u32::try_from(nodes).unwrap(),
        earlier: Vec::new(),
        threads: Some(4),
        started_at: at,
        finished_at: at,
        now: at,
        seed: 7,
    }
}

fn notification(nodes: usize) -> Notification {
    let node = |number: usize| NotifiedNode {
        unique_id: format!("model.shop.m{number}"),
        asset_key: Some(format!("m{number}")),
        resource_type: "model".to_owned(),
        name: format!("m{number}"),
        state: "error".to_owned(),
        message: Some("no such table".to_owned()),
        detail: Some("x".repeat(4 << 10)),
        failures: None,
        query: None,
        path: Some("models/m.sql".to_owned()),
        owners: vec!["team:data".to_owned()],
        took: None,
        link: None,
    };
    Notification {
        id: "481".to_owned(),
        kind: NotificationKind::RunFailed,
        at: Timestamp::from_second(1_700_000_000).unwrap(),
        title: "nightly failed".to_owned(),
        text: None,
        alert: "ops".to_owned(),
        project: Some("shop".to_owned()),
        job: Some("nightly".to_owned()),
        run: None,
        nodes: (0..nodes).map(node).collect(),
        nodes_total: u32::try_from(nodes).unwrap(),
        skipped: Vec::new(),
        skipped_total: 0,
        owners: Vec::new(),
        link: None,
    }
}

fn policy(sandbox: &Sandbox, pieces: &Pieces) -> Result<RetryPolicy, LoadError> {
    RetryPolicy::load(sandbox, &File::new(pieces.build()).source())
}

fn notifier(sandbox: &Sandbox, pieces: &Pieces) -> Result<Notifier, LoadError> {
    Notifier::load(sandbox, &File::new(pieces.build()).source())
}

fn ops() -> [DestinationName; 1] {
    [DestinationName { name: "ops".to_owned(), kind: "http".to_owned() }]
}

fn hook() -> Pieces {
    Pieces::notifier("ops", "/hook?a=1", ("Content-Type", "application/json"), b"{}")
}

#[test]
fn a_retry_policy_decides_and_the_call_is_measured() {
    let sandbox = sandbox();
    let waits = policy(&sandbox, &Pieces::retry_policy(Some((60_000, 1, Some(2))), "locked:\nwait")).unwrap();
    assert_eq!(waits.check_config("{}").unwrap(), Ok(()));
    let called = waits.decide("{}", &failure(1));
    let retry = RetryDecision::Retry {
        after: SignedDuration::from_secs(60),
        scope: RetryScope::Unfinished,
        threads: Some(2),
    };
    let answer = RetryAnswer { decision: retry, reason: "locked: wait".to_owned() };
    assert_eq!(called.outcome, Ok(Ok(answer)));
    assert!(called.cost.micros > 0);
    assert_eq!(called.cost.peak_memory, 65536);
    let record = waits.record();
    assert_eq!(
        (record.kind.as_str(), record.name.as_str(), record.version.as_str(), record.digest.len()),
        ("retry-policy", "pieces", "1.2.3", 64)
    );

    let all = policy(&sandbox, &Pieces::retry_policy(Some((0, 0, None)), "again")).unwrap();
    let Ok(Ok(answer)) = all.decide("{}", &failure(1)).outcome else { panic!() };
    let at_once = RetryDecision::Retry { after: SignedDuration::ZERO, scope: RetryScope::All, threads: None };
    assert_eq!(answer.decision, at_once);
    let gives_up = policy(&sandbox, &Pieces::retry_policy(None, "no use")).unwrap();
    let Ok(Ok(answer)) = gives_up.decide("{}", &failure(1)).outcome else { panic!() };
    assert_eq!(answer.decision, RetryDecision::GiveUp);
}

#[test]
fn the_largest_inputs_fit() {
    // 1,000 nodes with 8 KiB of text each, and what a guest needs to hold them.
    let sandbox = Sandbox::new(Default::default(), None).unwrap();
    let gives_up = policy(&sandbox, &Pieces::retry_policy(None, "no use")).unwrap();
    let called = gives_up.decide("{}", &failure(1000));
    assert!(matches!(called.outcome, Ok(Ok(_))), "{called:?}");
    assert!(called.cost.peak_memory > 8 << 20, "{called:?}");
    let tells = notifier(&sandbox, &hook()).unwrap();
    let called = tells.render("{}", &ops(), &notification(1000));
    assert!(matches!(called.outcome, Ok(Ok(_))), "{called:?}");
}

#[test]
fn a_notifier_asks_for_requests() {
    let tells = notifier(&sandbox(), &hook()).unwrap();
    assert_eq!(tells.record().kind, "notifier");
    let called = tells.render("{}", &ops(), &notification(2));
    let request = DeliveryRequest {
        destination: "ops".to_owned(),
        method: "POST".to_owned(),
        path: "/hook?a=1".to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: b"{}".to_vec(),
    };
    assert_eq!(called.outcome, Ok(Ok(vec![request])));
}

#[test]
fn each_misdeed_of_the_new_kinds_gets_its_verdict() {
    use CallError as E;
    let sandbox = sandbox();
    let in_a_hurry = Sandbox::new(hasty(), None).unwrap();
    let of = |name: &str| if name == "spins" { &in_a_hurry } else { &sandbox };
    let bad = |text: &str| E::BadAnswer(text.to_owned());
    let retry = |after, scope, threads| Pieces::retry_policy(Some((after, scope, threads)), "x");
    let give_up = || Pieces::retry_policy(None, "x");
    let policies: Vec<(&str, Pieces, E)> = vec![
        ("without a reason", Pieces::retry_policy(None, " "), bad("a decision without a reason")),
        (
            "waits for ever",
            retry(u64::MAX, 0, None),
            bad("a retry after 18446744073709551615 ms, which is more than 31 days"),
        ),
        ("no threads", retry(1, 0, Some(0)), bad("a retry with 0 threads")),
        ("unknown scope", retry(1, 9, None), bad("unexpected discriminant: 9")),
        ("spins", Pieces { answer: "(call $loop) unreachable", ..give_up() }, E::TimedOut(hasty().call_time)),
        (
            "breaks off",
            Pieces { answer: "unreachable", ..give_up() },
            E::Trapped { reason: "it panicked or aborted".to_owned(), log: String::new() },
        ),
        (
            "hoards",
            Pieces {
                answer: "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
                ..give_up()
            },
            E::OutOfMemory(Shortage::Memory(8 << 20)),
        ),
    ];
    for (name, pieces, expected) in policies {
        let called = policy(of(name), &pieces).unwrap().decide("{}", &failure(1));
        let error = called.outcome.unwrap_err();
        match (&error, &expected) {
            (E::BadAnswer(said), E::BadAnswer(part)) if name == "unknown scope" => {
                assert!(said.contains("discriminant"), "{said} {part}");
            }
            _ => assert_eq!(error, expected, "{name}"),
        }
        assert!(called.cost.micros > 0 && called.cost.peak_memory >= 65536, "{name}: {:?}", called.cost);
    }

    let notifiers: Vec<(&str, Pieces, E)> = vec![
        (
            "another destination",
            Pieces::notifier("pager", "", ("A", ""), b""),
            bad("request 1 goes to `pager`, which is none of the destinations that it may send to"),
        ),
        (
            "another host",
            Pieces::notifier("ops", "@evil.example/", ("A", ""), b""),
            bad("request 1 has a path that does not begin with one `/` or `?`, or is none: `@evil.example/`"),
        ),
        (
            "smuggles a header",
            Pieces::notifier("ops", "", ("X-A", "a\r\nHost: b"), b""),
            bad("request 1 has a header `X-A` of several lines, or with control characters"),
        ),
        (
            "a header without name",
            Pieces::notifier("ops", "", ("", "a"), b""),
            bad("request 1 has a header whose name cannot be one: ``"),
        ),
        ("spins", Pieces { answer: "(call $loop) unreachable", ..hook() }, E::TimedOut(hasty().call_time)),
    ];
    for (name, pieces, expected) in notifiers {
        let called = notifier(of(name), &pieces).unwrap().render("{}", &ops(), &notification(1));
        assert_eq!(called.outcome.unwrap_err(), expected, "{name}");
    }
    // A body of 2 MiB, where an answer may have 1 MiB.
    let mut large = hook();
    large.memory = r#"(memory (export "memory") 64)"#;
    large.more += &crate::pieces::data(128 + 32, &crate::pieces::fat(65536, 2 << 20));
    let called = notifier(&sandbox, &large).unwrap().render("{}", &ops(), &notification(0));
    assert!(matches!(called.outcome, Err(E::TooMuchData(_))), "{called:?}");
}

#[test]
fn an_error_of_the_plugins_own_is_its_sentence() {
    // A result whose case is the error: a text.
    let mut pieces = Pieces::retry_policy(None, "x");
    pieces.more =
        crate::pieces::data(64, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &crate::pieces::fat(512, 9)].concat())
            + &crate::pieces::data(512, b"cannot\nno");
    let called = policy(&sandbox(), &pieces).unwrap().decide("{}", &failure(0));
    assert_eq!(called.outcome, Ok(Err("cannot no".to_owned())));
}

#[test]
fn a_plugin_is_taken_for_what_it_exports() {
    let sandbox = sandbox();
    let guests = [
        (PluginKind::Translator, Guest::default().build()),
        (PluginKind::RetryPolicy, Pieces::retry_policy(None, "x").build()),
        (PluginKind::Notifier, hook().build()),
    ];
    for (kind, bytes) in &guests {
        let file = File::new(bytes);
        let any = AnyPlugin::new(&sandbox, sandbox.open(&file.source()).unwrap()).unwrap();
        assert_eq!((any.kind(), any.contract()), (*kind, kind.interface()));
        assert_eq!(any.record().unwrap().kind, kind.as_str());
        assert_eq!(any.check_config("{}").unwrap(), Ok(()));
        let loads = [
            Translator::load(&sandbox, &file.source()).err(),
            RetryPolicy::load(&sandbox, &file.source()).err(),
            Notifier::load(&sandbox, &file.source()).err(),
        ];
        for (wanted, error) in PluginKind::ALL.into_iter().zip(loads) {
            match error {
                None => assert_eq!(wanted, *kind),
                Some(LoadError { fault: LoadFault::AnotherKind { is, wanted: asked }, .. }) => {
                    assert_eq!((is, asked), (*kind, wanted));
                }
                Some(error) => panic!("{error}"),
            }
        }
    }
    let error = Notifier::load(&sandbox, &File::new(&guests[1].1).source()).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("it is a retry policy, and a notifier is wanted here"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn broken_files_of_the_new_kinds_get_their_fault() {
    let sandbox = sandbox();
    let mut later = Pieces::retry_policy(None, "x");
    later.interface = "tidegate:retry-policy/retrying@0.2.0";
    let fault = policy(&sandbox, &later).map(|_| ()).unwrap_err().fault;
    assert!(matches!(fault, LoadFault::AnotherVersion { .. }), "{fault}");

    // The functions of another kind behind the name of this one.
    let mut wrong = hook();
    wrong.interface = "tidegate:retry-policy/retrying@0.1.0";
    let fault = policy(&sandbox, &wrong).map(|_| ()).unwrap_err().fault;
    assert!(fault.to_string().contains("there is no function `decide`"), "{fault}");

    let silent = Pieces { describe: "unreachable", ..hook() };
    let error = notifier(&sandbox, &silent).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("asked who it is, it broke off: it panicked or aborted"), "{error}");
    assert!(error.hint().is_some());
}
