//! A client of the API.

use std::{
    io::{BufRead, BufReader, Read},
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::support::{Sandbox, Service, WAIT};

/// A host, and how to ask it.
pub struct Api {
    pub service: Service,
    pub address: String,
    agent: Agent,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub event: String,
    /// The last id that was heard when it came.
    pub id: String,
    pub data: Value,
}

/// A stream of messages.
pub struct Stream {
    lines: BufReader<Box<dyn Read>>,
    pub last_id: String,
}

impl Api {
    /// Starts a service of a project, and asks it at an address that is free.
    pub fn of(shop: &Sandbox) -> Self {
        Self::by(shop, "127.0.0.1:0")
    }

    pub fn by(shop: &Sandbox, address: &str) -> Self {
        let service = shop.serve(&["--listen", address]);
        service.wait_for("url=");
        let log = service.log();
        let url = log.split("url=").nth(1).unwrap().split_whitespace().next().unwrap();
        let address = url.trim_matches('"').trim_start_matches("http://").to_owned();
        let agent = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(WAIT)).build();
        Self { service, address, agent: agent.into() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    pub fn send(&self, path: &str) -> Response<Body> {
        self.agent.get(self.url(path)).call().unwrap()
    }

    /// What is answered, with its status.
    pub fn ask(&self, path: &str) -> (u16, Value) {
        said(self.send(path))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(path);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub fn post(&self, path: &str) -> (u16, Value) {
        let request = self.agent.post(self.url(path)).header("content-type", "application/json");
        said(request.send("{}").unwrap())
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let mut response = self.send(path);
        assert_eq!(response.status(), 200, "{path}");
        response.body_mut().read_to_string().unwrap()
    }

    /// Every item of a list.
    pub fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = match &cursor {
                Some(cursor) => self.get(&format!("{path}{sign}cursor={cursor}")),
                None => self.get(path),
            };
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// Follows a stream, behind an id where there is one.
    pub fn follow(&self, path: &str, last: Option<&str>) -> Stream {
        let mut request = self.agent.get(self.url(path));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.call().unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let lines = BufReader::new(Box::new(response.into_body().into_reader()) as Box<dyn Read>);
        Stream { lines, last_id: last.unwrap_or_default().to_owned() }
    }
}

fn said(mut response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"));
    }
    (status, serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap())
}

impl Stream {
    /// The next message; none where the stream has ended.
    pub fn next(&mut self) -> Option<Message> {
        let (mut event, mut data) = (String::new(), None);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or_default() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("id", id)) => id.clone_into(&mut self.last_id),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                _ => {}
            }
            if line.trim_end().is_empty()
                && let Some(data) = data.take()
            {
                return Some(Message { event, id: self.last_id.clone(), data });
            }
        }
    }

    /// The next message that is such a one.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut is: impl FnMut(&Message) -> bool) -> Message {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("the stream has ended before: {what}"));
            if is(&message) {
                return message;
            }
        }
    }
}

/// A moment.
pub const MOMENT: Duration = Duration::from_millis(50);
