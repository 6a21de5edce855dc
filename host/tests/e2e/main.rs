//! End to end: the real binary, real dbt, real DuckDB, a real component.
//!
//! `TIDEGATE_TEST_DBT` names the folder with the dbt to use; `cargo xtask test` makes one and sets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod alerts;
mod bad_input;
mod clients;
mod container;
mod crash;
mod freshness;
mod gate;
mod launch;
mod locks;
mod main_job;
mod notify;
mod plugins;
mod resume;
mod retry;
mod service;
mod support;
mod triggers;
mod upgrade;
mod verbs;
