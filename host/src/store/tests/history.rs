//! Requests, folds, rebuilding and forgetting.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use proptest::prelude::*;

use super::*;
use crate::store::{Reader, Retention, StoreError};

#[test]
fn a_key_makes_one_run() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (run, stored) = store.request(request("k", &["build"]), at(0)).unwrap();
    assert_eq!((run, stored.map(|s| s.id)), (RunId(1), Some(1)));
    assert_eq!(store.request(request("k", &["test"]), at(1)).unwrap(), (RunId(1), None));
    drop(store);
    let mut store = dir.store();
    assert_eq!(store.request(request("k", &["build"]), at(2)).unwrap(), (RunId(1), None));
    assert_eq!(store.request(request("other", &["build"]), at(2)).unwrap().0, RunId(2));
    append(&mut store, RunId(1), vec![EventKind::RunRefused { reason: "no".to_owned() }]);
    assert_eq!(store.request(request("k", &["build"]), at(2)).unwrap(), (RunId(1), None));
    drop(store);
    assert_eq!(audit(&dir.db()), 3);
}

#[test]
fn numbers_go_on_behind_what_is_used() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut next = |key: &str, used| {
        store.count_from(used);
        store.request(request(key, &["build"]), at(0)).unwrap().0.0
    };
    assert_eq!(next("a", 41), 42);
    assert_eq!(next("b", 7), 43);
    // No run of ours ever had such a number.
    assert_eq!(next("c", u64::MAX), 44);
    assert_eq!(next("d", 1 << 60), 45);
    append(&mut store, RunId(45), vec![EventKind::RunRefused { reason: "no".to_owned() }]);
    store.forget(Retention { days: 0, runs: 0, ticks: 1000, audit: 365 }, at(1_000_000)).unwrap();
    assert_eq!(store.request(request("e", &["build"]), at(0)).unwrap().0, RunId(46));
}

#[test]
fn what_cannot_be_kept_is_refused_before_anything_is() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut odd = request("k", &["build"]);
    odd.config_file = OsString::from_vec(b"/srv/\xff/tidegate.toml".to_vec()).into();
    let error = store.request(odd, at(0)).unwrap_err();
    assert!(matches!(&error, StoreError::Unwritable { .. }), "{error}");
    assert_eq!((store.running().count(), store.queued().unwrap().len()), (0, 0));
    assert_eq!(store.request(request("k", &["build"]), at(0)).unwrap().0, RunId(1));
    drop(store);
    assert_eq!(audit(&dir.db()), 1);
}

#[test]
fn a_number_belongs_to_one_run() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "k");
    let again =
        |run, key: &str| event(run, EventKind::RunRequested { request: Box::new(request(key, &["build"])) });
    assert!(store.append(vec![again(run, "of a finished one")]).is_err());
    let (open, _) = store.request(request("open", &["build"]), at(0)).unwrap();
    assert!(store.append(vec![again(open, "of one under way")]).is_err());
    assert!(store.append(vec![again(RunId(9), "x"), again(RunId(9), "y")]).is_err());
    in_step(&store, &dir.db());
    drop(store);
    audit(&dir.db());
}

#[test]
fn what_is_said_of_a_run_that_nobody_knows_is_not_kept() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "k");
    let late = |run| event(run, EventKind::CancelRequested { by: "ada".into() });
    assert_eq!(store.append(vec![late(RunId(7)), late(run), late(RunId(8))]).unwrap().len(), 1);
    assert_eq!(store.append(Vec::new()).unwrap(), []);
    drop(store);
    audit(&dir.db());
}

#[test]
fn a_rebuild_mends_rows_that_events_do_not_tell() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "k");
    assert!(store.rebuild(run).unwrap());
    store
        .connection()
        .0
        .execute_batch(
            "UPDATE node_run SET body = replace(body, 'success', 'error');
             DELETE FROM materialization;
             INSERT INTO check_result VALUES (1, 1, 1, 'shop', 'test.shop.invented', 1, 'pass', 0, NULL);",
        )
        .unwrap();
    assert!(!store.rebuild(run).unwrap());
    assert!(store.rebuild(run).unwrap());
    assert!(matches!(store.rebuild(RunId(9)), Err(StoreError::NoSuchRun(9))));
    let (open, _) = store.request(request("open", &["build"]), at(0)).unwrap();
    assert!(store.rebuild(open).unwrap());
    in_step(&store, &dir.db());
    drop(store);
    audit(&dir.db());
}

#[test]
fn compiling_builds_nothing_and_what_an_artifact_denies_was_not_built() {
    let dir = Dir::new();
    let mut store = dir.store();
    live(&mut store, "k");
    let (compile, _) = store.request(request("c", &["compile"]), at(0)).unwrap();
    let id = attempt(compile.0, 1, 1);
    append(
        &mut store,
        compile,
        vec![started(id), node_finished(id, "model.shop.compiled", NodeState::Success)],
    );
    let reader = Reader::open(dir.0.path()).unwrap();
    let built: Vec<_> = reader.last_materializations("shop").unwrap().into_keys().collect();
    assert_eq!(built, ["model.shop.orders", "seed.shop.raw"]);
    assert_eq!(reader.check_results("shop", "test.shop.unique", 9).unwrap().len(), 1);
}

#[test]
fn forgetting_takes_the_oldest_and_leaves_history() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (open, _) = store.request(request("open", &["build"]), at(0)).unwrap();
    let runs: Vec<_> = (0..250).map(|n| live(&mut store, &format!("k{n}"))).collect();
    let limits = Retention { days: 10_000, runs: 20, ticks: 1000, audit: 365 };
    assert_eq!(store.forget(limits, at(0)).unwrap(), runs[..100]);
    assert_eq!(store.forget(limits, at(0)).unwrap(), runs[100..200]);
    assert_eq!(store.forget(limits, at(0)).unwrap(), runs[200..230]);
    assert_eq!(store.forget(limits, at(0)).unwrap(), []);
    // One more that ends is one more that goes, in this store and in the next one.
    let runs = [&runs[1..], &[live(&mut store, "one more")]].concat();
    assert_eq!(store.forget(limits, at(0)).unwrap(), runs[229..230]);
    drop(store);
    let mut store = dir.store();
    let runs = [&runs[1..], &[live(&mut store, "and one more")]].concat();
    assert_eq!(store.forget(limits, at(0)).unwrap(), runs[229..230]);
    assert_eq!(
        store.forget(Retention { days: u32::MAX, runs: u32::MAX, ticks: 1000, audit: 365 }, at(0)).unwrap(),
        []
    );
    // Those that are left ended at the same moment: when their dbt did.
    let a_day = Retention { days: 1, runs: 1_000, ticks: 1000, audit: 365 };
    assert_eq!(store.forget(a_day, at(99 + 86_399)).unwrap(), []);
    assert_eq!(store.forget(a_day, at(99 + 86_401)).unwrap(), runs[230..]);
    assert_eq!(
        store.forget(Retention { days: 0, runs: 0, ticks: 1000, audit: 365 }, at(1_000_000)).unwrap(),
        []
    );
    assert_eq!(store.queued().unwrap(), [open]);

    let reader = Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader.materializations("shop", "model.shop.orders", 999).unwrap().len(), 252);
    assert_eq!(reader.check_results("shop", "test.shop.unique", 999).unwrap().len(), 252);
    assert!(matches!(reader.run(runs[0]), Err(StoreError::NoSuchRun(_))));
    assert_eq!(reader.events(runs[0], 0).unwrap(), []);
    let left = |table| {
        column::<i64>(&Connection::open(dir.db()).unwrap(), &format!("SELECT count(*) FROM {table}"))[0]
    };
    assert_eq!((left("event"), left("run"), left("node_run")), (1, 1, 0));
}

#[test]
fn events_that_are_not_there_are_known() {
    let dir = Dir::new();
    assert_eq!(Reader::open(dir.0.path()).unwrap().holes().unwrap(), []);
    let mut store = dir.store();
    let reader = || Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader().holes().unwrap(), []);
    live(&mut store, "k");
    assert_eq!(reader().holes().unwrap(), []);
    let conn = Connection::open(dir.db()).unwrap();
    let last = column::<i64>(&conn, "SELECT max(id) FROM event")[0].unsigned_abs();
    let holes =
        || -> Vec<_> { reader().holes().unwrap().into_iter().map(|hole| (hole.start, hole.end)).collect() };
    let tail = (last, last + 1);
    for (id, expected) in
        [(3, &[(3, 4)][..]), (4, &[(3, 5)]), (1, &[(1, 2), (3, 5)]), (last, &[(1, 2), (3, 5), tail])]
    {
        conn.execute("DELETE FROM event WHERE id = ?1", [i64::try_from(id).unwrap()]).unwrap();
        assert_eq!(holes(), expected);
    }
    conn.execute("DELETE FROM event", []).unwrap();
    assert_eq!(holes(), [(1, last + 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However events come in transactions, and however often the host is started anew: one story.
    #[test]
    fn events_and_rows_tell_one_story(events in events(50), cuts in prop::collection::vec((1..6_usize, any::<bool>()), 50)) {
        let again = |event: &Event| matches!(event.kind, EventKind::RunRequested { .. });
        let events: Vec<_> = events.into_iter().filter(|event| !again(event)).collect();
        let (split, whole) = (Dir::new(), Dir::new());
        let begin = |dir: &Dir| {
            let mut store = dir.store();
            store.request(request("k", &["seed", "build"]), at(0)).unwrap();
            store
        };
        let mut store = begin(&split);
        let mut rest = events.as_slice();
        for (size, restart) in cuts {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            store.append(batch.to_vec()).unwrap();
            in_step(&store, &split.db());
            if restart {
                drop(store);
                store = split.store();
                in_step(&store, &split.db());
            }
        }
        store.append(rest.to_vec()).unwrap();
        let mut at_once = begin(&whole);
        at_once.append(events).unwrap();
        prop_assert_eq!(store.run(RunId(1)).unwrap(), at_once.run(RunId(1)).unwrap());
        prop_assert!(store.rebuild(RunId(1)).unwrap());
        drop((store, at_once));
        prop_assert_eq!(audit(&split.db()), audit(&whole.db()));
    }
}
