//! The body, field by field.
//!
//! Owns its shape and order. Times are in RFC 3339, lengths of time in milliseconds.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tidegate_plugin::notifier::{self, Notification};

/// Grows when something that is there changes. New fields do not change it.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub struct Body<'a> {
    version: u32,
    id: &'a str,
    kind: &'a str,
    severity: &'a str,
    at: &'a str,
    title: &'a str,
    text: Option<&'a str>,
    alert: &'a str,
    project: Option<&'a str>,
    job: Option<&'a str>,
    link: Option<&'a str>,
    owners: &'a [String],
    run: Option<Run<'a>>,
    nodes: Vec<Node<'a>>,
    nodes_total: u32,
    skipped: &'a [String],
    skipped_total: u32,
}

#[derive(Serialize)]
struct Run<'a> {
    id: u64,
    state: &'a str,
    reason: Option<&'a str>,
    user: &'a str,
    via: &'a str,
    target: Option<&'a str>,
    requested_at: &'a str,
    started_at: Option<&'a str>,
    finished_at: Option<&'a str>,
    took_ms: Option<u64>,
    usually_took_ms: Option<u64>,
    counts: Counts<'a>,
    attempts: Vec<Attempt<'a>>,
    link: Option<&'a str>,
}

/// Written as an object: from a state to a number.
struct Counts<'a>(&'a [(String, u32)]);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (state, count) in self.0 {
            map.serialize_entry(state, count)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Attempt<'a> {
    step: u32,
    attempt: u32,
    command: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
    decision: Option<&'a str>,
    took_ms: Option<u64>,
}

#[derive(Serialize)]
struct Node<'a> {
    unique_id: &'a str,
    asset_key: Option<&'a str>,
    resource_type: &'a str,
    name: &'a str,
    state: &'a str,
    message: Option<&'a str>,
    detail: Option<&'a str>,
    failures: Option<u64>,
    query: Option<&'a str>,
    path: Option<&'a str>,
    owners: &'a [String],
    took_ms: Option<u64>,
    link: Option<&'a str>,
}

impl<'a> Body<'a> {
    /// The body about a notification, with so many of its nodes.
    pub fn of(about: &'a Notification, max_nodes: usize) -> Self {
        Self {
            version: VERSION,
            id: &about.id,
            kind: &about.kind,
            severity: &about.severity,
            at: &about.at,
            title: &about.title,
            text: about.text.as_deref(),
            alert: &about.alert,
            project: about.project.as_deref(),
            job: about.job.as_deref(),
            link: about.link.as_deref(),
            owners: &about.owners,
            run: about.run.as_ref().map(Run::of),
            nodes: about.nodes.iter().take(max_nodes).map(Node::of).collect(),
            nodes_total: about.nodes_total,
            skipped: &about.skipped,
            skipped_total: about.skipped_total,
        }
    }
}

impl<'a> Run<'a> {
    fn of(run: &'a notifier::Run) -> Self {
        Self {
            id: run.id,
            state: &run.state,
            reason: run.reason.as_deref(),
            user: &run.user,
            via: &run.via,
            target: run.target.as_deref(),
            requested_at: &run.requested_at,
            started_at: run.started_at.as_deref(),
            finished_at: run.finished_at.as_deref(),
            took_ms: run.took,
            usually_took_ms: run.usually_took,
            counts: Counts(&run.counts),
            attempts: run.attempts.iter().map(Attempt::of).collect(),
            link: run.link.as_deref(),
        }
    }
}

impl<'a> Attempt<'a> {
    fn of(attempt: &'a notifier::Attempt) -> Self {
        Self {
            step: attempt.step,
            attempt: attempt.attempt,
            command: &attempt.command,
            state: &attempt.state,
            reason: attempt.reason.as_deref(),
            decision: attempt.decision.as_deref(),
            took_ms: attempt.took,
        }
    }
}

impl<'a> Node<'a> {
    fn of(node: &'a notifier::Node) -> Self {
        Self {
            unique_id: &node.unique_id,
            asset_key: node.asset_key.as_deref(),
            resource_type: &node.resource_type,
            name: &node.name,
            state: &node.state,
            message: node.message.as_deref(),
            detail: node.detail.as_deref(),
            failures: node.failures,
            query: node.query.as_deref(),
            path: node.path.as_deref(),
            owners: &node.owners,
            took_ms: node.took,
            link: node.link.as_deref(),
        }
    }
}
