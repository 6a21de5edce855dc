//! What fires when, by brute force: every minute is looked at, and a zone is nothing but its offset at an instant.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use jiff::{Timestamp, tz::TimeZone};

const DAY: i64 = 86_400;

/// A cron expression as the minutes, hours and days that it marks.
pub struct Marks {
    minute: [bool; 60],
    hour: [bool; 24],
    day: [bool; 32],
    month: [bool; 13],
    /// Sunday is 0.
    weekday: [bool; 7],
    both_days: bool,
    interval: bool,
}

impl Marks {
    /// Reads an expression that is known to be well-formed.
    pub fn of(text: &str) -> Self {
        let text = match text.to_lowercase().as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *".to_owned(),
            "@monthly" => "0 0 1 * *".to_owned(),
            "@weekly" => "0 0 * * 0".to_owned(),
            "@daily" | "@midnight" => "0 0 * * *".to_owned(),
            "@hourly" => "0 * * * *".to_owned(),
            other => other.to_owned(),
        };
        let field: Vec<&str> = text.split_ascii_whitespace().collect();
        assert_eq!(field.len(), 5, "{text}");
        let mut marks = Self {
            minute: [false; 60],
            hour: [false; 24],
            day: [false; 32],
            month: [false; 13],
            weekday: [false; 7],
            both_days: !field[2].starts_with('*') && !field[4].starts_with('*'),
            interval: field[0].starts_with('*') || field[1].starts_with('*'),
        };
        mark(field[0], 0, 59, |n| marks.minute[n] = true);
        mark(field[1], 0, 23, |n| marks.hour[n] = true);
        mark(field[2], 1, 31, |n| marks.day[n] = true);
        mark(field[3], 1, 12, |n| marks.month[n] = true);
        mark(field[4], 0, 7, |n| marks.weekday[n % 7] = true);
        marks
    }

    /// Whether the days of a date are marked. Dates are counted from 1970-01-01 on.
    fn date(&self, days: i64) -> bool {
        let Some(date) = usize::try_from(days).ok().and_then(|days| DATES.get(days)) else { return false };
        let (day, weekday) = (self.day[date.day], self.weekday[date.weekday]);
        self.month[date.month] && if self.both_days { day || weekday } else { day && weekday }
    }

    /// Whether the wall-clock minute that begins at a second is marked.
    fn matches(&self, wall: i64) -> bool {
        let minute = wall.rem_euclid(DAY) / 60;
        self.hour[(minute / 60) as usize]
            && self.minute[(minute % 60) as usize]
            && self.date(wall.div_euclid(DAY))
    }

    /// Whether any date of the years from 1970 to 2100 is marked.
    pub fn ever(&self) -> bool {
        (0..DATES.len() as i64).any(|days| self.date(days))
    }

    pub fn minutes_of_a_day(&self) -> usize {
        let count = |marks: &[bool]| marks.iter().filter(|mark| **mark).count();
        count(&self.minute) * count(&self.hour)
    }

    pub fn dates_from(&self, days: i64, how_many: i64) -> usize {
        (days..days + how_many).filter(|days| self.date(*days)).count()
    }
}

/// Marks the numbers of a field, item by item.
fn mark(field: &str, first: usize, last: usize, mut set: impl FnMut(usize)) {
    for item in field.split(',') {
        let (span, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: usize = step.parse().unwrap();
        let number = |text: &str| match text {
            "jan" | "mon" => 1,
            "feb" | "tue" => 2,
            "mar" | "wed" => 3,
            "apr" | "thu" => 4,
            "may" | "fri" => 5,
            "jun" | "sat" => 6,
            "jul" => 7,
            "aug" => 8,
            "sep" => 9,
            "oct" => 10,
            "nov" => 11,
            "dec" => 12,
            "sun" => 0,
            digits => digits.parse().unwrap(),
        };
        let (from, to) = match span.split_once('-') {
            Some((from, "sun")) => (number(from), 7),
            Some((from, to)) => (number(from), number(to)),
            None if span == "*" => (first, last),
            None if item.contains('/') => (number(span), last),
            None => (number(span), number(span)),
        };
        for n in first..=last {
            if n >= from && n <= to && (n - from) % step == 0 {
                set(n);
            }
        }
    }
}

struct Numbers {
    month: usize,
    day: usize,
    weekday: usize,
}

/// Every date from 1970-01-01 to 2100-12-31.
static DATES: LazyLock<Vec<Numbers>> = LazyLock::new(|| {
    let dates = (0..).map(|days| Timestamp::from_second(days * DAY).unwrap().to_zoned(TimeZone::UTC).date());
    let numbers = |date: jiff::civil::Date| Numbers {
        month: date.month() as usize,
        day: date.day() as usize,
        weekday: date.weekday().to_sunday_zero_offset() as usize,
    };
    dates.take_while(|date| date.year() <= 2100).map(numbers).collect()
});

/// A piece of time with one offset: from one second up to another, and what the wall clock shows more than UTC.
#[derive(Clone, Copy)]
struct Piece {
    from: i64,
    to: i64,
    offset: i64,
}

/// A zone's clock, read minute by minute.
pub struct Clock {
    zone: TimeZone,
    days: HashMap<i64, Vec<Piece>>,
}

impl Clock {
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, days: HashMap::new() }
    }

    /// The ticks of expressions after one second, up to another one.
    pub fn ticks(&mut self, expressions: &[Marks], after: i64, until: i64) -> BTreeSet<i64> {
        let mut ticks = BTreeSet::new();
        for marks in expressions {
            for day in after.div_euclid(DAY) - 3..=until.div_euclid(DAY) + 3 {
                if !marks.date(day) {
                    continue;
                }
                if marks.interval {
                    self.interval_ticks(marks, day, &mut ticks);
                } else {
                    self.fixed_ticks(marks, day, &mut ticks);
                }
            }
        }
        ticks.into_iter().filter(|tick| *tick > after && *tick <= until).collect()
    }

    /// Every instant at which the wall clock shows a marked minute of a date.
    fn interval_ticks(&mut self, marks: &Marks, day: i64, ticks: &mut BTreeSet<i64>) {
        for piece in self.around(day) {
            for (wall, instant) in minutes_of(piece) {
                if wall.div_euclid(DAY) == day && marks.matches(wall) {
                    ticks.insert(instant);
                }
            }
        }
    }

    /// For every marked minute of a date the first instant that has it, or else the end of the gap that it is in.
    fn fixed_ticks(&mut self, marks: &Marks, day: i64, ticks: &mut BTreeSet<i64>) {
        let pieces = self.around(day);
        let mut first_with = [None; 1_440];
        for piece in &pieces {
            for (wall, instant) in minutes_of(*piece) {
                if wall.div_euclid(DAY) == day {
                    first_with[(wall.rem_euclid(DAY) / 60) as usize].get_or_insert(instant);
                }
            }
        }
        for wall in (day * DAY..(day + 1) * DAY).step_by(60).filter(|wall| marks.matches(*wall)) {
            let gap_end = || {
                let mut changes = pieces.windows(2);
                let gap = changes.find(|p| p[0].to + p[0].offset <= wall && wall < p[1].from + p[1].offset);
                gap.expect("a time that is not shown is in a gap")[1].from
            };
            ticks.insert(first_with[(wall.rem_euclid(DAY) / 60) as usize].unwrap_or_else(gap_end));
        }
    }

    /// The pieces of the UTC days around a date: whatever the offset, all of the date is in them.
    fn around(&mut self, day: i64) -> Vec<Piece> {
        (day - 1..=day + 1).flat_map(|day| self.pieces(day).clone()).collect()
    }

    fn pieces(&mut self, day: i64) -> &Vec<Piece> {
        let zone = &self.zone;
        self.days.entry(day).or_insert_with(|| {
            let offset = |at: i64| i64::from(zone.to_offset(Timestamp::from_second(at).unwrap()).seconds());
            let mut pieces: Vec<Piece> = Vec::new();
            let mut add = |from: i64, to: i64, offset: i64| match pieces.last_mut() {
                Some(last) if last.offset == offset => last.to = to,
                _ => pieces.push(Piece { from, to, offset }),
            };
            let mut now = offset(day * DAY);
            for minute in (day * DAY..(day + 1) * DAY).step_by(60) {
                let next = offset(minute + 60);
                if now == next {
                    add(minute, minute + 60, now);
                } else {
                    (minute..minute + 60).for_each(|second| add(second, second + 1, offset(second)));
                }
                now = next;
            }
            pieces
        })
    }
}

/// The whole minutes that the wall clock shows in a piece, with their instants.
fn minutes_of(piece: Piece) -> impl Iterator<Item = (i64, i64)> {
    let shown = piece.from + piece.offset;
    let first = shown + (-shown).rem_euclid(60);
    (first..piece.to + piece.offset).step_by(60).map(move |wall| (wall, wall - piece.offset))
}
