//! From a request to its turn: requests are accepted, wait, and start.

use std::sync::{Arc, mpsc};

use jiff::Timestamp;

use super::{Batch, Dispatcher, UnderWay, later, limits::Due, local};
use crate::{
    crash,
    engine::{
        Message, Refusal, Taken,
        queue::{Needs, Wait},
        request,
    },
    model::{Event, EventKind, Launch, Run, RunId, RunRequest, RunState},
    store::StoreError,
};

type Answer = mpsc::Sender<Result<Taken, Refusal>>;

/// Whom to answer what, once it is on record.
pub(super) type Answers = Vec<(Answer, Result<Taken, Refusal>)>;

/// So many runs in a row are resumed without anybody asking: what is interrupted each time is not helped by one more.
const RESUMED_IN_A_ROW: usize = 3;

impl Dispatcher {
    /// Accepts requests in one transaction. What cannot be committed is refused, and whoever asked knows.
    pub(super) fn accept(&mut self, requests: Vec<(RunRequest, Answer)>) -> Result<(), StoreError> {
        if requests.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        let mut answers: Answers = Vec::with_capacity(requests.len());
        for (request, answer) in requests {
            let known = batch.requested.len();
            let run = match self.stranger_of(&batch, &request)? {
                Some(refusal) => Err(refusal),
                None => self
                    .add_request(&mut batch, request)
                    .map(|run| Taken { run, is_new: batch.requested.len() > known })
                    .map_err(|e| Refusal { message: e.to_string(), hint: e.hint() }),
            };
            answers.push((answer, run));
        }
        #[cfg(test)]
        self.spoil_answers(&answers);
        // Not the patient way: who asks while the disk is full is told so.
        let recorded = self.store.record(&batch.entries);
        crash::point("engine.before-answer");
        let refused = recorded.err().map(|e| Refusal { message: e.to_string(), hint: e.hint() });
        for (answer, run) in answers {
            let _ = answer.send(refused.clone().map_or(run, Err));
        }
        if refused.is_none() {
            self.news.send_replace(self.store.last_event());
            let at = self.world.now();
            for (run, request) in batch.requested {
                super::status::log_request(run, &request);
                self.enqueue(run, &request, at)?;
            }
            self.start_queued()?;
        }
        Ok(())
    }

    /// Why a request cannot have its key: it is that of a run of something else, and whoever asks would take that one's end
    /// for an answer.
    fn stranger_of(&self, batch: &Batch, request: &RunRequest) -> Result<Option<Refusal>, StoreError> {
        let refusal = |id: RunId, what: &str| Refusal {
            hint: Some("choose another key".to_owned()),
            ..Refusal::new(format!("`{}` is the key of run {id} of {what}", request.key))
        };
        // It may have been asked for a moment ago, and be committed with this one.
        if let Some((id, twin)) = batch.twin(request) {
            return Ok((!twin.is_like(request)).then(|| refusal(*id, "something else")));
        }
        let Some(id) = self.store.run_of_key(&request.key)? else { return Ok(None) };
        let run = self.store.run(id)?;
        let other = |run: &&Run| !run.request.is_like(request);
        Ok(run.as_ref().filter(other).map(|run| refusal(id, &run.title())))
    }

    /// Adds a request to what is committed together, unless its key is known, and gives the number of its run.
    pub(super) fn add_request(&self, batch: &mut Batch, request: RunRequest) -> Result<RunId, StoreError> {
        if let Some((run, _)) = batch.twin(&request) {
            return Ok(*run);
        }
        if let Some(run) = self.store.run_of_key(&request.key)? {
            return Ok(run);
        }
        let run = RunId(self.store.next_run().0 + batch.requested.len() as u64);
        let kind = EventKind::RunRequested { request: Box::new(request.clone()) };
        batch.entries.push(Event { run, at: self.world.now(), kind }.into());
        batch.requested.push((run, request));
        Ok(run)
    }

    /// A run that was accepted gets in line.
    pub(super) fn enqueue(
        &mut self,
        id: RunId,
        request: &RunRequest,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(job) = &request.job {
            self.of_job.entry(job.clone()).or_default().insert(id);
        }
        self.watch_lateness(id, request.limits.late_after, at);
        if let Some(timeout) = request.limits.queue_timeout {
            self.due.insert((later(at, timeout), Due::QueueTimeout(id)));
        }
        let needs = self.needs(id, request)?;
        self.queue.put(id, needs);
        Ok(())
    }

    fn needs(&mut self, id: RunId, request: &RunRequest) -> Result<Needs, StoreError> {
        let limits = &request.limits;
        let rate = request.job.clone().zip(limits.start_rate);
        if let Some((job, rate)) = rate.as_ref().filter(|(job, _)| !self.queue.knows_starts(job)) {
            self.queue.remember_starts(job, self.store.starts_of(job, rate.runs)?);
            self.queue.set_back(self.world.now());
            #[cfg(test)]
            self.spoil_starts(job);
        }
        let files = self.world.write_locks(request);
        let mut locks = limits.locks.clone();
        locks.extend(files.locks);
        locks.sort();
        locks.dedup();
        if let Some(note) = files.note.filter(|note| !self.warned.contains(note)) {
            tracing::warn!(run = id.0, "{note}");
            self.warned.insert(note);
        }
        Ok(Needs { priority: limits.priority, locks, rate })
    }

    /// Gives each queued run its turn that can have it.
    pub(super) fn start_queued(&mut self) -> Result<(), StoreError> {
        let now = self.world.now();
        while let Some(id) = self.queue.next(now) {
            let Some(run) = self.store.run(id)?.filter(|run| run.state == RunState::Queued) else {
                self.queue.take_out(id);
                continue;
            };
            // The time may have passed while no host was there.
            if self.waits_until(&run).is_some_and(|until| until <= now) {
                self.waited_in_vain(&run)?;
                continue;
            }
            // The profile may name another file than when the run got in line.
            let needs = self.needs(id, &run.request)?;
            if self.queue.locks_of(id) != Some(needs.locks.as_slice()) {
                self.queue.put(id, needs);
                continue;
            }
            self.queue.start(id, needs.locks.clone(), needs.rate.as_ref(), now);
            self.under_way.insert(id, UnderWay { locks: needs.locks, ..UnderWay::default() });
            self.open(&run);
        }
        if let Some(at) = self.queue.opens_at(now) {
            self.due.insert((at, Due::Rate));
        }
        Ok(())
    }

    /// What a queued run waits for, in words.
    pub(super) fn waits_for(&self, id: RunId) -> Option<String> {
        let run = |id: &RunId| match self.store.running_run(*id) {
            Some(run) => format!("run {id} of {}", run.title()),
            None => format!("run {id}"),
        };
        Some(match self.queue.why(id, self.world.now())? {
            Wait::Closed => "waiting: the host is about to end, and starts nothing any more".to_owned(),
            Wait::Slots(most) => format!("waiting for a slot: {most} runs are under way, as many as may be"),
            Wait::Lock(lock, holders) => {
                let holders: Vec<_> = holders.iter().map(run).collect();
                format!("waiting for {}, which holds {}", holders.join(" and "), words(&lock))
            }
            Wait::Behind(lock, other) => {
                format!("waiting behind {}, which needs {} too", run(&other), words(&lock))
            }
            Wait::Rate(at) => {
                format!("waiting until {}: the job's start rate allows no more runs before", local(at))
            }
        })
    }

    /// Takes up runs that are under way: they hold what they held.
    pub(super) fn take_up_running(&mut self) {
        let runs: Vec<_> = self.store.running().cloned().collect();
        for run in runs {
            #[cfg(test)]
            let run = self.spoil_adopted(run);
            self.under_way.insert(run.id, UnderWay { locks: run.locks.clone(), ..UnderWay::default() });
            self.queue.start(run.id, run.locks.clone(), None, self.world.now());
            if let Some(job) = &run.request.job {
                self.of_job.entry(job.clone()).or_default().insert(run.id);
            }
            self.watch_limits(&run);
            self.watch_lateness(run.id, run.request.limits.late_after, run.requested_at);
            // The next step needs the project, and so do the names of what is shown.
            self.open(&run);
            let last = run.steps.iter().flat_map(|step| &step.attempts).next_back();
            tracing::info!(
                run = run.id.0,
                job = run.request.job.as_deref().unwrap_or_default(),
                attempt = last.map(|attempt| attempt.id.to_string()).unwrap_or_default(),
                "run taken up"
            );
            if let Some(attempt) = run.running_attempt() {
                let step = run.step(attempt.id.step);
                let args = step.map(|step| step.args_of(attempt.id.attempt).to_vec()).unwrap_or_default();
                self.world.watch(attempt.id, &args, attempt.identity.clone(), attempt.log_offset, &self.mail);
                self.pass_on_stop(run.id);
            }
        }
    }

    /// Takes up runs that wait. Whichever was asked to stop is asked again, those that are under way too: the host before may
    /// have died between saying so and doing it.
    pub(super) fn take_up_queued(&mut self) -> Result<(), StoreError> {
        let idle = |run: &&Run| run.stopped().is_some() && run.running_attempt().is_none();
        let running = self.store.running().filter(idle);
        let mut stopped: Vec<_> = running.map(|run| run.id).collect();
        for id in self.store.queued()? {
            if let Some(run) = self.store.run(id)? {
                self.enqueue(id, &run.request, run.requested_at)?;
                stopped.extend(run.stopped().map(|_| id));
            }
        }
        #[cfg(test)]
        stopped.retain(|_| !self.has(super::bugs::Bug::ForgetsStops));
        stopped.into_iter().try_for_each(|run| self.wind_down(run))
    }

    pub(super) fn open(&mut self, run: &Run) {
        match self.world.project_of(run) {
            Ok(project) => {
                let under_way = self.under_way.entry(run.id).or_default();
                under_way.project = Some(project.clone());
                self.world.open(run.id, project, Arc::clone(&under_way.stop), &self.mail);
            }
            Err(refusal) => {
                let _ = self.mail.send(Message::Opened { run: run.id, result: Err(refusal) });
            }
        }
    }

    /// Someone wants a run to be resumed.
    pub(super) fn resume(&mut self, id: RunId, launch: Launch, answer: &Answer) -> Result<(), StoreError> {
        let refused = |refusal| drop(answer.send(Err(refusal)));
        let Some(run) = self.store.run(id)? else {
            refused(Refusal {
                hint: Some("`tidegate runs` lists them".to_owned()),
                ..Refusal::new(format!("there is no run {id}"))
            });
            return Ok(());
        };
        match request::resuming(&run, launch) {
            Ok(request) => self.accept(vec![(request, answer.clone())]),
            Err(refusal) => {
                refused(refusal);
                Ok(())
            }
        }
    }

    /// Adds the request for what is left to do of a run that is gone, unless that has been tried often enough.
    pub(super) fn add_resumption(&self, batch: &mut Batch, run: &Run) -> Result<(), StoreError> {
        let gone = run.stop.is_some()
            || run.steps.iter().flat_map(|s| &s.attempts).last().is_some_and(|a| a.exit.is_none());
        if !self.automatic || !run.request.limits.resume || !gone || run.cancelled_by.is_some() {
            return Ok(());
        }
        let mut in_a_row = 0;
        let mut before = run.request.resumes;
        while let Some(parent) = before.filter(|_| in_a_row < RESUMED_IN_A_ROW) {
            in_a_row += 1;
            before = self.store.run(parent)?.and_then(|parent| parent.request.resumes);
        }
        if in_a_row >= RESUMED_IN_A_ROW {
            tracing::warn!(
                run = run.id.0,
                "interrupted for the {}th time in a row: left alone",
                in_a_row + 1
            );
            return Ok(());
        }
        let launch = Launch {
            user: "tidegate".to_owned(),
            via: "resume".to_owned(),
            command: Vec::new(),
            reason: Some(format!("run {} was interrupted", run.id)),
        };
        if let Ok(request) = request::resuming(run, launch) {
            self.add_request(batch, request)?;
        }
        Ok(())
    }
}

/// A lock for people.
fn words(lock: &str) -> String {
    match lock.split_once(':') {
        Some(("duckdb", path)) => format!("the DuckDB file {path}"),
        Some(("project", name)) => format!("the project `{name}`"),
        _ => format!("the lock `{lock}`"),
    }
}
