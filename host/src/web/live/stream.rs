//! A stream of server-sent events to one client, who may stop to listen at any time.

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time,
};
use tokio_stream::wrappers::ReceiverStream;

/// How often a client hears that the host is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Whoever takes nothing for so long is told no more, and gives up their place. The door closes the connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place among those who listen, for as long as it is held.
pub struct Seat {
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit }
    }
}

/// Where messages to one client are put. Each of its answers is none once the client is gone.
pub struct Messages {
    texts: mpsc::Sender<Result<Bytes, Infallible>>,
    heartbeat: time::Interval,
    _seat: Seat,
}

/// A stream, and where to put its messages.
pub fn stream(seat: Seat) -> (Messages, Response) {
    let (texts, receiver) = mpsc::channel(1);
    let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers what it passes on would make news old.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let mut heartbeat = time::interval(HEARTBEAT);
    heartbeat.reset();
    heartbeat.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    (Messages { texts, heartbeat, _seat: seat }, response)
}

impl Messages {
    /// Sends something, once the client has taken what was sent before.
    pub async fn send(&mut self, text: Bytes) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        self.heartbeat.reset();
        time::timeout(PATIENCE, self.texts.send(Ok(text))).await.ok()?.ok()
    }

    /// Waits for something, for as long as the client is there.
    pub async fn wait<T>(&mut self, what: impl Future<Output = T>) -> Option<T> {
        let mut what = pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return Some(done),
                () = self.texts.closed() => return None,
                _ = self.heartbeat.tick() => self.send(Bytes::from_static(b": still here\n\n")).await?,
            }
        }
    }
}

/// A message: its name, its id where it has one, and what it says.
pub fn message(event: &str, id: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line ends but in its layout.
    let data = serde_json::to_string(data).unwrap_or_default();
    match id {
        "" => format!("event: {event}\ndata: {data}\n\n"),
        id => format!("event: {event}\nid: {id}\ndata: {data}\n\n"),
    }
    .into()
}

/// A message with an id before it; without a message an id by itself, which a client remembers and does not hear of.
pub(super) fn with_id(number: u64, message: &[u8]) -> Bytes {
    [format!("id: {number}\n").as_bytes(), message].concat().into()
}

/// The id of the last message that a client has heard, as it says itself when it comes again.
pub fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}
