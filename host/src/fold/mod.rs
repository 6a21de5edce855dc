//! From events to the state of a run: pure, without clock and I/O.
//!
//! [`apply`] is total: whatever events come in whatever order, it never panics, and a state that is finished stays so.
//! [`verdict`] and [`conclude`] decide how an attempt and a run ended; their answers become events themselves, so that
//! folding old events never needs an old rule. [`mark`] says what a node's end means beyond its run. [`automate`]
//! is the same for what starts jobs by themselves, and [`plug`] for the plugins of the folder. [`deed_of_run`] and its like say what of events is someone's doing.

mod apply;
mod automation;
mod critical;
mod deed;
mod freshness;
mod history;
mod plugins;
mod retry;
mod verdict;

pub use apply::{Touched, apply, begin};
pub use automation::{automate, unautomated};
pub use critical::critical_path;
pub use deed::{deed_of_alert, deed_of_host, deed_of_job, deed_of_run};
pub use freshness::freshness;
pub use history::{Mark, mark, tells};
pub use plugins::plug;
pub use retry::{owed, waiting};
pub use verdict::{conclude, verdict};

#[cfg(test)]
pub(crate) mod tests;
