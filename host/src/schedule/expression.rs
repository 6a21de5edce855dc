//! One cron expression: five fields or a nickname, with the meaning that Vixie cron gave them.

use std::{collections::BTreeSet, str::FromStr};

use chrono::{DateTime, Utc};

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Longer than any expression that someone means.
const MAX_LENGTH: usize = 1_000;

/// The last second of the last year that the `cron` crate knows.
const LAST: i64 = 4_133_980_799;

/// Says what is wrong with an expression.
pub fn check(text: &str) -> Result<(), String> {
    Expression::parse(text).map(drop)
}

/// What an expression stands for, on a wall clock that is never changed. Its times are seconds of that clock, counted
/// from 1970 on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression {
    /// Two where both day fields are restricted, since then either may match.
    alternatives: Vec<cron::Schedule>,
    interval: bool,
}

impl Expression {
    /// Says what is wrong with an expression, also with one that no date matches.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = parse(text)?;
        match expression.at_or_after(0) {
            Some(_) => Ok(expression),
            None => Err("it can never fire: no date matches".to_owned()),
        }
    }

    /// Whether it is meant to fire in even steps, not at a time of the day.
    pub fn is_interval(&self) -> bool {
        self.interval
    }

    /// The first time that matches from one on.
    pub fn at_or_after(&self, wall: i64) -> Option<i64> {
        let before = DateTime::<Utc>::from_timestamp(wall.max(0) - 1, 0)?;
        let found = self.alternatives.iter().filter_map(|schedule| schedule.after(&before).next());
        found.min().map(|time| time.timestamp())
    }

    /// The last time that matches up to one.
    pub fn at_or_before(&self, wall: i64) -> Option<i64> {
        // The crate goes astray from where it knows no year.
        if wall < 0 {
            return None;
        }
        let behind = DateTime::<Utc>::from_timestamp(wall.min(LAST) + 1, 0)?;
        let found = self.alternatives.iter().filter_map(|schedule| schedule.after(&behind).next_back());
        found.max().map(|time| time.timestamp())
    }
}

fn parse(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    if text.len() > MAX_LENGTH {
        return Err(format!("it is {} characters long", text.chars().count()));
    }
    let written = if text.starts_with('@') {
        let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, fields)| *fields).ok_or_else(|| {
            format!("`{text}` is unknown: use {}", NICKNAMES.map(|(name, _)| name).join(", "))
        })?
    } else {
        text
    };
    let fields: Vec<_> = written.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        let fields = match fields.len() {
            1 => "1 field".to_owned(),
            n => format!("{n} fields"),
        };
        return Err(format!("{fields}, where cron has 5: minute, hour, day of month, month, day of week"));
    };
    let interval = minute.starts_with('*') || hour.starts_with('*');
    let minute = numbers(minute, "a minute", 0, 59, &[])?;
    let hour = numbers(hour, "an hour", 0, 23, &[])?;
    let month = numbers(month, "a month", 1, 12, &MONTHS)?;
    // As in Vixie cron, a field that begins with `*` restricts nothing by itself, `*/2` included.
    let either = !day.starts_with('*') && !weekday.starts_with('*');
    let day = numbers(day, "a day of the month", 1, 31, &[])?;
    let weekday = weekdays(weekday)?;
    let days: &[(&str, &str)] = if either { &[(&day, "*"), ("*", &weekday)] } else { &[(&day, &weekday)] };
    let alternatives = days
        .iter()
        .map(|(day, weekday)| {
            cron::Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekday} *"))
                .map_err(|e| format!("not a cron expression: {e}"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Expression { alternatives, interval })
}

/// A field as a list of numbers, which leaves nothing for the `cron` crate to understand otherwise.
fn numbers(field: &str, what: &str, first: usize, last: usize, names: &[&str]) -> Result<String, String> {
    if field == "*" {
        return Ok(field.to_owned());
    }
    let matching = matching(field, what, first, last, names)?;
    Ok(matching.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// Vixie cron's weekdays (0 or 7 is Sunday, or names) as the `cron` crate counts them (1 is Sunday).
fn weekdays(field: &str) -> Result<String, String> {
    if field == "*" {
        return Ok(field.to_owned());
    }
    let days: BTreeSet<_> =
        matching(field, "a day of the week", 0, 7, &WEEKDAYS)?.iter().map(|n| n % 7 + 1).collect();
    Ok(days.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// The numbers that a field names. Names count from the first number on.
fn matching(
    field: &str,
    what: &str,
    first: usize,
    last: usize,
    names: &[&str],
) -> Result<BTreeSet<usize>, String> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|n| n + first);
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| digits));
        number.filter(|n| (first..=last).contains(n)).ok_or_else(|| {
            let known = match names {
                [from, .., to] => format!(" or {from} to {to}"),
                _ => String::new(),
            };
            format!("`{text}` is not {what}: use {first} to {last}{known}")
        })
    };
    let mut found = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (
                range,
                Some(step)
                    .filter(|step| step.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|step| step.parse().ok().filter(|n| *n > 0))
                    .ok_or_else(|| format!("`/{step}` is not a step"))?,
            ),
            None => (item, 1),
        };
        let (from, to) = match range.split_once('-') {
            // Sunday ends the week too.
            Some((from, to)) if last == 7 && to.eq_ignore_ascii_case("SUN") => (number(from)?, 7),
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" => (first, if last == 7 { 6 } else { last }),
            None if item.contains('/') => (number(range)?, last),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            let end = if last == 7 { 6 } else { last };
            return Err(format!("`{range}` ends before it begins: write `{from}-{end},{first}-{to}`"));
        }
        found.extend((from..=to).step_by(step));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn first_after(text: &str, at: &str) -> String {
        let at: DateTime<Utc> = at.parse().unwrap();
        let first = Expression::parse(text).unwrap().at_or_after(at.timestamp() + 1).unwrap();
        DateTime::<Utc>::from_timestamp(first, 0).unwrap().format("%F %R %a").to_string()
    }

    #[test]
    fn the_usual_ones() {
        assert_eq!(first_after("0 6 * * *", "2026-11-22T07:00:00Z"), "2026-11-23 06:00 Mon");
        assert_eq!(first_after("0 */6 * * *", "2026-11-22T07:00:00Z"), "2026-11-22 12:00 Sun");
        assert_eq!(first_after("@hourly", "2026-11-22T07:00:00Z"), "2026-11-22 08:00 Sun");
    }

    #[test]
    fn weekdays_count_from_sunday_as_zero_and_seven() {
        for sunday in ["0", "7", "SUN", "sun"] {
            let text = format!("0 6 * * {sunday}");
            assert_eq!(first_after(&text, "2026-11-23T00:00:00Z"), "2026-11-29 06:00 Sun", "{text}");
        }
        assert_eq!(first_after("0 6 * * 1-5", "2026-11-21T00:00:00Z"), "2026-11-23 06:00 Mon");
        assert_eq!(first_after("0 6 * * 5-7", "2026-11-22T07:00:00Z"), "2026-11-27 06:00 Fri");
    }

    #[test]
    fn either_day_field_matches_where_both_are_restricted() {
        assert_eq!(first_after("0 0 1 * MON", "2026-11-24T00:00:00Z"), "2026-11-30 00:00 Mon");
        assert_eq!(first_after("0 0 1 * MON", "2026-11-30T00:00:00Z"), "2026-12-01 00:00 Tue");
    }

    #[test]
    fn a_day_field_with_a_star_restricts_nothing_by_itself() {
        // The first of a month that is a Sunday, Tuesday, Thursday or Saturday.
        assert_eq!(first_after("0 0 1 * */2", "2026-11-02T00:00:00Z"), "2026-12-01 00:00 Tue");
        assert_eq!(first_after("0 0 1 * */2", "2026-12-02T00:00:00Z"), "2027-04-01 00:00 Thu");
        assert_eq!(first_after("0 0 */31 * MON", "2026-11-03T00:00:00Z"), "2027-02-01 00:00 Mon");
    }

    #[test]
    fn ranges_steps_and_names() {
        assert_eq!(first_after("*/20,5 8-10/2 * feb *", "2026-11-22T00:00:00Z"), "2027-02-01 08:00 Mon");
        assert_eq!(first_after("*/20,5 8-10/2 * feb *", "2027-02-01T08:40:00Z"), "2027-02-01 10:00 Mon");
        assert_eq!(first_after("10/25 * * * *", "2026-11-22T00:11:00Z"), "2026-11-22 00:35 Sun");
        assert_eq!(first_after("0 6 * * SAT-SUN", "2026-11-23T00:00:00Z"), "2026-11-28 06:00 Sat");
        assert_eq!(first_after("0 6 * JAN-MAR 2/3", "2026-11-23T00:00:00Z"), "2027-01-01 06:00 Fri");
        assert_eq!(first_after("0 0 29 2 *", "2026-11-23T00:00:00Z"), "2028-02-29 00:00 Tue");
    }

    #[test]
    fn mistakes_have_their_sentence() {
        let long = format!("0 6 * * {}", "1,".repeat(1_000));
        let mistakes = [
            "",
            "* * * *",
            "0 0 6 * * *",
            "61 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * JANUARY *",
            "0 0 * * 8",
            "0 0 * * someday",
            "0 0 30 2 *",
            "0 0 31 4,6,9,11 *",
            "@fortnightly",
            "@reboot",
            "0 0 ? * 1",
            "0 0 L * *",
            "0 0 * * 5#2",
            "0 0 * * 5-1",
            "30-10 * * * *",
            "*/0 * * * *",
            "*/x * * * *",
            "*/+5 * * * *",
            "1//2 * * * *",
            "-5 * * * *",
            "+5 * * * *",
            "5- * * * *",
            "1,,2 * * * *",
            "99999999999999999999999 * * * *",
            "*/99999999999999999999999 * * * *",
            "\u{ff11} * * * *",
            "every day at six in the morning",
            &long,
        ];
        let said = |text: &str| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown}: {}", check(text).unwrap_err())
        };
        insta::assert_snapshot!(mistakes.map(said).join("\n"));
    }

    /// Text that looks like an expression more often than chance has it.
    fn like_an_expression() -> impl Strategy<Value = String> {
        let field = "(\\*|[0-9]{1,2}|[0-9]{1,2}-[0-9]{1,2}|[A-Za-z]{3}|[*0-9,/LW#?-]{0,8})(/[0-9]{1,2})?";
        prop_oneof![
            3 => vec(field, 4..=6).prop_map(|fields| fields.join(" ")),
            1 => any::<String>(),
            1 => "@[a-z]{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_makes_it_panic(text in like_an_expression()) {
            let _ = check(&text);
        }

        #[test]
        fn what_passes_fires_at_the_minute_and_hour_that_it_names(minute in 0..60u32, hour in 0..24u32, day in 1..29u32) {
            let text = format!("{minute} {hour} {day} * *");
            prop_assert_eq!(check(&text), Ok(()));
            let fired = first_after(&text, "2026-11-22T07:00:00Z");
            let expected = format!("{day:02} {hour:02}:{minute:02}");
            prop_assert!(fired.contains(&expected), "{} {}", fired, expected);
        }
    }
}
