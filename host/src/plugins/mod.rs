//! Plugins: WebAssembly components in a sandbox. The only room that names wasmtime.
//!
//! Owns the way of a plugin from its source to its answers: the bytes are read under a cap and compiled within a time
//! ([`Sandbox::open`]), the compiled code is kept on disk under a seal, and a kind of plugin, such as [`Translator`],
//! checks its types and calls it. Each call has an instance, a deadline and limits of its own ([`Limits`]).
//!
//! Never knows what a run is, nor what becomes of an answer: that is `policy`'s. Never grants a plugin anything: those
//! that import WASI find it empty.

mod builtin;
mod cache;
mod component;
mod error;
mod limits;
mod sandbox;
mod source;
mod ticker;
mod translator;
mod wasi;

pub use component::{Origin, Plugin};
pub use error::{CallError, LoadError, LoadFault, SandboxError};
pub use limits::{CallLimits, Limits, Shortage};
pub use sandbox::Sandbox;
pub use source::PluginSource;
pub use translator::{Description, Translator};
