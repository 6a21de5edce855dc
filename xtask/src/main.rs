//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! Owns what a developer and CI do to this repository. Never part of what users install, and light on purpose: it is
//! compiled before anything else happens.

mod api;
mod bench;
mod command;
mod demo;
mod plugins;
mod repository;
mod setup;
mod test;
mod ui;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tidegate's own commands for working on Tidegate.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build Tidegate and run the demo project's job `build` with it.
    Demo,
    /// Run every check and every test, as CI does.
    Test(test::Arguments),
    /// Run the benchmarks; arguments are passed on.
    Bench(bench::Arguments),
    /// Build the UI with Node.js into host/ui/dist, for builds of the host to take.
    Ui(ui::Arguments),
    /// Ask a host what the description of its API allows, and what it does not.
    ApiFuzz,
    /// Make the Python environment for dbt that the demo and the tests use, in target/dbt.
    Setup,
    /// Build the plugins, their bindings and the tool chain for them.
    #[command(subcommand)]
    Plugins(plugins::Command),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo => demo::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Ui(arguments) => ui::run(&arguments),
        Command::ApiFuzz => api::run(),
        Command::Setup => setup::run(),
        Command::Plugins(command) => plugins::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
