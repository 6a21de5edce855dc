//! The digest of a manifest, against a real dbt that parses a project again and again.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tidegate::model::{AssetShape, Project};

use super::{manifest_path, project, tests_path};

/// A copy of the naming zoo, somewhere else each time.
struct Zoo {
    directory: tempfile::TempDir,
    dbt: PathBuf,
}

impl Zoo {
    fn new() -> Self {
        let bin: OsString = std::env::var_os("TIDEGATE_TEST_DBT").expect(
            "TIDEGATE_TEST_DBT is not set: set it to the bin directory of an environment with dbt-core and \
             dbt-duckdb, or run the tests by `cargo xtask test`",
        );
        let directory = tempfile::tempdir().unwrap();
        copy(&tests_path("data/naming_zoo"), directory.path());
        Self { directory, dbt: Path::new(&bin).join("dbt") }
    }

    /// Runs dbt, and loads the manifest that it wrote.
    fn dbt(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Project {
        let output = Command::new(&self.dbt)
            .args(arguments)
            .args(["--profiles-dir", "."])
            .current_dir(self.directory.path())
            .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
            .env_remove("DBT_TARGET_PATH")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let target =
            environment.iter().find(|(name, _)| *name == "DBT_TARGET_PATH").map_or("target", |(_, to)| to);
        project(&self.directory.path().join(target).join("manifest.json"))
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.directory.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn shapes(project: &Project) -> Vec<(&str, &AssetShape)> {
    project.assets.iter().map(|asset| (asset.unique_id.as_str(), &asset.shape)).collect()
}

#[test]
fn parsing_again_gives_the_same_digest_and_a_change_gives_another() {
    let zoo = Zoo::new();
    let first = zoo.dbt(&["--no-partial-parse", "parse"], &[("PYTHONHASHSEED", "1")]);
    let committed = project(&manifest_path("1.11-naming-zoo"));
    assert_eq!(
        shapes(&first),
        shapes(&committed),
        "run data/naming_zoo/write_manifest.py after a change of the zoo"
    );

    let elsewhere = Zoo::new().dbt(
        &["--no-partial-parse", "parse"],
        &[("PYTHONHASHSEED", "2"), ("DBT_TARGET_PATH", "other"), ("DBT_ENV_CUSTOM_ENV_RUN", "5")],
    );
    assert_eq!(elsewhere.digest, first.digest, "another directory, another order of sets");

    zoo.edit("models/schema.yml", "Foot prints.", "Paw prints.");
    let edited = zoo.dbt(&["parse"], &[]);
    assert_ne!(edited.digest, first.digest);
    zoo.edit("models/schema.yml", "Paw prints.", "Foot prints.");
    let restored = zoo.dbt(&["parse"], &[("PYTHONHASHSEED", "3")]);
    assert_eq!(restored.digest, first.digest, "a partial parse");

    let compiled = zoo.dbt(&["compile"], &[]);
    assert_eq!(compiled.digest, first.digest, "a manifest with compiled code");
}
