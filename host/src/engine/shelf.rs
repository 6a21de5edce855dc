//! The projects of a host as they were read last, for whoever looks at them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{PerName, Refusal};
use crate::{
    config,
    plugins::Catalogue,
    project::{self, Call, Opened},
};

/// Holds each project as it was read last. Clones are of the same shelf.
#[derive(Clone, Default)]
pub struct Shelf {
    projects: Arc<RwLock<BTreeMap<String, Arc<Opened>>>>,
    /// Held while one is read because someone asked for it: who comes for it meanwhile waits for that.
    reading: Arc<PerName>,
    /// Told whenever one was read.
    news: Arc<watch::Sender<()>>,
    /// What could not be read when someone asked for it, and when: to try takes dbt, and many may ask.
    refused: Arc<Mutex<BTreeMap<String, (Instant, Refusal)>>>,
}

/// So long what could not be read is not tried again for whoever asks. The host itself tries as soon as a file changes.
const PAUSE: Duration = Duration::from_secs(10);

impl Shelf {
    /// A project as it was read last; none where nobody has read it.
    pub fn known(&self, name: &str) -> Option<Arc<Opened>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A project as it was read last. What nobody has read is read now, which may call dbt and take its time.
    pub fn get(
        &self,
        project: &config::Project,
        state_dir: &Path,
        catalogue: &Catalogue,
    ) -> Result<Arc<Opened>, Refusal> {
        if let Some(known) = self.known(&project.name) {
            return Ok(known);
        }
        self.reading.alone(&project.name, || self.read(project, state_dir, catalogue))
    }

    fn read(
        &self,
        project: &config::Project,
        state_dir: &Path,
        catalogue: &Catalogue,
    ) -> Result<Arc<Opened>, Refusal> {
        if let Some(known) = self.known(&project.name) {
            return Ok(known);
        }
        let refused = || self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, refusal)) = refused().get(&project.name)
            && at.elapsed() < PAUSE
        {
            return Err(refusal.clone());
        }
        let call = Call { notice: &|_| {}, stop: &|| false };
        let opened = project::look(project, state_dir, catalogue, &call).map_err(|e| {
            let refusal = Refusal { message: e.to_string(), hint: e.hint() };
            refused().insert(project.name.clone(), (Instant::now(), refusal.clone()));
            refusal
        })?;
        let opened = Arc::new(opened);
        self.put(&project.name, Arc::clone(&opened));
        Ok(opened)
    }

    /// Word of each time that a project is read, or is gone.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The digest of each project that was read.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        projects.iter().map(|(name, opened)| (name.clone(), opened.project.digest.clone())).collect()
    }

    /// A project was read.
    pub(super) fn put(&self, name: &str, opened: Arc<Opened>) {
        self.projects.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), opened);
        self.news.send_replace(());
    }

    /// Only these projects are there still.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.projects.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_there(name));
        self.news.send_replace(());
    }
}
