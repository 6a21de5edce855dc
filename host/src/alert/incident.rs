//! Failures with one cause, over any number of runs: one message when it begins, and one when all of it is well.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Outcome,
    consider::{Bad, View, recovery, worst},
    nodes::Below,
};
use crate::model::{Change, NotificationKind, Subject};

impl View<'_> {
    pub(super) fn incidents(&mut self, bad: &Bad<'_>, well: Vec<Subject>, job_is_well: bool) {
        let (run, title) = (bad.run, bad.run.title());
        let mut changes = Vec::new();
        // Incidents that have more to them than was told.
        let mut news: BTreeSet<u64> = BTreeSet::new();
        let mut fresh_of_job = false;
        if !bad.subjects.is_empty() {
            let below = Below::of(&self.standing, &run.request.project, self.project);
            let same_run = self.standing.incidents.iter().find(|(_, incident)| incident.run == run.id);
            let same_run = same_run.map(|(number, _)| *number);
            // The job was failing when this run began.
            let of_job = self.standing.incident_of_job(&title).filter(|_| bad.is_run);
            let next = self.standing.last_incident + 1;
            let mut parts: BTreeMap<u64, Vec<Subject>> = BTreeMap::new();
            for subject in &bad.subjects {
                let known = self.standing.failing.get(subject);
                let above = || subject.unique_id().and_then(|id| below.incident(id));
                let tied = known.and_then(|failing| failing.incident).or(same_run).or_else(above);
                let incident = tied.or(of_job).unwrap_or(next);
                fresh_of_job |= tied.is_none() && of_job.is_some();
                if known.is_none_or(|failing| failing.incident.is_none() || !failing.jobs.contains(&title)) {
                    parts.entry(incident).or_default().push(subject.clone());
                }
                let told = self.standing.incidents.get(&incident).is_some_and(|i| i.told.is_some());
                if !told || (tied.is_none() && !self.rule.changes_only) {
                    news.insert(incident);
                }
            }
            if parts.contains_key(&next) {
                changes.push(Change::Opened { incident: next, run: run.id, job: title.clone() });
            }
            for (incident, subjects) in parts {
                changes.push(Change::Failing {
                    subjects,
                    incident: Some(incident),
                    job: Some(title.clone()),
                });
            }
            self.learn(&changes);
            self.tell_of_failure(bad, &news, changes, fresh_of_job && self.rule.changes_only);
        }
        self.close(bad, well, job_is_well);
    }

    fn tell_of_failure(&mut self, bad: &Bad<'_>, news: &BTreeSet<u64>, changes: Vec<Change>, of_job: bool) {
        let title = bad.run.title();
        let in_news = |subject: &&Subject| {
            let incident = self.standing.failing.get(subject).and_then(|failing| failing.incident);
            incident.is_some_and(|number| news.contains(&number))
        };
        let fresh: Vec<_> = bad.subjects.iter().filter(in_news).cloned().collect();
        let all: Vec<_> = bad.subjects.iter().filter(|s| s.unique_id().is_some()).cloned().collect();
        let (kind, about, shown) = if bad.is_run {
            (NotificationKind::RunFailed, vec![Subject::Job(title.clone())], all)
        } else if fresh.is_empty() {
            (worst(&bad.subjects), Vec::new(), Vec::new())
        } else {
            (worst(&fresh), fresh.clone(), fresh.clone())
        };
        let known = || {
            let first = bad.subjects.iter().find_map(|s| self.standing.failing.get(s)?.incident);
            let incident = first.and_then(|number| self.standing.incidents.get(&number));
            let since = incident.map(|i| format!("the incident that began with run {} of {}", i.run, i.job));
            let since = since.unwrap_or_else(|| "an incident".to_owned());
            if of_job {
                format!("{title} was failing already, in {since}")
            } else {
                format!("all of it belongs to {since}, and that was told")
            }
        };
        let reason = if news.is_empty() { Some(known()) } else { self.silence(kind, &about) };
        // What is learned is learned already; told twice it is the same.
        match reason {
            Some(reason) => self.suppress(kind, &title, reason, changes),
            None => {
                let mut changes = changes;
                let incidents = news.iter().copied().collect();
                changes.push(Change::Told { kind, subjects: Vec::new(), incidents });
                changes.extend(self.quiet(kind, &about));
                self.tell(kind, shown, changes);
            }
        }
    }

    /// What is well leaves its incident, and the last to leave closes it.
    fn close(&mut self, bad: &Bad<'_>, well: Vec<Subject>, job_is_well: bool) {
        let title = bad.run.title();
        let mut changes = Vec::new();
        if !well.is_empty() {
            changes.push(Change::Well { subjects: well.clone() });
        }
        let knows_job = self.standing.failing.values().any(|failing| failing.jobs.contains(&title));
        if job_is_well && knows_job && self.asks_for(NotificationKind::RunFailed) {
            changes.push(Change::JobWell { job: title.clone() });
        }
        if changes.is_empty() {
            return;
        }
        let incident_of = |subject: &Subject| self.standing.failing.get(subject).and_then(|f| f.incident);
        let left: BTreeMap<Subject, Option<u64>> =
            well.iter().map(|subject| (subject.clone(), incident_of(subject))).collect();
        self.learn(&changes);
        let alive: BTreeSet<_> = self.standing.failing.values().filter_map(|f| f.incident).collect();
        let over: Vec<_> =
            self.standing.incidents.iter().filter(|(number, _)| !alive.contains(number)).collect();
        let over: Vec<_> = over.into_iter().map(|(number, incident)| (*number, incident.clone())).collect();
        for (number, incident) in over {
            let mut changes = std::mem::take(&mut changes);
            changes.push(Change::Closed { incident: number });
            let kind = incident.told.and_then(|(kind, _)| recovery(kind)).filter(|kind| self.asks_for(*kind));
            // Also where it is snoozed: who has heard the beginning must hear the end.
            match kind {
                Some(kind) => {
                    let shown = left.iter().filter(|(s, i)| **i == Some(number) && s.unique_id().is_some());
                    let shown = shown.map(|(subject, _)| subject.clone()).collect();
                    self.tell(kind, shown, changes);
                    if let Some(Outcome::Tell(telling)) = self.out.last_mut() {
                        telling.total = incident.members;
                        telling.began = Some((incident.run, incident.job));
                    }
                }
                None => self.note(changes),
            }
        }
        self.note(changes);
    }
}
