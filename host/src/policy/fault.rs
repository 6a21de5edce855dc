//! Why a plugin that the configuration names cannot be used, and what to do about it.

use thiserror::Error;

use crate::plugins::{CallError, LoadError};

/// Why a plugin that the configuration names cannot be used.
#[derive(Debug, Error)]
pub enum PluginFault {
    /// It could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It refuses its configuration.
    #[error("plugin `{plugin}` refuses its configuration: {reason}")]
    Config {
        /// The plugin, as the file names it.
        plugin: String,
        /// Its sentence.
        reason: String,
        /// What of the file the configuration belongs to.
        key: &'static str,
    },
    /// Asked about its configuration, it failed.
    #[error("plugin `{plugin}` {error}")]
    Call {
        /// The plugin, as the file names it.
        plugin: String,
        /// How.
        error: CallError,
    },
}

impl PluginFault {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Config { key, .. } => Some(format!("change `config` of that `{key}` in `tidegate.toml`")),
            Self::Call { .. } => {
                Some("`tidegate plugin test` runs a plugin on cases, in the same sandbox".to_owned())
            }
        }
    }
}
