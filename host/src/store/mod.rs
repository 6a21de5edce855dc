//! Where runs are kept: one SQLite database in the state directory.
//!
//! The contract, in terms of crashes: what [`Store::record`] has returned survives the loss of the process, and of power
//! unless dbt's own log says the same; what it has not returned has left no trace. Events and the tables that are folds
//! of them change in one transaction. There is one writer, held by whoever holds the state directory; readers are apart and never wait for it. This is the
//! only room that speaks SQL, and it never decides what happens.

mod alerts;
mod audit;
mod automation;
mod error;
mod freshness;
mod gate;
mod pages;
mod plugins;
mod read;
mod retention;
mod rows;
mod runs;
mod schema;
mod states;
mod tokens;
mod write;

pub use alerts::{DeliveryRow, NotificationBody, NotificationRow, PendingDelivery};
pub use audit::{AuditFilter, AuditRow};
pub use automation::{RunEnd, TickRow};
pub use error::StoreError;
pub use freshness::SourceLook;
pub use pages::{NodePart, Part, Place};
pub use plugins::{CALLS_KEPT, CallRow};
pub use read::{AssetStatus, CheckResult, Materialization, Reader, RunFilter, RunSummary};
pub use retention::Retention;
pub use runs::{Happened, NodeCounts, NodeOf, NodeText, RunChange, RunSearch, RunStory, RunsFound};
pub use states::{NodeStanding, RunSpan};
pub use tokens::KnownToken;
pub use write::{Entry, Store, Stored};

/// The database's file in the state directory.
pub const FILE_NAME: &str = "tidegate.db";

/// A disk that a test holds in its hand.
#[cfg(test)]
pub trait Disk: std::fmt::Debug + Send + Sync {
    /// Whether there is room for a commit that is all but done.
    fn has_room(&self) -> bool;

    /// A commit has been made; its last event has this number.
    fn committed(&self, entries: &[Entry], last: u64);
}

#[cfg(test)]
fn room(disk: Option<&dyn Disk>, path: &std::path::Path) -> Result<(), StoreError> {
    match disk {
        Some(disk) if !disk.has_room() => Err(StoreError::DiskFull(path.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
