//! Runs as the API tells of them: in a list, in full, and node by node.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, state::Web};
use crate::{
    fold,
    model::{
        AtTheGate, Attempt, Decided, ExitStatus, Gate, Limits, NodeRun, Parameters, PluginRecord, RetryRule,
        Run, RunId, RunState, Selection, Step, Stop, shell_words, short_name,
    },
    project::Opened,
    store::{self, NodeCounts, Reader},
};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunSummary {
    /// Its number.
    pub id: RunId,
    /// The project.
    pub project: String,
    /// The job; null for a selection that was materialized by hand.
    pub job: Option<String>,
    /// The job, or what is materialized.
    pub title: String,
    /// Where it stands.
    pub state: RunState,
    /// Why, where there is more to say.
    pub reason: Option<String>,
    /// Who asked for it, and how.
    pub launch: Launched,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its first step began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How many nodes are in each state, behind the last attempt that did something about each. Keys are words of dbt's, and
    /// `queued`, `running` and `cancelled`.
    pub counts: BTreeMap<String, u64>,
    /// How many steps it has.
    pub step_count: u32,
    /// How many attempts there were so far, over all steps.
    pub attempts: u32,
    /// What whoever asked for it changed about the job's steps; empty where that is nothing.
    pub parameters: Parameters,
    /// What was selected, where it is no job's run; null in runs of older versions.
    pub selection: Option<Selection>,
    /// The run whose unfinished part this one does.
    pub resumes: Option<RunId>,
    /// Who asked to cancel it.
    pub cancelled_by: Option<String>,
    /// What it waits for, in words, where it has not ended.
    pub waits_for: Option<String>,
}

/// Who asked for a run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Launched {
    /// The name of the user.
    pub user: String,
    /// `cli`, `ui`, `api`, `webhook`, `schedule`, `after`, `sensor` or `resume`.
    pub via: String,
    /// Why, where nobody asked by hand: which tick, which run, which data.
    pub reason: Option<String>,
    /// The command line that asked; null where there was none.
    pub command: Option<String>,
}

/// A run in full, without its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The event up to which all of this is told: of messages of `/live` those of older events say nothing new.
    pub as_of: u64,
    /// The run that does what is left to do of this one.
    pub resumed_by: Option<RunId>,
    /// Its steps, in order, with the attempts at each.
    pub steps: Vec<StepDetail>,
    /// Why the host stopped it, where nobody had cancelled it before.
    pub stop: Option<Stop>,
    /// The configuration file that named the project and the job.
    pub config_file: String,
    /// The project's and the job's configuration as it was used; of environment variables only the names.
    #[schema(value_type = Object)]
    pub configuration: Arc<serde_json::Value>,
    /// What it waits for before it starts, and how long it may take.
    pub limits: Limits,
    /// The locks that it holds while it runs.
    pub locks: Vec<String>,
    /// What decides about attempts that fail; null where none is repeated.
    pub retry: Option<RetryRule>,
    /// What becomes of nodes that stand behind a check that failed in an earlier run.
    pub gate: Gate,
    /// Whether it fails where it finds nothing to do.
    pub empty_fails: bool,
    /// The digest of the manifest that the host had prepared.
    pub manifest_digest: Option<String>,
    /// The plugins that had a say, with their digests.
    pub plugins: Vec<PluginRecord>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StepDetail {
    /// Its number, from 1.
    pub number: u32,
    /// dbt's arguments.
    pub args: Vec<String>,
    /// The same as one types them, with `dbt`.
    pub command_line: String,
    /// Where it stands.
    pub state: RunState,
    /// The attempts at it, in order.
    pub attempts: Vec<AttemptDetail>,
}

/// An attempt at a step: one dbt process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AttemptDetail {
    /// Its number within the step, from 1.
    pub number: u32,
    /// Where it stands.
    pub state: RunState,
    /// Why, where there is more to say: dbt's own error where dbt itself failed.
    pub reason: Option<String>,
    /// The full command, word by word; empty where dbt was not started.
    pub command: Vec<String>,
    /// The same as one text for a shell, ready to be copied.
    pub command_line: String,
    /// Names of the environment variables that dbt got; values are not kept.
    pub environment: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When dbt ended.
    pub finished_at: Option<Timestamp>,
    /// How dbt ended.
    pub exit: Option<ExitStatus>,
    /// The revision of the project's files.
    pub revision: Option<String>,
    /// The dbt version that dbt reported.
    pub dbt_version: Option<String>,
    /// The adapter and its version that dbt reported.
    pub adapter: Option<String>,
    /// The target that dbt reported.
    pub target: Option<String>,
    /// dbt's invocation id.
    pub invocation_id: Option<String>,
    /// How many nodes dbt said it would select; null until that is known.
    pub planned: Option<u64>,
    /// How many nodes are in each state.
    pub counts: BTreeMap<String, u64>,
    /// How much of dbt's log has been read, in bytes.
    pub log_bytes: u64,
    /// Lines of that part of the log that were not dbt events.
    pub raw_lines: u64,
    /// Whether `run_results.json` or `sources.json` was read.
    pub has_results: bool,
    /// What the retry policy decided about it after it had failed, and why.
    pub decided: Option<Decided>,
    /// What was found at the gate before it.
    pub gate: Option<AtTheGate>,
}

/// A node in an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NodeRow {
    /// The step, from 1.
    pub step: u32,
    /// The attempt at the step, from 1.
    pub attempt: u32,
    /// The key of the asset; null for what is no asset, and where the project is not known any more.
    pub key: Option<String>,
    /// The node's name.
    pub name: String,
    /// Whether it is on the critical path: of the chain of nodes that decided when the attempt ended. Null in messages of
    /// `/live`, where nobody knows it.
    pub critical: Option<bool>,
    /// What became of it.
    #[serde(flatten)]
    pub node: NodeRun,
}

impl RunSummary {
    /// What there is to say of a run. What it waits for only the host knows.
    pub fn of(store::RunSummary { run, counts }: store::RunSummary) -> Self {
        let attempts: usize = run.steps.iter().map(|step| step.attempts.len()).sum();
        let Run { id, request, state, reason, requested_at, started_at, finished_at, .. } = &run;
        let launch = &request.launch;
        Self {
            title: run.title(),
            id: *id,
            project: request.project.clone(),
            job: request.job.clone(),
            state: *state,
            reason: reason.clone(),
            launch: Launched {
                user: launch.user.clone(),
                via: launch.via.clone(),
                reason: launch.reason.clone(),
                command: (!launch.command.is_empty()).then(|| shell_words(&launch.command)),
            },
            requested_at: *requested_at,
            started_at: *started_at,
            finished_at: *finished_at,
            counts,
            step_count: number(run.steps.len()),
            attempts: number(attempts),
            parameters: request.parameters.clone(),
            selection: request.selection.clone(),
            resumes: request.resumes,
            cancelled_by: run.cancelled_by.clone(),
            waits_for: None,
        }
    }
}

/// Whether a run may wait for something: its turn, or its next attempt.
pub fn may_wait(run: &Run) -> bool {
    run.state == RunState::Queued || fold::waiting(run).is_some()
}

/// The same runs, with what those of them wait for that `wait`.
pub fn with_waits(web: &Web, wait: &[RunId], runs: &mut [RunSummary]) -> Result<(), Problem> {
    if wait.is_empty() {
        return Ok(());
    }
    let mut known = web.front().waits(wait.to_vec())?;
    for run in runs {
        run.waits_for = known.remove(&run.id);
    }
    Ok(())
}

/// Runs as a list has them.
pub fn summaries(web: &Web, found: Vec<store::RunSummary>) -> Result<Vec<RunSummary>, Problem> {
    let wait: Vec<_> =
        found.iter().map(|found| &found.run).filter(|run| may_wait(run)).map(|r| r.id).collect();
    let mut runs: Vec<_> = found.into_iter().map(RunSummary::of).collect();
    with_waits(web, &wait, &mut runs)?;
    Ok(runs)
}

impl RunDetail {
    /// All that is on record of a run, but for its nodes.
    pub fn read(web: &Web, reader: &Reader, id: RunId) -> Result<Self, Problem> {
        let store::RunStory { run, counts, of_attempts, resumed_by, as_of } = reader.story(id)?;
        let mut summary = RunSummary::of(store::RunSummary { run: run.clone(), counts });
        let wait: &[RunId] = if may_wait(&run) { &[id] } else { &[] };
        with_waits(web, wait, std::slice::from_mut(&mut summary))?;
        let steps = (1..).zip(run.steps).map(|(number, step)| StepDetail::of(number, step, &of_attempts));
        let request = run.request;
        Ok(Self {
            summary,
            as_of,
            resumed_by,
            steps: steps.collect(),
            stop: run.stop,
            config_file: request.config_file.display().to_string(),
            configuration: request.configuration,
            limits: request.limits,
            locks: run.locks,
            retry: request.retry,
            gate: request.gate,
            empty_fails: request.empty_fails,
            manifest_digest: run.manifest_digest,
            plugins: run.plugins,
        })
    }
}

impl StepDetail {
    fn of(number: u32, step: Step, counts: &NodeCounts) -> Self {
        let words: Vec<_> = std::iter::once("dbt".to_owned()).chain(step.args.iter().cloned()).collect();
        let attempts = step.attempts.into_iter().map(|attempt| AttemptDetail::of(attempt, counts));
        Self {
            number,
            command_line: shell_words(&words),
            args: step.args,
            state: step.state,
            attempts: attempts.collect(),
        }
    }
}

impl AttemptDetail {
    fn of(attempt: Attempt, counts: &NodeCounts) -> Self {
        Self {
            number: attempt.id.attempt,
            state: attempt.state,
            reason: attempt.reason,
            command_line: shell_words(&attempt.command),
            command: attempt.command,
            environment: attempt.environment,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            exit: attempt.exit,
            revision: attempt.revision,
            dbt_version: attempt.dbt_version,
            adapter: attempt.adapter,
            target: attempt.target,
            invocation_id: attempt.invocation_id,
            planned: attempt.planned,
            counts: counts.get(&(attempt.id.step, attempt.id.attempt)).cloned().unwrap_or_default(),
            log_bytes: attempt.log_offset,
            raw_lines: attempt.raw_lines,
            has_results: attempt.has_results,
            decided: attempt.decided.map(|decided| *decided),
            gate: attempt.gate.map(|gate| *gate),
        }
    }
}

impl NodeRow {
    /// A node, named as its project names it, where that is known.
    pub fn of(step: u32, attempt: u32, node: NodeRun, project: Option<&Opened>) -> Self {
        let (key, name) = named(&node.unique_id, project);
        Self { step, attempt, key, name, critical: None, node }
    }
}

/// What a [`NodeRow`] says of a node beside what is on record of it.
#[derive(Debug, Serialize)]
pub struct RowHead {
    /// As in [`NodeRow`].
    pub step: u32,
    /// As in [`NodeRow`].
    pub attempt: u32,
    /// As in [`NodeRow`].
    pub key: Option<String>,
    /// As in [`NodeRow`].
    pub name: String,
    /// As in [`NodeRow`].
    pub critical: Option<bool>,
}

impl RowHead {
    /// Writes a [`NodeRow`] with the text that is on record of its node.
    pub fn write(&self, node: &str, row: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(&mut *row, self)?;
        // One object is made of two.
        row.pop();
        row.push(b',');
        row.extend_from_slice(node.trim_start().trim_start_matches('{').as_bytes());
        Ok(())
    }
}

/// The key of the asset, where a node is one, and the node's name.
pub fn named(unique_id: &str, project: Option<&Opened>) -> (Option<String>, String) {
    let asset = project.and_then(|opened| opened.project.asset(unique_id));
    (asset.map(|asset| asset.shape.key.to_string()), short_name(unique_id))
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;
    use crate::model::ResourceType;

    #[test]
    fn a_row_of_what_is_on_record_is_the_row_of_what_that_says() {
        for (name, critical) in [("model.a.b", Some(true)), ("model.a.\"{}\u{1F}\u{202E}", None)] {
            let node = NodeRun::queued(name, ResourceType::Model);
            let written = serde_json::to_string(&node).unwrap();
            let row = NodeRow { critical, ..NodeRow::of(1, 2, node, None) };
            let NodeRow { step, attempt, key, name, .. } = row.clone();
            let mut text = Vec::new();
            RowHead { step, attempt, key, name, critical }.write(&written, &mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(&row).unwrap());
        }
    }
}
