//! `cargo xtask bench`: the benchmarks.
//!
//! Owns what they need: a release build of Tidegate and of themselves, with the UI where that is measured, and dbt. Never
//! knows what they measure: that is the crate `bench`.

use crate::{command, repository, setup, ui};
use anyhow::Result;
use std::ffi::OsString;
use std::process::Command;

/// What is passed on to the benchmarks.
#[derive(clap::Args)]
pub struct Arguments {
    /// Arguments of the benchmarks.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Makes what the benchmarks need and becomes them.
pub fn run(arguments: &Arguments) -> Result<()> {
    let dbt = setup::python_env()?;
    if arguments.arguments.iter().any(|word| word == "ui") {
        ui::build()?;
    }
    eprintln!("building Tidegate and the benchmarks; the first time takes some minutes");
    let mut build = command::cargo();
    build.args(["build", "--release", "--package", "tidegate", "--package", "bench"]);
    command::run_aside(&mut build)?;

    let mut bench = Command::new(repository::target().join("release/bench"));
    bench.args(&arguments.arguments).env(setup::DBT_VARIABLE, &dbt.bin);
    Err(command::become_program(&mut bench))
}
