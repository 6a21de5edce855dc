//! What every answer is made from: the front of the host, readers of the store, and word of what happens.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{
    Problem,
    api::{Graphs, Seen},
    guard,
    health::Pulse,
    live::Live,
    planning::Planning,
};
use crate::{
    config,
    engine::{Front, PerName, Refusal},
    model::nearest,
    project::Opened,
    store::Reader,
    view::assets::Standings,
};

/// So many readers are kept for whoever comes next.
const READERS: usize = 8;

/// What every answer is made from. Clones are of the same.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    front: Front,
    readers: Mutex<Vec<Reader>>,
    live: Live,
    graphs: Graphs,
    standings: Mutex<BTreeMap<String, Stood>>,
    /// Held while the standings of a project are read.
    standing: PerName,
    planning: Planning,
    guard: guard::Memory,
    pulse: Pulse,
    seen: Seen,
    began: Timestamp,
}

/// Where the assets of a project stood, when, and of what it consisted then.
#[derive(Clone)]
struct Stood {
    as_of: u64,
    opened: Arc<Opened>,
    standings: Arc<Standings>,
}

impl Web {
    pub(super) fn new(front: Front) -> Self {
        Self(Arc::new(Inner {
            front,
            readers: Mutex::default(),
            live: Live::default(),
            graphs: Graphs::default(),
            standings: Mutex::default(),
            standing: PerName::default(),
            planning: Planning::default(),
            guard: guard::Memory::default(),
            pulse: Pulse::default(),
            seen: Seen::default(),
            began: Timestamp::now(),
        }))
    }

    /// The front of the host.
    pub fn front(&self) -> &Front {
        &self.0.front
    }

    /// What happens, while it happens.
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// Graphs that are ready to send.
    pub fn graphs(&self) -> &Graphs {
        &self.0.graphs
    }

    /// What the guard remembers.
    pub(super) fn guard(&self) -> &guard::Memory {
        &self.0.guard
    }

    /// When the dispatcher moved last.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// The signatures that webhooks have used.
    pub(super) fn seen(&self) -> &Seen {
        &self.0.seen
    }

    /// Since when it answers.
    pub(super) fn began(&self) -> Timestamp {
        self.0.began
    }

    /// Does what waits for the disk, for the dispatcher or for dbt, in a thread of its own.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Web) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let web = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&web)).await;
        done.unwrap_or_else(|e| {
            tracing::error!("a request of the API failed: {e}");
            let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Problem::new(status, "the host has made a mistake; its log says more"))
        })
    }

    /// The same with a reader of the store.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Web, &Reader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.work(|web| web.with_reader(|reader| work(web, reader))).await
    }

    /// The same of what may have dbt resolve a selection: few do at a time.
    pub async fn plan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Web, &Reader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.planning().turn().await?;
        self.read(move |web, reader| {
            let _turn = turn;
            work(web, reader)
        })
        .await
    }

    /// Who has dbt resolve something.
    pub fn planning(&self) -> &Planning {
        &self.0.planning
    }

    /// Lends a reader of the store.
    pub fn with_reader<T>(&self, work: impl FnOnce(&Reader) -> Result<T, Problem>) -> Result<T, Problem> {
        let lock = || self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = lock().pop();
        let reader = match reader {
            Some(reader) => reader,
            None => self.front().reader()?,
        };
        let done = work(&reader);
        let mut readers = lock();
        if readers.len() < READERS {
            readers.push(reader);
        }
        done
    }

    /// A job of the configuration.
    pub fn job(&self, name: &str) -> Result<config::Job, Problem> {
        let config = self.front().configuration().current();
        config.jobs.get(name).cloned().ok_or_else(|| missing("job", name, config.jobs.keys()))
    }

    /// The configuration of a project.
    pub fn project(&self, name: &str) -> Result<config::Project, Problem> {
        let config = self.front().configuration().current();
        config.projects.get(name).cloned().ok_or_else(|| missing("project", name, config.projects.keys()))
    }

    /// Where the assets of a project stand, and the number of an event that is in it already. It is read anew only where
    /// something has happened since it was asked last, and by one for all who ask meanwhile.
    pub fn standings(&self, reader: &Reader, opened: &Arc<Opened>) -> Result<(Arc<Standings>, u64), Problem> {
        let lock = || self.0.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = || *self.front().news().borrow();
        let name = &opened.project.name;
        let wanted = newest();
        let known = || {
            let stood = lock().get(name).cloned()?;
            let fits = stood.as_of >= wanted && Arc::ptr_eq(&stood.opened, opened);
            fits.then_some((stood.standings, stood.as_of))
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        self.0.standing.alone(name, || {
            if let Some(known) = known() {
                return Ok(known);
            }
            // Before the store is read: what is read may be newer, and never older.
            let as_of = newest();
            let standings = Arc::new(Standings::read(reader, &opened.project)?);
            let stood = Stood { as_of, opened: Arc::clone(opened), standings: Arc::clone(&standings) };
            lock().insert(name.clone(), stood);
            Ok((standings, as_of))
        })
    }

    /// A project as it was read last; what nobody has read yet is read now.
    pub fn opened(&self, name: &str) -> Result<Arc<Opened>, Problem> {
        let project = self.project(name)?;
        let front = self.front();
        front.shelf().get(&project, front.state_dir(), front.catalogue()).map_err(
            |Refusal { message, hint }| Problem {
                hint,
                ..Problem::unavailable(format!("the project `{name}` cannot be read: {message}"))
            },
        )
    }
}

/// There is nothing of that name; maybe another one was meant.
pub fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let problem = Problem::missing(format!("there is no {what} `{name}`"));
    match nearest(name, known.map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}
