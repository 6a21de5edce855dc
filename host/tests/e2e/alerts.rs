//! Alerts: what is told, once, to whom, and under which key, whatever happens to the host.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::support::{Sandbox, Service, text};

/// Secrets of these tests: whatever has this word in it must be seen by nobody but the receiver.
const CANARY: &str = "canary4921";

/// What someone was sent, and under which key.
#[derive(Debug, Clone)]
struct Sent {
    path: String,
    key: String,
    token: String,
    body: Value,
}

/// A receiver that says thank you.
struct Receiver {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Receiver {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/{CANARY}", listener.local_addr().unwrap());
        let sent = Arc::default();
        let all: Arc<Mutex<Vec<Sent>>> = Arc::clone(&sent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = take(stream) {
                    all.lock().unwrap().push(request);
                }
            }
        });
        Self { url, sent }
    }

    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.sent().iter().map(|sent| text(&sent.body["kind"])).collect()
    }
}

fn take(mut stream: TcpStream) -> Option<Sent> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let header = |name: &str| {
        let found = head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        found.unwrap_or_default()
    };
    let mut content = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut content).ok()?;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    stream.flush().ok()?;
    Some(Sent {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        key: header("idempotency-key"),
        token: header("authorization"),
        body: serde_json::from_slice(&content).unwrap(),
    })
}

const HOOK: &str = "[destinations.hook.http]\nurl = { env = \"HOOK_URL\" }\n\
    headers = { Authorization = { env = \"HOOK_TOKEN\" } }\n";

fn webhook() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/prebuilt/webhook.wasm"))
}

fn serve(shop: &Sandbox, receiver: &Receiver, crash: Option<&str>) -> Service {
    let mut command = shop.command(&["serve"]);
    command.env("HOOK_URL", &receiver.url).env("HOOK_TOKEN", format!("Bearer {CANARY}"));
    if let Some(point) = crash {
        command.env("TIDEGATE_CRASH_AT", point);
    }
    shop.serve_by(command)
}

fn deliveries(shop: &Sandbox) -> Vec<Value> {
    shop.run(&["notify", "deliveries", "--json"]).code(0).json().as_array().unwrap().clone()
}

/// Nothing below a folder has the word in it.
fn no_canary_below(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            no_canary_below(&entry.path());
        } else if let Ok(bytes) = fs::read(entry.path()) {
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{}", entry.path().display());
        }
    }
}

const BROKEN: &str = "select * from nowhere";

#[test]
fn a_notifier_that_is_dropped_into_the_folder_tells_of_the_next_failure_and_never_knows_to_whom() {
    let shop = Sandbox::models(&[("orders", BROKEN)]);
    shop.append("tidegate.toml", HOOK);
    let receiver = Receiver::new();
    let mut service = serve(&shop, &receiver, None);
    shop.run(&["run", "build"]).code(1);
    shop.write("plugins/hook.toml", "destinations = [\"hook\"]\nconfig = { path = \"/team\" }\n");
    fs::copy(webhook(), shop.file("plugins/hook.wasm")).unwrap();
    service.wait_for("plugin loaded");
    shop.run(&["run", "build"]).code(1);
    shop.wait_for("the message", || receiver.sent().len() == 1);
    let first = &receiver.sent()[0];
    assert_eq!(first.path, format!("/{CANARY}/team"));
    assert_eq!(first.token, format!("Bearer {CANARY}"));
    assert_eq!(first.body["kind"], "run_failed");
    assert_eq!(first.body["title"], "build failed: 1 model failed");
    assert_eq!(first.body["run"]["id"], 2);
    // The host listens where `--listen` says, and the file names no address for people.
    let status = shop.run(&["status", "--json"]).code(0).json();
    assert_eq!(first.body["link"], format!("{}/runs/2", text(&status["listening"])));
    assert_eq!(first.body["nodes"][0]["asset_key"], "orders");
    assert!(text(&first.body["nodes"][0]["message"]).contains("nowhere"), "{}", first.body);

    // What the notifier was told, and what was sent, is on record: without address and token.
    shop.wait_for("the record", || deliveries(&shop)[0]["state"] == "delivered");
    let sent = &deliveries(&shop)[0];
    assert_eq!((&sent["destination"], &sent["key"]), (&"hook".into(), &first.key.as_str().into()), "{sent}");
    assert_eq!((&sent["alert"], &sent["tries"]), (&"hook".into(), &1.into()), "{sent}");
    let calls = shop.run(&["plugin", "calls", "hook", "--json"]).code(0);
    let call = &calls.json()[0];
    assert_eq!(call["input"]["destinations"], serde_json::json!([{ "name": "hook", "kind": "http" }]));
    assert!(text(&call["subject"]).starts_with("notification "), "{call}");
    assert!(!calls.out.contains(CANARY) && !calls.out.contains("127.0.0.1:4601"), "{}", calls.out);
    assert!(!service.log().contains(CANARY), "{}", service.log());
    shop.run(&["alerts"]).code(0).out_has("hook").out_has("run 2");
    shop.run(&["runs", "show", "2"]).code(0).out_has("build failed: 1 model failed");

    // What fails on is not told again, and what is well is, once.
    shop.run(&["run", "build"]).code(1);
    shop.write("models/orders.sql", "select 1 as id");
    shop.run(&["run", "build"]).code(0);
    shop.wait_for("the recovery", || receiver.sent().len() == 2);
    assert_eq!(receiver.sent()[1].body["title"], "build recovered");
    assert_ne!(receiver.sent()[1].key, first.key);

    // Without the file nobody is told any more.
    fs::remove_file(shop.file("plugins/hook.wasm")).unwrap();
    service.wait_for("plugin removed");
    shop.write("models/orders.sql", BROKEN);
    shop.run(&["run", "build"]).code(1);
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    assert_eq!(receiver.kinds(), ["run_failed", "run_recovered"]);
    assert_eq!(deliveries(&shop).len(), 2);
    no_canary_below(&shop.file(".tidegate"));
}

#[test]
fn what_was_raised_is_sent_under_one_key_however_often_the_host_is_killed() {
    for (point, times) in [("engine.after-run", 1), ("engine.before-deliver", 1), ("engine.after-deliver", 2)]
    {
        let shop = Sandbox::models(&[("orders", BROKEN)]);
        shop.append("tidegate.toml", HOOK);
        shop.append(
            "tidegate.toml",
            "[alerts.ops]\nnotifier = \"builtin:webhook\"\ndestinations = [\"hook\"]\n",
        );
        let receiver = Receiver::new();
        let mut service = serve(&shop, &receiver, Some(point));
        let client = shop.start(&["run", "build"]);
        assert_eq!(service.end(), None, "it is killed at {point}");
        drop(shop.end(client));
        let _service = serve(&shop, &receiver, None);
        shop.wait_for("the delivery", || {
            let all = deliveries(&shop);
            all.len() == 1 && all[0]["state"] == "delivered"
        });
        let sent = receiver.sent();
        assert_eq!(sent.len(), times, "{point}: {sent:?}");
        assert!(sent.iter().all(|s| s.key == sent[0].key && s.body == sent[0].body), "{point}: {sent:?}");
        assert_eq!(sent[0].body["kind"], "run_failed");
    }
}

#[test]
fn a_notifier_of_the_folder_tells_what_was_raised_before_the_host_was_killed() {
    let shop = Sandbox::models(&[("orders", BROKEN)]);
    shop.append("tidegate.toml", HOOK);
    shop.write("plugins/hook.toml", "destinations = [\"hook\"]\n");
    fs::copy(webhook(), shop.file("plugins/hook.wasm")).unwrap();
    let receiver = Receiver::new();
    let mut service = serve(&shop, &receiver, Some("engine.after-run"));
    let client = shop.start(&["run", "build"]);
    assert_eq!(service.end(), None, "it is killed between what it raised and its being rendered");
    drop(shop.end(client));
    let _service = serve(&shop, &receiver, None);
    shop.wait_for("the delivery", || receiver.sent().len() == 1);
    assert_eq!(receiver.sent()[0].body["kind"], "run_failed");
}

#[test]
fn fifty_models_below_a_broken_parent_are_one_message_and_one_when_they_are_well() {
    let children: Vec<_> = (1..=50).map(|n| format!("child{n}")).collect();
    let child = "select * from {{ ref('parent') }}";
    let mut models: Vec<_> = children.iter().map(|name| (name.as_str(), child)).collect();
    models.push(("parent", BROKEN));
    let shop = Sandbox::models(&models);
    shop.append(
        "tidegate.toml",
        "[jobs.parent]\nsteps = [\"dbt run --select parent\"]\n\
         [jobs.children]\nsteps = [\"dbt run --exclude parent\"]\n\
         [destinations.file.file]\npath = \"told.jsonl\"\n\
         [alerts.ops]\nnotifier = \"builtin:webhook\"\ndestinations = [\"file\"]\n",
    );
    let told = || -> Vec<Value> {
        let lines = fs::read_to_string(shop.file("told.jsonl")).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let _service = shop.serve(&[]);
    shop.run(&["run", "parent"]).code(1);
    shop.wait_for("the message", || told().len() == 1);
    shop.run(&["run", "children"]).code(1);
    let states = shop.states(2);
    assert_eq!(states.values().filter(|state| *state == "error").count(), 50, "{states:?}");
    shop.run(&["run", "children"]).code(1);
    assert_eq!(told().len(), 1, "{:?}", told());
    shop.run(&["runs", "show", "2"])
        .code(0)
        .out_has("belongs to the incident that began with run 1 of parent");
    shop.run(&["alerts"]).code(0).out_has("51");
    shop.write("models/parent.sql", "select 1 as id");
    shop.run(&["run", "parent"]).code(0);
    shop.run(&["run", "children"]).code(0);
    shop.wait_for("the recovery", || told().len() > 1);
    let all = told();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!((&all[0]["kind"], &all[1]["kind"]), (&"run_failed".into(), &"run_recovered".into()));
    assert_eq!(all[1]["title"], "parent recovered");
    assert!(text(&all[1]["text"]).contains("51"), "{}", all[1]);
}

#[test]
fn what_is_snoozed_is_on_record_and_not_told() {
    let shop = Sandbox::models(&[("orders", BROKEN)]);
    shop.append(
        "tidegate.toml",
        "[destinations.file.file]\npath = \"told.jsonl\"\n\
         [alerts.ops]\nnotifier = \"builtin:webhook\"\ndestinations = [\"file\"]\n",
    );
    shop.run(&["alerts", "snooze", "opps", "--for", "1h"]).code(2).err_has("did you mean `ops`?");
    shop.run(&["alerts", "snooze", "ops", "--for", "1h"]).code(0);
    shop.run(&["alerts"]).code(0).out_has("snoozed");
    let _service = shop.serve(&[]);
    shop.run(&["run", "build"]).code(1);
    shop.run(&["runs", "show", "1"]).code(0).out_has("snoozed by");
    shop.run(&["alerts", "snooze", "ops", "--off"]).code(0);
    shop.run(&["run", "build"]).code(1);
    // The file is there a moment before what is written to it.
    let told = || std::fs::read_to_string(shop.file("told.jsonl")).unwrap_or_default();
    shop.wait_for("the message", || told().ends_with('\n'));
    assert_eq!(told().lines().count(), 1);
}

#[test]
fn a_mistake_in_the_settings_of_a_notifier_leaves_both_as_they_were() {
    let shop = Sandbox::models(&[("orders", BROKEN)]);
    let base = shop.read("tidegate.toml");
    shop.append("tidegate.toml", "[destinations.file.file]\npath = \"told.jsonl\"\n");
    let whole = "destinations = [\"file\"]\n[config]\n";
    shop.write("plugins/hook.toml", whole);
    fs::copy(webhook(), shop.file("plugins/hook.wasm")).unwrap();
    let mut service = shop.serve(&[]);
    service.wait_for("plugin loaded");
    let row = || {
        let rows = shop.run(&["plugin", "ls", "--json"]).code(0).json();
        rows.as_array().unwrap().iter().find(|row| row["name"] == "hook").cloned().unwrap()
    };
    assert_eq!((&row()["state"], &row()["used_by"][0]), (&"ready".into(), &"alert hook".into()));
    shop.run(&["check"]).code(0).out_has("alert `hook` (of the plugins folder): webhook");

    shop.write("plugins/hook.toml", &format!("supress = \"1h\"\n{whole}"));
    service.wait_for("plugin refused; the one before it is still used");
    assert!(service.log().contains("did you mean `suppress`?"), "{}", service.log());
    let refused = row();
    assert_eq!(refused["state"], "refused", "{refused}");
    assert!(text(&refused["reason"]).contains("unknown key `supress`"), "{refused}");
    shop.run(&["check"]).code(2).out_has("did you mean `suppress`?");
    shop.run(&["run", "build"]).code(1);
    shop.wait_for("the message", || shop.file("told.jsonl").exists());

    // A destination that goes leaves nobody to be told, and one that comes is enough to be taken up.
    shop.write("plugins/hook.toml", whole);
    shop.wait_for("the file to be taken up", || row()["state"] == "ready");
    shop.write("tidegate.toml", &base);
    shop.run(&["reload"]).code(0);
    service.wait_for("there is no destination `file`");
    shop.run(&["alerts"]).code(0).err_has("there is no destination `file`");
    shop.run(&["check"]).code(2).out_has("there is no destination `file`");
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    let mut service = shop.serve(&[]);
    service.wait_for("plugin refused");
    shop.append("tidegate.toml", "[destinations.file.file]\npath = \"told.jsonl\"\n");
    shop.run(&["reload"]).code(0);
    service.wait_for("plugin loaded");
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_notifier_that_cannot_be_used_is_named_before_and_after_and_who_is_to_be_told_is_told() {
    let shop = Sandbox::models(&[("orders", BROKEN)]);
    let base = shop.read("tidegate.toml");
    let with = |rest: &str| {
        let file = "[destinations.file.file]\npath = \"told.txt\"\n";
        format!("{base}{file}[alerts.ops]\ndestinations = [\"file\"]\n{rest}")
    };
    shop.write("tidegate.toml", &with("notifier = \"builtin:slak\"\n"));
    shop.run(&["check"]).code(2).err_has("did you mean `builtin:slack`?");
    shop.write("tidegate.toml", &with("notifier = \"builtin:backoff\"\n"));
    shop.run(&["check"]).code(2).out_has("alert `ops`: ").out_has("a notifier is wanted here");
    shop.write("tidegate.toml", &with("notifier = \"builtin:slack\"\n"));
    shop.run(&["check"])
        .code(0)
        .out_has("alert `ops`: it would send nothing")
        .out_has("none of the destinations is `http`");
    shop.write("tidegate.toml", &with("notifier = \"builtin:webhook\"\nconfig = { pth = 1 }\n"));
    shop.run(&["check"]).code(2).out_has("refuses its configuration").out_has("pth");
    shop.write("plugins/Bad.wasm", "");
    shop.write("plugins/words.wasm", "(module)");
    shop.run(&["check"]).code(2).out_has("`Bad` cannot be the name").out_has("WebAssembly as text");
    fs::remove_dir_all(shop.file("plugins")).unwrap();

    shop.run(&["run", "build"]).code(1);
    assert!(shop.read("told.txt").starts_with("build failed: 1 model failed\n"));
    shop.run(&["runs", "show", "1"])
        .code(0)
        .out_has("delivered to file")
        .out_has("as a plain message: ")
        .out_has("pth");
    assert!(text(&deliveries(&shop)[0]["fault"]).contains("pth"));
    shop.run(&["notify", "deliveries"]).code(0).out_has("sent as a plain message");
    shop.run(&["alerts"]).code(0).out_has("went out as a plain message").out_has("pth");
    shop.run(&["alerts", "snooze", "ops", "--until", "2020-01-01T00:00:00Z"])
        .code(2)
        .err_has("that time is over");
    shop.run(&["alerts", "snooze", "ops", "--until", "yesterday"]).code(2).err_has("write a time");
    let used = shop.run(&["plugin", "ls", "--json"]).code(0).json();
    assert_eq!((&used[0]["name"], &used[0]["used_by"][0]), (&"builtin:webhook".into(), &"alert ops".into()));
}
