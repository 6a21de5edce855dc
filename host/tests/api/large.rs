//! A run of 5,000 nodes and 10,000 events; `cargo test -- --nocapture` shows how long each look takes.

use std::{fs, time::Instant};

use jiff::Timestamp;
use tidegate::{
    model::{
        AttemptId, Event, EventKind, ExitStatus, Launch, NodeResult, NodeState, ResourceType, RunId,
        RunRequest, RunState, StepRequest,
    },
    store::Store,
};

use crate::{listener::Api, support::Sandbox};

const NODES: i64 = 5_000;

fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
}

/// Puts a large run on record, with a log of its own.
fn record(shop: &Sandbox) {
    let dir = shop.file(".tidegate");
    fs::create_dir_all(&dir).unwrap();
    let mut store = Store::open(&dir.join("tidegate.db")).unwrap();
    let request = RunRequest {
        key: "large".to_owned(),
        project: "tiny".to_owned(),
        job: Some("build".to_owned()),
        steps: vec![StepRequest { args: vec!["build".to_owned()] }],
        empty_fails: false,
        launch: Launch { user: "ada".to_owned(), via: "cli".to_owned(), command: Vec::new(), reason: None },
        config_file: shop.file("tidegate.toml"),
        configuration: serde_json::json!({}).into(),
        limits: Default::default(),
        resumes: None,
        retry: None,
        gate: Default::default(),
        parameters: Default::default(),
        selection: None,
    };
    let (run, _) = store.request(request, at(0)).unwrap();
    let attempt = AttemptId { run, step: 1, attempt: 1 };
    let id = |n: i64| format!("model.tiny.node_{n:04}");
    let mut kinds = vec![
        EventKind::RunStarted { manifest_digest: None, plugins: Vec::new(), locks: Vec::new(), steps: None },
        EventKind::AttemptStarted {
            attempt,
            command: vec!["dbt".to_owned()],
            environment: Vec::new(),
            revision: None,
        },
        EventKind::PlanResolved { attempt, nodes: (0..NODES).map(id).collect() },
    ];
    let mut log = String::new();
    for n in 0..NODES {
        let thread = Some(format!("Thread-{}", n % 8));
        kinds.push(EventKind::NodeStarted {
            attempt,
            unique_id: id(n),
            resource_type: ResourceType::Model,
            started_at: Some(at(n * 10)),
            thread: thread.clone(),
            relation_name: None,
        });
        let result = NodeResult {
            started_at: Some(at(n * 10)),
            finished_at: Some(at(n * 10 + 79)),
            execution_time: Some(0.079),
            thread,
            message: Some("CREATE TABLE (1.0 rows, 0 processed)".to_owned()),
            relation_name: Some(format!("\"tiny\".\"main\".\"node_{n:04}\"")),
            ..NodeResult::of(&id(n), NodeState::Success)
        };
        kinds.push(EventKind::NodeFinished { attempt, result: Box::new(result) });
        for what in ["start", "sql", "finish"] {
            let line = serde_json::json!({
                "info": { "name": "Said", "level": "debug", "msg": format!("{what} of {n}: {}", "x".repeat(400)) },
                "data": { "node_info": { "unique_id": id(n) } },
            });
            log.push_str(&format!("{line}\n"));
        }
    }
    kinds.push(EventKind::LogRead { attempt, offset: log.len() as u64, raw_lines: 0 });
    kinds.push(EventKind::AttemptExited {
        attempt,
        exit: Some(ExitStatus { code: Some(0), ..ExitStatus::at(at(NODES * 10)) }),
    });
    kinds.push(EventKind::AttemptFinished { attempt, state: RunState::Succeeded, reason: None });
    kinds.push(EventKind::RunFinished { state: RunState::Succeeded, reason: None });
    store.append(kinds.into_iter().map(|kind| Event { run, at: at(0), kind }).collect()).unwrap();
    let folder = shop.file(&format!(".tidegate/runs/{run}/1.1"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("log.jsonl.zst"), zstd::encode_all(log.as_bytes(), 1).unwrap()).unwrap();
    assert_eq!(run, RunId(1));
}

#[test]
fn a_large_run_opens() {
    let shop = Sandbox::models(&[("first", "select 1 as n")]);
    record(&shop);
    let api = Api::of(&shop);
    let timed = |path: &str| {
        api.text(path);
        let begun = Instant::now();
        let said = api.text(path);
        println!("{path}: {} KiB in {:?}", said.len() >> 10, begun.elapsed());
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    assert_eq!(timed("/runs/1")["counts"]["success"], NODES);
    assert_eq!(timed("/runs")["items"][0]["counts"]["success"], NODES);
    let nodes = timed("/runs/1/nodes");
    assert_eq!(nodes["items"].as_array().unwrap().len() as i64, NODES);
    let critical = nodes["items"].as_array().unwrap().iter().filter(|node| node["critical"] == true).count();
    assert_eq!(critical as i64, NODES / 8, "each of a thread, which is all that is known");
    assert_eq!(timed("/runs/1/events?limit=1000")["items"].as_array().unwrap().len(), 1000);
    assert_eq!(timed("/runs/1/log")["items"].as_array().unwrap().len(), 500);
    assert_eq!(timed("/runs/1/log?tail=true")["items"][499]["line"], NODES * 3);
    assert_eq!(timed("/runs/1/log?node=model.tiny.node_4999")["items"].as_array().unwrap().len(), 3);
    assert_eq!(timed("/runs/1/compare/1")["nodes"].as_array().unwrap().len() as i64, NODES);
    assert_eq!(timed("/runs/1/artifacts")["items"][0]["name"], "log.jsonl");
}
