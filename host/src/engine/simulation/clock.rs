//! A clock that can be set, and that can stand still: real time goes on behind it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// What the clock of the machine shows, and what time it really is.
#[derive(Debug)]
pub(super) struct Clock {
    /// Milliseconds since the beginning.
    pub(super) real: i64,
    /// From when on it shows what, and whether it goes.
    eras: Vec<(i64, Timestamp, bool)>,
}

impl Clock {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { real: 0, eras: vec![(0, start, true)] }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.at(self.real)
    }

    /// What it showed at a time.
    pub(super) fn at(&self, real: i64) -> Timestamp {
        let (from, shown, goes) = *self.eras.iter().rev().find(|(from, ..)| *from <= real).unwrap();
        if goes { shown + SignedDuration::from_millis(real - from) } else { shown }
    }

    /// When it shows a time, if nobody sets it; never, where it stands still.
    pub(super) fn real_of(&self, shown: Timestamp) -> Option<i64> {
        let (from, at, goes) = *self.eras.last().unwrap();
        let now = self.now();
        if shown <= now {
            return Some(self.real);
        }
        let nanos = shown.duration_since(at).as_nanos();
        goes.then(|| {
            from + i64::try_from(nanos.div_euclid(1_000_000) + i128::from(nanos % 1_000_000 != 0)).unwrap()
        })
    }

    /// Sets it, and lets it go or stand still.
    pub(super) fn set(&mut self, by: SignedDuration, goes: bool) {
        self.eras.push((self.real, self.now() + by, goes));
    }

    pub(super) fn goes(&self) -> bool {
        self.eras.last().unwrap().2
    }

    /// Since when nobody has set it.
    pub(super) fn untouched_since(&self) -> i64 {
        self.eras.last().unwrap().0
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "day {:.5} ({:.3})", self.real as f64 / 86_400_000.0, self.now())
    }
}
