//! Notifiers: the configuration that one gets, and whether it could do its work with it.

use serde_json::{Value, json};

use super::PluginFault;
use crate::{
    model::{PluginRecord, json_of},
    plugins::Catalogue,
};

/// A notifier's configuration: the alert's own, or what stands beside the plugin where the alert has none.
pub fn notifier_config(catalogue: &Catalogue, notifier: &str, own: Option<&Value>) -> Value {
    let beside = || catalogue.settings(notifier).remove("config").and_then(json_of);
    own.cloned().or_else(beside).unwrap_or_else(|| json!({}))
}

/// Loads a notifier and lets it check the configuration that an alert gives it; gives what stands in the record of its calls.
///
/// # Errors
///
/// Where the notifier could not write anything as it is.
pub fn check_notifier(
    catalogue: &Catalogue,
    notifier: &str,
    own: Option<&Value>,
) -> Result<PluginRecord, PluginFault> {
    let loaded = catalogue.notifier(notifier)?;
    let plugin = notifier.to_owned();
    match loaded.check_config(&notifier_config(catalogue, notifier, own).to_string()) {
        Ok(Ok(())) => Ok(loaded.record().clone()),
        Ok(Err(reason)) => Err(PluginFault::Config { plugin, reason, key: "alert" }),
        Err(error) => Err(PluginFault::Call { plugin, error }),
    }
}
