//! Jobs: what they do, what starts them and when next, and how their last runs went.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    config::{Config, Job, MissedConfig, OverlapPolicy},
    model::{Automation, Gate, Limits, RetryRule, Run, RunId, RunState, Tick, Trigger, shell_words},
    store::{Reader, StoreError},
};

/// So many of the next ticks are shown with a job.
const NEXT: usize = 5;

/// So many of its last runs.
const RUNS: u32 = 10;

/// A job, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobDetail {
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its steps as one types them, in order.
    pub steps: Vec<String>,
    /// Its cron expressions, as written.
    pub schedule: Vec<String>,
    /// The IANA time zone of these.
    pub time_zone: String,
    /// When its schedule fires next; empty where it has none or is paused.
    pub next: Vec<Timestamp>,
    /// What starts it by itself, and what that has decided last.
    pub triggers: Vec<TriggerRow>,
    /// Who paused it; null where it is not paused.
    pub paused: Option<Paused>,
    /// The jobs whose runs start it, each with the states in which these have to end.
    pub after: Vec<AfterRow>,
    /// What becomes of ticks that passed while no host was there.
    pub missed: MissedConfig,
    /// What becomes of a tick while a run of it waits or is under way.
    pub overlap: OverlapPolicy,
    /// The least time between two starts by other jobs and by data.
    #[schema(value_type = String, example = "PT1M30S")]
    pub min_interval: SignedDuration,
    /// What its runs wait for, and how long they may take.
    pub limits: Limits,
    /// What decides about attempts that fail; null where none is repeated.
    pub retry: Option<RetryRule>,
    /// What becomes of nodes that stand behind a check that failed in an earlier run.
    pub gate: Gate,
    /// dbt's target for this job alone.
    pub target: Option<String>,
    /// dbt's variables for this job alone.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Its last runs, newest first, at most ten.
    pub runs: Vec<JobRun>,
    /// Whether one of these has not ended in time.
    pub late: bool,
}

/// A job that has to end before another starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AfterRow {
    /// The job.
    pub job: String,
    /// The states in which its run has to end.
    pub on: Vec<RunState>,
}

/// Who paused a job, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Paused {
    /// Who.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// What starts a job by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TriggerRow {
    /// The job.
    pub job: String,
    /// Which: `schedule`, `after`, `source:NAME` or `files:GLOB`.
    pub trigger: Trigger,
    /// What it is, for people.
    pub definition: String,
    /// Of a schedule: its time zone.
    pub time_zone: Option<String>,
    /// Of a schedule: when it fires next; null while it is paused.
    pub next: Option<Timestamp>,
    /// What it decided last; null where it has decided nothing yet.
    pub last: Option<Tick>,
    /// When it started a run last.
    pub fired_at: Option<Timestamp>,
    /// Since when it is there; null where no host has taken it up yet.
    pub enabled_at: Option<Timestamp>,
    /// Who paused the job.
    pub paused_by: Option<String>,
}

/// A run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobRun {
    /// Its number.
    pub id: RunId,
    /// Where it stands.
    pub state: RunState,
    /// Why it is in that state, where there is more to say.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked for it.
    pub user: String,
    /// How: `cli`, `api`, `schedule`, `after`, `sensor` or `resume`.
    pub via: String,
    /// Whether it has not ended in time.
    pub late: bool,
}

impl JobRun {
    fn of(run: Run, now: Timestamp) -> Self {
        let late = is_late(run.requested_at, run.finished_at, run.request.limits.late_after, now);
        Self {
            id: run.id,
            state: run.state,
            reason: run.reason,
            requested_at: run.requested_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            user: run.request.launch.user,
            via: run.request.launch.via,
            late,
        }
    }
}

/// Whether a run that was asked for then has not ended, and should have.
pub fn is_late(
    requested_at: Timestamp,
    finished_at: Option<Timestamp>,
    late_after: Option<SignedDuration>,
    now: Timestamp,
) -> bool {
    let due = late_after.and_then(|span| requested_at.checked_add(span).ok());
    finished_at.is_none() && due.is_some_and(|due| due < now)
}

/// What starts a job by itself, and where each of that stands. What is on record of another definition is another trigger's.
pub fn triggers(job: &Job, automation: Option<&Automation>, now: Timestamp) -> Vec<TriggerRow> {
    let paused = automation.and_then(|a| a.paused.as_ref());
    let row = |(trigger, definition): (Trigger, String)| {
        let state = automation.and_then(|a| a.triggers.get(&trigger)).filter(|s| s.definition == definition);
        let scheduled = trigger == Trigger::Schedule;
        TriggerRow {
            job: job.name.clone(),
            time_zone: scheduled.then(|| job.automated.zone.clone()),
            next: match (scheduled, paused, &job.automated.schedule) {
                (true, None, Some(schedule)) => schedule.next(now),
                _ => None,
            },
            last: state.and_then(|state| state.last.clone()),
            fired_at: state.and_then(|state| state.fired_at),
            enabled_at: state.map(|state| state.enabled_at),
            paused_by: paused.map(|(by, _)| by.clone()),
            trigger,
            definition,
        }
    };
    job.automated.triggers().into_iter().map(row).collect()
}

/// A job, and where it stands.
pub fn detail(
    config: &Config,
    job: &Job,
    automation: Option<&Automation>,
    reader: &Reader,
    now: Timestamp,
) -> Result<JobDetail, StoreError> {
    let paused = automation.and_then(|a| a.paused.clone());
    let schedule = job.automated.schedule.as_ref().filter(|_| paused.is_none());
    let runs: Vec<_> =
        reader.last_runs_of(&job.name, RUNS)?.into_iter().map(|run| JobRun::of(run, now)).collect();
    let of_project = config.projects.get(&job.project).map(|project| project.gate);
    Ok(JobDetail {
        name: job.name.clone(),
        project: job.project.clone(),
        description: job.description.clone(),
        steps: job.steps.iter().map(|step| format!("dbt {}", shell_words(&step.args))).collect(),
        schedule: job.automated.expressions.clone(),
        time_zone: job.automated.zone.clone(),
        next: schedule.map(|schedule| schedule.upcoming(now).take(NEXT).collect()).unwrap_or_default(),
        triggers: triggers(job, automation, now),
        paused: paused.map(|(by, since)| Paused { by, since }),
        after: job
            .automated
            .after
            .iter()
            .map(|after| AfterRow { job: after.job.clone(), on: after.on.clone() })
            .collect(),
        missed: job.automated.missed,
        overlap: job.automated.overlap,
        min_interval: job.automated.min_interval,
        limits: job.limits.clone(),
        retry: job.retry.clone(),
        gate: job.gate.or(of_project).unwrap_or_default(),
        target: job.target.clone(),
        vars: job.vars.clone(),
        late: runs.iter().any(|run| run.late),
        runs,
    })
}

/// A tick that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DueTick {
    /// When.
    pub at: Timestamp,
    /// The same on the clocks of the schedule's time zone, such as `Sat 2027-03-27 06:00:00 +01:00`.
    pub local: String,
}

/// The next ticks of a job's schedule; none where it has no schedule.
pub fn preview(job: &Job, from: Timestamp, limit: usize) -> Option<Vec<DueTick>> {
    let schedule = job.automated.schedule.as_ref()?;
    let zone = crate::schedule::zone(&job.automated.zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let tick = |at: Timestamp| DueTick {
        at,
        local: at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string(),
    };
    Some(schedule.upcoming(from).take(limit).map(tick).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_late_only_until_it_has_ended() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let hour = Some(SignedDuration::from_hours(1));
        assert!(!is_late(at(0), None, hour, at(3600)));
        assert!(is_late(at(0), None, hour, at(3601)));
        assert!(!is_late(at(0), Some(at(9000)), hour, at(9001)));
        assert!(!is_late(at(0), None, None, at(9001)));
    }
}
