//! What a service manager and an operator's console want of the host: readiness and a watchdog, logs, signals, and word of
//! changed files.
//!
//! Owns the ways in and out of a host that nobody sits in front of. Never decides anything: what a signal or a changed file
//! means is up to whoever listens.

pub mod log;
mod notify;
mod signals;
mod watch;

pub use notify::{Notifier, Reloading, Watchdog};
pub use signals::{Signal, listen};
pub use watch::{Changed, Pace, Sources, Watched, Watcher};
