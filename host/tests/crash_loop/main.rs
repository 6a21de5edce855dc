//! The crash loop: the real host, as a service or for an errand, is killed, stopped and relieved at random moments and at
//! every named crash point, together with whatever else it has started now and then, and started again. In the end everything that it has promised must have been kept.
//!
//! `TIDEGATE_CRASH_LOOP_SEED` repeats a run, as far as the machine's timing lets it; `TIDEGATE_CRASH_LOOPS` says how often
//! to kill. Most projects have a scripted dbt (`dbt.py`); where `TIDEGATE_TEST_DBT` is set, one has a real one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod audit;
mod ends;
mod house;
mod ledger;
mod load;
mod locks;
mod logs;
mod projects;
mod random;
mod resumes;
mod rounds;
mod triggers;
mod visits;

use std::{env, path::Path, time::Duration};

use random::Random;
use rounds::Loop;
use tidegate::crash;

/// Longer than anything here takes by itself, on however busy a machine: only a test that fails waits for it.
const AGES: Duration = Duration::from_secs(300);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

#[test]
fn whatever_is_killed_nothing_is_lost_doubled_or_left_behind() {
    let seed = number("TIDEGATE_CRASH_LOOP_SEED").unwrap_or_else(Random::any_seed);
    let rounds = number("TIDEGATE_CRASH_LOOPS").unwrap_or(50);
    eprintln!("TIDEGATE_CRASH_LOOP_SEED={seed} TIDEGATE_CRASH_LOOPS={rounds}");
    let mut all = Loop::new(seed);
    for round in 1..=rounds {
        all.round(round);
    }
    all.drain();
    let told = audit::audit(&mut all);
    eprintln!("{told}");
    all.house.remove();
}

#[test]
fn every_crash_point_is_come_by_and_survived() {
    let mut all = Loop::new(number("TIDEGATE_CRASH_LOOP_SEED").unwrap_or(1));
    for point in crash::POINTS {
        all.visit(point);
    }
    all.drain();
    eprintln!("{}", audit::audit(&mut all));
    all.house.remove();
}

#[test]
fn a_crash_while_an_older_database_is_migrated_loses_nothing() {
    let mut all = Loop::new(number("TIDEGATE_CRASH_LOOP_SEED").unwrap_or(1));
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/databases/v1.db");
    all.visit_migration_of(&database, 3);
    all.drain();
    eprintln!("{}", audit::audit(&mut all));
    all.house.remove();
}
