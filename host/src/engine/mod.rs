//! Running what was asked for.
//!
//! One place puts events in order: the [`dispatcher`](Dispatcher), which owns the store, the queue and the runs under
//! way. Everything else sends it messages: clients ([`Host`], the socket), the threads that watch attempts, prepare
//! projects and resolve plans. It commits first and acts then; what it does to the world goes through [`World`], so that
//! a simulation can stand in for clock, disk and processes.
//!
//! Whoever holds the lock of the state directory is the host ([`Host`]). Any other command is its client ([`Client`]).

mod causes;
mod client;
mod configuration;
mod dispatcher;
mod front;
mod gate;
mod host;
pub mod launch;
mod message;
mod per_name;
mod plan;
mod plugins;
mod post;
mod preview;
mod projects;
mod queue;
mod real;
pub mod request;
mod resume;
pub mod selection;
mod sense;
mod shelf;
pub mod tokens;
pub mod trial;
mod watch;
mod world;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError};
pub use configuration::Configuration;
pub use dispatcher::{Dispatcher, NextTick, ProjectStatus, RunStatus, Status};
pub use front::{Front, Unable};
pub use host::{Handle, Host, HostError, Role, join, serve};
pub use message::{
    Delivered, DeliveryFailure, Ending, Mail, Message, Names, Refusal, Rendered, Taken, Update,
};
pub use per_name::PerName;
pub use post::{alerts_of, check_settings};
pub use preview::{Preview, PreviewLock, PreviewNode, PreviewStep, preview};
pub use projects::{Projects, fresh_assets};
pub use real::{plan_step, select};
pub use sense::write_locks;
pub use shelf::Shelf;
pub use world::{Delivery, Rendering, Start, World, WriteLocks};

use std::path::{Path, PathBuf};

use crate::{
    model::{AttemptId, RunId},
    process::AttemptFolder,
};

/// Whether anyone is there to go on with the runs of a state directory.
pub fn is_hosted(state_dir: &Path) -> bool {
    Client::connect(state_dir).is_ok()
}

/// The folder of a run in a state directory.
pub fn run_folder(state_dir: &Path, run: RunId) -> PathBuf {
    state_dir.join("runs").join(run.to_string())
}

/// The folder of an attempt in a state directory.
pub fn attempt_folder(state_dir: &Path, id: AttemptId) -> AttemptFolder {
    AttemptFolder(run_folder(state_dir, id.run).join(format!("{}.{}", id.step, id.attempt)))
}
