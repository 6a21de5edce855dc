//! Plugins: what is known of those of the folder, and the record of calls.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::{
    model::{CallCost, PluginCall, PluginEvent, PluginEventKind, PluginRecord},
    store::{CALLS_KEPT, Entry, Reader, Retention},
};

fn record(name: &str, digest: &str) -> PluginRecord {
    PluginRecord {
        kind: "retry-policy".to_owned(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: digest.to_owned(),
    }
}

fn of_plugin(plugin: &str, kind: PluginEventKind) -> Entry {
    // A clock that knows nanoseconds.
    let at = at(1).checked_add(SignedDuration::from_nanos(7)).unwrap();
    Entry::Plugin(PluginEvent { plugin: plugin.to_owned(), at, kind })
}

fn call(name: &str, at: Timestamp, input: Value) -> Entry {
    Entry::Call(Box::new(PluginCall {
        at,
        plugin: record(name, "d"),
        subject: "run 12.1.2".to_owned(),
        input,
        answer: Some(json!({ "decision": "give_up" })),
        cost: CallCost { micros: 45, peak_memory: 65536 },
        verdict: "ok".to_owned(),
    }))
}

fn keep(days: u32) -> Retention {
    Retention { days, runs: 9, ticks: 9, audit: 365 }
}

#[test]
fn what_is_known_of_plugins_is_what_their_events_tell() {
    let dir = Dir::new();
    let mut store = dir.store();
    let loaded = |name: &str, digest: &str| {
        of_plugin(name, PluginEventKind::PluginLoaded { record: record(name, digest) })
    };
    let refused = PluginEventKind::PluginRefused {
        reason: "the file is truncated".to_owned(),
        keeps: Some(record("calm", "1")),
    };
    store.record(&[loaded("calm", "1"), loaded("gone", "1")]).unwrap();
    store.record(&[of_plugin("calm", refused), of_plugin("gone", PluginEventKind::PluginRemoved)]).unwrap();
    drop(store);

    let mut store = dir.store();
    let known = store.plugins().unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["calm"]);
    let calm = &known["calm"];
    assert_eq!(calm.works.as_ref().unwrap().digest, "1");
    assert_eq!((calm.refused.as_deref(), calm.at), (Some("the file is truncated"), at(1)));
    assert_eq!(Reader::open(dir.0.path()).unwrap().plugins().unwrap(), known);
    assert!(store.rebuild_plugins().unwrap());
    assert_eq!(store.plugins().unwrap(), known);

    let conn = Connection::open(dir.db()).unwrap();
    conn.execute("UPDATE plugin SET body = replace(body, 'truncated', 'fine')", []).unwrap();
    assert!(!store.rebuild_plugins().unwrap(), "a row that no event tells of is found");
    assert_eq!(store.plugins().unwrap(), known);
}

#[test]
fn calls_are_read_as_they_were_written_newest_first() {
    let dir = Dir::new();
    let mut store = dir.store();
    let input = |number: u32| json!({ "config": { "a": 1 }, "failure": number });
    let entries: Vec<_> = (0..3).map(|number| call("calm", at(number.into()), input(number))).collect();
    assert_eq!(store.record(&entries).unwrap(), [None; 3], "a call is no event");
    store.record(&[call("other", at(9), Value::Null)]).unwrap();
    let reader = Reader::open(dir.0.path()).unwrap();
    let found = reader.plugin_calls("calm", 2).unwrap();
    let written = |number: usize| match &entries[number] {
        Entry::Call(call) => (**call).clone(),
        _ => unreachable!(),
    };
    assert_eq!(found, [written(2), written(1)]);
    assert_eq!(reader.plugin_calls("nobody", 9).unwrap(), []);
}

#[test]
fn an_input_that_is_too_large_is_cut_and_says_so() {
    let dir = Dir::new();
    let mut store = dir.store();
    let large = json!({ "config": { "a": 1 }, "failure": "x".repeat(300 << 10) });
    store.record(&[call("calm", at(0), large)]).unwrap();
    let found = Reader::open(dir.0.path()).unwrap().plugin_calls("calm", 1).unwrap();
    assert_eq!(found[0].input["config"], json!({ "a": 1 }));
    let cut = found[0].input["cut"].as_str().unwrap();
    assert!(cut.starts_with("3072") && cut.ends_with("of which 262144 would have been kept"), "{cut}");
    assert!(found[0].input.get("failure").is_none());
}

#[test]
fn old_calls_and_those_that_are_too_many_go() {
    let dir = Dir::new();
    let mut store = dir.store();
    let left = || {
        let all = Reader::open(dir.0.path()).unwrap().plugin_calls("calm", u32::MAX).unwrap();
        (all.len() as u64, all.last().map(|call| call.at))
    };
    let day = |day: i64| at(0).checked_add(SignedDuration::from_hours(day * 24)).unwrap();
    store.record(&(0..10).map(|n| call("calm", day(n), Value::Null)).collect::<Vec<_>>()).unwrap();
    assert_eq!(store.forget_calls(keep(5), day(9)).unwrap(), 4);
    assert_eq!(left(), (6, Some(day(4))));
    assert_eq!(store.forget_calls(keep(5), day(9)).unwrap(), 0);
    let many = (0..CALLS_KEPT).map(|_| call("calm", day(9), Value::Null));
    store.record(&many.collect::<Vec<_>>()).unwrap();
    assert_eq!(store.forget_calls(keep(5), day(9)).unwrap(), 6);
    assert_eq!(left(), (CALLS_KEPT, Some(day(9))));
}
