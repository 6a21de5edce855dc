//! Where things are in this repository.
//!
//! Owns the paths, so that each is written once. Never reads or writes what is there.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo builds the host.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        // Relative to where the developer stands, as cargo itself takes it.
        Some(folder) => env::current_dir().unwrap_or_default().join(folder),
        None => root().join("target"),
    }
}

/// The demo project.
pub fn dbt_project() -> PathBuf {
    root().join("dbt_project")
}

/// The Python environment for dbt.
pub fn dbt_environment() -> PathBuf {
    root().join("target/dbt")
}

/// The Python environment for dagster-dbt.
pub fn dagster_environment() -> PathBuf {
    root().join("target/dagster")
}

/// What the environment for dagster-dbt is made from.
pub fn dagster_requirements() -> PathBuf {
    root().join("host/tests/dagster/requirements.txt")
}

/// The UI.
pub fn ui() -> PathBuf {
    root().join("host/ui")
}

/// What asks the API, and what it is told.
pub fn schemathesis() -> PathBuf {
    root().join("host/tests/schemathesis")
}

/// The Python environment of what asks the API.
pub fn schemathesis_environment() -> PathBuf {
    root().join("target/schemathesis")
}

/// The contracts, one folder a kind of plugin.
pub fn wit() -> PathBuf {
    root().join("wit")
}

/// The plugins' workspace.
pub fn plugins() -> PathBuf {
    root().join("plugins")
}

/// Where cargo builds the plugins, whatever the target folder of the host is: their build needs a tool chain of its own.
pub fn plugins_target() -> PathBuf {
    plugins().join("target")
}

/// The components that `plugins build` made, under their plugins' names.
pub fn components() -> PathBuf {
    plugins_target().join("components")
}

/// The components that are committed, for builds of the host without a tool chain for WebAssembly.
pub fn prebuilt() -> PathBuf {
    plugins().join("prebuilt")
}
