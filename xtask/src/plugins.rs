//! `cargo xtask plugins`: the plugins, their bindings, their templates and the tool chain that builds them.
//!
//! Owns the list of subcommands and the way to the crate `wit-tools`. Never runs a plugin: that is the host's.

pub mod bindings;
pub mod build;
mod component;
mod ledger;
pub mod template;
pub mod toolchain;

use crate::command;
use anyhow::Result;

/// A subcommand.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Build every plugin as a component, check that it imports nothing, and compare it with the committed one.
    Build {
        /// Put the built components and their digests into plugins/prebuilt.
        #[arg(long)]
        update: bool,
    },
    /// Generate the SDK's bindings from the contracts in wit/.
    Bindings {
        /// Only say whether they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Make a plugin of each template as `tidegate plugin new` would, test and build it.
    Template,
    /// Get the tool chain for WebAssembly ready, and print what cargo needs to use it.
    ///
    /// TIDEGATE_WASM_TOOLCHAIN says where it may come from: `auto` (what is there, else rustup, else Debian's packages),
    /// `rustup`, `debian-if-missing` (what is there, else Debian's packages; rustup downloads nothing) or `debian`.
    Toolchain,
}

/// Runs a subcommand.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Build { update } => build::run(*update),
        Command::Bindings { check: false } => bindings::write(),
        Command::Bindings { check: true } => bindings::check(),
        Command::Template => template::run(),
        Command::Toolchain => {
            print!("{}", toolchain::ready()?.exports());
            Ok(())
        }
    }
}

/// The program that reads WIT and components, in the plugins' workspace.
fn wit_tools() -> std::process::Command {
    let mut command = command::plugins_cargo();
    command.args(["run", "--quiet", "--package", "wit-tools", "--"]);
    command
}
