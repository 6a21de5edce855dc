//! What ran in a span of time and what will, job by job.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::is_late;
use crate::{
    config::Config,
    model::{RunId, RunState},
    store::{Reader, RunSpan, StoreError},
};

/// So many runs of a span are shown, the last ones.
const RUNS: u32 = 5_000;

/// So many ticks of each job.
const TICKS: usize = 500;

/// What ran in a span of time, and what will.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Timeline {
    /// The beginning of the span.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The host's clock.
    pub now: Timestamp,
    /// The jobs of the configuration, and those that ran and are no more, by name.
    pub jobs: Vec<TimelineJob>,
    /// The runs that belong to no job.
    pub by_hand: Vec<TimelineRun>,
    /// Whether these are all runs of the span: of more than 5,000 the last ones are shown.
    pub complete: bool,
}

/// What ran of a job, and what will.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TimelineJob {
    /// The job.
    pub job: String,
    /// Its project; null where the configuration has the job no more.
    pub project: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether a run of it has not ended in time.
    pub late: bool,
    /// Its runs that were there in the span, in the order of their numbers.
    pub runs: Vec<TimelineRun>,
    /// When its schedule fires in what is left of the span; at most 500.
    pub ticks: Vec<Timestamp>,
}

/// A run in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineRun {
    /// Its number.
    pub id: RunId,
    /// Its project.
    pub project: String,
    /// Where it stands.
    pub state: RunState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Whether it has not ended in time.
    pub late: bool,
}

/// What ran in a span of time, and what will.
pub fn timeline(
    config: &Config,
    reader: &Reader,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
) -> Result<Timeline, StoreError> {
    let (spans, complete) = reader.runs_between(from, to, RUNS)?;
    let automations = reader.automations()?;
    let mut of_job: BTreeMap<String, Vec<TimelineRun>> = BTreeMap::new();
    let mut by_hand = Vec::new();
    for span in spans {
        let RunSpan { id, project, job, state, requested_at, started_at, finished_at } = span;
        let late_after =
            job.as_ref().and_then(|job| config.jobs.get(job)).and_then(|job| job.limits.late_after);
        let late = is_late(requested_at, finished_at, late_after, now);
        let run = TimelineRun { id, project, state, requested_at, started_at, finished_at, late };
        match job {
            Some(job) => of_job.entry(job).or_default().push(run),
            None => by_hand.push(run),
        }
    }
    let names: BTreeSet<_> = config.jobs.keys().chain(of_job.keys()).cloned().collect();
    let row = |name: String| {
        let job = config.jobs.get(&name);
        let paused = automations.get(&name).is_some_and(|automation| automation.paused.is_some());
        let schedule = job.and_then(|job| job.automated.schedule.as_ref()).filter(|_| !paused);
        let ticks = schedule.map(|schedule| {
            schedule.upcoming(now.max(from)).take_while(|at| *at <= to).take(TICKS).collect()
        });
        let runs = of_job.remove(&name).unwrap_or_default();
        TimelineJob {
            project: job.map(|job| job.project.clone()),
            paused,
            late: runs.iter().any(|run| run.late),
            runs,
            ticks: ticks.unwrap_or_default(),
            job: name,
        }
    };
    let jobs = names.into_iter().map(row).collect();
    Ok(Timeline { from, to, now, jobs, by_hand, complete })
}
