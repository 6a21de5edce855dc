//! Names of time zones, as the IANA writes them.

use std::collections::BTreeSet;

use jiff::tz::{self, TimeZone, TimeZoneDatabase};

use crate::model::nearest;

const ADVICE: &str = "use the IANA name of a place, such as `Europe/Berlin`, or `UTC`";

/// Names that mean the machine's own zone to someone.
const LOCAL: [&str; 5] = ["local", "localtime", "system", "host", "posixrules"];

/// The time zone of a name, from the system's database, or from our own where the system has none or does not know it.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    if name.trim().is_empty() {
        return Err(format!("no time zone is named: {ADVICE}"));
    }
    if LOCAL.into_iter().any(is) {
        return Err(format!("`{name}` is another time zone on another machine: {ADVICE}"));
    }
    if is_public(name) {
        let found = tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
        // jiff takes any case, and has a zone for the unknown, which has no name.
        if let Ok(zone) = found
            && zone.iana_name() == Some(name)
        {
            return Ok(zone);
        }
    }
    if is_offset(name) {
        return Err(format!("`{name}` is an offset, which knows no summer time: {ADVICE}"));
    }
    let known: BTreeSet<String> = tz::db()
        .available()
        .chain(TimeZoneDatabase::bundled().available())
        .map(|known| known.as_str().to_owned())
        .filter(|known| is_public(known))
        .collect();
    let similar = similar(name, &known);
    if similar.is_empty() {
        return Err(format!("`{name}` is no time zone that is known: {ADVICE}"));
    }
    let similar: Vec<_> = similar.iter().map(|known| format!("`{known}`")).collect();
    Err(format!("`{name}` is no time zone that is known: did you mean {}?", similar.join(" or ")))
}

/// The system's folder also holds copies that count leap seconds, and what stands for "not set".
fn is_public(name: &str) -> bool {
    !["posix/", "right/"].iter().any(|prefix| name.starts_with(prefix))
        && !LOCAL.contains(&name)
        && name != "Factory"
}

/// `+01:00`, `-5`, `UTC+1`, `GMT-03:30`.
fn is_offset(name: &str) -> bool {
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let word = &name[..name.len() - digits.len()];
    ["", "UTC", "GMT", "Z"].iter().any(|known| known.eq_ignore_ascii_case(word))
        && digits.starts_with(['+', '-', '\u{2212}'])
        && digits.contains(|c: char| c.is_ascii_digit())
}

/// What someone may have meant who wrote a name that nobody knows.
fn similar<'a>(name: &str, known: &'a BTreeSet<String>) -> Vec<&'a str> {
    let place = name.trim().replace(' ', "_");
    let names = || known.iter().map(String::as_str);
    if let Some(same) = names().find(|known| known.eq_ignore_ascii_case(&place)) {
        return vec![same];
    }
    // An abbreviation is near to many others, which are hours away. What is longer than any name is near to none.
    if place.len() > 60 || place.len() <= 5 && place.bytes().all(|b| b.is_ascii_uppercase()) {
        return Vec::new();
    }
    let in_city = |wanted: &str| -> Vec<_> {
        names()
            .filter(|known| known.contains('/') && city_of(known).eq_ignore_ascii_case(wanted))
            .take(3)
            .collect()
    };
    // The place may be right and the region wrong, or missing.
    let exact = in_city(city_of(&place));
    if !exact.is_empty() {
        return exact;
    }
    if let Some(near) = nearest(&place, names()) {
        return vec![near];
    }
    nearest(city_of(&place), names().filter(|known| known.contains('/')).map(city_of))
        .map(in_city)
        .unwrap_or_default()
}

fn city_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zones_have_the_names_that_the_iana_gives() {
        for name in
            ["Europe/Berlin", "UTC", "Etc/UTC", "Etc/GMT-1", "America/Argentina/Buenos_Aires", "US/Eastern"]
        {
            assert_eq!(zone(name).unwrap().iana_name(), Some(name));
        }
    }

    #[test]
    fn zones_are_known_where_the_system_knows_none() {
        assert!(TimeZoneDatabase::bundled().get("Europe/Berlin").is_ok());
    }

    #[test]
    fn other_names_are_refused_with_advice() {
        let names = [
            "",
            " ",
            "europe/berlin",
            "Europe/Berln",
            "Europe/Berlin ",
            "Berlin",
            "berlim",
            "America/Berlin",
            "Buenos Aires",
            "New York",
            "utc",
            "CEST",
            "PST",
            "+01:00",
            "-5",
            "UTC+1",
            "gmt-03:30",
            "\u{2212}3",
            "local",
            "Local",
            "posixrules",
            "Factory",
            "Etc/Unknown",
            "posix/Europe/Berlin",
            "right/Europe/Berlin",
            "../../etc/localtime",
            "/usr/share/zoneinfo/Europe/Berlin",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "somewhere over the rainbow",
        ];
        let said = names.map(|name| format!("{name}: {}", zone(name).unwrap_err()));
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in prop_oneof![any::<String>(), "[A-Za-z+:0-9/_-]{0,12}"]) {
            let _ = zone(&name);
        }
    }
}
