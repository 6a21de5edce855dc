//! The benchmarks, run as `cargo xtask bench`.
//!
//! Owns the command line and what is printed. Never measures in its own process: each figure comes from a child that did
//! nothing else, so that no run inherits another's memory, caches or processes.

mod admission;
mod bounds;
mod build;
mod demo;
mod figures;
mod gauge;
mod generate;
mod host;
mod idle;
mod load;
mod probe;
mod record;
mod setting;
mod ticks;
mod ui;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::Result;
use bounds::Verdict;
use clap::{Parser, Subcommand};
use serde::Serialize;
use setting::Setting;

/// Measures Tidegate: a build beside plain dbt's, the loading of large projects, a host with 1,000 schedules, and the UI.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

/// What each part takes.
#[derive(clap::Args)]
struct Options {
    /// How often each side is measured [default: 5 builds, 11 loads, 3 minutes of ticks, 10 rounds of requests, 60 idle
    /// seconds, 9 visits of each page]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Print the report as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Exit with 1 where a bound is not met
    #[arg(long, global = true)]
    check: bool,
    /// The Tidegate to measure [default: the one built beside this program]
    #[arg(long, global = true, value_name = "FILE")]
    tidegate: Option<PathBuf>,
    /// Where projects are made and kept [default: `bench` in the target folder]
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Part {
    /// The demo's build by plain dbt and by `tidegate run build`
    Build,
    /// Generated projects of 1,000 and 5,000 models, with and without a translator
    Load,
    /// How late 1,000 schedules start their runs behind 10,000 queued requests
    Ticks,
    /// What accepting 10,000 requests costs, beside a durable transaction for each, and what their turns cost
    Admission,
    /// What an idle host uses with 1,000 schedules, and with 10,000 queued requests
    Idle,
    /// What someone in front of a browser waits for; not part of all of it, because it needs Chromium and the UI
    Ui,
    /// Run a program and weigh it with all that it leaves behind
    #[command(hide = true)]
    Gauge(gauge::Gauge),
    /// Load one manifest
    #[command(hide = true)]
    Probe(probe::Probe),
}

/// All that was measured.
#[derive(Default, Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<build::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<load::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticks: Option<ticks::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<admission::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<idle::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ui: Option<ui::Report>,
    bounds: Vec<Verdict>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what is asked for. Gives whether the exit code is to be a good one.
fn run(Arguments { part, options }: Arguments) -> Result<bool> {
    match part {
        Some(Part::Gauge(gauge)) => gauge.run().map(|()| true),
        Some(Part::Probe(probe)) => probe.run().map(|()| true),
        Some(part) => measure(&options, &[part]),
        None => measure(&options, &[Part::Build, Part::Load, Part::Ticks, Part::Admission, Part::Idle]),
    }
}

fn measure(options: &Options, parts: &[Part]) -> Result<bool> {
    let setting = Setting::new(options.tidegate.as_deref(), options.folder.as_deref())?;
    let mut report = Report::default();
    let runs = |usual| options.runs.unwrap_or(usual);
    for part in parts {
        match part {
            Part::Build => {
                let build = build::run(&setting, runs(5))?;
                report.bounds.extend(build.verdicts());
                report.build = Some(build);
            }
            Part::Load => {
                let load = load::run(&setting, runs(11))?;
                report.bounds.extend(load.verdicts());
                report.load = Some(load);
            }
            Part::Ticks => {
                let ticks = ticks::run(&setting, runs(3))?;
                report.bounds.extend(ticks.verdicts());
                report.ticks = Some(ticks);
            }
            Part::Admission => {
                let admission = admission::run(&setting, runs(10))?;
                report.bounds.extend(admission.verdicts());
                report.admission = Some(admission);
            }
            Part::Idle => {
                let idle = idle::run(&setting, runs(60))?;
                report.bounds.extend(idle.verdicts());
                report.idle = Some(idle);
            }
            Part::Ui => {
                let ui = ui::run(&setting, runs(9))?;
                report.bounds.extend(ui.verdicts());
                report.ui = Some(ui);
            }
            // Handled before: they are parts of a measurement.
            Part::Gauge(_) | Part::Probe(_) => {}
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(!options.check || report.bounds.iter().all(|verdict| verdict.met))
}

fn print(report: &Report) {
    let parts: [Option<&dyn std::fmt::Display>; 6] = [
        report.build.as_ref().map(|part| part as _),
        report.load.as_ref().map(|part| part as _),
        report.ticks.as_ref().map(|part| part as _),
        report.admission.as_ref().map(|part| part as _),
        report.idle.as_ref().map(|part| part as _),
        report.ui.as_ref().map(|part| part as _),
    ];
    for part in parts.into_iter().flatten() {
        print!("{part}\n\n");
    }
    for verdict in &report.bounds {
        println!("{verdict}");
    }
}

/// Says on standard error what is going on, so that standard output is the report alone.
fn note(text: &str) {
    eprintln!("{text}");
}

/// This program again, for a part of the work in a process of its own.
fn this_program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
        let given = Arguments::parse_from(["bench", "load", "--runs", "3", "--json"]);
        assert!(matches!(given.part, Some(Part::Load)));
        assert!(given.options.runs == Some(3) && given.options.json && !given.options.check);
        assert!(Arguments::try_parse_from(["bench", "--runs", "0"]).is_err());
    }
}
