//! How the host is, for whoever asks, and what it says in its log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Dispatcher;
use crate::{
    engine::Ending,
    model::{
        AlertEventKind, AssetEventKind, Decided, EventKind, HostEventKind, JobEventKind, PluginEventKind,
        RetryDecision, RunId, RunRequest, RunState,
    },
    store::{Entry, Store},
};

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// The configuration file that it works by.
    #[schema(value_type = String)]
    pub config_file: std::path::PathBuf,
    /// Why a newer state of that file was refused.
    pub config_problem: Option<String>,
    /// The projects, as far as the host has looked at them.
    pub projects: Vec<ProjectStatus>,
    /// Whether schedules and other triggers start runs.
    pub automatic: bool,
    /// Whether it is about to end, and starts nothing any more.
    pub ending: bool,
    /// The runs that are under way.
    pub running: Vec<RunStatus>,
    /// How many runs wait.
    pub queued: u64,
    /// The first of these.
    pub waiting: Vec<RunStatus>,
    /// The jobs that are started next by their schedules, soonest first.
    pub next: Vec<NextTick>,
    /// The jobs that someone has paused.
    pub paused: Vec<String>,
    /// How many deliveries of notifications have failed so far, and are tried again.
    #[serde(default)]
    pub failing_deliveries: u64,
    /// Why the host does nothing at the moment, as where its disk is full; null where it works. The rest is then how it was before.
    #[serde(default)]
    pub problem: Option<String>,
    /// Where the UI and the API answer, as the host itself sees it; null where they do not.
    #[serde(default)]
    pub listening: Option<String>,
}

/// How a project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectStatus {
    /// Its name.
    pub name: String,
    /// How many assets it has; none where it never could be read.
    pub assets: Option<u64>,
    /// Why it cannot be read as it is now.
    pub problem: Option<String>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStatus {
    /// Which.
    pub run: RunId,
    /// The job, or what is materialized.
    pub title: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Since when it runs.
    pub started_at: Option<Timestamp>,
    /// What it waits for.
    pub waits_for: Option<String>,
}

/// The next tick of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextTick {
    /// When.
    pub at: Timestamp,
    /// The job.
    pub job: String,
}

/// How many of each are shown.
const SHOWN: usize = 20;

impl Dispatcher {
    /// How the host is.
    pub fn status(&self) -> Status {
        let now = self.world.now();
        let running = self.store.running().map(|run| RunStatus {
            run: run.id,
            title: run.title(),
            requested_at: run.requested_at,
            started_at: run.started_at,
            waits_for: self.waits_for_retry(run),
        });
        let paused = self.store.automations().filter(|a| a.paused.is_some()).map(|a| a.job.clone());
        let paused: Vec<_> = paused.filter(|job| self.config.jobs.contains_key(job)).collect();
        let schedules = self.config.jobs.values().filter(|job| self.automatic && !paused.contains(&job.name));
        let mut next: Vec<_> = schedules
            .filter_map(|job| {
                let at = job.automated.schedule.as_ref()?.next(now)?;
                Some(NextTick { at, job: job.name.clone() })
            })
            .collect();
        next.sort_by_key(|tick| tick.at);
        next.truncate(SHOWN);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: self.since,
            config_file: self.config.file.clone(),
            config_problem: self.misconfigured.clone(),
            projects: self
                .projects
                .values()
                .filter(|p| self.config.projects.contains_key(&p.name))
                .cloned()
                .collect(),
            automatic: self.automatic,
            ending: self.ending.is_some_and(|ending| ending != Ending::Idle),
            running: running.collect(),
            queued: self.queue.len() as u64,
            waiting: self.queue.waiting(SHOWN).into_iter().filter_map(|id| self.waiting(id)).collect(),
            next,
            paused,
            failing_deliveries: self.outbox.failing(),
            problem: None,
            listening: None,
        }
    }

    /// What runs wait for, in words.
    pub(super) fn waits(&self, runs: &[RunId]) -> BTreeMap<RunId, String> {
        let waits = |id: &RunId| {
            let waits = match self.store.running_run(*id) {
                Some(run) => self.waits_for_retry(run),
                None => self.opening(*id).or_else(|| self.waits_for(*id)),
            };
            Some((*id, waits?))
        };
        runs.iter().filter_map(waits).collect()
    }

    fn waiting(&self, id: RunId) -> Option<RunStatus> {
        let run = self.store.run(id).ok()??;
        Some(RunStatus {
            run: id,
            title: run.title(),
            requested_at: run.requested_at,
            started_at: None,
            waits_for: self.waits_for(id),
        })
    }
}

/// Logs that a run was asked for.
pub(super) fn log_request(run: RunId, request: &RunRequest) {
    let reason = request.launch.reason.as_deref().unwrap_or_default();
    let job = request.job.as_deref().unwrap_or_default();
    tracing::info!(
        run = run.0,
        job,
        via = request.launch.via,
        user = request.launch.user,
        reason,
        "run requested"
    );
}

/// Logs what operators want to see of what was recorded.
pub(super) fn log(entry: &Entry, store: &Store) {
    match entry {
        Entry::Run(event) => {
            let run = event.run.0;
            let job = || match store.running_run(event.run) {
                Some(run) => run.request.job.clone().unwrap_or_default(),
                None => {
                    store.run(event.run).ok().flatten().and_then(|run| run.request.job).unwrap_or_default()
                }
            };
            match &event.kind {
                EventKind::RunRequested { request } => log_request(event.run, request),
                EventKind::RunStarted { locks, .. } => {
                    tracing::info!(run, job = job(), locks = locks.join(", "), "run started");
                }
                EventKind::RunRefused { reason } => tracing::warn!(run, job = job(), reason, "run refused"),
                EventKind::CancelRequested { by } => {
                    tracing::info!(run, job = job(), by = by.user, via = by.via, "run is being cancelled")
                }
                EventKind::StopRequested { stop } => {
                    tracing::warn!(run, job = job(), reason = stop.reason, "run is being stopped");
                }
                EventKind::AttemptStarted { attempt, .. } => {
                    tracing::debug!(run, attempt = attempt.to_string(), "attempt started");
                }
                EventKind::AttemptFinished { attempt, state, .. } => {
                    tracing::debug!(
                        run,
                        attempt = attempt.to_string(),
                        state = state.as_str(),
                        "attempt finished"
                    );
                }
                EventKind::RetryDecided { attempt, decided } => {
                    let (attempt, job) = (attempt.to_string(), job());
                    let Decided { decision, reason, plugin, fault, .. } = &**decided;
                    let plugin = plugin.as_ref().map(|p| format!("{} {}", p.name, p.version));
                    let plugin = plugin.unwrap_or_default();
                    if let Some(fault) = fault {
                        tracing::warn!(run, job, attempt, plugin, fault, "the retry policy is at fault");
                    }
                    match decision {
                        RetryDecision::GiveUp => {
                            tracing::info!(run, job, attempt, plugin, reason, "given up");
                        }
                        RetryDecision::Retry { after, .. } => {
                            let after = format!("{after:#}");
                            tracing::warn!(run, job, attempt, plugin, after, reason, "to be tried again");
                        }
                    }
                }
                EventKind::RunFinished { state, reason } => {
                    let (job, reason) = (job(), reason.as_deref().unwrap_or_default());
                    match state {
                        RunState::Succeeded | RunState::Empty => {
                            tracing::info!(run, job, state = state.as_str(), reason, "run finished");
                        }
                        _ => tracing::warn!(run, job, state = state.as_str(), reason, "run finished"),
                    }
                }
                _ => {}
            }
        }
        Entry::Job(event) => {
            let job = &event.job;
            match &event.kind {
                JobEventKind::TickDecided { trigger, tick, .. } if tick.run.is_none() => {
                    tracing::info!(
                        job,
                        trigger = trigger.to_string(),
                        due = tick.due.to_string(),
                        reason = tick.reason,
                        "tick skipped"
                    );
                }
                JobEventKind::TriggerEnabled { trigger, definition, .. } => {
                    tracing::info!(job, trigger = trigger.to_string(), definition, "trigger enabled");
                }
                JobEventKind::TriggerRemoved { trigger } => {
                    tracing::info!(job, trigger = trigger.to_string(), "trigger removed");
                }
                JobEventKind::JobPaused { by } => {
                    tracing::info!(job, by = by.user, via = by.via, "job paused")
                }
                JobEventKind::JobResumed { by } => {
                    tracing::info!(job, by = by.user, via = by.via, "job resumed")
                }
                _ => {}
            }
        }
        Entry::Asset(event) => {
            let (project, asset) = (&event.project, &event.unique_id);
            match &event.kind {
                AssetEventKind::AssetLate { fresh_within, last } => {
                    let last = last.map(|at| at.to_string()).unwrap_or_default();
                    let within = format!("{:#}", fresh_within.within);
                    tracing::warn!(project, asset, within, last, "asset is late");
                }
                AssetEventKind::AssetOnTime { .. } => tracing::info!(project, asset, "asset is on time"),
                AssetEventKind::FreshnessUnset => {
                    tracing::info!(project, asset, "asset need not be fresh any more");
                }
            }
        }
        Entry::Plugin(event) => {
            let plugin = &event.plugin;
            match &event.kind {
                PluginEventKind::PluginLoaded { record } => tracing::info!(
                    plugin,
                    kind = record.kind,
                    name = record.name,
                    version = record.version,
                    digest = record.digest,
                    "plugin loaded"
                ),
                PluginEventKind::PluginRefused { reason, keeps: None } => {
                    tracing::error!(plugin, reason, "plugin refused");
                }
                PluginEventKind::PluginRefused { reason, keeps: Some(record) } => tracing::error!(
                    plugin,
                    reason,
                    version = record.version,
                    digest = record.digest,
                    "plugin refused; the one before it is still used"
                ),
                PluginEventKind::PluginRemoved => tracing::info!(plugin, "plugin removed"),
            }
        }
        Entry::Alert(event) => {
            let alert = &event.alert;
            match &event.kind {
                AlertEventKind::NotificationRaised { notification, .. } => {
                    let kind = notification.kind.as_str();
                    tracing::info!(alert, kind, title = notification.title, "notification raised");
                }
                AlertEventKind::NotificationSuppressed { kind, title, reason, .. } => {
                    tracing::debug!(alert, kind = kind.as_str(), title, reason, "notification suppressed");
                }
                AlertEventKind::AlertSnoozed { until: Some(until), by } => {
                    tracing::info!(alert, by = by.user, via = by.via, "alert snoozed until {until:.0}");
                }
                AlertEventKind::AlertSnoozed { until: None, by } => {
                    tracing::info!(alert, by = by.user, via = by.via, "alert is told of again");
                }
                _ => {}
            }
        }
        Entry::Host(event) => log_host(&event.kind),
        Entry::Call(_) => {}
    }
}

/// Logs what someone did to the host; what the host logs itself, where it happens, is left out.
fn log_host(kind: &HostEventKind) {
    match kind {
        HostEventKind::TokenCreated { by, name, role, .. } => {
            tracing::info!(name, role = role.as_str(), by = by.user, via = by.via, "token made");
        }
        HostEventKind::TokenRotated { by, name, .. } => {
            tracing::info!(name, by = by.user, via = by.via, "token exchanged for another");
        }
        HostEventKind::TokenRevoked { by, name } => {
            tracing::info!(name, by = by.user, via = by.via, "token revoked");
        }
        HostEventKind::SessionBegun { by, peer } => tracing::info!(by = by.user, peer, "logged in"),
        HostEventKind::LoginFailed { peer, kept_out: false, .. } => {
            tracing::warn!(peer, "someone came with what is no token");
        }
        HostEventKind::LoginFailed { peer, kept_out: true, .. } => {
            tracing::warn!(peer, "someone came too often with what is no token, and is kept out for a while");
        }
        _ => {}
    }
}
