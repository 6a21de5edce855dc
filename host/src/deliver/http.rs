//! A request by HTTP: one connection, one answer, no redirects.

use std::{io::Read, time::Duration};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use ureq::{
    Agent, Error,
    http::{Request, Response, header::RETRY_AFTER},
};

use super::{Again, Delivered, DeliveryError, address, certificates, headers, secrets::Secrets};
use crate::{
    config::{self, Http},
    model::DeliveryRequest,
};

const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "GET"];
/// So much of an answer is read; the connection is closed on the rest.
const MOST_ANSWER: u64 = 16 * 1024;
const MOST_ANSWER_HEADERS: usize = 64 * 1024;
/// Nobody is waited for longer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Sends a request.
pub(super) fn send(
    http: &Http,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
    secrets: &mut Secrets,
) -> Result<Delivered, DeliveryError> {
    let method = request.method.as_str();
    if !METHODS.contains(&method) {
        let message =
            format!("the notifier's method `{}` is none of {}", method.escape_debug(), METHODS.join(", "));
        return Err(DeliveryError::never(message));
    }
    if method == "GET" && !request.body.is_empty() {
        return Err(DeliveryError::never("the notifier gives a GET a body"));
    }
    let text = secrets.read("url", &http.url)?;
    let base = config::web_address(&text).map_err(|why| DeliveryError::later(format!("its `url` {why}")))?;
    secrets.keep_out_address(&base);
    let mut url = address::join(&base, &request.path)
        .map_err(|why| DeliveryError::never(format!("the notifier's path cannot be used: {why}")))?;
    let all = headers::compose(http, &base, request, key, at, secrets)?;
    // Who logs in is in a header.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    let mut builder = Request::builder().method(method).uri(url.as_str());
    for (name, value) in &all {
        builder = builder.header(name, value);
    }
    let encrypted = url.scheme() == "https";
    let agent = agent(http, encrypted);
    let sent = match request.body.is_empty() && ["GET", "DELETE"].contains(&method) {
        true => builder.body(()).map_err(Error::Http).and_then(|request| agent.run(request)),
        false => builder.body(&request.body[..]).map_err(Error::Http).and_then(|request| agent.run(request)),
    };
    let response = sent.map_err(|e| DeliveryError::later(broken(&e, http)))?;
    answered(response, at)
}

fn agent(http: &Http, encrypted: bool) -> Agent {
    let timeout = Duration::try_from(http.timeout).unwrap_or(Duration::from_secs(10));
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .max_response_header_size(MOST_ANSWER_HEADERS);
    // Authorities are read from the disk; without encryption nobody asks for them.
    match encrypted {
        true => config.tls_config(certificates::for_http()),
        false => config,
    }
    .build()
    .new_agent()
}

fn answered(response: Response<ureq::Body>, at: Timestamp) -> Result<Delivered, DeliveryError> {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    // What was read before a time-out or a mistake is good enough: the status has been said.
    let mut answer = Vec::new();
    let _ = body.into_reader().take(MOST_ANSWER).read_to_end(&mut answer);
    let said = String::from_utf8_lossy(&answer).into_owned();
    let reason = parts.status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    let told = if said.trim().is_empty() { String::new() } else { format!(": {said}") };
    match status {
        200..=299 => Ok(Delivered { status: Some(status), said }),
        300..=399 => {
            let message = format!(
                "the answer was a redirect ({status}{reason}), and redirects are not followed: put the address that it leads \
                 to into the configuration"
            );
            Err(DeliveryError::never(message).with_status(status))
        }
        408 | 425 | 429 | 500..=599 => {
            let wait = parts.headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, at));
            let again = wait.map_or(Again::Later, Again::After);
            let message = format!("the answer was {status}{reason}{told}");
            Err(DeliveryError { again, ..DeliveryError::later(message).with_status(status) })
        }
        _ => {
            let message = format!("the answer was {status}{reason}{told}");
            Err(DeliveryError::never(message).with_status(status))
        }
    }
}

/// Seconds, or a date.
pub(super) fn retry_after(value: &str, at: Timestamp) -> Option<SignedDuration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are more than a day.
        value.parse().map_or(LONGEST_WAIT, SignedDuration::from_secs)
    } else {
        rfc2822::parse(value).ok()?.timestamp().duration_since(at)
    };
    Some(wait.clamp(SignedDuration::ZERO, LONGEST_WAIT))
}

/// What went wrong before there was an answer. Of what could have an address in it only the kind is said.
fn broken(error: &Error, http: &Http) -> String {
    match error {
        Error::Timeout(_) => format!("there was no answer within {:#}", http.timeout),
        Error::HostNotFound => "the host's name cannot be resolved".to_owned(),
        Error::Io(e) => match e.get_ref().map(|inner| inner.to_string()) {
            Some(inner) => format!("the connection failed: {inner}"),
            None => format!("the connection failed: {e}"),
        },
        Error::Rustls(e) => format!("there is no safe connection (TLS): {e}"),
        Error::Tls(e) => format!("there is no safe connection (TLS): {e}"),
        Error::InvalidProxyUrl => "the proxy's address in the environment cannot be used".to_owned(),
        Error::ConnectProxyFailed(_) => "the proxy of the environment did not connect".to_owned(),
        Error::BadUri(_) | Error::Http(_) => "the address or a header cannot be used".to_owned(),
        Error::Protocol(e) => format!("the answer is not HTTP: {e}"),
        Error::LargeResponseHeader(..) => "the headers of the answer are too large".to_owned(),
        other => format!("the request failed: {other}"),
    }
}
