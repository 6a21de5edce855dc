//! Which headers a request has: the notifier's, then the operator's, which win, then those of Tidegate, which nobody sets.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use url::Url;

use super::{DeliveryError, secrets::Secrets, signature};
use crate::{
    config::{Http, SIGNATURE_HEADER, is_own_header, refuse_header_name, refuse_header_value},
    model::DeliveryRequest,
};

/// What only an operator can say of a request.
const OPERATORS: [&str; 4] = ["authorization", "cookie", "user-agent", SIGNATURE_HEADER];
const MOST_HEADERS: usize = 50;

/// All headers of a request but those of the connection.
pub(super) fn compose(
    http: &Http,
    url: &Url,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
    secrets: &mut Secrets,
) -> Result<Vec<(String, String)>, DeliveryError> {
    let mut all = wanted(http, request)?;
    let operators = |name: &str| http.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
    all.retain(|(name, _)| !operators(name));
    for (name, value) in &http.headers {
        let value = secrets.read(&format!("headers.{name}"), value)?;
        if let Some(why) = refuse_header_value(&value) {
            return Err(DeliveryError::later(format!("its `headers.{name}` {why}")));
        }
        all.push((name.clone(), value));
    }
    if !operators("authorization")
        && let Some(value) = login(url, secrets)
    {
        all.push(("Authorization".to_owned(), value));
    }
    if !operators("user-agent") {
        all.push(("User-Agent".to_owned(), concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned()));
    }
    all.push(("Idempotency-Key".to_owned(), key.to_owned()));
    if let Some(sign) = &http.sign {
        let secret = secrets.read("sign.secret", &sign.secret)?;
        all.push((sign.header.clone(), signature::sign(&secret, at, &request.body)));
    }
    Ok(all)
}

/// The notifier's own. One that it may not set is a mistake of its author, who should hear of it.
fn wanted(http: &Http, request: &DeliveryRequest) -> Result<Vec<(String, String)>, DeliveryError> {
    let signature = http.sign.as_ref().map(|sign| sign.header.as_str());
    let mut all: Vec<(String, String)> = Vec::new();
    if request.headers.len() > MOST_HEADERS {
        return Err(DeliveryError::never(format!("the notifier sets more than {MOST_HEADERS} headers")));
    }
    for (name, value) in &request.headers {
        let bad = |why: &str| {
            Err(DeliveryError::never(format!("the notifier's header `{}` {why}", name.escape_debug())))
        };
        if let Some(why) = refuse_header_name(name) {
            return bad(why);
        }
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        if is_own_header(name) || OPERATORS.iter().any(&is) || signature.is_some_and(|own| is(&own)) {
            return bad("is not a notifier's to set");
        }
        if let Some(why) = refuse_header_value(value) {
            return bad(why);
        }
        if all.iter().any(|(other, _)| is(&other.as_str())) {
            return bad("is there twice");
        }
        all.push((name.clone(), value.clone()));
    }
    Ok(all)
}

/// Whoever stands in front of the address's host.
fn login(url: &Url, secrets: &mut Secrets) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let login =
        BASE64_STANDARD.encode(format!("{}:{}", text(url.username()), text(url.password().unwrap_or(""))));
    secrets.keep_out(&login);
    Some(format!("Basic {login}"))
}
