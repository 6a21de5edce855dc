//! Addresses that stay where they are, and times of further tries.

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use url::Url;

use super::{at, text};
use crate::{
    config::web_address,
    deliver::{Again, DeliveryError, LONGEST, MOST_TRIES, address::join, next_try, secrets::Secrets},
};

fn joined(base: &str, suffix: &str) -> Result<String, String> {
    join(&web_address(base).unwrap(), suffix).map(String::from)
}

#[test]
fn what_a_notifier_adds_stands_behind_the_address() {
    for (base, suffix, expected) in [
        ("https://h", "", "https://h/"),
        ("https://h", "/", "https://h/"),
        ("https://h/", "a", "https://h/a"),
        ("https://h/hook", "", "https://h/hook"),
        ("https://h/hook", "/", "https://h/hook/"),
        ("https://h/hook", "a/b", "https://h/hook/a/b"),
        ("https://h/hook/", "/a/b/", "https://h/hook/a/b/"),
        ("https://h/hook", ".evil.com", "https://h/hook/.evil.com"),
        ("https://h", "@evil.com", "https://h/@evil.com"),
        ("https://h", ":99/x", "https://h/:99/x"),
        ("https://h/hook", "a%20b", "https://h/hook/a%20b"),
        ("https://h/hook", "...", "https://h/hook/..."),
        ("https://h/hook?key=1", "", "https://h/hook?key=1"),
        ("https://h/hook?key=1", "?a=b", "https://h/hook?key=1&a=b"),
        ("https://h/hook", "a?b=/../c?d", "https://h/hook/a?b=/../c?d"),
        ("https://h/hook", "https://evil.com", "NO"),
        ("https://u:p@h:8080/a", "b", "https://u:p@h:8080/a/b"),
        ("https://h/a%2Fb", "c", "https://h/a%2Fb/c"),
    ] {
        assert_eq!(joined(base, suffix).unwrap_or("NO".to_owned()), expected, "{base} {suffix}");
    }
}

#[test]
fn hostile_paths_are_refused() {
    for suffix in [
        "..",
        "/..",
        "../x",
        "a/../b",
        "a/..",
        "./a",
        ".",
        "//evil.com",
        "//",
        "/a//b",
        "\\\\evil.com",
        "/\\evil.com",
        "%2e%2e/x",
        "%2E./x",
        ".%2e",
        "%252e%252e/x",
        "%25252e%25252e",
        "..%2fx",
        "a%2fb",
        "a%5cb",
        "a%255cb",
        "..;/x",
        "..;a=b/x",
        "%2e%2e;x",
        "a%00b",
        "a%0d%0aX: y",
        "a%250d",
        "a b",
        "a\tb",
        "a\r\nHost: evil",
        "a#b",
        "é",
        "%",
        "%2",
        "%zz",
        "a{b",
        "a\"b",
        "\u{202e}",
        "<x>",
    ] {
        assert!(joined("https://h/hook", suffix).is_err(), "{suffix}");
    }
    assert!(joined("https://h/hook", &"a".repeat(3_000)).is_err());
}

proptest! {
    #[test]
    fn no_suffix_leads_elsewhere(
        base in "https?://(user:word@)?[a-z]{1,5}(\\.[a-z]{2,3})?(:[1-9][0-9]{0,3})?(/[a-z0-9%]{0,3}){0,3}(\\?k=v)?",
        suffix in prop_oneof![
            any::<String>(),
            "[/.%2eEfF5cC?&=:@;a#\\\\]{0,24}",
            "(/|\\.\\.|\\.|%2e|%2f|//|@|:|;|a|\\?|\\\\){0,12}",
        ],
    ) {
        let base = Url::parse(&base).unwrap();
        if let Ok(url) = join(&base, &suffix) {
            prop_assert_eq!(url.scheme(), base.scheme());
            prop_assert_eq!(url.host_str(), base.host_str());
            prop_assert_eq!(url.port_or_known_default(), base.port_or_known_default());
            prop_assert_eq!((url.username(), url.password()), (base.username(), base.password()));
            let before = base.path().trim_end_matches('/');
            prop_assert!(url.path() == base.path() || url.path().starts_with(&format!("{before}/")), "{url}");
            prop_assert!(url.query().unwrap_or("").starts_with(base.query().unwrap_or("")));
            prop_assert_eq!(url.fragment(), None);
            // What a client makes of its text is the same again.
            let text = url.as_str();
            let again = Url::parse(text).unwrap();
            prop_assert_eq!(again.as_str(), text);
            let uri: ureq::http::Uri = text.parse().unwrap();
            prop_assert_eq!(uri.host(), base.host_str());
        }
    }

    #[test]
    fn the_next_try_is_later_and_never_before_it_is_wanted(
        tries in 1_u32..60, key in "[a-z0-9]{1,20}", asked in prop::option::of(0_i64..100_000), since in 0_i64..100_000,
    ) {
        let first = at();
        let now = first + SignedDuration::from_secs(since);
        let again = asked.map_or(Again::Later, |s| Again::After(SignedDuration::from_secs(s)));
        let next = next_try(tries, &key, &error(again), now, first);
        if let Some(next) = next {
            let delay = next.duration_since(now);
            prop_assert!(tries < MOST_TRIES);
            prop_assert!(delay >= SignedDuration::from_secs(48), "{delay:#}");
            prop_assert!(delay >= SignedDuration::from_secs(asked.unwrap_or(0)));
            prop_assert!(delay <= SignedDuration::from_secs(4_320).max(SignedDuration::from_secs(asked.unwrap_or(0))));
            prop_assert!(next <= first + LONGEST);
        } else {
            prop_assert!(tries >= MOST_TRIES || since + asked.unwrap_or(0).max(4_320) > 24 * 3_600);
        }
        prop_assert_eq!(next_try(tries, &key, &error(Again::Never), now, first), None);
        prop_assert_eq!(next_try(tries, &key, &error(again), now, first), next);
    }

    #[test]
    fn a_secret_is_not_in_what_is_said_however_it_is_written(
        secret in "[ -)+-~é\u{7}]{3,40}", before in "[a-z ]{0,400}", after in ".{0,40}",
    ) {
        let mut secrets = Secrets::default();
        secrets.read("key", &text(&secret)).unwrap();
        let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
        for echoed in [secret.clone(), encoded, secret.escape_debug().to_string(), secret.to_uppercase()] {
            let said = DeliveryError::later(format!("{before}{echoed}{after}")).scrubbed(&secrets).message;
            prop_assert!(!said.contains(&secret) && said.chars().count() <= 301, "{said}");
            prop_assert!(!said.chars().any(char::is_control));
        }
    }

    #[test]
    fn each_delay_is_about_twice_the_one_before(key in "[a-z0-9]{1,20}") {
        let mut minutes = 1;
        for tries in 1..MOST_TRIES {
            let next = next_try(tries, &key, &error(Again::Later), at(), at()).unwrap();
            let delay = next.duration_since(at());
            let about = SignedDuration::from_mins(minutes);
            prop_assert!(delay >= about * 8 / 10 && delay <= about * 12 / 10, "{tries}: {delay:#}");
            minutes = (minutes * 2).min(60);
        }
    }
}

fn error(again: Again) -> DeliveryError {
    DeliveryError { again, status: None, message: String::new() }
}

#[test]
fn what_fails_together_is_not_tried_again_together() {
    let next = |key: &str| next_try(4, key, &error(Again::Later), at(), at()).unwrap();
    let all: std::collections::BTreeSet<_> = (0..100).map(|n| next(&format!("key-{n}"))).collect();
    assert!(all.len() > 80, "{}", all.len());
}

#[test]
fn a_clock_that_was_set_breaks_nothing() {
    let hour = SignedDuration::from_hours(1);
    assert!(next_try(1, "k", &error(Again::Later), at() - hour, at()).is_some());
    assert_eq!(next_try(1, "k", &error(Again::Later), at() + hour * 30, at()), None);
    assert_eq!(next_try(1, "k", &error(Again::Later), Timestamp::MAX, at()), None);
    assert_eq!(next_try(1, "k", &error(Again::Later), Timestamp::MIN, Timestamp::MAX), None);
}
