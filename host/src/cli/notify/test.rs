//! `tidegate notify test`: a notification to one destination, sent by this process, and what became of it.

use std::{path::Path, time::Instant};

use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, GOOD, styled},
    },
    config::Destination,
    deliver::{self, Again},
    model::{DeliveryRequest, DestinationName, Notification, NotificationKind, json_of, nearest},
    plugins::Catalogue,
};

/// Sends a test to a destination.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// The destination's name
    destination: String,
    /// The notifier that writes what is sent: `builtin:NAME`, a path, or the name of a file in the plugins folder
    #[arg(long, value_name = "PLUGIN")]
    notifier: Option<String>,
}

impl Test {
    /// Sends it. No host is needed, and nothing is kept of it.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let destination = self.destination(context)?;
        let at = Timestamp::now();
        let key = format!("test-{}", at.as_nanosecond());
        let requests = match &self.notifier {
            None => vec![plain(destination, at)],
            Some(reference) => rendered(context, reference, destination, &key, at)?,
        };
        if requests.is_empty() {
            printer::note("the notifier has nothing to send of a test");
        }
        for request in &requests {
            let begun = Instant::now();
            let result = deliver::deliver(destination, request, &key, at);
            let took = printer::seconds(begun.elapsed().as_secs_f64());
            let what = format!("`{}` ({})", destination.name, destination.kind());
            match result {
                Ok(delivered) => {
                    let status = delivered.status.map(|status| format!("{status} ")).unwrap_or_default();
                    let said = delivered.said.strip_prefix(&status).unwrap_or(&delivered.said);
                    let told = format!("{status}{said}");
                    let told =
                        if told.trim().is_empty() { String::new() } else { format!(": {}", told.trim()) };
                    // Standard output may be the destination itself.
                    printer::note(format!("{} delivered to {what} in {took}{told}", styled(GOOD, "ok")));
                }
                Err(error) => {
                    let hint = match error.again {
                        Again::Never => "the host would not try again".to_owned(),
                        Again::Later => "the host would try again".to_owned(),
                        Again::After(wait) => format!("the host would try again in {wait:#}"),
                    };
                    let message = format!("not delivered to {what} after {took}: {error}");
                    return Err(Failure { exit: Exit::Failed, ..Failure::new(message).hint(hint) });
                }
            }
        }
        Ok(Exit::Done)
    }

    fn destination<'a>(&self, context: &'a Context) -> Result<&'a Destination, Failure> {
        let all = &context.config.destinations;
        all.get(&self.destination).ok_or_else(|| {
            let message = format!(
                "there is no destination `{}` in {}",
                self.destination,
                context.config.file.display()
            );
            let near = nearest(&self.destination, all.keys().map(String::as_str));
            Failure::new(message).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if all.is_empty() => "add `[destinations.NAME]`".to_owned(),
                None => format!("destinations are {}", all.keys().cloned().collect::<Vec<_>>().join(", ")),
            })
        })
    }
}

/// What is sent where no notifier is named: as little as a destination of this kind takes. Chats want a `text`.
fn plain(destination: &Destination, at: Timestamp) -> DeliveryRequest {
    let title = format!("Test of the destination `{}`, sent by `tidegate notify test`", destination.name);
    let line = json!({ "kind": "test", "at": at, "text": title }).to_string();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (headers, body) = match destination.kind() {
        "http" => (vec![header("Content-Type", "application/json")], line),
        "smtp" => (
            vec![header("Subject", &title)],
            format!(
                "This mail was sent at {at} by `tidegate notify test`. Mails of this destination arrive here.\n"
            ),
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

/// What a notifier makes of a test. It sees one destination, so that it can send to no other.
fn rendered(
    context: &Context,
    reference: &str,
    destination: &Destination,
    key: &str,
    at: Timestamp,
) -> Result<Vec<DeliveryRequest>, Failure> {
    let catalogue = context.catalogue()?;
    let reference = absolute(reference)?;
    let notifier =
        catalogue.notifier(&reference).map_err(|e| Failure::new(e.to_string()).with_hint(e.hint()))?;
    let known = [DestinationName { name: destination.name.clone(), kind: destination.kind().to_owned() }];
    let called = notifier.render(&config_of(&catalogue, &reference), &known, &test(destination, key, at));
    let failed = |message: String| Failure {
        exit: Exit::Failed,
        ..Failure::new(format!("the notifier `{reference}` {message}"))
    };
    let requests = called
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

/// The configuration that stands beside the plugin.
fn config_of(catalogue: &Catalogue, reference: &str) -> String {
    let config = catalogue.settings(reference).remove("config").and_then(json_of);
    config.map_or_else(|| "{}".to_owned(), |config| config.to_string())
}

/// A path of the command line is relative to where one stands.
fn absolute(reference: &str) -> Result<String, Failure> {
    let is_path = reference.contains('/') || reference.ends_with(".wasm");
    if !is_path || reference.contains(':') {
        return Ok(reference.to_owned());
    }
    Ok(std::path::absolute(Path::new(reference))?.to_string_lossy().into_owned())
}

fn test(destination: &Destination, key: &str, at: Timestamp) -> Notification {
    Notification {
        id: key.to_owned(),
        kind: NotificationKind::Test,
        at,
        title: format!("Test of the destination `{}`", destination.name),
        text: Some("Sent by `tidegate notify test`. Nothing has happened.".to_owned()),
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
