//! A test of a destination: something to read that means nothing is sent there, at once, and nothing is kept of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Refusal;
use crate::{
    config::{Alert, Config, Destination},
    deliver::{self, Again, Delivered, DeliveryError},
    model::{DeliveryRequest, DestinationName, Notification, NotificationKind, json_of, nearest},
    plugins::Catalogue,
    policy::notifier_config,
};

/// Who sends the test, for its text.
pub const BY_COMMAND: &str = "`tidegate notify test`";

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tested {
    /// Whether everything was delivered that was to be sent.
    pub delivered: bool,
    /// How many requests were sent; none where the notifier has nothing to send of a test.
    pub requests: u32,
    /// What the destination answered last.
    pub answer: Option<String>,
    /// Why it was not delivered.
    pub error: Option<String>,
    /// What the host would do if this were no test: whether it would try again.
    pub otherwise: Option<String>,
    /// How long it took, in seconds.
    pub took: f64,
}

/// What came of one request of a test.
struct Tried {
    /// What the other side said, or why it did not get there.
    result: Result<Delivered, DeliveryError>,
    /// How long it took.
    took: Duration,
}

/// The destination with a name.
pub fn destination<'a>(config: &'a Config, name: &str) -> Result<&'a Destination, Refusal> {
    let all = &config.destinations;
    all.get(name).ok_or_else(|| {
        let hint = match nearest(name, all.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if all.is_empty() => "add `[destinations.NAME]`".to_owned(),
            None => format!("destinations are {}", all.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("there is no destination `{name}` in {}", config.file.display());
        Refusal { hint: Some(hint), ..Refusal::new(message) }
    })
}

/// What is sent as a test: what a notifier makes of it, or where none is named as little as a destination of this kind takes.
/// A notifier sees this one destination, so that it can send to no other. The error is what the notifier did instead.
fn requests(
    catalogue: &Catalogue,
    destination: &Destination,
    notifier: Option<&str>,
    by: &str,
    at: Timestamp,
) -> Result<Vec<DeliveryRequest>, Refusal> {
    let Some(reference) = notifier else { return Ok(vec![plain(destination, by, at)]) };
    let notifier =
        catalogue.notifier(reference).map_err(|e| Refusal { message: e.to_string(), hint: e.hint() })?;
    let known = [DestinationName { name: destination.name.clone(), kind: destination.kind().to_owned() }];
    // What stands beside the plugin.
    let config = catalogue.settings(reference).remove("config").and_then(json_of);
    let config = config.map_or_else(|| "{}".to_owned(), |config| config.to_string());
    let failed = |message: String| Refusal::new(format!("the notifier `{reference}` {message}"));
    let requests = notifier
        .render(
            &config,
            &known,
            &notification(format!("Test of the destination `{}`", destination.name), by, at),
        )
        .outcome
        .map_err(|fault| failed(fault.to_string()))?
        .map_err(|sentence| failed(format!("gives no message: {sentence}")))?;
    match requests.iter().find(|request| request.destination != destination.name) {
        Some(other) => {
            Err(failed(format!("wants to send to `{}`, which it was not told of", other.destination)))
        }
        None => Ok(requests),
    }
}

/// Lets an alert's notifier write the message of a test to all of its destinations, which is not sent. The error is why it
/// would write none.
pub fn rehearse(catalogue: &Catalogue, config: &Config, alert: &Alert, at: Timestamp) -> Result<(), Refusal> {
    let notifier = catalogue
        .notifier(&alert.notifier)
        .map_err(|e| Refusal { message: e.to_string(), hint: e.hint() })?;
    let all = alert.destinations.iter().filter_map(|name| config.destinations.get(name));
    let known: Vec<_> =
        all.map(|to| DestinationName { name: to.name.clone(), kind: to.kind().to_owned() }).collect();
    let settings = notifier_config(catalogue, &alert.notifier, alert.config.as_ref()).to_string();
    let title = format!("Test of the alert `{}`", alert.name);
    let called = notifier.render(&settings, &known, &notification(title, "`tidegate check`", at));
    match called.outcome {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(sentence)) => Err(Refusal {
            hint: Some(format!("change `destinations` of `[alerts.{}]`, or its notifier", alert.name)),
            ..Refusal::new(format!("it would send nothing as it should: {sentence}"))
        }),
        Err(fault) => Err(Refusal::new(fault.to_string())),
    }
}

/// Sends a test to a destination, from here and at once: what a notifier makes of it, or where none is named as little as will do.
/// It ends with the first request that does not arrive.
pub fn run(catalogue: &Catalogue, destination: &Destination, notifier: Option<&str>, by: &str) -> Tested {
    let at = Timestamp::now();
    let mut tested =
        Tested { delivered: true, requests: 0, answer: None, error: None, otherwise: None, took: 0.0 };
    let requests = match requests(catalogue, destination, notifier, by, at) {
        Ok(requests) => requests,
        Err(refusal) => return Tested { delivered: false, error: Some(refusal.message), ..tested },
    };
    for request in &requests {
        let tried = send(destination, request, at);
        tested.requests += 1;
        tested.took += tried.took.as_secs_f64();
        match tried.result {
            Ok(delivered) => tested.answer = Some(delivered.in_words()),
            Err(error) => {
                let otherwise = match error.again {
                    Again::Never => "the host would not try again".to_owned(),
                    Again::Later => "the host would try again".to_owned(),
                    Again::After(wait) => format!("the host would try again in {wait:#}"),
                };
                tested.delivered = false;
                tested.error = Some(error.to_string());
                tested.otherwise = Some(otherwise);
                break;
            }
        }
    }
    tested
}

/// Sends one request of a test.
fn send(destination: &Destination, request: &DeliveryRequest, at: Timestamp) -> Tried {
    let begun = Instant::now();
    let result = deliver::deliver(destination, request, &key(at), at);
    Tried { result, took: begun.elapsed() }
}

fn key(at: Timestamp) -> String {
    format!("test-{}", at.as_nanosecond())
}

/// As little as a destination of this kind takes. Chats want a `text`.
fn plain(destination: &Destination, by: &str, at: Timestamp) -> DeliveryRequest {
    let title = format!("Test of the destination `{}`, sent by {by}", destination.name);
    let line = json!({ "kind": "test", "at": at, "text": title }).to_string();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (headers, body) = match destination.kind() {
        "http" => (vec![header("Content-Type", "application/json")], line),
        "smtp" => (
            vec![header("Subject", &title)],
            format!("This mail was sent at {at} by {by}. Mails of this destination arrive here.\n"),
        ),
        _ => (Vec::new(), line),
    };
    DeliveryRequest {
        destination: destination.name.clone(),
        method: "POST".to_owned(),
        path: String::new(),
        headers,
        body: body.into_bytes(),
    }
}

fn notification(title: String, by: &str, at: Timestamp) -> Notification {
    Notification {
        id: key(at),
        kind: NotificationKind::Test,
        at,
        title,
        text: Some(format!("Sent by {by}. Nothing has happened.")),
        alert: "test".to_owned(),
        project: None,
        job: None,
        run: None,
        nodes: Vec::new(),
        nodes_total: 0,
        skipped: Vec::new(),
        skipped_total: 0,
        owners: Vec::new(),
        link: None,
    }
}
