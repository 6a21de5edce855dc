//! Schedules against brute force: random expressions in every time zone, mostly on days on which clocks are changed.
//!
//! Owns the proof of the rule that `schedule` states. `TIDEGATE_SCHEDULE_CASES` sets how many cases are tried,
//! `TIDEGATE_SCHEDULE_SEED` which ones: a failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod oracle;

use std::{
    cell::RefCell,
    collections::HashMap,
    env,
    hash::{BuildHasher, RandomState},
};

use jiff::{Timestamp, tz};
use oracle::{Clock, Marks};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngSeed, TestRunner},
};
use tidegate::schedule::{Earlier, Schedule, zone};

const DAY: i64 = 86_400;
/// 1970-01-05 and 2090-12-31.
const YEARS: (i64, i64) = (4 * DAY, 44_194 * DAY);

#[derive(Clone, Debug)]
struct Case {
    expressions: Vec<String>,
    zone: String,
    moment: Moment,
    /// How many days are compared, if the expressions fire seldom enough for that.
    days: i64,
}

#[derive(Clone, Debug)]
enum Moment {
    /// Seconds from one of the zone's changes of its clock.
    Change(Index, i64),
    Any(i64),
}

/// A field of numbers: `*`, numbers, ranges, steps, lists of these, now and then a name.
fn field(first: u32, last: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let number = move || {
        let digits = (first..=last).prop_map(|n| n.to_string());
        // Of the weekdays the last number, 7, has no name of its own.
        let named = (0..names.len().max(1))
            .prop_map(move |n| names.get(n).map_or(first.to_string(), |n| (*n).to_owned()));
        if names.is_empty() { digits.boxed() } else { prop_oneof![2 => digits, 1 => named].boxed() }
    };
    let range = (first..=last).prop_flat_map(move |from| {
        (from..=last).prop_map(move |to| {
            let name = |n: u32| names.get((n - first) as usize).map_or(n.to_string(), |n| (*n).to_owned());
            if (from + to) % 3 == 0 { format!("{}-{}", name(from), name(to)) } else { format!("{from}-{to}") }
        })
    });
    let step = 1..=(last / 2 + 1);
    let item = prop_oneof![
        4 => number(),
        2 => range.clone(),
        1 => (range, step.clone()).prop_map(|(range, step)| format!("{range}/{step}")),
        1 => (first..=last, step.clone()).prop_map(|(from, step)| format!("{from}/{step}")),
        1 => step.prop_map(|step| format!("*/{step}")),
        1 => Just("*".to_owned()),
    ];
    prop_oneof![
        3 => item.clone(),
        1 => prop::collection::vec(item, 2..4).prop_map(|items| items.join(",")),
    ]
    .boxed()
}

fn expression() -> BoxedStrategy<String> {
    const MONTHS: &[&str] =
        &["jan", "FEB", "Mar", "APR", "may", "JUN", "jul", "AUG", "sep", "OCT", "nov", "DEC"];
    const WEEKDAYS: &[&str] = &["sun", "MON", "Tue", "WED", "thu", "FRI", "sat"];
    let star = || Just("*".to_owned());
    let day = || prop_oneof![3 => star(), 2 => field(1, 31, &[])];
    let month = prop_oneof![4 => star(), 1 => field(1, 12, MONTHS)];
    let weekday = prop_oneof![3 => star(), 2 => field(0, 7, WEEKDAYS)];
    // Clocks are mostly changed in the first hours of a day.
    let minute = prop_oneof![3 => field(0, 59, &[]), 1 => select(vec!["0", "30", "15,45", "*/15"]).prop_map(str::to_owned)];
    let hour = prop_oneof![2 => field(0, 23, &[]), 2 => (0..5u32).prop_map(|n| n.to_string()), 1 => star()];
    let fields = (minute, hour, day(), month, weekday)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"));
    let nickname =
        select(vec!["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@Yearly", "@annually"]);
    prop_oneof![12 => fields, 1 => nickname.prop_map(str::to_owned)].boxed()
}

/// All zones that anyone can name.
fn zones() -> Vec<String> {
    let bundled = tz::TimeZoneDatabase::bundled();
    let names = tz::db().available().chain(bundled.available());
    let mut names: Vec<_> =
        names.map(|name| name.as_str().to_owned()).filter(|name| zone(name).is_ok()).collect();
    names.sort();
    names.dedup();
    assert!(names.len() > 400, "only {} zones are known", names.len());
    names
}

fn some_cases() -> impl Strategy<Value = Case> {
    let moment = prop_oneof![
        6 => (any::<Index>(), -4 * DAY..DAY).prop_map(|(change, seconds)| Moment::Change(change, seconds)),
        3 => (any::<Index>(), -180..180i64).prop_map(|(change, minutes)| Moment::Change(change, minutes * 60)),
        1 => (YEARS.0..YEARS.1).prop_map(Moment::Any),
    ];
    let expressions = prop_oneof![
        3 => expression().prop_map(|one| vec![one]),
        1 => prop::collection::vec(expression(), 2..4),
    ];
    (expressions, select(zones()), moment, select(vec![3, 10, 60, 400, 3_000]))
        .prop_map(|(expressions, zone, moment, days)| Case { expressions, zone, moment, days })
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Tries many cases, and names the seed where one fails.
fn try_cases(share: u64, test: impl Fn(Case) -> Result<(), TestCaseError>) {
    let seed = number("TIDEGATE_SCHEDULE_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let cases = (number("TIDEGATE_SCHEDULE_CASES").unwrap_or(5_000) / share).max(1).try_into().unwrap();
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(&some_cases(), test) {
        panic!(
            "TIDEGATE_SCHEDULE_SEED={seed} TIDEGATE_SCHEDULE_CASES={}\n{failure}",
            u64::from(cases) * share
        );
    }
}

/// What the zones' clocks do is looked up once.
#[derive(Default)]
struct Changes(RefCell<HashMap<String, Vec<i64>>>);

impl Changes {
    fn moment(&self, case: &Case) -> i64 {
        match case.moment {
            Moment::Any(second) => second,
            Moment::Change(change, seconds) => {
                let mut known = self.0.borrow_mut();
                let changes = known.entry(case.zone.clone()).or_insert_with(|| changes_of(&case.zone));
                let change = if changes.is_empty() { YEARS.1 / 2 } else { *change.get(changes) };
                (change + seconds).max(YEARS.0)
            }
        }
    }
}

/// The seconds in which a zone's clock is changed.
fn changes_of(name: &str) -> Vec<i64> {
    let zone = zone(name).unwrap();
    let offset = |at: i64| zone.to_offset(second(at));
    let changes = zone.following(second(YEARS.0)).map(|change| change.timestamp().as_second());
    changes.take_while(|at| *at < YEARS.1).filter(|at| offset(*at) != offset(at - 1)).collect()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The schedule of a case; none where an expression of it can never fire, which both sides have to see.
fn schedule_of(case: &Case, marks: &[Marks]) -> Result<Option<Schedule>, TestCaseError> {
    let parsed = Schedule::parse(&case.expressions, zone(&case.zone).unwrap());
    if marks.iter().all(Marks::ever) {
        return parsed.map(Some).map_err(TestCaseError::fail);
    }
    prop_assert!(parsed.is_err_and(|reason| reason.contains("never fire")), "some of it can never fire");
    Ok(None)
}

/// The end of the span that is compared: shorter than the case has it where too much would fire.
fn end_of_span(case: &Case, marks: &[Marks], from: i64) -> i64 {
    let ticks = |days: i64| -> (usize, usize) {
        let dates = marks.iter().map(|marks| marks.dates_from(from.div_euclid(DAY), days));
        let of_a_day = marks.iter().map(Marks::minutes_of_a_day).max().unwrap();
        let dates = dates.sum();
        (dates, dates * of_a_day)
    };
    let mut days = case.days;
    while days > 3 && (ticks(days).0 > 10 || ticks(days).1 > 500) {
        days /= 2;
    }
    (from + days.max(3) * DAY).min(YEARS.1)
}

#[test]
fn ticks_are_those_that_brute_force_finds() {
    let changes = Changes::default();
    let compared = RefCell::new((0, 0));
    try_cases(1, |case| {
        let marks: Vec<_> = case.expressions.iter().map(|text| Marks::of(text)).collect();
        let Some(schedule) = schedule_of(&case, &marks)? else { return Ok(()) };
        let from = changes.moment(&case);
        let until = end_of_span(&case, &marks, from);
        let expected = Clock::new(zone(&case.zone).unwrap()).ticks(&marks, from, until);
        let found: Vec<_> = schedule
            .upcoming(second(from))
            .map(Timestamp::as_second)
            .take_while(|tick| *tick <= until)
            .collect();
        let expected: Vec<_> = expected.into_iter().collect();
        if let Some(at) = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))
        {
            let zone = zone(&case.zone).unwrap();
            let shown = |tick: Option<&i64>| {
                tick.map_or("no tick".to_owned(), |tick| second(*tick).to_zoned(zone.clone()).to_string())
            };
            return Err(TestCaseError::fail(format!(
                "after {}, tick {at}: the schedule has {}, brute force {}",
                shown(Some(&from)),
                shown(found.get(at)),
                shown(expected.get(at)),
            )));
        }
        let mut compared = compared.borrow_mut();
        *compared = (compared.0 + 1, compared.1 + found.len());
        Ok(())
    });
    let (cases, ticks) = *compared.borrow();
    println!("{ticks} ticks of {cases} schedules were compared");
    assert!(
        cases < 100 || ticks > 10 * cases,
        "hardly anything was compared: {ticks} ticks in {cases} cases"
    );
}

#[test]
fn what_passed_is_what_next_steps_through() {
    let changes = Changes::default();
    try_cases(4, |case| {
        let marks: Vec<_> = case.expressions.iter().map(|text| Marks::of(text)).collect();
        let Some(schedule) = schedule_of(&case, &marks)? else { return Ok(()) };
        let from = changes.moment(&case);
        let until = end_of_span(&case, &marks, from);
        let mut steps = Vec::new();
        let mut at = second(from);
        while let Some(tick) = schedule.next(at).filter(|tick| *tick <= second(until)) {
            prop_assert!(tick > at, "{tick} does not come after {at}");
            steps.push(tick);
            at = tick;
        }
        for at_most in [0, 1, 7, steps.len(), steps.len() + 1] {
            let passed = schedule.passed(second(from), second(until), at_most);
            let listed = steps.len().min(at_most);
            let earlier = match (steps.len() - listed, steps.first()) {
                (0, _) | (_, None) => Earlier::None,
                (count, Some(first)) if count > 1_000 => Earlier::AtLeast { count: 1_000, first: *first },
                (count, Some(first)) => Earlier::Exactly { count, first: *first },
            };
            prop_assert_eq!(&passed.ticks, &steps[steps.len() - listed..]);
            prop_assert_eq!(passed.earlier, earlier);
        }
        Ok(())
    });
}
