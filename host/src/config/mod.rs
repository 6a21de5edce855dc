//! What the operator wrote: `tidegate.toml`, strictly parsed, and the environment variables that Tidegate itself reads.
//!
//! Owns the file's shape, its JSON Schema and every message about a mistake in it. Never runs anything, and never looks
//! into a dbt project.

mod automation;
mod differences;
mod error;
mod file;
mod resolve;
mod strict;
pub mod variables;

pub use automation::{After, Automated, Sensor};
pub use differences::differences;
pub use error::{ConfigError, ConfigProblem};
pub use file::{
    ConfigFile, EmptyPolicy, JobConfig, MissedConfig, OneOrMany, OverlapPolicy, ProjectConfig, QueueConfig,
    RetentionConfig, TranslatorConfig, schema,
};
pub use resolve::{Config, FILE_NAME, Job, Project, Step, Translator, locate};
