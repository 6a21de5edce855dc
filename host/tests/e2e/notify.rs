//! `tidegate notify`: the real binary, real servers, and secrets that stay where they are.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Stdio,
    sync::Arc,
    thread::JoinHandle,
};

use crate::support::{Said, Sandbox};

/// Secrets of these tests: whatever has this word in it must be seen by nobody but the receiver.
const CANARY: &str = "canary7731";

fn shop(destinations: &str) -> Sandbox {
    let shop = Sandbox::models(&[]);
    shop.append("tidegate.toml", destinations);
    shop
}

fn run(shop: &Sandbox, args: &[&str], env: &[(&str, &str)]) -> Said {
    let mut command = shop.command(args);
    command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = shop.end(command.spawn().unwrap());
    assert!(!said.out.contains(CANARY) && !said.err.contains(CANARY), "{}\n{}", said.out, said.err);
    said
}

/// Nothing below a folder has the word in it.
fn no_canary_below(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            no_canary_below(&entry.path());
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{}", entry.path().display());
        }
    }
}

/// Reads one request, and answers it.
fn answer(stream: &mut (impl Read + Write), status: &str, body: &str) -> (String, String) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut content = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut content).unwrap();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.flush().unwrap();
    (head, String::from_utf8(content).unwrap())
}

fn server(status: &'static str, body: &'static str) -> (u16, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || answer(&mut listener.accept().unwrap().0, status, body)))
}

/// A certificate for this machine, as a file for the client and as what a server needs.
fn certificate(shop: &Sandbox) -> Arc<rustls::ServerConfig> {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    shop.write("authority.pem", &signed.cert.pem());
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let chain = vec![signed.cert.der().clone()];
    Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

#[test]
fn a_test_goes_to_a_web_address_that_only_the_environment_knows() {
    let shop = shop(
        "\n[destinations.ops.http]\nurl = { env = \"OPS_URL\" }\nheaders = { Authorization = { file = \"token\" } }\n\
         sign = { secret = { env = \"OPS_SECRET\" } }\n",
    );
    let (port, arrived) = server("200 OK", "thanks, canary7731");
    shop.write("token", "Bearer canary7731\n");
    let url = format!("http://127.0.0.1:{port}/hook/{CANARY}");
    let env = [("OPS_URL", url.as_str()), ("OPS_SECRET", CANARY)];
    run(&shop, &["notify", "test", "ops"], &env)
        .code(0)
        .err_has("delivered to `ops` (http)")
        .err_has("200 thanks, *****");
    let (head, body) = arrived.join().unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with(&format!("post /hook/{CANARY} http/1.1\r\n")), "{head}");
    assert!(
        head.contains("authorization: bearer canary7731") && head.contains("idempotency-key: test-"),
        "{head}"
    );
    assert!(head.contains("x-tidegate-signature: t="), "{head}");
    assert!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["text"].as_str().unwrap().contains("`ops`")
    );

    let (port, arrived) = server("503 Busy", "canary7731 is busy");
    let url = format!("http://127.0.0.1:{port}/hook/{CANARY}");
    run(&shop, &["notify", "test", "ops"], &[("OPS_URL", &url), ("OPS_SECRET", CANARY)])
        .code(1)
        .err_has("not delivered to `ops` (http)")
        .err_has("503")
        .err_has("the host would try again");
    arrived.join().unwrap();
    std::fs::remove_file(shop.file("token")).unwrap();
    no_canary_below(shop.dir.path());
}

#[test]
fn what_is_missing_is_named_before_anything_is_sent() {
    let shop = shop(
        "\n[destinations.ops.http]\nurl = { env = \"OPS_URL\" }\nheaders = { Authorization = { file = \"token\" } }\n\
         [destinations.audit.file]\npath = \"no/alerts.jsonl\"\n[destinations.console]\nstdout = {}\n",
    );
    let said = run(&shop, &["notify", "destinations", "--json"], &[]).code(0).json();
    assert_eq!(said[0]["name"], "audit");
    assert_eq!((&said[1]["name"], &said[1]["kind"]), (&"console".into(), &"stdout".into()));
    assert_eq!(said[2]["unusable"][0]["key"], "url");
    assert_eq!(said[2]["unusable"][0]["reason"], "is missing: the environment variable OPS_URL is not set");
    assert_eq!(said[2]["unusable"][1]["key"], "headers.Authorization");
    run(&shop, &["notify", "destinations"], &[("OPS_URL", CANARY)])
        .code(0)
        .out_has("console  stdout  ready")
        .out_has("token is not there");
    run(&shop, &["notify", "test", "ops"], &[])
        .code(1)
        .err_has("the environment variable OPS_URL is not set");
    run(&shop, &["check"], &[("OPS_URL", "garbage SECRET")])
        .out_has("destination `ops` (http): `url` has a space or a control character in it");
    run(&shop, &["notify", "test", "audit"], &[]).code(1).err_has("its folder is not there");
    run(&shop, &["notify", "test", "opps"], &[]).code(2).err_has("did you mean `ops`?");
    run(&shop, &["check"], &[])
        .out_has("destination `ops` (http): `url` is missing: the environment variable OPS_URL is not set")
        .out_has("destination `audit` (file)")
        .out_has("destination `console` (stdout)");
}

#[test]
fn files_and_standard_output_get_lines() {
    let shop =
        shop("\n[destinations.audit.file]\npath = \"alerts.jsonl\"\n[destinations.console]\nstdout = {}\n");
    for _ in 0..2 {
        run(&shop, &["notify", "test", "audit"], &[]).code(0);
    }
    let lines = shop.read("alerts.jsonl");
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"], "test");
    }
    let said = run(&shop, &["notify", "test", "console"], &[]).code(0);
    assert_eq!(said.json()["kind"], "test");
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_the_environment_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shop = shop(&format!("\n[destinations.ops.http]\nurl = \"https://localhost:{port}/hook\"\n"));
    let config = certificate(&shop);
    let thread = std::thread::spawn(move || {
        // The first one hangs up.
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if stream.flush().is_ok() && stream.conn.complete_io(&mut stream.sock).is_ok() {
                return answer(&mut stream, "200 OK", "");
            }
        }
        panic!("nobody came");
    });
    run(&shop, &["notify", "test", "ops"], &[]).code(1).err_has("certificate");
    let authority = shop.file("authority.pem");
    run(&shop, &["notify", "test", "ops"], &[("SSL_CERT_FILE", authority.to_str().unwrap())]).code(0);
    assert!(thread.join().unwrap().0.starts_with("POST /hook "));
}

/// Speaks SMTP up to STARTTLS, then all of it behind the encryption. Gives what was said there.
fn mail_server(listener: TcpListener, config: Arc<rustls::ServerConfig>) -> String {
    let stream = listener.accept().unwrap().0;
    let mut plain: TcpStream = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    write!(plain, "220 here\r\n").unwrap();
    for answer in ["250-here\r\n250 STARTTLS\r\n", "220 go on\r\n"] {
        lines.next().unwrap().unwrap();
        plain.write_all(answer.as_bytes()).unwrap();
    }
    let connection = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, plain);
    let mut said = String::new();
    let (mut line, mut byte, mut in_mail) = (Vec::new(), [0], false);
    while stream.read(&mut byte).unwrap_or(0) > 0 {
        line.push(byte[0]);
        if byte[0] != b'\n' {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut line)).unwrap();
        said.push_str(&text);
        let answer = match text.trim_end() {
            "." => "250 queued\r\n",
            _ if in_mail => continue,
            "DATA" => "354 go on\r\n",
            text if text.starts_with("EHLO") => "250-here\r\n250 AUTH PLAIN\r\n",
            text if text.starts_with("AUTH") => "235 welcome\r\n",
            _ => "250 fine\r\n",
        };
        in_mail = answer.starts_with("354");
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            break;
        }
    }
    said
}

#[test]
fn a_mail_goes_out_encrypted_and_with_a_login() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shop = shop(&format!(
        "\n[destinations.mail.smtp]\nhost = \"localhost\"\nport = {port}\nusername = {{ env = \"MAIL_USER\" }}\n\
         password = {{ env = \"MAIL_PASSWORD\" }}\nfrom = \"tidegate@example.com\"\nto = \"ops@example.com\"\n"
    ));
    let config = certificate(&shop);
    let thread = std::thread::spawn(move || mail_server(listener, config));
    let authority = shop.file("authority.pem");
    let env = [
        ("SSL_CERT_FILE", authority.to_str().unwrap()),
        ("MAIL_USER", "tidegate"),
        ("MAIL_PASSWORD", CANARY),
    ];
    run(&shop, &["notify", "test", "mail"], &env).code(0).err_has("250 queued");
    let said = thread.join().unwrap();
    // "\0tidegate\0canary7731"
    assert!(said.contains("AUTH PLAIN AHRpZGVnYXRlAGNhbmFyeTc3MzE=\r\n"), "{said}");
    assert!(
        said.contains("RCPT TO:<ops@example.com>\r\n") && said.contains("Subject: Test of the destination"),
        "{said}"
    );
}

#[test]
fn a_notifier_writes_what_is_sent_and_sees_no_address() {
    let (port, arrived) = server("200 OK", "ok");
    let shop = shop(
        "\n[destinations.ops.http]\nurl = { env = \"OPS_URL\" }\n[destinations.audit.file]\npath = \"alerts.jsonl\"\n",
    );
    let url = format!("http://127.0.0.1:{port}/services/{CANARY}");
    run(&shop, &["notify", "test", "ops", "--notifier", "builtin:slack"], &[("OPS_URL", &url)]).code(0);
    let (head, body) = arrived.join().unwrap();
    assert!(head.starts_with(&format!("POST /services/{CANARY} HTTP/1.1\r\n")), "{head}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(body["blocks"].as_array().is_some_and(|blocks| !blocks.is_empty()), "{body}");
    assert!(!body.to_string().contains(CANARY) && !body.to_string().contains("127.0.0.1"), "{body}");

    run(&shop, &["notify", "test", "audit", "--notifier", "builtin:webhook"], &[]).code(0);
    let line: serde_json::Value = serde_json::from_str(&shop.read("alerts.jsonl")).unwrap();
    assert_eq!((&line["kind"], &line["version"]), (&"test".into(), &1.into()), "{line}");
    no_canary_below(shop.dir.path());
    // One that speaks no such language says so.
    run(&shop, &["notify", "test", "audit", "--notifier", "builtin:slack"], &[])
        .code(1)
        .err_has("builtin:slack");
}

#[test]
fn the_mail_of_a_notifier_arrives_in_both_of_its_forms() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shop = shop(&format!(
        "\n[destinations.mail.smtp]\nhost = \"localhost\"\nport = {port}\nfrom = \"tidegate@example.com\"\nto = \"ops@example.com\"\n"
    ));
    let config = certificate(&shop);
    let thread = std::thread::spawn(move || mail_server(listener, config));
    let authority = shop.file("authority.pem");
    run(
        &shop,
        &["notify", "test", "mail", "--notifier", "builtin:email"],
        &[("SSL_CERT_FILE", authority.to_str().unwrap())],
    )
    .code(0);
    let said = thread.join().unwrap();
    assert!(said.contains("Content-Type: multipart/alternative; boundary="), "{said}");
    assert!(said.contains("Content-Type: text/plain") && said.contains("Content-Type: text/html"), "{said}");
    assert!(said.contains("Subject: [Tidegate] "), "{said}");
}

#[test]
fn a_notifier_that_is_none_is_named() {
    let shop = shop("\n[destinations.console]\nstdout = {}\n");
    let said =
        |notifier: &str| run(&shop, &["notify", "test", "console", "--notifier", notifier], &[]).code(2);
    assert_eq!(said("builtin:no-such-notifier").out, "");
    said("no-such-file").err_has("no-such-file");
    said("builtin:source-prefix").err_has("source-prefix");
    shop.write("broken.wasm", "not a component");
    said("./broken.wasm").err_has("broken.wasm");
}
