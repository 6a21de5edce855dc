//! What starts a job by itself, and what its runs wait for: from the words of the file to values.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Span, SpanRelativeTo, tz::TimeZone};
use serde_json::json;

use super::{ConfigProblem, Job, JobConfig, MissedConfig, OverlapPolicy, file::InterruptionPolicy};
use crate::{
    model::{Limits, RetryRule, RunState, StartRate, Trigger, nearest},
    schedule::{self, Schedule},
};

/// What starts a job by itself.
#[derive(Debug, Clone)]
pub struct Automated {
    /// Its cron expressions, as written.
    pub expressions: Vec<String>,
    /// The name of their time zone.
    pub zone: String,
    /// What they mean; none where there are none.
    pub schedule: Option<Schedule>,
    /// What becomes of ticks that passed while no host was there.
    pub missed: MissedConfig,
    /// What becomes of a tick while a run of the job waits or is under way.
    pub overlap: OverlapPolicy,
    /// Jobs whose runs start this one.
    pub after: Vec<After>,
    /// Data whose arrival starts it.
    pub sensors: Vec<Sensor>,
    /// The least time between two starts by `after` and `sensors`.
    pub min_interval: SignedDuration,
}

/// A job whose runs start another when they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The job.
    pub job: String,
    /// The states in which its run has to end.
    pub on: Vec<RunState>,
}

/// Data whose arrival starts a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sensor {
    /// Newer rows in a dbt source: its name, and its table's where only that one counts.
    Source {
        /// The source.
        source: String,
        /// The table.
        table: Option<String>,
    },
    /// Files that appear or change: a glob, absolute.
    Files(PathBuf),
}

impl Sensor {
    /// Whether it is a sensor of this source of dbt's, `source.PACKAGE.SOURCE.TABLE`.
    pub fn is_of(&self, unique_id: &str) -> bool {
        let Self::Source { source, table } = self else { return false };
        let mut parts = unique_id.splitn(4, '.');
        parts.next() == Some("source")
            && parts.nth(1) == Some(source)
            && table.as_deref().is_none_or(|table| parts.next() == Some(table))
    }

    /// The trigger that it is.
    pub fn trigger(&self) -> Trigger {
        match self {
            Self::Source { source, table: Some(table) } => Trigger::Source(format!("{source}.{table}")),
            Self::Source { source, table: None } => Trigger::Source(source.clone()),
            Self::Files(glob) => Trigger::Files(glob.to_string_lossy().into_owned()),
        }
    }
}

impl Automated {
    /// Every trigger with its definition. Another definition is another trigger: it never fires for the past.
    pub fn triggers(&self) -> BTreeMap<Trigger, String> {
        let mut triggers = BTreeMap::new();
        if self.schedule.is_some() {
            triggers.insert(Trigger::Schedule, format!("{} in {}", self.expressions.join(" | "), self.zone));
        }
        if !self.after.is_empty() {
            let words = |after: &After| {
                let states: Vec<_> = after.on.iter().map(|state| state.as_str()).collect();
                format!("{} ({})", after.job, states.join(", "))
            };
            triggers.insert(Trigger::After, self.after.iter().map(words).collect::<Vec<_>>().join(", "));
        }
        triggers.extend(self.sensors.iter().map(|sensor| (sensor.trigger(), sensor.trigger().to_string())));
        triggers
    }

    /// For the record of a configuration.
    pub fn record(&self) -> serde_json::Value {
        json!({
            "schedule": self.expressions,
            "time_zone": self.zone,
            "missed": self.missed,
            "overlap": self.overlap,
            "after": self.after.iter().map(|a| json!({ "job": a.job, "on": a.on })).collect::<Vec<_>>(),
            "sensors": self.sensors.iter().map(|s| s.trigger().to_string()).collect::<Vec<_>>(),
            "min_interval": words(self.min_interval),
        })
    }
}

/// What a job is resolved with.
pub(super) struct Surroundings<'a> {
    pub(super) base: &'a Path,
    pub(super) zone: &'a str,
    pub(super) jobs: &'a [String],
    pub(super) locks: &'a BTreeMap<String, u32>,
    pub(super) retries: &'a BTreeMap<String, Option<RetryRule>>,
}

/// A span of time as one writes it: `90s`, `10m`, `1h 30m`, `2d`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, ConfigProblem> {
    let bad = || {
        ConfigProblem::new(format!("`{text}` is not a span of time"))
            .hint("write `90s`, `10m`, `1h 30m` or `2d`")
    };
    let span: Span = text.parse().map_err(|_| bad())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    if !duration.is_positive() {
        return Err(ConfigProblem::new(format!("`{text}` has to be longer than nothing")));
    }
    Ok(duration)
}

fn words(duration: SignedDuration) -> String {
    format!("{duration:#}")
}

/// A time zone by its name.
pub(super) fn zone(name: &str) -> Result<TimeZone, ConfigProblem> {
    schedule::zone(name).map_err(ConfigProblem::new)
}

type Problems = Vec<(&'static str, ConfigProblem)>;

pub(super) fn resolve(
    name: &str,
    job: &JobConfig,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> (Automated, Limits) {
    let mut note = |key, problem| problems.push((key, problem));
    let expressions = job.schedule.as_ref().map_or(&[][..], |s| s.as_slice()).to_vec();
    let mut sound = true;
    for expression in &expressions {
        if let Err(reason) = schedule::check(expression) {
            note("schedule", ConfigProblem::new(format!("schedule `{expression}`: {reason}")));
            sound = false;
        }
    }
    if job.time_zone.is_some() && expressions.is_empty() {
        note(
            "time_zone",
            ConfigProblem::new("a time zone without a schedule").hint("add `schedule`, or leave it out"),
        );
    }
    let zone_name = job.time_zone.as_deref().unwrap_or(around.zone);
    let zone = match (&job.time_zone, zone(zone_name)) {
        (_, Ok(zone)) => zone,
        (named, Err(problem)) => {
            if named.is_some() {
                note("time_zone", problem);
            }
            TimeZone::UTC
        }
    };
    let schedule = (sound && !expressions.is_empty()).then(|| Schedule::parse(&expressions, zone));
    let schedule = schedule.and_then(|parsed| {
        parsed.map_err(|reason| note("schedule", ConfigProblem::new(format!("schedule: {reason}")))).ok()
    });
    let mut after = Vec::new();
    for wanted in &job.after {
        if !around.jobs.contains(&wanted.job) {
            let problem = ConfigProblem::new(format!("after: there is no job `{}`", wanted.job));
            let near = nearest(&wanted.job, around.jobs.iter().map(String::as_str));
            note(
                "after",
                match near {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem,
                },
            );
        } else if wanted.job == name {
            let problem = ConfigProblem::new("after: a job that follows itself never ends");
            note("after", problem.hint("to run again and again, use `schedule`"));
        }
        if wanted.on.is_empty() {
            let problem = ConfigProblem::new(format!("after: no state of `{}` is named", wanted.job));
            note("after", problem.hint("on = [\"succeeded\", \"warned\"]"));
        }
        let on = wanted.on.iter().map(|state| state.state()).collect();
        after.push(After { job: wanted.job.clone(), on });
    }
    let mut sensors: Vec<Sensor> = Vec::new();
    for wanted in &job.sensors {
        match sensor(wanted.source.as_deref(), wanted.files.as_deref(), around.base) {
            Ok(sensor) if sensors.contains(&sensor) => {
                note(
                    "sensors",
                    ConfigProblem::new(format!("sensors: `{}` is there twice", sensor.trigger())),
                );
            }
            Ok(sensor) => sensors.push(sensor),
            Err(problem) => note("sensors", problem),
        }
    }
    let mut span = |key, text: &Option<String>| {
        let parsed = text.as_deref().map(duration)?;
        parsed
            .map_err(|mut problem| {
                problem.message = format!("{key}: {}", problem.message);
                note(key, problem);
            })
            .ok()
    };
    let min_interval = span("min_interval", &job.min_interval);
    let [late_after, max_runtime, queue_timeout, silence_timeout] = [
        span("late_after", &job.late_after),
        span("max_runtime", &job.max_runtime),
        span("queue_timeout", &job.queue_timeout),
        span("silence_timeout", &job.silence_timeout),
    ];
    let start_rate = job.start_rate.as_ref().and_then(|rate| {
        Some(StartRate { runs: rate.runs, per: span("start_rate", &Some(rate.per.clone()))? })
    });
    if min_interval.is_some() && after.is_empty() && sensors.is_empty() {
        let problem =
            ConfigProblem::new("min_interval: it only holds for `after` and `sensors`, and there are none");
        note("min_interval", problem.hint("for any start there is `start_rate`"));
    }
    for lock in &job.locks {
        if !around.locks.contains_key(lock) {
            let problem = ConfigProblem::new(format!("locks: there is no lock `{lock}`"));
            let near = nearest(lock, around.locks.keys().map(String::as_str));
            note(
                "locks",
                problem.hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add it: `[locks]` with `{lock} = 1`"),
                }),
            );
        }
    }
    let mut locks = job.locks.clone();
    locks.sort();
    locks.dedup();
    let automated = Automated {
        expressions,
        zone: zone_name.to_owned(),
        schedule,
        missed: job.missed,
        overlap: job.overlap,
        after,
        sensors,
        min_interval: min_interval.unwrap_or_default(),
    };
    let limits = Limits {
        priority: job.priority,
        locks,
        late_after,
        max_runtime,
        queue_timeout,
        silence_timeout,
        start_rate,
        resume: job.on_interruption == InterruptionPolicy::Resume,
    };
    (automated, limits)
}

/// Jobs that would start each other without end: for each such circle one of its jobs, and the way round.
pub(super) fn circles(jobs: &BTreeMap<String, Job>) -> Vec<(String, Vec<String>)> {
    let before = |name: &str| jobs.get(name).into_iter().flat_map(|job| &job.automated.after);
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for name in jobs.keys() {
        if found.iter().any(|(_, circle)| circle.contains(name)) {
            continue;
        }
        // The way back from each job that was reached.
        let mut way: BTreeMap<&str, &str> = BTreeMap::new();
        let mut front = vec![name.as_str()];
        while let Some(at) = front.pop() {
            for after in before(at) {
                if after.job != *at && !way.contains_key(after.job.as_str()) {
                    way.insert(&after.job, at);
                    front.push(&after.job);
                }
            }
        }
        if let Some(mut at) = way.get(name.as_str()).copied() {
            let mut circle = vec![name.clone()];
            while at != name {
                circle.push(at.to_owned());
                at = way.get(at).copied().unwrap_or(name);
            }
            circle.push(name.clone());
            found.push((name.clone(), circle));
        }
    }
    found
}

fn sensor(source: Option<&str>, files: Option<&str>, base: &Path) -> Result<Sensor, ConfigProblem> {
    match (source, files) {
        (Some(source), None) => {
            let (source, table) = match source.split_once('.') {
                Some((source, table)) => (source, Some(table)),
                None => (source, None),
            };
            if source.is_empty() || table.is_some_and(|table| table.is_empty() || table.contains('.')) {
                return Err(ConfigProblem::new("sensors: a source is written `SOURCE` or `SOURCE.TABLE`"));
            }
            Ok(Sensor::Source { source: source.to_owned(), table: table.map(str::to_owned) })
        }
        (None, Some(files)) => {
            glob::Pattern::new(files)
                .map_err(|e| ConfigProblem::new(format!("sensors: `{files}` is not a glob: {e}")))?;
            Ok(Sensor::Files(base.join(files).components().collect()))
        }
        _ => Err(ConfigProblem::new("sensors: each has either `source` or `files`")
            .hint("sensors = [{ source = \"raw.orders\" }, { files = \"landing/*.csv\" }]")),
    }
}
