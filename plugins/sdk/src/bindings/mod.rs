//! The code that `cargo xtask plugins bindings` generates from `wit/`, one file a kind of plugin.
//!
//! Owns the component model's calling convention. Nothing here is written by hand but this file, and nothing of it is
//! this crate's public interface: the modules of the kinds name what is.

// Generated code is as its generator writes it.
#[allow(unsafe_code, missing_docs, unused_macros, clippy::all, clippy::unwrap_used)]
#[rustfmt::skip]
pub mod notifier;
#[allow(unsafe_code, missing_docs, unused_macros, clippy::all, clippy::unwrap_used)]
#[rustfmt::skip]
pub mod retry_policy;
#[allow(unsafe_code, missing_docs, unused_macros, clippy::all, clippy::unwrap_used)]
#[rustfmt::skip]
pub mod translator;
