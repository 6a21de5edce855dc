//! Retry policies: what one is told of a failure, and what is decided where it has no answer.
//!
//! Owns the rule for a policy that faults: the operator's declared answer applies, and the decision says why. Never waits,
//! and never starts anything.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::PluginFault;
use crate::{
    model::{
        Attempt, AttemptId, CallCost, EarlierAttempt, FailedNode, Failure, FailureKind, NodeRun, PluginCall,
        PluginRecord, Project, RetryAnswer, RetryDecision, RetryRule, Run, Step,
    },
    plugins::{Called, Catalogue},
};

/// How many failed nodes a policy is told of, and how many ids of an earlier attempt.
const FAILED: usize = 1_000;

/// How many unfinished nodes it is told of.
const UNFINISHED: usize = 10_000;

/// How much of a node's text it is told, in bytes.
const TEXT: usize = 8 * 1024;

/// What a policy was asked, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What is done.
    pub decision: RetryDecision,
    /// Why, for people.
    pub reason: String,
    /// The plugin that decided; none where it could not be loaded, or nobody was asked.
    pub plugin: Option<PluginRecord>,
    /// Why the declared answer applies and not the plugin's.
    pub fault: Option<String>,
    /// The call, where there was one.
    pub call: Option<Box<PluginCall>>,
}

impl Judgement {
    /// Nobody is asked: the run cannot go on.
    pub fn give_up(reason: String) -> Self {
        Self { decision: RetryDecision::GiveUp, reason, plugin: None, fault: None, call: None }
    }

    /// Asking made Tidegate panic.
    pub fn panicked(rule: &RetryRule) -> Self {
        at_fault(rule, None, "asking it made Tidegate panic, which is a bug of Tidegate".to_owned(), None)
    }
}

/// Loads a rule's policy and lets it check its configuration; gives what stands in the record of its decisions.
///
/// # Errors
///
/// Where the policy could not decide anything as it is.
pub fn check(catalogue: &Catalogue, rule: &RetryRule) -> Result<PluginRecord, PluginFault> {
    let policy = catalogue.retry_policy(&rule.plugin)?;
    let plugin = rule.plugin.clone();
    match policy.check_config(&config_of(catalogue, rule).to_string()) {
        Ok(Ok(())) => Ok(policy.record().clone()),
        Ok(Err(reason)) => Err(PluginFault::Config { plugin, reason, key: "retry" }),
        Err(error) => Err(PluginFault::Call { plugin, error }),
    }
}

/// Asks a rule's policy about a failure. What goes wrong is in the judgement.
pub fn judge(catalogue: &Catalogue, rule: &RetryRule, failure: &Failure) -> Judgement {
    let policy = match catalogue.retry_policy(&rule.plugin) {
        Ok(policy) => policy,
        Err(error) => return at_fault(rule, None, error.to_string(), None),
    };
    let config = config_of(catalogue, rule);
    let Called { outcome, cost } = policy.decide(&config.to_string(), failure);
    let answer = match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(sentence)) => Err(format!("has no answer: {sentence}")),
        Err(error) => Err(error.to_string()),
    };
    settle(rule, failure, policy.record().clone(), &config, answer, cost)
}

/// A policy's configuration: the rule's own, or what stands beside the plugin where the rule has none.
fn config_of(catalogue: &Catalogue, rule: &RetryRule) -> Value {
    if rule.config.as_object().is_some_and(|config| !config.is_empty()) {
        return rule.config.clone();
    }
    let beside = catalogue.settings(&rule.plugin).remove("config");
    let beside = beside.and_then(|config| serde_json::to_value(config).ok());
    beside.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// What follows from an answer, or from its absence.
fn settle(
    rule: &RetryRule,
    failure: &Failure,
    plugin: PluginRecord,
    config: &Value,
    answer: Result<RetryAnswer, String>,
    cost: CallCost,
) -> Judgement {
    let said = answer.as_ref().ok().and_then(|answer| serde_json::to_value(answer).ok());
    let call = PluginCall {
        at: failure.now,
        plugin: plugin.clone(),
        subject: format!("run {}", failure.attempt),
        input: json!({ "config": config, "failure": failure }),
        answer: said,
        cost,
        verdict: answer.as_ref().err().cloned().unwrap_or_else(|| "ok".to_owned()),
    };
    let call = Some(Box::new(call));
    match answer {
        Ok(RetryAnswer { decision, reason }) => {
            Judgement { decision, reason, plugin: Some(plugin), fault: None, call }
        }
        Err(fault) => at_fault(rule, Some(plugin), format!("plugin `{}` {fault}", rule.plugin), call),
    }
}

fn at_fault(
    rule: &RetryRule,
    plugin: Option<PluginRecord>,
    fault: String,
    call: Option<Box<PluginCall>>,
) -> Judgement {
    let reason = match rule.on_fault {
        RetryDecision::GiveUp => "the policy gave no usable answer, and `on_fault` is to give up",
        RetryDecision::Retry { .. } => "the policy gave no usable answer, and `on_fault` is to try again",
    };
    let reason = reason.to_owned();
    Judgement { decision: rule.on_fault, reason, plugin, fault: Some(fault), call }
}

/// What is known of an attempt that failed beside what its run says.
pub struct Circumstances<'a> {
    /// Its project.
    pub project: &'a Project,
    /// The nodes of its step that are not done.
    pub unfinished: Vec<String>,
    /// How many threads dbt had, where the command does not say so.
    pub threads: Option<u32>,
    /// The time.
    pub now: Timestamp,
}

/// A failure as a policy is told of it; none for an attempt that the run does not have.
pub fn failure(run: &Run, id: AttemptId, known: Circumstances<'_>) -> Option<Failure> {
    let step = run.step(id.step)?;
    let attempt = run.attempt(id)?;
    let failed: Vec<_> = attempt.nodes.values().filter(|node| node.state.is_failure()).collect();
    let exit = attempt.exit.as_ref();
    let mut unfinished = known.unfinished;
    let unfinished_total = count(unfinished.len());
    unfinished.truncate(UNFINISHED);
    let earlier = step.attempts.iter().filter(|before| before.id.attempt < id.attempt);
    Some(Failure {
        project: run.request.project.clone(),
        job: run.request.job.clone(),
        attempt: id,
        command: step.args_of(id.attempt).to_vec(),
        kind: kind(attempt),
        exit_code: exit.and_then(|exit| exit.code),
        signal: exit.and_then(|exit| exit.signal),
        message: attempt.reason.as_deref().map(cut),
        failed: failed.iter().take(FAILED).map(|node| failed_node(step, known.project, id, node)).collect(),
        failed_total: count(failed.len()),
        unfinished,
        unfinished_total,
        earlier: earlier.map(earlier_attempt).collect(),
        threads: known.threads,
        started_at: attempt.started_at,
        finished_at: attempt.finished_at.unwrap_or(known.now),
        now: known.now,
        seed: seed(&run.request.key, id),
    })
}

/// What failed in an attempt.
fn kind(attempt: &Attempt) -> FailureKind {
    match &attempt.exit {
        Some(exit) if exit.spawn_error.is_some() => FailureKind::NotStarted,
        Some(exit) if exit.signal.is_some() => FailureKind::Killed,
        None => FailureKind::Killed,
        Some(_) if attempt.nodes.values().any(|node| node.state.is_failure()) => FailureKind::Node,
        Some(_) => FailureKind::Dbt,
    }
}

fn failed_node(step: &Step, project: &Project, id: AttemptId, node: &NodeRun) -> FailedNode {
    let (asset, check) = (project.asset(&node.unique_id), project.check(&node.unique_id));
    let name = asset.map(|a| a.name.as_str()).or(check.map(|c| c.name.as_str()));
    let tags = asset.map(|a| &a.dbt_tags).or(check.map(|c| &c.dbt_tags));
    let meta = asset.map(|a| a.meta.as_str()).or(check.map(|c| c.meta.as_str()));
    let in_attempt = |attempt: &&Attempt| {
        attempt.id.attempt <= id.attempt
            && attempt.nodes.get(&node.unique_id).is_some_and(|node| node.state.is_failure())
    };
    FailedNode {
        unique_id: node.unique_id.clone(),
        resource_type: node.resource_type.to_string(),
        name: name.or_else(|| node.unique_id.split('.').nth(2)).unwrap_or(&node.unique_id).to_owned(),
        state: node.state.to_string(),
        message: node.message.as_deref().map(cut),
        failures: node.failures,
        started_at: node.started_at,
        took: node.execution_time.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok()),
        tags: tags.cloned().unwrap_or_default(),
        meta: meta.and_then(|meta| serde_json::from_str(meta).ok()).unwrap_or_else(|| json!({})),
        failed_attempts: count(step.attempts.iter().filter(in_attempt).count()),
    }
}

fn earlier_attempt(attempt: &Attempt) -> EarlierAttempt {
    let failed = attempt.nodes.values().filter(|node| node.state.is_failure());
    let decided = attempt.decided.as_deref();
    let waited = match decided.map(|decided| decided.decision) {
        Some(RetryDecision::Retry { after, .. }) => after,
        _ => SignedDuration::ZERO,
    };
    EarlierAttempt {
        attempt: attempt.id.attempt,
        kind: kind(attempt),
        message: attempt.reason.as_deref().map(cut),
        failed: failed.take(FAILED).map(|node| node.unique_id.clone()).collect(),
        started_at: attempt.started_at,
        finished_at: attempt.finished_at.unwrap_or(attempt.started_at),
        waited,
        reason: decided.map(|decided| decided.reason.clone()).unwrap_or_default(),
    }
}

/// The same whenever an attempt is asked about, and another one for each attempt.
fn seed(key: &str, id: AttemptId) -> u64 {
    let hash = blake3::hash(json!([key, id.step, id.attempt]).to_string().as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// A text up to what a policy is told of it.
fn cut(text: &str) -> String {
    if text.len() <= TEXT {
        return text.to_owned();
    }
    let end = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests;
