//! Tidegate runs dbt projects as assets. This library is the host; the binary `tidegate` is its command line.
//!
//! What flows through it: a request becomes a run, which is committed before anything else happens ([`engine`]). Each
//! step of a run is one dbt process under an attempt process of its own, which outlives the host and appends every line
//! that dbt says to a file ([`process`]). The host tails that file ([`dbt`] reads the lines), turns what changes a state
//! into events ([`model`]), folds the events into the state of the run ([`fold`]), and keeps both ([`store`]).
//!
//! [`config`] is what the operator wrote, [`project`] what dbt's manifest says, seen through a translator ([`policy`]),
//! which is a WebAssembly component ([`plugins`]). [`view`] is how all of it stands; [`cli`] prints that for people and scripts, and
//! [`web`] answers with it; where the nodes of a project lie on a plane is for [`lineage`] to say. A host that runs for good
//! speaks to its service manager and its operator through [`service`]: readiness, logs, signals, changed files. What someone
//! should know leaves this machine through [`deliver`].
//!
//! Arrows point one way: `cli` → `engine` → `project`, `process`, `store`, `fold`; `project` → `config`, `policy`, `process`,
//! `dbt`; `service` → `config`, `project`; `cli`, `engine` → `deliver` → `config`; `config` → `dbt`, `schedule`; `policy` → `alert`, `plugins`; `cli`, `web` → `view` → `engine`, `store`; `store` → `alert`, `fold`; everything →
//! `model`, and `model` → nothing. [`crash`] is where tests make a process end, and knows nobody either.
//! `tests/architecture.rs` keeps them so.

pub mod alert;
pub mod cli;
pub mod config;
pub mod crash;
pub mod dbt;
pub mod deliver;
pub mod engine;
pub mod fold;
pub mod lineage;
pub mod model;
pub mod plugins;
pub mod policy;
pub mod process;
pub mod project;
pub mod schedule;
pub mod service;
pub mod store;
pub mod view;
pub mod web;
