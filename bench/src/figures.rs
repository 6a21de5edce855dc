//! Figures: what several runs come to, and how it is written.
//!
//! Owns medians, ranges and units. Never knows what was measured.

use std::fmt;

use serde::Serialize;

/// Several measurements of one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The middle one; of an even number, the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Each, in the order in which they were measured.
    pub each: Vec<f64>,
}

impl Figures {
    /// Sums up what was measured. Nothing measured is all zeros.
    pub fn of(each: impl IntoIterator<Item = f64>) -> Self {
        let each: Vec<f64> = each.into_iter().collect();
        let mut sorted = each.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(sorted.len() / 2)), min: at(0), max: at(last), each }
    }

    /// The figures with their range, in a unit.
    pub fn shown(&self, unit: Unit) -> String {
        let Self { median, min, max, .. } = self;
        let number = |value: &f64| unit.number(*value);
        let (word, space) = (unit.word(), if unit.word().is_empty() { "" } else { " " });
        format!("{}{space}{word} ({}–{})", number(median), number(min), number(max))
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, as they are.
    Seconds,
    /// Seconds, as milliseconds.
    Milliseconds,
    /// Bytes, as millions of them.
    Megabytes,
    /// A ratio.
    Times,
    /// A share, as hundredths.
    Percent,
}

impl Unit {
    /// A value with its unit.
    pub fn shown(self, value: f64) -> impl fmt::Display {
        let space = if self == Self::Times { "" } else { " " };
        format!("{}{space}{}", self.number(value), self.word())
    }

    fn number(self, value: f64) -> String {
        match self {
            Self::Seconds | Self::Times => format!("{value:.2}"),
            // A cost for each of thousands is a fraction of one.
            Self::Milliseconds if value.abs() < 0.001 => format!("{:.3}", value * 1e3),
            Self::Milliseconds => format!("{:.1}", value * 1e3),
            Self::Megabytes => format!("{:.1}", value / 1e6),
            Self::Percent => format!("{:.3}", value * 1e2),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
            Self::Times => "",
            Self::Percent => "%",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Figures::of([3.0, 1.0, 2.0]).median, 2.0);
        let even = Figures::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(even.each, [4.0, 1.0, 3.0, 2.0]);
        assert_eq!(Figures::of([7.0]).median, 7.0);
        assert_eq!(Figures::of([]).median, 0.0);
    }

    #[test]
    fn figures_have_their_unit_and_range() {
        let figures = Figures::of([0.25, 0.5, 1.0]);
        assert_eq!(figures.shown(Unit::Seconds), "0.50 s (0.25–1.00)");
        assert_eq!(figures.shown(Unit::Milliseconds), "500.0 ms (250.0–1000.0)");
        assert_eq!(figures.shown(Unit::Times), "0.50 (0.25–1.00)");
        assert_eq!(Unit::Megabytes.shown(95_400_000.0).to_string(), "95.4 MB");
        assert_eq!(Unit::Times.shown(1.05).to_string(), "1.05");
        assert_eq!(Unit::Percent.shown(0.00123).to_string(), "0.123 %");
        assert_eq!(Unit::Milliseconds.shown(0.000_412).to_string(), "0.412 ms");
    }
}
