//! Reading: beside a writer, without a database, and quickly however long the history is.

use std::time::Instant;

use super::*;
use crate::{
    model::{AttemptId, NodeResult},
    store::{Reader, RunFilter, StoreError, pages, read::QUERIES, states},
};

fn listing(limit: u32) -> RunFilter {
    RunFilter { limit, ..RunFilter::default() }
}

#[test]
fn where_no_host_has_run_there_is_nothing() {
    let dir = Dir::new();
    let reader = Reader::open(&dir.0.path().join("nowhere")).unwrap();
    assert_eq!(reader.runs(&listing(9)).unwrap(), []);
    assert_eq!(reader.newest().unwrap(), None);
    assert!(reader.statuses("shop").unwrap().is_empty());
    assert!(reader.last_materializations("shop").unwrap().is_empty());
    assert_eq!(reader.materializations("shop", "a", 9).unwrap(), []);
    assert_eq!(reader.check_results("shop", "a", 9).unwrap(), []);
    assert_eq!(reader.events(RunId(1), 0).unwrap(), []);
    assert_eq!(reader.damage().unwrap(), Vec::<String>::new());
    assert!(matches!(reader.run(RunId(1)), Err(StoreError::NoSuchRun(1))));
    assert!(!dir.0.path().join("nowhere").exists());
}

#[test]
fn a_reader_sees_what_a_live_writer_has_committed() {
    let dir = Dir::new();
    let mut store = dir.store();
    let reader = Reader::open(dir.0.path()).unwrap();
    let (run, _) = store.request(request("k", &["seed", "build"]), at(0)).unwrap();
    let mut seen = 0;
    for kinds in life(run) {
        seen += reader.events(run, seen).unwrap().len() as u64;
        append(&mut store, run, kinds);
        assert_eq!(store.run(run).unwrap().as_ref(), Some(&reader.run(run).unwrap()));
    }
    seen += reader.events(run, seen).unwrap().len() as u64;
    assert_eq!(seen, reader.events(run, 0).unwrap().len() as u64);
    assert_eq!(reader.damage().unwrap(), Vec::<String>::new());
}

#[test]
fn runs_are_listed_newest_first_with_what_their_last_attempts_say() {
    let dir = Dir::new();
    let mut store = dir.store();
    let first = live(&mut store, "a");
    let (second, _) = store.request(request("b", &["seed", "build"]), at(0)).unwrap();
    let mut by_hand = request("c", &["build"]);
    by_hand.job = None;
    let (third, _) = store.request(by_hand, at(0)).unwrap();
    for (number, state) in [(1, NodeState::Error), (2, NodeState::Success)] {
        let id = attempt(second.0, 1, number);
        append(&mut store, second, vec![started(id), node_finished(id, "seed.shop.raw", state)]);
    }
    let reader = Reader::open(dir.0.path()).unwrap();
    let ids = |filter: &RunFilter| reader.runs(filter).unwrap().iter().map(|s| s.run.id).collect::<Vec<_>>();
    assert_eq!(ids(&listing(9)), [third, second, first]);
    assert_eq!(ids(&listing(1)), [third]);
    let job = Some("nightly".to_owned());
    assert_eq!(ids(&RunFilter { job: job.clone(), ..listing(9) }), [second, first]);
    assert_eq!(ids(&RunFilter { state: Some(RunState::Succeeded), ..listing(9) }), [first]);
    assert_eq!(ids(&RunFilter { job, state: Some(RunState::Queued), ..listing(9) }), [second]);
    let counts = |at: usize| format!("{:?}", reader.runs(&listing(9)).unwrap()[at].counts);
    assert_eq!(counts(0), "{}");
    assert_eq!(counts(1), r#"{"success": 1}"#);
    assert_eq!(counts(2), r#"{"error": 1, "pass": 1, "success": 2}"#);

    let statuses = reader.statuses("shop").unwrap();
    assert_eq!(
        (statuses["seed.shop.raw"].run, &statuses["seed.shop.raw"].node.state),
        (second, &NodeState::Success)
    );
    assert_eq!(
        (statuses["model.shop.wrong"].run, &statuses["model.shop.wrong"].node.state),
        (first, &NodeState::Error)
    );
    assert!(reader.statuses("another project").unwrap().is_empty());
    let built = reader.last_materializations("shop").unwrap();
    assert_eq!((built["seed.shop.raw"].run, built["model.shop.orders"].run, built.len()), (second, first, 2));
    assert!(reader.last_materializations("another project").unwrap().is_empty());
}

#[test]
fn what_happened_last_is_newest_whatever_its_number() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut build = |key: &str, second: i64| {
        let (run, _) = store.request(request(key, &["build"]), at(0)).unwrap();
        let id = attempt(run.0, 1, 1);
        let built = |node: &str, state| EventKind::NodeFinished {
            attempt: id,
            result: Box::new(NodeResult { finished_at: Some(at(second)), ..result(node, state) }),
        };
        let nodes = [built("model.a", NodeState::Success), built("test.a", NodeState::Pass)];
        append(&mut store, run, [vec![started(id)], nodes.to_vec()].concat());
        run
    };
    // The second has the higher priority, and goes first.
    let (first, second) = (build("a", 50), build("b", 20));
    let reader = Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader.statuses("shop").unwrap()["model.a"].run, first);
    assert_eq!(reader.last_materializations("shop").unwrap()["model.a"].run, first);
    let runs =
        |found: Vec<crate::store::Materialization>| found.into_iter().map(|m| m.run).collect::<Vec<_>>();
    assert_eq!(runs(reader.materializations("shop", "model.a", 9).unwrap()), [first, second]);
    let checks = reader.check_results("shop", "test.a", 9).unwrap();
    assert_eq!(checks.iter().map(|check| check.run).collect::<Vec<_>>(), [first, second]);
}

#[test]
fn two_projects_may_have_nodes_of_one_name() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut build = |key: &str, project: &str, state| {
        let mut request = request(key, &["build"]);
        request.project = project.to_owned();
        let (run, _) = store.request(request, at(0)).unwrap();
        append(
            &mut store,
            run,
            vec![started(attempt(run.0, 1, 1)), node_finished(attempt(run.0, 1, 1), "model.a", state)],
        );
        run
    };
    let ours = build("a", "shop", NodeState::Success);
    let theirs = build("b", "zoo", NodeState::Error);
    let reader = Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader.statuses("shop").unwrap()["model.a"].run, ours);
    assert_eq!(reader.statuses("zoo").unwrap()["model.a"].run, theirs);
    assert!(reader.last_materializations("zoo").unwrap().is_empty());
}

#[test]
fn no_query_goes_through_a_whole_table() {
    let dir = Dir::new();
    drop(dir.store());
    let conn = Connection::open(dir.db()).unwrap();
    for sql in QUERIES.iter().chain(&pages::QUERIES).chain(&states::QUERIES) {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let bound = statement.parameter_count();
        let plan: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(vec![1; bound]), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for line in &plan {
            let steps =
                ["SCAN node", "SCAN named", "SCAN last", "SCAN CONSTANT ROW"].contains(&line.as_str());
            // Runs, ticks or deliveries in the order of their numbers, up to the limit.
            let listing = ["SCAN run", "SCAN tick", "SCAN d"].contains(&line.as_str())
                && !plan.iter().any(|l| l.contains("TEMP B-TREE"));
            assert!(steps || listing || !line.starts_with("SCAN"), "{sql}\n{}", plan.join("\n"));
        }
    }
}

/// How long it takes with a long history; `cargo test -- --nocapture` shows it.
#[test]
fn a_long_history_is_read() {
    const RUNS: i64 = 1_000;
    const NODES: i64 = 200;
    let dir = Dir::new();
    let mut store = dir.store();
    let (run, _) = store.request(request("k", &["build"]), at(0)).unwrap();
    let id: AttemptId = attempt(run.0, 1, 1);
    append(&mut store, run, vec![started(id), node_finished(id, "model.shop.n0", NodeState::Success)]);
    append(&mut store, run, vec![EventKind::RunFinished { state: RunState::Succeeded, reason: None }]);
    // Many times the same, written at once.
    store
        .connection()
        .0
        .execute_batch(&format!(
            "BEGIN;
             CREATE TEMP TABLE number AS WITH RECURSIVE n (n) AS
               (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {RUNS}) SELECT n FROM n;
             INSERT INTO run SELECT n + 1, 'k' || n, project, job, state, requested_at, started_at, finished_at + n,
               replace(body, '\"id\":1,', '\"id\":' || (n + 1) || ',') FROM run, number WHERE n BETWEEN 1 AND {RUNS} - 1;
             INSERT INTO node_run SELECT r.n + 1, 1, 1, 'model.shop.n' || m.n, state, tells, finished_at, body, at + r.n
               FROM node_run, number r, number m WHERE r.n < {RUNS} AND m.n < {NODES} AND (r.n, m.n) <> (0, 0);
             INSERT INTO materialization SELECT r.n + 1, 1, 1, project, 'model.shop.n' || m.n, at + r.n, state, execution_time,
               rows_affected, relation_name
               FROM materialization, number r, number m WHERE r.n < {RUNS} AND m.n < {NODES} AND (r.n, m.n) <> (0, 0);
             COMMIT;"
        ))
        .unwrap();
    let reader = Reader::open(dir.0.path()).unwrap();
    let timed = |what: &str, read: &mut dyn FnMut() -> usize| {
        let begun = Instant::now();
        let found = read();
        println!("{what}: {found} in {:?}", begun.elapsed());
        found as i64
    };
    assert_eq!(timed("statuses", &mut || reader.statuses("shop").unwrap().len()), NODES);
    assert_eq!(timed("standings", &mut || reader.standings_of_nodes("shop").unwrap().len()), NODES);
    let last = |built: std::collections::BTreeMap<_, crate::store::Materialization>| {
        built.values().filter(|m| m.run == RunId(RUNS as u64)).count()
    };
    assert_eq!(
        timed("last materializations", &mut || last(reader.last_materializations("shop").unwrap())),
        NODES
    );
    assert_eq!(timed("20 runs", &mut || reader.runs(&listing(20)).unwrap().len()), 20);
    assert_eq!(timed("all runs", &mut || reader.runs(&listing(u32::MAX)).unwrap().len()), RUNS);
    let job = || RunFilter { job: Some("nightly".to_owned()), ..listing(20) };
    assert_eq!(timed("20 runs of a job", &mut || reader.runs(&job()).unwrap().len()), 20);
    let newest = |n| reader.materializations("shop", "model.shop.n7", n).unwrap();
    assert_eq!(timed("one history", &mut || newest(50).len()), 50);
    assert_eq!(newest(1)[0].run, RunId(RUNS as u64));
    let limits = crate::store::Retention { days: 10_000, runs: 10, ticks: 1000, audit: 365 };
    assert_eq!(timed("forgetting", &mut || store.forget(limits, at(0)).unwrap().len()), 100);
}
