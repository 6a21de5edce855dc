//! Tokens and roles: who may look, who may change something, and what becomes of a token that is revoked.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::house::{Answer, House, read};

const NONE: &str = "[web]\nanonymous = \"none\"\n";
const RELOAD: &str = "/api/v1/configuration/reload";

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn nobody_gets_in_without_a_token_where_one_is_wanted() {
    let house = House::with(NONE, "127.0.0.1:0");
    let answer = house.get("/api/v1/status", &[]).refused_as(401);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    house.post(RELOAD, &[], "").refused_as(401);
    house.get("/api/v1/openapi.json", &[]).refused_as(401);
    house.get("/api/v1/nothing", &[]).refused_as(401);
    house.get("/healthz", &[]).is(200);
    let session = house.get("/api/v1/session", &[]).is(200).json();
    assert_eq!(
        (&session["role"], &session["user"], &session["login_required"]),
        (&().into(), &().into(), &true.into())
    );
    let token = house.token("ana", "operate");
    // Where it has no business it is nothing.
    house.get(&format!("/api/v1/status?token={token}&access_token={token}"), &[]).refused_as(401);
    for wrong in [
        format!("Basic {token}"),
        token.clone(),
        format!("Bearer {token}x"),
        "Bearer ".to_owned(),
        "Bearer tg_".to_owned(),
    ] {
        house.get("/api/v1/status", &[("Authorization", &wrong)]).refused_as(401);
    }
    house.get("/api/v1/status", &[("Authorization", &bearer(&token))]).is(200);
    house.get("/api/v1/status", &[("Authorization", &format!("bearer {token}"))]).is(200);
}

#[test]
fn who_may_look_changes_nothing() {
    let house = House::with(NONE, "127.0.0.1:0");
    let (reads, operates) = (bearer(&house.token("ana", "read")), bearer(&house.token("ci", "operate")));
    house.get("/api/v1/status", &[("Authorization", &reads)]).is(200);
    let problem = house.post(RELOAD, &[("Authorization", &reads)], "").refused_as(403).json();
    assert!(problem["detail"].as_str().unwrap().contains("`ana`"), "{problem}");
    house.post(RELOAD, &[("Authorization", &operates)], "").is(200);
    let session = house.get("/api/v1/session", &[("Authorization", &reads)]).json();
    assert_eq!((&session["user"], &session["role"]), (&"ana".into(), &"read".into()));
    // Nobody makes tokens from afar.
    let body = "{\"name\": \"eve\", \"role\": \"operate\"}";
    house.post("/api/v1/tokens", &[("Authorization", &operates)], body).refused_as(403);
    house.ask("DELETE", "/api/v1/tokens/ana", &[("Authorization", &operates)], None).refused_as(403);
    house.post("/api/v1/tokens/ana/rotate", &[("Authorization", &operates)], "").refused_as(403);
    let known = house.get("/api/v1/tokens", &[("Authorization", &reads)]).is(200);
    assert!(!known.body.contains("digest") && !known.body.contains("tg_"), "{known:?}");
}

#[test]
fn a_token_that_is_revoked_or_exchanged_is_worth_nothing_at_once() {
    let house = House::with(NONE, "127.0.0.1:0");
    let token = house.token("ana", "operate");
    let login = house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200);
    let cookie = cookie_of(&login);
    let see = |how: (&str, &str)| house.get("/api/v1/status", &[how]).status;
    assert_eq!((see(("Authorization", &bearer(&token))), see(("Cookie", &cookie))), (200, 200));
    let (code, other, _) = house.run(&["token", "rotate", "ana"]);
    assert_eq!(code, Some(0));
    assert_ne!(other.trim(), token);
    assert_eq!((see(("Authorization", &bearer(&token))), see(("Cookie", &cookie))), (401, 401));
    assert_eq!(see(("Authorization", &bearer(other.trim()))), 200);
    assert_eq!(house.run(&["token", "revoke", "ana"]).0, Some(0));
    assert_eq!(see(("Authorization", &bearer(other.trim()))), 401);
    let (code, _, said) = house.run(&["token", "revoke", "ana"]);
    assert!(code == Some(2) && said.contains("there is no token `ana`"), "{said}");
    house.token("bob", "read");
    let (code, _, said) = house.run(&["token", "new", "bob", "--role", "read"]);
    assert!(code == Some(2) && said.contains("rotate bob"), "{said}");
    assert_eq!(house.run(&["token", "new", "a b", "--role", "read"]).0, Some(2));
    let (_, listed, _) = house.run(&["token", "ls", "--json"]);
    assert!(listed.contains("\"bob\"") && !listed.contains("ana"), "{listed}");
}

#[test]
fn a_session_is_a_cookie_that_scripts_cannot_read_and_outlives_the_host() {
    let mut house = House::with(NONE, "127.0.0.1:0");
    let token = house.token("ana", "operate");
    let page = [("Sec-Fetch-Site", "same-origin")];
    let login = house.post("/api/v1/session", &page, &format!("{{\"token\": \" {token}\\n\"}}")).is(200);
    let set = login.header("set-cookie").unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains(&token) && !set.contains("Secure") && !set.contains("Domain"), "{set}");
    assert!(!login.body.contains(&token), "{login:?}");
    let cookie = cookie_of(&login);
    let others = format!("a=b; {cookie}; c=d");
    let session = house.get("/api/v1/session", &[("Cookie", &others)]).json();
    assert_eq!((&session["user"], &session["role"]), (&"ana".into(), &"operate".into()));
    // What a browser has is no token.
    let value = cookie.split_once('=').unwrap().1;
    house.get("/api/v1/status", &[("Authorization", &bearer(value))]).refused_as(401);
    // It does not help another page, which sends it along.
    house
        .ask("POST", RELOAD, &[("Cookie", &cookie), ("Content-Type", "text/plain")], Some("{}"))
        .refused_as(415);
    house.post(RELOAD, &[("Cookie", &cookie), ("Origin", "https://evil.example")], "").refused_as(403);
    house.post(RELOAD, &[("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin")], "").is(200);
    house.stop();
    house.serve();
    // The name has the port in it, since browsers tell hosts apart by name only.
    let cookie = format!("tidegate-{}={value}", house.address.port());
    house.get("/api/v1/status", &[("Cookie", &cookie)]).is(200);
    let out = house.ask("DELETE", "/api/v1/session", &[("Cookie", &cookie)], None).is(200);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(out.json()["role"], serde_json::Value::Null);
    // Whoever has kept a copy of it has nothing, of this host and of the next.
    house.get("/api/v1/status", &[("Cookie", &cookie)]).refused_as(401);
    house.stop();
    house.serve();
    let cookie = format!("tidegate-{}={value}", house.address.port());
    house.get("/api/v1/status", &[("Cookie", &cookie)]).refused_as(401);
    house.get("/api/v1/status", &[("Cookie", "tidegate-1=x")]).refused_as(401);
}

#[test]
fn behind_https_the_cookie_is_for_https_alone() {
    let house = House::with("url = \"https://tide.example.com\"\n", "127.0.0.1:0");
    let token = house.token("ana", "read");
    let login = house.post(
        "/api/v1/session",
        &[("Host", "tide.example.com")],
        &format!("{{\"token\": \"{token}\"}}"),
    );
    let set = login.is(200).header("set-cookie").unwrap().to_owned();
    assert!(set.starts_with("__Host-tidegate=") && set.contains("; Secure"), "{set}");
}

#[test]
fn who_guesses_is_kept_out_and_who_knows_is_not() {
    let house = House::with(NONE, "127.0.0.1:0");
    let token = house.token("ana", "read");
    for _ in 0..10 {
        house.post("/api/v1/session", &[], "{\"token\": \"tg_guess\"}").refused_as(401);
    }
    let out = house.post("/api/v1/session", &[], "{\"token\": \"tg_guess\"}").refused_as(429);
    assert!(out.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60, "{out:?}");
    house.get("/api/v1/status", &[("Authorization", "Bearer tg_guess")]).refused_as(429);
    // Behind a proxy all come from one place.
    house.get("/api/v1/status", &[("Authorization", &bearer(&token))]).is(200);
    house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200);
    let (_, trail, _) = house.run(&["audit", "--json", "--action", "session.refused"]);
    let trail: Vec<serde_json::Value> = serde_json::from_str(&trail).unwrap();
    let kept_out: Vec<_> = trail.iter().map(|row| row["detail"]["kept_out"].as_bool().unwrap()).collect();
    assert_eq!(kept_out, [true, false], "one word of the first, and one of being kept out");
}

#[test]
fn a_wrong_token_is_refused_even_where_none_is_wanted() {
    let house = House::new();
    house.get("/api/v1/status", &[]).is(200);
    house.get("/api/v1/status", &[("Authorization", "Bearer tg_x")]).refused_as(401);
    // What a browser still has of a token that is gone does not lock it out.
    let cookie = format!("tidegate-{}=tgs_x", house.address.port());
    house.get("/api/v1/status", &[("Cookie", &cookie)]).is(200);
}

#[test]
fn what_a_proxy_asks_for_itself_is_no_token() {
    let house = House::with(NONE, "127.0.0.1:0");
    let token = house.token("ana", "operate");
    let login = house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200);
    let (cookie, basic) = (cookie_of(&login), ("Authorization", "Basic YW5hOnBhc3N3b3Jk"));
    for _ in 0..12 {
        house.get("/api/v1/status", &[basic, ("Cookie", &cookie)]).is(200);
        house.get("/api/v1/status", &[basic]).refused_as(401);
    }
    let both = bearer(&token);
    house.get("/api/v1/status", &[basic, ("Authorization", &both)]).is(200);
    house
        .get("/api/v1/status", &[("Authorization", &both), ("Authorization", "Bearer tg_x")])
        .refused_as(401);
}

#[test]
fn who_has_no_token_may_only_look_where_the_file_says_so() {
    let house = House::with("[web]\nanonymous = \"read\"\n", "127.0.0.1:0");
    house.get("/api/v1/status", &[]).is(200);
    house.post(RELOAD, &[], "").refused_as(401);
    // The file is read again while the host works.
    house.configure(NONE);
    house.until("the new configuration", || house.get("/api/v1/status", &[]).status == 401);
}

/// Listens to what happens; tells of the first message, and of the end.
fn listen(house: &House, (name, value): (&str, &str)) -> mpsc::Receiver<()> {
    let mut stream = TcpStream::connect(house.address).unwrap();
    write!(stream, "GET /api/v1/live HTTP/1.1\r\nHost: {}\r\n{name}: {value}\r\n\r\n", house.host()).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        if lines.any(|line| line == "event: hello") {
            let _ = tell.send(());
            // A stream that ends says so with a chunk of no length.
            lines.find(|line| line == "0");
            let _ = tell.send(());
        }
    });
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    told
}

#[test]
fn who_may_look_no_more_hears_no_more() {
    let house = House::with(NONE, "127.0.0.1:0");
    let ends = |told: mpsc::Receiver<()>| told.recv_timeout(Duration::from_secs(60)).unwrap();
    let token = house.token("ana", "read");
    let by_token = listen(&house, ("Authorization", &bearer(&token)));
    let login = |token: &str| {
        cookie_of(&house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200))
    };
    let (one, other) = (login(&token), login(&token));
    let (by_session, by_other) = (listen(&house, ("Cookie", &one)), listen(&house, ("Cookie", &other)));
    house.ask("DELETE", "/api/v1/session", &[("Cookie", &one)], None).is(200);
    ends(by_session);
    assert!(by_token.try_recv().is_err() && by_other.try_recv().is_err(), "the others go on");
    assert_eq!(house.run(&["token", "rotate", "ana"]).0, Some(0));
    ends(by_token);
    ends(by_other);
    house.configure("[web]\nanonymous = \"read\"\n");
    house.until("the new configuration", || house.get("/api/v1/status", &[]).status == 200);
    let nobody = listen(&house, ("Accept", "text/event-stream"));
    house.configure(NONE);
    ends(nobody);
}

#[test]
fn who_comes_through_a_proxy_shows_a_token_unless_the_file_says_otherwise() {
    let house = House::new();
    let here = [("Host", &*format!("127.0.0.1:{}", house.address.port()))];
    house.get("/api/v1/status", &here).is(200);
    let token = bearer(&house.token("ana", "read"));
    for told in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"] {
        let through = [here[0], (told, "192.0.2.7")];
        let problem = house.get("/api/v1/status", &through).refused_as(401).json();
        assert!(problem["hint"].as_str().unwrap().contains("through a proxy"), "{problem}");
        house.post(RELOAD, &through, "").refused_as(401);
        let session = house.get("/api/v1/session", &through).is(200).json();
        assert_eq!((&session["login_required"], &session["role"]), (&true.into(), &().into()));
        house.get("/api/v1/status", &[here[0], (told, "192.0.2.7"), ("Authorization", &token)]).is(200);
    }
    // As nginx speaks that was told nothing but where to pass it on.
    let plain = format!("GET /api/v1/status HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", here[0].1);
    house.send(plain.as_bytes()).refused_as(401);
    house.until("a warning", || read(&house.log()).contains("through a proxy"));
    assert_eq!(read(&house.log()).matches("through a proxy").count(), 1, "once");
    let open = House::with("[web]\nanonymous = \"read\"\n", "127.0.0.1:0");
    open.get("/api/v1/status", &[("X-Forwarded-For", "192.0.2.7")]).is(200);
}

#[test]
fn an_address_that_others_reach_takes_a_token() {
    let mut house = House::quiet("", "0.0.0.0:0");
    let (code, _, said) = house.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("other machines reach") && said.contains("tidegate token new"), "{said}");
    assert!(!house.state_dir().join("host.sock").exists(), "nothing was taken over");
    let token = house.token("ana", "read");
    house.serve();
    house.get("/api/v1/status", &[]).refused_as(401);
    house.get("/api/v1/status", &[("Authorization", &bearer(&token))]).is(200);
    house.get("/api/v1/session", &[("Host", &format!("192.0.2.1:{}", house.address.port()))]).is(200);
    house
        .get("/api/v1/session", &[("Host", &format!("evil.example:{}", house.address.port()))])
        .refused_as(421);
    house.stop();
    house.configure("[web]\nlisten = \"0.0.0.0:4600\"\nanonymous = \"operate\"\n");
    let (code, _, said) = house.run(&["check"]);
    assert!(
        code == Some(2) && said.contains("tidegate.toml:3") && said.contains("without a token"),
        "{said}"
    );
    house.configure("[web]\nanonymous = \"operate\"\n");
    let (code, _, said) = house.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && said.contains("leave `anonymous` out"), "{said}");
}

#[test]
fn no_token_is_ever_written_down() {
    let house = House::with(NONE, "127.0.0.1:0");
    let token = house.token("ana", "operate");
    let login = house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200);
    let session = cookie_of(&login).split_once('=').unwrap().1.to_owned();
    house.get("/api/v1/status", &[("Authorization", &format!("Bearer {token}wrong"))]).refused_as(401);
    house
        .get(&format!("/api/v1/nothing?token={token}"), &[("Authorization", &bearer(&token))])
        .refused_as(404);
    house.run(&["token", "rotate", "ana"]);
    let mut folders = vec![house.state_dir()];
    let mut files = vec![house.log()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let into = if entry.path().is_dir() { &mut folders } else { &mut files };
            into.push(entry.path());
        }
    }
    assert!(files.len() > 2, "{files:?}");
    for file in files.into_iter().filter(|file| file.is_file()) {
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token) && !text.contains(&session), "{}", file.display());
    }
    assert!(!read(&house.log()).contains("panicked"));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let house = House::new();
    let other = House::quiet("", "127.0.0.1:0");
    let (code, _, said) = other.run(&["serve", "--listen", &house.address.to_string()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot be served at") && said.contains("--listen off"), "{said}");
    let (code, _, said) = other.run(&["serve", "--listen", "4600"]);
    assert!(code == Some(2) && said.contains("no address with a port"), "{said}");
}
