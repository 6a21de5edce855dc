//! What is said to a mail server, and what is made of its answers.

use jiff::SignedDuration;

use super::{
    at, post,
    servers::{MailServer, untrusted},
    text,
};
use crate::{
    config::{Destination, Mailbox, Place, Smtp, Tls},
    deliver::{Again, Delivered, DeliveryError, deliver},
    model::DeliveryRequest,
};

fn smtp(port: u16) -> Smtp {
    Smtp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        login: None,
        from: Mailbox::parse("Tidegate <tidegate@example.com>").unwrap(),
        to: ["a@example.com", "Grüße <b@example.com>"].map(|text| Mailbox::parse(text).unwrap()).into(),
        timeout: SignedDuration::from_secs(60),
    }
}

fn send(place: Smtp, request: &DeliveryRequest) -> Result<Delivered, DeliveryError> {
    deliver(&Destination { name: "mail".to_owned(), to: Place::Smtp(place) }, request, "key-481", at())
}

fn request() -> DeliveryRequest {
    post("", &[("Subject", "build failed")], b"One model failed.\n.\n..and a dot\n")
}

#[test]
fn a_mail_arrives_as_it_was_meant() {
    let server = MailServer::new(&["PIPELINING", "8BITMIME"], &[]);
    let delivered = send(smtp(server.port), &request()).unwrap();
    assert_eq!(delivered, Delivered { status: Some(250), said: "250 2.0.0 queued as 4711".to_owned() });
    let (commands, mail) = server.said();
    assert_eq!(
        commands,
        [
            "EHLO example.com",
            "MAIL FROM:<tidegate@example.com>",
            "RCPT TO:<a@example.com>",
            "RCPT TO:<b@example.com>",
            "DATA",
            "QUIT"
        ]
    );
    insta::assert_snapshot!(String::from_utf8(mail).unwrap().replace("\r\n", "\n"));
}

#[test]
fn the_same_key_is_the_same_message_at_each_try() {
    let id = |key: &str| {
        let server = MailServer::new(&[], &[]);
        let destination = Destination { name: "mail".to_owned(), to: Place::Smtp(smtp(server.port)) };
        deliver(&destination, &request(), key, at()).unwrap();
        let mail = String::from_utf8(server.said().1).unwrap();
        mail.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned()
    };
    assert_eq!(id("one"), id("one"));
    assert_ne!(id("one"), id("two"));
}

#[test]
fn a_login_goes_to_a_server_that_asks_for_one() {
    // "\0user\0hidden-word" and, word by word, "user" and "hidden-word".
    for (extension, expected) in [
        (&["AUTH PLAIN LOGIN"], vec!["AUTH PLAIN AHVzZXIAaGlkZGVuLXdvcmQ="]),
        (&["AUTH LOGIN"], vec!["AUTH LOGIN", "dXNlcg==", "aGlkZGVuLXdvcmQ="]),
    ] {
        let server = MailServer::new(
            extension,
            &[("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("dXNl", "334 UGFzc3dvcmQ6"), ("aGlk", "235 welcome")],
        );
        let place = Smtp { login: Some((text("user"), text("hidden-word"))), ..smtp(server.port) };
        send(place, &request()).unwrap();
        let (commands, _) = server.said();
        assert_eq!(commands[1..=expected.len()], expected);
    }
    let server = MailServer::new(
        &["AUTH PLAIN"],
        &[("AUTH", "535 5.7.8 no such hidden-word or AHVzZXIAaGlkZGVuLXdvcmQ=")],
    );
    let place = Smtp { login: Some((text("user"), text("hidden-word"))), ..smtp(server.port) };
    let error = send(place, &request()).unwrap_err();
    assert_eq!((error.again, error.status), (Again::Never, Some(535)));
    let said = error.to_string();
    assert!(!said.contains("hidden") && !said.contains("AHVz") && said.contains("login"), "{said}");
}

#[test]
fn the_code_says_whether_it_may_be_tried_again() {
    for (answers, again, status) in [
        (&[("", "421 too busy")], Again::Later, 421),
        (&[("", "554 go away")], Again::Never, 554),
        (&[("MAIL", "451 4.3.0 later")], Again::Later, 451),
        (&[("MAIL", "550 5.7.1 not you")], Again::Never, 550),
        (&[("RCPT TO:<b", "450 4.2.0 greylisted")], Again::Later, 450),
        (&[("RCPT", "550 5.1.1 nobody")], Again::Never, 550),
        (&[("DATA", "452 4.3.1 full")], Again::Later, 452),
        (&[(".", "552 5.3.4 too large")], Again::Never, 552),
        (&[(".", "450 4.7.1 try later")], Again::Later, 450),
    ] {
        let server = MailServer::new(&[], answers);
        let error = send(smtp(server.port), &request()).unwrap_err();
        assert_eq!((error.again, error.status), (again, Some(status)), "{error}");
        let (commands, _) = server.said();
        if status == 450 && answers[0].0 != "." {
            assert!(!commands.contains(&"DATA".to_owned()), "{commands:?}");
        }
    }
}

#[test]
fn one_bad_address_keeps_the_mail_from_nobody_else() {
    let server = MailServer::new(&[], &[("RCPT TO:<a@", "550 5.1.1 no such user")]);
    let delivered = send(smtp(server.port), &request()).unwrap();
    assert!(
        delivered.said.contains("a@example.com") && delivered.said.contains("no such user"),
        "{delivered:?}"
    );
    assert!(!server.said().1.is_empty());
}

#[test]
fn a_password_is_never_sent_without_encryption() {
    let place = |port| Smtp {
        tls: Tls::Starttls,
        host: "localhost".to_owned(),
        login: Some((text("user"), text("hidden-word"))),
        ..smtp(port)
    };
    let server = MailServer::new(&["AUTH PLAIN"], &[]);
    let error = send(place(server.port), &request()).unwrap_err();
    assert_eq!(error.again, Again::Later);
    assert!(error.to_string().contains("STARTTLS"), "{error}");
    let (commands, _) = server.said();
    assert_eq!(commands, ["EHLO example.com", "QUIT"]);
    // One that says it can, and cannot.
    let server = MailServer::new(&["STARTTLS", "AUTH PLAIN"], &[("STARTTLS", "454 not now")]);
    assert_eq!(send(place(server.port), &request()).unwrap_err().status, Some(454));
    assert!(!server.said().0.iter().any(|command| command.starts_with("AUTH")));
    let (port, arrived) = untrusted();
    let error = send(Smtp { tls: Tls::Implicit, ..place(port) }, &request()).unwrap_err();
    assert_eq!(error.again, Again::Later);
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(arrived.join().unwrap(), b"");
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_left() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Smtp { timeout: SignedDuration::from_millis(300), ..smtp(port) };
    let error = send(place, &request()).unwrap_err();
    assert_eq!(
        (error.again, error.to_string().as_str()),
        (Again::Later, "the server did not answer within 300ms")
    );
    drop(listener);
    let error = send(smtp(port), &request()).unwrap_err();
    assert_eq!(error.again, Again::Later);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn five_megabytes_of_mail_arrive() {
    let server = MailServer::new(&[], &[]);
    let body = "é".repeat(2_500_000);
    send(smtp(server.port), &post("", &[], body.as_bytes())).unwrap();
    let (_, mail) = server.said();
    let text = String::from_utf8(mail).unwrap();
    let (head, encoded) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Transfer-Encoding: base64"));
    use base64::Engine;
    let decoded = base64::prelude::BASE64_STANDARD.decode(encoded.replace("\r\n", "")).unwrap();
    assert!(decoded == body.as_bytes());
}

#[test]
fn parts_that_are_not_in_ascii_need_a_server_that_takes_them() {
    let body = "--x\r\n\r\né\r\n--x--\r\n";
    let request = post("", &[("Content-Type", "multipart/mixed; boundary=x")], body.as_bytes());
    let server = MailServer::new(&["8BITMIME"], &[]);
    send(smtp(server.port), &request).unwrap();
    let (commands, mail) = server.said();
    assert_eq!(commands[1], "MAIL FROM:<tidegate@example.com> BODY=8BITMIME");
    assert!(mail.ends_with(body.as_bytes()));
    let server = MailServer::new(&[], &[]);
    assert_eq!(send(smtp(server.port), &request).unwrap_err().again, Again::Never);
    server.said();
}
