//! Spans of time as people write and read them: `90s`, `1h 30m`.
//!
//! Owns the grammar of spans in a configuration, which is the host's own, and the words for them in a sentence.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time: in a configuration a text with units (`30s`, `10m`, `1h 30m`, `2d`), or a number of seconds. It shows
/// as `60 s`, `10 min`, `1 h 30 min`.
///
/// ```
/// # use tidegate_plugin::Span;
/// # use std::time::Duration;
/// let delay: Span = "1h 30m".parse().unwrap();
/// assert_eq!(delay.duration(), Duration::from_secs(5400));
/// assert_eq!(delay.to_string(), "1 h 30 min");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

const HINT: &str = "write `90s`, `10m`, `1h 30m` or `2d`";

impl Span {
    /// A span of so many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A span of so many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same as the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("`{text}` is not a span of time: {HINT}"))
    }
}

fn parse(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut whole = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, after) = after.split_at(letters);
        let millis = number
            .parse::<u64>()
            .ok()?
            .checked_mul(unit_millis(unit)?)?;
        whole = whole.checked_add(Duration::from_millis(millis))?;
        rest = after.trim_start();
    }
    Some(Span(whole))
}

fn unit_millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    })
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            return formatter.write_str("0 s");
        }
        if millis < 1000 {
            return write!(formatter, "{millis} ms");
        }
        let tenths = (millis + 50) / 100;
        if tenths < 100 && !tenths.is_multiple_of(10) {
            return write!(formatter, "{}.{} s", tenths / 10, tenths % 10);
        }
        let seconds = (millis + 500) / 1000;
        // The two largest units say enough; a time that people count in seconds stays in seconds.
        let (large, large_unit, small, small_unit) = match seconds {
            0..120 => return write!(formatter, "{seconds} s"),
            120..3600 => (seconds / 60, "min", seconds % 60, "s"),
            3600..172_800 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
            _ => (seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
        };
        write!(formatter, "{large} {large_unit}")?;
        if small > 0 {
            write!(formatter, " {small} {small_unit}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrSeconds)
    }
}

struct TextOrSeconds;

impl Visitor<'_> for TextOrSeconds {
    type Value = Span;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a span of time such as `90s`, or a number of seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Span, E> {
        Ok(Span::seconds(seconds))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Span, E> {
        Err(E::custom(format!(
            "`{seconds}` is not a span of time: {HINT}"
        )))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Span, E> {
        let span = Duration::try_from_secs_f64(seconds);
        span.map(Span)
            .map_err(|_| E::custom(format!("`{seconds}` is not a span of time: {HINT}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Span, String> {
        Span::deserialize(value).map_err(|error| error.to_string())
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("30 s", 30),
            ("10m", 600),
            ("1h 30m", 5400),
            ("1h30m", 5400),
            ("2 days", 172_800),
            ("1 hour 1 sec", 3601),
            ("0s", 0),
        ] {
            assert_eq!(read(json!(text)), Ok(Span::seconds(seconds)), "{text}");
        }
        assert_eq!(read(json!("250ms")), Ok(Span::millis(250)));
        assert_eq!(read(json!(60)), Ok(Span::seconds(60)));
        assert_eq!(read(json!(0.5)), Ok(Span::millis(500)));
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        for text in [
            "",
            " ",
            "s",
            "10",
            "10 x",
            "-1s",
            "1s 2",
            "1.5h",
            "ten s",
            "99999999999999999999s",
        ] {
            let error = read(json!(text)).unwrap_err();
            assert_eq!(error, format!("`{text}` is not a span of time: {HINT}"));
        }
        assert!(read(json!(-5)).unwrap_err().starts_with("`-5` is not"));
        assert!(read(json!(-0.5)).unwrap_err().starts_with("`-0.5` is not"));
        assert!(
            read(json!(true))
                .unwrap_err()
                .contains("expected a span of time such as `90s`")
        );
    }

    #[test]
    fn spans_show_as_people_say_them() {
        for (millis, words) in [
            (0, "0 s"),
            (1, "1 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (1500, "1.5 s"),
            (9_960, "10 s"),
            (59_600, "60 s"),
            (60_000, "60 s"),
            (119_000, "119 s"),
            (120_000, "2 min"),
            (150_000, "2 min 30 s"),
            (3_599_000, "59 min 59 s"),
            (5_400_000, "1 h 30 min"),
            (9_000_000, "2 h 30 min"),
            (172_800_000, "2 d"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(Span::millis(millis).to_string(), words);
        }
    }
}
