//! The API from outside: the real binary and real dbt, a client that holds every answer against the description of the API, and
//! requests byte by byte, as those who mean harm send them.
//!
//! `TIDEGATE_TEST_DBT` names the folder with the dbt to use; `cargo xtask test` makes one and sets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod assets;
mod audit;
mod client;
mod guard;
mod house;
mod jobs;
mod large;
mod listener;
mod live;
mod logs;
mod runs;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../e2e/support.rs"]
mod support;
mod tokens;
mod webhook;
