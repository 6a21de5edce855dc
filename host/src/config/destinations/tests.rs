//! Destinations: what is understood, every mistake's sentence, and that none of it tells a secret.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{shape::FileConfig, *};
use crate::config::{Config, FILE_NAME, differences};

const PROJECT: &str = "[projects.shop]\n";

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    fs::write(&file, format!("{PROJECT}{text}")).unwrap();
    Config::load(&file, None).map_err(|e| e.to_string().replace(&*dir.path().to_string_lossy(), "."))
}

const ALL: &str = r#"
    [destinations.ops.http]
    url = "https://user:sesame-1@hooks.example.com/services/sesame-2?key=sesame-3"
    headers = { Authorization = { env = "OPS_TOKEN" }, X-Team = "sesame-4" }
    sign = { secret = { file = "secrets/ops" }, header = "X-Signature" }
    timeout = "3s"
    [destinations.plain.http]
    url = { env = "PLAIN_URL" }
    [destinations.mail.smtp]
    host = "mail.example.com"
    username = { env = "MAIL_USER" }
    password = "sesame-5"
    from = "Tidegate <tidegate@example.com>"
    to = ["a@example.com", "\"Team, Data\" <data@example.com>"]
    [destinations.relay.smtp]
    host = "127.0.0.1"
    port = 2525
    tls = "none"
    from = "tidegate@example.com"
    to = "b@example.com"
    timeout = "1m"
    [destinations.audit.file]
    path = "logs/../alerts.jsonl"
    [destinations.console]
    stdout = {}
"#;

#[test]
fn every_kind_of_destination_is_understood() {
    let config = load(ALL).unwrap();
    let records: BTreeMap<_, _> = config
        .destinations
        .iter()
        .map(|(name, destination)| {
            assert_eq!(&destination.name, name);
            (
                name,
                destination
                    .record()
                    .to_string()
                    .replace(&*config.file.parent().unwrap().to_string_lossy(), "DIR"),
            )
        })
        .collect();
    insta::assert_debug_snapshot!(records);
    let kinds: Vec<_> = config.destinations.values().map(Destination::kind).collect();
    assert_eq!(kinds, ["file", "stdout", "smtp", "http", "http", "smtp"]);
    let keys =
        |name: &str| config.destinations[name].secrets().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys("ops"), ["url", "headers.Authorization", "headers.X-Team", "sign.secret"]);
    assert_eq!(keys("mail"), ["username", "password"]);
    assert_eq!(keys("relay"), [""; 0]);
    let Place::Smtp(mail) = &config.destinations["mail"].to else { panic!() };
    assert_eq!(mail.to[1].name.as_deref(), Some("Team, Data"));
    assert_eq!((mail.port, mail.from.domain()), (587, "example.com"));
}

#[test]
fn no_form_of_a_configuration_shows_a_secret() {
    let config = load(ALL).unwrap();
    let records: Vec<_> = config.destinations.values().map(Destination::record).collect();
    let other = load(&ALL.replace("sesame", "open")).unwrap();
    let lines = differences(
        &config,
        &Config { file: config.file.clone(), state_dir: config.state_dir.clone(), ..other },
    );
    let all = format!("{config:?} {records:?} {lines:?}");
    assert!(!all.contains("sesame") && !all.contains("open-"), "{all}");
    assert!(!all.contains("hooks.example.com"), "{all}");
    let mut told: Vec<_> = lines.iter().filter(|line| line.contains("another value")).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "destination `mail`: password has another value",
            "destination `ops`: headers.X-Team has another value",
            "destination `ops`: url has another value"
        ]
    );
}

#[test]
fn a_change_of_a_destination_is_a_line() {
    let old = load(ALL).unwrap();
    let new = ALL
        .replace("OPS_TOKEN", "TEAM_TOKEN")
        .replace("port = 2525", "port = 26")
        .replace("console", "screen");
    let new = load(&new).unwrap();
    let lines =
        differences(&old, &Config { file: old.file.clone(), state_dir: old.state_dir.clone(), ..new });
    let lines: Vec<_> = lines.iter().filter(|l| l.contains("destination") && !l.contains(".path")).collect();
    assert_eq!(
        lines.iter().filter(|l| !l.contains("sign.secret")).collect::<Vec<_>>(),
        [
            &"destination `console` is gone",
            &"destination `ops`: http.headers.Authorization.env OPS_TOKEN -> TEAM_TOKEN",
            &"destination `relay`: smtp.port 2525 -> 26",
            &"destination `screen` is new",
        ]
    );
}

#[test]
fn every_mistake_has_its_sentence_and_shows_no_secret() {
    let cases = [
        "[destinations.a]\n",
        "[destinations.a]\nhttp = { url = \"https://x\" }\nstdout = {}\n",
        "[destinations.\"a b\"]\nstdout = {}\n",
        "[destinations.a]\nhttps = { url = \"https://sesame\" }\n",
        "[destinations]\na = \"https://sesame\"\n",
        "[destinations.a]\nhttp = \"https://sesame\"\n",
        "[destinations.a]\nstdout = true\n",
        "[destinations.a.http]\n",
        "[destinations.a.http]\nurl = 3\n",
        "[destinations.a.http]\nurl = [\"https://sesame\"]\n",
        "[destinations.a.http]\nurl = \"\"\n",
        "[destinations.a.http]\nurl = \"sesame\"\n",
        "[destinations.a.http]\nurl = \"ftp://sesame/\"\n",
        "[destinations.a.http]\nurl = \"https://sesame:99999/\"\n",
        "[destinations.a.http]\nurl = \"https://se same/\"\n",
        "[destinations.a.http]\nurl = \"https://sesame/\\r\\nHost: x\"\n",
        "[destinations.a.http]\nurl = \"https://sesame/#part\"\n",
        "[destinations.a.http]\nurl = \"file:///sesame\"\n",
        "[destinations.a.http]\nurl = { env = \"A\", file = \"b\" }\n",
        "[destinations.a.http]\nurl = {}\n",
        "[destinations.a.http]\nurl = { env = \"\" }\n",
        "[destinations.a.http]\nurl = { env = \"A=B\" }\n",
        "[destinations.a.http]\nurl = { file = \"\" }\n",
        "[destinations.a.http]\nurl = { path = \"x\" }\n",
        "[destinations.a.http]\nurl = { env = 1 }\n",
        "[destinations.a.http]\nurl = \"https://x\"\nheaders = \"sesame\"\n",
        "[destinations.a.http]\nurl = \"https://x\"\nheaders = { \"a b\" = \"sesame\", Host = \"sesame\", A = \"ses\\name\", a = \"é\", \"\" = \"x\" }\n",
        "[destinations.a.http]\nurl = \"https://x\"\nsign = \"sesame\"\n",
        "[destinations.a.http]\nurl = \"https://x\"\nsign = { header = \"X\" }\n",
        "[destinations.a.http]\nurl = \"https://x\"\nheaders = { x = \"1\" }\nsign = { secret = \"sesame\", header = \"X\" }\n",
        "[destinations.a.http]\nurl = \"https://x\"\nsign = { secret = \"sesame\", header = \"Idempotency-Key\" }\n",
        "[destinations.a.http]\nurl = \"https://x\"\ntimeout = \"soon\"\n[destinations.b.http]\nurl = \"https://x\"\ntimeout = \"1h\"\n",
        "[destinations.a.smtp]\n",
        "[destinations.a.smtp]\nhost = \"m x\"\nport = 0\ntls = \"ssl\"\nfrom = \"x@y.z\"\nto = []\n",
        "[destinations.a.smtp]\nhost = \"m x\"\nport = 1\nfrom = \"x\"\nto = []\n",
        "[destinations.a.smtp]\nhost = \"m\"\nport = 70000\nfrom = \"x@y.z\"\nto = \"x@y.z\"\n",
        "[destinations.a.smtp]\nhost = \"m\"\nfrom = \"x@y.z\"\nto = [\"a@b.c\", \"a@b.c\\r\\nBcc: d@e.f\", \"é@b.c\", \"A\\nB <a@b.c>\"]\n",
        "[destinations.a.smtp]\nhost = \"m\"\nusername = \"sesame\"\nfrom = \"x@y.z\"\nto = \"x@y.z\"\n",
        "[destinations.a.smtp]\nhost = \"m\"\npassword = \"sesame\"\nfrom = \"x@y.z\"\nto = \"x@y.z\"\n",
        "[destinations.a.smtp]\nhost = \"m\"\ntls = \"none\"\nusername = \"u\"\npassword = \"sesame\"\nfrom = \"x@y.z\"\nto = \"x@y.z\"\n",
        "[destinations.a.file]\n",
        "[destinations.a.file]\npath = \"\"\n",
        "[destinations.a.file]\npath = \"..\"\n",
    ];
    let said: Vec<_> = cases
        .iter()
        .map(|text| {
            let said = load(text).map(|_| ()).unwrap_err();
            assert!(!said.contains("sesame"), "{text}\n{said}");
            format!("{}\n{said}\n", text.trim_end().replace('\n', " | "))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

proptest! {
    #[test]
    fn nothing_of_an_address_is_in_what_is_said_of_it(text in "[ -~]{0,40}") {
        if let Err(why) = web_address(&format!("sesame{text}")) {
            prop_assert!(!why.contains("sesame"), "{why}");
        }
    }

    #[test]
    fn a_mailbox_holds_no_line_end_whatever_is_written(text in any::<String>()) {
        if let Ok(mailbox) = Mailbox::parse(&text) {
            prop_assert!(!mailbox.to_string().contains(['\r', '\n']));
            prop_assert!(mailbox.address.is_ascii() && !mailbox.domain().is_empty());
        }
    }

    #[test]
    fn a_header_that_is_taken_is_one_that_the_client_takes(name in "[!-~]{0,12}", value in any::<String>()) {
        if refuse_header_name(&name).is_none() && refuse_header_value(&value).is_none() {
            prop_assert!(!name.contains([':', ' ', '\r', '\n']));
            prop_assert!(!value.contains(['\r', '\n', '\0']));
        }
    }
}

#[test]
fn a_file_is_relative_to_the_configuration() {
    let base = Path::new("/srv/dbt");
    let shape = |path: &str| DestinationConfig {
        http: None,
        smtp: None,
        file: Some(FileConfig { path: path.into() }),
        stdout: None,
    };
    let of = |path: &str| resolve("a", shape(path), base).unwrap().to;
    assert_eq!(of("./alerts.jsonl"), Place::File("/srv/dbt/alerts.jsonl".into()));
    assert_eq!(of("/var/log/alerts.jsonl"), Place::File("/var/log/alerts.jsonl".into()));
}
