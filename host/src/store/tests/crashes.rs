//! Failures at every point: a statement, a commit, the disk, the process, the power.

use std::{fs, time::Duration};

use super::*;
use crate::store::{Reader, StoreError, schema};

/// Makes the write fail that comes after so many others of a transaction.
fn fail_after(store: &mut Store, writes: usize) {
    let mut sql = format!(
        "CREATE TEMP TABLE IF NOT EXISTS countdown (left INTEGER);
         DELETE FROM countdown;
         INSERT INTO countdown VALUES ({writes});"
    );
    for table in ["event", "run", "node_run", "materialization", "check_result"] {
        for what in ["INSERT", "UPDATE", "DELETE"] {
            sql += &format!(
                "CREATE TEMP TRIGGER IF NOT EXISTS fail_{what}_{table} BEFORE {what} ON main.{table} BEGIN
                   UPDATE countdown SET left = left - 1;
                   SELECT RAISE(ABORT, 'this write fails') FROM countdown WHERE left < 0;
                 END;"
            );
        }
    }
    store.connection().0.execute_batch(&sql).unwrap();
}

fn fail_no_more(store: &mut Store) {
    store.connection().0.execute_batch("UPDATE countdown SET left = 1000000").unwrap();
}

#[test]
fn a_write_that_fails_leaves_no_trace_whichever_it_is() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut failures = 0;
    let mut expected = 0;
    let mut nth = 0;
    // The request fails like everything else.
    let run = loop {
        fail_after(&mut store, nth);
        match store.request(request("k", &["seed", "build"]), at(0)) {
            Ok((run, _)) => break run,
            Err(e) => assert!(e.to_string().contains("this write fails"), "{e}"),
        }
        assert_eq!((store.running().count(), store.queued().unwrap().len()), (0, 0));
        (failures, nth) = (failures + 1, nth + 1);
    };
    expected += 1;
    for kinds in life(run) {
        let events: Vec<_> = kinds.into_iter().map(|kind| event(run, kind)).collect();
        for nth in 0.. {
            fail_after(&mut store, nth);
            if store.append(events.clone()).is_ok() {
                break;
            }
            failures += 1;
            in_step(&store, &dir.db());
            assert_eq!(audit(&dir.db()), expected);
        }
        expected += events.len();
        fail_no_more(&mut store);
        in_step(&store, &dir.db());
        assert_eq!(audit(&dir.db()), expected);
    }
    assert!(failures > 40, "{failures}");
}

#[test]
fn a_commit_that_fails_leaves_no_trace() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (run, _) = store.request(request("k", &["seed", "build"]), at(0)).unwrap();
    // A debt that is called in when the transaction ends.
    store
        .connection()
        .0
        .execute_batch(
            "CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TEMP TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TEMP TRIGGER debt AFTER INSERT ON main.event BEGIN INSERT INTO child VALUES (1); END;",
        )
        .unwrap();
    let first = life(run).remove(0);
    for _ in 0..2 {
        let error = store.append(vec![event(run, first[0].clone())]).unwrap_err();
        assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
        in_step(&store, &dir.db());
    }
    store.connection().0.execute_batch("DROP TRIGGER debt").unwrap();
    life(run).into_iter().for_each(|kinds| append(&mut store, run, kinds));
    drop(store);
    audit(&dir.db());
}

#[test]
fn a_full_disk_is_said_and_passes() {
    let dir = Dir::new();
    let mut store = dir.store();
    let limit = |store: &mut Store, pages: u32| {
        store.connection().0.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&mut store, 60);
    let mut events = 0;
    let full = 'fill: loop {
        let (run, _) = match store.request(request(&format!("k{events}"), &["seed", "build"]), at(0)) {
            Ok(accepted) => accepted,
            Err(e) => break 'fill e,
        };
        events += 1;
        for kinds in life(run) {
            let batch: Vec<_> = kinds.into_iter().map(|kind| event(run, kind)).collect();
            let size = batch.len();
            match store.append(batch) {
                Ok(_) => events += size,
                Err(e) => break 'fill e,
            }
        }
    };
    assert!(matches!(&full, StoreError::DiskFull(_)), "{full}");
    in_step(&store, &dir.db());
    assert_eq!(audit(&dir.db()), events);
    limit(&mut store, 1_000_000);
    live(&mut store, "later");
    in_step(&store, &dir.db());
    drop(store);
    audit(&dir.db());
}

/// The power goes while the write-ahead log is written: any length of it may be all that reached the disk.
#[test]
fn a_log_that_was_cut_off_holds_whole_transactions() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "k");
    let wal = fs::read(dir.0.path().join("tidegate.db-wal")).unwrap();
    let db = fs::read(dir.db()).unwrap();
    let mut whole = vec![0, 1];
    for kinds in life(run) {
        whole.push(whole.last().unwrap() + kinds.len());
    }
    let mut seen = BTreeSet::new();
    let frame = 4_096 + 24;
    let cuts = (0..wal.len()).step_by(frame).map(|at| at + 32).chain((0..wal.len()).step_by(7_001));
    for cut in cuts.map(|cut| cut.min(wal.len())) {
        let crashed = Dir::new();
        fs::write(crashed.db(), &db).unwrap();
        fs::write(crashed.0.path().join("tidegate.db-wal"), &wal[..cut]).unwrap();
        let store = crashed.store();
        in_step(&store, &crashed.db());
        let events = audit(&crashed.db());
        assert!(whole.contains(&events), "{events} events behind {cut} bytes");
        seen.insert(events);
        // A host that starts there can go on.
        let mut store = store;
        live(&mut store, "after the crash");
        drop(store);
        audit(&crashed.db());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), whole);
}

#[test]
fn a_host_that_is_started_anew_knows_what_was_committed() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (run, _) = store.request(request("k", &["seed", "build"]), at(0)).unwrap();
    for kinds in life(run) {
        append(&mut store, run, kinds);
        let known = store.run(run).unwrap();
        drop(store);
        store = dir.store();
        assert_eq!(store.run(run).unwrap(), known);
        in_step(&store, &dir.db());
    }
    assert_eq!((store.running().count(), store.queued().unwrap().len()), (0, 0));
}

#[test]
fn a_reader_that_takes_its_time_is_in_nobodys_way() {
    let dir = Dir::new();
    let mut store = dir.store();
    let first = live(&mut store, "first");
    let slow = Connection::open(dir.db()).unwrap();
    slow.execute_batch("BEGIN; SELECT count(*) FROM event;").unwrap();
    let before: i64 = column(&slow, "SELECT count(*) FROM event")[0];
    store.connection().0.busy_timeout(Duration::from_millis(1)).unwrap();
    for n in 0..200 {
        live(&mut store, &format!("k{n}"));
    }
    assert_eq!(column::<i64>(&slow, "SELECT count(*) FROM event")[0], before);
    let reader = Reader::open(dir.0.path()).unwrap();
    assert_eq!(reader.newest().unwrap(), Some(RunId(201)));
    assert_eq!(reader.run(first).unwrap().state, RunState::Succeeded);
    slow.execute_batch("COMMIT").unwrap();
    drop((store, reader, slow));
    audit(&dir.db());
}

#[test]
fn a_commit_survives_the_loss_of_power() {
    let dir = Dir::new();
    let store = dir.store();
    let conn = store.connection().0;
    let pragma = |name| {
        conn.pragma_query_value(None, name, |row| {
            row.get::<_, String>(0).or(row.get::<_, i64>(0).map(|n| n.to_string()))
        })
        .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("foreign_keys"), "1");
    assert_eq!(pragma("trusted_schema"), "0");
}

/// Older ones can lose what was committed when two connections write back the log at once.
#[test]
fn sqlite_is_new_enough() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

const NEXT: &str = "ALTER TABLE run ADD COLUMN mood TEXT; UPDATE run SET mood = 'fine';";

#[test]
fn an_older_database_is_brought_up_to_date_and_a_copy_kept() {
    let dir = Dir::new();
    let mut store = dir.store();
    live(&mut store, "k");
    drop(store);
    let next = [schema::MIGRATIONS, &[NEXT]].concat();
    let (version, newer) = (schema::MIGRATIONS.len(), next.len());
    // A reader changes nothing, and says so.
    let old = schema::open_reader(&dir.db(), &next).unwrap_err();
    assert!(
        matches!(old, StoreError::TooOld { found, known, .. } if (found, known) == (version, newer)),
        "{old}"
    );
    // A copy that was not finished is none.
    let copy = dir.0.path().join(format!("tidegate.v{version}.db"));
    let half = copy.with_extension("db.half");
    fs::write(&half, "half").unwrap();
    let conn = schema::open_writer(&dir.db(), &next).unwrap();
    assert_eq!(column::<String>(&conn, "SELECT mood FROM run"), ["fine"]);
    assert_eq!(column::<i64>(&conn, "PRAGMA user_version"), [newer as i64]);
    drop(conn);
    drop(schema::open_writer(&dir.db(), &next).unwrap());
    assert_eq!(audit(&copy), audit(&dir.db()));
    assert!(!half.exists());
    // The older Tidegate refuses what the newer one has made of it.
    let new = Store::open(&dir.db()).unwrap_err();
    assert!(
        matches!(new, StoreError::TooNew { found, known, .. } if (found, known) == (newer, version)),
        "{new}"
    );
}

/// A database that version 1 has written, in a run of real dbt.
#[test]
fn a_database_of_the_first_version_tells_the_same_story() {
    let dir = Dir::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/databases/v1.db");
    fs::copy(fixture, dir.db()).unwrap();
    let mut store = dir.store();
    let runs: Vec<_> = (1..=3).map(|id| store.run(RunId(id)).unwrap().unwrap()).collect();
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Succeeded, RunState::Failed, RunState::Cancelled]);
    assert!(runs.iter().all(|run| run.steps.iter().flat_map(|s| &s.attempts).all(|a| !a.nodes.is_empty())));
    for run in &runs {
        assert!(store.rebuild(run.id).unwrap(), "run {} is not what its events tell", run.id);
    }
    let last = store.last_event();
    assert_eq!(store.next_run(), RunId(4));
    live(&mut store, "new");
    drop(store);
    let events = audit(&dir.db());
    assert!(events as u64 > last && last > 0);
    assert!(dir.0.path().join("tidegate.v1.db").exists());
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let dir = Dir::new();
    let mut store = dir.store();
    live(&mut store, "k");
    drop(store);
    let next = [schema::MIGRATIONS, &["UPDATE run SET job = 'half'; SELECT no_such_function();"]].concat();
    assert!(schema::open_writer(&dir.db(), &next).is_err());
    let mut store = dir.store();
    assert_eq!(store.run(RunId(1)).unwrap().unwrap().request.job.as_deref(), Some("nightly"));
    live(&mut store, "k2");
    drop(store);
    audit(&dir.db());
}
