//! What arrives by HTTP, and what is made of every kind of answer.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use super::{
    at, post,
    servers::{Answer, HttpServer, untrusted},
    text,
};
use crate::{
    config::{Destination, Http, Place, Secret, Sign},
    deliver::{Again, Delivered, DeliveryError, deliver, http::retry_after},
    model::DeliveryRequest,
};

fn http(url: &str) -> Http {
    Http {
        url: text(url),
        headers: BTreeMap::new(),
        sign: None,
        // Nothing on this machine takes as long, unless it never ends.
        timeout: SignedDuration::from_secs(60),
    }
}

fn send(place: Http, request: &DeliveryRequest) -> Result<Delivered, DeliveryError> {
    let destination = Destination { name: "ops".to_owned(), to: Place::Http(place) };
    deliver(&destination, request, "key-481", at())
}

/// The error of a request that the server answers in this way.
fn refused(answer: Answer) -> DeliveryError {
    let server = HttpServer::new(vec![answer]);
    let error = send(http(&server.address()), &post("", &[], b"{}")).unwrap_err();
    assert_eq!(server.arrived().len(), 1);
    error
}

#[test]
fn a_request_arrives_as_it_was_meant() {
    let server = HttpServer::new(vec![Answer::ok()]);
    let place = Http {
        headers: [("Authorization", "Bearer sesame"), ("X-Team", "data")]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into(),
        ..http(&format!("{}/hook/sesame?key=1", server.address()))
    };
    let headers = [("Content-Type", "application/json"), ("x-team", "other"), ("X-Kind", "a b")];
    let request = post("/alerts?via=tidegate", &headers, br#"{"a": "b"}"#);
    let delivered = send(place, &request).unwrap();
    assert_eq!(delivered, Delivered { status: Some(200), said: "ok".to_owned() });
    let port = server.port;
    let arrived = server.arrived();
    let arrived = &arrived[0];
    assert_eq!(arrived.line, "POST /hook/sesame/alerts?key=1&via=tidegate HTTP/1.1");
    assert_eq!(arrived.body, request.body);
    assert_eq!(arrived.one("host"), format!("127.0.0.1:{port}"));
    assert_eq!(arrived.one("authorization"), "Bearer sesame");
    assert_eq!(arrived.one("x-team"), "data");
    assert_eq!(arrived.one("x-kind"), "a b");
    assert_eq!(arrived.one("content-type"), "application/json");
    assert_eq!(arrived.one("content-length"), "10");
    assert_eq!(arrived.one("idempotency-key"), "key-481");
    assert_eq!(arrived.one("user-agent"), concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    assert!(arrived.all("x-tidegate-signature").is_empty());
}

/// HMAC as RFC 2104 has it, apart from the crate that makes ours.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signature_can_be_verified_by_its_receiver() {
    let server = HttpServer::new(vec![Answer::ok(), Answer::ok()]);
    let body = "{\"text\": \"Grüße\"}".as_bytes();
    for header in ["X-Tidegate-Signature", "X-Other"] {
        let sign = Sign { secret: text("open sesame"), header: header.to_owned() };
        send(Http { sign: Some(sign), ..http(&server.address()) }, &post("", &[], body)).unwrap();
    }
    let arrived = server.arrived();
    for (arrived, header) in arrived.iter().zip(["X-Tidegate-Signature", "X-Other"]) {
        let seconds = at().as_second();
        let signed = [format!("{seconds}.").as_bytes(), &arrived.body].concat();
        let expected = format!("t={seconds},v1={}", hmac(b"open sesame", &signed));
        assert_eq!(arrived.one(header), expected);
    }
}

#[test]
fn a_login_in_the_address_becomes_a_header() {
    let server = HttpServer::new(vec![Answer::ok(), Answer::ok()]);
    let address = server.address().replace("//", "//us%40er:pass%3Aword@");
    send(http(&address), &post("", &[], b"{}")).unwrap();
    let own = [("authorization".to_owned(), text("Bearer x"))];
    send(Http { headers: own.into(), ..http(&address) }, &post("", &[], b"{}")).unwrap();
    let arrived = server.arrived();
    // "us@er:pass:word"
    assert_eq!(arrived[0].one("authorization"), "Basic dXNAZXI6cGFzczp3b3Jk");
    assert_eq!(arrived[1].one("authorization"), "Bearer x");
    assert_eq!(arrived[0].line, "POST / HTTP/1.1");
}

#[test]
fn five_megabytes_arrive() {
    let server = HttpServer::new(vec![Answer::ok(), Answer::ok()]);
    let body: Vec<u8> = (0..5_000_000_u32).map(|n| b' ' + (n % 90) as u8).collect();
    send(http(&server.address()), &post("", &[], &body)).unwrap();
    send(http(&server.address()), &post("", &[], b"")).unwrap();
    let arrived = server.arrived();
    assert!(arrived[0].body == body);
    assert_eq!(arrived[1].body, b"");
}

#[test]
fn a_get_has_no_body_and_other_methods_are_named() {
    let server = HttpServer::new(vec![Answer::ok(), Answer::of("204 No Content", "", "")]);
    let with =
        |method: &str, body: &[u8]| DeliveryRequest { method: method.to_owned(), ..post("/ping", &[], body) };
    send(http(&server.address()), &with("GET", b"")).unwrap();
    assert_eq!(send(http(&server.address()), &with("PUT", b"x")).unwrap().status, Some(204));
    for (method, body) in
        [("GET", &b"x"[..]), ("CONNECT", b""), ("post", b""), ("", b""), ("GET / HTTP/1.1\r\nX:", b"")]
    {
        let error = send(http(&server.address()), &with(method, body)).unwrap_err();
        assert_eq!(error.again, Again::Never, "{method}: {error}");
    }
    let lines: Vec<_> = server.arrived().into_iter().map(|arrived| arrived.line).collect();
    assert_eq!(lines, ["GET /ping HTTP/1.1", "PUT /ping HTTP/1.1"]);
}

#[test]
fn what_may_be_tried_again_depends_on_the_status() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let error = refused(Answer::of(&format!("{status} Oh"), "", "no"));
        assert_eq!((error.again, error.status), (Again::Later, Some(status)), "{error}");
        assert!(error.to_string().ends_with(": no"), "{error}");
    }
    for status in [400, 401, 403, 404, 410, 413, 422] {
        let error = refused(Answer::of(&format!("{status} Oh"), "Retry-After: 5\r\n", "no"));
        assert_eq!((error.again, error.status), (Again::Never, Some(status)), "{error}");
    }
}

#[test]
fn the_other_side_says_when() {
    let minutes = SignedDuration::from_mins;
    for (value, wait) in [
        ("120", Some(minutes(2))),
        ("0", Some(minutes(0))),
        ("99999999999999999999999", Some(minutes(24 * 60))),
        ("Sun, 22 Nov 2026 20:25:00 GMT", Some(minutes(10))),
        ("Sun, 22 Nov 2020 20:25:00 GMT", Some(minutes(0))),
        ("Mon, 22 Nov 2027 20:25:00 GMT", Some(minutes(24 * 60))),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ] {
        let error = refused(Answer::of("429 Too Many Requests", &format!("Retry-After: {value}\r\n"), ""));
        assert_eq!(error.again, wait.map_or(Again::Later, Again::After), "{value}");
        assert_eq!(retry_after(value, at()), wait);
    }
}

#[test]
fn a_failure_and_a_success_are_told_apart() {
    let server = HttpServer::new(vec![Answer::of("500 Oh", "", ""), Answer::ok()]);
    let request = post("", &[], b"{}");
    assert_eq!(send(http(&server.address()), &request).unwrap_err().again, Again::Later);
    assert!(send(http(&server.address()), &request).is_ok());
    let arrived = server.arrived();
    assert_eq!(arrived[0].one("idempotency-key"), arrived[1].one("idempotency-key"));
}

#[test]
fn a_redirect_is_not_followed() {
    let other = HttpServer::new(vec![]);
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let to = format!("Location: {}/sesame\r\n", other.address());
        let error = refused(Answer::of(status, &to, ""));
        assert_eq!(error.again, Again::Never);
        assert!(error.to_string().contains("redirect"), "{error}");
        assert!(!error.to_string().contains("sesame") && !error.to_string().contains("Location"), "{error}");
    }
    assert!(other.arrived().is_empty());
}

#[test]
fn a_server_that_takes_too_long_is_left() {
    for answer in [Answer::Silence, Answer::Drip] {
        let server = HttpServer::new(vec![answer]);
        let place = Http { timeout: SignedDuration::from_millis(300), ..http(&server.address()) };
        let error = send(place, &post("", &[], b"{}")).unwrap_err();
        assert_eq!(
            (error.again, error.to_string().as_str()),
            (Again::Later, "there was no answer within 300ms")
        );
        server.arrived();
    }
}

#[test]
fn of_an_answer_without_end_the_beginning_is_read() {
    let server = HttpServer::new(vec![Answer::Endless]);
    let delivered = send(http(&server.address()), &post("", &[], b"{}")).unwrap();
    assert_eq!(delivered.said.chars().count(), 301);
    server.arrived();
}

#[test]
fn a_connection_that_fails_may_be_tried_again() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let request = post("", &[], b"{}");
    let error = send(http(&format!("http://127.0.0.1:{port}/sesame")), &request).unwrap_err();
    assert_eq!(error.again, Again::Later);
    assert!(error.to_string().contains("refused"), "{error}");
    let error = send(http("http://sesame.invalid/"), &request).unwrap_err();
    assert_eq!(error.again, Again::Later);
    assert!(!error.to_string().contains("sesame"), "{error}");
    assert_eq!(refused(Answer::Close).again, Again::Later);
    let error = refused(Answer::Bytes(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()));
    assert_eq!(error.again, Again::Later, "{error}");
    let headers = "X: y\r\n".repeat(100_000);
    let error = refused(Answer::of("200 OK", &headers, ""));
    assert_eq!(error.again, Again::Later, "{error}");
}

#[test]
fn nothing_is_sent_to_whom_nobody_trusts() {
    let (port, arrived) = untrusted();
    let error = send(http(&format!("https://localhost:{port}/sesame")), &post("", &[], b"{}")).unwrap_err();
    assert_eq!(error.again, Again::Later);
    let said = error.to_string();
    assert!(
        said.contains("certificate") && !said.contains("sesame") && !said.contains("localhost"),
        "{said}"
    );
    assert_eq!(arrived.join().unwrap(), b"");
    // A server that knows nothing of encryption.
    let server = HttpServer::new(vec![Answer::of("400 Bad", "", "what?")]);
    let error =
        send(http(&format!("https://localhost:{}/", server.port)), &post("", &[], b"{}")).unwrap_err();
    assert_eq!((error.again, error.status), (Again::Later, None), "{error}");
}

#[test]
fn no_secret_comes_back_in_what_is_said() {
    let secrets = "Bearer hidden-1 hidden-2-key hook/hidden%2F3 hidden/3 us:hidden-4";
    let echo = format!("You said {secrets} to 127.0.0.1\u{1b}[31m\r\n{}", "y".repeat(1_000));
    let server = HttpServer::new(vec![
        Answer::of("400 Bad", "", &echo),
        Answer::of("500 Oh", "", &echo),
        Answer::of("200 OK", "", &echo),
    ]);
    let place = Http {
        headers: [("Authorization".to_owned(), text("Bearer hidden-1"))].into(),
        sign: Some(Sign { secret: text("hidden-2-key"), header: "X-Sign".to_owned() }),
        ..http(&format!("{}/hook/hidden%2F3", server.address()).replace("//", "//us:hidden-4@"))
    };
    for _ in 0..3 {
        let said = match send(place.clone(), &post("", &[], b"{}")) {
            Ok(delivered) => delivered.said,
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(
            !said.contains("hidden") && !said.contains("127.0.0.1") && !said.contains('\u{1b}'),
            "{said}"
        );
        assert!(said.contains("You said *****") && said.contains("yyy…"), "{said}");
    }
    server.arrived();
}

#[test]
fn secrets_are_read_at_each_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let server = HttpServer::new(vec![Answer::ok(), Answer::ok()]);
    let place = Http {
        headers: [("Authorization".to_owned(), Secret::File(file.clone()))].into(),
        ..http(&server.address())
    };
    let request = post("", &[], b"{}");
    let said = |error: DeliveryError| {
        assert_eq!(error.again, Again::Later);
        error.to_string().replace(dir.path().to_str().unwrap(), "DIR")
    };
    let missing = send(place.clone(), &request).unwrap_err();
    assert_eq!(said(missing), "its `headers.Authorization` is missing: the file DIR/token is not there");
    for token in ["Bearer one", "Bearer two\n"] {
        std::fs::write(&file, token).unwrap();
        send(place.clone(), &request).unwrap();
    }
    std::fs::write(&file, "sesame\r\nX-Other: 1").unwrap();
    assert_eq!(said(send(place, &request).unwrap_err()), "its `headers.Authorization` has a line end in it");
    let unset = Http { url: Secret::Env("TIDEGATE_TEST_NOT_SET".to_owned()), ..http("http://x") };
    let unset = said(send(unset, &request).unwrap_err());
    assert_eq!(unset, "its `url` is missing: the environment variable TIDEGATE_TEST_NOT_SET is not set");
    std::fs::write(&file, "no address, but sesame").unwrap();
    let unfit =
        said(send(Http { url: Secret::File(file.clone()), ..http("http://x") }, &request).unwrap_err());
    assert!(unfit.contains("`url`") && !unfit.contains("sesame"), "{unfit}");
    let arrived = server.arrived();
    assert_eq!(
        [arrived[0].one("authorization"), arrived[1].one("authorization")],
        ["Bearer one", "Bearer two"]
    );
}

#[test]
fn a_notifier_cannot_say_more_than_it_may() {
    let place = Http {
        sign: Some(Sign { secret: text("key"), header: "X-Sign".to_owned() }),
        ..http("http://127.0.0.1:1/")
    };
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "Authorization",
        "COOKIE",
        "User-Agent",
        "Idempotency-Key",
        "X-Sign",
        "x-tidegate-signature",
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "é",
    ] {
        let error = send(place.clone(), &post("", &[(name, "x")], b"")).unwrap_err();
        assert_eq!(error.again, Again::Never, "{name}: {error}");
    }
    for value in ["a\r\nX: y", "a\nb", "a\0b", "é", "\u{7f}"] {
        let error = send(place.clone(), &post("", &[("X", value)], b"")).unwrap_err();
        assert_eq!(error.again, Again::Never, "{value}: {error}");
        assert!(!error.to_string().contains(['\r', '\n']));
    }
    let twice = send(place.clone(), &post("", &[("X", "1"), ("x", "2")], b"")).unwrap_err();
    assert_eq!(twice.to_string(), "the notifier's header `x` is there twice");
    let path = send(place, &post("/../x", &[], b"")).unwrap_err();
    assert_eq!(path.again, Again::Never);
}

#[test]
fn a_key_is_one_word() {
    for key in ["", "a b", "a\r\nX: y", "é"] {
        let destination =
            Destination { name: "ops".to_owned(), to: Place::Http(http("http://127.0.0.1:1/")) };
        let error = deliver(&destination, &post("", &[], b""), key, at()).unwrap_err();
        assert_eq!(error.again, Again::Never);
    }
}
