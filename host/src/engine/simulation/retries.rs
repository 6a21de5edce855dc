//! What must hold of retries, and policies whose answers follow from a seed.

use jiff::SignedDuration;

use super::{checks::Told, process::Exit, world::Universe};
use crate::{
    model::{
        AttemptId, CallCost, Decided, Failure, PluginCall, PluginRecord, RetryDecision, RetryRule,
        RetryScope, RunState,
    },
    policy::Judgement,
};

impl Universe {
    /// What a policy answers.
    pub(super) fn judgement(&mut self, rule: &RetryRule) -> Judgement {
        let random = &mut self.random;
        if random.u32(0..8) == 0 {
            let fault = Some("it trapped".to_owned());
            let reason = "it gave no answer".to_owned();
            return Judgement { decision: rule.on_fault, reason, plugin: None, fault, call: None };
        }
        if self.calm || random.u32(0..4) == 0 {
            return Judgement::give_up("enough".to_owned());
        }
        let longest = if random.bool() { 60_000 } else { 3 * 3_600_000 };
        let after = SignedDuration::from_millis(random.i64(0..longest));
        let scope = if random.bool() { RetryScope::All } else { RetryScope::Unfinished };
        let threads = (random.u32(0..3) == 0).then(|| random.u32(1..4));
        let decision = RetryDecision::Retry { after, scope, threads };
        let plugin = PluginRecord {
            kind: "retry-policy".to_owned(),
            name: "any".to_owned(),
            version: "0.1.0".to_owned(),
            digest: String::new(),
        };
        let call = PluginCall {
            at: self.clock.now(),
            plugin: plugin.clone(),
            subject: "an attempt".to_owned(),
            input: serde_json::Value::Null,
            answer: None,
            cost: CallCost::default(),
            verdict: "ok".to_owned(),
        };
        let reason = "once more".to_owned();
        Judgement { decision, reason, plugin: Some(plugin), fault: None, call: Some(Box::new(call)) }
    }

    /// The host asks a policy about an attempt.
    pub(super) fn asked(&mut self, failure: &Failure) {
        let id = failure.attempt;
        let undecided = self.checks.runs.get(&id.run).and_then(|told| told.attempts.get(&id));
        if undecided.is_none_or(|attempt| attempt.state.is_none() || attempt.decided.is_some()) {
            self.checks.wrong(format!("{id} is asked about, and there is nothing to decide"));
        }
        if !self.is_asked_about(id) {
            self.checks.wrong(format!("{id} is asked about, and has not failed by itself"));
        }
    }

    /// Whether an attempt ended in a way about which policies are asked.
    pub(super) fn is_asked_about(&self, id: AttemptId) -> bool {
        match self.processes.get(&id) {
            None => self.checks.unspawnable.contains(&id),
            Some(process) => {
                let failed = matches!(process.verdict(None), RunState::Failed | RunState::Interrupted);
                failed && process.exit != Exit::Vanished
            }
        }
    }
}

impl Told {
    /// What is wrong with a decision, if anything is. `asked` says whether there had to be one.
    pub(super) fn misdecided(&self, id: AttemptId, decided: &Decided, asked: bool) -> Option<String> {
        let Some(attempt) = self.attempts.get(&id) else { return Some(format!("there is no attempt {id}")) };
        let most = self.request.retry.as_ref().map_or(0, |rule| rule.max_attempts);
        let retries = matches!(decided.decision, RetryDecision::Retry { .. });
        if attempt.decided.is_some() {
            Some(format!("{id} is decided about twice"))
        } else if attempt.state.is_none() || !asked || most == 0 {
            Some(format!("{id} is decided about, and there was nothing to decide"))
        } else if retries && id.attempt >= most {
            Some(format!("{id} is retried, and was the last of {most}"))
        } else if retries != (decided.due.is_some() && decided.args.is_some()) {
            Some(format!("nobody can tell what follows {id}: {decided:?}"))
        } else {
            None
        }
    }

    /// What is wrong with the start of an attempt, if anything is. `passed` says whether so much time has passed since.
    pub(super) fn misstarted(
        &self,
        id: AttemptId,
        passed: impl Fn(i64, SignedDuration) -> bool,
    ) -> Option<String> {
        let before = id.attempt.checked_sub(1).filter(|before| *before > 0)?;
        let before = self.attempts.get(&AttemptId { attempt: before, ..id });
        let Some((at, decided)) = before.and_then(|before| before.decided.as_ref()) else {
            return Some(format!("{id} starts, and nobody has decided so"));
        };
        let RetryDecision::Retry { after, .. } = decided.decision else {
            return Some(format!("{id} starts, and it had been given up"));
        };
        (!passed(*at, after)).then(|| format!("{id} starts before its time"))
    }
}
