//! Webhooks: what is signed starts its job, once; nothing else starts anything.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::house::{Answer, HOOK_SECRET, House};

const HOOK: &str =
    "[jobs.hooked]\nsteps = [\"dbt build\"]\nwebhook = { secret = { env = \"HOOK_SECRET\" } }\n";
const PATH: &str = "/api/v1/hooks/hooked";

fn hmac(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(secret: &str, seconds: i64, body: &str) -> String {
    let signature = hmac(secret, &[seconds.to_string().as_bytes(), b".", body.as_bytes()]);
    format!("t={seconds},v1={signature}")
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Sends it as another machine would: by no browser, and with whatever content type.
fn send(house: &House, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    house.ask(
        "POST",
        path,
        &[&[("Content-Type", "application/json; charset=utf-8")], headers].concat(),
        Some(body),
    )
}

/// A host that has been there for more than a second: what was signed before it came is too old.
fn house(config: &str) -> House {
    let house = House::with(config, "127.0.0.1:0");
    let begun = now();
    house.until("the next second", || now() > begun);
    house
}

#[test]
fn what_is_signed_starts_the_job_once() {
    let house = house(&format!("[web]\nanonymous = \"none\"\n{HOOK}"));
    let body = "{\"ref\": \"--full-refresh\"}";
    let signature = signed(HOOK_SECRET, now(), body);
    let first = send(&house, PATH, &[("X-Tidegate-Signature", &signature), ("Idempotency-Key", "d-1")], body);
    assert_eq!(first.is(202).json()["run"], 1);
    // The same delivery again, sent as it was and signed anew.
    let again = send(&house, PATH, &[("X-Tidegate-Signature", &signature), ("Idempotency-Key", "d-1")], body);
    assert_eq!(again.is(202).json()["run"], 1);
    let anew = signed(HOOK_SECRET, now() + 1, body);
    let anew = send(&house, PATH, &[("X-Tidegate-Signature", &anew), ("Idempotency-Key", "d-1")], body);
    assert_eq!(anew.is(202).json()["run"], 1);
    // Somebody who saw it cannot make another delivery of it.
    send(&house, PATH, &[("X-Tidegate-Signature", &signature), ("Idempotency-Key", "d-2")], body)
        .refused_as(401);
    send(&house, PATH, &[("X-Tidegate-Signature", &signature)], body).refused_as(401);
    let other = signed(HOOK_SECRET, now(), "{}");
    let other = send(&house, PATH, &[("X-Tidegate-Signature", &other), ("Idempotency-Key", "d-3")], "{}");
    assert_eq!(other.is(202).json()["run"], 2);
    let (_, run, _) = house.run(&["runs", "show", "1", "--json"]);
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let launch = if run["request"].is_object() { &run["request"]["launch"] } else { &run["launch"] };
    assert_eq!((&launch["via"], &launch["user"]), (&"webhook".into(), &"webhook".into()), "{run}");
    assert!(launch["reason"].as_str().unwrap().contains("d-1"), "{launch}");
    assert!(!run.to_string().contains("full-refresh"), "nothing of the body reaches dbt: {run}");
    assert!(!run.to_string().contains(HOOK_SECRET), "{run}");
}

#[test]
fn github_starts_it_too_and_once() {
    let mut house = house(HOOK);
    let body = "{\"action\": \"completed\"}";
    let signature = format!("sha256={}", hmac(HOOK_SECRET, &[body.as_bytes()]));
    let headers =
        [("X-Hub-Signature-256", &*signature), ("X-GitHub-Delivery", "72d3162e"), ("X-GitHub-Event", "push")];
    assert_eq!(send(&house, PATH, &headers, body).is(202).json()["run"], 1);
    assert_eq!(send(&house, PATH, &headers, body).is(202).json()["run"], 1);
    // Its signature has no time in it, and covers no header: whoever has seen it cannot make another delivery of it, not even when
    // the host that it was sent to is gone.
    let forged =
        [("X-Hub-Signature-256", &*signature), ("X-GitHub-Delivery", "0000"), ("X-GitHub-Event", "push")];
    assert_eq!(send(&house, PATH, &forged, body).is(202).json()["run"], 1);
    let (algorithm, digits) = signature.split_once('=').unwrap();
    let loud = format!("{algorithm}={}", digits.to_uppercase());
    assert_eq!(send(&house, PATH, &[("X-Hub-Signature-256", &*loud)], body).is(202).json()["run"], 1);
    house.stop();
    house.serve();
    assert_eq!(send(&house, PATH, &forged, body).is(202).json()["run"], 1);
    let next = "{\"action\": \"completed\", \"id\": 2}";
    let other = format!("sha256={}", hmac(HOOK_SECRET, &[next.as_bytes()]));
    assert_eq!(send(&house, PATH, &[("X-Hub-Signature-256", &*other)], next).is(202).json()["run"], 2);
    let ping = format!("sha256={}", hmac(HOOK_SECRET, &[b"{}"]));
    let ping =
        send(&house, PATH, &[("X-Hub-Signature-256", &ping), ("X-GitHub-Event", "ping")], "{}").is(202);
    assert_eq!(ping.json()["run"], serde_json::Value::Null);
    send(&house, PATH, &[("X-Hub-Signature-256", &signature)], "{\"action\": \"other\"}").refused_as(401);
}

#[test]
fn what_is_not_signed_starts_nothing_and_learns_nothing() {
    let house = house(HOOK);
    let good = signed(HOOK_SECRET, now(), "{}");
    let wrong = signed("another secret of somebody", now(), "{}");
    let old = signed(HOOK_SECRET, now() - 400, "{}");
    let early = signed(HOOK_SECRET, now() + 400, "{}");
    let answers = [
        send(&house, PATH, &[], "{}"),
        send(&house, PATH, &[("X-Tidegate-Signature", &wrong)], "{}"),
        send(&house, PATH, &[("X-Tidegate-Signature", &old)], "{}"),
        send(&house, PATH, &[("X-Tidegate-Signature", &early)], "{}"),
        send(&house, PATH, &[("X-Tidegate-Signature", &good)], "{ }"),
        send(&house, "/api/v1/hooks/night", &[("X-Tidegate-Signature", &good)], "{}"),
        send(&house, "/api/v1/hooks/nothing", &[("X-Tidegate-Signature", &good)], "{}"),
    ];
    let first = answers[0].body.clone();
    for answer in answers {
        let answer = answer.refused_as(401);
        assert_eq!(answer.body, first, "all alike");
        assert!(!answer.header("www-authenticate").unwrap().contains("Bearer"), "{answer:?}");
    }
    // No token stands in for a signature.
    let token = format!("Bearer {}", house.token("ana", "operate"));
    send(&house, PATH, &[("Authorization", &token)], "{}").refused_as(401);
    send(&house, PATH, &[], "{}").refused_as(401);
    send(&house, PATH, &[], "{}").refused_as(401);
    send(&house, PATH, &[], "{}").refused_as(429);
    assert_eq!(
        send(&house, PATH, &[("X-Tidegate-Signature", &good)], "{}").is(202).json()["run"],
        1,
        "and it is the first"
    );
}

#[test]
fn a_delivery_that_was_answered_is_answered_alike_while_the_job_is_paused() {
    let house = house(&format!("{HOOK}schedule = \"0 3 * * *\"\n"));
    let send = |delivery: &str, body: &str| {
        let signature = signed(HOOK_SECRET, now(), body);
        send(&house, PATH, &[("X-Tidegate-Signature", &signature), ("Idempotency-Key", delivery)], body)
    };
    assert_eq!(send("d-1", "{}").is(202).json()["run"], 1);
    assert_eq!(house.run(&["schedules", "pause", "hooked"]).0, Some(0));
    assert_eq!(send("d-1", "{}").is(202).json()["run"], 1);
    send("d-2", "[]").refused_as(409);
}

#[test]
fn a_secret_from_elsewhere_has_to_be_as_long() {
    let file = HOOK.replace("{ env = \"HOOK_SECRET\" }", "{ file = \"secret\" }");
    let house = house(&file);
    let send = |secret: &str| {
        std::fs::write(house.dir.path().join("secret"), secret).unwrap();
        send(&house, PATH, &[("X-Tidegate-Signature", &signed(secret, now(), "{}"))], "{}")
    };
    send("short").refused_as(401);
    house.until("a word of it", || crate::house::read(&house.log()).contains("less than 16 characters"));
    send("long enough, and not to be guessed").is(202);
}

#[test]
fn a_body_that_makes_no_sense_is_refused() {
    let house = house(HOOK);
    let long = format!("\"{}\"", "x".repeat(256 << 10));
    send(&house, PATH, &[("X-Tidegate-Signature", &signed(HOOK_SECRET, now(), &long))], &long)
        .refused_as(413);
    send(&house, PATH, &[("X-Tidegate-Signature", &signed(HOOK_SECRET, now(), "{"))], "{").refused_as(400);
    send(&house, PATH, &[("Host", "evil.example")], "{}").refused_as(421);
    house.get(PATH, &[]).refused_as(405);
}

#[test]
fn a_secret_that_is_missing_or_weak_is_found() {
    let house = House::quiet(&HOOK.replace("HOOK_SECRET", "NO_SUCH_VARIABLE"), "127.0.0.1:0");
    let (_, found, said) = house.run(&["check"]);
    let said = found + &said;
    assert!(said.contains("job `hooked`: the secret of its webhook is missing"), "{said}");
    house.configure("[jobs.hooked]\nsteps = [\"dbt build\"]\nwebhook = { secret = \"short-one\" }\n");
    let (code, found, said) = house.run(&["check"]);
    let said = found + &said;
    assert!(
        code == Some(2) && said.contains("less than 16 characters") && !said.contains("short-one"),
        "{said}"
    );
    house.configure("[jobs.hooked]\nsteps = [\"dbt build\"]\nwebhook = \"plain-secret-here\"\n");
    let (code, found, said) = house.run(&["check"]);
    let said = found + &said;
    assert!(code == Some(2) && !said.contains("plain-secret"), "{said}");
}
