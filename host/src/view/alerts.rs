//! Alerts: who is told of what, what is failing, and where notifications can go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    alert::Standing,
    config::{Alert, Config, Destination},
    deliver, engine,
    model::{AlertRule, NotificationKind, RunId, Subject},
    plugins::Catalogue,
    store::{Reader, StoreError},
};

/// An alert, and what it knows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertDetail {
    /// Its name.
    pub name: String,
    /// Whether a notifier of the plugins folder brings it with it.
    pub of_plugin: bool,
    /// The notifier that writes what is sent.
    pub notifier: String,
    /// Where it is sent.
    pub destinations: Vec<String>,
    /// What it tells of.
    pub on: Vec<NotificationKind>,
    /// What it tells of, and when.
    pub rule: AlertRule,
    /// Until when nothing is told of it; null where someone hears of it.
    pub snoozed_until: Option<Timestamp>,
    /// Who wanted that.
    pub snoozed_by: Option<String>,
    /// Why its notifier could not write the last notification, which went out as a plain message.
    pub fault: Option<String>,
    /// That notification.
    pub fault_notification: Option<u64>,
    /// When that was.
    pub fault_at: Option<Timestamp>,
    /// The incidents that are not over.
    pub incidents: Vec<IncidentRow>,
    /// What is failing and is no part of an incident.
    pub failing: Vec<FailingRow>,
}

/// Failures with one cause.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentRow {
    /// Its number within the alert.
    pub number: u64,
    /// Since when.
    pub since: Timestamp,
    /// The run in which it was seen first.
    pub run: RunId,
    /// The job of that run, or what was materialized by hand.
    pub job: String,
    /// When it was told; null where it was not.
    pub told_at: Option<Timestamp>,
    /// How many jobs and nodes had a part in it.
    pub members: usize,
    /// How many of them are not well.
    pub failing: usize,
    /// Which these are, the first hundred.
    pub subjects: Vec<Subject>,
}

/// Something that fails.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FailingRow {
    /// What.
    pub subject: Subject,
    /// Since when.
    pub since: Timestamp,
    /// Whether it was told.
    pub told: bool,
}

/// So many subjects of an incident are named.
const NAMED: usize = 100;

/// The alerts of the configuration and those that notifiers of the plugins folder bring with them, by name.
pub fn list(
    config: &Config,
    catalogue: &Catalogue,
    reader: &Reader,
    now: Timestamp,
) -> Result<Vec<AlertDetail>, StoreError> {
    let (standings, faults) = (reader.standings()?, reader.faults()?);
    let destinations: BTreeSet<_> = config.destinations.keys().cloned().collect();
    let (of_plugins, _) = engine::alerts_of(catalogue, &destinations);
    let of_plugins = of_plugins.into_iter().filter(|alert| !config.alerts.contains_key(&alert.name));
    let own = config.alerts.values().cloned().map(|alert| (alert, false));
    let all: BTreeMap<_, _> = own
        .chain(of_plugins.map(|alert| (alert, true)))
        .map(|(alert, of_plugin)| (alert.name.clone(), (alert, of_plugin)))
        .collect();
    let nothing = Standing::default();
    let rows = all.into_iter().map(|(name, (alert, of_plugin))| {
        let fault = faults.get(&name);
        AlertDetail {
            fault: fault.map(|(_, _, fault)| fault.clone()),
            fault_notification: fault.map(|(id, _, _)| *id),
            fault_at: fault.map(|(_, at, _)| *at),
            ..row(alert, of_plugin, standings.get(&name).unwrap_or(&nothing), now)
        }
    });
    Ok(rows.collect())
}

fn row(alert: Alert, of_plugin: bool, standing: &Standing, now: Timestamp) -> AlertDetail {
    let snoozed = standing.snoozed(now);
    let incidents = standing.incidents.iter().map(|(number, incident)| IncidentRow {
        number: *number,
        since: incident.since,
        run: incident.run,
        job: incident.job.clone(),
        told_at: incident.told.map(|(_, at)| at),
        members: incident.members,
        failing: standing.members(*number).count(),
        subjects: standing.members(*number).take(NAMED).cloned().collect(),
    });
    let failing = standing.failing.iter().filter(|(_, failing)| failing.incident.is_none());
    AlertDetail {
        name: alert.name,
        of_plugin,
        notifier: alert.notifier,
        destinations: alert.destinations,
        on: alert.rule.on.iter().copied().collect(),
        rule: alert.rule,
        snoozed_until: snoozed.map(|(until, _)| until),
        snoozed_by: snoozed.map(|(_, by)| by.to_owned()),
        fault: None,
        fault_notification: None,
        fault_at: None,
        incidents: incidents.collect(),
        failing: failing
            .map(|(subject, failing)| FailingRow {
                subject: subject.clone(),
                since: failing.since,
                told: failing.told.is_some(),
            })
            .collect(),
    }
}

/// A place that notifications can go to. Its address is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DestinationRow {
    /// Its name.
    pub name: String,
    /// `http`, `smtp`, `file` or `stdout`.
    pub kind: &'static str,
    /// The secrets that are not there, or with which nothing can be sent.
    pub unusable: Vec<Lack>,
}

/// A secret that is not there, or with which nothing can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Lack {
    /// The key of the configuration that has it, such as `url`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl DestinationRow {
    /// A destination, and what it lacks now.
    pub fn of(destination: &Destination) -> Self {
        let lack = |(key, reason)| Lack { key, reason };
        Self {
            name: destination.name.clone(),
            kind: destination.kind(),
            unusable: deliver::unusable(destination).into_iter().map(lack).collect(),
        }
    }
}
