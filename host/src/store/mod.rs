//! Where runs are kept: one SQLite database in the state directory.
//!
//! The contract, in terms of crashes: what [`Store::append`] has returned survives the loss of the process, and of power
//! unless dbt's own log says the same; what it has not returned has left no trace. Events and the tables that are folds
//! of them change in one transaction. There is one writer, held by whoever holds the state directory; readers are apart and never wait for it. This is the
//! only room that speaks SQL, and it never decides what happens.

mod error;
mod read;
mod retention;
mod rows;
mod schema;
mod write;

pub use error::StoreError;
pub use read::{AssetStatus, CheckResult, Materialization, Reader, RunFilter, RunSummary};
pub use retention::Retention;
pub use write::{Store, Stored};

/// The database's file in the state directory.
pub const FILE_NAME: &str = "tidegate.db";

#[cfg(test)]
mod tests;
