//! Manifests as real dbt writes them, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod fixtures;
mod hostile;
mod parity;
mod real_dbt;

use std::path::{Path, PathBuf};

use tidegate::{
    model::Project,
    project::{LoadError, load},
};

/// The manifests that dbt wrote for these tests: 1.8, 1.12, and the naming zoo by 1.11.
const MANIFESTS: [&str; 3] = ["1.8-manifest", "1.11-naming-zoo", "1.12-manifest"];

fn tests_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

fn manifest_path(name: &str) -> PathBuf {
    tests_path(&format!("data/manifests/{name}.json"))
}

/// A project without a translator, which has nothing to warn of.
fn project(path: &Path) -> Project {
    let loaded = load("shop", path, None).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    loaded.project
}

/// Loads a manifest with this text.
fn load_text(directory: &tempfile::TempDir, text: impl AsRef<[u8]>) -> Result<Project, LoadError> {
    let path = directory.path().join("manifest.json");
    std::fs::write(&path, text).unwrap();
    load("shop", &path, None).map(|loaded| loaded.project)
}
