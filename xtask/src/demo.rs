//! `cargo xtask demo`: the demo project, built once by a job.
//!
//! Owns the steps to a first result. Never keeps anything: the demo's state is Tidegate's own.

use crate::{command, repository, setup, ui};
use anyhow::Result;
use std::process::Command;

/// Makes what the demo needs and becomes `tidegate run build`.
pub fn run() -> Result<()> {
    let dbt = setup::python_env()?;
    if let Err(why) = ui::build() {
        eprintln!("Tidegate is built without its UI: {why:#}");
    }
    eprintln!("building Tidegate; the first time takes some minutes");
    command::run(command::cargo().args(["build", "--release", "--package", "tidegate"]))?;

    let program = repository::target().join("release/tidegate");
    let mut tidegate = Command::new(program);
    tidegate
        .args(["run", "build"])
        .current_dir(repository::dbt_project())
        .env("PATH", command::path_beginning_with(&dbt.bin)?);
    Err(command::become_program(&mut tidegate))
}
