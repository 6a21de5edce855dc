//! Manifests that are cut off, damaged, or made to harm: an error or a project, never a panic, and never for long.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate::{
    dbt::{ManifestError, node_details},
    project::LoadError,
};

use super::{MANIFESTS, load_text, manifest_path};

fn value(name: &str) -> Value {
    serde_json::from_slice(&fs::read(manifest_path(name)).unwrap()).unwrap()
}

#[test]
fn a_manifest_that_was_cut_off_says_so() {
    let directory = tempfile::tempdir().unwrap();
    for name in MANIFESTS {
        let whole = fs::read(manifest_path(name)).unwrap();
        let end = whole.iter().rposition(|byte| *byte == b'}').unwrap();
        for length in (0..end).step_by(211).chain(end - 5..=end) {
            match load_text(&directory, &whole[..length]) {
                Err(LoadError::Manifest(ManifestError::Truncated { size, .. })) => assert_eq!(size, length),
                other => panic!("{name} cut off after {length} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn a_character_that_was_cut_in_two_is_a_cut() {
    let directory = tempfile::tempdir().unwrap();
    let error = load_text(&directory, b"{\"a\":\n \"\xc3").unwrap_err().to_string();
    assert!(error.contains("ends too early, at line 2, column 3"), "{error}");
    let error = load_text(&directory, b"{\"a\": \"\xff\"}").unwrap_err().to_string();
    assert!(error.contains("not UTF-8"), "{error}");
}

#[test]
fn every_field_may_be_of_any_type() {
    let directory = tempfile::tempdir().unwrap();
    let values = [
        json!(null),
        json!(true),
        json!(-5),
        json!(1.5),
        json!("x"),
        json!([]),
        json!([null, 5, "x"]),
        json!({}),
        json!({"nodes": 5, "dagster": 5, "tidegate": {"asset_key": {}}}),
    ];
    let base = value("1.11-naming-zoo");
    let entries = [
        ("nodes", "model.zoo.own_words"),
        ("nodes", "model.zoo.passing"),
        ("nodes", "test.zoo.no_animal_twice"),
        ("sources", "source.zoo.raw.smells"),
        ("exposures", "exposure.zoo.visitor_map"),
        ("unit_tests", "unit_test.zoo.past_ephemerals.past_ephemerals_counts"),
        ("groups", "group.zoo.keepers"),
    ];
    let path = directory.path().join("manifest.json");
    for (section, id) in entries {
        let entry = base[section][id].as_object().unwrap();
        // Only the entry itself, so that hundreds of manifests take no time.
        let mut small = json!({"metadata": base["metadata"], section: {id: entry}});
        let fields: Vec<Vec<&String>> = entry
            .iter()
            .flat_map(|(key, value)| {
                let inner = value.as_object().into_iter().flat_map(serde_json::Map::keys);
                std::iter::once(vec![key]).chain(inner.map(move |inner| vec![key, inner]))
            })
            .collect();
        for field in fields {
            for wrong in &values {
                let place = field.iter().fold(&mut small[section][id], |place, key| &mut place[key.as_str()]);
                let kept = std::mem::replace(place, wrong.clone());
                if let Err(error) = load_text(&directory, small.to_string()) {
                    let text = error.to_string();
                    assert!(text.contains(id) && text.contains(field[0].as_str()), "{text}");
                }
                node_details(&path, id).unwrap().filter(|_| section != "groups");
                *field.iter().fold(&mut small[section][id], |place, key| &mut place[key.as_str()]) = kept;
            }
        }
        load_text(&directory, small.to_string()).unwrap();
    }
}

#[test]
fn null_everywhere_is_an_error_or_nothing() {
    fn hollow(value: &mut Value, keep: usize) {
        match value {
            Value::Object(fields) => {
                fields.iter_mut().filter(|(key, _)| *key != "metadata").for_each(|(_, value)| {
                    if keep == 0 { *value = Value::Null } else { hollow(value, keep - 1) }
                });
            }
            other => *other = Value::Null,
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for name in MANIFESTS {
        for depth in 0..5 {
            let mut manifest = value(name);
            hollow(&mut manifest, depth);
            let result = load_text(&directory, manifest.to_string());
            assert_eq!(result.is_ok(), depth == 0, "{result:?}");
        }
    }
}

fn model(field: &str, value: &str) -> String {
    let metadata = value_of_metadata();
    format!(r#"{{"metadata": {metadata}, "nodes": {{"model.p.m": {{"name": "m", {field}: {value}}}}}}}"#)
}

fn value_of_metadata() -> Value {
    value("1.12-manifest")["metadata"].clone()
}

#[test]
fn deep_nesting_is_skipped_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
    for field in [r#""unused""#, r#""meta""#, r#""config""#, r#""tags""#, r#""version""#, r#""columns""#] {
        for (open, close) in [("[", "]"), (r#"{"dagster":"#, "}")] {
            let project = load_text(&directory, model(field, &deep(open, close))).unwrap();
            assert_eq!(project.assets[0].shape.key.to_string(), "m");
        }
    }
    assert!(load_text(&directory, model(r#""depends_on""#, &deep("[", "]"))).is_err());
    assert!(load_text(&directory, "[".repeat(1_000_000)).is_err());
    let section = format!(r#"{{"metadata": {}, "new": {}}}"#, value_of_metadata(), deep("[", "]"));
    load_text(&directory, section).unwrap();
}

#[test]
fn odd_names_are_kept_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let long = "n".repeat(10_000);
    for name in ["a\0b", &long, "../../etc", "a/b", "\u{202e}", "\u{1b}[31m", " "] {
        let id = format!("model.p.{name}");
        let manifest = json!({"metadata": value_of_metadata(), "nodes": {id.as_str(): {"name": name}}});
        let project = load_text(&directory, manifest.to_string()).unwrap();
        assert_eq!(project.assets[0].shape.key.0, [name]);
        assert_eq!(project.assets[0].unique_id, id);
    }
    for name in ["", "\\ud800"] {
        let text = format!(
            r#"{{"metadata": {}, "nodes": {{"model.p.m": {{"name": "{name}"}}}}}}"#,
            value_of_metadata()
        );
        assert!(!load_text(&directory, text).unwrap().assets[0].shape.key.0[0].is_empty());
    }
}

#[test]
fn of_two_entries_with_one_id_the_last_counts() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"metadata": {}, "nodes": {{"model.p.m": {{"name": "first"}}, "model.p.m": {{"name": "x", "name": "last"}}}}}}"#,
        value_of_metadata()
    );
    let project = load_text(&directory, text).unwrap();
    assert_eq!(project.assets.len(), 1);
    assert_eq!(project.assets[0].name, "last");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_changed_byte_makes_it_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = fs::read(manifest_path("1.12-manifest")).unwrap();
        let place = place.index(text.len());
        text[place] = byte;
        let directory = tempfile::tempdir().unwrap();
        let _ = load_text(&directory, text);
    }
}
