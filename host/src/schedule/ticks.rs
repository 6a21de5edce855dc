//! The ticks of a schedule: its expressions, stepped through a zone's eras in both directions.

use std::iter;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    eras::{EARLIEST, Era, LATEST, timestamp},
    expression::Expression,
    zone::zone,
};
use crate::model::Deadline;

/// So many ticks before those that are asked for are counted, and not more.
const COUNTED: usize = 1_000;

/// Cron expressions in a time zone. Cheap to ask; parsed once.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    expressions: Vec<Expression>,
    zone: TimeZone,
}

/// The ticks of a span of time, the last ones only where there are many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Oldest first.
    pub ticks: Vec<Timestamp>,
    /// What the span holds before those.
    pub earlier: Earlier,
}

/// How many ticks came before those that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// None: the list is complete.
    None,
    /// So many, at least one.
    Exactly {
        /// How many.
        count: usize,
        /// The first of them.
        first: Timestamp,
    },
    /// More than anyone counts.
    AtLeast {
        /// How many were counted.
        count: usize,
        /// The first of all.
        first: Timestamp,
    },
}

impl Schedule {
    /// Reads one or several expressions. Says which one is wrong, and why.
    pub fn parse<S: AsRef<str>>(expressions: &[S], zone: TimeZone) -> Result<Self, String> {
        if expressions.is_empty() {
            return Err("no cron expression is given".to_owned());
        }
        let expressions = expressions
            .iter()
            .map(|text| {
                let shown: String = text.as_ref().chars().take(60).collect();
                Expression::parse(text.as_ref()).map_err(|reason| format!("`{shown}`: {reason}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { expressions, zone })
    }

    /// The times of a deadline. Says what is wrong with it.
    pub fn of_deadline(deadline: &Deadline) -> Result<Self, String> {
        Self::parse(std::slice::from_ref(&deadline.expression), zone(&deadline.time_zone)?)
    }

    /// The first tick strictly after an instant. None comes after the year 2100.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = (second_of(after) + 1).max(EARLIEST);
        self.expressions.iter().filter_map(|e| first(e, &self.zone, from)).min().map(timestamp)
    }

    /// Ticks strictly after an instant, in order.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        iter::successors(self.next(after), |tick| self.next(*tick))
    }

    /// The last `at_most` ticks after an instant and not after another, and how many came before them in that span.
    pub fn passed(&self, after: Timestamp, until: Timestamp, at_most: usize) -> Passed {
        let back = iter::successors(self.last(second_of(until)), |tick| self.last(tick - 1));
        let mut back = back.map(timestamp).take_while(|tick| *tick > after);
        let mut ticks: Vec<_> = back.by_ref().take(at_most).collect();
        ticks.reverse();
        let earlier = match (back.take(COUNTED + 1).count(), self.next(after)) {
            (0, _) | (_, None) => Earlier::None,
            (count, Some(first)) if count > COUNTED => Earlier::AtLeast { count: COUNTED, first },
            (count, Some(first)) => Earlier::Exactly { count, first },
        };
        Passed { ticks, earlier }
    }

    /// The last tick up to a second.
    fn last(&self, until: i64) -> Option<i64> {
        let until = until.min(LATEST);
        self.expressions.iter().filter_map(|e| last(e, &self.zone, until)).max()
    }
}

/// The second that an instant is in.
fn second_of(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

/// The first tick of an expression from a second on.
fn first(expression: &Expression, zone: &TimeZone, mut from: i64) -> Option<i64> {
    if from >= LATEST {
        return None;
    }
    let mut era = Era::of(zone, from);
    // What was found last: between the two, nothing matches. It mostly stays the answer in the next era.
    let mut found = (i64::MAX, i64::MIN);
    loop {
        let shown = from + era.offset;
        let wall = if expression.is_interval() {
            shown
        } else if from == era.start {
            era.fresh
        } else {
            shown.max(era.fresh)
        };
        if !(found.0..=found.1).contains(&wall) {
            found = (wall, expression.at_or_after(wall).unwrap_or(i64::MAX));
        }
        // What the clock left out has no second of its own: it falls on the first after the gap.
        let tick = found.1.saturating_sub(era.offset).max(from);
        if tick < era.end {
            return Some(tick);
        }
        era = era.following(zone)?;
        from = era.start;
    }
}

/// The last tick of an expression up to a second.
fn last(expression: &Expression, zone: &TimeZone, mut until: i64) -> Option<i64> {
    if until < EARLIEST {
        return None;
    }
    let mut era = Era::of(zone, until);
    let mut found = (i64::MAX, i64::MIN);
    loop {
        let wall = until + era.offset;
        if !(found.0..=found.1).contains(&wall) {
            found = (expression.at_or_before(wall).unwrap_or(i64::MIN), wall);
        }
        let begins = if expression.is_interval() { era.first_shown() } else { era.fresh };
        if found.0 > i64::MIN && found.0 >= begins {
            return Some((found.0 - era.offset).max(era.start));
        }
        era = era.preceding(zone)?;
        until = era.end - 1;
    }
}
