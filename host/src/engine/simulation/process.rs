//! An attempt process and its dbt: they live on their own, and say and do what was planned when they were started.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use super::world::nodes_of;
use crate::model::{
    AttemptId, EventKind, ExitStatus, NodeResult, NodeState, ResourceType, ResultsSource, RunState,
};

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// dbt exits.
    Code(i32),
    /// dbt is killed, and the attempt process writes that down.
    Signal,
    /// Both are gone without a word.
    Vanished,
}

/// A line of its log.
#[derive(Debug, Clone)]
pub(super) struct Line {
    at: i64,
    pub(super) node: String,
    /// How the node ended; none where it began.
    pub(super) state: Option<NodeState>,
}

/// An attempt process.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) lines: Vec<Line>,
    pub(super) started: i64,
    pub(super) end: i64,
    pub(super) exit: Exit,
    /// Whether SIGINT means nothing to it.
    deaf: bool,
    interrupted: u32,
    leaves_results: bool,
    sources: bool,
}

/// The bytes of a line.
const LINE: u64 = 100;

const MINUTE: i64 = 60_000;

impl Process {
    /// What becomes of it is decided when it starts.
    pub(super) fn new(random: &mut fastrand::Rng, now: i64, calm: bool, args: &[String]) -> Self {
        let nodes = nodes_of(args);
        let lot = if calm { 0 } else { random.u32(0..100) };
        let length = match random.u32(0..20) {
            _ if calm => 10 * MINUTE,
            0 => random.i64(60 * MINUTE..240 * MINUTE),
            1..=6 => random.i64(10 * MINUTE..60 * MINUTE),
            _ => random.i64(10_000..10 * MINUTE),
        };
        // It hangs behind its first line.
        let hangs = if (85..92).contains(&lot) { random.i64(60 * MINUTE..600 * MINUTE) } else { 0 };
        let share = length / (nodes.len() as i64 + 1);
        let mut lines = Vec::new();
        let mut at = now + share / 2 + 1;
        for (n, node) in nodes.iter().enumerate() {
            lines.push(Line { at, node: node.clone(), state: None });
            at += share + if n == 0 { hangs } else { 0 };
            let last = n + 1 == nodes.len();
            let state = match lot {
                70..75 if last => NodeState::Error,
                75..80 if last => NodeState::Warn,
                _ if node.starts_with("source.") => NodeState::Pass,
                _ => NodeState::Success,
            };
            lines.push(Line { at, node: node.clone(), state: Some(state) });
        }
        let end = at + 500;
        let mut process = Self {
            lines,
            started: now,
            end,
            exit: Exit::Code(i32::from((70..75).contains(&lot))),
            deaf: random.u32(0..3) == 0,
            interrupted: 0,
            leaves_results: random.u32(0..10) > 0,
            sources: args.first().is_some_and(|arg| arg == "source"),
        };
        if let Some(exit) = match lot {
            92..97 => Some(Exit::Vanished),
            97..100 => Some(Exit::Signal),
            _ => None,
        } {
            process.exit = exit;
            process.cut(random.i64(now + 1..end));
        }
        process
    }

    fn cut(&mut self, end: i64) {
        self.end = end;
        self.lines.retain(|line| line.at <= end);
    }

    pub(super) fn is_alive(&self, now: i64) -> bool {
        now < self.end
    }

    /// Somebody kills it together with the process that would write down that it is dead.
    pub(super) fn vanish(&mut self, now: i64) {
        if self.is_alive(now) {
            self.exit = Exit::Vanished;
            self.cut(now);
        }
    }

    /// Whether it has been asked to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.interrupted > 0
    }

    /// It is asked to stop, for the first time or again.
    pub(super) fn interrupt(&mut self, random: &mut fastrand::Rng, now: i64) {
        self.interrupted += 1;
        let deaf = self.deaf && self.interrupted == 1;
        let end = now + if deaf { 30_000 } else { random.i64(100..3_000) };
        if end >= self.end {
            return;
        }
        if !deaf && self.exit == Exit::Code(0) && random.u32(0..6) == 0 {
            // It was as good as done.
            self.lines.iter_mut().for_each(|line| line.at = line.at.min(end));
            self.end = end;
            return;
        }
        self.exit = if deaf { Exit::Signal } else { Exit::Code(1) };
        self.cut(end);
    }

    /// The line that begins at an offset of the log.
    pub(super) fn line_at(offset: u64) -> usize {
        usize::try_from(offset / LINE).unwrap()
    }

    /// When there is something new.
    pub(super) fn next(&self, now: i64) -> i64 {
        self.lines.iter().map(|line| line.at).find(|at| *at > now).unwrap_or(self.end).min(self.end)
    }

    /// When it said something last.
    pub(super) fn spoke(&self, now: i64) -> Option<i64> {
        self.lines.iter().map(|line| line.at).rfind(|at| *at <= now)
    }

    /// What a watcher that has read so many lines finds, and how many it has read then.
    pub(super) fn events(&self, attempt: AttemptId, read: usize, now: i64) -> (Vec<EventKind>, usize) {
        let all = self.lines.iter().take_while(|line| line.at <= now).count();
        let fresh = self.lines.iter().take(all).skip(read);
        let mut events: Vec<_> = fresh
            .map(|line| match &line.state {
                None => EventKind::NodeStarted {
                    attempt,
                    unique_id: line.node.clone(),
                    resource_type: ResourceType::of_unique_id(&line.node),
                    started_at: None,
                    thread: None,
                    relation_name: None,
                },
                Some(state) => {
                    EventKind::NodeFinished { attempt, result: Box::new(result(&line.node, state, None)) }
                }
            })
            .collect();
        events.push(EventKind::LogRead { attempt, offset: all as u64 * LINE, raw_lines: 0 });
        (events, all)
    }

    /// What the attempt process writes down of dbt's end.
    pub(super) fn exit(&self, at: Timestamp) -> Option<ExitStatus> {
        let cancelled = self.interrupted > 0;
        match self.exit {
            Exit::Code(code) => Some(ExitStatus { code: Some(code), cancelled, ..ExitStatus::at(at) }),
            Exit::Signal => Some(ExitStatus { signal: Some(9), cancelled, ..ExitStatus::at(at) }),
            Exit::Vanished => None,
        }
    }

    pub(super) fn results(
        &self,
        rows: &BTreeMap<String, Timestamp>,
    ) -> Option<(ResultsSource, Vec<NodeResult>)> {
        if !matches!(self.exit, Exit::Code(_)) || !self.leaves_results && !self.sources {
            return None;
        }
        let newest = rows.values().max().copied();
        let ended = self.lines.iter().filter_map(|line| Some((&line.node, line.state.as_ref()?)));
        let results =
            ended.map(|(node, state)| result(node, state, newest.filter(|_| self.sources))).collect();
        Some((if self.sources { ResultsSource::Sources } else { ResultsSource::RunResults }, results))
    }

    /// What the attempt has to end as, where its run was stopped to end as something else or not.
    pub(super) fn verdict(&self, stopped: Option<RunState>) -> RunState {
        match self.exit {
            Exit::Vanished => stopped.unwrap_or(RunState::Interrupted),
            Exit::Code(1) | Exit::Signal if self.interrupted > 0 => stopped.unwrap_or(RunState::Cancelled),
            Exit::Signal => RunState::Interrupted,
            Exit::Code(0) if self.lines.iter().any(|line| line.state == Some(NodeState::Warn)) => {
                RunState::Warned
            }
            Exit::Code(0) => RunState::Succeeded,
            Exit::Code(_) => RunState::Failed,
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.end - self.started) / 1_000;
        write!(f, "{:?} after {seconds} s and {} lines", self.exit, self.lines.len())?;
        if self.deaf { f.write_str(", deaf") } else { Ok(()) }
    }
}

fn result(node: &str, state: &NodeState, max_loaded_at: Option<Timestamp>) -> NodeResult {
    NodeResult { max_loaded_at, ..NodeResult::of(node, state.clone()) }
}
