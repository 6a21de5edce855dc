//! What the operator wrote: `tidegate.toml`, strictly parsed, and the environment variables that Tidegate itself reads.
//!
//! Owns the file's shape, its JSON Schema and every message about a mistake in it. Never runs anything, and never looks
//! into a dbt project.

mod alerts;
mod automation;
mod destinations;
mod differences;
mod error;
mod file;
mod freshness;
mod jobs;
mod plugin;
mod resolve;
mod retry;
mod strict;
pub mod variables;
pub mod web;

pub use alerts::{Alert, AlertConfig, AlertOn};
pub use automation::{After, Automated, Sensor};
pub use destinations::{
    Destination, DestinationConfig, Hidden, Http, Mailbox, Place, SIGNATURE_HEADER, Secret, Sign, Smtp, Tls,
    is_own_header, refuse_header_name, refuse_header_value, web_address,
};
pub use differences::differences;
pub use error::{ConfigError, ConfigProblem};
pub use file::{
    ConfigFile, EmptyPolicy, JobConfig, MissedConfig, OneOrMany, OverlapPolicy, ProjectConfig, QueueConfig,
    RetentionConfig, TranslatorConfig, schema,
};
pub use freshness::{Freshness, FreshnessConfig};
pub use jobs::{Job, Step};
pub use resolve::{Config, FILE_NAME, Project, Translator, locate};
pub use retry::{FaultConfig, FaultRetry, GiveUp, RetryChoice, RetryConfig, RetryOff};
pub use web::{Anonymous, Web, WebConfig, WebhookConfig};
