//! Policies: decisions that a plugin takes for the host, and what is decided where it does not.
//!
//! Owns the way between the host's words and a plugin's, and the rule for each kind of plugin that fails. Never names
//! wasmtime, and never lets a plugin's fault end a run.

mod translate;

pub use translate::{PROJECT_TIME, ProjectTranslator, TranslatorFault};
