//! What happens, while it happens: server-sent events with ids that a client can resume from.
//!
//! One task reads what is new, once for all who listen, and only while someone does. Who does not keep up is told to fetch anew what
//! is shown: nobody waits for anybody.

mod changes;
mod message;
mod stream;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Extension, body::Bytes, extract::State, http::HeaderMap, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{
    sync::{Semaphore, broadcast},
    time,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    changes::{Addressed, Told},
    message::{Hello, LiveMessage, ProjectChanged, Resync},
    stream::{Messages, Seat},
};
use super::{Problem, extract::Query, guard::Pass, state::Web};
use crate::model::RunId;

pub use self::stream::{last_event_id, message, stream};

/// So many may listen at a time, to what happens and to logs.
const SEATS: usize = 512;

/// So many batches wait for whoever is slow; behind that they are told to fetch anew.
const WAITING: usize = 256;

/// Whoever has missed more events than that fetches anew.
const REPLAYED: u64 = 5_000;

/// How often whoever hears nothing is asked whether they still may: a session may have come to its end meanwhile.
const ASKED_AGAIN: Duration = Duration::from_secs(30);

/// What comes a moment later is taken together.
const TOGETHER: Duration = Duration::from_millis(20);

/// Word of what happens, for whoever listens.
pub struct Live {
    batches: broadcast::Sender<Arc<Batch>>,
    seats: Arc<Semaphore>,
    /// The digest of each project, as it was told of last.
    projects: Mutex<BTreeMap<String, String>>,
    /// When this began: what a host before this one has said of its configuration says nothing of this one's.
    since: Timestamp,
    /// How often the configuration was exchanged since.
    configurations: AtomicU64,
}

/// What has changed from one event to another.
struct Batch {
    /// The last of these events; none where the change is none of the store's.
    until: Option<u64>,
    messages: Vec<Addressed>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            batches: broadcast::Sender::new(WAITING),
            seats: Arc::new(Semaphore::new(SEATS)),
            projects: Mutex::default(),
            since: Timestamp::now(),
            configurations: AtomicU64::new(0),
        }
    }
}

impl Live {
    /// A place among those who listen.
    pub fn seat(&self) -> Result<Seat, Problem> {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        seat.map(Seat::new).map_err(|_| {
            Problem::unavailable(format!("{SEATS} listen to this host already"))
                .hint("close a few windows, and try again")
        })
    }
}

impl Batch {
    /// Everything has to be fetched anew.
    fn resync(until: u64) -> Self {
        Self { until: Some(until), messages: vec![(None, message("resync", "", &Resync { as_of: until }))] }
    }
}

/// Begins to pass on what happens.
pub(super) fn start(web: &Web) {
    tokio::spawn(pass_on(web.clone()));
    tokio::spawn(pass_on_projects(web.clone()));
}

async fn pass_on(web: Web) {
    let mut news = web.front().news();
    let mut until = *news.borrow_and_update();
    let mut told = Told::default();
    while news.changed().await.is_ok() {
        let newest = *news.borrow_and_update();
        // What was read for the batch before may have been newer than the news of it.
        if newest > until {
            if web.live().batches.receiver_count() > 0 {
                let batch;
                (batch, told) = changed(&web, until, newest, Some(told)).await;
                until = batch.until.unwrap_or(newest);
                let _ = web.live().batches.send(Arc::new(batch));
            } else {
                // What nobody hears of is not told.
                told = Told::default();
                until = newest;
            }
        }
        time::sleep(TOGETHER).await;
    }
}

/// What has changed behind an event, up to another one at least; where that is too much, or cannot be read, everything. Where it is
/// known what was told up to that event, of that no more than what is another now.
async fn changed(web: &Web, after: u64, until: u64, told: Option<Told>) -> (Batch, Told) {
    if until - after > REPLAYED {
        return (Batch::resync(until), Told::default());
    }
    let found = web.read(move |web, reader| {
        let mut told = told;
        let (until, messages) = changes::behind(web, reader, after, told.as_mut())?;
        Ok((Batch { until: Some(until), messages }, told.unwrap_or_default()))
    });
    found.await.unwrap_or_else(|problem| {
        tracing::warn!("what has happened cannot be told: {}", problem.detail);
        (Batch::resync(until), Told::default())
    })
}

/// Passes on that projects were read anew, and the configuration.
async fn pass_on_projects(web: Web) {
    let mut shelf = web.front().shelf().news();
    let mut configuration = web.front().configuration().news();
    loop {
        let messages: Vec<_> = tokio::select! {
            changed = shelf.changed() => match changed {
                Ok(()) => web.live().other_projects(&web).iter().map(|p| message("project", "", p)).collect(),
                Err(_) => return,
            },
            changed = configuration.changed() => match changed {
                Ok(()) => {
                    web.live().configurations.fetch_add(1, Ordering::Relaxed);
                    vec![message("configuration", "", &message::Changed {})]
                }
                Err(_) => return,
            },
        };
        if !messages.is_empty() {
            let messages = messages.into_iter().map(|text| (None, text)).collect();
            let _ = web.live().batches.send(Arc::new(Batch { until: None, messages }));
        }
    }
}

impl Live {
    /// What marks the configuration that is in force.
    fn configuration(&self) -> String {
        format!("{}.{}", self.since.as_microsecond(), self.configurations.load(Ordering::Relaxed))
    }

    /// The projects that are others than those that were told of last.
    fn other_projects(&self, web: &Web) -> Vec<ProjectChanged> {
        let now = web.front().shelf().digests();
        let mut known = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let others = now.iter().filter(|(name, digest)| known.get(*name) != Some(digest));
        let others: Vec<_> = others
            .map(|(name, digest)| ProjectChanged { project: name.clone(), digest: digest.clone() })
            .collect();
        *known = now;
        others
    }
}

/// What someone listens to.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Nodes of this run only. Of all else everyone hears.
    run: Option<RunId>,
    /// The event behind which to begin, where there is no `Last-Event-ID`.
    after: Option<u64>,
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(live))
}

/// What happens, while it happens: server-sent events. It ends with the right to it. The state of what changed is sent, to be put in the place of what was known.
///
/// The name of each message is its `event`; its data is what the schema calls `data`. The id is the number of an event of the store:
/// with it as `Last-Event-ID` (or `after`) nothing is missed, unless `resync` says so. The last message up to that event has it, or
/// it comes by itself where there is none. A state is newer than what was fetched where its `as_of` is higher.
#[utoipa::path(get, path = "/live", tag = "live",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "The last id that was heard; goes before `after`")),
    responses(
        (status = 200, body = LiveMessage, content_type = "text/event-stream"),
        (status = 400, description = "The id is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many listen already", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn live(
    State(web): State<Web>,
    Extension(pass): Extension<Pass>,
    Query(mut wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(last) = last_event_id(&headers) {
        let last = last.parse().map_err(|_| Problem::bad(format!("`{last}` is no id of a message")));
        wanted.after = Some(last?);
    }
    let seat = web.live().seat()?;
    // From here on nothing is missed; what is on record already is told by what is newest now.
    let batches = web.live().batches.subscribe();
    let newest = web.read(|_, reader| Ok(reader.newest_event()?)).await?;
    let (messages, response) = stream(seat);
    tokio::spawn(tell(web, messages, batches, newest, (wanted, pass)));
    Ok(response)
}

/// Tells one client what has changed; of nodes, those of a run only where it wants that.
async fn send(messages: &mut Messages, batch: &Batch, run: Option<RunId>) -> Option<()> {
    let wanted = |of: &Option<RunId>| run.is_none() || of.is_none() || *of == run;
    let mut texts: Vec<_> =
        batch.messages.iter().filter(|(of, _)| wanted(of)).map(|(_, text)| text.clone()).collect();
    // The id comes with the last: who has lost the connection before it has not heard all.
    if let Some(until) = batch.until {
        let last = texts.pop().unwrap_or_else(|| Bytes::from_static(b"\n"));
        texts.push(stream::with_id(until, &last));
    }
    for text in texts {
        messages.send(text).await?;
    }
    Some(())
}

async fn tell(
    web: Web,
    mut messages: Messages,
    mut batches: broadcast::Receiver<Arc<Batch>>,
    newest: u64,
    (wanted, pass): (Wanted, Pass),
) -> Option<()> {
    let mut told = newest;
    let hello = Hello {
        as_of: newest,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        projects: web.front().shelf().digests(),
        configuration: web.live().configuration(),
    };
    messages.send(message("hello", "", &hello)).await?;
    let first = match wanted.after {
        None => Batch { until: Some(newest), messages: Vec::new() },
        // What is newer than the newest was said by another store.
        Some(after) if after > newest => Batch::resync(newest),
        Some(after) => changed(&web, after, newest, None).await.0,
    };
    told = first.until.unwrap_or(told);
    send(&mut messages, &first, wanted.run).await?;
    loop {
        let heard = messages.wait(time::timeout(ASKED_AGAIN, batches.recv())).await?;
        // That a token is revoked, a session has ended or the configuration is another one comes as a batch too.
        if !pass.holds(&web).await {
            return None;
        }
        let batch = match heard {
            Err(_) => continue,
            Ok(Ok(batch)) => batch,
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                batches = batches.resubscribe();
                Arc::new(Batch::resync(*web.front().news().borrow()))
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => return None,
        };
        match batch.until {
            Some(until) if until <= told => continue,
            Some(until) => told = until,
            None => {}
        }
        send(&mut messages, &batch, wanted.run).await?;
    }
}
