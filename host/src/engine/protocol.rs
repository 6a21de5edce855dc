//! What a client and the host say to each other over the socket: JSON, a line each.

use serde::{Deserialize, Serialize};

use crate::model::{RunId, RunRequest};

use super::{Refusal, Update};

/// What a client says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Run this, and tell me how it goes.
    Run(Box<RunRequest>),
    /// Tell me how this run goes.
    Listen(RunId),
    /// Stop this run.
    Cancel {
        /// Which.
        run: RunId,
        /// Who wants it.
        by: String,
    },
}

/// What the host says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tell {
    /// The run that a request made.
    Accepted(RunId),
    /// It made none.
    Refused(Refusal),
    /// News of the run.
    Update(Box<Update>),
}
