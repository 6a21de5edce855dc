//! Alerts: what the operator wants to be told, and what they have been told, as events.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{By, DeliveryRequest, Notification, NotificationKind, PluginRecord, RunId};

/// What an operator wants to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertRule {
    /// The alert's name.
    pub name: String,
    /// What of.
    pub on: BTreeSet<NotificationKind>,
    /// Only of these projects; empty for all.
    pub projects: Vec<String>,
    /// Only of these jobs; empty for all, and for what was materialized by hand.
    pub jobs: Vec<String>,
    /// Only of nodes that have one of these tags, and of runs with such a node; empty for all.
    pub tags: Vec<String>,
    /// Only of nodes that have one of these owners, and of runs with such a node; empty for all.
    pub owners: Vec<String>,
    /// Whether nothing is told of what another attempt may still mend.
    pub after_last_retry: bool,
    /// Whether only a change is told: nothing of what was told to be failing and still is.
    pub changes_only: bool,
    /// What is told together.
    pub group_by: GroupBy,
    /// How long nothing more is told of something that was told to be failing.
    #[schema(value_type = String, example = "PT1M30S")]
    pub suppress: SignedDuration,
}

/// What is told together.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Failures with one cause, over any number of runs: one message, and one when all is well again.
    #[default]
    Incident,
    /// Each run.
    Run,
    /// Each owner.
    Owner,
    /// Each asset and check.
    Asset,
}

/// What can be well or not. Written `job:build`, `node:shop:model.shop.orders` or `fresh:shop:model.shop.orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A job, or what was materialized by hand.
    Job(String),
    /// A node, by how its last run ended.
    Node {
        /// The project.
        project: String,
        /// dbt's id.
        unique_id: String,
    },
    /// A node, by its age.
    Fresh {
        /// The project.
        project: String,
        /// dbt's id.
        unique_id: String,
    },
}

impl Subject {
    /// dbt's id, of a node.
    pub fn unique_id(&self) -> Option<&str> {
        match self {
            Self::Job(_) => None,
            Self::Node { unique_id, .. } | Self::Fresh { unique_id, .. } => Some(unique_id),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job:{job}"),
            Self::Node { project, unique_id } => write!(f, "node:{project}:{unique_id}"),
            Self::Fresh { project, unique_id } => write!(f, "fresh:{project}:{unique_id}"),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let node = |rest: &str| {
            let (project, unique_id) = rest.split_once(':')?;
            Some((project.to_owned(), unique_id.to_owned()))
        };
        let subject = match text.split_once(':') {
            Some(("job", job)) => Some(Self::Job(job.to_owned())),
            Some(("node", rest)) => node(rest).map(|(project, unique_id)| Self::Node { project, unique_id }),
            Some(("fresh", rest)) => {
                node(rest).map(|(project, unique_id)| Self::Fresh { project, unique_id })
            }
            _ => None,
        };
        subject.ok_or_else(|| format!("`{text}` names nothing that an alert could be about"))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertEvent {
    /// The alert's name.
    pub alert: String,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: AlertEventKind,
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AlertEventKind {
    /// Something is to be told. The number of this event is the notification's id, which is why there is none in it.
    NotificationRaised {
        /// What.
        notification: Box<Notification>,
        /// What the alert knows from here on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<Change>,
    },
    /// Something is not told.
    NotificationSuppressed {
        /// What it would have been.
        kind: NotificationKind,
        /// Of what: a job, or a node.
        title: String,
        /// The run.
        run: Option<RunId>,
        /// Why not.
        reason: String,
        /// What the alert knows from here on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<Change>,
    },
    /// Nothing is told, and the alert knows more.
    StandingChanged {
        /// What it knows from here on.
        changes: Vec<Change>,
    },
    /// A notifier has made requests of a notification, or could not.
    NotificationRendered {
        /// The notification's id.
        notification: u64,
        /// The notifier; none where it could not be loaded.
        plugin: Option<PluginRecord>,
        /// What is sent from here on, each with its idempotency key.
        requests: Vec<Keyed>,
        /// Why these are not the notifier's requests, but what is sent where one fails.
        fault: Option<String>,
    },
    /// A request was sent, or could not be.
    DeliveryTried {
        /// Its idempotency key.
        key: String,
        /// How it went.
        outcome: DeliveryOutcome,
        /// When it is tried again; none where it is not.
        next_at: Option<Timestamp>,
    },
    /// Older events were forgotten; this is what the alert knew by them.
    StandingKept {
        /// Its standing, as JSON.
        standing: serde_json::Value,
    },
    /// Someone wants to hear nothing of it until then; none ends that.
    AlertSnoozed {
        /// Until when.
        until: Option<Timestamp>,
        /// Who.
        #[serde(flatten)]
        by: By,
    },
}

/// A request with its idempotency key: the same at each try, and of no other request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keyed {
    /// The key.
    pub key: String,
    /// The request.
    pub request: DeliveryRequest,
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// It arrived.
    Delivered {
        /// What was answered, in a word or two: no secret, and no address.
        answer: String,
    },
    /// It did not.
    Failed {
        /// Why: no secret, and no address.
        error: String,
    },
}

/// What an alert learns: of these its standing is the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// An incident begins.
    Opened {
        /// Its number within the alert.
        incident: u64,
        /// The run in which it was seen first.
        run: RunId,
        /// That run's job, or what was materialized by hand.
        job: String,
    },
    /// These are failing.
    Failing {
        /// Which.
        subjects: Vec<Subject>,
        /// The incident that they belong to.
        incident: Option<u64>,
        /// The job in whose run they failed.
        job: Option<String>,
    },
    /// These were told to be failing.
    Told {
        /// As what.
        kind: NotificationKind,
        /// Which, where there is no incident.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subjects: Vec<Subject>,
        /// The incidents that were told of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        incidents: Vec<u64>,
    },
    /// Nothing more of this kind is told of these until then.
    Quiet {
        /// Of which kind.
        kind: NotificationKind,
        /// Which.
        subjects: Vec<Subject>,
        /// Until when.
        until: Timestamp,
    },
    /// These are well.
    Well {
        /// Which.
        subjects: Vec<Subject>,
    },
    /// A job is well, and so is what was failing in its runs alone.
    JobWell {
        /// The job.
        job: String,
    },
    /// All of an incident is well.
    Closed {
        /// Which.
        incident: u64,
    },
}
