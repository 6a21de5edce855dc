//! Histories of a run: arbitrary ones, in which nothing fits together but the ids, and the parts to tell one by hand.

use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::model::{
    AttemptId, AttemptIdentity, Decided, Event, EventKind, ExitStatus, Launch, Limits, NodeResult, NodeState,
    PluginRecord, ResourceType, ResultsSource, RetryDecision, RetryRule, RetryScope, RunId, RunRequest,
    RunState, StepRequest, Stop,
};

pub(crate) const NODES: [&str; 6] = [
    "model.shop.orders",
    "seed.shop.raw",
    "snapshot.shop.snap",
    "source.shop.raw.orders",
    "test.shop.unique",
    "unit_test.shop.orders.adds_up",
];

pub(crate) fn request(key: &str, steps: &[&str]) -> RunRequest {
    let step = |text: &&str| StepRequest { args: text.split(' ').map(str::to_owned).collect() };
    RunRequest {
        key: key.to_owned(),
        project: "shop".to_owned(),
        job: Some("nightly".to_owned()),
        steps: steps.iter().map(step).collect(),
        empty_fails: false,
        launch: Launch { user: "ada".to_owned(), via: "cli".to_owned(), command: Vec::new(), reason: None },
        config_file: "/srv/tidegate.toml".into(),
        configuration: serde_json::json!({ "vars": { "a": 0.1 } }).into(),
        limits: Limits {
            priority: 2,
            queue_timeout: Some(jiff::SignedDuration::from_mins(5)),
            ..Limits::default()
        },
        resumes: None,
        retry: None,
        gate: Default::default(),
        parameters: Default::default(),
        selection: None,
    }
}

pub(crate) fn rule() -> RetryRule {
    RetryRule {
        plugin: "builtin:transient".to_owned(),
        config: serde_json::json!({ "delay": "30s" }),
        on_fault: RetryDecision::GiveUp,
        max_attempts: 3,
    }
}

/// A decision about an attempt: to do it again by these arguments, or to give up.
pub(crate) fn decided(attempt: AttemptId, args: Option<&str>) -> EventKind {
    let after = jiff::SignedDuration::from_secs(60);
    let retry = RetryDecision::Retry { after, scope: RetryScope::Unfinished, threads: None };
    let decided = Decided {
        decision: args.map_or(RetryDecision::GiveUp, |_| retry),
        reason: "for a reason".to_owned(),
        plugin: None,
        fault: None,
        due: args.map(|_| at(60)),
        args: args.map(|args| args.split(' ').map(str::to_owned).collect()),
    };
    EventKind::RetryDecided { attempt, decided: Box::new(decided) }
}

pub(crate) fn attempt(run: u64, step: u32, attempt: u32) -> AttemptId {
    AttemptId { run: RunId(run), step, attempt }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn exited(code: Option<i32>) -> ExitStatus {
    ExitStatus {
        code,
        signal: None,
        spawn_error: None,
        cancelled: false,
        leaked: false,
        cpu_seconds: 0.1,
        peak_memory: 1,
        lost_lines: 0,
        at: at(99),
    }
}

pub(crate) fn result(unique_id: &str, state: NodeState) -> NodeResult {
    NodeResult {
        started_at: Some(at(1)),
        finished_at: Some(at(2)),
        execution_time: Some(0.1),
        ..NodeResult::of(unique_id, state)
    }
}

pub(crate) fn started(attempt: AttemptId) -> EventKind {
    EventKind::AttemptStarted {
        attempt,
        command: vec!["dbt".to_owned()],
        environment: vec!["PATH".to_owned()],
        revision: None,
    }
}

pub(crate) fn node_started(attempt: AttemptId, unique_id: &str) -> EventKind {
    EventKind::NodeStarted {
        attempt,
        unique_id: unique_id.to_owned(),
        resource_type: ResourceType::of_unique_id(unique_id),
        started_at: Some(at(1)),
        thread: None,
        relation_name: None,
    }
}

pub(crate) fn node_finished(attempt: AttemptId, unique_id: &str, state: NodeState) -> EventKind {
    EventKind::NodeFinished { attempt, result: Box::new(result(unique_id, state)) }
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(
        select(vec!["", "OK", "Runtime Error\n  INTERRUPT", "\u{0}\u{1f980} \"x\""]).prop_map(str::to_owned),
    )
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..1_000_000_i64, 0..1_000_000_000_i32)
        .prop_map(|(s, ns)| Timestamp::new(1_700_000_000 + s, ns).unwrap())
}

fn attempts() -> impl Strategy<Value = AttemptId> {
    // Mostly the first attempts at two steps; now and then one of nowhere.
    prop_oneof![
        8 => (1..=2_u32, 1..=2_u32).prop_map(|(s, a)| attempt(1, s, a)),
        1 => (0..=4_u32, 0..=3_u32).prop_map(|(s, a)| attempt(1, s, a)),
        1 => Just(attempt(2, 1, 1)),
    ]
}

fn node_states() -> impl Strategy<Value = NodeState> {
    select(vec![
        "queued",
        "running",
        "success",
        "pass",
        "warn",
        "error",
        "fail",
        "skipped",
        "cancelled",
        "reused",
        "no-op",
        "partial success",
        "runtime error",
        "from the future",
    ])
    .prop_map(NodeState::from)
}

fn run_states() -> impl Strategy<Value = RunState> {
    use RunState::*;
    select(vec![
        Queued,
        Running,
        Succeeded,
        Warned,
        Incomplete,
        Failed,
        Empty,
        Cancelled,
        Interrupted,
        Refused,
    ])
}

fn results() -> impl Strategy<Value = NodeResult> {
    (
        (select(NODES.to_vec()), node_states(), option::of(time()), option::of(time())),
        (option::of(0.0..1e4_f64), text(), option::of(0..u64::from(u32::MAX)), option::of(0..9_u64)),
    )
        .prop_map(
            |((id, state, started_at, finished_at), (execution_time, message, rows_affected, failures))| {
                NodeResult {
                    started_at,
                    finished_at,
                    execution_time,
                    message,
                    rows_affected,
                    failures,
                    ..result(id, state)
                }
            },
        )
}

fn exits() -> impl Strategy<Value = Option<ExitStatus>> {
    let exit = (option::of(-1..4_i32), option::of(1..16_i32), text(), any::<bool>(), 0.0..1e4_f64, time());
    option::of(exit.prop_map(|(code, signal, spawn_error, cancelled, cpu_seconds, at)| ExitStatus {
        signal,
        spawn_error,
        cancelled,
        cpu_seconds,
        at,
        ..exited(code)
    }))
}

fn kinds() -> impl Strategy<Value = EventKind> {
    let node = || select(NODES.to_vec());
    prop_oneof![
        1 => Just(EventKind::RunRequested { request: Box::new(request("again", &["test"])) }),
        1 => Just(EventKind::RunRefused { reason: "no".to_owned() }),
        3 => (text(), any::<bool>()).prop_map(|(manifest_digest, narrowed)| EventKind::RunStarted {
            manifest_digest,
            locks: vec!["warehouse".to_owned()],
            steps: narrowed.then(|| request("", &["build --select a"]).steps),
            plugins: vec![PluginRecord {
                kind: "translator".to_owned(),
                name: "p".to_owned(),
                version: "1".to_owned(),
                digest: "d".to_owned(),
            }],
        }),
        12 => attempts().prop_map(started),
        3 => attempts().prop_map(|attempt| EventKind::AttemptSpawned {
            attempt,
            identity: AttemptIdentity { pid: 1, start_time: 2, boot_id: "b".to_owned() },
        }),
        3 => (attempts(), text(), text()).prop_map(|(attempt, dbt_version, adapter)| EventKind::DbtReported {
            attempt, dbt_version, adapter, target: None, invocation_id: None,
        }),
        4 => (attempts(), vec(node(), 0..4)).prop_map(|(attempt, nodes)| EventKind::PlanResolved {
            attempt, nodes: nodes.into_iter().map(str::to_owned).collect(),
        }),
        14 => (attempts(), node()).prop_map(|(attempt, id)| node_started(attempt, id)),
        20 => (attempts(), results()).prop_map(|(attempt, r)| EventKind::NodeFinished { attempt, result: Box::new(r) }),
        2 => (attempts(), text()).prop_map(|(attempt, message)| EventKind::NothingToDo { attempt, message }),
        2 => attempts().prop_map(|attempt| EventKind::DbtFailed { attempt, message: "no".to_owned() }),
        3 => (attempts(), 0..999_u64, 0..9_u64)
            .prop_map(|(attempt, offset, raw_lines)| EventKind::LogRead { attempt, offset, raw_lines }),
        2 => Just(EventKind::CancelRequested { by: "ada".into() }),
        2 => run_states().prop_map(|state| EventKind::StopRequested { stop: Stop { state, reason: "late".to_owned() } }),
        4 => (attempts(), exits()).prop_map(|(attempt, exit)| EventKind::AttemptExited { attempt, exit }),
        4 => (attempts(), any::<bool>(), vec(results(), 0..5)).prop_map(|(attempt, run, results)| {
            let source = if run { ResultsSource::RunResults } else { ResultsSource::Sources };
            EventKind::ResultsRead { attempt, source, results }
        }),
        3 => (attempts(), run_states(), text())
            .prop_map(|(attempt, state, reason)| EventKind::AttemptFinished { attempt, state, reason }),
        3 => (attempts(), any::<bool>()).prop_map(|(attempt, again)| decided(attempt, again.then_some("build"))),
        1 => (run_states(), text()).prop_map(|(state, reason)| EventKind::RunFinished { state, reason }),
    ]
}

/// What happens to run 1 after it was requested.
pub(crate) fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    vec((kinds(), time()).prop_map(|(kind, at)| Event { run: RunId(1), at, kind }), 0..most)
}
