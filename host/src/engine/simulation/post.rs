//! Notifiers and destinations as values, and what must hold of what is told: with each start and each end of a run exactly one
//! notification is raised, in the same commit, and whatever happens to the host, each arrives under one key.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::world::{Happening, Universe};
use crate::{
    engine::{Delivered, Delivery, DeliveryFailure, Message, Rendered, Rendering},
    model::{
        AlertEvent, AlertEventKind, DeliveryOutcome, DeliveryRequest, EventKind, NotificationKind, RunId,
        RunState,
    },
    store::Entry,
};

/// What is known of the outbox.
#[derive(Default)]
pub(super) struct Post {
    /// Raised, and not rendered.
    raised: BTreeSet<u64>,
    /// By key: what was rendered, and not settled.
    pub(super) pending: BTreeMap<String, DeliveryRequest>,
    /// By key: what has arrived.
    arrived: BTreeMap<String, DeliveryRequest>,
    settled: BTreeSet<String>,
}

impl Post {
    /// Whether everything that was raised has come to its end.
    pub(super) fn is_done(&self) -> bool {
        self.raised.is_empty() && self.pending.is_empty()
    }
}

/// What an end is told as.
fn kind_of(state: RunState) -> NotificationKind {
    match state {
        RunState::Succeeded | RunState::Warned | RunState::Empty => NotificationKind::RunSucceeded,
        RunState::Cancelled => NotificationKind::RunCancelled,
        RunState::Incomplete => NotificationKind::RunIncomplete,
        _ => NotificationKind::RunFailed,
    }
}

impl Universe {
    /// A notifier takes its time, and may fail.
    pub(super) fn render(&mut self, rendering: Rendering) {
        let id = rendering.id;
        let requests = if !self.calm && self.once_in(15) {
            Err("it trapped".to_owned())
        } else {
            let request = |name: &crate::model::DestinationName| DeliveryRequest {
                destination: name.name.clone(),
                method: String::new(),
                path: String::new(),
                headers: Vec::new(),
                body: id.to_string().into_bytes(),
            };
            Ok(rendering.destinations.iter().map(request).collect())
        };
        let rendered = Rendered { requests, ..Rendered::nothing(id) };
        let (delay, host) = (self.random.i64(1..3_000), self.host);
        self.plan(delay, Happening::Message(host, Box::new(Message::Rendered(Box::new(rendered)))));
    }

    /// What is sent arrives, or does not, and whether it has is not always known.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        let Delivery { key, request, .. } = delivery;
        if self.checks.post.settled.contains(&key) {
            self.checks.wrong(format!("`{key}` is sent again, though it is on record as settled"));
        }
        let lot = if self.calm { 9 } else { self.random.u32(0..10) };
        if lot > 2 {
            self.checks.count("arrived");
            let known =
                self.checks.post.arrived.entry(key.clone()).or_insert_with(|| request.clone()).clone();
            if known != request {
                self.checks.wrong(format!("`{key}` is the key of two requests"));
            }
        }
        let failure = |again_in| Err(DeliveryFailure { error: "it was refused".to_owned(), again_in });
        let result = match lot {
            0 => failure(None),
            1..=3 => failure(Some(SignedDuration::from_mins(self.random.i64(1..90)))),
            _ => Ok("200".to_owned()),
        };
        let (delay, host) = (self.random.i64(1..8_000), self.host);
        let delivered = Delivered { key, result };
        self.plan(delay, Happening::Message(host, Box::new(Message::Delivered(Box::new(delivered)))));
    }

    /// What is committed tells of all that it has to tell of, and of nothing else.
    pub(super) fn told_of_alerts(&mut self, entries: &[Entry], ids: &[Option<u64>]) {
        let mut expected: BTreeSet<(RunId, NotificationKind)> = BTreeSet::new();
        for entry in entries {
            let Entry::Run(event) = entry else { continue };
            let resumed = |entry: &Entry| match entry {
                Entry::Run(event) => match &event.kind {
                    EventKind::RunRequested { request } => request.resumes,
                    _ => None,
                },
                _ => None,
            };
            match &event.kind {
                EventKind::RunStarted { .. } => {
                    let _ = expected.insert((event.run, NotificationKind::RunStarted));
                }
                EventKind::RunRefused { .. } => {
                    let _ = expected.insert((event.run, NotificationKind::RunFailed));
                }
                // A run for what is left is asked for by itself only together with the end.
                EventKind::RunFinished { state, .. }
                    if !entries.iter().any(|entry| resumed(entry) == Some(event.run)) =>
                {
                    expected.insert((event.run, kind_of(*state)));
                }
                _ => {}
            }
        }
        for (entry, id) in entries.iter().zip(ids) {
            if let (Entry::Alert(event), Some(id)) = (entry, id) {
                self.told_of_alert(event, *id, &mut expected);
            }
        }
        if let Some((run, kind)) = expected.first() {
            self.checks.wrong(format!("nobody is told of run {run}: {kind:?}"));
        }
    }

    fn told_of_alert(
        &mut self,
        event: &AlertEvent,
        id: u64,
        expected: &mut BTreeSet<(RunId, NotificationKind)>,
    ) {
        let checks = &mut self.checks;
        match &event.kind {
            AlertEventKind::NotificationRaised { notification, .. } => {
                checks.count(format!("told {}", notification.kind.as_str()));
                let run = notification.run.as_ref().map(|run| run.id).unwrap_or(RunId(0));
                if !expected.remove(&(run, notification.kind)) {
                    checks.wrong(format!("{:?} of run {run} is told, and did not happen", notification.kind));
                }
                checks.post.raised.insert(id);
            }
            AlertEventKind::NotificationRendered { notification, requests, .. } => {
                if !checks.post.raised.remove(notification) {
                    checks
                        .wrong(format!("notification {notification} is rendered twice, or was never raised"));
                }
                if requests.len() != 2 {
                    checks.wrong(format!("notification {notification} goes to {} places", requests.len()));
                }
                for keyed in requests {
                    checks.post.pending.insert(keyed.key.clone(), keyed.request.clone());
                }
            }
            AlertEventKind::DeliveryTried { key, outcome, next_at } => {
                let arrived = checks.post.arrived.contains_key(key);
                if matches!(outcome, DeliveryOutcome::Delivered { .. }) && !arrived {
                    checks.wrong(format!("`{key}` has arrived, the host says, and it has not"));
                }
                if next_at.is_none() {
                    checks.post.pending.remove(key);
                    if !checks.post.settled.insert(key.clone()) {
                        checks.wrong(format!("`{key}` comes to its end twice"));
                    }
                }
            }
            _ => {}
        }
    }
}
