//! Between two attempts at a step: the retry policy is asked, its decision is put on record, and its time is waited for.
//!
//! The run holds its slot and its locks meanwhile. All of it follows from the events: a host that comes later asks what
//! nobody has answered, and waits for what is due.

use jiff::Timestamp;

use super::{Dispatcher, later, limits::Due, local};
use crate::{
    crash, dbt,
    engine::resume::unfinished,
    fold,
    model::{
        AttemptId, Decided, Event, EventKind, Project, RetryDecision, RetryRule, RetryScope, Run, RunId,
        Step, first_line,
    },
    policy::{Circumstances, Judgement, failure},
    store::{Entry, StoreError},
};

impl Dispatcher {
    /// Asks about an attempt that failed, once. Its project is open.
    pub(super) fn ask(&mut self, run: &Run, rule: &RetryRule, id: AttemptId) -> Result<(), StoreError> {
        let Some(under_way) = self.under_way.get_mut(&run.id) else { return Ok(()) };
        if under_way.asking.replace(id) == Some(id) {
            return Ok(());
        }
        let (Some(project), Some(opened)) = (under_way.project.clone(), under_way.opened.clone()) else {
            return Ok(());
        };
        if self.is_last(rule, id) {
            let most = rule.max_attempts;
            return self
                .decided(id, Judgement::give_up(format!("`max_attempts` allows no more than {most}")));
        }
        let Some(step) = run.step(id.step) else { return Ok(()) };
        let args = step.args_of(id.attempt);
        let known = Circumstances {
            unfinished: unfinished(step, &opened.project).1,
            threads: dbt::threads_of(args).or_else(|| self.world.threads(args, &project)),
            project: &opened.project,
            now: self.world.now(),
        };
        if let Some(failure) = failure(run, id, known) {
            self.world.decide(rule, failure, &self.mail);
        }
        Ok(())
    }

    fn is_last(&self, rule: &RetryRule, id: AttemptId) -> bool {
        #[cfg(test)]
        if self.has(super::bugs::Bug::KnowsNoMost) {
            return false;
        }
        id.attempt >= rule.max_attempts
    }

    /// It was decided what to do about an attempt that failed: that is put on record together with the call of the plugin.
    /// An answer that comes when the run has been stopped tells nothing any more.
    pub(super) fn decided(&mut self, id: AttemptId, judgement: Judgement) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id.run) else { return Ok(()) };
        if fold::owed(run).is_none_or(|attempt| attempt.id != id) {
            return Ok(());
        }
        let Some(opened) = self.under_way.get(&id.run).and_then(|u| u.opened.clone()) else { return Ok(()) };
        let at = self.world.now();
        let call = judgement.call.clone();
        let decided = decision(run, id, judgement, &opened.project, at);
        let kind = EventKind::RetryDecided { attempt: id, decided: Box::new(decided) };
        let mut entries = vec![Entry::from(Event { run: id.run, at, kind })];
        entries.extend(call.map(Entry::Call));
        crash::point("engine.before-decision");
        self.record(entries)?;
        crash::point("engine.after-decision");
        if let Some(under_way) = self.under_way.get_mut(&id.run) {
            under_way.asking = None;
            under_way.retries_at = None;
        }
        self.go_on(id.run)
    }

    /// Whether the time of a run's next attempt has not come; then it is looked at again.
    pub(super) fn has_to_wait(&mut self, run: &Run) -> bool {
        let Some((_, Decided { decision: RetryDecision::Retry { after, .. }, due, .. })) = fold::waiting(run)
        else {
            return false;
        };
        // The host is about to end: the next one goes on.
        if self.queue.is_closed() {
            return true;
        }
        #[cfg(test)]
        if self.has(super::bugs::Bug::RetriesAtOnce) && due.is_some_and(|due| later(self.since, *after) > due)
        {
            return false;
        }
        let now = self.world.now();
        let Some(under_way) = self.under_way.get_mut(&run.id) else { return true };
        // A clock that was set back must not make it wait for longer than was decided.
        let at = *under_way.retries_at.get_or_insert(later(now, *after).min(due.unwrap_or(now)));
        if at <= now {
            return false;
        }
        self.due.insert((at, Due::Retry(run.id)));
        true
    }

    /// The time of a run's next attempt may have come.
    pub(super) fn retry(&mut self, id: RunId) -> Result<(), StoreError> {
        let waits = self.store.running_run(id).is_some_and(|run| fold::waiting(run).is_some());
        if waits { self.go_on(id) } else { Ok(()) }
    }

    /// What a run that is under way waits for, in words.
    pub(super) fn waits_for_retry(&self, run: &Run) -> Option<String> {
        let (attempt, decided) = fold::waiting(run)?;
        let at = self.under_way.get(&run.id).and_then(|u| u.retries_at).or(decided.due)?;
        let step = if run.steps.len() > 1 { format!(" of step {}", attempt.id.step) } else { String::new() };
        let next = attempt.id.attempt + 1;
        // Why it is tried again, and not when: policies may repeat that in words that were true at their time.
        let cause = attempt.reason.as_deref().map_or(decided.reason.as_str(), first_line);
        Some(format!("waiting until {} for attempt {next}{step}: {cause}", local(at)))
    }
}

/// A judgement as it is on record: with the time of the next attempt, and what that does.
fn decision(run: &Run, id: AttemptId, judgement: Judgement, project: &Project, at: Timestamp) -> Decided {
    let Judgement { decision, reason, plugin, fault, .. } = judgement;
    let (due, args) = match (decision, run.step(id.step)) {
        (RetryDecision::Retry { after, scope, threads }, Some(step)) => {
            (Some(later(at, after)), Some(arguments(step, id, scope, threads, project)))
        }
        _ => (None, None),
    };
    Decided { decision, reason, plugin, fault, due, args }
}

/// dbt's arguments in the attempt behind this one.
fn arguments(
    step: &Step,
    id: AttemptId,
    scope: RetryScope,
    threads: Option<u32>,
    project: &Project,
) -> Vec<String> {
    let args = match scope {
        RetryScope::All => step.args.clone(),
        RetryScope::Unfinished => unfinished(step, project).0,
    };
    // Fewer threads stay fewer: the next attempt does not go back to what was too many.
    let before = dbt::threads_of(step.args_of(id.attempt));
    let threads = threads.into_iter().chain(before).min();
    match threads.filter(|threads| dbt::threads_of(&args) != Some(*threads)) {
        Some(threads) => dbt::with_threads(&args, threads),
        None => args,
    }
}
