use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Asset, AssetKey, AssetShape, AttemptId, Check, ExitStatus, Launch, Limits, NodeRun, RunId, RunRequest,
    Severity,
};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn asset(unique_id: &str, checks: &[&str]) -> Asset {
    let parts: Vec<&str> = unique_id.split('.').collect();
    Asset {
        shape: AssetShape {
            key: AssetKey::new([unique_id]),
            group: None,
            owners: Vec::new(),
            tags: BTreeMap::new(),
            description: None,
            metadata: BTreeMap::new(),
        },
        unique_id: unique_id.to_owned(),
        resource_type: ResourceType::of_unique_id(unique_id),
        name: parts[parts.len() - 1].to_owned(),
        package_name: parts[1].to_owned(),
        original_file_path: String::new(),
        fqn: parts[1..].iter().map(|part| (*part).to_owned()).collect(),
        materialized: None,
        relation_name: None,
        kinds: Vec::new(),
        code_version: None,
        upstream: Vec::new(),
        downstream: Vec::new(),
        checks: checks.iter().map(|check| (*check).to_owned()).collect(),
        fresh_within: None,
        dbt_tags: Vec::new(),
        meta: "{}".to_owned(),
    }
}

fn check(unique_id: &str, assets: &[&str]) -> Check {
    let asset = asset(unique_id, &[]);
    Check {
        unique_id: asset.unique_id,
        name: asset.name,
        resource_type: asset.resource_type,
        fqn: asset.fqn,
        severity: Severity::Error,
        description: None,
        original_file_path: String::new(),
        assets: assets.iter().map(|asset| (*asset).to_owned()).collect(),
        upstream: Vec::new(),
        column: None,
        column_of: 0,
        dbt_tags: Vec::new(),
        meta: "{}".to_owned(),
    }
}

/// Sources, two models, and tests: `t1` and `t2` look at `a`, `t3` at `a` and `b`, `ts` at the source.
fn shop() -> Project {
    let assets = vec![
        asset("source.shop.raw.events", &["test.shop.ts"]),
        asset("model.shop.a", &["test.shop.t1", "test.shop.t2", "test.shop.t3"]),
        asset("model.shop.b", &["test.shop.t3"]),
        asset("seed.shop.s", &[]),
    ];
    let checks = vec![
        check("test.shop.t1", &["model.shop.a"]),
        check("test.shop.t2", &["model.shop.a"]),
        check("test.shop.t3", &["model.shop.a", "model.shop.b"]),
        check("test.shop.ts", &["source.shop.raw.events"]),
    ];
    Project::new(assets, checks, Vec::new())
}

const NOW: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

/// A node, as `id state`; with `!` behind it, it had been started.
fn node(text: &str) -> NodeRun {
    let (id, state) = text.split_once(' ').unwrap();
    NodeRun {
        state: NodeState::from(state.trim_end_matches('!')),
        started_at: state.ends_with('!').then_some(NOW),
        planned: true,
        ..NodeRun::queued(id, ResourceType::of_unique_id(id))
    }
}

fn attempt(nodes: &[&str]) -> Attempt {
    let nodes = nodes.iter().map(|text| node(text)).map(|node| (node.unique_id.clone(), node));
    Attempt {
        id: AttemptId { run: RunId(7), step: 1, attempt: 1 },
        state: RunState::Failed,
        reason: None,
        command: Vec::new(),
        environment: Vec::new(),
        identity: None,
        revision: None,
        dbt_version: None,
        adapter: None,
        target: None,
        invocation_id: None,
        started_at: NOW,
        finished_at: Some(NOW),
        exit: Some(ExitStatus { code: Some(1), ..ExitStatus::at(NOW) }),
        log_offset: 0,
        raw_lines: 0,
        planned: Some(nodes.len() as u64),
        nothing_to_do: false,
        has_results: true,
        decided: None,
        gate: None,
        nodes: nodes.collect(),
    }
}

fn step(args: &str, state: RunState, attempts: Vec<Attempt>) -> Step {
    Step { args: words(args), state, attempts }
}

fn run(state: RunState, steps: Vec<Step>) -> Run {
    Run {
        id: RunId(7),
        request: RunRequest {
            key: "k".to_owned(),
            project: "shop".to_owned(),
            job: Some("nightly".to_owned()),
            steps: steps.iter().map(|step| StepRequest { args: step.args.clone() }).collect(),
            empty_fails: false,
            launch: Launch {
                user: "u".to_owned(),
                via: "cli".to_owned(),
                command: words("tidegate run nightly"),
                reason: None,
            },
            config_file: PathBuf::from("tidegate.toml"),
            configuration: Default::default(),
            limits: Limits::default(),
            resumes: None,
            retry: None,
            gate: Default::default(),
            parameters: Default::default(),
            selection: None,
        },
        state,
        reason: None,
        requested_at: NOW,
        started_at: None,
        finished_at: None,
        cancelled_by: None,
        stop: None,
        locks: Vec::new(),
        manifest_digest: None,
        plugins: Vec::new(),
        steps,
    }
}

fn resumed(run: &Run) -> Vec<String> {
    resume(run, &shop()).unwrap().iter().map(|step| step.args.join(" ")).collect()
}

/// What is left of one failed step.
fn left(args: &str, attempts: Vec<Attempt>) -> String {
    let steps = resumed(&run(RunState::Failed, vec![step(args, RunState::Failed, attempts)]));
    assert_eq!(steps.len(), 1);
    steps[0].clone()
}

const A: &str = "fqn:shop.[a]";
const B: &str = "fqn:shop.[b]";

fn narrowed(command: &str, selectors: &[&str]) -> String {
    format!("{command} --select {} --indirect-selection empty", selectors.join(" "))
}

#[test]
fn what_is_not_done_is_left() {
    for state in [
        "error",
        "skipped",
        "cancelled",
        "queued",
        "running",
        "partial success",
        "runtime error",
        "who knows",
    ] {
        let attempts =
            vec![attempt(&["seed.shop.s success", "model.shop.a warn", &format!("model.shop.b {state}")])];
        assert_eq!(left("build -f --exclude s", attempts), narrowed("build -f", &[B]), "{state}");
    }
    for state in ["success", "pass", "warn", "no-op", "reused"] {
        let attempts = vec![attempt(&[&format!("model.shop.a {state}"), "model.shop.b error"])];
        assert_eq!(left("run --select a b", attempts), narrowed("run", &[B]), "{state}");
    }
}

#[test]
fn the_assets_of_a_failed_test_are_rebuilt_and_tested_again() {
    let nodes = ["model.shop.a success", "model.shop.b success", "test.shop.t1 fail", "test.shop.t2 pass"];
    let tests = ["fqn:shop.t[1]", "fqn:shop.t[2]"];
    assert_eq!(left("build", vec![attempt(&nodes)]), narrowed("build", &[A, tests[0], tests[1]]));
    // A test that could not be run says nothing of the rows.
    let crashed = ["model.shop.a success", "test.shop.t1 error", "test.shop.t2 pass"];
    assert_eq!(left("build", vec![attempt(&crashed)]), narrowed("build", &[tests[0]]));
    // What the step did not build, it does not build now.
    let only_tests = ["test.shop.t1 fail", "test.shop.t2 pass", "test.shop.t3 pass"];
    assert_eq!(left("test", vec![attempt(&only_tests)]), narrowed("test", &[tests[0]]));
    let both = ["model.shop.b success", "test.shop.t3 fail", "test.shop.t2 pass"];
    assert_eq!(left("build", vec![attempt(&both)]), narrowed("build", &[B, "fqn:shop.t[3]"]));
    let source = ["source.shop.raw.events pass", "model.shop.a success", "test.shop.ts fail"];
    assert_eq!(left("build", vec![attempt(&source)]), narrowed("build", &["fqn:shop.t[s]"]));
}

#[test]
fn steps_that_let_the_run_go_on_are_left_out_and_later_ones_follow_as_they_were() {
    let steps = || {
        vec![
            step("seed", RunState::Succeeded, vec![attempt(&["seed.shop.s success"])]),
            step("run", RunState::Warned, vec![attempt(&["model.shop.a warn"])]),
            step(
                "build",
                RunState::Cancelled,
                vec![attempt(&["model.shop.a success", "model.shop.b cancelled"])],
            ),
            step("source freshness", RunState::Queued, Vec::new()),
            step("docs generate", RunState::Queued, Vec::new()),
        ]
    };
    let rest = ["source freshness", "docs generate"];
    assert_eq!(resumed(&run(RunState::Cancelled, steps())), [&narrowed("build", &[B]), rest[0], rest[1]]);
    // It was stopped when everything of the step was done.
    let mut done = steps();
    done[2].attempts = vec![attempt(&["model.shop.a success", "model.shop.b success"])];
    assert_eq!(resumed(&run(RunState::Cancelled, done)), rest);
    // It was never started.
    let fresh: Vec<_> =
        steps().into_iter().map(|s| Step { state: RunState::Queued, attempts: Vec::new(), ..s }).collect();
    assert_eq!(resumed(&run(RunState::Refused, fresh)), ["seed", "run", "build", rest[0], rest[1]]);
}

#[test]
fn a_step_whose_nodes_are_not_known_is_repeated() {
    let unplanned = || Attempt { planned: None, ..attempt(&["model.shop.a success", "model.shop.b error"]) };
    // dbt came to its end and told of all.
    assert_eq!(left("build", vec![unplanned()]), narrowed("build", &[B]));
    let exit = |exit: ExitStatus| Attempt { exit: Some(exit), ..unplanned() };
    let at = ExitStatus::at(NOW);
    for attempts in [
        vec![],
        vec![Attempt { exit: None, ..unplanned() }],
        vec![Attempt { has_results: false, ..unplanned() }],
        vec![exit(ExitStatus { code: Some(2), ..at.clone() })],
        vec![exit(ExitStatus { signal: Some(9), ..at.clone() })],
        vec![exit(ExitStatus { code: Some(1), cancelled: true, ..at.clone() })],
        vec![Attempt { nodes: BTreeMap::new(), ..unplanned() }],
    ] {
        assert_eq!(left("build --select a+", attempts), "build --select a+");
    }
    assert_eq!(left("build -fx", vec![unplanned()]), "build -fx");
    for command in ["compile --select a", "run-operation grant", "docs generate", "deps"] {
        assert_eq!(left(command, vec![attempt(&["model.shop.a error"])]), command);
    }
    // A hook cannot be selected.
    let hook = ["model.shop.a success", "operation.shop.shop-on-run-end-0 error"];
    assert_eq!(left("build", vec![attempt(&hook)]), "build");
}

#[test]
fn what_an_earlier_attempt_has_done_is_done() {
    let first = ["model.shop.a success", "model.shop.b error", "seed.shop.s skipped"];
    assert_eq!(
        left("build", vec![attempt(&first), attempt(&["model.shop.b success", "seed.shop.s error"])]),
        narrowed("build", &["fqn:shop.[s]"])
    );
    // A second attempt at all of it that came nowhere.
    let nowhere = ["model.shop.a queued", "model.shop.b cancelled", "seed.shop.s queued"];
    assert_eq!(
        left("build", vec![attempt(&first), attempt(&nowhere)]),
        narrowed("build", &[B, "fqn:shop.[s]"])
    );
    // It began to build again what had been built.
    for state in ["running", "cancelled!", "error", "skipped"] {
        let again = [&format!("model.shop.a {state}")[..], "model.shop.b success", "seed.shop.s success"];
        assert_eq!(left("build", vec![attempt(&first), attempt(&again)]), narrowed("build", &[A]), "{state}");
    }
    // The plan of the first attempt still holds when dbt did not get as far as that.
    let died = Attempt { planned: None, has_results: false, ..attempt(&[]) };
    assert_eq!(left("build", vec![attempt(&first), died]), narrowed("build", &[B, "fqn:shop.[s]"]));
}

#[test]
fn sources_are_checked_again_where_they_were_not() {
    let nodes = ["source.shop.raw.events runtime error", "source.shop.raw.other pass"];
    let attempts = vec![Attempt { planned: None, ..attempt(&nodes) }];
    assert_eq!(left("source freshness", attempts), "source freshness --select source:shop.raw.events");
}

#[test]
fn a_run_with_nothing_left_is_refused() {
    let said = |state, step_state, job: Option<&str>| {
        let attempts = vec![attempt(&["model.shop.a success"])];
        let mut run = run(state, vec![step("build", step_state, attempts)]);
        run.request.job = job.map(str::to_owned);
        run.request.launch.command = words("tidegate materialize a");
        let refusal = resume(&run, &shop()).unwrap_err();
        format!("{}; {}", refusal.message, refusal.hint.unwrap())
    };
    insta::assert_snapshot!(
        [
            said(RunState::Queued, RunState::Queued, Some("nightly")),
            said(RunState::Running, RunState::Running, Some("nightly")),
            said(RunState::Succeeded, RunState::Succeeded, Some("nightly")),
            said(RunState::Warned, RunState::Warned, None),
            said(RunState::Empty, RunState::Empty, None),
            said(RunState::Cancelled, RunState::Cancelled, Some("nightly")),
        ]
        .join("\n")
    );
}

#[test]
fn more_than_a_command_line_holds_is_repeated_as_a_whole() {
    let names: Vec<String> =
        (0..20_000).map(|i| format!("model.shop.a_rather_long_name_of_a_model_{i} error")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(left("build -f", vec![attempt(&names)]), "build -f");
    let some = left("build -f", vec![attempt(&names[..5_000])]);
    assert!(some.len() < 1_000_000 && some.matches("fqn:").count() == 5_000);
}

proptest! {
    #[test]
    fn everything_that_is_not_done_is_selected_and_nothing_is_lost(states in prop::collection::vec(0..9_usize, 4)) {
        const STATES: [&str; 9] =
            ["success", "warn", "no-op", "error", "skipped", "cancelled", "queued", "running", "partial success"];
        let ids = ["model.shop.a", "model.shop.b", "seed.shop.s", "test.shop.t1"];
        let nodes: Vec<String> = ids.iter().zip(&states).map(|(id, state)| format!("{id} {}", STATES[*state])).collect();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let run = run(RunState::Failed, vec![step("build", RunState::Failed, vec![attempt(&nodes)])]);
        let wanted: Vec<&str> = ids.iter().zip(&states).filter(|(_, state)| **state > 2).map(|(id, _)| *id).collect();
        match resume(&run, &shop()) {
            Err(_) => prop_assert!(wanted.is_empty()),
            Ok(steps) => {
                let selectors = exact_selectors(&shop(), wanted.iter().copied());
                prop_assert_eq!(steps[0].args.join(" "), narrowed("build", &selectors.iter().map(String::as_str).collect::<Vec<_>>()));
            }
        }
    }
}
