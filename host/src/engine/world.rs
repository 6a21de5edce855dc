//! What the dispatcher does to the world, as a value: a clock, a disk and child processes, or a simulation of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config,
    model::{
        AttemptId, AttemptIdentity, DeliveryRequest, DestinationName, Failure, Notification, RetryRule, Run,
        RunId, RunRequest, Trigger,
    },
    process::{AttemptFolder, AttemptSpec},
    project::Opened,
};

use super::Mail;

/// An attempt that is ready to be started.
pub struct Start {
    /// Which.
    pub attempt: AttemptId,
    /// Its folder.
    pub folder: AttemptFolder,
    /// What is asked of it.
    pub spec: AttemptSpec,
    /// dbt's whole environment.
    pub environment: BTreeMap<String, String>,
    /// dbt's parse cache, for a step that may use it.
    pub parse_cache: Option<PathBuf>,
}

/// A notification that a notifier is to look at.
pub struct Rendering {
    /// The notification's id.
    pub id: u64,
    /// The alert that asks for it.
    pub alert: config::Alert,
    /// Where the alert sends to.
    pub destinations: Vec<DestinationName>,
    /// The notification.
    pub notification: Notification,
}

/// A request that is to be sent.
pub struct Delivery {
    /// The notification that it is for.
    pub notification: u64,
    /// Its idempotency key.
    pub key: String,
    /// Where it goes.
    pub destination: config::Destination,
    /// What is sent.
    pub request: DeliveryRequest,
    /// How often that was tried before.
    pub tries: u32,
    /// When it was tried first: now, where it was not tried before.
    pub since: Timestamp,
}

/// The locks that keep runs from writing to one file at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteLocks {
    /// By name, sorted.
    pub locks: Vec<String>,
    /// Why there is one for the whole project, where the files are not known.
    pub note: Option<String>,
}

/// Clock, disk and processes. Nothing here waits: what takes time happens elsewhere and comes back as a message.
pub trait World: Send {
    /// The time.
    fn now(&self) -> Timestamp;

    /// The project and the job options of a run, from its configuration file as it is now.
    fn project_of(&self, run: &Run) -> Result<config::Project, super::Refusal>;

    /// Opens a project; comes back as `Opened`, with notices before. Gives up when `stop` is set.
    fn open(&self, run: RunId, project: config::Project, stop: Arc<AtomicBool>, mail: &Mail);

    /// What the arguments of an attempt become: command and environment.
    fn ready(&self, attempt: AttemptId, args: &[String], project: &config::Project, opened: &Opened)
    -> Start;

    /// The revision of a project's files.
    fn revision(&self, project: &config::Project) -> Option<String>;

    /// Starts an attempt process.
    fn spawn(&self, start: &Start) -> io::Result<AttemptIdentity>;

    /// Watches an attempt from an offset of its log on; comes back as `Observed` and `Ended`.
    fn watch(
        &self,
        attempt: AttemptId,
        args: &[String],
        identity: Option<AttemptIdentity>,
        offset: u64,
        mail: &Mail,
    );

    /// A plan that is known; none where it is not.
    fn known_plan(&self, args: &[String], project: &config::Project, opened: &Opened) -> Option<Vec<String>>;

    /// Finds out a plan; comes back as `Planned`.
    fn plan(
        &self,
        attempt: AttemptId,
        args: &[String],
        project: &config::Project,
        opened: &Opened,
        mail: &Mail,
    );

    /// Asks a rule's policy what to do about a failure; comes back as `Decided`.
    fn decide(&self, rule: &RetryRule, failure: Failure, mail: &Mail);

    /// With how many threads dbt runs these arguments, where that can be found out at once.
    fn threads(&self, args: &[String], project: &config::Project) -> Option<u32>;

    /// Asks an attempt process to stop its dbt; asked again, it hurries. Where the host died before it had written down
    /// which process that is, the process has done so itself.
    fn interrupt(&self, attempt: AttemptId, identity: Option<&AttemptIdentity>) -> io::Result<()>;

    /// The locks of the files that a run writes to.
    fn write_locks(&self, request: &RunRequest) -> WriteLocks;

    /// When dbt said something last; none where it has said nothing yet.
    fn spoke_at(&self, attempt: AttemptId) -> Option<Timestamp>;

    /// Looks at the files of a sensor; comes back as `Files`.
    fn look(&self, job: &str, trigger: &Trigger, glob: &str, mail: &Mail);

    /// The alerts that notifiers of the plugins folder bring with them, by the names of the destinations that there are.
    fn alerts_of_plugins(&self, destinations: &BTreeSet<String>) -> Vec<config::Alert>;

    /// Lets a notifier look at a notification; comes back as `Rendered`.
    fn render(&self, rendering: Rendering, mail: &Mail);

    /// Sends a request; comes back as `Delivered`.
    fn deliver(&self, delivery: Delivery, mail: &Mail);

    /// Lets some time pass, where nothing can be done before.
    fn pause(&self, time: Duration);

    /// Whether an attempt process has been asked to stop already, by whoever was the host before.
    fn is_asked(&self, attempt: AttemptId) -> bool;

    /// The highest run number of which files are there.
    fn highest_run(&self) -> u64;

    /// Removes the files of a run.
    fn forget(&self, run: RunId);
}
