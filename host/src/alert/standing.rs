//! What an alert knows: the fold of its events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{AlertEvent, AlertEventKind, Change, NotificationKind, RunId, Subject};

/// What an alert knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Until when nothing is told, and who wanted that.
    pub snoozed: Option<(Timestamp, String)>,
    /// What is failing.
    pub failing: BTreeMap<Subject, Failing>,
    /// The incidents that are not over.
    pub incidents: BTreeMap<u64, Incident>,
    /// How many incidents there have been.
    pub last_incident: u64,
    /// Until when nothing more is told, by kind and subject.
    pub quiet: BTreeMap<String, Timestamp>,
}

/// Something that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// As what it was told; none where it was not, or as a part of an incident.
    pub told: Option<NotificationKind>,
    /// The incident that it belongs to.
    pub incident: Option<u64>,
    /// The jobs in whose runs it has failed.
    pub jobs: BTreeSet<String>,
}

/// Failures with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Since when.
    pub since: Timestamp,
    /// The run in which it was seen first.
    pub run: RunId,
    /// The job of that run, or what was materialized by hand.
    pub job: String,
    /// As what it was told, and when; none where it was not.
    pub told: Option<(NotificationKind, Timestamp)>,
    /// How many nodes and jobs have had a part in it.
    pub members: usize,
}

impl Standing {
    /// Until when nothing is told, and who wanted that, where that time has not come.
    pub fn snoozed(&self, now: Timestamp) -> Option<(Timestamp, &str)> {
        self.snoozed.as_ref().filter(|(until, _)| *until > now).map(|(until, by)| (*until, by.as_str()))
    }

    /// What is failing of an incident.
    pub fn members(&self, incident: u64) -> impl Iterator<Item = &Subject> {
        self.failing.iter().filter(move |(_, failing)| failing.incident == Some(incident)).map(|(s, _)| s)
    }

    /// The incident in which a job has a part.
    pub(super) fn incident_of_job(&self, job: &str) -> Option<u64> {
        self.failing.values().find(|failing| failing.jobs.contains(job)).and_then(|failing| failing.incident)
    }

    /// Whether nothing more is told. What is quiet for longer than it can be was told by a clock that was wrong, or under a
    /// rule that is another one now.
    pub(super) fn is_quiet(
        &self,
        kind: NotificationKind,
        subject: &Subject,
        now: Timestamp,
        most: SignedDuration,
    ) -> bool {
        let last = now.checked_add(most).unwrap_or(Timestamp::MAX);
        self.quiet.get(&quiet_key(kind, subject)).is_some_and(|until| *until > now && *until <= last)
    }

    pub(super) fn learn(&mut self, change: &Change, at: Timestamp) {
        match change {
            Change::Opened { incident, run, job } => {
                self.last_incident = self.last_incident.max(*incident);
                let begun = Incident { since: at, run: *run, job: job.clone(), told: None, members: 0 };
                self.incidents.entry(*incident).or_insert(begun);
            }
            Change::Failing { subjects, incident, job } => {
                for subject in subjects {
                    let begun = || Failing { since: at, told: None, incident: None, jobs: BTreeSet::new() };
                    let failing = self.failing.entry(subject.clone()).or_insert_with(begun);
                    failing.jobs.extend(job.clone());
                    // What was told by itself before has a part in the incident from here on.
                    if failing.incident.is_none()
                        && let Some(number) = incident
                        && let Some(incident) = self.incidents.get_mut(number)
                    {
                        failing.incident = Some(*number);
                        incident.members += 1;
                    }
                }
            }
            Change::Told { kind, subjects, incidents } => {
                for subject in subjects {
                    if let Some(failing) = self.failing.get_mut(subject) {
                        failing.told = Some(*kind);
                    }
                }
                for number in incidents {
                    if let Some(incident) = self.incidents.get_mut(number) {
                        incident.told.get_or_insert((*kind, at));
                    }
                }
            }
            Change::Quiet { kind, subjects, until } => {
                self.quiet.extend(subjects.iter().map(|subject| (quiet_key(*kind, subject), *until)));
            }
            Change::Well { subjects } => {
                subjects.iter().for_each(|subject| drop(self.failing.remove(subject)));
            }
            Change::JobWell { job } => {
                self.failing.retain(|subject, failing| {
                    let was_one = failing.jobs.remove(job);
                    *subject != Subject::Job(job.clone()) && !(was_one && failing.jobs.is_empty())
                });
            }
            Change::Closed { incident } => {
                self.incidents.remove(incident);
                self.failing.retain(|_, failing| failing.incident != Some(*incident));
            }
        }
    }
}

/// Applies an event to the standing of its alert.
pub fn apply(standing: &mut Standing, event: &AlertEvent) {
    let at = event.at;
    match &event.kind {
        AlertEventKind::NotificationRaised { changes, .. }
        | AlertEventKind::NotificationSuppressed { changes, .. }
        | AlertEventKind::StandingChanged { changes } => {
            // What is over is of no use, and kept for ever it would be much.
            standing.quiet.retain(|_, until| *until > at);
            changes.iter().for_each(|change| standing.learn(change, at));
        }
        AlertEventKind::AlertSnoozed { until, by } => {
            standing.snoozed = until.map(|until| (until, by.user.clone()));
        }
        AlertEventKind::StandingKept { standing: kept } => {
            *standing = serde_json::from_value(kept.clone()).unwrap_or_default();
        }
        AlertEventKind::NotificationRendered { .. } | AlertEventKind::DeliveryTried { .. } => {}
    }
}

fn quiet_key(kind: NotificationKind, subject: &Subject) -> String {
    format!("{} {subject}", kind.as_str())
}
