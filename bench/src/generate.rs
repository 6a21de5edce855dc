//! Generated dbt projects of any size.
//!
//! Owns their shape: models in layers, each with two generic tests, the first layer on sources. The same size gives the
//! same files on every machine. Never runs dbt.

use std::{fmt::Write as _, fs, io, path::Path};

/// Changes whenever other files come out than before, so that nobody uses projects from before.
pub const VERSION: u32 = 1;
/// The project's name, for dbt and for Tidegate.
pub const NAME: &str = "layered";

/// How many layers the models are in.
const LAYERS: usize = 10;
/// How many models of the first layer read the same table of the source.
const READERS: usize = 5;
/// A prime that divides no size of a layer, so that parents are spread over the whole layer before.
const STRIDE: usize = 7919;

const DBT_PROJECT: &str = "\
name: layered
version: \"1.0.0\"
profile: layered
flags:
  send_anonymous_usage_stats: false
models:
  layered:
    +materialized: view
";

const PROFILES: &str = "\
layered:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: layered.duckdb
      threads: 2
";

const TIDEGATE: &str = "\
[projects.layered]
dir = \".\"

[projects.layered.translator]
plugin = \"builtin:source-prefix\"

[jobs.build]
steps = [\"dbt build\"]
";

/// Writes a project with this many models into a folder.
pub fn generate(folder: &Path, models: usize) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("dbt_project.yml"), DBT_PROJECT)?;
    fs::write(folder.join("profiles.yml"), PROFILES)?;
    fs::write(folder.join("tidegate.toml"), TIDEGATE)?;
    for layer in 0..LAYERS {
        let own = folder.join(format!("models/layer_{layer}"));
        fs::create_dir_all(&own)?;
        let size = size(models, layer);
        for index in 0..size {
            let text = match layer {
                0 => first(index),
                _ => later(layer, index, self::size(models, layer - 1)),
            };
            fs::write(own.join(format!("{}.sql", model(layer, index))), text)?;
        }
        fs::write(own.join("_models.yml"), described(layer, size))?;
    }
    fs::write(folder.join("models/_sources.yml"), sources(size(models, 0)))
}

/// The names of the models of a project of this size, layer by layer.
pub fn models(models: usize) -> impl Iterator<Item = String> {
    (0..LAYERS).flat_map(move |layer| (0..size(models, layer)).map(move |index| model(layer, index)))
}

/// How many models a layer has.
fn size(models: usize, layer: usize) -> usize {
    models / LAYERS + usize::from(layer < models % LAYERS)
}

fn model(layer: usize, index: usize) -> String {
    format!("model_{layer}_{index:05}")
}

fn table(index: usize) -> String {
    format!("table_{:05}", index / READERS)
}

fn first(index: usize) -> String {
    format!(
        "select id, label, amount\nfrom {{{{ source('raw', '{}') }}}}\nwhere id % {READERS} = {}\n",
        table(index),
        index % READERS
    )
}

fn later(layer: usize, index: usize, before: usize) -> String {
    let parent = |which: usize| model(layer - 1, (index * STRIDE + which * (before / 2).max(1)) % before);
    format!(
        "select one.id, one.label, one.amount + other.amount as amount\nfrom {{{{ ref('{}') }}}} as one\nleft join {{{{ ref('{}') }}}} as other on other.id = one.id\n",
        parent(0),
        parent(1)
    )
}

fn described(layer: usize, size: usize) -> String {
    let mut text = String::from("models:\n");
    for index in 0..size {
        let name = model(layer, index);
        let _ = write!(
            text,
            "  - name: {name}\n    description: Number {index} of the models in layer {layer}.\n    columns:\n      - name: id\n        description: The key.\n        data_tests: [not_null, unique]\n"
        );
    }
    if size == 0 { String::new() } else { text }
}

fn sources(readers: usize) -> String {
    let mut text = String::from("sources:\n  - name: raw\n    tables:\n");
    for index in (0..readers).step_by(READERS) {
        let _ = writeln!(text, "      - name: {}", table(index));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_there_and_parents_are_in_the_layer_before() {
        for models in [1000, 5000, 1003] {
            assert_eq!((0..LAYERS).map(|layer| size(models, layer)).sum::<usize>(), models);
        }
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), 53).unwrap();
        let mut count = 0;
        for layer in 0..LAYERS {
            for index in 0..size(53, layer) {
                let own = folder.path().join(format!("models/layer_{layer}/{}.sql", model(layer, index)));
                let text = fs::read_to_string(own).unwrap();
                let parents: Vec<_> = text.split("ref('").skip(1).map(|rest| &rest[..13]).collect();
                assert_eq!(parents.len(), if layer == 0 { 0 } else { 2 });
                for parent in &parents {
                    let path = format!("models/layer_{}/{parent}.sql", layer.wrapping_sub(1));
                    assert!(folder.path().join(path).exists(), "{parent}");
                }
                assert!(parents.len() < 2 || parents[0] != parents[1]);
                count += 1;
            }
        }
        assert_eq!(count, 53);
        let tests = fs::read_to_string(folder.path().join("models/layer_3/_models.yml")).unwrap();
        assert_eq!(tests.matches("[not_null, unique]").count(), size(53, 3));
    }
}
