//! The outbox: what was raised is rendered, and what was rendered is sent, again and again until it has arrived or nobody
//! will ever take it.
//!
//! Each step is on record before the next one begins, so that whatever happens to the host, what was raised is sent, and
//! always under one key. It may arrive twice: whoever takes it knows it by that key.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Dispatcher, later, limits::Due};
use crate::{
    crash,
    engine::{
        Ending,
        message::{Delivered, Rendered},
        world::{Delivery, Rendering},
    },
    model::{AlertEvent, AlertEventKind, DeliveryOutcome, DeliveryRequest, DestinationName, Keyed, kept},
    policy,
    store::{Entry, StoreError},
};

/// What is on its way.
#[derive(Default)]
pub(super) struct Outbox {
    /// Whether nothing is sent by this host.
    pub(super) closed: bool,
    /// Notifications that no notifier has seen.
    raised: BTreeSet<u64>,
    /// Those that one is looking at.
    rendering: BTreeSet<u64>,
    /// What is to be sent, oldest first.
    waiting: BTreeMap<(u64, String), Waiting>,
    /// What is being sent, by its destination.
    sending: BTreeMap<String, (u64, String)>,
    /// Since when the host waits for nothing else before it ends.
    lingers: Option<Timestamp>,
    /// Whether that has been long enough.
    overstayed: bool,
}

struct Waiting {
    destination: String,
    tries: u32,
    next_at: Timestamp,
}

/// So many notifiers are at work at a time, and so many deliveries under way: of one destination one at a time.
const RENDERINGS: usize = 2;
const DELIVERIES: usize = 8;

/// So long a host that has nothing else to do stays for what is on its way. What is not sent then, the next one sends.
const LINGER: SignedDuration = SignedDuration::from_secs(5);

/// No delivery waits longer for its next try, whatever the destination asks for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

impl Outbox {
    /// Whether something is on its way that need not wait.
    fn is_busy(&self) -> bool {
        !self.closed
            && (!self.raised.is_empty()
                || !self.rendering.is_empty()
                || !self.sending.is_empty()
                || self.waiting.values().any(|waiting| waiting.tries == 0))
    }

    /// How many deliveries have failed so far, and are tried again.
    pub(super) fn failing(&self) -> u64 {
        self.waiting.values().filter(|waiting| waiting.tries > 0).count() as u64
    }

    /// The clock was set back: what is tried again later by the old one is tried again now.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.waiting.values_mut().for_each(|waiting| waiting.next_at = waiting.next_at.min(now));
        self.lingers = self.lingers.map(|since| since.min(now));
    }

    pub(super) fn raise(&mut self, id: u64) {
        self.raised.insert(id);
    }
}

impl Dispatcher {
    /// Takes up what an earlier host has not sent.
    pub(super) fn take_up_outbox(&mut self) -> Result<(), StoreError> {
        self.outbox.raised.extend(self.store.pending_notifications()?);
        // What is due later than this was left by a clock that was wrong.
        let last = later(self.world.now(), LONGEST_WAIT);
        for pending in self.store.pending_deliveries()? {
            let next_at = if pending.next_at > last { Timestamp::UNIX_EPOCH } else { pending.next_at };
            let waiting = Waiting { destination: pending.destination, tries: pending.tries, next_at };
            self.outbox.waiting.insert((pending.notification, pending.key), waiting);
        }
        self.send()
    }

    /// Whether the host stays for what is on its way, where it has nothing else to do.
    pub(super) fn lingers(&self) -> bool {
        self.outbox.is_busy() && !self.outbox.overstayed
    }

    /// Notes that the host has nothing else to do, from when on it does not stay for long.
    pub(super) fn linger(&mut self) {
        if let Some(since) = self.outbox.lingers {
            self.outbox.overstayed |= self.world.now() >= later(since, LINGER);
        }
        if self.ending == Some(Ending::Idle)
            && self.queue.len() == 0
            && self.under_way.is_empty()
            && self.outbox.lingers.is_none()
            && self.outbox.is_busy()
        {
            let now = self.world.now();
            self.outbox.lingers = Some(now);
            self.due.insert((later(now, LINGER), Due::Delivery));
        }
    }

    /// Has rendered and sends what can be.
    pub(super) fn send(&mut self) -> Result<(), StoreError> {
        if self.outbox.closed || self.has_ended() {
            return Ok(());
        }
        while self.outbox.rendering.len() < RENDERINGS
            && let Some(id) = self.outbox.raised.pop_first()
        {
            self.render(id)?;
        }
        let now = self.world.now();
        while self.outbox.sending.len() < DELIVERIES {
            let is_due = |waiting: &Waiting| {
                waiting.next_at <= now && !self.outbox.sending.contains_key(&waiting.destination)
            };
            let next = self.outbox.waiting.iter().find(|(_, waiting)| is_due(waiting));
            let Some((place, destination)) = next.map(|(k, w)| (k.clone(), w.destination.clone())) else {
                break;
            };
            self.deliver(place, destination)?;
        }
        let next = self.outbox.waiting.values().map(|waiting| waiting.next_at).filter(|at| *at > now).min();
        if let Some(next) = next {
            self.due.retain(|(at, due)| *due != Due::Delivery || *at <= next);
            self.due.insert((next, Due::Delivery));
        }
        Ok(())
    }

    fn render(&mut self, id: u64) -> Result<(), StoreError> {
        let Some((notification, _)) = self.store.notification(id)? else { return Ok(()) };
        let alert = self.alerts().into_iter().find(|alert| alert.name == notification.alert);
        let Some(alert) = alert else {
            let fault = format!("there is no alert `{}` any more", notification.alert);
            return self.record_rendered(id, Rendered::nothing(id), Vec::new(), Some(fault));
        };
        let destinations = self.destinations_of(&alert);
        self.outbox.rendering.insert(id);
        self.world.render(Rendering { id, alert, destinations, notification }, &self.mail);
        Ok(())
    }

    fn destinations_of(&self, alert: &crate::config::Alert) -> Vec<DestinationName> {
        let known = alert.destinations.iter().filter_map(|name| self.config.destinations.get_key_value(name));
        known.map(|(name, to)| DestinationName { name: name.clone(), kind: to.kind().to_owned() }).collect()
    }

    /// A notifier has answered, or could not.
    pub(super) fn rendered(&mut self, rendered: Rendered) -> Result<(), StoreError> {
        let id = rendered.notification;
        if !self.outbox.rendering.remove(&id) {
            return Ok(());
        }
        let Some((notification, _)) = self.store.notification(id)? else { return self.send() };
        let alert = self.alerts().into_iter().find(|alert| alert.name == notification.alert);
        let names = alert.as_ref().map(|alert| self.destinations_of(alert)).unwrap_or_default();
        let stranger = |requests: &[DeliveryRequest]| {
            let known =
                |request: &&DeliveryRequest| names.iter().any(|name| name.name == request.destination);
            requests.iter().find(|request| !known(request)).map(|request| request.destination.clone())
        };
        let (requests, fault) = match &rendered.requests {
            Ok(requests) => match stranger(requests) {
                None => (requests.clone(), None),
                Some(name) => {
                    let fault = format!("it wants to send to `{name}`, which is no destination of the alert");
                    (policy::plain_requests(&names, &notification), Some(fault))
                }
            },
            // Who is to be told is told, if not in the notifier's words.
            Err(fault) => (policy::plain_requests(&names, &notification), Some(fault.clone())),
        };
        if let Some(fault) = &fault {
            tracing::warn!(alert = notification.alert, notification = id, "the notifier failed: {fault}");
        }
        self.record_rendered(id, rendered, requests, fault)?;
        self.send()
    }

    fn record_rendered(
        &mut self,
        id: u64,
        rendered: Rendered,
        requests: Vec<DeliveryRequest>,
        fault: Option<String>,
    ) -> Result<(), StoreError> {
        let Some((notification, raised_at)) = self.store.notification(id)? else { return Ok(()) };
        // Another state directory counts its notifications from 1 too, but not from the same microsecond on.
        let key = |n: usize| format!("tidegate-{id}-{:x}-{}", raised_at.as_microsecond(), n + 1);
        let requests: Vec<_> =
            requests.into_iter().enumerate().map(|(n, request)| Keyed { key: key(n), request }).collect();
        let at = self.world.now();
        for Keyed { key, request } in &requests {
            let waiting = Waiting { destination: request.destination.clone(), tries: 0, next_at: kept(at) };
            self.outbox.waiting.insert((id, key.clone()), waiting);
        }
        let kind = AlertEventKind::NotificationRendered {
            notification: id,
            plugin: rendered.plugin,
            requests,
            fault,
        };
        let mut entries: Vec<_> = rendered.call.map(|call| Entry::Call(Box::new(call))).into_iter().collect();
        entries.push(Entry::Alert(AlertEvent { alert: notification.alert, at, kind }));
        self.record(entries)
    }

    fn deliver(&mut self, place: (u64, String), name: String) -> Result<(), StoreError> {
        let (notification, key) = place.clone();
        let Some((request, first_at)) = self.store.request_of(&key)? else {
            self.outbox.waiting.remove(&place);
            return Ok(());
        };
        let Some(destination) = self.config.destinations.get(&name).cloned() else {
            let error = format!("there is no destination `{name}` any more");
            return self.record_tried(place, DeliveryOutcome::Failed { error }, None);
        };
        let tries = self.outbox.waiting.get(&place).map_or(0, |waiting| waiting.tries);
        // Not from when it was raised: since then there may have been no host that could try.
        let since = first_at.unwrap_or_else(|| self.world.now());
        self.outbox.sending.insert(name, place);
        crash::point("engine.before-deliver");
        self.world.deliver(Delivery { notification, key, destination, request, tries, since }, &self.mail);
        Ok(())
    }

    /// A delivery was tried.
    pub(super) fn delivered(&mut self, delivered: Delivered) -> Result<(), StoreError> {
        let Delivered { key, result } = delivered;
        let sent = self.outbox.sending.iter().find(|(_, (_, sending))| *sending == key);
        let Some((name, place)) = sent.map(|(name, place)| (name.clone(), place.clone())) else {
            return Ok(());
        };
        self.outbox.sending.remove(&name);
        crash::point("engine.after-deliver");
        let (outcome, wait) = match result {
            Ok(answer) => (DeliveryOutcome::Delivered { answer }, None),
            Err(failure) => (
                DeliveryOutcome::Failed { error: failure.error },
                failure.again_in.map(|wait| wait.min(LONGEST_WAIT)),
            ),
        };
        let next_at = wait.map(|wait| later(self.world.now(), wait));
        if let DeliveryOutcome::Failed { error } = &outcome {
            match next_at {
                Some(next) => {
                    tracing::warn!(
                        destination = name,
                        key,
                        "a delivery failed, and is tried again {next:.0}: {error}"
                    );
                }
                None => tracing::error!(destination = name, key, "a delivery failed for good: {error}"),
            }
        }
        self.record_tried(place, outcome, next_at)?;
        self.send()
    }

    fn record_tried(
        &mut self,
        place: (u64, String),
        outcome: DeliveryOutcome,
        next_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        match (self.outbox.waiting.get_mut(&place), next_at) {
            (Some(waiting), Some(next_at)) => {
                waiting.tries += 1;
                waiting.next_at = next_at;
            }
            _ => drop(self.outbox.waiting.remove(&place)),
        }
        let (id, key) = place;
        let alert = self.store.notification(id)?.map(|(notification, _)| notification.alert);
        let kind = AlertEventKind::DeliveryTried { key, outcome, next_at };
        let event = AlertEvent { alert: alert.unwrap_or_default(), at: self.world.now(), kind };
        self.record(vec![Entry::Alert(event)])
    }
}
