//! Days on which clocks are changed, zone by zone, and what a schedule promises on any day.

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{Earlier, Passed, Schedule, zone};

fn schedule(expressions: &[&str], name: &str) -> Schedule {
    Schedule::parse(expressions, zone(name).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The ticks from one wall-clock time to another (with offsets), as the wall clock shows them.
fn between(expressions: &[&str], name: &str, from: &str, to: &str) -> Vec<String> {
    let (schedule, zone, to) = (schedule(expressions, name), zone(name).unwrap(), at(to));
    let shown = |tick: Timestamp| tick.to_zoned(zone.clone()).strftime("%F %R%:z").to_string();
    schedule.upcoming(at(from)).take_while(|tick| *tick <= to).map(shown).collect()
}

/// Each row: an expression, and its ticks in the span.
fn table(name: &str, from: &str, to: &str, rows: &[(&str, &[&str])]) {
    for (expression, ticks) in rows {
        assert_eq!(between(&[expression], name, from, to), *ticks, "{expression} in {name}");
    }
}

#[test]
fn berlin_leaves_an_hour_out() {
    let rows: &[(&str, &[&str])] = &[
        ("30 1 * * *", &["2026-03-29 01:30+01:00"]),
        ("30 2 * * *", &["2026-03-29 03:00+02:00"]),
        ("0 2,3 * * *", &["2026-03-29 03:00+02:00"]),
        ("0,10,59 2 29 3 *", &["2026-03-29 03:00+02:00"]),
        ("5 2,3 * * *", &["2026-03-29 03:00+02:00", "2026-03-29 03:05+02:00"]),
        ("*/15 2 * * *", &[]),
        ("30 * * * *", &["2026-03-29 00:30+01:00", "2026-03-29 01:30+01:00", "2026-03-29 03:30+02:00"]),
        ("0 */2 * * *", &["2026-03-29 00:00+01:00"]),
        (
            "*/30 1-3 * * *",
            &[
                "2026-03-29 01:00+01:00",
                "2026-03-29 01:30+01:00",
                "2026-03-29 03:00+02:00",
                "2026-03-29 03:30+02:00",
            ],
        ),
        ("@hourly", &["2026-03-29 00:00+01:00", "2026-03-29 01:00+01:00", "2026-03-29 03:00+02:00"]),
        ("@daily", &["2026-03-29 00:00+01:00"]),
        ("30 2 28 * *", &[]),
    ];
    table("Europe/Berlin", "2026-03-28T23:59:00+01:00", "2026-03-29T03:30:00+02:00", rows);
}

#[test]
fn berlin_shows_an_hour_twice() {
    let rows: &[(&str, &[&str])] = &[
        ("30 2 * * *", &["2026-10-25 02:30+02:00"]),
        ("0,30 2 * * *", &["2026-10-25 02:00+02:00", "2026-10-25 02:30+02:00"]),
        ("0 3 * * *", &["2026-10-25 03:00+01:00"]),
        ("30 2 25 10 *", &["2026-10-25 02:30+02:00"]),
        ("30 2 * * SUN", &["2026-10-25 02:30+02:00"]),
        (
            "*/30 2 * * *",
            &[
                "2026-10-25 02:00+02:00",
                "2026-10-25 02:30+02:00",
                "2026-10-25 02:00+01:00",
                "2026-10-25 02:30+01:00",
            ],
        ),
        ("0 * * * *", &["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00", "2026-10-25 03:00+01:00"]),
        ("0 */2 * * *", &["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00"]),
        ("0 0-23 * * *", &["2026-10-25 02:00+02:00", "2026-10-25 03:00+01:00"]),
    ];
    table("Europe/Berlin", "2026-10-25T01:30:00+02:00", "2026-10-25T03:00:00+01:00", rows);
}

#[test]
fn new_york_changes_its_clocks_at_two() {
    let rows: &[(&str, &[&str])] = &[
        ("30 2 * * *", &["2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00"]),
        ("0 3 * * *", &["2026-03-08 03:00-04:00", "2026-03-09 03:00-04:00"]),
        ("0 */12 * * *", &["2026-03-08 12:00-04:00", "2026-03-09 00:00-04:00"]),
    ];
    table("America/New_York", "2026-03-08T00:00:00-05:00", "2026-03-09T03:00:00-04:00", rows);
    let rows: &[(&str, &[&str])] = &[
        ("30 1 * * *", &["2026-11-01 01:30-04:00"]),
        ("30 * * * *", &["2026-11-01 01:30-04:00", "2026-11-01 01:30-05:00", "2026-11-01 02:30-05:00"]),
        ("15,45 1 * * *", &["2026-11-01 01:15-04:00", "2026-11-01 01:45-04:00"]),
    ];
    table("America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-01T02:30:00-05:00", rows);
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    let rows: &[(&str, &[&str])] = &[
        ("15 2 * * *", &["2026-10-04 02:30+11:00"]),
        ("15,30 2 * * *", &["2026-10-04 02:30+11:00"]),
        ("45 2 * * *", &["2026-10-04 02:45+11:00"]),
        ("15 * * * *", &["2026-10-04 01:15+10:30", "2026-10-04 03:15+11:00"]),
        ("*/30 * * * *", &["2026-10-04 01:30+10:30", "2026-10-04 02:30+11:00", "2026-10-04 03:00+11:00"]),
    ];
    table("Australia/Lord_Howe", "2026-10-04T01:00:00+10:30", "2026-10-04T03:15:00+11:00", rows);
    let rows: &[(&str, &[&str])] = &[
        ("45 1 * * *", &["2026-04-05 01:45+11:00"]),
        ("0 2 * * *", &["2026-04-05 02:00+10:30"]),
        ("0 * * * *", &["2026-04-05 02:00+10:30"]),
        (
            "*/15 1 * * *",
            &[
                "2026-04-05 01:30+11:00",
                "2026-04-05 01:45+11:00",
                "2026-04-05 01:30+10:30",
                "2026-04-05 01:45+10:30",
            ],
        ),
    ];
    table("Australia/Lord_Howe", "2026-04-05T01:15:00+11:00", "2026-04-05T02:00:00+10:30", rows);
}

#[test]
fn apia_leaves_a_day_out() {
    let rows: &[(&str, &[&str])] = &[
        ("0 9 * * *", &["2011-12-29 09:00-10:00", "2011-12-31 00:00+14:00", "2011-12-31 09:00+14:00"]),
        ("0 9 30 12 *", &["2011-12-31 00:00+14:00"]),
        ("0 9 * * FRI", &["2011-12-31 00:00+14:00"]),
        ("@daily", &["2011-12-29 00:00-10:00", "2011-12-31 00:00+14:00"]),
        ("0 */12 * * *", &["2011-12-29 00:00-10:00", "2011-12-29 12:00-10:00", "2011-12-31 00:00+14:00"]),
        ("*/30 9 30 12 *", &[]),
    ];
    table("Pacific/Apia", "2011-12-28T23:00:00-10:00", "2011-12-31T09:00:00+14:00", rows);
}

#[test]
fn casablanca_goes_back_for_ramadan() {
    let rows: &[(&str, &[&str])] = &[
        ("30 2 * * *", &["2024-03-10 02:30+01:00"]),
        ("30 * * * *", &["2024-03-10 02:30+01:00", "2024-03-10 02:30+00:00", "2024-03-10 03:30+00:00"]),
    ];
    table("Africa/Casablanca", "2024-03-10T02:00:00+01:00", "2024-03-10T03:30:00+00:00", rows);
    let rows: &[(&str, &[&str])] = &[
        ("30 2 * * *", &["2024-04-14 03:00+01:00"]),
        ("30 * * * *", &["2024-04-14 01:30+00:00", "2024-04-14 03:30+01:00"]),
    ];
    table("Africa/Casablanca", "2024-04-14T01:00:00+00:00", "2024-04-14T03:30:00+01:00", rows);
}

#[test]
fn kathmandu_has_odd_minutes() {
    let rows: &[(&str, &[&str])] = &[
        ("@daily", &["1986-01-01 00:15+05:45", "1986-01-02 00:00+05:45"]),
        ("5,15,20 0 1 1 *", &["1986-01-01 00:15+05:45", "1986-01-01 00:20+05:45"]),
        ("0 */12 * * *", &["1985-12-31 12:00+05:30", "1986-01-01 12:00+05:45", "1986-01-02 00:00+05:45"]),
    ];
    table("Asia/Kathmandu", "1985-12-31T00:00:00+05:30", "1986-01-02T00:00:00+05:45", rows);
    let hourly = schedule(&["@hourly"], "Asia/Kathmandu").next(at("2026-11-22T00:00:00Z"));
    assert_eq!(hourly, Some(at("2026-11-22T00:15:00Z")));
}

#[test]
fn troll_changes_by_two_hours() {
    let rows: &[(&str, &[&str])] = &[
        ("30 1 * * *", &["2026-03-29 03:00+02:00"]),
        ("30 1,2 * * *", &["2026-03-29 03:00+02:00"]),
        ("30 * * * *", &["2026-03-29 00:30+00:00", "2026-03-29 03:30+02:00"]),
    ];
    table("Antarctica/Troll", "2026-03-29T00:00:00+00:00", "2026-03-29T03:30:00+02:00", rows);
    let rows: &[(&str, &[&str])] = &[
        ("30 1,2 * * *", &["2026-10-25 01:30+02:00", "2026-10-25 02:30+02:00"]),
        (
            "30 * * * *",
            &[
                "2026-10-25 01:30+02:00",
                "2026-10-25 02:30+02:00",
                "2026-10-25 01:30+00:00",
                "2026-10-25 02:30+00:00",
            ],
        ),
    ];
    table("Antarctica/Troll", "2026-10-25T01:00:00+02:00", "2026-10-25T03:00:00+00:00", rows);
}

#[test]
fn midnight_may_be_what_is_left_out() {
    let rows: &[(&str, &[&str])] =
        &[("@daily", &["2018-11-04 01:00-02:00"]), ("0 0 * * 0", &["2018-11-04 01:00-02:00"])];
    table("America/Sao_Paulo", "2018-11-03T23:00:00-03:00", "2018-11-04T12:00:00-02:00", rows);
}

#[test]
fn an_offset_may_have_seconds() {
    // Monrovia was 44:30 behind until 1972-01-07, which began at 00:44:30.
    let rows: &[(&str, &[&str])] =
        &[("10 0 * * *", &["1972-01-06 00:10-00:44:30", "1972-01-07 00:44+00:00"])];
    table("Africa/Monrovia", "1972-01-06T00:00:00Z", "1972-01-07T12:00:00Z", rows);
    let ticks: Vec<_> =
        schedule(&["0 */6 * * *"], "Africa/Monrovia").upcoming(at("1972-01-06T12:44:30Z")).take(2).collect();
    assert_eq!(ticks, [at("1972-01-06T18:44:30Z"), at("1972-01-07T06:00:00Z")]);
    assert_eq!(
        schedule(&["10 0 * * *"], "Africa/Monrovia").next(at("1972-01-06T12:00:00Z")),
        Some(at("1972-01-07T00:44:30Z"))
    );
}

#[test]
fn a_gap_may_be_shown_after_all() {
    // On 10 April the clock goes from 02:00 to 04:00, and an hour later from 05:00 back to 03:00.
    let hasty = TimeZone::posix("AAA0BBB-2,J100/2,J100/5").unwrap();
    let row = |expression: &str, ticks: [&str; 2]| {
        let schedule = Schedule::parse(&[expression], hasty.clone()).unwrap();
        let (after, until) = (at("2026-04-10T00:00:00Z"), at("2026-04-11T12:00:00Z"));
        assert_eq!(schedule.upcoming(after).take(2).collect::<Vec<_>>(), ticks.map(at), "{expression}");
        assert_eq!(schedule.passed(after, until, 9).ticks, ticks.map(at), "{expression}");
        // Asked from the second pass on.
        let again = at("2026-04-10T03:00:00Z").max(at(ticks[0]));
        assert_eq!(schedule.next(again), Some(at(ticks[1])), "{expression}");
    };
    row("30 2 * * *", ["2026-04-10T02:00:00Z", "2026-04-11T02:30:00Z"]);
    row("30 3 * * *", ["2026-04-10T02:00:00Z", "2026-04-11T03:30:00Z"]);
    row("30 4 * * *", ["2026-04-10T02:30:00Z", "2026-04-11T04:30:00Z"]);
    row("0 5 * * *", ["2026-04-10T05:00:00Z", "2026-04-11T05:00:00Z"]);
    row("*/60 3 10,11 4 *", ["2026-04-10T03:00:00Z", "2026-04-11T03:00:00Z"]);
}

#[test]
fn several_expressions_are_one_schedule() {
    let (from, to) = ("2026-03-29T01:00:00+01:00", "2026-03-29T04:00:00+02:00");
    assert_eq!(
        between(&["30 2 * * *", "0 3 * * *", "0 */3 * * *"], "Europe/Berlin", from, to),
        ["2026-03-29 03:00+02:00"]
    );
    // Each keeps its own rule.
    let (from, to) = ("2026-10-25T01:30:00+02:00", "2026-10-25T03:00:00+01:00");
    assert_eq!(
        between(&["15 2 * * *", "0 * * * *"], "Europe/Berlin", from, to),
        [
            "2026-10-25 02:00+02:00",
            "2026-10-25 02:15+02:00",
            "2026-10-25 02:00+01:00",
            "2026-10-25 03:00+01:00"
        ]
    );
}

#[test]
fn rare_ones_come_when_they_come() {
    let leap = schedule(&["30 2 29 2 *"], "Europe/Berlin");
    assert_eq!(leap.next(at("2026-11-22T00:00:00Z")), Some(at("2028-02-29T01:30:00Z")));
    assert_eq!(leap.upcoming(at("1970-01-01T00:00:00Z")).count(), 32);
    // A 29th of February on a Sunday, which 2100 does not have.
    let sunday = schedule(&["0 0 29 2 */7"], "Europe/Berlin");
    assert_eq!(sunday.next(at("2032-03-01T00:00:00Z")), Some(at("2060-02-28T23:00:00Z")));
    assert_eq!(sunday.next(at("2088-03-01T00:00:00Z")), None);
}

#[test]
fn time_begins_in_1970_and_ends_in_2100() {
    let daily = schedule(&["@daily"], "Europe/Berlin");
    assert_eq!(daily.next(Timestamp::MIN), Some(at("1970-01-01T00:00:00+01:00")));
    assert_eq!(daily.next(at("2100-12-30T23:30:00Z")), None);
    assert_eq!(daily.next(Timestamp::MAX), None);
    let all = daily.passed(Timestamp::MIN, Timestamp::MAX, 1);
    assert_eq!(all.ticks, [at("2100-12-31T00:00:00+01:00")]);
    assert_eq!(all.earlier, Earlier::AtLeast { count: 1_000, first: at("1970-01-01T00:00:00+01:00") });
}

#[test]
fn parts_of_a_second_count() {
    let hourly = schedule(&["@hourly"], "UTC");
    assert_eq!(hourly.next(at("2026-11-22T10:59:59.999Z")), Some(at("2026-11-22T11:00:00Z")));
    assert_eq!(hourly.next(at("2026-11-22T11:00:00Z")), Some(at("2026-11-22T12:00:00Z")));
    assert_eq!(hourly.next(at("2026-11-22T11:00:00.001Z")), Some(at("2026-11-22T12:00:00Z")));
    assert_eq!(hourly.next(at("1969-12-31T23:59:59.5Z")), Some(at("1970-01-01T00:00:00Z")));
    let passed = |after: &str, until: &str| hourly.passed(at(after), at(until), 9).ticks.len();
    assert_eq!(passed("2026-11-22T10:59:59.999Z", "2026-11-22T11:00:00Z"), 1);
    assert_eq!(passed("2026-11-22T11:00:00Z", "2026-11-22T11:59:59.999Z"), 0);
}

#[test]
fn a_year_of_minutes_is_not_walked_through() {
    let passed = schedule(&["* * * * *"], "Europe/Berlin").passed(
        at("2025-11-22T10:00:30Z"),
        at("2026-11-22T10:00:00Z"),
        3,
    );
    let ticks = ["2026-11-22T09:58:00Z", "2026-11-22T09:59:00Z", "2026-11-22T10:00:00Z"].map(at);
    assert_eq!(passed.ticks, ticks);
    assert_eq!(passed.earlier, Earlier::AtLeast { count: 1_000, first: at("2025-11-22T10:01:00Z") });
}

#[test]
fn what_passed_says_how_much_it_leaves_out() {
    let daily = schedule(&["0 6 * * *"], "Europe/Berlin");
    let (after, until) = (at("2026-11-20T06:00:00+01:00"), at("2026-11-25T06:00:00+01:00"));
    let ticks = |days: &[&str]| -> Vec<_> {
        days.iter().map(|day| at(&format!("2026-11-{day}T06:00:00+01:00"))).collect()
    };
    let all = Passed { ticks: ticks(&["21", "22", "23", "24", "25"]), earlier: Earlier::None };
    assert_eq!(daily.passed(after, until, 5), all);
    assert_eq!(daily.passed(after, until, usize::MAX), all);
    let two = Passed {
        ticks: ticks(&["24", "25"]),
        earlier: Earlier::Exactly { count: 3, first: ticks(&["21"])[0] },
    };
    assert_eq!(daily.passed(after, until, 2), two);
    let none = Passed { ticks: Vec::new(), earlier: Earlier::Exactly { count: 5, first: ticks(&["21"])[0] } };
    assert_eq!(daily.passed(after, until, 0), none);
    assert_eq!(daily.passed(until, after, 5), Passed { ticks: Vec::new(), earlier: Earlier::None });
}

#[test]
fn a_schedule_says_which_expression_is_wrong() {
    let parse = |expressions: &[&str]| Schedule::parse(expressions, TimeZone::UTC).unwrap_err();
    insta::assert_snapshot!(
        [
            parse(&[]),
            parse(&["0 6 * * *", "0 24 * * *"]),
            parse(&["0 6 * * *", "0 0 30 2 *"]),
            parse(&[&"9".repeat(2_000)]),
        ]
        .join("\n")
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        texts in prop::collection::vec(prop_oneof![any::<String>(), "[*0-9,/ -]{9,20}", "[*0-9@a-z,/ #?-]{0,20}"], 0..3),
        seconds in -300_000_000_000..250_000_000_000i64,
    ) {
        if let Ok(schedule) = Schedule::parse(&texts, zone("Europe/Berlin").unwrap()) {
            let at = Timestamp::from_second(seconds).unwrap();
            prop_assert!(schedule.next(at).is_none_or(|tick| tick > at));
            schedule.passed(at, Timestamp::MAX, 2);
        }
    }
}
