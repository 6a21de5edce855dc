//! What must hold of what starts jobs by itself: each tick, end and file is decided upon once, in time, by its policies.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::world::Universe;
use crate::{
    config::{MissedConfig, OverlapPolicy},
    model::{Cursor, JobEvent, JobEventKind, RunId, RunRequest, RunState, Tick, Trigger},
    schedule::Schedule,
};

/// What is known of each trigger.
pub(super) type Triggers = BTreeMap<(String, Trigger), Known>;

/// What is known of a trigger.
#[derive(Default)]
pub(super) struct Known {
    definition: String,
    /// Of a schedule: up to when it has decided, and what comes next.
    until: Timestamp,
    next: Option<Timestamp>,
    /// The ends that it has to decide upon.
    owed: Vec<u64>,
    /// The state of the files that it has decided upon; none before the first look.
    seen: Option<u64>,
    fired_at: Option<Timestamp>,
}

/// What is committed together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) requested: Vec<(RunId, RunRequest)>,
    pub(super) started: Vec<RunId>,
    /// The event, the run, and how it ended.
    pub(super) ended: Vec<(u64, RunId, RunState)>,
    /// What schedules have to decide.
    expected: BTreeMap<String, Option<VecDeque<Expected>>>,
    fired: Vec<(String, Trigger, RunId)>,
    resumed: Vec<String>,
}

/// A decision of a schedule: up to which tick, how many, and whether it fires.
type Expected = (Timestamp, u64, bool);

/// A host that is there decides sooner than this.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(60);

/// A cursor that is further ahead was left by a wrong clock.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What files need to be noticed, in milliseconds.
const NOTICED: i64 = 60_000;

/// What a schedule has to decide at a time; none where that is more than is worth counting.
fn expected(
    missed: MissedConfig,
    schedule: &Schedule,
    until: Timestamp,
    now: Timestamp,
) -> Option<VecDeque<Expected>> {
    let mut ticks: Vec<_> = schedule.upcoming(until).take_while(|tick| *tick <= now).take(900).collect();
    if ticks.len() == 900 {
        return None;
    }
    let punctual = ticks.pop_if(|last| *last >= now - PUNCTUAL);
    let mut decisions = VecDeque::new();
    let together = |ticks: &[Timestamp], fires| ticks.last().map(|last| (*last, ticks.len() as u64, fires));
    match missed {
        MissedConfig::Skip => decisions.extend(together(&ticks, false)),
        MissedConfig::Once => decisions.extend(together(&ticks, punctual.is_none())),
        MissedConfig::All(most) => {
            let (left, made_up) = ticks.split_at(ticks.len().saturating_sub(most as usize));
            decisions.extend(together(left, false));
            decisions.extend(made_up.iter().map(|tick| (*tick, 1, true)));
        }
    }
    decisions.extend(punctual.map(|tick| (tick, 1, true)));
    Some(decisions)
}

impl Universe {
    pub(super) fn told_of_job(&mut self, event: &JobEvent, batch: &mut Batch) {
        let job = event.job.clone();
        let text = format!("{:?}", event.kind);
        self.note(format!("job {job}: {}", text.chars().take(200).collect::<String>()));
        let configured = self.config.jobs.get(&job);
        let schedule = configured.and_then(|job| job.automated.schedule.clone());
        match &event.kind {
            JobEventKind::JobPaused { .. } => drop(self.checks.paused.insert(job)),
            JobEventKind::JobResumed { .. } => {
                self.checks.paused.remove(&job);
                self.checks.triggers.iter_mut().filter(|((j, _), _)| *j == job).for_each(|(_, known)| {
                    known.owed.clear();
                    known.seen = None;
                    known.until = event.at;
                    known.next = schedule.as_ref().and_then(|schedule| schedule.next(event.at));
                });
                batch.resumed.push(job);
            }
            JobEventKind::TriggerRemoved { trigger } => {
                drop(self.checks.triggers.remove(&(job, trigger.clone())))
            }
            JobEventKind::TriggerEnabled { trigger, definition, cursor } => {
                let wanted = configured.map(|job| job.automated.triggers()).unwrap_or_default();
                let place = (job.clone(), trigger.clone());
                let before = self.checks.triggers.remove(&place);
                let same = before.as_ref().is_some_and(|known| known.definition == *definition);
                let past = matches!(cursor, Cursor::Time(at) if *at < self.clock.now() - SignedDuration::from_secs(1));
                if same || past || wanted.get(trigger) != Some(definition) {
                    self.checks
                        .wrong(format!("{trigger} of {job} begins anew, as {definition} from {cursor:?}"));
                }
                let fired_at = before.and_then(|known| known.fired_at);
                let mut known = Known { definition: definition.clone(), fired_at, ..Known::default() };
                known.at(cursor, schedule.as_ref());
                self.checks.triggers.insert(place, known);
            }
            JobEventKind::CursorMoved { trigger, cursor } => {
                let now = self.clock.now();
                let Some(known) = self.checks.triggers.get_mut(&(job.clone(), trigger.clone())) else {
                    return;
                };
                let ahead = known.until > now + AHEAD - SignedDuration::from_secs(1);
                let fine = match trigger {
                    Trigger::Schedule => {
                        let past = matches!(cursor, Cursor::Time(at) if *at < event.at - SignedDuration::from_secs(1));
                        (batch.resumed.contains(&job) || ahead) && !past
                    }
                    Trigger::After => batch.resumed.contains(&job),
                    _ => true,
                };
                known.at(cursor, schedule.as_ref());
                if !fine {
                    self.checks.wrong(format!("{trigger} of {job} forgets what it has to decide"));
                }
            }
            JobEventKind::TickDecided { trigger, tick, cursor } => {
                self.decided(event, trigger, tick, batch);
                let place = (job, trigger.clone());
                let Some(known) = self.checks.triggers.get_mut(&place) else { return };
                known.at(cursor, schedule.as_ref());
                if *trigger == Trigger::Schedule && known.until != tick.due {
                    let what = format!(
                        "the schedule of {} has decided {}, and stays at {}",
                        place.0, tick.due, known.until
                    );
                    self.checks.wrong(what);
                }
            }
        }
    }

    fn decided(&mut self, event: &JobEvent, trigger: &Trigger, tick: &Tick, batch: &mut Batch) {
        let job = &event.job;
        let mut wrong = None;
        if !self.checks.automatic || self.checks.paused.contains(job) {
            wrong = Some("nothing may start it by itself".to_owned());
        }
        let Some(configured) = self.config.jobs.get(job) else {
            return self.checks.wrong(format!("{job} is started, and is not configured"));
        };
        let mut others = self.checks.unfinished_of(job);
        others.retain(|run| Some(*run) != tick.run);
        let skips = configured.automated.overlap == OverlapPolicy::Skip && !others.is_empty();
        let Some(known) = self.checks.triggers.get_mut(&(job.clone(), trigger.clone())) else {
            return self.checks.wrong(format!("{trigger} of {job} decides, and is none"));
        };
        let mut may_skip = skips;
        match trigger {
            Trigger::Schedule => {
                let Some(schedule) = &configured.automated.schedule else { return };
                let all = batch.expected.entry(job.clone()).or_insert_with(|| {
                    expected(configured.automated.missed, schedule, known.until, event.at)
                });
                may_skip |= self.checks.keys.contains_key(&format!("schedule:{job}:{}", tick.due))
                    && tick.run.is_none();
                match all.as_mut().map(VecDeque::pop_front) {
                    None => may_skip = true,
                    Some(Some((due, count, fires))) if (due, count) == (tick.due, tick.count) => {
                        if !fires && tick.run.is_some() {
                            wrong = Some("it was to be skipped".to_owned());
                        }
                        may_skip |= !fires;
                    }
                    Some(next) => wrong = Some(format!("{next:?} was to be decided")),
                }
                if tick.due > event.at || tick.due <= known.until {
                    wrong = Some(format!("everything up to {} has been decided", known.until));
                }
            }
            Trigger::After => {
                let before = known.owed.len();
                known.owed.retain(|end| !matches!(&event.kind, JobEventKind::TickDecided { cursor: Cursor::Event(c), .. } if end <= c));
                if before == known.owed.len() {
                    wrong = Some("there was no end to follow".to_owned());
                }
                may_skip |= configured.automated.missed == MissedConfig::Skip;
            }
            Trigger::Files(_) => {
                let state = state_of(&event.kind);
                if known.seen.is_none() || known.seen >= state {
                    wrong = Some("no file has arrived".to_owned());
                }
            }
            Trigger::Source(_) => {}
        }
        if let Some(run) = tick.run {
            known.fired_at = Some(event.at);
            batch.fired.push((job.clone(), trigger.clone(), run));
            if skips {
                wrong = Some(format!("run {} has not ended", others[0]));
            }
            if !batch
                .requested
                .iter()
                .any(|(asked, request)| *asked == run && request.job.as_ref() == Some(job))
            {
                wrong = Some(format!("run {run} is not asked for in the same breath"));
            }
        } else if !may_skip {
            wrong = Some("it was to start a run".to_owned());
        }
        self.checks.count(if tick.run.is_some() { "fired" } else { "skipped" });
        if let Some(wrong) = wrong {
            self.checks.wrong(format!("{job}: {trigger} decided {tick:?}: {wrong}"));
        }
    }

    /// Looks at a commit as a whole.
    pub(super) fn decided_together(&mut self, batch: &Batch) {
        for (job, left) in &batch.expected {
            if let Some(left) = left.as_ref().filter(|left| !left.is_empty()) {
                self.checks.wrong(format!("the schedule of {job} has left out {left:?}"));
            }
        }
        for (run, request) in &batch.requested {
            let by_itself = ["schedule", "after", "sensor"].contains(&request.launch.via.as_str());
            if by_itself && !batch.fired.iter().any(|(.., fired)| fired == run) {
                self.checks.wrong(format!("run {run} is asked for, and no trigger has decided so"));
            }
        }
        for (job, _, run) in &batch.fired {
            let cancels =
                self.config.jobs.get(job).map(|j| j.automated.overlap) == Some(OverlapPolicy::CancelPrevious);
            let goes_on = self
                .checks
                .unfinished_of(job)
                .into_iter()
                .find(|o| o < run && !self.checks.runs[o].cancelled);
            if let Some(other) = goes_on.filter(|_| cancels) {
                self.checks.wrong(format!("run {other} goes on beside run {run}"));
            }
        }
    }

    /// A run has ended: whatever follows it has to decide upon that.
    pub(super) fn owe(&mut self, event: u64, run: RunId, state: RunState) {
        let Some(job) = self.checks.runs[&run].request.job.clone() else { return };
        for follower in self.config.jobs.values() {
            let follows = follower.automated.after.iter().any(|a| a.job == job && a.on.contains(&state));
            let wanted = follower.automated.triggers().remove(&Trigger::After);
            if let Some(known) = self.checks.triggers.get_mut(&(follower.name.clone(), Trigger::After))
                && follows
                && wanted.as_ref() == Some(&known.definition)
                && !self.checks.paused.contains(&follower.name)
            {
                known.owed.push(event);
            }
        }
    }

    /// Whether everything was decided that has come to pass by now.
    pub(super) fn nothing_is_owed(&mut self) {
        if !self.checks.automatic {
            return;
        }
        let (now, real) = (self.clock.now(), self.clock.real);
        let set = real - self.clock.untouched_since();
        let mut wrong = None;
        for job in self.config.jobs.values().filter(|job| !self.checks.paused.contains(&job.name)) {
            for (trigger, definition) in job.automated.triggers() {
                let Some(known) = self.checks.triggers.get(&(job.name.clone(), trigger.clone())) else {
                    wrong = Some(format!("{trigger} of {} is not enabled", job.name));
                    continue;
                };
                if known.definition != definition {
                    wrong = Some(format!("{trigger} of {} is {}", job.name, known.definition));
                }
                let fired = known.fired_at.filter(|at| *at <= now);
                let rests = |more: SignedDuration| {
                    fired.is_some_and(|at| at + job.automated.min_interval + more > now)
                };
                match trigger {
                    Trigger::Schedule if known.next.is_some_and(|next| next <= now) => {
                        wrong = Some(format!("{} has not decided {:?}", job.name, known.next));
                    }
                    // A wrong clock has been there: its time need not come again.
                    Trigger::Schedule if set > NOTICED && known.until > now + AHEAD + PUNCTUAL => {
                        wrong = Some(format!("{} decides nothing before {}", job.name, known.until));
                    }
                    Trigger::After
                        if self.checks.exact && !known.owed.is_empty() && !rests(SignedDuration::ZERO) =>
                    {
                        wrong = Some(format!("{} does not follow {:?}", job.name, known.owed));
                    }
                    Trigger::Files(_) => {
                        let Some((version, at)) = self.checks.arrived.get(&job.name) else { continue };
                        let long = real - at.max(&self.checks.steady_since) > NOTICED && self.clock.goes();
                        let fresh = known.seen.is_some_and(|seen| seen < *version);
                        if long && fresh && !rests(PUNCTUAL) {
                            wrong = Some(format!("{} does not notice its files", job.name));
                        }
                    }
                    _ => {}
                }
            }
        }
        wrong.into_iter().for_each(|what| self.checks.wrong(what));
    }

    /// The host looks at the files of a sensor: not more often than it has reason to.
    pub(super) fn looked(&mut self, job: &str) {
        let now = self.clock.real;
        let looks = self.looks.entry(job.to_owned()).or_default();
        looks.retain(|at| now - at < NOTICED);
        looks.push(now);
        let steady = now - self.checks.steady_since > NOTICED;
        if looks.len() > 16 && steady {
            let what = format!("the files of {job} are looked at {} times in a minute", looks.len());
            self.checks.wrong(what);
        }
    }
}

impl Known {
    fn at(&mut self, cursor: &Cursor, schedule: Option<&Schedule>) {
        match cursor {
            Cursor::Time(at) => {
                self.until = *at;
                self.next = schedule.and_then(|schedule| schedule.next(*at));
            }
            Cursor::Event(_) => {}
            Cursor::Seen(marks) => self.seen = marks.as_ref().map(version),
        }
    }
}

fn version(marks: &std::collections::BTreeSet<String>) -> u64 {
    marks.iter().filter_map(|mark| mark.strip_prefix('v')?.parse().ok()).max().unwrap_or(0)
}

fn state_of(kind: &JobEventKind) -> Option<u64> {
    match kind {
        JobEventKind::TickDecided { cursor: Cursor::Seen(marks), .. } => marks.as_ref().map(version),
        _ => None,
    }
}
