//! The command line: one file a verb.
//!
//! Owns words for people: what was asked for goes to standard output, everything else to standard error; colour never
//! carries meaning alone; whatever dbt said is stripped of what could drive a terminal. Decides nothing that an API would
//! have to decide as well.

mod alerts;
mod asset_json;
mod assets;
mod assets_show;
mod audit;
mod check;
mod context;
mod exit;
mod freshness;
mod host;
mod init;
mod jobs;
mod launch;
mod logs;
mod notify;
mod parameters;
pub mod plugin;
mod printer;
mod progress;
mod retries;
mod run;
mod runs;
mod runs_show;
mod schedules;
mod serve;
mod status;
mod summary;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config::variables, process};
use context::Context;
pub use exit::{Exit, Failure};

/// Runs dbt projects as assets: jobs, lineage, history, and nothing that dbt says is lost
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    /// The configuration file [default: the nearest tidegate.toml from here upwards]
    #[arg(long, global = true, env = variables::CONFIG, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where runs, logs and history are kept [default: `state_dir` of the configuration, or .tidegate beside it]
    #[arg(long, global = true, env = variables::STATE_DIR, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a tidegate.toml for the dbt project in this folder
    Init(init::Init),
    /// Find everything that can be wrong, without running anything
    Check(check::Check),
    /// List the jobs
    Jobs(jobs::Jobs),
    /// List the assets, or show one: `assets show KEY`
    Assets(assets::Assets),
    /// Show how fresh sources are, and assets that have to be
    Freshness(freshness::Freshness),
    /// Run a job
    Run(run::RunJob),
    /// Build a selection of assets: dbt's selection syntax, or `key:ASSET/KEY` with `+` before or behind
    Materialize(run::Materialize),
    /// List the runs, show one, or cancel one
    Runs(runs::Runs),
    /// Show what dbt said in a run
    Logs(logs::Logs),
    /// Run the host as a service: fire schedules and other triggers, do what clients ask for
    Serve(serve::Serve),
    /// Show what starts jobs by itself, and when next; preview, pause or resume it
    Schedules(schedules::Schedules),
    /// Show how the host is
    Status(status::ShowStatus),
    /// Have the host read its configuration again
    Reload(status::Reload),
    /// Show who is told of what and what is failing; snooze an alert
    Alerts(alerts::Alerts),
    /// List the destinations of notifications, or try one out
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Show who did what
    Audit(audit::Audit),
    /// Make, list and revoke tokens: who may ask over the network
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// List, make, test and inspect plugins
    #[command(subcommand)]
    Plugin(plugin::PluginVerb),
    /// Own one dbt process: started by the host, never by people
    #[command(hide = true)]
    Attempt {
        /// The attempt's folder
        folder: PathBuf,
    },
    /// Print the JSON Schema of tidegate.toml
    #[command(hide = true)]
    Schema,
    /// Print the description of the API
    #[command(hide = true)]
    Openapi,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // The attempt process has the smallest possible life of its own: no arguments to parse, no terminal.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "attempt")
        && let (Some(folder), descriptors, None) = (words.next(), words.next(), words.next())
    {
        let descriptors = descriptors.and_then(|most| most.to_str()?.parse().ok());
        return match process::supervise(folder.into(), descriptors) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("tidegate attempt: {e}");
                ExitCode::FAILURE
            }
        };
    }
    let Arguments { common, verb } = Arguments::parse();
    match run(common, verb) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer::failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(common: Common, verb: Verb) -> Result<Exit, Failure> {
    let context = || Context::load(&common);
    match verb {
        Verb::Init(init) => init.run(&common),
        Verb::Check(check) => check.run(&common),
        Verb::Jobs(jobs) => jobs.run(&context()?),
        Verb::Assets(assets) => assets.run(&context()?),
        Verb::Freshness(freshness) => freshness.run(&context()?),
        Verb::Run(job) => job.run(&context()?),
        Verb::Materialize(selection) => selection.run(&context()?),
        Verb::Runs(runs) if runs.needs_jobs() => runs.run(&context()?),
        Verb::Runs(runs) => runs.run(&Context::of_state(&common)?),
        Verb::Logs(logs) => logs.run(&Context::of_state(&common)?),
        Verb::Serve(serve) => serve.run(&common),
        Verb::Schedules(schedules) => schedules.run(&context()?),
        Verb::Status(status) => status.run(&Context::of_state(&common)?),
        Verb::Reload(reload) => reload.run(&Context::of_state(&common)?),
        Verb::Alerts(alerts) => alerts.run(&context()?),
        Verb::Audit(audit) => audit.run(&Context::of_state(&common)?),
        Verb::Token(command) => command.run(&Context::of_state(&common)?),
        Verb::Notify(command) => command.run(&context()?),
        Verb::Plugin(plugin::PluginVerb::Ls(ls)) => ls.run(&Context::of_state(&common)?),
        Verb::Plugin(plugin::PluginVerb::Calls(calls)) => calls.run(&Context::of_state(&common)?),
        Verb::Plugin(plugin::PluginVerb::Anywhere(command)) => {
            // A plugin that fails its cases has failed; one that is none could not even be asked.
            let unfit = if matches!(command, plugin::PluginCommand::Inspect(_)) {
                Exit::CouldNotRun
            } else {
                Exit::Failed
            };
            match command.run() {
                Ok(code) if code == ExitCode::SUCCESS => Ok(Exit::Done),
                Ok(_) => Ok(unfit),
                Err(e) => Err(Failure::new(format!("{e:#}")).with_hint(plugin::hint(&e))),
            }
        }
        Verb::Attempt { folder } => {
            Err(Failure::new(format!("`tidegate attempt {}` is the host's to start", folder.display())))
        }
        Verb::Schema => {
            let schema = serde_json::to_string_pretty(&crate::config::schema());
            printer::line(schema.map_err(|e| Failure::new(e.to_string()))?);
            Ok(Exit::Done)
        }
        Verb::Openapi => {
            printer::line(crate::web::description().map_err(|e| Failure::new(e.to_string()))?);
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}
