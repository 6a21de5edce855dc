//! Deliveries to real servers on this machine, and the arithmetic around them.

mod http;
mod lines;
mod mail;
mod servers;
mod smtp;
mod words;

use jiff::Timestamp;

use crate::{
    config::{Hidden, Secret},
    model::DeliveryRequest,
};

fn text(secret: &str) -> Secret {
    Secret::Text(Hidden::from(secret))
}

fn at() -> Timestamp {
    "2026-11-22T20:15:00Z".parse().unwrap()
}

fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> DeliveryRequest {
    DeliveryRequest {
        destination: "ops".to_owned(),
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_vec(),
    }
}
