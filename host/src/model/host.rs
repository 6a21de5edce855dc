//! Who did what: people and programs that change something, what happens to the host itself, and the trail of both.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::kept;

/// Ways by which something is asked for without a person.
const BY_ITSELF: [&str; 4] = ["schedule", "after", "sensor", "resume"];

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See everything.
    Read,
    /// Change things too.
    Operate,
}

impl Role {
    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

/// Who asks for something, and by which way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct By {
    /// A user's name, a token's name, or what the host itself was moved by.
    #[serde(rename = "by")]
    pub user: String,
    /// `cli`, `ui`, `api`, `webhook`, `signal`, `file`, or how a run was started that moved the host. Older records do not
    /// say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

impl By {
    /// Someone, by a way.
    pub fn new(user: impl Into<String>, via: impl Into<String>) -> Self {
        Self { user: user.into(), via: Some(via.into()) }
    }

    /// Whether nobody asked: a trigger did.
    pub fn is_by_itself(&self) -> bool {
        match &self.via {
            Some(via) => is_by_itself(via),
            // What was written before ways were: `schedule of build`.
            None => BY_ITSELF
                .iter()
                .any(|way| self.user.strip_prefix(way).is_some_and(|rest| rest.starts_with(" of "))),
        }
    }
}

/// Whether what came by this way was asked for by nobody.
pub fn is_by_itself(via: &str) -> bool {
    BY_ITSELF.contains(&via)
}

impl From<String> for By {
    fn from(user: String) -> Self {
        Self { user, via: None }
    }
}

impl From<&str> for By {
    fn from(user: &str) -> Self {
        user.to_owned().into()
    }
}

/// What is kept of a token: nothing by which one could log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenDigests {
    /// SHA-256 of the token, in hexadecimal digits.
    pub token: String,
    /// What the sessions of browsers are bound to that begin with it.
    pub session: String,
}

/// Something that happened to the host itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: HostEventKind,
}

impl HostEvent {
    /// The event as a disk keeps it: its time in microseconds.
    pub fn as_kept(&self) -> Cow<'_, Self> {
        let at = kept(self.at);
        if at == self.at { Cow::Borrowed(self) } else { Cow::Owned(Self { at, ..self.clone() }) }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HostEventKind {
    /// It works by another configuration from here on.
    ConfigurationReloaded {
        /// Who had it read again.
        #[serde(flatten)]
        by: By,
        /// What changed, in lines for people.
        changes: Vec<String>,
    },
    /// A new configuration was refused.
    ConfigurationRefused {
        /// Who had it read.
        #[serde(flatten)]
        by: By,
        /// Why.
        problem: String,
    },
    /// A destination was tried out.
    DestinationTested {
        /// By whom.
        #[serde(flatten)]
        by: By,
        /// Which.
        destination: String,
        /// The notifier that wrote the message; none where it was a plain one.
        notifier: Option<String>,
        /// Why it did not arrive; none where it did.
        error: Option<String>,
    },
    /// There is a token more.
    TokenCreated {
        /// Who made it.
        #[serde(flatten)]
        by: By,
        /// Its name.
        name: String,
        /// What whoever has it may do.
        role: Role,
        /// How it is known again.
        digests: TokenDigests,
    },
    /// A token is another one from here on, and the old one is worth nothing.
    TokenRotated {
        /// Who did it.
        #[serde(flatten)]
        by: By,
        /// Its name.
        name: String,
        /// How the new one is known again.
        digests: TokenDigests,
    },
    /// A token is worth nothing any more.
    TokenRevoked {
        /// Who did it.
        #[serde(flatten)]
        by: By,
        /// Its name.
        name: String,
    },
    /// Someone logged in with a browser.
    SessionBegun {
        /// Who: the name of the token.
        #[serde(flatten)]
        by: By,
        /// From where.
        peer: String,
    },
    /// Someone logged out.
    SessionEnded {
        /// Who.
        #[serde(flatten)]
        by: By,
        /// From where.
        peer: String,
    },
    /// Someone came with what is no token: the first time in a while, or so often that they are kept out.
    LoginFailed {
        /// By which way; nobody knows who.
        #[serde(flatten)]
        by: By,
        /// From where.
        peer: String,
        /// Whether they are kept out for a while.
        kept_out: bool,
    },
    /// Another host takes over.
    HandedOver {
        /// Who started that one.
        #[serde(flatten)]
        by: By,
    },
    /// It is being stopped.
    HostStopped {
        /// By what.
        #[serde(flatten)]
        by: By,
        /// What becomes of what is under way.
        how: String,
    },
}

/// A token, without anything by which one could log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its name: who has it, for the audit trail.
    pub name: String,
    /// What whoever has it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it became another one; none where it never did.
    pub rotated_at: Option<Timestamp>,
}

/// What someone did, for the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deed {
    /// Who: a user, a token, or what the host was moved by.
    pub user: String,
    /// By which way: `cli`, `ui`, `api`, `webhook`, `signal` or `file`; null in older records.
    pub via: Option<String>,
    /// What was done, such as `run.launch`, `run.cancel`, `job.pause` or `token.new`.
    pub action: String,
    /// To what, such as `run:12`, `job:build` or `token:ana`.
    pub object: String,
    /// What else is to be said of it; its fields depend on the action.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}
