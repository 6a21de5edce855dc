//! The stretches of time between two changes of a zone's clock. All of it in whole seconds since 1970.

use jiff::{Timestamp, tz::TimeZone};

/// No tick is outside of these: the `cron` crate knows the years 1970 to 2100, and no zone is two days from UTC.
pub(super) const EARLIEST: i64 = -3 * DAY;
pub(super) const LATEST: i64 = 4_133_980_800 + 3 * DAY;

const DAY: i64 = 24 * 60 * 60;

/// Two clocks differ by less than this, whatever their offsets: one is at most 26 hours from UTC.
const WIDEST: i64 = 52 * 60 * 60;

/// A stretch of time with one offset from UTC.
pub(super) struct Era {
    /// Its first second. [`i64::MIN`] where nothing came before.
    pub start: i64,
    /// The first second after it; at most [`LATEST`].
    pub end: i64,
    /// What the wall clock shows more than UTC.
    pub offset: i64,
    /// The first second that the wall clock has not yet shown, nor left out, when the era begins.
    pub fresh: i64,
}

impl Era {
    /// The era of an instant from [`EARLIEST`] to [`LATEST`].
    pub fn of(zone: &TimeZone, instant: i64) -> Self {
        let mut era = Self {
            start: i64::MIN,
            end: end_of(zone, instant),
            offset: offset_at(zone, instant),
            fresh: i64::MIN,
        };
        for change in zone.preceding(timestamp(instant + 1)) {
            let change = change.timestamp().as_second();
            if era.start == i64::MIN {
                era.start = change;
            } else if change < era.start - WIDEST {
                break;
            }
            era.fresh = era.fresh.max(change + offset_at(zone, change - 1));
        }
        era
    }

    pub fn following(&self, zone: &TimeZone) -> Option<Self> {
        (self.end < LATEST).then(|| Self {
            start: self.end,
            end: end_of(zone, self.end),
            offset: offset_at(zone, self.end),
            fresh: self.fresh.max(self.end + self.offset),
        })
    }

    pub fn preceding(&self, zone: &TimeZone) -> Option<Self> {
        (self.start > EARLIEST).then(|| Self::of(zone, self.start - 1))
    }

    /// The first second that the wall clock shows in it.
    pub fn first_shown(&self) -> i64 {
        self.start.saturating_add(self.offset)
    }
}

/// A whole second as a timestamp. What is out of reach becomes the end of what jiff reaches.
pub(super) fn timestamp(second: i64) -> Timestamp {
    let end = if second < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(second).unwrap_or(end)
}

fn offset_at(zone: &TimeZone, instant: i64) -> i64 {
    zone.to_offset(timestamp(instant)).seconds().into()
}

fn end_of(zone: &TimeZone, instant: i64) -> i64 {
    let change = zone.following(timestamp(instant)).next();
    change.map_or(LATEST, |change| change.timestamp().as_second().min(LATEST))
}
