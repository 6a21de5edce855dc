//! Plain data that every room speaks: ids, assets, projects, runs and events.
//!
//! Owns the words and their serialized shapes. Never does anything: no I/O, no clock, no SQL, no wasmtime.

mod alert;
mod asset;
mod automation;
mod event;
mod failure;
mod freshness;
mod gate;
mod host;
mod ids;
mod launch;
mod nearest;
mod node;
mod notification;
mod plugin;
mod project;
mod retry;
mod run;
mod schema;
mod words;

pub use alert::{AlertEvent, AlertEventKind, AlertRule, Change, DeliveryOutcome, GroupBy, Keyed, Subject};
pub use asset::{Asset, AssetKey, AssetShape, Check, Exposure, NodeFacts, Severity};
pub use automation::{Automation, Cursor, JobEvent, JobEventKind, Tick, Trigger, TriggerState};
pub use event::{
    AttemptIdentity, Event, EventKind, ExitStatus, NodeResult, PluginRecord, ResultsSource, kept,
};
pub use failure::first_line;
pub use freshness::{AssetEvent, AssetEventKind, AssetFreshness, Deadline, FreshWithin, SourceFreshness};
pub use gate::{FailedCheck, Gate, Gated};
pub use host::{By, Deed, HostEvent, HostEventKind, Role, Token, TokenDigests, is_by_itself};
pub use ids::{AttemptId, ResourceType, RunId};
pub use launch::{NodeCommand, Parameters, Scope, Selection};
pub use nearest::nearest;
pub use node::NodeState;
pub use notification::{
    DeliveryRequest, DestinationName, Notification, NotificationKind, NotifiedAttempt, NotifiedNode,
    NotifiedRun, Severity as NotificationSeverity,
};
pub use plugin::{BUILTIN_PLUGINS, CallCost, PluginCall, PluginEvent, PluginEventKind, PluginState};
pub use project::Project;
pub use retry::{
    Decided, EarlierAttempt, FailedNode, Failure, FailureKind, RetryAnswer, RetryDecision, RetryRule,
    RetryScope,
};
pub use run::{
    AtTheGate, Attempt, Launch, Limits, NodeRun, Run, RunRequest, RunState, StartRate, Step, StepRequest,
    Stop,
};
pub use words::{json_of, shell_words, short_name, span};
