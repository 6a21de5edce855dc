//! The real outside of the outbox: notifiers are called, and requests are sent, each on a thread of its own.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Mail, Message,
    message::{Delivered, DeliveryFailure, Rendered},
    world::{Delivery, Rendering},
};
use crate::{
    config::{Alert, Config},
    deliver,
    model::{CallCost, DeliveryRequest, PluginCall, PluginRecord},
    plugins::{CallError, Called, Catalogue},
    policy::notifier_config,
};

/// The alerts that notifiers of the plugins folder bring with them. What is wrong with one is said, and it is left out.
pub fn alerts_of(catalogue: &Catalogue, destinations: &BTreeSet<String>) -> (Vec<Alert>, Vec<String>) {
    let mut problems = Vec::new();
    let alerts = catalogue.notifiers().into_iter().filter_map(|name| {
        Alert::of_settings(&name, &catalogue.settings(&name), destinations).unwrap_or_else(|problem| {
            problems.push(format!("{name}.toml makes no alert: {problem}"));
            None
        })
    });
    let alerts = alerts.collect();
    (alerts, problems)
}

/// Lets a catalogue hold the settings beside its notifiers against the destinations of a configuration.
pub fn check_settings(catalogue: &Catalogue, config: &Config) {
    let destinations: BTreeSet<_> = config.destinations.keys().cloned().collect();
    catalogue.check_settings(Arc::new(move |name, settings| {
        Alert::of_settings(name, settings, &destinations).map(|_| ())
    }));
}

/// Lets a notifier look at a notification.
pub(super) fn render(catalogue: Catalogue, rendering: Rendering, mail: Mail) {
    thread::spawn(move || {
        // An answer that never comes would keep its place for as long as the host lives.
        let rendered = catch_unwind(AssertUnwindSafe(|| ask(&catalogue, &rendering))).unwrap_or_else(|_| {
            let requests = Err("it made Tidegate panic, which is a bug of Tidegate".to_owned());
            Rendered { requests, ..Rendered::nothing(rendering.id) }
        });
        let _ = mail.send(Message::Rendered(Box::new(rendered)));
    });
}

fn ask(catalogue: &Catalogue, rendering: &Rendering) -> Rendered {
    let Rendering { id, alert, destinations, notification } = rendering;
    let at = Timestamp::now();
    let notifier = match catalogue.notifier(&alert.notifier) {
        Ok(notifier) => notifier,
        Err(e) => {
            return Rendered { requests: Err(e.to_string()), ..Rendered::nothing(*id) };
        }
    };
    let config = notifier_config(catalogue, &alert.notifier, alert.config.as_ref());
    let record = notifier.record().clone();
    let Called { outcome, cost } = notifier.render(&config.to_string(), destinations, notification);
    let input = json!({ "config": config, "destinations": destinations, "notification": notification });
    let (answer, verdict, requests) = judge(outcome);
    let subject = format!("notification {id}");
    let call = call_of(at, &record, subject, input, answer, cost, verdict);
    Rendered { notification: *id, plugin: Some(record), call: Some(call), requests }
}

type Judged = (Option<Value>, String, Result<Vec<DeliveryRequest>, String>);

fn judge(outcome: Result<Result<Vec<DeliveryRequest>, String>, CallError>) -> Judged {
    match outcome {
        Ok(Ok(requests)) => (serde_json::to_value(&requests).ok(), "ok".to_owned(), Ok(requests)),
        Ok(Err(sentence)) => {
            let said = format!("the notifier says: {sentence}");
            (Some(json!({ "error": sentence })), "ok".to_owned(), Err(said))
        }
        Err(fault) => (None, fault.to_string(), Err(fault.to_string())),
    }
}

fn call_of(
    at: Timestamp,
    plugin: &PluginRecord,
    subject: String,
    input: Value,
    answer: Option<Value>,
    cost: CallCost,
    verdict: String,
) -> PluginCall {
    PluginCall { at, plugin: plugin.clone(), subject, input, answer, cost, verdict }
}

/// Sends a request; aside where this process's standard output shows a run.
pub(super) fn deliver(delivery: Delivery, mail: Mail, aside: bool) {
    thread::spawn(move || {
        let Delivery { key, destination, request, tries, since, .. } = delivery;
        let send = || {
            let deliver = if aside { deliver::deliver_aside } else { deliver::deliver };
            deliver(&destination, &request, &key, Timestamp::now())
        };
        // An answer that never comes would keep its destination for as long as the host lives.
        let sent =
            catch_unwind(AssertUnwindSafe(send)).unwrap_or_else(|_| Err(deliver::DeliveryError::panicked()));
        let result = match sent {
            Ok(delivered) => Ok(match (delivered.status, delivered.said.as_str()) {
                (Some(status), "") => status.to_string(),
                (Some(status), said) => format!("{status} {said}"),
                (None, said) => said.to_owned(),
            }),
            Err(error) => {
                let now = Timestamp::now();
                let next = deliver::next_try(tries + 1, &key, &error, now, since);
                let again_in = next.map(|next| next.duration_since(now));
                Err(DeliveryFailure { error: error.to_string(), again_in })
            }
        };
        let _ = mail.send(Message::Delivered(Box::new(Delivered { key, result })));
    });
}
