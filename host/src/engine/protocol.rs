//! What a client and the host say to each other over the socket: JSON, a line each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Launch, RunId, RunRequest};

use super::{Refusal, Status, Update};

/// What a client says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Run this, and tell me how it goes.
    Run(Box<RunRequest>),
    /// Accept this; I shall not wait for it.
    Request(Box<RunRequest>),
    /// Tell me how this run goes.
    Listen(RunId),
    /// Do what is left to do of this run, and tell me which run does it.
    Resume {
        /// Which.
        run: RunId,
        /// Who wants it, and how.
        launch: Launch,
    },
    /// Stop this run.
    Cancel {
        /// Which.
        run: RunId,
        /// Who wants it.
        by: String,
    },
    /// Pause what starts this job by itself, or resume it.
    Pause {
        /// The job.
        job: String,
        /// Whether it is paused from here on.
        paused: bool,
        /// Who wants it.
        by: String,
    },
    /// Tell nothing of this alert until then; none ends that.
    Snooze {
        /// The alert.
        alert: String,
        /// Until when.
        until: Option<Timestamp>,
        /// Who wants it.
        by: String,
    },
    /// Read the configuration again.
    Reload,
    /// Tell me how you are.
    Status,
    /// I take over: leave.
    HandOver,
}

/// What the host says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tell {
    /// The run that is meant.
    Accepted(RunId),
    /// It cannot be done.
    Refused(Refusal),
    /// It is done.
    Done,
    /// It is done; this is what changed.
    Changed(Vec<String>),
    /// How the host is.
    Status(Box<Status>),
    /// News of the run.
    Update(Box<Update>),
}
