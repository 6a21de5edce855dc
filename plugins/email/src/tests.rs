//! Mails as a parser that knows nothing of ours reads them.

use super::*;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin::notifier::Attempt;
use tidegate_plugin::testing::{destination, notification, notified_node, render};

/// A mail as it was read: subject, text, HTML.
struct Read {
    subject: String,
    text: String,
    html: String,
    size: usize,
}

/// Puts the headers that Tidegate adds in front, and reads the whole.
fn read(config: Value, about: &Notification) -> Read {
    let requests = render::<Email>(config, &[destination("mail", "smtp")], about).unwrap();
    assert_eq!(requests.len(), 1);
    let mut raw = b"From: tidegate@example.com\r\nTo: ops@example.com\r\nMIME-Version: 1.0\r\n".to_vec();
    let mut subject = String::new();
    for (name, value) in &requests[0].headers {
        assert!(!value.contains(['\r', '\n']), "{name}: {value}");
        if name == "Subject" {
            // Tidegate encodes it.
            subject.clone_from(value);
            continue;
        }
        assert!(value.is_ascii());
        raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(&requests[0].body);
    let content = std::str::from_utf8(&requests[0].body).unwrap();
    assert!(content.is_ascii() && content.ends_with("\r\n"));
    assert!(!content.replace("\r\n", "").contains(['\r', '\n']), "every line ends with both");
    assert!(content.split("\r\n").all(|line| line.len() <= 76));

    let mail = MessageParser::default().parse(&raw).unwrap();
    let kind = mail.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
    assert_eq!((mail.parts.len(), mail.text_body.len(), mail.html_body.len()), (3, 1, 1));
    assert_eq!(mail.attachment_count(), 0);
    let part = |number: usize| {
        let part = &mail.parts[number];
        assert_eq!(part.content_type().unwrap().attribute("charset"), Some("utf-8"));
        assert!(!part.is_encoding_problem);
        part.text_contents().unwrap().replace("\r\n", "\n")
    };
    Read { subject, text: part(1), html: part(2), size: raw.len() }
}

fn about_nodes(count: usize, text: &str) -> Notification {
    let mut about = notification("run_failed", "build failed: 1 model failed");
    about.nodes = (0..count.min(1000))
        .map(|n| {
            let mut node = notified_node("model", &format!("m{n}"), text);
            node.query = Some(text.to_owned());
            node
        })
        .collect();
    about.nodes_total = count as u32;
    about.skipped = (0..count.min(1000)).map(|n| format!("marts/s{n}")).collect();
    about.skipped_total = count as u32;
    about
}

/// The elements of a document, in order; fails where one is not closed, or where a text could begin one.
fn elements(html: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a document begins so");
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray `>`: {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'));
        let name = tag.split(' ').next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed));
        } else {
            elements.push(tag.to_owned());
            if name != "meta" {
                open.push(name.to_owned());
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    elements
}

#[test]
fn a_mail_says_what_one_needs_to_know_in_both_forms() {
    let mut about = about_nodes(1, "Binder Error: a < b & \"c\"");
    about.text = Some("It worked yesterday.".to_owned());
    about.owners = vec!["team:data".to_owned()];
    about.nodes[0].link = Some("https://t.example.com/assets/m0?a=1&b=2".to_owned());
    about.run.as_mut().unwrap().attempts = vec![Attempt {
        step: 1,
        attempt: 1,
        command: "dbt build".to_owned(),
        state: "failed".to_owned(),
        reason: None,
        decision: Some("given up: it would fail again".to_owned()),
        took: Some(60_000),
    }];
    let mail = read(json!({}), &about);
    assert_eq!(mail.subject, "[Tidegate] build failed: 1 model failed");
    assert_eq!(
        mail.text,
        "🔴 build failed: 1 model failed\n\nIt worked yesterday.\n\nProject: shop\nJob: build\n\
         Run: 12, asked for by tidegate (schedule)\nTarget: dev\nTime: 2 min 3 s, usually 60 s: 2.1 times as long\n\
         When: 2026-01-01 06:02:03 UTC\nOwners: team:data\n\nhttp://127.0.0.1:4600/runs/12\n\n\
         * m0: model, error after 1.5 s\n  models/m0.sql\n    Binder Error: a < b & \"c\"\n  The rows:\n    \
         Binder Error: a < b & \"c\"\n  https://t.example.com/assets/m0?a=1&b=2\n\n1 asset was skipped: marts/s0\n\n\
         Attempts:\n* step 1, attempt 1: failed after 60 s → given up: it would fail again\n\n-- \n\
         Tidegate · alert ops · notification 481\n"
    );
    for words in [
        "🔴 build failed: 1 model failed</h2>",
        "It worked yesterday.",
        "2 min 3 s, usually 60 s: 2.1 times as long",
        "<a href=\"http://127.0.0.1:4600/runs/12\">12, asked for by tidegate (schedule)</a>",
        "<a href=\"https://t.example.com/assets/m0?a=1&amp;b=2\">m0</a>",
        "Binder Error: a &lt; b &amp; &quot;c&quot;</pre>",
        "1 asset was skipped: marts/s0",
        "<li>step 1, attempt 1: failed after 60 s → given up: it would fail again</li>",
    ] {
        assert!(mail.html.contains(words), "{words}\n{}", mail.html);
    }
    elements(&mail.html);
}

#[test]
fn mails_are_valid_for_one_node_and_for_thousands() {
    for count in [0, 1, 5000] {
        for text in ["", "boom", &"--=_tidegate\n".repeat(300), &"😀".repeat(5000), &".\n".repeat(2000)] {
            for max_nodes in [50, 1000] {
                let mail = read(json!({"max_nodes": max_nodes}), &about_nodes(count, text));
                elements(&mail.html);
                assert!(mail.size < 3_000_000, "{}", mail.size);
            }
        }
    }
    let mail = read(json!({}), &about_nodes(5000, "boom"));
    assert!(mail.text.contains("… 4950 more") && mail.text.contains("5000 assets were skipped: marts/s0, "));
    assert!(mail.size < 100_000, "{}", mail.size);
}

#[test]
fn mails_go_to_mailboxes_only() {
    let to = [destination("a", "smtp"), destination("b", "http"), destination("c", "smtp")];
    let about = notification("test", "a test");
    let requests = render::<Email>(json!({"subject_prefix": ""}), &to, &about).unwrap();
    let names: Vec<_> = requests.iter().map(|request| request.destination.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(requests[0].headers[0], ("Subject".to_owned(), "a test".to_owned()));
    assert!(render::<Email>(json!({}), &to[1..2], &about).unwrap_err().contains("a mail goes nowhere else"));
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    for (config, words) in [
        (json!({"max_nodes": 0}), "`max_nodes` is 0: between 1 and 1000 fit"),
        (json!({"subject_prefix": "a\r\nBcc: b"}), "`subject_prefix` is not one short line"),
        (json!({"to": "ops"}), "unknown field `to`"),
    ] {
        let error = render::<Email>(config, &[], &notification("test", "x")).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("<script>alert(1)</script>".to_owned()),
        Just("</pre><img src=x onerror=y>".to_owned()),
        Just("\" onclick=\"x".to_owned()),
        Just("\r\nBcc: everyone@example.com\r\n\r\n".to_owned()),
        Just("\r\n--=_tidegate--\r\n".to_owned()),
        Just("javascript:alert(1)".to_owned()),
        Just("=3D=\n".to_owned()),
        Just("\0\u{202e}".to_owned()),
        any::<String>(),
        "[a-z ]{0,1000}",
    ];
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_dbts_becomes_a_header_or_an_element(texts in prop::collection::vec(hostile(), 10), count in 0_usize..20) {
        let mut about = notification("run_failed", &texts[0]);
        about.text = Some(texts[1].clone());
        about.alert = texts[2].clone();
        about.owners = vec![texts[3].clone()];
        about.link = Some(texts[4].clone());
        about.skipped = vec![texts[5].clone(); 3];
        about.job = Some(texts[6].clone());
        let mut node = notified_node(&texts[7], &texts[8], &texts[9]);
        node.query = Some(texts[0].clone());
        node.link = Some(texts[1].clone());
        node.path = Some(texts[2].clone());
        about.nodes = vec![node; count];
        about.nodes_total = count as u32;

        let mail = read(json!({}), &about);
        prop_assert!(!mail.subject.chars().any(char::is_control));
        let known = ["html", "head", "meta", "title", "body", "h2", "p", "table", "tr", "td", "a", "b", "pre", "ul", "li"];
        for element in elements(&mail.html) {
            let (name, attributes) = element.split_once(' ').unwrap_or((&element, ""));
            prop_assert!(known.contains(&name), "{element}");
            let allowed = match name {
                "a" => attributes == "href=\"http://127.0.0.1:4600/runs/12\"",
                "meta" => attributes == "charset=\"utf-8\"",
                _ => attributes.is_empty() || attributes.starts_with("style=\"") && attributes.matches('"').count() == 2,
            };
            prop_assert!(allowed, "{element}");
        }
        // What is said is still said: the words of the message stand in both forms.
        let words = wording::line(&about.title, 150);
        prop_assert!(words.is_empty() || mail.text.contains(&words));
    }
}
