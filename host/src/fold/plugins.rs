//! How one event changes what is known of a plugin of the folder.

use crate::model::{PluginEvent, PluginEventKind, PluginState};

/// Applies an event to what is known of its plugin; none for a plugin that is not there (any more).
pub fn plug(event: &PluginEvent) -> Option<PluginState> {
    let (works, refused) = match &event.kind {
        PluginEventKind::PluginLoaded { record } => (Some(record.clone()), None),
        PluginEventKind::PluginRefused { reason, keeps } => (keeps.clone(), Some(reason.clone())),
        PluginEventKind::PluginRemoved => return None,
    };
    Some(PluginState { name: event.plugin.clone(), works, refused, at: event.at })
}
