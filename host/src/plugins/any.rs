//! A plugin of whatever kind, for those who take what they find.

use std::sync::Arc;

use super::{
    component::Plugin,
    contract::{Description, PluginKind},
    error::{CallError, LoadError, LoadFault},
    notifier::Notifier,
    retry_policy::RetryPolicy,
    sandbox::Sandbox,
    translator::Translator,
};
use crate::model::PluginRecord;

/// A plugin that was taken for what it is.
#[derive(Clone)]
pub enum AnyPlugin {
    /// A translator.
    Translator(Arc<Translator>),
    /// A retry policy.
    RetryPolicy(Arc<RetryPolicy>),
    /// A notifier.
    Notifier(Arc<Notifier>),
}

impl AnyPlugin {
    /// Takes a plugin for what it exports.
    pub fn new(sandbox: &Sandbox, plugin: Plugin) -> Result<Self, LoadError> {
        let Some(kind) = PluginKind::of(&plugin) else {
            let exports = plugin.exports().to_vec();
            return Err(LoadFault::AnotherWorld { wanted: None, exports }.of(plugin.source()));
        };
        Ok(match kind {
            PluginKind::Translator => Self::Translator(Arc::new(Translator::new(sandbox, plugin)?)),
            PluginKind::RetryPolicy => Self::RetryPolicy(Arc::new(RetryPolicy::new(sandbox, plugin)?)),
            PluginKind::Notifier => Self::Notifier(Arc::new(Notifier::new(sandbox, plugin)?)),
        })
    }

    /// What it is.
    pub fn kind(&self) -> PluginKind {
        match self {
            Self::Translator(_) => PluginKind::Translator,
            Self::RetryPolicy(_) => PluginKind::RetryPolicy,
            Self::Notifier(_) => PluginKind::Notifier,
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        match self {
            Self::Translator(plugin) => plugin.plugin(),
            Self::RetryPolicy(plugin) => plugin.plugin(),
            Self::Notifier(plugin) => plugin.plugin(),
        }
    }

    /// The interface that it implements, with its version.
    pub fn contract(&self) -> &str {
        match self {
            Self::Translator(plugin) => plugin.contract(),
            Self::RetryPolicy(plugin) => plugin.contract(),
            Self::Notifier(plugin) => plugin.contract(),
        }
    }

    /// What it says of itself.
    pub fn describe(&self) -> Result<Description, CallError> {
        match self {
            Self::Translator(plugin) => plugin.describe(),
            Self::RetryPolicy(plugin) => Ok(plugin.describe().clone()),
            Self::Notifier(plugin) => Ok(plugin.describe().clone()),
        }
    }

    /// What stands in the record of its decisions.
    pub fn record(&self) -> Result<PluginRecord, CallError> {
        match self {
            Self::Translator(plugin) => plugin.record(),
            Self::RetryPolicy(plugin) => Ok(plugin.record().clone()),
            Self::Notifier(plugin) => Ok(plugin.record().clone()),
        }
    }

    /// Asks whether a configuration, a JSON object, can be used. The inner error is the plugin's sentence why not.
    pub fn check_config(&self, config: &str) -> Result<Result<(), String>, CallError> {
        match self {
            Self::Translator(plugin) => plugin.check_config(config),
            Self::RetryPolicy(plugin) => plugin.check_config(config),
            Self::Notifier(plugin) => plugin.check_config(config),
        }
    }
}
