//! Notifications in words: what a good message needs, from what the host knows.
//!
//! Owns titles and sentences, what is worst, and how much is said at most. Decides nothing about who is told of what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    alert::{Freshness, FreshnessLevel, Happening, Telling, final_nodes, owners_of},
    model::{
        Attempt, NodeRun, NodeState, Notification, NotificationKind, NotifiedAttempt, NotifiedNode,
        NotifiedRun, Project, ResourceType, RetryDecision, Run, RunState, Subject, first_line, shell_words,
    },
};

/// Longer lists are cut; how many there are is said beside them.
const MOST: usize = 1_000;

/// dbt's texts are cut after so many bytes.
const LONGEST_DETAIL: usize = 4 << 10;

/// So many bytes of texts and queries are told of all nodes together; what comes later has its first line.
const MOST_DETAIL: usize = 512 << 10;

/// What a message is made of.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What happened.
    pub happening: &'a Happening<'a>,
    /// The project that it happened to, where that is known.
    pub project: Option<&'a Project>,
    /// The address of the UI, without a slash at its end.
    pub url: &'a str,
    /// How long the job usually takes.
    pub usually: Option<SignedDuration>,
    /// The time.
    pub now: Timestamp,
}

/// Puts into words what an alert has to tell. The notification's id comes with its event.
pub fn compose(alert: &str, telling: &Telling, about: &About<'_>) -> Notification {
    let run = about.run();
    let nodes = about.nodes(telling);
    let skipped = run.map(|run| about.skipped(run, telling)).unwrap_or_default();
    let owners: BTreeSet<_> = match &telling.owner {
        Some(owner) => BTreeSet::from([owner.clone()]),
        None => nodes.iter().flat_map(|node| node.owners.iter().cloned()).collect(),
    };
    let (title, text) = about.words(telling, &nodes, skipped.len());
    let (project, job) = match *about.happening {
        Happening::TicksMissed { project, job, .. } => (Some(project.to_owned()), Some(job.to_owned())),
        Happening::Freshness { project, .. } => (Some(project.to_owned()), None),
        _ => (run.map(|run| run.request.project.clone()), run.and_then(|run| run.request.job.clone())),
    };
    let link = match (run, &nodes[..]) {
        (Some(run), _) => Some(format!("{}/runs/{}", about.url, run.id)),
        (None, [only]) => only.link.clone(),
        (None, _) => None,
    };
    Notification {
        id: String::new(),
        kind: telling.kind,
        at: about.now,
        title,
        text,
        alert: alert.to_owned(),
        project,
        job,
        run: run.map(|run| about.notified_run(run)),
        nodes_total: count(telling.total.max(nodes.len())),
        nodes: nodes.into_iter().take(MOST).collect(),
        skipped_total: count(skipped.len()),
        skipped: skipped.into_iter().take(MOST).collect(),
        owners: owners.into_iter().collect(),
        link,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl<'a> About<'a> {
    fn run(&self) -> Option<&'a Run> {
        match *self.happening {
            Happening::RunStarted(run) | Happening::RunLate(run) => Some(run),
            Happening::RetryScheduled { run, .. } | Happening::RunEnded { run, .. } => Some(run),
            Happening::TicksMissed { .. } | Happening::Freshness { .. } => None,
        }
    }

    fn notified_run(&self, run: &Run) -> NotifiedRun {
        let attempts = run.steps.iter().flat_map(|step| &step.attempts);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for node in final_nodes(run).values() {
            *counts.entry(node.state.as_str().to_owned()).or_default() += 1;
        }
        let span = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let took = to?.duration_since(from?);
            (!took.is_negative()).then_some(took)
        };
        NotifiedRun {
            id: run.id,
            state: run.state.to_string(),
            reason: run.reason.clone(),
            user: run.request.launch.user.clone(),
            via: run.request.launch.via.clone(),
            target: attempts.clone().filter_map(|a| a.target.clone()).next_back(),
            requested_at: run.requested_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            took: span(run.started_at, run.finished_at),
            usually_took: self.usually,
            counts: counts.into_iter().collect(),
            attempts: attempts
                .map(|attempt| NotifiedAttempt {
                    step: attempt.id.step,
                    attempt: attempt.id.attempt,
                    command: shell_words(&attempt.command),
                    state: attempt.state.to_string(),
                    reason: attempt.reason.clone(),
                    decision: decision(run, attempt),
                    took: span(Some(attempt.started_at), attempt.finished_at),
                })
                .collect(),
            link: Some(format!("{}/runs/{}", self.url, run.id)),
        }
    }

    /// The nodes that it is about, worst first: what could not be built before what was found wrong, and what held up most
    /// before the rest.
    fn nodes(&self, telling: &Telling) -> Vec<NotifiedNode> {
        let known = match *self.happening {
            Happening::RetryScheduled { run, attempt } => run
                .attempt(attempt)
                .map(|attempt| attempt.nodes.values().map(|n| (n.unique_id.as_str(), n)).collect())
                .unwrap_or_default(),
            _ => self.run().map(final_nodes).unwrap_or_default(),
        };
        let mut held_up: BTreeMap<&str, usize> = BTreeMap::new();
        for cause in known.values().filter_map(|node| node.skipped_because_of.as_deref()) {
            *held_up.entry(cause).or_default() += 1;
        }
        let failed =
            known.values().filter(|node| node.state.is_failure()).map(|node| node.unique_id.as_str());
        let mut ids: Vec<&str> = match telling.kind {
            // Who is told of another attempt wants to know why.
            NotificationKind::RetryScheduled | NotificationKind::RunCancelled => failed.collect(),
            _ => telling.subjects.iter().filter_map(Subject::unique_id).collect(),
        };
        let rank = |id: &str| match known.get(id).map(|node| &node.state) {
            Some(NodeState::Error | NodeState::RuntimeError) => 0,
            Some(NodeState::PartialSuccess) => 1,
            _ => 2,
        };
        ids.sort_by_cached_key(|id| {
            (rank(id), std::cmp::Reverse(held_up.get(id).copied().unwrap_or(0)), (*id).to_owned())
        });
        let mut left = MOST_DETAIL;
        let told = ids.iter().take(MOST).map(|id| self.node(id, known.get(*id).copied(), &mut left));
        told.collect()
    }

    fn node(&self, id: &str, run: Option<&NodeRun>, left: &mut usize) -> NotifiedNode {
        let resource_type = ResourceType::of_unique_id(id);
        let asset = self.project.and_then(|project| project.asset(id));
        let check = self.project.and_then(|project| project.check(id));
        let looked_at = check.and_then(|check| self.project?.asset(check.assets.first()?));
        let key = asset.or(looked_at).map(|asset| asset.shape.key.to_string());
        let found = match *self.happening {
            Happening::Freshness { found, .. } => found.iter().find(|found| found.unique_id == id),
            _ => None,
        };
        let text = run.and_then(|node| node.message.clone()).or_else(|| found.and_then(|f| f.text.clone()));
        let mut afford = |text: &str, most: usize| {
            let text = cut(text, most.min(*left));
            *left -= text.len();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let detail = text.as_deref().filter(|text| text.trim().lines().count() > 1);
        let name = asset.map(|a| a.name.clone()).or_else(|| check.map(|c| c.name.clone()));
        NotifiedNode {
            unique_id: id.to_owned(),
            link: key.as_deref().map(|key| format!("{}/assets/{}", self.url, path(key))),
            asset_key: key,
            name: name.unwrap_or_else(|| name_of(id)),
            state: match (run, found) {
                (Some(node), _) => node.state.to_string(),
                (None, Some(found)) => fresh_state(&resource_type, found).to_owned(),
                (None, None) => String::new(),
            },
            resource_type: resource_type.to_string(),
            message: text.as_deref().map(|text| brief(first_line(text), 500)).filter(|t| !t.is_empty()),
            detail: detail.and_then(|text| afford(text, LONGEST_DETAIL)),
            failures: run.and_then(|node| node.failures),
            query: run.and_then(|node| node.query.as_deref()).and_then(|query| afford(query, usize::MAX)),
            path: asset
                .map(|a| a.original_file_path.clone())
                .or_else(|| check.map(|c| c.original_file_path.clone())),
            owners: self.project.map(|project| owners_of(project, id)).unwrap_or_default(),
            took: run
                .and_then(|node| node.execution_time)
                .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok()),
        }
    }

    /// The keys of what was skipped because of what is told.
    fn skipped(&self, run: &Run, telling: &Telling) -> Vec<String> {
        if telling.kind.severity() == crate::model::NotificationSeverity::Info {
            return Vec::new();
        }
        let told: BTreeSet<_> = telling.subjects.iter().filter_map(Subject::unique_id).collect();
        let all =
            telling.owner.is_none() && matches!(telling.kind, NotificationKind::RunFailed) || told.is_empty();
        let mut keys: Vec<_> = final_nodes(run)
            .values()
            .filter(|node| node.state == NodeState::Skipped && node.resource_type.is_asset())
            .filter(|node| all || node.skipped_because_of.as_deref().is_some_and(|id| told.contains(id)))
            .map(|node| {
                let asset = self.project.and_then(|project| project.asset(&node.unique_id));
                asset.map_or_else(|| name_of(&node.unique_id), |asset| asset.shape.key.to_string())
            })
            .collect();
        keys.sort();
        keys
    }

    fn words(&self, telling: &Telling, nodes: &[NotifiedNode], skipped: usize) -> (String, Option<String>) {
        let title = self.run().map(Run::title).unwrap_or_default();
        let title = brief(&title, 120);
        let title = title.as_str();
        let total = telling.total.max(nodes.len());
        let held_up = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let run = self.run();
        let reason =
            run.and_then(|run| run.reason.as_deref()).map(first_line).filter(|line| !line.is_empty());
        let because = reason.map(|line| format!(": {}", brief(line, 200))).unwrap_or_default();
        let began = telling.began.as_ref();
        match telling.kind {
            NotificationKind::RunStarted => (format!("{title} started"), self.why()),
            NotificationKind::RunSucceeded => match run.map(|run| run.state) {
                Some(RunState::Warned) => (format!("{title} succeeded with warnings"), None),
                Some(RunState::Empty) => (format!("{title} had nothing to do"), reason.map(str::to_owned)),
                _ => (format!("{title} succeeded"), None),
            },
            NotificationKind::RunFailed => {
                let what = match run.map(|run| run.state) {
                    Some(RunState::Refused) => "could not start",
                    Some(RunState::Interrupted) => "was interrupted",
                    _ => "failed",
                };
                if nodes.is_empty() {
                    return (format!("{title} {what}{because}"), None);
                }
                let failed = match &telling.owner {
                    Some(owner) => format!("{} of {owner}", kinds(nodes, total)),
                    None => kinds(nodes, total),
                };
                (format!("{title} {what}: {failed} failed{held_up}"), self.compared())
            }
            NotificationKind::RunRecovered => {
                let job = began.map_or_else(|| title.to_owned(), |(_, job)| brief(job, 120));
                let text = began.map(|(first, _)| match total {
                    0 | 1 => format!("It had failed in run {first}."),
                    _ => format!("It had failed in run {first}; all of what was failing since then, {total} in number, is well again."),
                });
                (format!("{job} recovered"), text)
            }
            NotificationKind::RunCancelled => {
                let by = run.and_then(|run| run.cancelled_by.as_deref());
                (
                    format!("{title} was cancelled{}", by.map(|by| format!(" by {by}")).unwrap_or_default()),
                    None,
                )
            }
            NotificationKind::RunIncomplete => {
                (format!("{title} is incomplete{held_up}"), reason.map(sentence))
            }
            NotificationKind::RunLate => {
                let after = run.and_then(|run| run.request.limits.late_after).unwrap_or_default();
                let state = run.map(|run| run.state.to_string()).unwrap_or_default();
                let text = format!("It is still {state}, more than {after:#} after it was asked for.");
                (format!("{title} is late"), Some(text))
            }
            NotificationKind::RetryScheduled => self.retried(title),
            NotificationKind::AssetFailed | NotificationKind::CheckFailed => match nodes {
                [only] if total == 1 => {
                    let rows = only.failures.filter(|rows| *rows > 0).map(|rows| match rows {
                        1 => ": 1 row".to_owned(),
                        rows => format!(": {rows} rows"),
                    });
                    let why =
                        rows.or_else(|| only.message.as_deref().map(|m| format!(": {}", brief(m, 200))));
                    let what = called(only);
                    (format!("{what} {} failed{}", only.name, why.unwrap_or_default()), None)
                }
                _ => (format!("{} failed in {title}{held_up}", kinds(nodes, total)), None),
            },
            NotificationKind::AssetRecovered | NotificationKind::CheckRecovered => match nodes {
                [only] if total <= 1 => (format!("{} {} recovered", called(only), only.name), None),
                _ => {
                    let text = began.map(|(first, job)| format!("It began with run {first} of {job}."));
                    (format!("{total} nodes recovered"), text)
                }
            },
            NotificationKind::FreshnessWarn
            | NotificationKind::FreshnessError
            | NotificationKind::FreshnessRecovered => fresh(telling.kind, nodes, total),
            NotificationKind::ScheduleMissed => self.missed(),
            NotificationKind::Test => ("this is a test".to_owned(), None),
        }
    }

    fn why(&self) -> Option<String> {
        self.run()?.request.launch.reason.as_deref().map(sentence)
    }

    /// How long it took against the usual, where that is odd.
    fn compared(&self) -> Option<String> {
        let run = self.run()?;
        let (usually, took) = (self.usually?, run.finished_at?.duration_since(run.started_at?));
        let odd = took > usually.saturating_mul(2) || took.saturating_mul(2) < usually;
        odd.then(|| format!("It took {}; its job usually takes {}.", seconds(took), seconds(usually)))
    }

    fn retried(&self, title: &str) -> (String, Option<String>) {
        let Happening::RetryScheduled { run, attempt } = *self.happening else {
            return (format!("{title} is tried again"), None);
        };
        let attempt = run.attempt(attempt);
        let decided = attempt.and_then(|attempt| attempt.decided.as_deref());
        let after = match decided.map(|decided| decided.decision) {
            Some(RetryDecision::Retry { after, .. }) if !after.is_zero() => format!(" in {}", seconds(after)),
            _ => String::new(),
        };
        let why = attempt.and_then(|attempt| attempt.reason.as_deref()).map(first_line);
        let why = why.map(|why| format!(": {}", brief(why, 200))).unwrap_or_default();
        (format!("{title} is tried again{after}{why}"), decided.map(|decided| sentence(&decided.reason)))
    }

    fn missed(&self) -> (String, Option<String>) {
        let Happening::TicksMissed { job, tick, .. } = *self.happening else { return Default::default() };
        let ticks = if tick.count == 1 { "a tick".to_owned() } else { format!("{} ticks", tick.count) };
        let text = match tick.run {
            Some(run) => format!("The last was due {:.0}. Run {run} makes up for it.", tick.due),
            None => format!("The last was due {:.0}: {}", tick.due, tick.reason),
        };
        (format!("{job} missed {ticks} of its schedule"), Some(text))
    }
}

fn fresh(kind: NotificationKind, nodes: &[NotifiedNode], total: usize) -> (String, Option<String>) {
    let what = match kind {
        NotificationKind::FreshnessWarn => "getting stale",
        NotificationKind::FreshnessError => "stale",
        _ => "fresh again",
    };
    match nodes {
        [only] if total <= 1 => {
            (format!("{} {} is {what}", only.resource_type, only.name), only.message.as_deref().map(sentence))
        }
        _ => (format!("{} are {what}", kinds(nodes, total)), None),
    }
}

fn fresh_state(resource_type: &ResourceType, found: &Freshness) -> &'static str {
    match (resource_type, found.level) {
        (ResourceType::Source, FreshnessLevel::Fresh) => "pass",
        (ResourceType::Source, FreshnessLevel::Warn) => "warn",
        (ResourceType::Source, FreshnessLevel::Error) => "error",
        (_, FreshnessLevel::Fresh) => "on time",
        (_, _) => "late",
    }
}

fn decision(run: &Run, attempt: &Attempt) -> Option<String> {
    let decided = attempt.decided.as_deref()?;
    let what = match decided.decision {
        RetryDecision::GiveUp => "gave up".to_owned(),
        RetryDecision::Retry { after, scope, .. } => {
            let scope = match scope {
                crate::model::RetryScope::All => "all of it",
                crate::model::RetryScope::Unfinished => "what was unfinished",
            };
            let step = run.step(attempt.id.step);
            let has_begun =
                step.is_some_and(|s| s.attempts.iter().any(|a| a.id.attempt > attempt.id.attempt));
            let when =
                if after.is_zero() { "at once".to_owned() } else { format!("after {}", seconds(after)) };
            match has_begun {
                true => format!("tried {scope} again {when}"),
                false => format!("to be tried again {when}, {scope}"),
            }
        }
    };
    Some(format!("{what}: {}", decided.reason))
}

/// How many there are of each type: `2 models and 1 test`.
fn kinds(nodes: &[NotifiedNode], total: usize) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *counts.entry(&node.resource_type).or_default() += 1;
    }
    // Of a list that was cut, the types of the rest are not known.
    if total > nodes.len() || counts.len() > 3 {
        return format!("{total} nodes");
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    let words: Vec<_> = counts
        .into_iter()
        .map(|(kind, count)| {
            let kind = kind.replace('_', " ");
            if count == 1 { format!("1 {kind}") } else { format!("{count} {kind}s") }
        })
        .collect();
    match &words[..] {
        [] => format!("{total} nodes"),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What stands last in an id; of a test, without the hash.
fn name_of(id: &str) -> String {
    let parts: Vec<_> = id.splitn(3, '.').collect();
    match parts[..] {
        [kind, _, name] if kind.ends_with("test") => {
            name.rsplit_once('.').map_or(name, |(name, _)| name).to_owned()
        }
        [_, _, name] => name.to_owned(),
        _ => id.to_owned(),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.trim_end().ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn seconds(time: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(time.as_secs()))
}

/// What a node is called in a title: a test is a check, whatever its type.
fn called(node: &NotifiedNode) -> String {
    match ResourceType::of_unique_id(&node.unique_id) {
        kind if kind.is_check() => "check".to_owned(),
        _ => node.resource_type.replace('_', " "),
    }
}

/// A text that is not longer than so many bytes; where something is left out, it shows.
fn brief(text: &str, most: usize) -> String {
    match text.len() > most {
        true => format!("{}…", cut(text, most.saturating_sub('…'.len_utf8())).trim_end()),
        false => text.to_owned(),
    }
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// A key as a part of an address.
fn path(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> NotifiedNode {
        NotifiedNode {
            unique_id: id.to_owned(),
            asset_key: None,
            resource_type: ResourceType::of_unique_id(id).to_string(),
            name: name_of(id),
            state: "error".to_owned(),
            message: None,
            detail: None,
            failures: None,
            query: None,
            path: None,
            owners: Vec::new(),
            took: None,
            link: None,
        }
    }

    #[test]
    fn what_failed_is_counted_by_its_type() {
        let nodes = ["model.shop.a", "test.shop.t.abc", "model.shop.b", "unit_test.shop.m.u"].map(node);
        assert_eq!(kinds(&nodes[..1], 1), "1 model");
        assert_eq!(kinds(&nodes, 4), "2 models, 1 test and 1 unit test");
        assert_eq!(kinds(&nodes, 5_000), "5000 nodes", "of a list that was cut nobody knows the types");
        assert_eq!(nodes[1].name, "t");
    }

    #[test]
    fn freshness_has_its_sentence_and_a_link() {
        let found = [Freshness {
            unique_id: "source.shop.raw.orders".to_owned(),
            level: FreshnessLevel::Error,
            text: Some("loaded 3 d 2 h ago".to_owned()),
        }];
        let happening = Happening::Freshness { project: "shop", run: None, found: &found };
        let subject =
            Subject::Fresh { project: "shop".to_owned(), unique_id: "source.shop.raw.orders".to_owned() };
        let telling = Telling {
            kind: NotificationKind::FreshnessError,
            subjects: vec![subject],
            total: 1,
            owner: None,
            began: None,
            changes: Vec::new(),
        };
        let about = About {
            happening: &happening,
            project: None,
            url: "https://t.example",
            usually: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let notification = compose("ops", &telling, &about);
        assert_eq!(notification.title, "source raw.orders is stale");
        assert_eq!(notification.text.as_deref(), Some("Loaded 3 d 2 h ago."));
        assert_eq!(notification.nodes[0].state, "error");
    }

    #[test]
    fn texts_are_cut_between_characters_and_addresses_hold_any_key() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(
            (brief("a longer text", 9), brief("short", 9)),
            ("a long…".to_owned(), "short".to_owned())
        );
        assert_eq!(path("marts/größe?#"), "marts/gr%C3%B6%C3%9Fe%3F%23");
        assert_eq!(sentence("it is so"), "It is so.");
    }
}
