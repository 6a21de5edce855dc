//! Alerts through the life of jobs: who is told of what, and how often.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{
    AlertEvent, AlertEventKind, AlertRule, Asset, AssetKey, AssetShape, Attempt, AttemptId, Check, GroupBy,
    Launch, NodeRun, NodeState, NotificationKind as Kind, Project, ResourceType, RunRequest, RunState,
    Severity, Step, StepRequest,
};

mod properties;

const HOUR: i64 = 3_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn rule(on: &[Kind], group_by: GroupBy) -> AlertRule {
    AlertRule {
        name: "ops".to_owned(),
        on: on.iter().copied().collect(),
        projects: Vec::new(),
        jobs: Vec::new(),
        tags: Vec::new(),
        owners: Vec::new(),
        after_last_retry: true,
        changes_only: true,
        group_by,
        suppress: SignedDuration::ZERO,
    }
}

const RUNS: [Kind; 2] = [Kind::RunFailed, Kind::RunRecovered];
const NODES: [Kind; 4] = [Kind::AssetFailed, Kind::AssetRecovered, Kind::CheckFailed, Kind::CheckRecovered];

/// A run that has ended, with its nodes.
fn run(id: u64, job: &str, state: RunState, nodes: &[(&str, NodeState)]) -> Run {
    let attempt = AttemptId { run: RunId(id), step: 1, attempt: 1 };
    let node = |(name, state): &(&str, NodeState)| {
        let node =
            NodeRun { state: state.clone(), ..NodeRun::queued(name, ResourceType::of_unique_id(name)) };
        ((*name).to_owned(), node)
    };
    let args = vec!["build".to_owned()];
    Run {
        id: RunId(id),
        request: RunRequest {
            key: id.to_string(),
            project: "shop".to_owned(),
            job: Some(job.to_owned()),
            steps: vec![StepRequest { args: args.clone() }],
            empty_fails: false,
            launch: Launch {
                user: "ana".to_owned(),
                via: "cli".to_owned(),
                command: Vec::new(),
                reason: None,
            },
            config_file: "tidegate.toml".into(),
            configuration: Arc::default(),
            limits: Default::default(),
            resumes: None,
            retry: None,
            gate: Default::default(),
            parameters: Default::default(),
            selection: None,
        },
        state,
        reason: None,
        requested_at: at(0),
        started_at: None,
        finished_at: None,
        cancelled_by: None,
        stop: None,
        locks: Vec::new(),
        manifest_digest: None,
        plugins: Vec::new(),
        steps: vec![Step {
            args,
            state,
            attempts: vec![Attempt {
                id: attempt,
                state,
                reason: None,
                command: Vec::new(),
                environment: Vec::new(),
                identity: None,
                revision: None,
                dbt_version: None,
                adapter: None,
                target: None,
                invocation_id: None,
                started_at: at(0),
                finished_at: None,
                exit: None,
                log_offset: 0,
                raw_lines: 0,
                planned: None,
                nothing_to_do: false,
                has_results: true,
                decided: None,
                gate: None,
                nodes: nodes.iter().map(node).collect(),
            }],
        }],
    }
}

fn asset(name: &str, upstream: &[&str], owners: &[&str], tags: &[&str]) -> Asset {
    Asset {
        shape: AssetShape {
            key: AssetKey::new([name]),
            group: None,
            owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
            tags: tags.iter().map(|tag| ((*tag).to_owned(), String::new())).collect(),
            description: None,
            metadata: BTreeMap::new(),
        },
        unique_id: name.to_owned(),
        resource_type: ResourceType::Model,
        name: name.to_owned(),
        package_name: "shop".to_owned(),
        original_file_path: String::new(),
        dbt_tags: Vec::new(),
        meta: String::new(),
        fqn: Vec::new(),
        materialized: None,
        fresh_within: None,
        relation_name: None,
        kinds: Vec::new(),
        code_version: None,
        upstream: upstream.iter().map(|id| (*id).to_owned()).collect(),
        downstream: Vec::new(),
        checks: Vec::new(),
    }
}

fn check(name: &str, asset: &str) -> Check {
    Check {
        unique_id: name.to_owned(),
        name: name.to_owned(),
        resource_type: ResourceType::Test,
        fqn: Vec::new(),
        severity: Severity::Error,
        description: None,
        original_file_path: String::new(),
        column: None,
        column_of: 0,
        dbt_tags: Vec::new(),
        meta: String::new(),
        assets: vec![asset.to_owned()],
        upstream: vec![asset.to_owned()],
    }
}

fn project(mut assets: Vec<Asset>, checks: Vec<Check>) -> Project {
    let edges: Vec<_> = assets
        .iter()
        .flat_map(|asset| asset.upstream.iter().map(|above| (above.clone(), asset.unique_id.clone())))
        .collect();
    for asset in &mut assets {
        let below = edges.iter().filter(|(above, _)| *above == asset.unique_id);
        asset.downstream = below.map(|(_, id)| id.clone()).collect();
        let own = checks.iter().filter(|check| check.assets.contains(&asset.unique_id));
        asset.checks = own.map(|check| check.unique_id.clone()).collect();
    }
    Project::new(assets, checks, Vec::new())
}

/// An alert, with what it has said.
struct Alert {
    rule: AlertRule,
    standing: Standing,
    project: Option<Project>,
    now: i64,
    told: Vec<(i64, Telling)>,
    suppressed: Vec<(Kind, String)>,
}

impl Alert {
    fn new(rule: AlertRule, project: Option<Project>) -> Self {
        Self {
            rule,
            standing: Standing::default(),
            project,
            now: 0,
            told: Vec::new(),
            suppressed: Vec::new(),
        }
    }

    fn hears(&mut self, happening: Happening<'_>) -> Vec<Outcome> {
        let now = at(self.now);
        let outcomes = consider(&self.rule, &self.standing, &happening, self.project.as_ref(), now);
        for outcome in &outcomes {
            let changes = match outcome {
                Outcome::Tell(telling) => {
                    self.told.push((self.now, telling.clone()));
                    telling.changes.clone()
                }
                Outcome::Suppress { kind, reason, changes, .. } => {
                    self.suppressed.push((*kind, reason.clone()));
                    changes.clone()
                }
                Outcome::Note(changes) => changes.clone(),
            };
            let kind = AlertEventKind::StandingChanged { changes };
            apply(&mut self.standing, &AlertEvent { alert: "ops".to_owned(), at: now, kind });
        }
        self.now += 60;
        outcomes
    }

    fn ends(&mut self, run: &Run) -> Vec<Kind> {
        let outcomes = self.hears(Happening::RunEnded { run, is_resumed: false });
        told(&outcomes)
    }

    fn snooze(&mut self, until: Option<i64>) {
        let kind = AlertEventKind::AlertSnoozed { until: until.map(at), by: "ana".into() };
        apply(&mut self.standing, &AlertEvent { alert: "ops".to_owned(), at: at(self.now), kind });
    }
}

fn told(outcomes: &[Outcome]) -> Vec<Kind> {
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Tell(telling) => Some(telling.kind),
        _ => None,
    };
    outcomes.iter().filter_map(kind).collect()
}

use NodeState::{Error, Fail, Pass, Success};
use RunState::{Failed, Succeeded};

#[test]
fn a_job_is_told_to_fail_once_and_to_have_recovered_once() {
    for group_by in [GroupBy::Incident, GroupBy::Run] {
        let mut alert = Alert::new(rule(&RUNS, group_by), None);
        let bad = |id| run(id, "build", Failed, &[("model.a", Error)]);
        let good = |id| run(id, "build", Succeeded, &[("model.a", Success)]);
        assert_eq!(alert.ends(&good(1)), []);
        assert_eq!(alert.ends(&bad(2)), [Kind::RunFailed]);
        assert_eq!(alert.ends(&bad(3)), []);
        assert_eq!(alert.ends(&good(4)), [Kind::RunRecovered]);
        assert_eq!(alert.ends(&good(5)), []);
        assert_eq!(alert.ends(&bad(6)), [Kind::RunFailed]);
        assert_eq!(alert.suppressed.len(), 1, "{:?}", alert.suppressed);
    }
}

#[test]
fn a_run_that_dbt_failed_without_a_node_recovers_with_its_job() {
    for group_by in [GroupBy::Incident, GroupBy::Owner] {
        let mut alert = Alert::new(rule(&RUNS, group_by), None);
        assert_eq!(alert.ends(&run(1, "build", RunState::Refused, &[])), [Kind::RunFailed]);
        assert_eq!(alert.ends(&run(2, "other", Succeeded, &[("model.a", Success)])), []);
        assert_eq!(alert.ends(&run(3, "build", Succeeded, &[("model.a", Success)])), [Kind::RunRecovered]);
        assert!(alert.standing.failing.is_empty());
    }
}

fn family() -> Project {
    let mut assets = vec![asset("model.parent", &[], &["team:core"], &[])];
    for n in 1..=50 {
        assets.push(asset(&format!("model.child{n}"), &["model.parent"], &[], &[]));
    }
    project(assets, vec![check("test.parent", "model.parent")])
}

#[test]
fn fifty_models_below_a_broken_parent_are_one_incident_in_one_run() {
    let mut alert = Alert::new(rule(&RUNS, GroupBy::Incident), Some(family()));
    let names: Vec<_> = (1..=50).map(|n| format!("model.child{n}")).collect();
    let all = |state: NodeState| -> Vec<(&str, NodeState)> {
        names
            .iter()
            .map(|name| (name.as_str(), state.clone()))
            .chain([("model.parent", state.clone())])
            .collect()
    };
    assert_eq!(alert.ends(&run(1, "build", Failed, &all(Error))), [Kind::RunFailed]);
    assert_eq!(alert.told[0].1.subjects.len(), 51);
    assert_eq!(alert.ends(&run(2, "build", Failed, &all(Error))), []);
    assert_eq!(alert.ends(&run(3, "build", Succeeded, &all(Success))), [Kind::RunRecovered]);
    assert_eq!(alert.told[1].1.total, 51);
    assert!(alert.standing.incidents.is_empty());
}

#[test]
fn fifty_models_below_a_broken_parent_are_one_incident_in_fifty_runs() {
    let mut alert = Alert::new(
        rule(&[RUNS, [Kind::AssetFailed, Kind::AssetRecovered]].concat(), GroupBy::Incident),
        Some(family()),
    );
    assert_eq!(alert.ends(&run(1, "parent", Failed, &[("model.parent", Error)])), [Kind::RunFailed]);
    for n in 1..=50 {
        let (job, child) = (format!("job{n}"), format!("model.child{n}"));
        assert_eq!(alert.ends(&run(1 + n, &job, Failed, &[(&child, Error)])), []);
    }
    assert_eq!(alert.suppressed.len(), 50);
    assert!(
        alert.suppressed.iter().all(|(_, reason)| reason.contains("run 1 of parent")),
        "{:?}",
        alert.suppressed[0]
    );
    assert_eq!(alert.ends(&run(60, "parent", Succeeded, &[("model.parent", Success)])), []);
    for n in 1..=50 {
        let (job, child) = (format!("job{n}"), format!("model.child{n}"));
        let said = alert.ends(&run(60 + n, &job, Succeeded, &[(&child, Success)]));
        assert_eq!(said, if n == 50 { vec![Kind::RunRecovered] } else { vec![] });
    }
    let (_, last) = alert.told.last().unwrap();
    assert_eq!((last.total, last.began.clone()), (51, Some((RunId(1), "parent".to_owned()))));
    assert!(alert.standing.failing.is_empty());
}

#[test]
fn what_fails_below_a_failed_check_belongs_to_it_and_what_fails_elsewhere_does_not() {
    let mut assets = family().assets;
    assets.push(asset("model.stranger", &[], &[], &[]));
    let project = project(assets, vec![check("test.parent", "model.parent")]);
    let mut alert = Alert::new(rule(&RUNS, GroupBy::Incident), Some(project));
    assert_eq!(alert.ends(&run(1, "checks", Failed, &[("test.parent", Fail)])), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(2, "a", Failed, &[("model.child1", Error)])), []);
    assert_eq!(
        alert.ends(&run(3, "b", Failed, &[("model.child2", Error), ("model.stranger", Error)])),
        [Kind::RunFailed]
    );
    assert_eq!(alert.standing.incidents.len(), 2);
    assert_eq!(
        alert.ends(&run(4, "b", Succeeded, &[("model.child2", Success), ("model.stranger", Success)])),
        [Kind::RunRecovered]
    );
}

#[test]
fn nodes_that_a_project_has_no_more_and_jobs_that_are_well_keep_no_incident_open() {
    let mut alert = Alert::new(
        rule(&RUNS, GroupBy::Incident),
        Some(project(vec![asset("model.a", &[], &[], &[])], vec![])),
    );
    assert_eq!(alert.ends(&run(1, "build", Failed, &[("model.gone", Error)])), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(2, "other", Failed, &[])), [Kind::RunFailed, Kind::RunRecovered]);
    assert_eq!(alert.ends(&run(3, "other", Succeeded, &[])), [Kind::RunRecovered]);
    // What a job does not select any more is well as far as the job is.
    assert_eq!(alert.ends(&run(4, "build", Failed, &[("model.a", Error)])), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(5, "build", Succeeded, &[("model.b", Success)])), [Kind::RunRecovered]);
}

#[test]
fn nodes_are_told_by_themselves_by_owner_or_together() {
    let project = project(
        vec![
            asset("model.a", &[], &["team:a"], &["gold"]),
            asset("model.b", &[], &["team:b", "team:a"], &[]),
        ],
        vec![check("test.b", "model.b")],
    );
    let bad = run(1, "build", Failed, &[("model.a", Error), ("model.b", Error), ("test.b", Fail)]);
    let good = run(2, "build", Succeeded, &[("model.a", Success), ("model.b", Success), ("test.b", Pass)]);
    let cases = [
        (GroupBy::Asset, vec![Kind::AssetFailed, Kind::AssetFailed, Kind::CheckFailed]),
        (GroupBy::Owner, vec![Kind::AssetFailed, Kind::AssetFailed]),
        (GroupBy::Run, vec![Kind::AssetFailed]),
        (GroupBy::Incident, vec![Kind::AssetFailed]),
    ];
    for (group_by, expected) in cases {
        let mut alert = Alert::new(rule(&NODES, group_by), Some(project.clone()));
        assert_eq!(alert.ends(&bad), expected, "{group_by:?}");
        assert_eq!(alert.ends(&bad), []);
        assert_eq!(alert.ends(&good).len(), expected.len(), "{group_by:?}");
        assert_eq!(alert.ends(&good), []);
        assert!(alert.standing.failing.is_empty());
    }
    let mut alert = Alert::new(
        AlertRule { tags: vec!["gold".to_owned()], ..rule(&RUNS, GroupBy::Run) },
        Some(project.clone()),
    );
    assert_eq!(alert.ends(&run(1, "build", Failed, &[("model.b", Error)])), []);
    assert_eq!(alert.ends(&bad), [Kind::RunFailed]);
    let owned = AlertRule { owners: vec!["team:b".to_owned()], ..rule(&NODES, GroupBy::Owner) };
    let mut alert = Alert::new(owned, Some(project));
    assert_eq!(alert.ends(&bad), [Kind::AssetFailed]);
    assert_eq!(alert.told[0].1.owner.as_deref(), Some("team:b"));
}

#[test]
fn what_another_attempt_or_run_may_mend_is_not_told_unless_someone_asks_for_it() {
    let mut failed = run(1, "build", RunState::Running, &[("model.a", Error)]);
    failed.steps[0].attempts[0].state = Failed;
    let attempt = failed.steps[0].attempts[0].id;
    let all: Vec<_> = RUNS.into_iter().chain(NODES).collect();
    let mut alert = Alert::new(rule(&all, GroupBy::Incident), None);
    assert_eq!(told(&alert.hears(Happening::RetryScheduled { run: &failed, attempt })), []);
    let interrupted = run(1, "build", RunState::Interrupted, &[("model.a", Error)]);
    assert_eq!(told(&alert.hears(Happening::RunEnded { run: &interrupted, is_resumed: true })), []);
    let mut early = Alert::new(
        AlertRule {
            after_last_retry: false,
            ..rule(&[&all[..], &[Kind::RetryScheduled]].concat(), GroupBy::Incident)
        },
        None,
    );
    let said = early.hears(Happening::RetryScheduled { run: &failed, attempt });
    assert_eq!(told(&said), [Kind::AssetFailed, Kind::RetryScheduled]);
    assert_eq!(early.ends(&run(1, "build", Succeeded, &[("model.a", Success)])), [Kind::AssetRecovered]);
}

#[test]
fn what_is_snoozed_or_was_just_told_is_on_record_with_its_reason() {
    let quiet = AlertRule { suppress: SignedDuration::from_hours(1), ..rule(&RUNS, GroupBy::Run) };
    let mut alert = Alert::new(quiet, None);
    let bad = |id| run(id, "build", Failed, &[("model.a", Error)]);
    let good = |id| run(id, "build", Succeeded, &[("model.a", Success)]);
    assert_eq!(alert.ends(&bad(1)), [Kind::RunFailed]);
    assert_eq!(alert.ends(&good(2)), [Kind::RunRecovered]);
    assert_eq!(alert.ends(&bad(3)), []);
    assert_eq!(alert.suppressed[0].1, "told less than 1h before");
    assert_eq!(alert.ends(&good(4)), [], "what was not told to fail need not be told to be well");
    alert.now = 2 * HOUR;
    alert.snooze(Some(3 * HOUR));
    assert_eq!(alert.ends(&bad(5)), []);
    assert!(alert.suppressed[1].1.starts_with("snoozed by ana until "), "{:?}", alert.suppressed);
    alert.snooze(None);
    assert_eq!(alert.ends(&bad(6)), [Kind::RunFailed]);
}

#[test]
fn a_recovery_of_what_was_told_is_told_even_while_the_alert_is_snoozed() {
    for group_by in [GroupBy::Incident, GroupBy::Run, GroupBy::Asset, GroupBy::Owner] {
        for on in [&RUNS[..], &NODES[..]] {
            let mut alert = Alert::new(rule(on, group_by), None);
            let well = on[1..].iter().copied().find(|kind| kind.as_str().ends_with("recovered")).unwrap();
            alert.ends(&run(1, "build", Failed, &[("model.a", Error)]));
            alert.snooze(Some(100 * HOUR));
            assert_eq!(alert.ends(&run(2, "build", Failed, &[("model.a", Error)])), [], "{group_by:?}");
            assert_eq!(
                alert.ends(&run(3, "build", Succeeded, &[("model.a", Success)])),
                [well],
                "{group_by:?}"
            );
            // What nobody has heard of needs no end.
            assert_eq!(alert.ends(&run(4, "build", Failed, &[("model.a", Error)])), []);
            assert_eq!(alert.ends(&run(5, "build", Succeeded, &[("model.a", Success)])), [], "{group_by:?}");
            alert.snooze(None);
            assert!(alert.standing.failing.is_empty() && alert.standing.incidents.is_empty());
        }
    }
}

#[test]
fn a_run_that_was_told_with_its_nodes_recovers_with_them() {
    let all: Vec<_> = RUNS.into_iter().chain(NODES).collect();
    let mut alert = Alert::new(rule(&all, GroupBy::Run), None);
    let bad = [("model.a", Error), ("test.a", Fail)];
    let good = [("model.a", Success), ("test.a", Pass)];
    assert_eq!(alert.ends(&run(1, "build", Failed, &bad)), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(2, "build", Succeeded, &good)), [Kind::RunRecovered]);
    assert!(alert.standing.failing.is_empty());
    // Built by another job, it is well without a word; the run is when it is.
    assert_eq!(alert.ends(&run(3, "build", Failed, &bad)), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(4, "other", Succeeded, &good)), []);
    assert_eq!(alert.ends(&run(5, "build", Succeeded, &good)), [Kind::RunRecovered]);
    // The job was well before the node is: nothing else tells of it.
    assert_eq!(alert.ends(&run(6, "build", Failed, &bad[..1])), [Kind::RunFailed]);
    assert_eq!(alert.ends(&run(7, "build", Succeeded, &[("model.b", Success)])), [Kind::RunRecovered]);
    assert_eq!(alert.ends(&run(8, "other", Succeeded, &good)), [Kind::AssetRecovered]);
    let mut nodes = Alert::new(rule(&NODES, GroupBy::Run), None);
    assert_eq!(nodes.ends(&run(1, "build", Failed, &bad)), [Kind::AssetFailed]);
    assert_eq!(nodes.ends(&run(2, "build", Succeeded, &good)), [Kind::AssetRecovered]);
}

#[test]
fn freshness_is_told_when_it_changes() {
    let on = [Kind::FreshnessWarn, Kind::FreshnessError, Kind::FreshnessRecovered];
    let mut alert = Alert::new(rule(&on, GroupBy::Incident), None);
    let mut look = |level| {
        let found = [Freshness { unique_id: "source.a".to_owned(), level, text: None }];
        told(&alert.hears(Happening::Freshness { project: "shop", run: None, found: &found }))
    };
    assert_eq!(look(FreshnessLevel::Fresh), []);
    assert_eq!(look(FreshnessLevel::Warn), [Kind::FreshnessWarn]);
    assert_eq!(look(FreshnessLevel::Warn), []);
    assert_eq!(look(FreshnessLevel::Error), [Kind::FreshnessError]);
    assert_eq!(look(FreshnessLevel::Error), []);
    assert_eq!(look(FreshnessLevel::Fresh), [Kind::FreshnessRecovered]);
    assert_eq!(look(FreshnessLevel::Fresh), []);
}
