//! Mails as texts: headers that say what they should, and lines that every server takes.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::{at, post};
use crate::{
    config::{Mailbox, Smtp, Tls},
    deliver::{Again, mail::compose},
};

fn smtp(to: &[&str]) -> Smtp {
    Smtp {
        host: "h".to_owned(),
        port: 25,
        tls: Tls::None,
        login: None,
        from: Mailbox::parse("\"Tidegate: nights, days\" <tidegate@example.com>").unwrap(),
        to: to.iter().map(|text| Mailbox::parse(text).unwrap()).collect(),
        timeout: SignedDuration::from_secs(1),
    }
}

fn mail(headers: &[(&str, &str)], body: &[u8]) -> Result<String, String> {
    let request = post("", headers, body);
    compose(&smtp(&["a@b.c"]), &request, "key", at()).map(|mail| String::from_utf8(mail).unwrap()).map_err(
        |error| {
            assert_eq!(error.again, Again::Never);
            error.to_string()
        },
    )
}

/// The value of a header, its folds undone.
fn header(mail: &str, name: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let line = head.split("\r\n").find(|line| line.starts_with(&format!("{name}: "))).unwrap();
    line[name.len() + 2..].to_owned()
}

/// What a reader makes of words like `=?utf-8?b?…?=`.
fn decoded(value: &str) -> String {
    let mut out = String::new();
    let mut bytes = Vec::new();
    for word in value.split(' ') {
        match word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?=")) {
            Some(encoded) => bytes.extend(BASE64_STANDARD.decode(encoded).unwrap()),
            None => {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(word);
            }
        }
    }
    out + &String::from_utf8(bytes).unwrap()
}

#[test]
fn subjects_in_any_script_can_be_read_again() {
    let long = "a word ".repeat(40);
    for subject in [
        "build failed: 1 model failed, 12 skipped",
        "Prüfung: 3 Fehler in »Aufträge«",
        "注文テーブルの更新に失敗しました：十二個のノードがスキップされました。原因を調べてください。",
        "🚨 build failed 🚨",
        "=?utf-8?q?not_what_it_seems?=",
        long.trim(),
    ] {
        let mail = mail(&[("Subject", subject)], b"x").unwrap();
        assert_eq!(decoded(&header(&mail, "Subject")), subject);
        assert!(mail.lines().all(|line| line.len() <= 78), "{mail}");
        assert!(mail.is_ascii());
    }
    let longest = mail(&[("Subject", &"x".repeat(5_000))], b"x").unwrap();
    assert_eq!(decoded(&header(&longest, "Subject")), format!("{}…", "x".repeat(500)));
    assert_eq!(header(&mail(&[], b"x").unwrap(), "Subject"), "Tidegate");
}

#[test]
fn names_in_addresses_are_quoted_or_encoded() {
    let many: Vec<_> = (0..40).map(|n| format!("Team {n} <team-{n}@example.com>")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let to = [&["Grüße <a@b.c>", "\"Data, Team\" <d@b.c>", "c@b.c"][..], &many].concat();
    let mail = compose(&smtp(&to), &post("", &[], b"x"), "key", at()).unwrap();
    let mail = String::from_utf8(mail).unwrap();
    let from = header(&mail, "From");
    let (name, address) = from.rsplit_once(' ').unwrap();
    assert_eq!((decoded(name).as_str(), address), ("Tidegate: nights, days", "<tidegate@example.com>"));
    let to = header(&mail, "To");
    let names: Vec<_> = to.split(", ").map(|one| one.rsplit_once(' ').map_or("", |(name, _)| name)).collect();
    assert_eq!(names[..3].iter().map(|name| decoded(name)).collect::<Vec<_>>(), ["Grüße", "Data, Team", ""]);
    assert_eq!((names[3], names.len()), ("\"Team 0\"", 43));
    assert!(to.ends_with("<team-39@example.com>"), "{to}");
    assert!(mail.lines().all(|line| line.len() <= 78), "{mail}");
    assert_eq!(header(&mail, "Date"), "Sun, 22 Nov 2026 20:15:00 +0000");
}

#[test]
fn a_notifier_sets_the_subject_and_what_is_about_the_content() {
    let headers = [
        ("subject", "s"),
        ("content-type", "text/html; charset=utf-8"),
        ("Content-Transfer-Encoding", "Quoted-Printable"),
        ("Content-Language", "de"),
    ];
    let ok = mail(&headers, b"a=C3=A9\n").unwrap();
    assert_eq!(header(&ok, "Content-Type"), "text/html; charset=utf-8");
    assert_eq!(header(&ok, "Content-Transfer-Encoding"), "quoted-printable");
    assert_eq!(header(&ok, "Content-Language"), "de");
    for name in [
        "From",
        "To",
        "Bcc",
        "Cc",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Sender",
        "X-A",
        "",
        "Content-Type\r\nBcc",
        "Content-é",
    ] {
        assert!(mail(&[(name, "x")], b"x").is_err(), "{name}");
    }
    for value in ["a\r\nBcc: x@y.z", "a\nb", "a\0b", "a\rb"] {
        assert!(mail(&[("Subject", value)], b"x").is_err(), "{value}");
        assert!(mail(&[("Content-Type", value)], b"x").is_err(), "{value}");
    }
    assert!(mail(&[("Subject", "a"), ("subject", "b")], b"x").is_err());
    assert!(mail(&[("Content-Type", "é")], b"x").is_err());
    assert!(mail(&[("Content-Type", &"x".repeat(1_000))], b"x").is_err());
}

#[test]
fn a_body_is_in_the_encoding_that_it_names() {
    let of = |encoding: &str, body: &[u8]| mail(&[("Content-Transfer-Encoding", encoding)], body);
    for encoding in ["7bit", "quoted-printable", "base64"] {
        assert!(of(encoding, b"abc\n").is_ok());
        assert!(of(encoding, "é".as_bytes()).is_err());
        assert!(of(encoding, "x".repeat(1_000).as_bytes()).is_err());
        assert!(of(encoding, b"a\0b").is_err());
    }
    assert!(of("binary", b"x").is_err() && of("x-uu", b"x").is_err());
    // What names none, or does not fit, is encoded here.
    for (encoding, body) in
        [("8bit", "é".to_owned()), ("8bit", "x".repeat(1_000)), ("8bit", "a\0b".to_owned())]
    {
        let mail = of(encoding, body.as_bytes()).unwrap();
        assert_eq!(header(&mail, "Content-Transfer-Encoding"), "base64");
        let encoded = mail.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "");
        assert_eq!(BASE64_STANDARD.decode(encoded).unwrap(), body.as_bytes());
    }
    let parts = [("Content-Type", "multipart/mixed; boundary=x")];
    assert!(mail(&parts, "x".repeat(1_000).as_bytes()).is_err());
    assert_eq!(header(&mail(&parts, b"--x\n").unwrap(), "Content-Transfer-Encoding"), "7bit");
}

#[test]
fn line_ends_are_those_of_mail() {
    let mail = mail(&[], b"a\nb\r\nc\rd\n\n").unwrap();
    assert_eq!(mail.split_once("\r\n\r\n").unwrap().1, "a\r\nb\r\nc\r\nd\r\n\r\n");
}

proptest! {
    #[test]
    fn every_mail_is_one_that_a_server_takes(subject in any::<String>(), body in prop::collection::vec(any::<u8>(), 0..3_000)) {
        if let Ok(mail) = mail(&[("Subject", &subject)], &body) {
            prop_assert!(mail.is_ascii());
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])));
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            let names: Vec<_> = head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])).map(|l| l.split(':').next().unwrap()).collect();
            prop_assert_eq!(names, [
                "From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding",
            ]);
        } else {
            prop_assert!(subject.chars().any(char::is_control));
        }
    }
}
