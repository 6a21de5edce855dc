//! What alerts have to tell of what is about to be committed: it is committed together with that.
//!
//! There is one place where everything passes that is put on record, and it is there that alerts look at it: whoever records
//! an event need not know that there are any.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use super::{Dispatcher, automation::GRACE, later};
use crate::{
    alert::{self, Freshness, FreshnessLevel, Happening, Outcome, Standing},
    config,
    engine::Refusal,
    fold,
    model::{
        AlertEvent, AlertEventKind, AssetEventKind, AttemptId, By, EventKind, JobEventKind, NodeState,
        NotificationKind, Project, ResultsSource, RetryDecision, Run, RunId, Severity, Tick, Trigger,
        nearest,
    },
    policy,
    store::{Entry, StoreError},
};

/// Something that alerts may have to tell of, and that is about to be on record.
enum Happened {
    Started(Run),
    Retried(Run, AttemptId),
    Ended(Run, bool),
    Late(Run),
    Missed { project: String, job: String, tick: Tick },
    Fresh { project: String, run: Option<Run>, found: Vec<Freshness> },
}

impl Happened {
    fn happening(&self) -> Happening<'_> {
        match self {
            Self::Started(run) => Happening::RunStarted(run),
            Self::Retried(run, attempt) => Happening::RetryScheduled { run, attempt: *attempt },
            Self::Ended(run, is_resumed) => Happening::RunEnded { run, is_resumed: *is_resumed },
            Self::Late(run) => Happening::RunLate(run),
            Self::Missed { project, job, tick } => Happening::TicksMissed { project, job, tick },
            Self::Fresh { project, run, found } => {
                Happening::Freshness { project, run: run.as_ref().map(|run| run.id), found }
            }
        }
    }

    fn run(&self) -> Option<&Run> {
        match self {
            Self::Started(run) | Self::Retried(run, _) | Self::Ended(run, _) | Self::Late(run) => Some(run),
            Self::Fresh { run, .. } => run.as_ref(),
            Self::Missed { .. } => None,
        }
    }

    fn project(&self) -> &str {
        match self {
            Self::Missed { project, .. } | Self::Fresh { project, .. } => project,
            Self::Started(run) | Self::Retried(run, _) | Self::Ended(run, _) | Self::Late(run) => {
                &run.request.project
            }
        }
    }
}

impl Dispatcher {
    /// Every alert: those of the configuration, and those that notifiers of the plugins folder bring with them.
    pub(super) fn alerts(&self) -> Vec<config::Alert> {
        let mut alerts: Vec<_> = self.config.alerts.values().cloned().collect();
        let names: BTreeSet<_> = self.config.destinations.keys().cloned().collect();
        // Where both have one name, the operator's own file wins.
        let more = self.world.alerts_of_plugins(&names);
        alerts.extend(more.into_iter().filter(|alert| !self.config.alerts.contains_key(&alert.name)));
        alerts
    }

    /// Adds what alerts have to tell of some entries to them.
    pub(super) fn with_alerts(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, StoreError> {
        if !entries.iter().any(matters) {
            return Ok(entries);
        }
        let alerts = self.alerts();
        if !alerts.is_empty() {
            let happened = self.what_happens(&entries)?;
            entries.extend(self.tell_of(&alerts, &happened)?);
        }
        Ok(entries)
    }

    fn tell_of(&self, alerts: &[config::Alert], happened: &[Happened]) -> Result<Vec<Entry>, StoreError> {
        let now = self.world.now();
        let mut entries = Vec::new();
        for alert in alerts {
            let mut standing = self.store.standing(&alert.name).cloned().unwrap_or_default();
            for happened in happened {
                for kind in self.outcomes(alert, &standing, happened, now)? {
                    let event = AlertEvent { alert: alert.name.clone(), at: now, kind };
                    alert::apply(&mut standing, &event);
                    entries.push(Entry::Alert(event));
                }
            }
        }
        Ok(entries)
    }

    fn outcomes(
        &self,
        alert: &config::Alert,
        standing: &Standing,
        happened: &Happened,
        now: Timestamp,
    ) -> Result<Vec<AlertEventKind>, StoreError> {
        let happening = happened.happening();
        let project = self.lineage(happened);
        let run = happened.run();
        let outcomes = alert::consider(&alert.rule, standing, &happening, project, now);
        let mut kinds = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            kinds.push(match outcome {
                Outcome::Tell(telling) => {
                    let job = run.and_then(|run| run.request.job.as_deref());
                    let usually = job.map(|job| self.store.usual_time(job)).transpose()?.flatten();
                    let url = &self.url();
                    let about = policy::About { happening: &happening, project, url, usually, now };
                    let notification = Box::new(policy::compose(&alert.name, &telling, &about));
                    AlertEventKind::NotificationRaised { notification, changes: telling.changes }
                }
                Outcome::Suppress { kind, title, reason, changes } => {
                    let run = run.map(|run| run.id);
                    AlertEventKind::NotificationSuppressed { kind, title, run, reason, changes }
                }
                Outcome::Note(changes) => AlertEventKind::StandingChanged { changes },
            });
        }
        Ok(kinds)
    }

    /// Where links lead.
    fn url(&self) -> Cow<'_, str> {
        match self.listening {
            Some(address) if !self.config.names_url => format!("http://{address}").into(),
            _ => self.config.url.as_str().into(),
        }
    }

    /// The project of what happened: as the run sees it, or as it was seen last.
    fn lineage(&self, happened: &Happened) -> Option<&Project> {
        let of_run = happened.run().and_then(|run| self.under_way.get(&run.id)?.opened.as_deref());
        let known = of_run.or_else(|| self.lineages.get(happened.project()).map(|opened| &**opened));
        known.map(|opened| &opened.project)
    }

    /// What happens by some entries.
    fn what_happens(&self, entries: &[Entry]) -> Result<Vec<Happened>, StoreError> {
        let mut happened = Vec::new();
        let mut runs: BTreeMap<RunId, Option<Run>> = BTreeMap::new();
        let mut missed: BTreeMap<&str, (String, Tick)> = BTreeMap::new();
        let mut ages: BTreeMap<&str, Vec<Freshness>> = BTreeMap::new();
        let telling: BTreeSet<_> = entries.iter().filter(|entry| matters(entry)).filter_map(run_of).collect();
        for entry in entries {
            match entry {
                Entry::Run(event) if telling.contains(&event.run) => {
                    let run = match runs.entry(event.run) {
                        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                        std::collections::btree_map::Entry::Vacant(place) => {
                            place.insert(self.store.run(event.run)?)
                        }
                    };
                    let Some(run) = run else { continue };
                    if run.state.is_finished() {
                        continue;
                    }
                    fold::apply(run, &event.as_kept());
                    match &event.kind {
                        EventKind::RunStarted { .. } => happened.push(Happened::Started(run.clone())),
                        EventKind::RetryDecided { attempt, decided }
                            if matches!(decided.decision, RetryDecision::Retry { .. }) =>
                        {
                            happened.push(Happened::Retried(run.clone(), *attempt));
                        }
                        EventKind::RunFinished { .. } | EventKind::RunRefused { .. } => {
                            let is_resumed = entries.iter().any(|entry| match entry {
                                Entry::Run(event) => match &event.kind {
                                    EventKind::RunRequested { request } => request.resumes == Some(run.id),
                                    _ => false,
                                },
                                _ => false,
                            });
                            happened.push(Happened::Ended(run.clone(), is_resumed));
                        }
                        EventKind::ResultsRead { source: ResultsSource::Sources, results, .. } => {
                            let found = results.iter().filter_map(|result| {
                                let level = match result.state {
                                    NodeState::Pass | NodeState::Success => FreshnessLevel::Fresh,
                                    NodeState::Warn => FreshnessLevel::Warn,
                                    NodeState::Error => FreshnessLevel::Error,
                                    _ => return None,
                                };
                                let text = result.message.clone();
                                Some(Freshness { unique_id: result.unique_id.clone(), level, text })
                            });
                            let (project, found) = (run.request.project.clone(), found.collect());
                            happened.push(Happened::Fresh { project, run: Some(run.clone()), found });
                        }
                        _ => {}
                    }
                }
                Entry::Job(event) => {
                    let JobEventKind::TickDecided { trigger: Trigger::Schedule, tick, .. } = &event.kind
                    else {
                        continue;
                    };
                    let Some(job) = self.config.jobs.get(&event.job).filter(|_| is_missed(event.at, tick))
                    else {
                        continue;
                    };
                    // Each of many has an event of its own; who is told wants to know how many there were.
                    let (_, all) = missed
                        .entry(&event.job)
                        .or_insert_with(|| (job.project.clone(), Tick { count: 0, ..tick.clone() }));
                    *all = Tick { count: all.count + tick.count, ..tick.clone() };
                }
                Entry::Asset(event) => {
                    let (level, text) = match &event.kind {
                        AssetEventKind::AssetLate { fresh_within, last } => {
                            let last = match last {
                                Some(last) => format!("materialized {last:.0}"),
                                None => "never materialized".to_owned(),
                            };
                            let level = match fresh_within.severity {
                                Severity::Error => FreshnessLevel::Error,
                                Severity::Warn => FreshnessLevel::Warn,
                            };
                            let within = fresh_within.within;
                            (level, Some(format!("{last}, to be fresh within {within:#}")))
                        }
                        AssetEventKind::AssetOnTime { .. } | AssetEventKind::FreshnessUnset => {
                            (FreshnessLevel::Fresh, None)
                        }
                    };
                    let found = Freshness { unique_id: event.unique_id.clone(), level, text };
                    ages.entry(&event.project).or_default().push(found);
                }
                _ => {}
            }
        }
        happened.extend(missed.into_iter().map(|(job, (project, tick))| Happened::Missed {
            project,
            job: job.to_owned(),
            tick,
        }));
        happened.extend(ages.into_iter().map(|(project, found)| Happened::Fresh {
            project: project.to_owned(),
            run: None,
            found,
        }));
        Ok(happened)
    }

    /// Looks at whether a run is late when its time has come.
    pub(super) fn watch_lateness(
        &mut self,
        run: RunId,
        late_after: Option<jiff::SignedDuration>,
        at: Timestamp,
    ) {
        if let Some(after) = late_after {
            self.due.insert((later(at, after), super::limits::Due::Late(run)));
        }
    }

    /// A run has not ended in time, unless that was told before.
    pub(super) fn is_late(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)?.filter(|run| !run.state.is_finished()) else { return Ok(()) };
        let Some(after) = run.request.limits.late_after else { return Ok(()) };
        let due = later(run.requested_at, after);
        if due > self.world.now() {
            self.due.insert((due, super::limits::Due::Late(id)));
            return Ok(());
        }
        let mut alerts = self.alerts();
        let known = self.store.alerts_told(id, NotificationKind::RunLate)?;
        alerts.retain(|alert| !known.contains(&alert.name));
        let entries = self.tell_of(&alerts, &[Happened::Late(run)])?;
        if entries.is_empty() { Ok(()) } else { self.record(entries) }
    }

    /// Someone wants to hear nothing of an alert for a while, or to hear of it again.
    pub(super) fn snooze(
        &mut self,
        name: String,
        until: Option<Timestamp>,
        by: By,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let alerts = self.alerts();
        // Those of the plugins folder may not have been looked at yet.
        if self.store.standing(&name).is_none() && !alerts.iter().any(|alert| alert.name == name) {
            let near = nearest(&name, alerts.iter().map(|alert| alert.name.as_str()));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            return Ok(Err(Refusal { hint, ..Refusal::new(format!("there is no alert `{name}`")) }));
        }
        let kind = AlertEventKind::AlertSnoozed { until, by };
        self.record(vec![Entry::Alert(AlertEvent { alert: name, at: self.world.now(), kind })])?;
        Ok(Ok(()))
    }
}

/// Ticks that are decided upon so late were missed, whatever becomes of them.
fn is_missed(at: Timestamp, tick: &Tick) -> bool {
    tick.due < at.checked_sub(GRACE).unwrap_or(Timestamp::MIN)
}

/// Whether alerts may have something to tell of an entry.
fn matters(entry: &Entry) -> bool {
    match entry {
        Entry::Run(event) => matches!(
            event.kind,
            EventKind::RunStarted { .. }
                | EventKind::RetryDecided { .. }
                | EventKind::RunFinished { .. }
                | EventKind::RunRefused { .. }
                | EventKind::ResultsRead { source: ResultsSource::Sources, .. }
        ),
        Entry::Job(event) => match &event.kind {
            JobEventKind::TickDecided { trigger: Trigger::Schedule, tick, .. } => is_missed(event.at, tick),
            _ => false,
        },
        Entry::Asset(_) => true,
        Entry::Plugin(_) | Entry::Alert(_) | Entry::Call(_) | Entry::Host(_) => false,
    }
}

fn run_of(entry: &Entry) -> Option<RunId> {
    match entry {
        Entry::Run(event) => Some(event.run),
        _ => None,
    }
}
