//! Each door, shut: what a page of another site, a name that was turned and somebody without a token get.

use proptest::prelude::*;

use crate::house::House;

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn a_name_that_is_none_of_ours_gets_no_answer_anywhere() {
    let house = House::new();
    let port = house.address.port();
    let turned = format!("evil.example:{port}");
    let near = [
        format!("localhost.evil.example:{port}"),
        "localhost:1".to_owned(),
        "localhost".to_owned(),
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("localhost:{port}, evil.example"),
        format!("evil.example@localhost:{port}"),
        String::new(),
    ];
    let paths = [
        "/",
        "/runs/1",
        "/healthz",
        "/api/v1/status",
        "/api/v1/session",
        "/api/v1/live",
        "/api/v1/openapi.json",
        "/nothing",
    ];
    for path in paths {
        house.get(path, &[("Host", &turned)]).refused_as(421);
    }
    for name in &near {
        house.get("/api/v1/status", &[("Host", name)]).refused_as(421);
    }
    house.post("/api/v1/hooks/night", &[("Host", &turned)], "{}").refused_as(421);
    house.post("/api/v1/session", &[("Host", &turned)], "{}").refused_as(421);
    house.send(b"GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n\r\n").refused_as(421);
    house.send(b"GET /api/v1/status HTTP/1.0\r\n\r\n").refused_as(421);
    let two = format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost:{port}\r\nHost: {turned}\r\nConnection: close\r\n\r\n"
    );
    house.send(two.as_bytes()).refused_as(421);
    let whole = format!(
        "GET http://{turned}/api/v1/status HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    );
    house.send(whole.as_bytes()).refused_as(421);
    for name in [format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("LOCALHOST:{port}")] {
        house.get("/api/v1/status", &[("Host", &name)]).is(200);
    }
}

#[test]
fn a_proxy_is_answered_by_its_name() {
    let house = House::with(
        "url = \"https://tide.example.com\"\n[web]\nhosts = [\"other.example:8443\"]\nanonymous = \"operate\"",
        "127.0.0.1:0",
    );
    for name in ["tide.example.com", "tide.example.com:443", "other.example:8443"] {
        house.get("/api/v1/status", &[("Host", name)]).is(200);
    }
    for name in ["tide.example.com:80", "other.example", "example.com"] {
        house.get("/api/v1/status", &[("Host", name)]).refused_as(421);
    }
    let same = [
        ("Host", "tide.example.com"),
        ("Origin", "https://tide.example.com"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    house.post("/api/v1/configuration/reload", &same, "").is(200);
    let plain = [("Host", "tide.example.com"), ("Origin", "http://tide.example.com")];
    house.post("/api/v1/configuration/reload", &plain, "").refused_as(403);
}

#[test]
fn another_page_changes_nothing() {
    let house = House::new();
    let reload = "/api/v1/configuration/reload";
    // What a form can send without asking first.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonx",
    ] {
        house.ask("POST", reload, &[("Content-Type", kind)], Some("{}")).refused_as(415);
        house
            .ask("POST", reload, &[("Content-Type", kind), ("Sec-Fetch-Site", "cross-site")], Some("{}"))
            .refused_as(403);
    }
    house.ask("POST", reload, &[], Some("{}")).refused_as(415);
    house.ask("POST", reload, &[], None).refused_as(415);
    let here = format!("http://localhost:{}", house.address.port());
    let other_port = format!("http://localhost:{}", house.address.port().wrapping_add(1));
    for origin in
        ["https://evil.example", "null", "http://localhost", "file://", "", &other_port, "http://127.0.0.1:1"]
    {
        house.ask("POST", reload, &[JSON, ("Origin", origin)], Some("{}")).refused_as(403);
    }
    for site in ["cross-site", "same-site", "nonsense"] {
        house
            .ask("POST", reload, &[JSON, ("Origin", &here), ("Sec-Fetch-Site", site)], Some("{}"))
            .refused_as(403);
        house.ask("DELETE", "/api/v1/session", &[("Sec-Fetch-Site", site)], None).refused_as(403);
    }
    house
        .ask("POST", reload, &[JSON, ("Origin", &here), ("Origin", "https://evil.example")], Some("{}"))
        .refused_as(403);
    // What it would have to ask first is answered with no.
    let asks = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = house.ask("OPTIONS", reload, &asks, None);
    assert!(answer.status >= 400, "{answer:?}");
    assert!(!answer.head.to_lowercase().contains("access-control"), "{answer:?}");
    house
        .ask("POST", reload, &[JSON, ("Origin", &here), ("Sec-Fetch-Site", "same-origin")], Some("{}"))
        .is(200);
    house.post(reload, &[], "").is(200);
}

#[test]
fn another_page_reads_nothing() {
    let house = House::new();
    for site in ["cross-site", "same-site"] {
        for path in ["/api/v1/status", "/api/v1/session", "/api/v1/live", "/api/v1/openapi.json"] {
            house.get(path, &[("Sec-Fetch-Site", site)]).refused_as(403);
            // A link of another page leads to pages, not to data.
            house.get(path, &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate")]).refused_as(403);
        }
        house.get("/", &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]).refused_as(403);
        let page = house.get(
            "/",
            &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
        );
        assert!([200, 404].contains(&page.status), "{page:?}");
    }
    for site in ["same-origin", "none"] {
        house.get("/api/v1/status", &[("Sec-Fetch-Site", site), ("Origin", "https://evil.example")]).is(200);
    }
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let house = House::new();
    let answers = [
        house.get("/", &[]),
        house.get("/nothing", &[]),
        house.get("/healthz", &[]).is(200),
        house.get("/api/v1/status", &[]).is(200),
        house.get("/api/v1/nothing", &[]).refused_as(404),
        house.get("/api/v1/status", &[("Host", "evil.example")]).refused_as(421),
        house.ask("PUT", "/api/v1/status", &[JSON], Some("{}")).refused_as(405),
        house.ask("HEAD", "/api/v1/status", &[], None).is(200),
    ];
    for answer in &answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
        assert!(!answer.head.to_lowercase().contains("access-control"), "{answer:?}");
    }
    assert_eq!(answers[3].header("cache-control"), Some("no-store"));
}

#[test]
fn what_is_too_much_is_refused_and_not_read() {
    let house = House::new();
    let reload = "/api/v1/session";
    let large = format!(
        "POST {reload} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\nConnection: close\r\n\r\n",
        house.host()
    );
    house.send(large.as_bytes()).refused_as(413);
    let body = format!("{{\"token\": \"{}\"}}", "x".repeat(1 << 20));
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let chunked = format!(
        "POST {reload} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}",
        house.host()
    );
    house.send(chunked.as_bytes()).refused_as(413);
    let many: String = (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let answer =
        house.send(format!("GET /api/v1/status HTTP/1.1\r\nHost: {}\r\n{many}\r\n", house.host()).as_bytes());
    assert!([0, 400, 431].contains(&answer.status), "{answer:?}");
    let long = "x".repeat(200_000);
    let answer = house.send(
        format!("GET /api/v1/status HTTP/1.1\r\nHost: {}\r\nX: {long}\r\n\r\n", house.host()).as_bytes(),
    );
    assert!([0, 400, 431].contains(&answer.status), "{answer:?}");
    house.get("/api/v1/status", &[]).is(200);
}

#[test]
fn what_makes_no_sense_is_a_problem_and_never_the_hosts_fault() {
    let house = House::new();
    house.post("/api/v1/session", &[], "{").refused_as(400);
    house.post("/api/v1/session", &[], "{}").refused_as(422);
    house.post("/api/v1/session", &[], "[1]").refused_as(422);
    house.post("/api/v1/session", &[], "").refused_as(400);
    for path in [
        "audit?limit=x",
        "audit?limit=1001",
        "runs?limit=0",
        "assets?limit=5000",
        "jobs/night/preview?n=1001",
    ] {
        let refused = house.get(&format!("/api/v1/{path}"), &[]).refused_as(400).json();
        let detail = refused["detail"].as_str().unwrap();
        let name = if path.contains("?n=") { "`n`" } else { "`limit`" };
        assert!(detail.contains(name) && detail.contains("from 1 to 1000"), "{path}: {detail}");
    }
    house.get("/api/v1/audit?limit=1000", &[]).is(200);
    house.get("/api/v1/audit?cursor=x", &[]).refused_as(400);
    house.get("/api/v1/nothing/at/all", &[]).refused_as(404);
    house.get("/api/v1/audit?user=%ff%00&action=%22%3E%3Cscript%3E", &[]).is(200);
}

#[test]
fn no_path_leads_out_of_the_pages() {
    let house = House::new();
    let paths = [
        "/../tidegate.toml",
        "/..%2ftidegate.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../../etc/passwd",
        "/assets/..%5c..%5cetc%5cpasswd",
        "//etc/passwd",
        "/.tidegate/tidegate.db",
        "/assets/%00",
        "/api/v1/../../.tidegate/tidegate.db",
        "/api/v1/hooks/../status",
    ];
    for path in paths {
        let answer = house.get(path, &[]);
        assert!([200, 400, 404, 405].contains(&answer.status), "{path}: {answer:?}");
        for secret in ["root:", "[projects", "SQLite format"] {
            assert!(!answer.body.contains(secret), "{path}: {answer:?}");
        }
    }
}

#[test]
fn the_host_says_whether_it_works() {
    let house = House::new();
    assert_eq!(house.get("/healthz", &[]).is(200).body, "ok\n");
    house.post("/healthz", &[], "").refused_as(405);
}

#[test]
fn the_description_knows_every_answer_of_the_guard() {
    let house = House::new();
    let document = house.get("/api/v1/openapi.json", &[]).is(200).json();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !["get", "post", "put", "delete", "patch"].contains(&method.as_str()) {
                continue;
            }
            operations += 1;
            let known = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "421", "429", "500", "503"] {
                assert!(known.contains_key(status), "{method} {path} does not know {status}");
            }
            if operation.get("requestBody").is_some() {
                for status in ["413", "415", "422"] {
                    assert!(known.contains_key(status), "{method} {path} does not know {status}");
                }
            }
        }
    }
    assert!(operations > 5, "{operations}");
}

#[test]
fn headers_of_any_bytes_never_make_the_host_fail() {
    let house = House::new();
    let names = prop::sample::select(vec![
        "Host",
        "Origin",
        "Sec-Fetch-Site",
        "Sec-Fetch-Mode",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "X-Tidegate-Signature",
        "X-Hub-Signature-256",
        "Idempotency-Key",
        "Accept-Encoding",
        "Last-Event-ID",
        "If-None-Match",
        "Range",
        "Expect",
        "Connection",
        "Upgrade",
    ]);
    let value = prop::collection::vec(any::<u8>().prop_filter("line ends", |b| !b"\r\n".contains(b)), 0..40);
    let headers = prop::collection::vec((names, value), 0..6);
    let line = prop::sample::select(vec![
        "GET /api/v1/status",
        "GET /api/v1/session",
        "GET /",
        "GET /api/v1/audit",
        "POST /api/v1/session",
        "DELETE /api/v1/session",
        "POST /api/v1/hooks/night",
        "POST /api/v1/configuration/reload",
        "HEAD /healthz",
        "OPTIONS *",
        "GET /api/v1/live?x=1",
    ]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    });
    runner
        .run(&(line, any::<bool>(), headers), |(line, named, headers)| {
            let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
            if named {
                request.extend(format!("Host: {}\r\n", house.host()).bytes());
            }
            for (name, value) in headers {
                request.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
            }
            request.extend(b"\r\n");
            // A body that never comes is waited for in vain: the connection is closed from this side.
            let status = house.send_and_leave(&request);
            prop_assert!(!(500..600).contains(&status), "{status}: {}", String::from_utf8_lossy(&request));
            Ok(())
        })
        .unwrap();
    house.get("/api/v1/status", &[]).is(200);
}

#[test]
#[cfg(target_os = "linux")]
fn the_host_may_have_as_many_files_open_as_the_system_lets_it() {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(RLIMIT_NOFILE).unwrap();
    setrlimit(RLIMIT_NOFILE, soft.min(1024).min(hard - 1), hard).unwrap();
    let house = House::new();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", house.pid())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let now: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    assert_eq!(now, hard.min(1 << 16), "{limits}");
}
