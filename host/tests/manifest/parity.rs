//! Default assets against those of dagster-dbt itself.
//!
//! With `TIDEGATE_TEST_DAGSTER` (the bin directory of an environment with `tests/dagster/requirements.txt`), dagster-dbt
//! is asked afresh, and must also say what it said when the golden files were written. Without it, the golden files
//! stand for it.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::{Map, Value, json};

use super::{MANIFESTS, manifest_path, project, tests_path};

/// Nodes of the zoo with a `tidegate` block, which dagster-dbt does not know.
const OWN_WORDS: [&str; 3] =
    ["model.zoo.own_words", "model.zoo.own_words_over_dagster", "source.zoo.raw.sights"];

#[test]
fn default_assets_are_those_of_dagster_dbt() {
    for name in MANIFESTS {
        let theirs = theirs(name);
        let ours: BTreeMap<_, _> = project(&manifest_path(name))
            .assets
            .into_iter()
            .map(|asset| {
                let mut kinds = asset.kinds;
                kinds.sort();
                let answer = json!({
                    "key": asset.shape.key,
                    "group": asset.shape.group,
                    "owners": asset.shape.owners,
                    "tags": asset.shape.tags,
                    "kinds": kinds,
                    "description": asset.shape.description,
                    "code_version": asset.code_version,
                    "upstream": asset.upstream,
                });
                (asset.unique_id, answer)
            })
            .collect();
        assert!(ours.keys().eq(theirs.keys()), "{name}: the assets are others");
        for (unique_id, answer) in &ours {
            if OWN_WORDS.contains(&unique_id.as_str()) {
                assert_ne!(answer, &theirs[unique_id], "{unique_id} has a block of its own");
            } else {
                assert_eq!(answer, &theirs[unique_id], "{name}: {unique_id}");
            }
        }
    }
}

fn theirs(name: &str) -> Map<String, Value> {
    let golden = tests_path(&format!("dagster/{name}.golden.json"));
    let golden: Map<String, Value> = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let Some(directory) = std::env::var_os("TIDEGATE_TEST_DAGSTER") else {
        eprintln!("TIDEGATE_TEST_DAGSTER is not set: {name} is compared with what dagster-dbt once said");
        return golden;
    };
    let output = Command::new(std::path::Path::new(&directory).join("python"))
        .arg(tests_path("dagster/keys.py"))
        .arg(manifest_path(name))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let fresh: Map<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(fresh, golden, "dagster-dbt no longer says what it said: write the golden files anew");
    fresh
}
