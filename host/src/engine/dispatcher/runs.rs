//! A run from its turn to its end: its project is opened, its steps are attempted, and its state is decided.

use std::sync::{Arc, atomic::Ordering};

use super::{Batch, Dispatcher, UnderWay, gate::Passage, unless_full};
use crate::{
    crash,
    engine::{Names, Refusal, Update, causes::name_causes, message::Ended, resume::resume},
    fold,
    model::{
        AtTheGate, Attempt, AttemptId, By, Decided, Event, EventKind, ExitStatus, PluginCall, ResultsSource,
        RetryDecision, Run, RunId, RunState, StepRequest, Stop,
    },
    project::Opened,
    store::{Entry, StoreError},
};

impl Dispatcher {
    pub(super) fn opened(
        &mut self,
        id: RunId,
        result: Result<Arc<Opened>, Refusal>,
    ) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)?.filter(|run| !run.state.is_finished()) else { return Ok(()) };
        let too_late = run.state == RunState::Queued && self.queue.is_closed();
        if too_late || !self.under_way.contains_key(&id) {
            // The host is about to end: the run stays in the queue for the next one.
            return Ok(());
        }
        let opened = match result {
            Ok(opened) => opened,
            // Until the next attempt is due, somebody may mend it.
            Err(refusal) if run.running_attempt().is_some() || self.has_to_wait(&run) => {
                self.tell(id, || Update::Notice { text: format!("warning: {}", refusal.message) });
                return Ok(());
            }
            Err(refusal) => return self.cannot_go_on(id, refusal),
        };
        self.lineages.insert(run.request.project.clone(), Arc::clone(&opened));
        for warning in &opened.warnings {
            self.tell(id, || Update::Notice { text: format!("warning: {warning}") });
        }
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.opened = Some(Arc::clone(&opened));
        }
        self.tell(id, || Update::Names { names: Arc::new(Names::of(&opened)) });
        if run.state == RunState::Queued {
            let steps = match self.left_to_do(&run, &opened)? {
                Ok(steps) => steps,
                Err(refusal) => return self.cannot_go_on(id, refusal),
            };
            let manifest_digest = Some(opened.project.digest.clone());
            let locks = self.under_way.get(&id).map(|u| u.locks.clone()).unwrap_or_default();
            let plugins = opened.plugins.clone();
            let at = self.world.now();
            let begins =
                Event { run: id, at, kind: EventKind::RunStarted { manifest_digest, plugins, locks, steps } };
            // What the plugins were asked is kept with what came of it.
            let calls = opened.calls.iter().cloned();
            let calls = calls.map(|call| PluginCall { subject: format!("run {id}"), ..call });
            let calls = calls.map(|call| Entry::Call(Box::new(call)));
            self.record(std::iter::once(Entry::Run(begins)).chain(calls).collect())?;
            if let Some(run) = self.store.running_run(id).cloned() {
                self.watch_limits(&run);
                self.data_is_used(&run)?;
            }
        }
        self.go_on(id)
    }

    /// The steps of a run that does what is left of another one; none for any other run.
    fn left_to_do(
        &self,
        run: &Run,
        opened: &Opened,
    ) -> Result<Result<Option<Vec<StepRequest>>, Refusal>, StoreError> {
        let Some(parent) = run.request.resumes else { return Ok(Ok(None)) };
        Ok(match self.store.run(parent)? {
            Some(parent) => resume(&parent, &opened.project).map(Some),
            None => Err(Refusal::new(format!("run {parent}, which it was to resume, has been forgotten"))),
        })
    }

    fn cannot_go_on(&mut self, id: RunId, refusal: Refusal) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)? else { return Ok(()) };
        if let Some(attempt) = fold::owed(&run).map(|attempt| attempt.id) {
            // Nobody can say what is left to do: the attempt has failed, and that is all.
            let decided = Decided {
                decision: RetryDecision::GiveUp,
                reason: "the project cannot be opened any more".to_owned(),
                plugin: None,
                fault: Some(refusal.message),
                due: None,
                args: None,
            };
            self.commit(id, vec![EventKind::RetryDecided { attempt, decided: Box::new(decided) }])?;
            return self.go_on(id);
        }
        // Where nothing was left to do but to say so, it does not take the project.
        if let Some((state, reason)) = fold::conclude(&run) {
            return self.finish_run(id, EventKind::RunFinished { state, reason });
        }
        let Refusal { message, hint } = refusal;
        let reason = hint.map_or_else(|| message.clone(), |hint| format!("{message}\nhint: {hint}"));
        // A run that had begun has not been refused: it cannot go on.
        let event = if run.state == RunState::Queued {
            EventKind::RunRefused { reason }
        } else {
            EventKind::RunFinished { state: RunState::Interrupted, reason: Some(reason) }
        };
        self.finish_run(id, event)
    }

    /// Starts the next attempt or the next step of a run, or ends it.
    pub(super) fn go_on(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id).cloned() else { return Ok(()) };
        if run.running_attempt().is_some() {
            return Ok(());
        }
        #[cfg(test)]
        let run = self.spoil_owed(run);
        if let Some((state, reason)) = fold::conclude(&run) {
            return self.finish_run(id, EventKind::RunFinished { state, reason });
        }
        if self.has_to_wait(&run) {
            return Ok(());
        }
        let Some(UnderWay { project: Some(project), opened: Some(opened), .. }) = self.under_way.get(&id)
        else {
            // After a restart the first step went on without the project; the next one needs it.
            self.open(&run);
            return Ok(());
        };
        let (project, opened) = (project.clone(), Arc::clone(opened));
        if let (Some(attempt), Some(rule)) = (fold::owed(&run), &run.request.retry) {
            return self.ask(&run, rule, attempt.id);
        }
        let Some(next) = run.steps.iter().position(|step| !step.state.is_finished()) else { return Ok(()) };
        let attempt = AttemptId {
            run: id,
            step: u32::try_from(next + 1).unwrap_or(u32::MAX),
            attempt: u32::try_from(run.steps[next].attempts.len() + 1).unwrap_or(u32::MAX),
        };
        let mut args = run.steps[next].args_of(attempt.attempt).to_vec();
        let (found, plan) = match self.at_the_gate(&run, attempt, &args, &project, &opened)? {
            Passage::Open => (None, None),
            Passage::Asked => return Ok(()),
            Passage::Found(found, plan, narrowed) => {
                args = narrowed.unwrap_or(args);
                (Some(found), Some(plan))
            }
            Passage::Shut(found, plan, reason) => return self.shut_out(run, attempt, found, plan, reason),
        };
        let start = self.world.ready(attempt, &args, &project, &opened);
        let plan = plan.or_else(|| self.world.known_plan(&args, &project, &opened));
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.planning = plan.is_some();
            under_way.retries_at = None;
        }
        let command = std::iter::once("dbt".to_owned()).chain(start.spec.args.iter().cloned()).collect();
        let mut events = vec![EventKind::AttemptStarted {
            attempt,
            command,
            environment: start.environment.keys().cloned().collect(),
            revision: self.world.revision(&project),
        }];
        events.extend(found.map(|found| EventKind::GateFound { attempt, found }));
        events.extend(plan.map(|nodes| EventKind::PlanResolved { attempt, nodes }));
        #[cfg(test)]
        self.spoil_spawn(&start);
        self.commit(id, events)?;
        crash::point("engine.before-spawn");
        match self.world.spawn(&start) {
            Ok(identity) => {
                crash::point("engine.after-spawn");
                self.commit(id, vec![EventKind::AttemptSpawned { attempt, identity: identity.clone() }])?;
                self.world.watch(attempt, &args, Some(identity), 0, &self.mail);
                self.watch_silence(attempt, run.request.limits.silence_timeout);
                Ok(())
            }
            Err(e) => self.ended(Ended {
                attempt,
                exit: Some(ExitStatus::not_started(
                    format!("the attempt process could not be started: {e}"),
                    self.world.now(),
                )),
                results: None,
                raw_tail: String::new(),
            }),
        }
    }

    /// An attempt for which the gate leaves nothing to do: dbt is not started, and what it would have built is skipped. All
    /// of that is one commit, so that no host ever finds an attempt without a process.
    fn shut_out(
        &mut self,
        mut run: Run,
        attempt: AttemptId,
        found: Box<AtTheGate>,
        nodes: Vec<String>,
        reason: String,
    ) -> Result<(), StoreError> {
        let id = run.id;
        let project = self.under_way.get(&id).and_then(|u| u.project.as_ref());
        let revision = project.and_then(|project| self.world.revision(project));
        // Without a command: none was given.
        let mut events = vec![
            EventKind::AttemptStarted { attempt, command: Vec::new(), environment: Vec::new(), revision },
            EventKind::GateFound { attempt, found },
            EventKind::PlanResolved { attempt, nodes },
            EventKind::AttemptFinished { attempt, state: RunState::Incomplete, reason: Some(reason.clone()) },
        ];
        let at = self.world.now();
        for kind in &events {
            fold::apply(&mut run, &Event { run: id, at, kind: kind.clone() });
        }
        let (state, reason) = fold::conclude(&run).unwrap_or((RunState::Incomplete, Some(reason)));
        events.push(EventKind::RunFinished { state, reason });
        self.end_run(id, events)
    }

    pub(super) fn observed(
        &mut self,
        attempt: AttemptId,
        mut events: Vec<EventKind>,
    ) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(attempt.run) else { return Ok(()) };
        let Some(under_way) = self.under_way.get_mut(&attempt.run) else { return Ok(()) };
        // The plan is found out behind the first node, so that it delays none.
        let begins = events.iter().any(|e| matches!(e, EventKind::NodeStarted { .. }));
        if begins
            && !under_way.planning
            && let (Some(project), Some(opened)) = (&under_way.project, &under_way.opened)
            && let Some(step) = run.step(attempt.step)
        {
            under_way.planning = true;
            self.world.plan(attempt, step.args_of(attempt.attempt), project, opened, &self.mail);
        }
        if let (Some(opened), Some(state)) = (&under_way.opened, run.attempt(attempt)) {
            let results = events.iter_mut().filter_map(|event| match event {
                EventKind::NodeFinished { result, .. } => Some(&mut **result),
                _ => None,
            });
            name_causes(&opened.project, state, results);
        }
        // After a restart, what was only announced may be told once more.
        if let Some(state) = run.attempt(attempt) {
            events.retain(|event| !is_known(state, event));
        }
        let spawned = events.iter().any(|e| matches!(e, EventKind::AttemptSpawned { .. }));
        self.commit(attempt.run, events)?;
        if spawned {
            self.pass_on_stop(attempt.run);
        }
        Ok(())
    }

    /// Asks the attempt under way to stop where its run is to end, and the host died before it could say so.
    pub(super) fn pass_on_stop(&mut self, id: RunId) {
        let Some(run) = self.store.running_run(id).filter(|run| run.stopped().is_some()) else { return };
        let Some(attempt) = run.running_attempt().filter(|attempt| !self.world.is_asked(attempt.id)) else {
            return;
        };
        // An attempt process that cannot be signalled is one that someone can still cancel by hand.
        let _ = self.world.interrupt(attempt.id, attempt.identity.as_ref());
    }

    /// A plan that comes when the attempt is over already tells nothing any more.
    pub(super) fn planned(
        &mut self,
        attempt: AttemptId,
        nodes: Option<Vec<String>>,
    ) -> Result<(), StoreError> {
        if self.is_for_the_gate(attempt, &nodes) {
            return self.go_on(attempt.run);
        }
        let Some(nodes) = nodes else { return Ok(()) };
        let run = self.store.running_run(attempt.run);
        match run.and_then(|run| run.running_attempt()) {
            Some(under_way) if under_way.id == attempt => {
                self.commit(attempt.run, vec![EventKind::PlanResolved { attempt, nodes }])
            }
            _ => Ok(()),
        }
    }

    pub(super) fn ended(&mut self, ended: Ended) -> Result<(), StoreError> {
        let Ended { attempt: id, exit, results, raw_tail } = ended;
        let Some(run) = self.store.running_run(id.run) else { return Ok(()) };
        if run.attempt(id).is_none_or(|attempt| attempt.state.is_finished()) {
            return Ok(());
        }
        let mut events = vec![EventKind::AttemptExited { attempt: id, exit }];
        let mut freshness = false;
        if let Some((source, mut results)) = results {
            freshness = source == ResultsSource::Sources;
            let opened = self.under_way.get(&id.run).and_then(|u| u.opened.as_deref());
            // A host that died behind this has put them on record: they are told once.
            if let Some(attempt) = run.attempt(id).filter(|attempt| !attempt.has_results) {
                if let Some(opened) = opened {
                    name_causes(&opened.project, attempt, results.iter_mut());
                }
                events.push(EventKind::ResultsRead { attempt: id, source, results });
            }
        }
        let project = run.request.project.clone();
        crash::point("engine.before-ended");
        self.commit(id.run, events)?;
        crash::point("engine.before-verdict");
        if freshness {
            self.sources_were_looked_at(&project)?;
        }
        self.were_built(id)?;
        let Some(run) = self.store.running_run(id.run) else { return Ok(()) };
        let Some(attempt) = run.attempt(id) else { return Ok(()) };
        let (state, reason) = fold::verdict(attempt, run.stopped(), &raw_tail);
        #[cfg(test)]
        let state = self.spoil_verdict(state);
        self.commit(id.run, vec![EventKind::AttemptFinished { attempt: id, state, reason }])?;
        crash::point("engine.before-next");
        self.go_on(id.run)
    }

    pub(super) fn cancel(&mut self, id: RunId, by: By) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)?.filter(|run| !run.state.is_finished()) else { return Ok(()) };
        // Each time that a person asks is on record, as it makes dbt be asked once more.
        if run.cancelled_by.is_none() || !by.is_by_itself() {
            self.commit(id, vec![EventKind::CancelRequested { by }])?;
        }
        self.wind_down(id)
    }

    /// Stops a run that is under way. It ends in a state of the host's choice.
    pub(super) fn stop(&mut self, id: RunId, state: RunState, reason: String) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id) else { return Ok(()) };
        if run.stopped().is_none() {
            self.commit(id, vec![EventKind::StopRequested { stop: Stop { state, reason } }])?;
        }
        self.wind_down(id)
    }

    /// Interrupts what is under way of a run that is to end, and ends it where nothing is.
    pub(super) fn wind_down(&mut self, id: RunId) -> Result<(), StoreError> {
        let Some(run) = self.store.run(id)? else { return Ok(()) };
        if let Some(under_way) = self.under_way.get(&id) {
            under_way.stop.store(true, Ordering::Relaxed);
        }
        if let Some(attempt) = run.running_attempt() {
            crash::point("engine.before-interrupt");
            if let Err(e) = self.world.interrupt(attempt.id, attempt.identity.as_ref()) {
                let text = format!("the attempt process could not be signalled: {e}");
                tracing::error!(run = id.0, "{text}");
                self.tell(id, || Update::Notice { text });
            }
            return Ok(());
        }
        // Where all was done already, nothing has been stopped.
        match fold::conclude(&run) {
            Some((state, reason)) => self.finish_run(id, EventKind::RunFinished { state, reason }),
            None => Ok(()),
        }
    }

    /// Ends a run, and asks in the same transaction for the runs that its end starts.
    pub(super) fn finish_run(&mut self, id: RunId, event: EventKind) -> Result<(), StoreError> {
        self.end_run(id, vec![event])
    }

    /// The same with what comes before its end.
    fn end_run(&mut self, id: RunId, events: Vec<EventKind>) -> Result<(), StoreError> {
        let Some(mut run) = self.store.run(id)?.filter(|run| !run.state.is_finished()) else { return Ok(()) };
        let mut batch = Batch::default();
        let at = self.world.now();
        for kind in events {
            let event = Event { run: id, at, kind };
            fold::apply(&mut run, &event);
            batch.entries.push(event.into());
        }
        if run.state == RunState::Interrupted {
            self.add_resumption(&mut batch, &run)?;
        }
        if let Some(runs) = run.request.job.as_ref().and_then(|job| self.of_job.get_mut(job)) {
            runs.remove(&id);
        }
        self.follow(&mut batch, &run)?;
        let is_followed = !batch.requested.is_empty();
        self.commit_batch(batch)?;
        crash::point("engine.after-run");
        if is_followed {
            crash::point("engine.before-follow");
        }
        self.under_way.remove(&id);
        self.listeners.remove(&id);
        self.queue.take_out(id);
        self.queue.release(id);
        let forgotten = unless_full(self.store.forget(self.retention(), self.world.now()))?;
        forgotten.unwrap_or_default().into_iter().for_each(|run| self.world.forget(run));
        self.start_queued()
    }
}

/// Whether an event only says again how a node has ended.
fn is_known(attempt: &Attempt, event: &EventKind) -> bool {
    let EventKind::NodeFinished { result, .. } = event else { return false };
    attempt.nodes.get(&result.unique_id).is_some_and(|node| {
        node.state.is_finished()
            && (&node.state, node.started_at, node.finished_at, &node.message)
                == (&result.state, result.started_at, result.finished_at, &result.message)
    })
}
