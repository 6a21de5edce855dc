//! What is told of what happens, and what is not: the rules of alerts, as pure functions.
//!
//! An alert has a [`Standing`], the fold of its events: what it knows to be failing, of which it has told, and until when it
//! is snoozed. [`consider`] holds a [`Happening`] against the operator's rule and that standing, and says what is to be told,
//! what is not and why, and what the alert knows from then on. What is told in which words is not decided here, and nothing
//! is sent.

mod consider;
mod incident;
mod nodes;
mod standing;

pub use consider::consider;
pub use nodes::{final_nodes, owners_of};
pub use standing::{Failing, Incident, Standing, apply};

use crate::model::{AttemptId, Change, NotificationKind, Run, RunId, Subject, Tick};

/// Something that alerts may have to tell of.
#[derive(Debug, Clone, Copy)]
pub enum Happening<'a> {
    /// A run's turn has come.
    RunStarted(&'a Run),
    /// An attempt has failed, and another one follows.
    RetryScheduled {
        /// The run.
        run: &'a Run,
        /// The attempt that failed.
        attempt: AttemptId,
    },
    /// A run has ended.
    RunEnded {
        /// The run.
        run: &'a Run,
        /// Whether another one does by itself what is left of it.
        is_resumed: bool,
    },
    /// A run has not ended in time.
    RunLate(&'a Run),
    /// Ticks have passed without a run.
    TicksMissed {
        /// The project.
        project: &'a str,
        /// The job.
        job: &'a str,
        /// What was decided about them.
        tick: &'a Tick,
    },
    /// The freshness of some nodes of a project was looked at.
    Freshness {
        /// The project.
        project: &'a str,
        /// The run that looked; none where no run did.
        run: Option<RunId>,
        /// What was found, of nodes that have not changed too.
        found: &'a [Freshness],
    },
}

/// How fresh a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// dbt's id.
    pub unique_id: String,
    /// How fresh.
    pub level: FreshnessLevel,
    /// What there is to say about it, in a line.
    pub text: Option<String>,
}

/// How fresh something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FreshnessLevel {
    /// As fresh as it has to be.
    Fresh,
    /// Older than `warn_after`.
    Warn,
    /// Older than `error_after`, or than `fresh_within`.
    Error,
}

/// What an alert makes of a happening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This is to be told.
    Tell(Telling),
    /// This is not.
    Suppress {
        /// What it would have been.
        kind: NotificationKind,
        /// Of what.
        title: String,
        /// Why not.
        reason: String,
        /// What the alert knows from here on.
        changes: Vec<Change>,
    },
    /// There is nothing to tell, and more to know.
    Note(Vec<Change>),
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// What happened.
    pub kind: NotificationKind,
    /// The nodes that it is about.
    pub subjects: Vec<Subject>,
    /// How many there were in all, where those that are well already are not known any more.
    pub total: usize,
    /// The owner to whom these nodes belong, where each owner is told apart.
    pub owner: Option<String>,
    /// Of a recovery: the run and the job in which the failure was seen first.
    pub began: Option<(RunId, String)>,
    /// What the alert knows from here on.
    pub changes: Vec<Change>,
}

#[cfg(test)]
mod tests;
