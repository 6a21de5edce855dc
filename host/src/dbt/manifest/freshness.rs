//! How fresh an asset has to be, as its `meta` says.
//!
//! `meta.tidegate.fresh_within` is a span such as `24h`, or a block with `within`, `deadline` (a cron expression),
//! `time_zone` and `severity` (`error` or `warn`). Without it `meta.dagster.freshness_check` counts, as dagster-dbt 0.29
//! reads it: `lower_bound_delta_seconds`, `deadline_cron`, `timezone` or `deadline_timezone`, `severity`. Of sources neither is
//! heeded: dbt has thresholds of its own for them.

use jiff::SignedDuration;
use serde_json::value::RawValue;

use super::json::{Fields, pick, text};
use crate::model::{Deadline, FreshWithin, Severity, span};

/// What a block of either kind says. The inner error is the setting that cannot be understood.
pub(super) fn fresh_within(
    own: Option<&RawValue>,
    dagster: Option<&RawValue>,
) -> Result<Option<FreshWithin>, &'static str> {
    if let Some(own) = own {
        return of_tidegate(own).map(Some).ok_or("meta.tidegate.fresh_within");
    }
    match dagster {
        Some(check) => of_dagster(check).map(Some).ok_or("meta.dagster.freshness_check"),
        None => Ok(None),
    }
}

/// The keys of Tidegate's own block.
const KEYS: [&str; 4] = ["within", "deadline", "time_zone", "severity"];

/// The keys of a block of Tidegate's own that nobody knows.
pub(super) fn unknown_keys(own: &RawValue) -> Vec<String> {
    let mut fields = Fields::default();
    if !fields.read(own) {
        return Vec::new();
    }
    fields.iter().map(|(name, _)| name).filter(|name| !KEYS.contains(name)).map(str::to_owned).collect()
}

fn of_tidegate(value: &RawValue) -> Option<FreshWithin> {
    if let Some(text) = text(value) {
        return Some(FreshWithin { within: span(&text)?, deadline: None, severity: Severity::Error });
    }
    let [within, deadline, time_zone, severity] = pick(Some(value), KEYS);
    Some(FreshWithin {
        within: span(&text(within?)?)?,
        deadline: deadline_of(deadline, time_zone)?,
        severity: severity_of(severity)?,
    })
}

fn of_dagster(value: &RawValue) -> Option<FreshWithin> {
    let [seconds, expression, zone, old_zone, severity] = pick(
        Some(value),
        ["lower_bound_delta_seconds", "deadline_cron", "timezone", "deadline_timezone", "severity"],
    );
    let seconds: f64 = seconds?.get().parse().ok()?;
    let within = SignedDuration::try_from_secs_f64(seconds).ok().filter(SignedDuration::is_positive)?;
    Some(FreshWithin {
        within,
        deadline: deadline_of(expression, zone.or(old_zone))?,
        severity: severity_of(severity)?,
    })
}

fn deadline_of(expression: Option<&RawValue>, zone: Option<&RawValue>) -> Option<Option<Deadline>> {
    let Some(expression) = expression.filter(|value| value.get() != "null") else { return Some(None) };
    let time_zone = match zone.filter(|value| value.get() != "null") {
        Some(zone) => text(zone)?.into_owned(),
        None => "UTC".to_owned(),
    };
    Some(Some(Deadline { expression: text(expression)?.into_owned(), time_zone }))
}

fn severity_of(value: Option<&RawValue>) -> Option<Severity> {
    match value.filter(|value| value.get() != "null") {
        None => Some(Severity::Error),
        Some(value) => match text(value)?.to_ascii_lowercase().as_str() {
            "error" => Some(Severity::Error),
            "warn" => Some(Severity::Warn),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(own: Option<&str>, dagster: Option<&str>) -> Result<Option<FreshWithin>, &'static str> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (own, dagster) = (own.map(raw), dagster.map(raw));
        fresh_within(own.as_deref(), dagster.as_deref())
    }

    #[test]
    fn a_span_is_enough() {
        let found = read(Some(r#""1h 30m""#), None).unwrap().unwrap();
        assert_eq!((found.within, found.deadline), (SignedDuration::from_mins(90), None));
        let block =
            r#"{"within": "26h", "deadline": "0 9 * * *", "time_zone": "Europe/Berlin", "severity": "warn"}"#;
        let found = read(Some(block), Some("{}")).unwrap().unwrap();
        assert_eq!(found.severity, Severity::Warn);
        assert_eq!(found.deadline.unwrap().time_zone, "Europe/Berlin");
    }

    #[test]
    fn dagsters_check_is_understood() {
        let check =
            r#"{"lower_bound_delta_seconds": 86400.0, "deadline_cron": "0 9 * * *", "severity": "WARN"}"#;
        let found = read(None, Some(check)).unwrap().unwrap();
        assert_eq!((found.within, found.severity), (SignedDuration::from_hours(24), Severity::Warn));
        assert_eq!(found.deadline.unwrap().time_zone, "UTC");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for odd in ["3", r#""soon""#, r#""-1h""#, r#"{"within": 3}"#, r#"{"within": "1h", "severity": "x"}"#]
        {
            assert_eq!(read(Some(odd), None), Err("meta.tidegate.fresh_within"), "{odd}");
        }
        assert_eq!(read(None, Some("{}")), Err("meta.dagster.freshness_check"));
    }

    #[test]
    fn keys_that_nobody_knows_are_named_and_the_others_count() {
        let odd = r#"{"within": "1h", "sevrity": "warn"}"#;
        assert_eq!(unknown_keys(&RawValue::from_string(odd.to_owned()).unwrap()), ["sevrity"]);
        assert!(read(Some(odd), None).unwrap().is_some());
        assert_eq!(unknown_keys(&RawValue::from_string(r#""1h""#.to_owned()).unwrap()), [""; 0]);
    }
}
