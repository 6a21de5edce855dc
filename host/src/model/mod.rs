//! Plain data that every room speaks: ids, assets, projects, runs and events.
//!
//! Owns the words and their serialized shapes. Never does anything: no I/O, no clock, no SQL, no wasmtime.

mod asset;
mod automation;
mod event;
mod failure;
mod ids;
mod nearest;
mod node;
mod project;
mod run;
mod words;

pub use asset::{Asset, AssetKey, AssetShape, Check, Exposure, NodeFacts, Severity};
pub use automation::{Automation, Cursor, JobEvent, JobEventKind, Tick, Trigger, TriggerState};
pub use event::{
    AttemptIdentity, Event, EventKind, ExitStatus, NodeResult, PluginRecord, ResultsSource, kept,
};
pub use failure::first_line;
pub use ids::{AttemptId, ResourceType, RunId};
pub use nearest::nearest;
pub use node::NodeState;
pub use project::Project;
pub use run::{
    Attempt, Launch, Limits, NodeRun, Run, RunRequest, RunState, StartRate, Step, StepRequest, Stop,
};
pub use words::shell_words;
