//! What is put on record of the plugins of the folder.

use super::Dispatcher;
use crate::{
    engine::plugins::changes,
    model::PluginEvent,
    plugins::FolderPlugin,
    store::{Entry, StoreError},
};

impl Dispatcher {
    /// The plugins of the folder are these now.
    pub(super) fn plugins_are(&mut self, found: Vec<FolderPlugin>) -> Result<(), StoreError> {
        let at = self.world.now();
        let changes = changes(&self.store.plugins()?, found).into_iter();
        self.record(changes.map(|(plugin, kind)| Entry::Plugin(PluginEvent { plugin, at, kind })).collect())
    }
}
