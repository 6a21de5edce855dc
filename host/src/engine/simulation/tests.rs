//! How many days are simulated, and that planted bugs are found.

use std::collections::BTreeMap;

use super::{super::dispatcher::bugs::Bug, simulate};

/// How many days a seed lives.
const DAYS: i64 = 10;

fn wanted(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Simulates a share of the days.
fn share(nth: u64, of: u64) {
    let days = wanted("TIDEGATE_SIMULATION_DAYS").unwrap_or(1_000);
    let seeds = days.div_ceil(DAYS as u64 * of);
    let from = nth * 1_000_000;
    let seeds = match wanted("TIDEGATE_SIMULATION_SEED") {
        Some(seed) if seed / 1_000_000 == nth => seed..seed + 1,
        Some(_) => return,
        None => from..from + seeds,
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds.clone() {
        match simulate(seed, DAYS, None) {
            Ok(more) => more.into_iter().for_each(|(what, times)| *counts.entry(what).or_default() += times),
            Err(finding) => panic!("{finding}\nto see it again: TIDEGATE_SIMULATION_SEED={seed}"),
        }
    }
    println!("{} seeds of {DAYS} days: {counts:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start > 20 {
        for what in ALL {
            assert!(counts.contains_key(what), "nothing was ever {what}: {counts:?}");
        }
    }
}

/// What happens in any year.
const ALL: [&str; 15] = [
    "succeeded",
    "warned",
    "failed",
    "cancelled",
    "interrupted",
    "refused",
    "by cli",
    "by schedule",
    "by after",
    "by sensor",
    "by resume",
    "fired",
    "skipped",
    "tried again",
    "given up",
];

#[test]
fn a_host_keeps_its_promises_for_a_year() {
    share(0, 3);
}

#[test]
fn a_host_keeps_its_promises_for_another_year() {
    share(1, 3);
}

#[test]
fn a_host_keeps_its_promises_for_a_third_year() {
    share(2, 3);
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    let tell = || {
        let mut simulation = super::Simulation::new(4, None);
        simulation.until(2 * super::DAY).unwrap();
        simulation.world.lock().trace.iter().cloned().collect::<Vec<_>>()
    };
    let story = tell();
    assert!(story.len() > 20, "{story:?}");
    assert_eq!(story, tell());
}

#[test]
fn planted_bugs_are_found() {
    let bugs = [
        Bug::SpawnsBeforeTheCommit,
        Bug::CursorStays,
        Bug::TwoTransactions,
        Bug::ForgetsLocks,
        Bug::ReadsTwice,
        Bug::ResumesTwice,
        Bug::Overtakes,
        Bug::WaitsAnew,
        Bug::AnswersEarly,
        Bug::CancelledIsGreen,
        Bug::MakesUpForAll,
        Bug::ForgetsOverlap,
        Bug::TrustsTheClock,
        Bug::LosesEnds,
        Bug::ForgetsStops,
        Bug::LooksOften,
        Bug::FiresForPauses,
        Bug::ForgetsStarts,
        Bug::RetriesAtOnce,
        Bug::ForgetsToAsk,
        Bug::KnowsNoMost,
    ];
    for bug in bugs {
        let mut days = 0.0;
        let found = (0..200).find_map(|seed| {
            let finding = simulate(seed, DAYS, Some(bug)).err();
            days += finding.as_ref().map_or(DAYS as f64, |finding| finding.days);
            finding
        });
        let Some(finding) = found else { panic!("{bug:?} was not found in {days} days") };
        println!("{bug:?} was found after {days:.1} days: {}", finding.what);
    }
}
