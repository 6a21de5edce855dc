//! What is told of a happening, and what is not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Freshness, FreshnessLevel, Happening, Outcome, Standing, Telling,
    nodes::{final_nodes, is_meant, is_well, owners_of},
};
use crate::model::{
    AlertRule, Change, GroupBy, NodeRun, NotificationKind, Project, ResourceType, Run, RunState, Subject,
};

/// What an alert makes of a happening. The project is the one that it is about, where that is known.
pub fn consider(
    rule: &AlertRule,
    standing: &Standing,
    happening: &Happening<'_>,
    project: Option<&Project>,
    now: Timestamp,
) -> Vec<Outcome> {
    let mut view = View { rule, project, now, standing: standing.clone(), out: Vec::new() };
    match *happening {
        Happening::RunStarted(run) => view.of_run(NotificationKind::RunStarted, run),
        Happening::RunLate(run) => view.of_run(NotificationKind::RunLate, run),
        Happening::RetryScheduled { run, attempt } => {
            if !rule.after_last_retry
                && view.concerns(run)
                && let Some(attempt) = run.attempt(attempt)
            {
                view.nodes_of(
                    run,
                    &attempt.nodes.values().map(|n| (n.unique_id.as_str(), n)).collect(),
                    false,
                );
            }
            view.of_run(NotificationKind::RetryScheduled, run);
        }
        Happening::RunEnded { run, is_resumed } => view.ended(run, is_resumed),
        Happening::TicksMissed { project, job, .. } => {
            // Of a run that there is not, no node is known.
            if view.is_of(project, Some(job)) && rule.tags.is_empty() && rule.owners.is_empty() {
                view.plain(NotificationKind::ScheduleMissed, job, Vec::new());
            }
        }
        Happening::Freshness { project, found, .. } => {
            if view.is_of(project, None) {
                view.freshness(project, found);
            }
        }
    }
    view.out
}

/// A happening as one alert sees it.
pub(super) struct View<'a> {
    pub(super) rule: &'a AlertRule,
    pub(super) project: Option<&'a Project>,
    pub(super) now: Timestamp,
    /// What the alert knows, with what it has learned of this happening.
    pub(super) standing: Standing,
    pub(super) out: Vec<Outcome>,
}

/// What has failed, as far as an alert asks for it.
pub(super) struct Bad<'a> {
    pub(super) run: &'a Run,
    /// Whether the run's own failure is among it.
    pub(super) is_run: bool,
    pub(super) subjects: Vec<Subject>,
}

impl View<'_> {
    fn is_of(&self, project: &str, job: Option<&str>) -> bool {
        let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        named(&self.rule.projects, project)
            && (self.rule.jobs.is_empty() || job.is_some_and(|job| named(&self.rule.jobs, job)))
    }

    fn concerns(&self, run: &Run) -> bool {
        self.is_of(&run.request.project, run.request.job.as_deref())
    }

    pub(super) fn asks_for(&self, kind: NotificationKind) -> bool {
        self.rule.on.contains(&kind)
    }

    fn means(&self, unique_id: &str) -> bool {
        is_meant(self.rule, self.project, unique_id)
    }

    /// Whether a run is meant: one of its failed nodes is, or of those that it had, where none failed.
    fn means_run(&self, nodes: &BTreeMap<&str, &NodeRun>) -> bool {
        if self.rule.tags.is_empty() && self.rule.owners.is_empty() {
            return true;
        }
        let mut failed = nodes.values().filter(|node| node.state.is_failure()).peekable();
        match failed.peek() {
            Some(_) => failed.any(|node| self.means(&node.unique_id)),
            None => nodes.keys().any(|id| self.means(id)),
        }
    }

    pub(super) fn learn(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.standing.learn(change, self.now));
    }

    /// Something about a run that is told whenever it happens.
    fn of_run(&mut self, kind: NotificationKind, run: &Run) {
        if self.asks_for(kind) && self.concerns(run) && self.means_run(&final_nodes(run)) {
            self.plain(kind, &run.title(), Vec::new());
        }
    }

    fn plain(&mut self, kind: NotificationKind, title: &str, subjects: Vec<Subject>) {
        if !self.asks_for(kind) {
            return;
        }
        let about = vec![Subject::Job(title.to_owned())];
        match self.silence(kind, &about) {
            Some(reason) => self.suppress(kind, title, reason, Vec::new()),
            None => {
                let changes = self.quiet(kind, &about);
                self.tell(kind, subjects, changes);
            }
        }
    }

    pub(super) fn tell(&mut self, kind: NotificationKind, subjects: Vec<Subject>, changes: Vec<Change>) {
        let total = subjects.len();
        self.learn(&changes);
        self.out.push(Outcome::Tell(Telling { kind, subjects, total, owner: None, began: None, changes }));
    }

    pub(super) fn suppress(
        &mut self,
        kind: NotificationKind,
        title: &str,
        reason: String,
        changes: Vec<Change>,
    ) {
        self.learn(&changes);
        self.out.push(Outcome::Suppress { kind, title: title.to_owned(), reason, changes });
    }

    pub(super) fn note(&mut self, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.learn(&changes);
            self.out.push(Outcome::Note(changes));
        }
    }

    /// Why nothing is told, though there is something to tell.
    pub(super) fn silence(&self, kind: NotificationKind, about: &[Subject]) -> Option<String> {
        if let Some(reason) = self.snooze() {
            return Some(reason);
        }
        let quiet = !about.is_empty() && about.iter().all(|s| self.is_quiet(kind, s));
        quiet.then(|| format!("told less than {} before", words(self.rule.suppress)))
    }

    fn is_quiet(&self, kind: NotificationKind, subject: &Subject) -> bool {
        self.standing.is_quiet(kind, subject, self.now, self.rule.suppress)
    }

    pub(super) fn snooze(&self) -> Option<String> {
        self.standing.snoozed(self.now).map(|(until, by)| format!("snoozed by {by} until {until:.0}"))
    }

    pub(super) fn quiet(&self, kind: NotificationKind, about: &[Subject]) -> Vec<Change> {
        if self.rule.suppress.is_zero() || about.is_empty() {
            return Vec::new();
        }
        let until = self.now.checked_add(self.rule.suppress).unwrap_or(Timestamp::MAX);
        vec![Change::Quiet { kind, subjects: about.to_vec(), until }]
    }

    fn ended(&mut self, run: &Run, is_resumed: bool) {
        if !self.concerns(run) {
            return;
        }
        let nodes = final_nodes(run);
        // What another run goes on with by itself has not ended yet.
        if is_resumed {
            return self.nodes_of(run, &nodes, true);
        }
        let before = self.out.len();
        self.nodes_of(run, &nodes, false);
        let kind = match run.state {
            RunState::Succeeded | RunState::Warned | RunState::Empty => NotificationKind::RunSucceeded,
            RunState::Cancelled => NotificationKind::RunCancelled,
            RunState::Incomplete => NotificationKind::RunIncomplete,
            _ => return,
        };
        let has_recovered = self.out[before..].iter().any(
            |outcome| matches!(outcome, Outcome::Tell(telling) if telling.kind == NotificationKind::RunRecovered),
        );
        if self.asks_for(kind) && !has_recovered && self.means_run(&nodes) {
            self.plain(kind, &run.title(), Vec::new());
        }
    }

    /// What a run, or an attempt of one that has not ended, shows of nodes and its job. Of a run that is resumed only what is
    /// well counts: the rest is not over.
    fn nodes_of(&mut self, run: &Run, nodes: &BTreeMap<&str, &NodeRun>, only_well: bool) {
        let subject =
            |id: &str| Subject::Node { project: run.request.project.clone(), unique_id: id.to_owned() };
        let failed: Vec<_> = nodes.values().filter(|node| node.state.is_failure()).collect();
        let meant: Vec<_> = failed.iter().filter(|node| self.means(&node.unique_id)).collect();
        let run_failed = matches!(run.state, RunState::Failed | RunState::Refused | RunState::Interrupted);
        let is_meant = if failed.is_empty() { self.means_run(nodes) } else { !meant.is_empty() };
        let is_run = run_failed && !only_well && self.asks_for(NotificationKind::RunFailed) && is_meant;
        let wanted = |node: &NodeRun| match kind_of(&node.resource_type) {
            Some(kind) => self.asks_for(kind),
            None => false,
        };
        let mut subjects: Vec<_> = meant
            .iter()
            .filter(|node| is_run || wanted(node))
            .map(|node| subject(&node.unique_id))
            .filter(|_| !only_well)
            .collect();
        if is_run && failed.is_empty() {
            subjects.push(Subject::Job(run.title()));
        }
        let bad = Bad { run, is_run, subjects };
        let well: Vec<_> = nodes
            .values()
            .filter(|node| is_well(&node.state))
            .map(|node| subject(&node.unique_id))
            .chain(self.gone(&run.request.project))
            .filter(|subject| self.standing.failing.contains_key(subject))
            .collect();
        let job_is_well = matches!(run.state, RunState::Succeeded | RunState::Warned);
        if self.rule.group_by == GroupBy::Incident {
            self.incidents(&bad, well, job_is_well);
        } else {
            self.one_by_one(bad, well, job_is_well);
        }
    }

    /// What was failing and is no part of the project any more.
    fn gone(&self, name: &str) -> Vec<Subject> {
        let Some(known) = self.project.filter(|project| !project.assets.is_empty()) else {
            return Vec::new();
        };
        let is_gone = |subject: &&Subject| match subject {
            Subject::Node { project, unique_id } => {
                project == name && known.asset(unique_id).is_none() && known.check(unique_id).is_none()
            }
            _ => false,
        };
        self.standing.failing.keys().filter(is_gone).cloned().collect()
    }

    /// Runs and nodes are told of by themselves.
    fn one_by_one(&mut self, bad: Bad<'_>, well: Vec<Subject>, job_is_well: bool) {
        let Bad { run, is_run, subjects } = bad;
        let title = run.title();
        let job = Subject::Job(title.clone());
        let mut nodes: Vec<_> = subjects.into_iter().filter(|s| s.unique_id().is_some()).collect();
        if is_run {
            let kind = NotificationKind::RunFailed;
            let was_told = self.standing.failing.get(&job).is_some_and(|failing| failing.told.is_some());
            let about = vec![job.clone()];
            let mut changes =
                vec![Change::Failing { subjects: about.clone(), incident: None, job: Some(title.clone()) }];
            let reason = (was_told && self.rule.changes_only).then(|| format!("{title} was failing already"));
            match reason.or_else(|| self.silence(kind, &about)) {
                Some(reason) => self.suppress(kind, &title, reason, changes),
                None => {
                    changes.extend(self.failing(nodes.clone(), Some(title.clone())));
                    let told = about.iter().chain(&nodes).cloned().collect();
                    changes.push(Change::Told { kind, subjects: told, incidents: Vec::new() });
                    changes.extend(self.quiet(kind, &about));
                    self.tell_grouped(kind, std::mem::take(&mut nodes), changes);
                }
            }
        }
        // What the run's message has told is not told again.
        let asked =
            |view: &Self, subject: &Subject| kind_of_subject(subject).is_some_and(|k| view.asks_for(k));
        nodes.retain(|subject| asked(self, subject));
        self.failed_nodes(nodes, &title);
        self.recovered_nodes(well);
        if job_is_well && let Some(failing) = self.standing.failing.get(&job) {
            let changes = vec![Change::Well { subjects: vec![job] }];
            if failing.told.is_some() && self.asks_for(NotificationKind::RunRecovered) {
                self.tell(NotificationKind::RunRecovered, Vec::new(), changes);
            } else {
                self.note(changes);
            }
        }
    }

    /// That these are failing, where that is new.
    pub(super) fn failing(&self, subjects: Vec<Subject>, job: Option<String>) -> Option<Change> {
        let is_new = |subject: &Subject| {
            self.standing
                .failing
                .get(subject)
                .is_none_or(|f| job.as_ref().is_some_and(|j| !f.jobs.contains(j)))
        };
        let subjects: Vec<_> = subjects.into_iter().filter(is_new).collect();
        (!subjects.is_empty()).then_some(Change::Failing { subjects, incident: None, job })
    }

    fn failed_nodes(&mut self, nodes: Vec<Subject>, title: &str) {
        if nodes.is_empty() {
            return;
        }
        let known = self.failing(nodes.clone(), Some(title.to_owned()));
        self.note(known.into_iter().collect());
        let kind = worst(&nodes);
        if let Some(reason) = self.snooze() {
            return self.suppress(kind, title, reason, Vec::new());
        }
        let told = |s: &Subject| self.standing.failing.get(s).is_some_and(|failing| failing.told.is_some());
        let fresh: Vec<_> = nodes.into_iter().filter(|s| !self.rule.changes_only || !told(s)).collect();
        if fresh.is_empty() {
            return self.suppress(kind, title, "all of it was failing already".to_owned(), Vec::new());
        }
        let quiet = |s: &Subject| kind_of_subject(s).is_some_and(|k| self.is_quiet(k, s));
        let fresh: Vec<_> = fresh.into_iter().filter(|subject| !quiet(subject)).collect();
        if fresh.is_empty() {
            let reason = format!("told less than {} before", words(self.rule.suppress));
            return self.suppress(kind, title, reason, Vec::new());
        }
        let mut changes = vec![Change::Told { kind, subjects: fresh.clone(), incidents: Vec::new() }];
        for kind in [NotificationKind::AssetFailed, NotificationKind::CheckFailed] {
            let these: Vec<_> = fresh.iter().filter(|s| kind_of_subject(s) == Some(kind)).cloned().collect();
            changes.extend(self.quiet(kind, &these));
        }
        self.tell_grouped(kind, fresh, changes);
    }

    /// What was told to be failing is told to be well, snoozed or not: who has heard the one must hear the other.
    fn recovered_nodes(&mut self, well: Vec<Subject>) {
        let asked = |view: &Self, subject: &Subject| {
            let told = view.standing.failing.get(subject).is_some_and(|failing| failing.told.is_some());
            told && !view.recovers_with_run(subject)
                && kind_of_subject(subject).and_then(recovery).is_some_and(|kind| view.asks_for(kind))
        };
        let (told, untold): (Vec<_>, Vec<_>) = well.into_iter().partition(|subject| asked(self, subject));
        if !untold.is_empty() {
            self.note(vec![Change::Well { subjects: untold }]);
        }
        if told.is_empty() {
            return;
        }
        let kind = recovery(worst(&told)).unwrap_or(NotificationKind::AssetRecovered);
        let changes = vec![Change::Well { subjects: told.clone() }];
        self.tell_grouped(kind, told, changes);
    }

    /// Whether a node's failure was told as a part of its run's, so that its recovery is a part of that one's too.
    fn recovers_with_run(&self, subject: &Subject) -> bool {
        let failing = &self.standing.failing;
        let is_told =
            |job: &String| failing.get(&Subject::Job(job.clone())).is_some_and(|f| f.told.is_some());
        self.rule.group_by == GroupBy::Run
            && self.asks_for(NotificationKind::RunRecovered)
            && failing.get(subject).is_some_and(|node| {
                node.told == Some(NotificationKind::RunFailed) && node.jobs.iter().any(is_told)
            })
    }

    fn freshness(&mut self, project: &str, found: &[Freshness]) {
        let mut by_kind: BTreeMap<NotificationKind, Vec<Subject>> = BTreeMap::new();
        let mut well = Vec::new();
        for Freshness { unique_id, level, .. } in found {
            let subject = Subject::Fresh { project: project.to_owned(), unique_id: unique_id.clone() };
            let known = self.standing.failing.get(&subject);
            let kind = match level {
                FreshnessLevel::Error => Some(NotificationKind::FreshnessError),
                FreshnessLevel::Warn => Some(NotificationKind::FreshnessWarn),
                FreshnessLevel::Fresh => None,
            };
            match kind.filter(|kind| self.asks_for(*kind) && self.means(unique_id)) {
                Some(kind) => {
                    let was_told = known.is_some_and(|failing| failing.told == Some(kind));
                    if !(was_told && self.rule.changes_only) {
                        by_kind.entry(kind).or_default().push(subject);
                    }
                }
                None if known.is_some() => well.push(subject),
                None => {}
            }
        }
        for (kind, subjects) in by_kind {
            let known = self.failing(subjects.clone(), None);
            self.note(known.into_iter().collect());
            let (quiet, fresh): (Vec<_>, Vec<_>) =
                subjects.into_iter().partition(|subject| self.is_quiet(kind, subject));
            if let Some(reason) = self.snooze() {
                let all: Vec<_> = quiet.into_iter().chain(fresh).collect();
                self.suppress(kind, &named(&all), reason, Vec::new());
                continue;
            }
            if !quiet.is_empty() {
                let reason = format!("told less than {} before", words(self.rule.suppress));
                self.suppress(kind, &named(&quiet), reason, Vec::new());
            }
            if !fresh.is_empty() {
                let mut changes = vec![Change::Told { kind, subjects: fresh.clone(), incidents: Vec::new() }];
                changes.extend(self.quiet(kind, &fresh));
                self.tell_grouped(kind, fresh, changes);
            }
        }
        let is_told =
            |s: &Subject| self.standing.failing.get(s).is_some_and(|failing| failing.told.is_some());
        let (told, untold): (Vec<_>, Vec<_>) = well.into_iter().partition(is_told);
        if !untold.is_empty() {
            self.note(vec![Change::Well { subjects: untold }]);
        }
        if told.is_empty() {
            return;
        }
        let (kind, changes) =
            (NotificationKind::FreshnessRecovered, vec![Change::Well { subjects: told.clone() }]);
        if self.asks_for(kind) {
            self.tell_grouped(kind, told, changes);
        } else {
            self.note(changes);
        }
    }

    /// One message, or one for each owner or each node.
    fn tell_grouped(&mut self, kind: NotificationKind, subjects: Vec<Subject>, changes: Vec<Change>) {
        let groups: Vec<(Option<String>, Vec<Subject>)> = match self.rule.group_by {
            _ if subjects.is_empty() => vec![(None, subjects)],
            GroupBy::Incident | GroupBy::Run => vec![(None, subjects)],
            GroupBy::Asset => subjects.into_iter().map(|subject| (None, vec![subject])).collect(),
            GroupBy::Owner => {
                let mut by_owner: BTreeMap<Option<String>, Vec<Subject>> = BTreeMap::new();
                for subject in subjects {
                    let id = subject.unique_id().unwrap_or_default();
                    let mut owners = self.project.map(|p| owners_of(p, id)).unwrap_or_default();
                    if !self.rule.owners.is_empty() {
                        owners.retain(|owner| self.rule.owners.contains(owner));
                    }
                    let owners: BTreeSet<_> = owners.into_iter().map(Some).collect();
                    let owners = if owners.is_empty() { BTreeSet::from([None]) } else { owners };
                    for owner in owners {
                        by_owner.entry(owner).or_default().push(subject.clone());
                    }
                }
                by_owner.into_iter().collect()
            }
        };
        // The changes go with the first message: all of them are committed together.
        let mut changes = Some(changes);
        for (owner, subjects) in groups {
            let kind = match kind {
                NotificationKind::AssetFailed | NotificationKind::CheckFailed => worst(&subjects),
                NotificationKind::AssetRecovered | NotificationKind::CheckRecovered => {
                    recovery(worst(&subjects)).unwrap_or(kind)
                }
                kind => kind,
            };
            self.tell(kind, subjects, changes.take().unwrap_or_default());
            if let Some(Outcome::Tell(telling)) = self.out.last_mut() {
                telling.owner = owner;
            }
        }
    }
}

/// The kind of a failure of a node. A source that is not fresh is no asset that failed.
fn kind_of(resource_type: &ResourceType) -> Option<NotificationKind> {
    match resource_type {
        ResourceType::Source => None,
        kind if kind.is_check() => Some(NotificationKind::CheckFailed),
        _ => Some(NotificationKind::AssetFailed),
    }
}

fn kind_of_subject(subject: &Subject) -> Option<NotificationKind> {
    match subject {
        Subject::Node { unique_id, .. } => kind_of(&ResourceType::of_unique_id(unique_id)),
        Subject::Job(_) | Subject::Fresh { .. } => None,
    }
}

/// What failures of some nodes together are called.
pub(super) fn worst(subjects: &[Subject]) -> NotificationKind {
    let only_checks = !subjects.is_empty()
        && subjects.iter().all(|s| kind_of_subject(s) == Some(NotificationKind::CheckFailed));
    if only_checks { NotificationKind::CheckFailed } else { NotificationKind::AssetFailed }
}

/// What the end of a failure is called.
pub(super) fn recovery(kind: NotificationKind) -> Option<NotificationKind> {
    Some(match kind {
        NotificationKind::RunFailed => NotificationKind::RunRecovered,
        NotificationKind::AssetFailed => NotificationKind::AssetRecovered,
        NotificationKind::CheckFailed => NotificationKind::CheckRecovered,
        NotificationKind::FreshnessWarn | NotificationKind::FreshnessError => {
            NotificationKind::FreshnessRecovered
        }
        _ => return None,
    })
}

/// Some subjects in a line.
pub(super) fn named(subjects: &[Subject]) -> String {
    let name = |subject: &Subject| match subject {
        Subject::Job(job) => job.clone(),
        other => other.unique_id().unwrap_or_default().to_owned(),
    };
    match subjects {
        [] => String::new(),
        [one] => name(one),
        [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
    }
}

pub(super) fn words(span: SignedDuration) -> String {
    format!("{span:#}")
}
