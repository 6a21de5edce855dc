//! What happens, while it happens: nothing is lost between two connections, and nobody is held up by who does not listen.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use crate::{
    listener::{Api, MOMENT, Message, Stream},
    support::{Sandbox, text},
};

/// What someone shows who puts each state in the place of the one before.
#[derive(Default)]
struct Shown {
    nodes: BTreeMap<String, Value>,
    runs: BTreeMap<u64, Value>,
}

impl Shown {
    fn hear(&mut self, message: &Message) {
        match message.event.as_str() {
            "node" => {
                if message.data["complete"] == true {
                    self.nodes.clear();
                }
                for node in message.data["nodes"].as_array().unwrap() {
                    let mut node = node.clone();
                    node.as_object_mut().unwrap().remove("critical");
                    self.nodes.insert(text(&node["unique_id"]), node);
                }
            }
            "run" => {
                let mut run = message.data.clone();
                run.as_object_mut().unwrap().remove("as_of");
                self.runs.insert(run["id"].as_u64().unwrap(), run);
            }
            "resync" => panic!("too much was missed"),
            _ => {}
        }
    }

    fn hear_until(&mut self, stream: &mut Stream, what: &str, is: impl Fn(&Self) -> bool) {
        stream.until(what, |message| {
            self.hear(message);
            is(self)
        });
    }

    fn node(&self, id: &str) -> &str {
        self.nodes.get(id).and_then(|node| node["state"].as_str()).unwrap_or_default()
    }

    fn run(&self, id: u64) -> &str {
        self.runs.get(&id).and_then(|run| run["state"].as_str()).unwrap_or_default()
    }

    /// As the list and the page of the run tell it.
    fn assert_told(&self, api: &Api, id: u64) {
        let told = api.get(&format!("/runs/{id}/nodes"));
        let told: BTreeMap<_, _> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| {
                let mut node = node.clone();
                node.as_object_mut().unwrap().remove("critical");
                (text(&node["unique_id"]), node)
            })
            .collect();
        assert_eq!(self.nodes, told);
        assert_eq!(self.runs[&id], api.get("/runs")["items"][0]);
    }
}

fn tiny() -> Sandbox {
    let shop = Sandbox::models(&[("first", "select 1 as n"), ("wrong", "select nothing")]);
    shop.hold("models/held.py");
    shop.write("models/last.sql", "select n from {{ ref('held') }}");
    shop.write("models/never.sql", "select n from {{ ref('wrong') }}");
    shop
}

#[test]
fn no_state_is_lost_between_two_connections() {
    let shop = tiny();
    let api = Api::of(&shop);
    let mut shown = Shown::default();
    let mut stream = api.follow("/live", None);
    let hello = stream.next().unwrap();
    assert_eq!(
        (hello.event.as_str(), &hello.data["version"]),
        ("hello", &Value::from(env!("CARGO_PKG_VERSION")))
    );
    let client = shop.start(&["run", "build"]);
    shown.hear_until(&mut stream, "the held model", |shown| shown.node("model.tiny.held") == "running");
    let last = stream.last_id.clone();
    drop(stream);

    // While nobody listens, all the rest happens.
    shop.release();
    shop.end(client).code(1);
    let mut stream = api.follow("/live", Some(&last));
    shown.hear_until(&mut stream, "the end", |shown| shown.run(1) == "failed");
    let end = stream.until("the status", |message| {
        shown.hear(message);
        message.event == "status"
    });
    assert!(end.id >= last);
    shown.assert_told(&api, 1);

    // Who asks from the very beginning gets the same.
    let mut again = Shown::default();
    let mut stream = api.follow("/live?after=0", None);
    again.hear_until(&mut stream, "the end", |shown| shown.run(1) == "failed");
    stream.until("the status", |message| {
        again.hear(message);
        message.event == "status"
    });
    again.assert_told(&api, 1);
    assert_eq!(api.ask("/live?after=x").0, 400);
    let mut stream = api.follow("/live?after=999999999", None);
    stream.until("that all has to be fetched", |message| message.event == "resync");
}

/// The artifact is read at the end of an attempt, and has all of its nodes. What it says of those that were told as it has them is
/// nothing new.
#[test]
fn what_an_artifact_repeats_is_not_told_again() {
    let shop = tiny();
    let api = Api::of(&shop);
    let mut shown = Shown::default();
    let mut stream = api.follow("/live?run=1", None);
    let client = shop.start(&["run", "build"]);
    shown.hear_until(&mut stream, "the held model", |shown| shown.node("model.tiny.held") == "running");
    shop.release();
    shop.end(client).code(1);
    let mut told = Vec::new();
    stream.until("the end", |message| {
        shown.hear(message);
        if message.event == "node" {
            told.push(message.data.clone());
        }
        shown.run(1) == "failed"
    });
    stream.until("the status", |message| {
        shown.hear(message);
        message.event == "status"
    });
    shown.assert_told(&api, 1);
    assert!(told.iter().all(|message| message["complete"] == false), "{told:#?}");
    let mut ended: Vec<_> = told
        .iter()
        .flat_map(|message| message["nodes"].as_array().unwrap())
        .filter(|node| !node["finished_at"].is_null())
        .map(|node| text(&node["unique_id"]))
        .collect();
    ended.sort();
    assert_eq!(ended, ["first", "held", "last", "never", "wrong"].map(|name| format!("model.tiny.{name}")));
}

#[test]
fn a_host_that_comes_back_goes_on_where_the_other_was_killed() {
    let shop = tiny();
    let mut shown = Shown::default();
    let mut first = Api::of(&shop);
    let mut stream = first.follow("/live?run=1", None);
    let mut client = shop.start(&["run", "build"]);
    shown.hear_until(&mut stream, "the held model", |shown| shown.node("model.tiny.held") == "running");
    first.service.signal("-KILL");
    first.service.end();
    while let Some(message) = stream.next() {
        shown.hear(&message);
    }
    let last = stream.last_id.clone();
    let _ = client.kill();
    let _ = client.wait();
    let second = Api::by(&shop, &first.address);
    shop.release();
    let mut stream = second.follow("/live?run=1", Some(&last));
    shown.hear_until(&mut stream, "the end", |shown| shown.run(1) == "failed");
    stream.until("the status", |message| {
        shown.hear(message);
        message.event == "status"
    });
    shown.assert_told(&second, 1);
}

#[test]
fn who_does_not_listen_holds_nobody_up() {
    let shop = Sandbox::models(&[("first", "select 1 as n")]);
    let api = Api::of(&shop);
    let connect = || {
        let mut stream = TcpStream::connect(&api.address).unwrap();
        write!(stream, "GET /api/v1/live?after=0 HTTP/1.1\r\nHost: {}\r\n\r\n", api.address).unwrap();
        stream
    };
    let deaf: Vec<_> = (0..300).map(|_| connect()).collect();
    let mut stream = api.follow("/live", None);
    for run in 1..=3 {
        shop.run(&["run", "build"]).code(0);
        stream
            .until("the end", |m| m.event == "run" && m.data["id"] == run && m.data["state"] == "succeeded");
    }
    // There is an end to how many may listen, and a place for others once some have gone.
    let more: Vec<_> = (0..300).map(|_| connect()).collect();
    shop.wait_for("that all places are taken", || api.send("/live").status() == 503);
    assert_eq!(api.get("/status")["running"], serde_json::json!([]), "all else answers");
    drop((deaf, more));
    shop.wait_for("a place", || api.send("/live").status() == 200);
}

#[test]
fn who_comes_back_can_tell_that_projects_and_the_configuration_are_others() {
    let shop = Sandbox::models(&[("first", "select 1 as n")]);
    let api = Api::of(&shop);
    let hello = || {
        let first = api.follow("/live?after=0", None).next().unwrap();
        assert_eq!(first.event, "hello");
        first.data
    };
    shop.wait_for("the project", || hello()["projects"]["tiny"].is_string());
    let before = hello();
    assert_eq!(hello()["configuration"], before["configuration"]);
    shop.append("tidegate.toml", "\n[jobs.other]\nsteps = [\"dbt build\"]\n");
    shop.wait_for("the configuration", || hello()["configuration"] != before["configuration"]);
    shop.write("models/second.sql", "select 2 as n");
    shop.wait_for("the project", || hello()["projects"]["tiny"] != before["projects"]["tiny"]);
    let changed = hello();
    let again = hello();
    assert_eq!(
        [&again["configuration"], &again["projects"]],
        [&changed["configuration"], &changed["projects"]]
    );
}

#[test]
fn what_else_happens_is_named() {
    let shop = Sandbox::models(&[("first", "select 1 as n")]);
    shop.append("tidegate.toml", "schedule = \"0 0 1 1 *\"\n");
    let api = Api::of(&shop);
    let mut stream = api.follow("/live", None);
    shop.run(&["schedules", "pause", "build"]).code(0);
    let message = stream.until("the job", |message| message.event == "job");
    assert_eq!(message.data, serde_json::json!({ "job": "build" }));
    stream.until("the trail", |message| message.event == "audit");
    shop.run(&["token", "new", "ana", "--role", "read"]).code(0);
    stream.until("the trail of tokens", |message| message.event == "audit");
    shop.append("tidegate.toml", "\n[jobs.other]\nsteps = [\"dbt build\"]\n");
    stream.until("the configuration", |message| message.event == "configuration");
    shop.wait_for("the project", || api.get("/status")["projects"][0]["name"] == "tiny");
    shop.write("models/second.sql", "select 2 as n");
    let message = stream.until("the project", |message| message.event == "project");
    assert_eq!(message.data["project"], "tiny");
    let mut raw = TcpStream::connect(&api.address).unwrap();
    write!(raw, "GET /api/v1/live HTTP/1.1\r\nHost: {}\r\n\r\n", api.address).unwrap();
    let mut beginning = [0; 12];
    raw.read_exact(&mut beginning).unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200");
    std::thread::sleep(MOMENT);
}

#[test]
fn who_may_look_no_more_hears_no_more_of_runs_and_logs() {
    let shop = tiny();
    let api = Api::of(&shop);
    let client = shop.start(&["run", "build"]);
    let mut happens = api.follow("/live", None);
    happens.until("the held model", |m| m.event == "node" && m.data.to_string().contains("\"running\""));
    let mut log = api.follow("/runs/1/log/live", None);
    log.until("a line", |message| message.event == "lines");
    shop.append("tidegate.toml", "\n[web]\nanonymous = \"none\"\n");
    while happens.next().is_some() {}
    while let Some(message) = log.next() {
        assert_ne!(message.event, "end", "the run goes on");
    }
    assert_eq!(api.send("/status").status(), 401);
    shop.release();
    shop.end(client).code(1);
}
