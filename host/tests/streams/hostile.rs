//! Lines that dbt did not mean, or that something has changed on their way.

use proptest::{collection::vec, prelude::*};
use serde_json::json;
use tidegate::{
    dbt::{LogLine, Observation, Observer, observe},
    model::{EventKind, NodeState},
};

use super::{ATTEMPT, Story, lines, stream, streams};

fn line(name: &str, level: &str, data: serde_json::Value) -> Vec<u8> {
    json!({ "info": { "name": name, "level": level, "msg": "said", "ts": "2026-11-22T10:00:00Z" }, "data": data })
        .to_string()
        .into_bytes()
}

fn node(unique_id: &str, status: serde_json::Value) -> serde_json::Value {
    json!({ "unique_id": unique_id, "resource_type": "model", "node_status": status })
}

fn state_of(line: &[u8]) -> NodeState {
    let mut observer = Observer::new(ATTEMPT);
    let mut events = match observer.line(line) {
        Observation::Event(event) => vec![event],
        _ => Vec::new(),
    };
    events.extend(observer.flush(true));
    match &events[..] {
        [EventKind::NodeFinished { result, .. }] => result.state.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_that_are_not_events_are_raw_and_unknown_events_are_quiet() {
    for raw in [
        &b""[..],
        b"Usage: dbt build [OPTIONS]",
        b"{",
        b"{}",
        b"[]",
        b"{\"info\": 3}",
        b"{\"info\": {\"name\": 3}}",
        b"{\"info\": {}, \"data\": {}}",
        b"\x00\xff\xfe",
        b" {\"info\": {\"name\": \"NodeStart\"}}",
        "{".repeat(100_000).as_bytes(),
        "{\"info\":".repeat(100_000).as_bytes(),
    ] {
        assert_eq!(
            observe(ATTEMPT, raw),
            Observation::Raw,
            "{}",
            String::from_utf8_lossy(&raw[..raw.len().min(99)])
        );
    }
    for quiet in [
        &b"{\"info\": {\"name\": \"FromTheFuture\"}}"[..],
        b"{\"info\": {\"name\": \"NodeFinished\"}}",
        b"{\"info\": {\"name\": \"NodeFinished\"}, \"data\": null}",
        b"{\"info\": {\"name\": \"NodeFinished\"}, \"data\": [1, 2]}",
        b"{\"info\": {\"name\": \"NodeFinished\"}, \"data\": {\"node_info\": {\"unique_id\": \"\"}}}",
        b"{\"info\": {\"name\": \"AdapterRegistered\"}, \"data\": {}}",
        b"{\"info\": {\"name\": \"MainEncounteredError\"}, \"data\": {\"exc\": \"  \"}}",
        b"{\"new\": {}, \"info\": {\"name\": \"Formatting\", \"new\": 1}, \"data\": {}}",
    ] {
        assert_eq!(observe(ATTEMPT, quiet), Observation::Quiet, "{}", String::from_utf8_lossy(quiet));
    }
}

#[test]
fn half_a_character_does_not_hide_an_event() {
    let mut bytes = line("NodeFinished", "info", json!({ "node_info": node("model.p.m", json!("success")) }));
    let at = bytes.windows(4).position(|w| w == b"said").unwrap();
    bytes[at] = 0xff;
    assert_eq!(state_of(&bytes), NodeState::Success);
}

#[test]
fn statuses_come_from_the_field_that_has_one() {
    let said = |name, level, node_status, status: &str| {
        state_of(&line(
            name,
            level,
            json!({ "node_info": node("model.p.m", json!(node_status)), "status": status }),
        ))
    };
    assert_eq!(said("LogModelResult", "info", "success", "CREATE TABLE"), NodeState::Success);
    assert_eq!(said("LogTestResult", "info", "None", "pass"), NodeState::Pass);
    // Microbatch models have no node status.
    assert_eq!(said("LogModelResult", "info", "", "SUCCESS 3"), NodeState::Success);
    assert_eq!(said("LogModelResult", "info", "", "PARTIAL SUCCESS (2/3)"), NodeState::PartialSuccess);
    assert_eq!(said("LogModelResult", "error", "", "whatever"), NodeState::Error);
    assert_eq!(said("LogModelResult", "error", "", "ERROR"), NodeState::Error);
    assert_eq!(said("LogTestResult", "info", "", "brand new"), NodeState::Unknown("brand new".to_owned()));
    assert_eq!(said("SkippingDetails", "info", "None", ""), NodeState::Skipped);
}

#[test]
fn numbers_may_be_floats_missing_or_nonsense() {
    for (number, expected) in [
        (json!(2), Some(2)),
        (json!(2.0), Some(2)),
        (json!(-1), None),
        (json!(null), None),
        (json!("2"), None),
        (json!(1e300), None),
        (json!([]), None),
    ] {
        let data = json!({
            "node_info": node("model.p.m", json!("success")),
            "run_result": { "status": "success", "num_failures": number, "adapter_response": { "rows_affected": number } }
        });
        let Observation::Event(EventKind::NodeFinished { result, .. }) =
            observe(ATTEMPT, &line("NodeFinished", "debug", data))
        else {
            panic!("{number}");
        };
        assert_eq!((result.failures, result.rows_affected), (expected, expected), "{number}");
    }
}

#[test]
fn an_exception_without_words_is_named_by_its_trace() {
    let mut observer = Observer::new(ATTEMPT);
    let mut said = Vec::new();
    for line in [
        line("MainEncounteredError", "error", json!({ "exc": "" })),
        line("MainStackTrace", "error", json!({ "stack_trace": "Traceback\n  File x\nAssertionError\n" })),
        line("MainEncounteredError", "error", json!({ "exc": "later" })),
    ] {
        if let Observation::Event(EventKind::DbtFailed { message, .. }) = observer.line(&line) {
            said.push(message);
        }
    }
    assert_eq!(said, ["AssertionError"]);
}

#[test]
fn the_last_plain_lines_are_kept_within_bounds() {
    let mut observer = Observer::new(ATTEMPT);
    for n in 0..100 {
        observer.line(format!("line {n} {}", "x".repeat(10_000)).as_bytes());
    }
    let tail = observer.raw_tail();
    assert!(tail.starts_with("line 80 ") && tail.lines().count() == 20 && tail.len() <= 20 * 2_001);
}

#[test]
fn a_line_for_people_is_read_whatever_its_data_is() {
    let read =
        LogLine::parse(&line("NodeStart", "debug", json!({ "node_info": { "unique_id": "model.p.m" } })));
    assert_eq!((read.message.as_str(), read.unique_id.as_deref()), ("said", Some("model.p.m")));
    for data in [json!(null), json!([1]), json!({ "node_info": null }), json!({ "unique_id": 3 })] {
        let read = LogLine::parse(&line("New", "warn", data));
        assert_eq!((read.message.as_str(), read.unique_id), ("said", None));
    }
    assert_eq!(LogLine::parse(b"half \xff").message, "half \u{fffd}");
}

/// Real lines, one of each kind and version.
fn kinds() -> Vec<Vec<u8>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kinds = Vec::new();
    for name in streams() {
        let text = stream(&name);
        for line in lines(&text) {
            let parsed: Option<serde_json::Value> = serde_json::from_slice(line).ok();
            let kind = parsed.and_then(|l| Some(l["info"]["name"].as_str()?.to_owned()));
            if line.len() < 20_000 && seen.insert((kind, name.split('-').next().map(str::to_owned))) {
                kinds.push(line.to_vec());
            }
        }
    }
    kinds
}

fn read(lines: &[Vec<u8>]) {
    let mut story = Story::begin(&["build"]);
    story.read(&lines.join(&b'\n'), 3);
    story.end("no artifact", Some(1), None);
    assert!(story.run.state.is_finished());
    assert!(story.attempt().nodes.values().all(|node| node.state.is_finished()));
    lines.iter().for_each(|line| drop(LogLine::parse(line)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(lines in vec(vec(any::<u8>(), 0..200), 0..20)) {
        read(&lines);
    }

    #[test]
    fn json_of_any_shape_never_panics(
        name in prop_oneof![Just("NodeStart"), Just("NodeFinished"), Just("LogTestResult"), Just("MainEncounteredError")],
        data in any_json(),
        info in any_json(),
    ) {
        read(&[
            json!({ "info": { "name": name, "msg": info }, "data": data }).to_string().into_bytes(),
            json!({ "info": { "name": name }, "data": { "node_info": data, "run_result": info } }).to_string().into_bytes(),
            json!({ "info": { "name": name }, "data": { "node_info": { "unique_id": "model.p.m", "node_status": info },
                "run_result": { "status": "success", "adapter_response": data } } }).to_string().into_bytes(),
            json!({ "info": info, "data": data }).to_string().into_bytes(),
        ]);
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        ".{0,12}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop_oneof![
            Just("unique_id"),
            Just("node_status"),
            Just("status"),
            Just("rows_affected"),
            Just("exc")
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            vec((key, inner), 0..4).prop_map(|fields| {
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

#[test]
fn mutated_real_lines_never_panic() {
    let kinds = kinds();
    assert!(kinds.len() > 60, "{}", kinds.len());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let mutation = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    runner
        .run(&vec((any::<prop::sample::Index>(), vec(mutation, 0..6)), 1..12), |picks| {
            let mutated: Vec<_> = picks
                .iter()
                .map(|(pick, mutations)| {
                    let mut line = pick.get(&kinds).clone();
                    for (at, byte, how) in mutations {
                        if line.is_empty() {
                            break;
                        }
                        let at = at.index(line.len());
                        match how {
                            0 => line[at] = *byte,
                            1 => line.truncate(at),
                            2 => drop(line.remove(at)),
                            _ => line.insert(at, *byte),
                        }
                    }
                    line
                })
                .collect();
            read(&mutated);
            Ok(())
        })
        .unwrap();
}
