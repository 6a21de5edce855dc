//! The way of a notifier's request to where it goes: HTTP, mail, a file, standard output.
//!
//! Owns everything that leaves this machine, and everything that may be tried again: which errors are for good, and when the
//! next try is. Secrets are read here at the moment of each delivery, and are gone with it; what a caller gets to see, and may
//! log and keep, has none of them in it, nor any part of an address. Synchronous: whoever has several deliveries at a time has
//! as many threads. Never renders anything: what is sent is what a notifier wrote, within what it may write.

mod address;
mod backoff;
mod certificates;
mod error;
mod headers;
mod http;
mod lines;
mod mail;
mod secrets;
mod signature;
mod smtp;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use backoff::{LONGEST, MOST_TRIES, next_try};
pub use error::{Again, Delivered, DeliveryError};
pub use secrets::{Missing, read as secret, unusable};
pub use signature::{Signed, verify, verify_github};

use crate::{
    config::{Destination, Place},
    model::DeliveryRequest,
};
use secrets::Secrets;

/// Sends a request, once. The key is the same at each try of one delivery, so that the receiver can tell that it has it
/// already; the time is that of this try. Takes at most as long as the destination's timeout, give or take a step of SMTP.
///
/// Delivered is what the other side has said that it has: a status of 2xx, a mail that was accepted, lines on the disk. Where it
/// is not known (the connection broke after everything was sent) that is an error that may be tried again: at least once.
pub fn deliver(
    destination: &Destination,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
) -> Result<Delivered, DeliveryError> {
    send(destination, request, key, at, lines::print)
}

/// The same in a process whose standard output is for something else: what is to be printed goes to standard error.
pub fn deliver_aside(
    destination: &Destination,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
) -> Result<Delivered, DeliveryError> {
    send(destination, request, key, at, lines::print_aside)
}

fn send(
    destination: &Destination,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
    print: impl Fn(&[u8]) -> Result<Delivered, DeliveryError>,
) -> Result<Delivered, DeliveryError> {
    if key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(DeliveryError::never("the idempotency key is not a word in ASCII"));
    }
    let mut secrets = Secrets::default();
    let result = match &destination.to {
        Place::Http(place) => http::send(place, request, key, at, &mut secrets),
        Place::Smtp(place) => smtp::send(place, request, key, at, &mut secrets),
        Place::File(path) => lines::append(path, &request.body),
        Place::Stdout => print(&request.body),
    };
    // Nothing of what the other side, the system or a library says is trusted not to repeat what it was told.
    result.map(|delivered| delivered.scrubbed(&secrets)).map_err(|error| error.scrubbed(&secrets))
}
