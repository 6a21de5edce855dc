//! Notifiers: plugins that turn a notification into requests to destinations.
//!
//! Owns the way from the host's words to the contract's and back, and what a request must look like. Never sends
//! anything, and never knows a destination's address.

use jiff::SignedDuration;

use super::{
    component::Plugin,
    contract::{Called, Description, Functions, PluginKind, sentence, weight, wrong},
    error::{CallError, LoadError, LoadFault},
    limits::CallLimits,
    retry_policy::milliseconds,
    sandbox::{Sandbox, State},
    source::PluginSource,
};
use crate::model::{
    CallCost, DeliveryRequest, DestinationName, Notification, NotifiedAttempt, NotifiedNode, NotifiedRun,
    PluginRecord,
};
use bindings::{
    NotifierPre,
    exports::tidegate::notifier::notifying::{self, Destination, Request},
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated; `wit/` has the documentation")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/notifier", world: "notifier" });
}

/// More requests than these are not made of one notification.
pub const MOST_REQUESTS: usize = 100;

/// More headers than these are not sent with one request.
const MOST_HEADERS: usize = 100;

/// A notifier, ready to be called.
pub struct Notifier {
    sandbox: Sandbox,
    plugin: Plugin,
    ready: NotifierPre<State>,
    description: Description,
    record: PluginRecord,
}

impl Notifier {
    /// Opens a plugin, takes it for a notifier, and asks who it is.
    pub fn load(sandbox: &Sandbox, source: &PluginSource) -> Result<Self, LoadError> {
        Self::new(sandbox, sandbox.open(source)?)
    }

    /// Takes a plugin for a notifier, and asks who it is.
    pub fn new(sandbox: &Sandbox, plugin: Plugin) -> Result<Self, LoadError> {
        match prepare(sandbox, &plugin) {
            Ok((ready, description)) => {
                let record = description.record(PluginKind::Notifier, plugin.digest());
                Ok(Self { sandbox: sandbox.clone(), plugin, ready, description, record })
            }
            Err(fault) => Err(fault.of(plugin.source())),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The interface that it implements, with its version.
    pub fn contract(&self) -> &str {
        let kind = PluginKind::Notifier;
        kind.contract(&self.plugin).unwrap_or(kind.interface())
    }

    /// What it says of itself.
    pub fn describe(&self) -> &Description {
        &self.description
    }

    /// What stands in the record of a delivery that it asked for.
    pub fn record(&self) -> &PluginRecord {
        &self.record
    }

    /// Asks whether a configuration, a JSON object, can be used. The inner error is the plugin's sentence why not.
    pub fn check_config(&self, config: &str) -> Result<Result<(), String>, CallError> {
        let (verdict, _) = self.call(config.len(), |notifier, store| {
            notifier.tidegate_notifier_notifying().call_check_config(store, config)
        });
        Ok(verdict?.map_err(|reason| sentence(&reason)))
    }

    /// Asks what to send where.
    pub fn render(
        &self,
        config: &str,
        destinations: &[DestinationName],
        notification: &Notification,
    ) -> Called<Vec<DeliveryRequest>> {
        let known: Vec<Destination> = destinations.iter().map(Destination::from).collect();
        let notification = notifying::Notification::from(notification);
        let (said, cost) =
            self.call(config.len() + 64 * known.len() + size(&notification), |notifier, store| {
                notifier.tidegate_notifier_notifying().call_render(store, config, &known, &notification)
            });
        let outcome = said.and_then(|said| match said {
            Ok(said) => requests(said, destinations).map(Ok).map_err(CallError::BadAnswer),
            Err(reason) => Ok(Err(sentence(&reason))),
        });
        Called { outcome, cost }
    }

    fn call<R>(
        &self,
        bytes: usize,
        call: impl FnOnce(&bindings::Notifier, &mut wasmtime::Store<State>) -> wasmtime::Result<R>,
    ) -> (Result<R, CallError>, CallCost) {
        let limits = self.sandbox.limits().for_call(0, bytes);
        self.sandbox.call_plugin(&limits, |store| self.ready.instantiate(store), call)
    }
}

fn prepare(sandbox: &Sandbox, plugin: &Plugin) -> Result<(NotifierPre<State>, Description), LoadFault> {
    let check = |functions: &Functions<'_>| {
        functions.check_common::<notifying::Description>()?;
        functions.check::<(&str, &[Destination], &notifying::Notification), (Result<Vec<Request>, String>,)>(
            "render",
        )
    };
    let linked = PluginKind::Notifier.link(sandbox, plugin, check)?;
    let ready = NotifierPre::new(linked).map_err(wrong)?;
    let limits: CallLimits = sandbox.limits().for_call(0, 0);
    let (said, _) = sandbox.call_plugin(
        &limits,
        |store| ready.instantiate(store),
        |notifier, store| notifier.tidegate_notifier_notifying().call_describe(store),
    );
    let said = said.map_err(LoadFault::Silent)?;
    Ok((ready, Description::new(&said.name, &said.version, &said.summary)))
}

/// About the bytes that a notification takes up.
fn size(notification: &notifying::Notification) -> usize {
    let node = |node: &notifying::Node| {
        384 + weight([&node.unique_id, &node.resource_type, &node.name, &node.state])
            + weight(
                [&node.asset_key, &node.message, &node.detail, &node.query, &node.path, &node.link]
                    .into_iter()
                    .flatten(),
            )
            + weight(&node.owners)
    };
    let attempt = |attempt: &notifying::Attempt| {
        128 + weight([&attempt.command, &attempt.state])
            + weight([&attempt.reason, &attempt.decision].into_iter().flatten())
    };
    let run = |run: &notifying::Run| {
        512 + weight(&run.reason) + run.counts.len() * 32 + run.attempts.iter().map(attempt).sum::<usize>()
    };
    512 + weight([&notification.id, &notification.title, &notification.alert])
        + weight([&notification.text, &notification.link].into_iter().flatten())
        + weight(&notification.skipped)
        + weight(&notification.owners)
        + notification.run.as_ref().map_or(0, run)
        + notification.nodes.iter().map(node).sum::<usize>()
}

impl From<&DestinationName> for Destination {
    fn from(destination: &DestinationName) -> Self {
        Self { name: destination.name.clone(), kind: destination.kind.clone() }
    }
}

impl From<&Notification> for notifying::Notification {
    fn from(said: &Notification) -> Self {
        Self {
            id: said.id.clone(),
            kind: said.kind.as_str().to_owned(),
            severity: said.kind.severity().as_str().to_owned(),
            at: said.at.to_string(),
            title: said.title.clone(),
            text: said.text.clone(),
            alert: said.alert.clone(),
            project: said.project.clone(),
            job: said.job.clone(),
            run: said.run.as_ref().map(Into::into),
            nodes: said.nodes.iter().map(Into::into).collect(),
            nodes_total: said.nodes_total,
            skipped: said.skipped.clone(),
            skipped_total: said.skipped_total,
            owners: said.owners.clone(),
            link: said.link.clone(),
            extra: Vec::new(),
        }
    }
}

impl From<&NotifiedRun> for notifying::Run {
    fn from(run: &NotifiedRun) -> Self {
        Self {
            id: run.id.0,
            state: run.state.clone(),
            reason: run.reason.clone(),
            user: run.user.clone(),
            via: run.via.clone(),
            target: run.target.clone(),
            requested_at: run.requested_at.to_string(),
            started_at: run.started_at.map(|at| at.to_string()),
            finished_at: run.finished_at.map(|at| at.to_string()),
            took: took(run.took),
            usually_took: took(run.usually_took),
            counts: run.counts.clone(),
            attempts: run.attempts.iter().map(Into::into).collect(),
            link: run.link.clone(),
        }
    }
}

impl From<&NotifiedAttempt> for notifying::Attempt {
    fn from(attempt: &NotifiedAttempt) -> Self {
        Self {
            step: attempt.step,
            attempt: attempt.attempt,
            command: attempt.command.clone(),
            state: attempt.state.clone(),
            reason: attempt.reason.clone(),
            decision: attempt.decision.clone(),
            took: took(attempt.took),
        }
    }
}

impl From<&NotifiedNode> for notifying::Node {
    fn from(node: &NotifiedNode) -> Self {
        Self {
            unique_id: node.unique_id.clone(),
            asset_key: node.asset_key.clone(),
            resource_type: node.resource_type.clone(),
            name: node.name.clone(),
            state: node.state.clone(),
            message: node.message.clone(),
            detail: node.detail.clone(),
            failures: node.failures,
            query: node.query.clone(),
            path: node.path.clone(),
            owners: node.owners.clone(),
            took: took(node.took),
            link: node.link.clone(),
            extra: Vec::new(),
        }
    }
}

fn took(time: Option<SignedDuration>) -> Option<u64> {
    time.map(milliseconds)
}

/// An answer as the host's own type, if it keeps the contract's rules.
fn requests(said: Vec<Request>, known: &[DestinationName]) -> Result<Vec<DeliveryRequest>, String> {
    if said.len() > MOST_REQUESTS {
        return Err(format!(
            "{} requests for one notification, and the most are {MOST_REQUESTS}",
            said.len()
        ));
    }
    let numbered = said.into_iter().enumerate();
    numbered
        .map(|(at, said)| request(said, known).map_err(|what| format!("request {} {what}", at + 1)))
        .collect()
}

fn request(said: Request, known: &[DestinationName]) -> Result<DeliveryRequest, String> {
    let Some(destination) = known.iter().find(|known| known.name == said.destination) else {
        return Err(format!(
            "goes to `{}`, which is none of the destinations that it may send to",
            sentence(&said.destination)
        ));
    };
    if destination.kind == "http" {
        if !is_token(&said.method) {
            return Err(format!("has a method that cannot be one: `{}`", sentence(&said.method)));
        }
        // Behind an address, anything else could turn it into another one.
        let leads_on = said.path.is_empty() || said.path.starts_with(['/', '?']);
        let plain = said.path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !leads_on || said.path.starts_with("//") || !plain {
            let path = sentence(&said.path);
            return Err(format!("has a path that does not begin with one `/` or `?`, or is none: `{path}`"));
        }
    }
    if said.headers.len() > MOST_HEADERS {
        return Err(format!("has {} headers, and the most are {MOST_HEADERS}", said.headers.len()));
    }
    for (name, value) in &said.headers {
        if !is_token(name) {
            return Err(format!("has a header whose name cannot be one: `{}`", sentence(name)));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("has a header `{name}` of several lines, or with control characters"));
        }
    }
    Ok(DeliveryRequest {
        destination: said.destination,
        method: said.method,
        path: said.path,
        headers: said.headers,
        body: said.body,
    })
}

/// What HTTP and mail take as a name.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 100 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Request {
        Request {
            destination: "ops".to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: b"{}".to_vec(),
        }
    }

    fn refused(request: Request) -> String {
        let known = [("ops", "http"), ("mail", "smtp")]
            .map(|(name, kind)| DestinationName { name: name.to_owned(), kind: kind.to_owned() });
        requests(vec![post(""), request], &known).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_request_that_breaks_the_rules_is_refused_with_its_number() {
        assert_eq!(
            refused(Request { destination: "pager\n".to_owned(), ..post("") }),
            "request 2 goes to `pager`, which is none of the destinations that it may send to"
        );
        assert!(
            refused(Request { method: "GET /".to_owned(), ..post("") })
                .contains("a method that cannot be one")
        );
        let header = |name: &str, value: &str| Request {
            headers: vec![(name.to_owned(), value.to_owned())],
            ..post("")
        };
        assert!(refused(header("X\r\nHost", "a")).contains("whose name cannot be one"));
        assert!(refused(header("X-A", "a\r\nHost: b")).contains("`X-A` of several lines"));
        let mail = Request { destination: "mail".to_owned(), ..header("Subject", "a\nBcc: b") };
        assert!(refused(mail).contains("`Subject` of several lines"));
        let many = Request { headers: vec![("A".to_owned(), String::new()); 101], ..post("") };
        assert!(refused(many).contains("101 headers"));
    }

    #[test]
    fn no_path_leads_to_another_address() {
        for path in
            [".evil.example", "@evil.example/", ":99/", "//evil.example", "/a b", "/a\n", "/\\b", "#a"]
        {
            assert!(refused(post(path)).contains("a path that does not begin"), "{path:?}");
        }
    }

    #[test]
    fn requests_are_counted() {
        let known = [DestinationName { name: "ops".to_owned(), kind: "http".to_owned() }];
        let many = |count| requests((0..count).map(|_| post("/a?b=%20")).collect(), &known);
        assert_eq!(many(MOST_REQUESTS).unwrap().len(), MOST_REQUESTS);
        assert!(many(MOST_REQUESTS + 1).unwrap_err().starts_with("101 requests"));
        assert_eq!(many(0).unwrap(), []);
    }
}
