//! Plugins: WebAssembly components in a sandbox. The only room that names wasmtime.
//!
//! Owns the way of a plugin from its source to its answers: the bytes are read under a cap and compiled within a time
//! ([`Sandbox::open`]), the compiled code is kept on disk under a seal, and a kind of plugin ([`Translator`],
//! [`RetryPolicy`], [`Notifier`]) checks its types and calls it. Each call has an instance, a deadline and limits of its own
//! ([`Limits`]). What plugins there are, and which of them are exchanged while the host works, the [`Catalogue`] knows.
//!
//! Never knows what a run is, nor what becomes of an answer: that is `policy`'s. Never grants a plugin anything: those
//! that import WASI find it empty.

mod any;
mod builtin;
mod cache;
mod catalogue;
mod component;
mod contract;
mod error;
mod folder;
mod limits;
mod notifier;
mod retry_policy;
mod sandbox;
mod source;
mod ticker;
mod translator;
mod wasi;

pub use any::AnyPlugin;
pub use catalogue::{Catalogue, FolderPlugin, Scan, SettingsCheck, is_path};
pub use component::{Origin, Plugin};
pub use contract::{Called, Description, PluginKind};
pub use error::{CallError, LoadError, LoadFault, SandboxError};
pub use limits::{CallLimits, Limits, Shortage};
pub use notifier::{MOST_REQUESTS, Notifier};
pub use retry_policy::{LONGEST_WAIT, RetryPolicy};
pub use sandbox::Sandbox;
pub use source::PluginSource;
pub use translator::Translator;
