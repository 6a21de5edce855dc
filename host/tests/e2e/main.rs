//! End to end: the real binary, real dbt, real DuckDB, a real component.
//!
//! `TIDEGATE_TEST_DBT` names the folder with the dbt to use; `cargo xtask test` makes one and sets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bad_input;
mod clients;
mod container;
mod crash;
mod locks;
mod main_job;
mod resume;
mod service;
mod support;
mod triggers;
mod upgrade;
mod verbs;
