//! `tidegate plugin`: make a plugin, test it, look into it.
//!
//! Owns the arguments of these commands and what they print: what was asked for on standard output, everything else on
//! standard error. What works wherever a plugin lies touches no state directory; `ls` and `calls` read one.

mod build;
mod calls;
mod case;
mod inspect;
mod ls;
mod new;
mod template;
mod test;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::Subcommand;

use crate::plugins::{LoadError, SandboxError};

pub use inspect::Inspect;
pub use new::New;
pub use test::Test;

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(super) enum PluginVerb {
    /// List the plugins of the folder and those that the configuration names
    Ls(ls::Ls),
    /// Show what a plugin was asked and what it answered, newest first
    Calls(calls::Calls),
    #[command(flatten)]
    Anywhere(PluginCommand),
}

/// Make, test and inspect plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Make the folder of a new plugin
    New(New),
    /// Build a plugin and run its cases in the sandbox
    Test(Test),
    /// Show what a plugin is and what it may do
    Inspect(Inspect),
}

/// Where a command writes: what was asked for, and what is said beside it.
pub struct Output<'a> {
    /// Standard output.
    pub data: &'a mut dyn Write,
    /// Standard error.
    pub notes: &'a mut dyn Write,
}

impl PluginCommand {
    /// Runs the command. The code says whether the plugin is all right; an error says that nobody could tell.
    pub fn run(self) -> Result<ExitCode> {
        self.run_with(&mut Output { data: &mut io::stdout().lock(), notes: &mut io::stderr() })
    }

    /// As [`Self::run`], with other places to write to.
    pub fn run_with(self, output: &mut Output<'_>) -> Result<ExitCode> {
        match self {
            Self::New(new) => new.run(output),
            Self::Test(test) => test.run(output),
            Self::Inspect(inspect) => inspect.run(output),
        }
    }
}

/// An error with something to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    message: String,
    hint: String,
}

/// The `hint:` line that belongs to an error of these commands.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let hinted = cause.downcast_ref::<Hinted>().map(|hinted| hinted.hint.clone());
        hinted.or_else(|| cause.downcast_ref::<LoadError>().and_then(LoadError::hint))
    })
}

fn sandbox() -> Result<crate::plugins::Sandbox, SandboxError> {
    crate::plugins::Sandbox::new(crate::plugins::Limits::default(), None)
}
