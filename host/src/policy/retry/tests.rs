//! What a policy is told, and what becomes of its answer or of its absence.

use std::path::Path;

use super::*;
use crate::{
    model::{
        AttemptIdentity, Decided, ExitStatus, Launch, NodeState, ResourceType, RetryScope, RunId, RunRequest,
        RunState,
    },
    plugins::{Limits, Sandbox},
};

fn id(attempt: u32) -> AttemptId {
    AttemptId { run: RunId(1), step: 1, attempt }
}

fn attempt(number: u32, nodes: &[(&str, &str)]) -> Attempt {
    let node = |(id, state): &(&str, &str)| {
        let mut node = NodeRun::queued(id, ResourceType::of_unique_id(id));
        node.state = NodeState::from(*state);
        node.message = node.state.is_failure().then(|| "IO Error: Could not set lock on file".to_owned());
        ((*id).to_owned(), node)
    };
    let at = Timestamp::UNIX_EPOCH;
    Attempt {
        id: id(number),
        state: RunState::Failed,
        reason: Some("it was locked".to_owned()),
        command: Vec::new(),
        environment: Vec::new(),
        identity: None::<AttemptIdentity>,
        revision: None,
        dbt_version: None,
        adapter: None,
        target: None,
        invocation_id: None,
        started_at: at,
        finished_at: Some(at),
        exit: Some(ExitStatus { code: Some(1), ..ExitStatus::at(at) }),
        log_offset: 0,
        raw_lines: 0,
        planned: None,
        nothing_to_do: false,
        has_results: true,
        decided: None,
        gate: None,
        nodes: nodes.iter().map(node).collect(),
    }
}

fn run(attempts: Vec<Attempt>) -> Run {
    let launch = Launch { user: "ada".to_owned(), via: "cli".to_owned(), command: Vec::new(), reason: None };
    let request = RunRequest {
        key: "k".to_owned(),
        project: "shop".to_owned(),
        job: Some("build".to_owned()),
        steps: Vec::new(),
        empty_fails: false,
        launch,
        config_file: Default::default(),
        configuration: Default::default(),
        limits: Default::default(),
        resumes: None,
        gate: Default::default(),
        parameters: Default::default(),
        selection: None,
        retry: None,
    };
    let args = vec!["build".to_owned()];
    Run {
        id: RunId(1),
        request,
        state: RunState::Running,
        reason: None,
        requested_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
        cancelled_by: None,
        stop: None,
        locks: Vec::new(),
        manifest_digest: None,
        plugins: Vec::new(),
        steps: vec![Step { args, state: RunState::Failed, attempts }],
    }
}

fn rule(plugin: &str, config: Value) -> RetryRule {
    let on_fault =
        RetryDecision::Retry { after: SignedDuration::from_secs(7), scope: RetryScope::All, threads: None };
    RetryRule { plugin: plugin.to_owned(), config, on_fault, max_attempts: 10 }
}

fn catalogue() -> Catalogue {
    Catalogue::new(Sandbox::new(Limits::default(), None).unwrap(), Some(Path::new("/nowhere").to_owned()))
}

fn told(run: &Run, attempt: u32) -> Failure {
    let project = Project::default();
    let known = Circumstances {
        project: &project,
        unfinished: vec!["model.s.a".to_owned()],
        threads: Some(4),
        now: Timestamp::UNIX_EPOCH,
    };
    failure(run, id(attempt), known).unwrap()
}

#[test]
fn a_policy_is_told_what_failed_and_what_came_before() {
    let mut first = attempt(1, &[("model.s.a", "error"), ("model.s.b", "error")]);
    first.decided = Some(Box::new(Decided {
        decision: rule("x", json!({})).on_fault,
        reason: "once more".to_owned(),
        plugin: None,
        fault: None,
        due: None,
        args: Some(vec!["build".to_owned(), "--threads".to_owned(), "2".to_owned()]),
    }));
    let second = attempt(2, &[("model.s.a", "error"), ("model.s.b", "success")]);
    let failure = told(&run(vec![first, second]), 2);
    assert_eq!(failure.command, ["build", "--threads", "2"]);
    assert_eq!((failure.kind, failure.failed_total, failure.unfinished_total), (FailureKind::Node, 1, 1));
    assert_eq!((failure.failed[0].name.as_str(), failure.failed[0].failed_attempts), ("a", 2));
    let [earlier] = &failure.earlier[..] else { panic!("{:?}", failure.earlier) };
    assert_eq!(earlier.failed, ["model.s.a", "model.s.b"]);
    assert_eq!((earlier.waited.as_secs(), earlier.reason.as_str()), (7, "once more"));
}

#[test]
fn what_a_policy_is_told_is_cut_and_the_seed_stays() {
    let mut long = attempt(1, &[]);
    for n in 0..1_200 {
        let mut node = NodeRun::queued(&format!("model.s.n{n}"), ResourceType::Model);
        (node.state, node.message) = (NodeState::Error, Some("ä".repeat(8_000)));
        long.nodes.insert(node.unique_id.clone(), node);
    }
    let run = run(vec![long]);
    let failure = told(&run, 1);
    assert_eq!((failure.failed.len(), failure.failed_total), (1_000, 1_200));
    let message = failure.failed[0].message.as_ref().unwrap();
    assert!(message.len() < TEXT + 4 && message.ends_with('…'), "{}", message.len());
    assert_eq!(failure.seed, told(&run, 1).seed);
    assert_ne!(failure.seed, seed("k", id(2)));
    assert_ne!(failure.seed, seed("other", id(1)));
}

#[test]
fn what_failed_has_its_word() {
    let at = ExitStatus::at(Timestamp::UNIX_EPOCH);
    for (exit, nodes, expected) in [
        (ExitStatus { code: Some(1), ..at.clone() }, &[("model.s.a", "error")][..], FailureKind::Node),
        (ExitStatus { code: Some(2), ..at.clone() }, &[], FailureKind::Dbt),
        (ExitStatus { signal: Some(9), ..at.clone() }, &[("model.s.a", "error")], FailureKind::Killed),
        (ExitStatus::not_started("no dbt".to_owned(), at.at), &[], FailureKind::NotStarted),
    ] {
        assert_eq!(kind(&Attempt { exit: Some(exit), ..attempt(1, nodes) }), expected);
    }
}

#[test]
fn a_real_policy_decides_and_its_call_is_kept() {
    let run = run(vec![attempt(1, &[("model.s.a", "error")])]);
    let rule = rule("builtin:transient", json!({ "delay": "9s" }));
    let judged = judge(&catalogue(), &rule, &told(&run, 1));
    let RetryDecision::Retry { after, scope, .. } = judged.decision else { panic!("{judged:?}") };
    assert_eq!((after.as_secs(), scope), (9, RetryScope::Unfinished));
    assert_eq!((judged.plugin.as_ref().unwrap().name.as_str(), judged.fault), ("transient", None));
    let call = judged.call.unwrap();
    assert_eq!((call.subject.as_str(), call.verdict.as_str()), ("run 1.1.1", "ok"));
    assert_eq!(call.input["config"]["delay"], "9s");
    assert_eq!(call.input["failure"]["failed"][0]["unique_id"], "model.s.a");
    assert_eq!(call.answer.unwrap()["reason"], judged.reason);
    assert!(check(&catalogue(), &rule).is_ok());
}

#[test]
fn where_a_policy_is_at_fault_the_declared_answer_applies_and_the_record_says_why() {
    let run = run(vec![attempt(1, &[("model.s.a", "error")])]);
    for (rule, fault, was_called) in [
        (rule("builtin:transiant", json!({})), "there is no built-in plugin `transiant`", false),
        (rule("nobody", json!({})), "nobody", false),
        (rule("builtin:source-prefix", json!({})), "source-prefix", false),
        (rule("builtin:backoff", json!({ "max_retry": 3 })), "max_retry", true),
    ] {
        let judged = judge(&catalogue(), &rule, &told(&run, 1));
        assert_eq!(judged.decision, rule.on_fault, "{judged:?}");
        let said = judged.fault.unwrap();
        assert!(said.contains(fault), "{said}");
        assert_eq!((judged.plugin.is_some(), judged.call.is_some()), (was_called, was_called));
        if let Some(call) = judged.call {
            assert_eq!(call.answer, None);
            assert!(call.verdict.contains(fault), "{}", call.verdict);
        }
        let error = check(&catalogue(), &rule).unwrap_err();
        assert!(error.to_string().contains(fault), "{error}");
    }
}
