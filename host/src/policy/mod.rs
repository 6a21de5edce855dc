//! Policies: decisions that a plugin takes for the host, and what is decided where it does not.
//!
//! Owns the way between the host's words and a plugin's, and the rule for each kind of plugin that fails. Never names
//! wasmtime, and never lets a plugin's fault end a run.

mod fault;
mod notifier;
mod notify;
mod plain;
mod retry;
mod translate;

pub use fault::PluginFault;
pub use notifier::{check_notifier, notifier_config};
pub use notify::{About, compose};
pub use plain::plain_requests;
pub use retry::{Circumstances, Judgement, check as check_retry, failure, judge};
pub use translate::{PROJECT_TIME, ProjectTranslator, TranslatorFault};
