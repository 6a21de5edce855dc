//! How the process ends: exit codes, and errors on their way to people.

use std::process::ExitCode;

use crate::{
    config::ConfigError,
    engine::{ClientError, HostError, Refusal, Unable},
    model::RunState,
    project::OpenError,
    store::StoreError,
};

/// The exit codes of every verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done, or there was nothing to do.
    Done = 0,
    /// The run failed, or was incomplete.
    Failed = 1,
    /// It could not be run: usage, configuration or environment.
    CouldNotRun = 2,
    /// There was nothing to do, in a job that has `empty = "fail"`.
    Empty = 3,
    /// Someone cancelled it.
    Cancelled = 130,
}

impl Exit {
    /// The code for a run that ended in this state.
    pub fn of_run(state: RunState, empty_fails: bool) -> Self {
        match state {
            RunState::Succeeded | RunState::Warned => Self::Done,
            RunState::Empty if empty_fails => Self::Empty,
            RunState::Empty => Self::Done,
            RunState::Cancelled => Self::Cancelled,
            RunState::Refused => Self::CouldNotRun,
            RunState::Failed
            | RunState::Incomplete
            | RunState::Interrupted
            | RunState::Queued
            | RunState::Running => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// A failure that nothing was run for.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::CouldNotRun }
    }

    /// The same with advice.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.with_hint(Some(hint.into()))
    }

    /// The same with advice, where there is some.
    pub fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        Self::new(e.to_string()).with_hint(e.hint().map(str::to_owned))
    }
}

impl From<HostError> for Failure {
    fn from(e: HostError) -> Self {
        Self::new(e.to_string()).with_hint(e.hint())
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::new(e.to_string()).with_hint(e.hint())
    }
}

impl From<OpenError> for Failure {
    fn from(e: OpenError) -> Self {
        Self::new(e.to_string()).with_hint(e.hint())
    }
}

impl From<ClientError> for Failure {
    fn from(e: ClientError) -> Self {
        Self::new(e.to_string()).with_hint(e.hint().map(str::to_owned))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.message).with_hint(refusal.hint)
    }
}

impl From<Unable> for Failure {
    fn from(unable: Unable) -> Self {
        Refusal::from(unable).into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::new(e.to_string())
    }
}
