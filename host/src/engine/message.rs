//! What is said to the dispatcher, and what it says to those who listen.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ProjectStatus, Status};
use crate::{
    config::Config,
    model::{
        AttemptId, By, DeliveryRequest, EventKind, ExitStatus, FreshWithin, HostEventKind, Launch,
        NodeResult, PluginCall, PluginRecord, ResultsSource, Run, RunId, RunRequest, Trigger,
    },
    plugins::FolderPlugin,
    policy::Judgement,
    project::Opened,
    store::Stored,
};

/// Where messages for the dispatcher are put.
pub type Mail = mpsc::Sender<Message>;

/// A message for the dispatcher.
pub enum Message {
    /// Someone asks for a run.
    Request {
        /// What is asked for.
        request: Box<RunRequest>,
        /// Where the answer goes.
        answer: mpsc::Sender<Result<Taken, Refusal>>,
    },
    /// Someone wants to hear of a run from here on; a snapshot comes first.
    Listen {
        /// Which run.
        run: RunId,
        /// Where the updates go.
        updates: mpsc::Sender<Update>,
    },
    /// Someone wants a run to stop.
    Cancel {
        /// Which run.
        run: RunId,
        /// Who.
        by: By,
        /// Where it is said that this is on record; none where nobody waits for that.
        answer: Option<mpsc::Sender<()>>,
    },
    /// The UI answers at this address: links lead there, where the configuration names no other.
    Listening(SocketAddr),
    /// Something for people about a run, that changes no state.
    Notice {
        /// Which run.
        run: RunId,
        /// What.
        text: String,
    },
    /// A project is open, or cannot be.
    Opened {
        /// The run that waits for it.
        run: RunId,
        /// The project, or why not.
        result: Result<Arc<Opened>, Refusal>,
    },
    /// dbt said what a selection holds.
    Planned {
        /// The attempt at hand.
        attempt: AttemptId,
        /// Unique ids; none where dbt had no answer.
        nodes: Option<Vec<String>>,
    },
    /// An attempt's log was read on.
    Observed {
        /// Which attempt.
        attempt: AttemptId,
        /// What it told.
        events: Vec<EventKind>,
    },
    /// An attempt ended, and its log has been read to the end.
    Ended(Box<Ended>),
    /// It was decided what to do about an attempt that failed.
    Decided {
        /// Which attempt.
        attempt: AttemptId,
        /// What.
        judgement: Box<Judgement>,
    },
    /// Someone wants what is left to do of a run that has ended to be done; the answer is the run that does it.
    Resume {
        /// Which run.
        run: RunId,
        /// Who asks, and how.
        launch: Launch,
        /// Where the answer goes.
        answer: mpsc::Sender<Result<Taken, Refusal>>,
    },
    /// Someone pauses or resumes what starts a job by itself.
    Pause {
        /// The job.
        job: String,
        /// Whether it is paused from here on.
        paused: bool,
        /// Who.
        by: By,
        /// Where the answer goes.
        answer: mpsc::Sender<Result<(), Refusal>>,
    },
    /// Someone wants to know how the host is.
    Status(mpsc::Sender<Status>),
    /// Someone wants to know what runs wait for.
    Waits {
        /// Which.
        runs: Vec<RunId>,
        /// Where the answer goes: in words, of those that wait for something.
        answer: mpsc::Sender<BTreeMap<RunId, String>>,
    },
    /// The configuration is another one from here on.
    Configure(Arc<Config>),
    /// A new configuration was refused, and the old one stays; or that is over.
    Misconfigured(Option<String>),
    /// Someone has looked at a project.
    Looked(ProjectStatus),
    /// A project was read: these of its assets have to be fresh.
    Expect {
        /// The project.
        project: String,
        /// As it was read.
        opened: Arc<Opened>,
        /// The assets.
        assets: Vec<Expected>,
        /// Whether these are all; otherwise nobody knows of the others.
        all: bool,
    },
    /// The plugins of the folder are these from here on.
    Plugins(Vec<FolderPlugin>),
    /// What a sensor has found: a mark for each file as it is now, with its path.
    Files {
        /// The job.
        job: String,
        /// The sensor.
        trigger: Trigger,
        /// What is there, or why it cannot be looked at.
        found: Result<BTreeMap<String, String>, String>,
    },
    /// A notifier has looked at a notification.
    Rendered(Box<Rendered>),
    /// A request was sent, or could not be.
    Delivered(Box<Delivered>),
    /// Someone wants to hear nothing of an alert for a while.
    Snooze {
        /// The alert.
        alert: String,
        /// Until when; none to hear of it again.
        until: Option<Timestamp>,
        /// Who.
        by: By,
        /// Where the answer goes.
        answer: mpsc::Sender<Result<(), Refusal>>,
    },
    /// Something happened to the host itself, to be put on record.
    Note {
        /// What.
        kind: HostEventKind,
        /// Where it is said that this is on record; none where nobody waits for that.
        answer: Option<mpsc::Sender<()>>,
    },
    /// Someone makes, changes or revokes a token.
    Token {
        /// What happens to it: one of the events of tokens.
        kind: HostEventKind,
        /// Where the answer goes.
        answer: mpsc::Sender<Result<(), Refusal>>,
    },
    /// The host is to end.
    End(Ending),
    /// Another process takes over: the host leaves at once. The answer says that it will.
    HandOver(mpsc::Sender<()>),
}

/// A run that was asked for, and is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub run: RunId,
    /// Whether nobody has asked for it before by the same key.
    pub is_new: bool,
}

/// An asset that has to be fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// dbt's id of the node.
    pub unique_id: String,
    /// Its key.
    pub key: String,
    /// Its owners.
    pub owners: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// How fresh.
    pub fresh_within: FreshWithin,
}

/// How the host is to end. Each is more urgent than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// When nothing is left to do.
    Idle,
    /// When what is under way has ended; what waits goes on waiting.
    Drained,
    /// When what is under way has been interrupted.
    Interrupted,
    /// At once: what is under way goes on without it, and is taken up by the next host.
    Now,
}

/// How an attempt ended.
pub struct Ended {
    /// Which.
    pub attempt: AttemptId,
    /// How dbt ended; none where the attempt process is gone without a word.
    pub exit: Option<ExitStatus>,
    /// dbt's artifact of results, where it wrote one.
    pub results: Option<(ResultsSource, Vec<NodeResult>)>,
    /// What dbt said last that was no event.
    pub raw_tail: String,
}

/// What a notifier made of a notification.
pub struct Rendered {
    /// The notification's id.
    pub notification: u64,
    /// The notifier; none where it could not be loaded.
    pub plugin: Option<PluginRecord>,
    /// The call, for the record; none where there was none.
    pub call: Option<PluginCall>,
    /// What to send, or why the notifier did not say it.
    pub requests: Result<Vec<DeliveryRequest>, String>,
}

impl Rendered {
    /// Nobody was asked, and nothing is to be sent.
    pub fn nothing(notification: u64) -> Self {
        Self { notification, plugin: None, call: None, requests: Ok(Vec::new()) }
    }
}

/// What came of a delivery.
pub struct Delivered {
    /// Its idempotency key.
    pub key: String,
    /// What the destination answered, in a word or two, or why it did not arrive.
    pub result: Result<String, DeliveryFailure>,
}

/// Why something did not arrive.
pub struct DeliveryFailure {
    /// For people: no address, and no secret.
    pub error: String,
    /// After how long to try again; none where that is of no use.
    pub again_in: Option<SignedDuration>,
}

/// Why something cannot be done, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }
}

impl From<crate::dbt::Refusal> for Refusal {
    fn from(refusal: crate::dbt::Refusal) -> Self {
        Self { message: refusal.message, hint: refusal.hint }
    }
}

/// What a listener hears of a run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "update", rename_all = "snake_case")]
pub enum Update {
    /// The run as it stands, with its nodes. What follows changes it.
    Snapshot {
        /// The run.
        run: Box<Run>,
        /// Its nodes by attempt, which a run's own form leaves out.
        nodes: Vec<(AttemptId, Vec<crate::model::NodeRun>)>,
    },
    /// What its nodes are as assets.
    Names {
        /// All of the project.
        names: Arc<Names>,
    },
    /// Something happened to it.
    Event {
        /// What.
        stored: Box<Stored>,
    },
    /// Something for people.
    Notice {
        /// What.
        text: String,
    },
    /// The host cannot go on.
    Lost {
        /// Why.
        refusal: Refusal,
    },
}

impl Update {
    /// The snapshot of a run.
    pub fn snapshot(run: &Run) -> Self {
        let nodes = run
            .steps
            .iter()
            .flat_map(|step| &step.attempts)
            .map(|attempt| (attempt.id, attempt.nodes.values().cloned().collect()))
            .collect();
        Self::Snapshot { run: Box::new(run.clone()), nodes }
    }

    /// The run that a snapshot shows.
    pub fn into_run(run: Run, nodes: Vec<(AttemptId, Vec<crate::model::NodeRun>)>) -> Run {
        let mut run = run;
        for (id, nodes) in nodes {
            let attempts = run.steps.iter_mut().flat_map(|s| &mut s.attempts);
            if let Some(attempt) = attempts.into_iter().find(|a| a.id == id) {
                attempt.nodes = nodes.into_iter().map(|node| (node.unique_id.clone(), node)).collect();
            }
        }
        run
    }
}

/// A project's nodes as assets and checks, for whoever shows a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Names {
    /// The asset key by dbt's unique id.
    pub keys: BTreeMap<String, String>,
    /// The unique ids of the assets that a check looks at, by the unique id of its test.
    pub checks: BTreeMap<String, Vec<String>>,
}

impl Names {
    /// The names of a project.
    pub fn of(opened: &Opened) -> Self {
        let project = &opened.project;
        Self {
            keys: project.assets.iter().map(|a| (a.unique_id.clone(), a.shape.key.to_string())).collect(),
            checks: project.checks.iter().map(|c| (c.unique_id.clone(), c.assets.clone())).collect(),
        }
    }
}
