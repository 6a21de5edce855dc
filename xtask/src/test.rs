//! `cargo xtask test`: every check and every test, in the order in which mistakes are cheapest to find.
//!
//! Owns the stages, their order and their report. Never hides what a stage prints, and stops at the first that fails.

use crate::{api, command, plugins, repository, setup, ui};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::process::Command;
use std::time::{Duration, Instant};

/// The environment variable that names the folder of freshly built components to the host's tests.
const PLUGINS_VARIABLE: &str = "TIDEGATE_TEST_PLUGINS";

/// The environment variable that names a compiler of components to the host's tests.
const RUSTC_VARIABLE: &str = "TIDEGATE_TEST_WASM_RUSTC";

/// What to test.
#[derive(clap::Args)]
pub struct Arguments {
    /// Run only tests whose name contains this. Checks run all the same; see --only.
    filter: Option<String>,
    /// Run one stage.
    #[arg(long, value_name = "STAGE")]
    only: Option<Stage>,
}

/// A stage, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Make the Python environments for dbt and for the dagster-dbt that assets are compared with.
    Setup,
    /// Check the formatting.
    Fmt,
    /// Check, test and build the UI.
    Ui,
    /// Lint, with every warning an error.
    Clippy,
    /// Check that the SDK's bindings match the contracts.
    Bindings,
    /// Build the plugins as components, and compare them with the committed ones.
    Plugins,
    /// Test the SDK and the plugins natively.
    Guests,
    /// Make a plugin of each template, test and build it.
    Templates,
    /// Test everything else.
    Host,
    /// Ask a host what the description of its API allows, and what it does not.
    Api,
    /// Test the UI in a browser, against a real host.
    Browser,
}

/// Runs the stages.
pub fn run(arguments: &Arguments) -> Result<()> {
    let filter = arguments.filter.as_deref();
    let stages = match arguments.only {
        Some(stage) => vec![stage],
        None => Stage::value_variants().to_vec(),
    };
    let start = Instant::now();
    for stage in &stages {
        println!("\n== {}: {}", stage.name(), stage.purpose());
        let start = Instant::now();
        let result = stage.run(filter);
        let time = seconds(start.elapsed());
        if let Err(error) = result {
            println!("\n== {} failed after {time}", stage.name());
            println!("to repeat only this stage: {}", stage.repeat(filter));
            return Err(error.context(format!("stage {} failed", stage.name())));
        }
        println!("== {} passed in {time}", stage.name());
    }
    println!("\n{}", summary(&stages, start.elapsed()));
    Ok(())
}

impl Stage {
    fn run(self, filter: Option<&str>) -> Result<()> {
        match self {
            Self::Setup => setup::python_env().and_then(|_| setup::dagster_env()).map(drop),
            Self::Fmt => in_both(|cargo| cargo.args(["fmt", "--all", "--check"])),
            Self::Ui => ui::check(),
            Self::Clippy => in_both(|cargo| {
                cargo.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
            }),
            Self::Bindings => plugins::bindings::check(),
            Self::Plugins => plugins::build::run(false),
            Self::Guests => command::run(command::plugins_cargo().args(["test", "--workspace"]).args(filter)),
            Self::Templates => plugins::template::run(),
            Self::Host => host(filter),
            Self::Api => api::run(),
            Self::Browser => ui::browse(filter),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn purpose(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        help.map_or_else(String::new, ToString::to_string)
    }

    fn repeat(self, filter: Option<&str>) -> String {
        let filter = filter.map_or_else(String::new, |filter| format!(" {filter}"));
        format!("cargo xtask test --only {}{filter}", self.name())
    }
}

/// Runs cargo in the host's workspace, then in the plugins'.
fn in_both(arguments: impl Fn(&mut Command) -> &mut Command) -> Result<()> {
    command::run(arguments(&mut command::cargo()))?;
    command::run(arguments(&mut command::plugins_cargo())).context("in the plugins' workspace")
}

fn host(filter: Option<&str>) -> Result<()> {
    let dbt = setup::python_env()?;
    if !repository::components().exists() {
        plugins::build::run(false)?;
    }
    let dagster = setup::dagster_env()?;
    let mut cargo = command::cargo();
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(filter)
        .env(setup::DBT_VARIABLE, &dbt.bin)
        .env(setup::DAGSTER_VARIABLE, &dagster.bin)
        .env(PLUGINS_VARIABLE, repository::components())
        .env(RUSTC_VARIABLE, plugins::toolchain::ready()?.compiler());
    command::run(&mut cargo)
}

fn summary(stages: &[Stage], time: Duration) -> String {
    let time = seconds(time);
    match stages {
        [stage] => format!("{} passed in {time}", stage.name()),
        _ => format!("all {} stages passed in {time}", stages.len()),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_a_name_and_a_purpose() {
        for stage in Stage::value_variants() {
            assert!(!stage.name().is_empty());
            assert!(!stage.purpose().is_empty(), "{stage:?}");
        }
    }

    #[test]
    fn the_cheap_checks_come_before_the_slow_tests() {
        let names: Vec<_> = Stage::value_variants().iter().map(|stage| stage.name()).collect();
        let order = [
            "setup",
            "fmt",
            "ui",
            "clippy",
            "bindings",
            "plugins",
            "guests",
            "templates",
            "host",
            "api",
            "browser",
        ];
        assert_eq!(names, order);
    }

    #[test]
    fn a_stage_says_how_to_repeat_it() {
        assert_eq!(Stage::Clippy.repeat(None), "cargo xtask test --only clippy");
        assert_eq!(Stage::Host.repeat(Some("cron")), "cargo xtask test --only host cron");
    }

    #[test]
    fn the_last_line_sums_up() {
        let time = Duration::from_millis(1240);
        assert_eq!(summary(&[Stage::Fmt], time), "fmt passed in 1.2 s");
        assert_eq!(summary(Stage::value_variants(), time), "all 11 stages passed in 1.2 s");
    }
}
