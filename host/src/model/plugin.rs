//! Plugins of the folder: what has become of each, as events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PluginRecord, kept};

/// The plugins that Tidegate carries, by name: what `builtin:NAME` can be.
pub const BUILTIN_PLUGINS: [&str; 6] = ["backoff", "email", "slack", "source-prefix", "transient", "webhook"];

/// Something that happened to a plugin of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginEvent {
    /// The name of its file, without `.wasm`.
    pub plugin: String,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: PluginEventKind,
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PluginEventKind {
    /// It is new, or another one than before, and is used from here on.
    PluginLoaded {
        /// What it is.
        record: PluginRecord,
    },
    /// Its file cannot be used; what was used before still is.
    PluginRefused {
        /// Why, for people.
        reason: String,
        /// What is used still; none where there was nothing before.
        keeps: Option<PluginRecord>,
    },
    /// Its file is gone, and it is not used any more.
    PluginRemoved,
}

impl PluginEvent {
    /// The event as the database keeps it: with microseconds.
    pub fn as_kept(&self) -> Self {
        Self { at: kept(self.at), ..self.clone() }
    }
}

/// What is known of a plugin of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginState {
    /// The name of its file, without `.wasm`.
    pub name: String,
    /// What is used; none where nothing is.
    pub works: Option<PluginRecord>,
    /// Why its file is not used as it is; none where it is.
    pub refused: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// A call of a plugin, as it is on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginCall {
    /// When.
    pub at: Timestamp,
    /// The plugin that was called.
    pub plugin: PluginRecord,
    /// What it was about, such as `run 12.1.2` or `notification 481`.
    pub subject: String,
    /// What it was told: its configuration and its input.
    pub input: serde_json::Value,
    /// What it answered; none where it faulted.
    pub answer: Option<serde_json::Value>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: CallCost,
    /// `ok`, or how it faulted.
    pub verdict: String,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallCost {
    /// Its time, in microseconds.
    pub micros: u64,
    /// The peak of the plugin's memory, in bytes.
    pub peak_memory: u64,
}
