//! What Tidegate knows of dbt: how to call it, what its log lines and artifacts mean, and which versions it can read.
//!
//! Reads text and bytes that others fetched, and builds commands that others start. Never starts a process itself.

mod arguments;
mod environment;
mod events;
mod invocation;
mod log_line;
mod manifest;
mod options;
mod parameters;
mod profile;
mod results;
mod selector;

pub use arguments::{
    Refusal, can_be_narrowed, check_arguments, is_node_command, list_arguments, narrowed_arguments,
    planned_types, threads_of, with_threads,
};
pub use environment::{is_secret_name, passes, refuse_variable};
pub use events::{Observation, Observer, observe};
pub use invocation::{Invocation, Options, ProgramError, find_program, invocation};
pub use log_line::{Level, LogLine, plain};
pub use manifest::{
    Column, Manifest, ManifestError, ManifestText, NodeDetails, Remark, never_refreshed, node_details,
};
pub use parameters::{check_selector, is_full_refresh, parameters_of, selection_of, with_parameters};
pub use profile::{ProfileError, duckdb_files, profile_sources, targets, threads};
pub use results::{ArtifactError, compiled_code, read_run_results, read_sources};
pub use selector::exact_selectors;
