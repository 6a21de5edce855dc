//! Retry policies: plugins that say what to do about an attempt that failed.
//!
//! Owns the way from the host's words to the contract's and back, and what an answer must look like. Never decides what
//! happens when there is none, and never waits.

use jiff::{SignedDuration, Timestamp};

use super::{
    component::Plugin,
    contract::{Called, Description, Functions, PluginKind, sentence, weight, wrong},
    error::{CallError, LoadError, LoadFault},
    limits::CallLimits,
    sandbox::{Sandbox, State},
    source::PluginSource,
};
use crate::model::{
    CallCost, EarlierAttempt, FailedNode, Failure, PluginRecord, RetryAnswer, RetryDecision, RetryScope,
};
use bindings::{
    RetryPolicyPre,
    exports::tidegate::retry_policy::retrying::{self, Answer, Decision},
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated; `wit/` has the documentation")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/retry-policy", world: "retry-policy" });
}

/// No policy waits longer: a run that waits for a month is one that everybody has forgotten.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A retry policy, ready to be called.
pub struct RetryPolicy {
    sandbox: Sandbox,
    plugin: Plugin,
    ready: RetryPolicyPre<State>,
    description: Description,
    record: PluginRecord,
}

impl RetryPolicy {
    /// Opens a plugin, takes it for a retry policy, and asks who it is.
    pub fn load(sandbox: &Sandbox, source: &PluginSource) -> Result<Self, LoadError> {
        Self::new(sandbox, sandbox.open(source)?)
    }

    /// Takes a plugin for a retry policy, and asks who it is.
    pub fn new(sandbox: &Sandbox, plugin: Plugin) -> Result<Self, LoadError> {
        match prepare(sandbox, &plugin) {
            Ok((ready, description)) => {
                let record = description.record(PluginKind::RetryPolicy, plugin.digest());
                Ok(Self { sandbox: sandbox.clone(), plugin, ready, description, record })
            }
            Err(fault) => Err(fault.of(plugin.source())),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The interface that it implements, with its version.
    pub fn contract(&self) -> &str {
        let kind = PluginKind::RetryPolicy;
        kind.contract(&self.plugin).unwrap_or(kind.interface())
    }

    /// What it says of itself.
    pub fn describe(&self) -> &Description {
        &self.description
    }

    /// What stands in the record of a decision that it took.
    pub fn record(&self) -> &PluginRecord {
        &self.record
    }

    /// Asks whether a configuration, a JSON object, can be used. The inner error is the plugin's sentence why not.
    pub fn check_config(&self, config: &str) -> Result<Result<(), String>, CallError> {
        let (verdict, _) = self.call(config.len(), |policy, store| {
            policy.tidegate_retry_policy_retrying().call_check_config(store, config)
        });
        Ok(verdict?.map_err(|reason| sentence(&reason)))
    }

    /// Asks what to do about a failure.
    pub fn decide(&self, config: &str, failure: &Failure) -> Called<RetryAnswer> {
        let failure = retrying::Failure::from(failure);
        let (said, cost) = self.call(config.len() + size(&failure), |policy, store| {
            policy.tidegate_retry_policy_retrying().call_decide(store, config, &failure)
        });
        let outcome = said.and_then(|said| match said {
            Ok(said) => answer(said).map(Ok).map_err(CallError::BadAnswer),
            Err(reason) => Ok(Err(sentence(&reason))),
        });
        Called { outcome, cost }
    }

    fn call<R>(
        &self,
        bytes: usize,
        call: impl FnOnce(&bindings::RetryPolicy, &mut wasmtime::Store<State>) -> wasmtime::Result<R>,
    ) -> (Result<R, CallError>, CallCost) {
        let limits = self.sandbox.limits().for_call(0, bytes);
        self.sandbox.call_plugin(&limits, |store| self.ready.instantiate(store), call)
    }
}

fn prepare(sandbox: &Sandbox, plugin: &Plugin) -> Result<(RetryPolicyPre<State>, Description), LoadFault> {
    let check = |functions: &Functions<'_>| {
        functions.check_common::<retrying::Description>()?;
        functions.check::<(&str, &retrying::Failure), (Result<Answer, String>,)>("decide")
    };
    let linked = PluginKind::RetryPolicy.link(sandbox, plugin, check)?;
    let ready = RetryPolicyPre::new(linked).map_err(wrong)?;
    let limits: CallLimits = sandbox.limits().for_call(0, 0);
    let (said, _) = sandbox.call_plugin(
        &limits,
        |store| ready.instantiate(store),
        |policy, store| policy.tidegate_retry_policy_retrying().call_describe(store),
    );
    let said = said.map_err(LoadFault::Silent)?;
    Ok((ready, Description::new(&said.name, &said.version, &said.summary)))
}

/// About the bytes that a failure takes up.
fn size(failure: &retrying::Failure) -> usize {
    let node = |node: &retrying::FailedNode| {
        256 + weight([&node.unique_id, &node.resource_type, &node.name, &node.state, &node.meta])
            + weight(&node.message)
            + weight(&node.tags)
    };
    let earlier = |attempt: &retrying::EarlierAttempt| {
        128 + weight([&attempt.kind, &attempt.reason]) + weight(&attempt.message) + weight(&attempt.failed)
    };
    512 + weight([&failure.project, &failure.kind])
        + weight(&failure.message)
        + weight(&failure.command)
        + weight(&failure.unfinished)
        + failure.failed.iter().map(node).sum::<usize>()
        + failure.earlier.iter().map(earlier).sum::<usize>()
}

impl From<&Failure> for retrying::Failure {
    fn from(failure: &Failure) -> Self {
        Self {
            project: failure.project.clone(),
            job: failure.job.clone(),
            run: failure.attempt.run.0,
            step: failure.attempt.step,
            command: failure.command.clone(),
            attempt: failure.attempt.attempt,
            kind: failure.kind.as_str().to_owned(),
            exit_code: failure.exit_code,
            signal: failure.signal,
            message: failure.message.clone(),
            failed: failure.failed.iter().map(Into::into).collect(),
            failed_total: failure.failed_total,
            unfinished: failure.unfinished.clone(),
            unfinished_total: failure.unfinished_total,
            earlier: failure.earlier.iter().map(Into::into).collect(),
            threads: failure.threads,
            started_at: since_1970(failure.started_at),
            finished_at: since_1970(failure.finished_at),
            now: since_1970(failure.now),
            seed: failure.seed,
            extra: Vec::new(),
        }
    }
}

impl From<&FailedNode> for retrying::FailedNode {
    fn from(node: &FailedNode) -> Self {
        Self {
            unique_id: node.unique_id.clone(),
            resource_type: node.resource_type.clone(),
            name: node.name.clone(),
            state: node.state.clone(),
            message: node.message.clone(),
            failures: node.failures,
            started_at: node.started_at.map(since_1970),
            took: node.took.map(milliseconds),
            tags: node.tags.clone(),
            meta: node.meta.to_string(),
            failed_attempts: node.failed_attempts,
            extra: Vec::new(),
        }
    }
}

impl From<&EarlierAttempt> for retrying::EarlierAttempt {
    fn from(attempt: &EarlierAttempt) -> Self {
        Self {
            attempt: attempt.attempt,
            kind: attempt.kind.as_str().to_owned(),
            message: attempt.message.clone(),
            failed: attempt.failed.clone(),
            started_at: since_1970(attempt.started_at),
            finished_at: since_1970(attempt.finished_at),
            waited: milliseconds(attempt.waited),
            reason: attempt.reason.clone(),
        }
    }
}

fn since_1970(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// A time that went backwards, as after the clock was set, is none.
pub(super) fn milliseconds(time: SignedDuration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(0)
}

/// An answer as the host's own type, if it keeps the contract's rules.
fn answer(said: Answer) -> Result<RetryAnswer, String> {
    let reason = sentence(&said.reason);
    if reason.is_empty() {
        return Err("a decision without a reason".to_owned());
    }
    let decision = match said.decision {
        Decision::GiveUp => RetryDecision::GiveUp,
        Decision::Retry(retry) => {
            let after = i64::try_from(retry.after).map(SignedDuration::from_millis);
            let Some(after) = after.ok().filter(|after| *after <= LONGEST_WAIT) else {
                let days = LONGEST_WAIT.as_hours() / 24;
                return Err(format!("a retry after {} ms, which is more than {days} days", retry.after));
            };
            if retry.threads == Some(0) {
                return Err("a retry with 0 threads".to_owned());
            }
            let scope = match retry.scope {
                retrying::Scope::All => RetryScope::All,
                retrying::Scope::Unfinished => RetryScope::Unfinished,
            };
            RetryDecision::Retry { after, scope, threads: retry.threads }
        }
    };
    Ok(RetryAnswer { decision, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(decision: Decision, reason: &str) -> Answer {
        Answer { decision, reason: reason.to_owned() }
    }

    fn retry(after: u64, threads: Option<u32>) -> Decision {
        Decision::Retry(retrying::Retry { after, scope: retrying::Scope::Unfinished, threads })
    }

    #[test]
    fn an_answer_that_breaks_the_rules_is_refused_with_its_reason() {
        let error = |decision, reason| answer(said(decision, reason)).unwrap_err();
        assert_eq!(error(Decision::GiveUp, " \n"), "a decision without a reason");
        assert_eq!(error(retry(5, Some(0)), "x"), "a retry with 0 threads");
        assert_eq!(
            error(retry(u64::MAX, None), "x"),
            "a retry after 18446744073709551615 ms, which is more than 31 days"
        );
        let month = milliseconds(LONGEST_WAIT);
        assert!(error(retry(month + 1, None), "x").contains("more than 31 days"));
        assert_eq!(
            answer(said(retry(month, Some(2)), "two\nlines")).unwrap(),
            RetryAnswer {
                decision: RetryDecision::Retry {
                    after: LONGEST_WAIT,
                    scope: RetryScope::Unfinished,
                    threads: Some(2),
                },
                reason: "two lines".to_owned(),
            }
        );
    }

    #[test]
    fn times_before_1970_and_spans_that_run_backwards_are_zero() {
        assert_eq!(since_1970(Timestamp::from_second(-5).unwrap()), 0);
        assert_eq!(since_1970(Timestamp::from_second(5).unwrap()), 5000);
        assert_eq!(milliseconds(SignedDuration::from_secs(-1)), 0);
    }
}
