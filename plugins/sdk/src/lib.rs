//! Write plugins for Tidegate in Rust.
//!
//! A plugin is a WebAssembly component that imports nothing: no clock, no files, no network. Each kind of plugin has a
//! module here with the kind's trait, the data that it works on and the macro that makes a component of it:
//!
//! | kind | module | what it decides |
//! | --- | --- | --- |
//! | translator | [`translator`] | what a dbt node is as an asset: key, group, owners, tags, description, metadata |
//! | retry policy | [`retry_policy`] | what is done about an attempt that failed |
//! | notifier | [`notifier`] | what is sent where when something has happened |
//!
//! [`Span`] is a span of time in a configuration. [`testing`] makes the data for a plugin's own tests, which run natively with `cargo test`.
//!
//! This crate owns the way from Tidegate's WIT contract to plain Rust. It never does I/O, and never decides anything that
//! a plugin's author has not written.

#[doc(hidden)]
pub mod bindings;
mod config;
mod data;
pub mod notifier;
pub mod retry_policy;
mod span;
pub mod testing;
pub mod translator;

pub use config::NoConfig;
pub use span::Span;
