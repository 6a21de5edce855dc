//! Runs for whoever looks at them closely: page by page, in full, node by node, and what happened since.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{
    Reader, RunSummary, StoreError, Stored,
    pages::{Part, cut},
    read::{COUNTS, COUNTS_OF_ATTEMPTS},
    rows::{from_json, signed, timestamp},
};
use crate::model::{Event, EventKind, NodeRun, Run, RunId, RunState};

// What is filtered by most narrows the search; what else is asked for is looked at run by run.
pub(super) const IDS: &str = "SELECT id FROM run WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const IDS_OF_PROJECT: &str =
    "SELECT id FROM run WHERE id < ?1 AND project = ?3 ORDER BY id DESC LIMIT ?2";
pub(super) const IDS_OF_JOB: &str = "SELECT id FROM run WHERE job = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const IDS_IN_STATE: &str =
    "SELECT id FROM run WHERE state = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const IDS_OF_NODE: &str = "SELECT DISTINCT run_id FROM node_run
     WHERE tells AND unique_id = ?3 AND run_id < ?1 ORDER BY run_id DESC LIMIT ?2";
pub(super) const JOBS: &str = "WITH RECURSIVE named (job) AS (
       SELECT min(job) FROM run
       UNION ALL
       SELECT (SELECT min(job) FROM run WHERE job > named.job) FROM named WHERE named.job IS NOT NULL)
     SELECT job FROM named WHERE job IS NOT NULL";
pub(super) const RESUMED_BY: &str = "SELECT id FROM run WHERE request_key = 'resume:' || ?1";
pub(super) const COUNTS_BY_ATTEMPT: &str = "SELECT step, attempt, state, count(*) FROM node_run
     WHERE run_id = ?1 GROUP BY step, attempt, state";
pub(super) const NODES: &str =
    "SELECT step, attempt, body FROM node_run WHERE run_id = ?1 ORDER BY step, attempt, unique_id";
pub(super) const NODES_OF_ATTEMPT: &str =
    "SELECT step, attempt, body FROM node_run WHERE run_id = ?1 AND step = ?2 AND attempt = ?3";
pub(super) const NODES_IN_STATE: &str = "SELECT step, attempt, body FROM node_run
     WHERE run_id = ?1 AND step = ?2 AND attempt = ?3 AND state = ?4";
pub(super) const NODE: &str = "SELECT step, attempt, body FROM node_run
     WHERE run_id = ?1 AND step = ?2 AND attempt = ?3 AND unique_id = ?4";
pub(super) const EVENTS: &str =
    "SELECT id, at, body FROM event WHERE run_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
// Of what only says how far a log was read, and of a whole artifact, nobody needs to know more than that it happened.
pub(super) const HAPPENED: &str =
    "SELECT id, run_id, job, subject, kind, CASE WHEN kind NOT IN ('run_requested', 'results_read') THEN body END,
       CASE WHEN kind = 'results_read' THEN json_extract(body, '$.attempt') END
     FROM event WHERE id > ?1 AND id <= ?2 AND (run_id IS NULL OR kind <> 'log_read') ORDER BY id";

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSearch {
    /// Only those before this one.
    pub before: Option<RunId>,
    /// Only of this job.
    pub job: Option<String>,
    /// Only in one of these states; where there are none, in any.
    pub states: Vec<RunState>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only those that had to do with this node.
    pub unique_id: Option<String>,
    /// Only those that were launched so.
    pub via: Option<String>,
    /// Only those whose number, title, user or reason contains this, in any case.
    pub text: Option<String>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunsFound {
    /// The runs, newest first. There may be fewer than asked for, even none, though more follow.
    pub runs: Vec<RunSummary>,
    /// Before which run the search goes on; none where there are no more.
    pub next: Option<RunId>,
}

/// How many nodes are in each state, by step and attempt.
pub type NodeCounts = BTreeMap<(u32, u32), BTreeMap<String, u64>>;

/// All that is on record of a run, but for its nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStory {
    /// The run, without its nodes.
    pub run: Run,
    /// How many nodes are in each state, behind the last attempt that did something about each.
    pub counts: BTreeMap<String, u64>,
    /// The same attempt by attempt.
    pub of_attempts: NodeCounts,
    /// The run that does what is left to do of it.
    pub resumed_by: Option<RunId>,
    /// The number of the newest event when all of this was read.
    pub as_of: u64,
}

/// Something that happened, as far as whoever follows has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// To a run.
    ToRun {
        /// The event's number.
        id: u64,
        /// Which.
        run: RunId,
        /// What.
        what: RunChange,
    },
    /// To what starts a job by itself.
    ToJob {
        /// The event's number.
        id: u64,
        /// The job.
        job: String,
    },
    /// To something else, such as `plugin:NAME`.
    ToSubject {
        /// The event's number.
        id: u64,
        /// What.
        subject: String,
    },
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunChange {
    /// It was asked for.
    Requested,
    /// All nodes of an attempt may have changed, and some may be gone.
    Results {
        /// The step.
        step: u32,
        /// The attempt.
        attempt: u32,
    },
    /// Anything else.
    Event(Box<EventKind>),
}

/// A node with its step and attempt.
pub type NodeOf = (u32, u32, NodeRun);

/// A node with its step and attempt, as the text that is on record: a [`NodeRun`] as a JSON object.
pub type NodeText = (u32, u32, String);

/// A search looks at no more runs at a time: what is rare is found page by page.
const LOOKED_AT: usize = 1_000;

impl Reader {
    /// Searches the runs, newest first.
    pub fn search(&self, search: &RunSearch) -> Result<RunsFound, StoreError> {
        self.at_one_moment(|| self.found(search))
    }

    fn found(&self, search: &RunSearch) -> Result<RunsFound, StoreError> {
        let wanted = search.limit.max(1) as usize;
        let mut before = search.before.map_or(i64::MAX, |run| signed(run.0));
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        let at_once = if search.text.is_some() || search.via.is_some() { wanted.max(100) } else { wanted };
        while looked_at < LOOKED_AT {
            let ids = self.ids(search, before, at_once)?;
            for id in &ids {
                before = *id;
                looked_at += 1;
                let Some(run) = self.body(*id)? else { continue };
                if !search.finds(&run) {
                    continue;
                }
                let counts = self.counts(&run)?;
                runs.push(RunSummary { run, counts });
                if runs.len() == wanted {
                    let next = !self.ids(search, before, 1)?.is_empty();
                    return Ok(RunsFound { runs, next: next.then(|| RunId(before.unsigned_abs())) });
                }
            }
            if ids.len() < at_once {
                return Ok(RunsFound { runs, next: None });
            }
        }
        Ok(RunsFound { runs, next: Some(RunId(before.unsigned_abs())) })
    }

    /// The numbers of runs that may be wanted, newest first.
    fn ids(&self, search: &RunSearch, before: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        if let Some(node) = &search.unique_id {
            return self.query(IDS_OF_NODE, params![before, most, node], read);
        }
        if !search.states.is_empty() {
            let mut ids = Vec::new();
            for state in &search.states {
                ids.extend(self.query(IDS_IN_STATE, params![before, most, state.as_str()], read)?);
            }
            ids.sort_unstable_by(|a, b| b.cmp(a));
            // A state may be named twice.
            ids.dedup();
            ids.truncate(limit);
            return Ok(ids);
        }
        match (&search.job, &search.project) {
            (Some(job), _) => self.query(IDS_OF_JOB, params![before, most, job], read),
            (None, Some(project)) => self.query(IDS_OF_PROJECT, params![before, most, project], read),
            (None, None) => self.query(IDS, params![before, most], read),
        }
    }

    fn body(&self, id: i64) -> Result<Option<Run>, StoreError> {
        let body = self.query("SELECT body FROM run WHERE id = ?1", [id], |row| row.get::<_, String>(0))?;
        body.into_iter().next().map(|body| from_json(self.path(), "run", &body)).transpose()
    }

    /// How many nodes of a run are in each state, behind the last attempt that did something about each.
    pub fn counts(&self, run: &Run) -> Result<BTreeMap<String, u64>, StoreError> {
        let several = run.steps.iter().any(|step| step.attempts.len() > 1);
        let counts = self.query(
            if several { COUNTS_OF_ATTEMPTS } else { COUNTS },
            params![signed(run.id.0)],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
        )?;
        Ok(counts.into_iter().collect())
    }

    /// A run as a list has it; none where it is forgotten.
    pub fn summary(&self, id: RunId) -> Result<Option<RunSummary>, StoreError> {
        let Some(run) = self.body(signed(id.0))? else { return Ok(None) };
        let counts = self.counts(&run)?;
        Ok(Some(RunSummary { run, counts }))
    }

    /// The jobs of which there are runs, by name.
    pub fn jobs_of_runs(&self) -> Result<Vec<String>, StoreError> {
        self.query(JOBS, [], |row| row.get(0))
    }

    /// A run without its nodes.
    pub fn outline(&self, id: RunId) -> Result<Run, StoreError> {
        self.body(signed(id.0))?.ok_or(StoreError::NoSuchRun(id.0))
    }

    /// All that is on record of a run, but for its nodes.
    pub fn story(&self, id: RunId) -> Result<RunStory, StoreError> {
        self.at_one_moment(|| {
            let run = self.outline(id)?;
            let mut of_attempts = NodeCounts::new();
            let rows = self.query(COUNTS_BY_ATTEMPT, params![signed(id.0)], |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
            })?;
            for (attempt, state, count) in rows {
                of_attempts.entry(attempt).or_default().insert(state, count.unsigned_abs());
            }
            let resumed_by = self.query(RESUMED_BY, params![id.to_string()], |row| row.get::<_, i64>(0))?;
            Ok(RunStory {
                counts: self.counts(&run)?,
                of_attempts,
                resumed_by: resumed_by.first().map(|id| RunId(id.unsigned_abs())),
                as_of: self.newest_event()?,
                run,
            })
        })
    }

    /// The nodes of a run in the order of its attempts, with the number of the newest event when they were read.
    pub fn nodes(&self, id: RunId) -> Result<(Vec<NodeOf>, u64), StoreError> {
        self.at_one_moment(|| Ok((self.nodes_by(NODES, params![signed(id.0)])?, self.newest_event()?)))
    }

    /// The same as they are on record: thousands of them are passed on much sooner than they are read and written again.
    pub fn node_texts(&self, id: RunId) -> Result<(Vec<NodeText>, u64), StoreError> {
        self.at_one_moment(|| Ok((self.texts_by(NODES, params![signed(id.0)])?, self.newest_event()?)))
    }

    /// What a text of [`Self::node_texts`] says.
    pub fn read_node<'a, T: serde::Deserialize<'a>>(&self, text: &'a str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|e| StoreError::Row {
            path: self.path().to_owned(),
            table: "node_run",
            reason: e.to_string(),
        })
    }

    /// All nodes of an attempt.
    pub fn nodes_of_attempt(&self, run: RunId, step: u32, attempt: u32) -> Result<Vec<NodeOf>, StoreError> {
        self.nodes_by(NODES_OF_ATTEMPT, params![signed(run.0), step, attempt])
    }

    /// The nodes of an attempt that are in a state.
    pub fn nodes_in_state(
        &self,
        run: RunId,
        step: u32,
        attempt: u32,
        state: &str,
    ) -> Result<Vec<NodeOf>, StoreError> {
        self.nodes_by(NODES_IN_STATE, params![signed(run.0), step, attempt, state])
    }

    /// A node of an attempt; none where the attempt has no such node any more.
    pub fn node(
        &self,
        run: RunId,
        step: u32,
        attempt: u32,
        unique_id: &str,
    ) -> Result<Option<NodeOf>, StoreError> {
        Ok(self.nodes_by(NODE, params![signed(run.0), step, attempt, unique_id])?.pop())
    }

    fn nodes_by(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<NodeOf>, StoreError> {
        let rows = self.texts_by(sql, params)?;
        rows.into_iter().map(|(step, attempt, body)| Ok((step, attempt, self.read_node(&body)?))).collect()
    }

    fn texts_by(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<NodeText>, StoreError> {
        self.query(sql, params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// Events of a run, in order.
    pub fn events_behind(
        &self,
        run: RunId,
        behind: Option<u64>,
        limit: u32,
    ) -> Result<Part<Stored>, StoreError> {
        let behind = signed(behind.unwrap_or_default());
        let rows = self.query(EVENTS, params![signed(run.0), behind, limit + 1], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        let rows = rows.into_iter().map(|(id, at, body)| {
            let event = Event { run, at: timestamp(at), kind: from_json(self.path(), "event", &body)? };
            Ok((id.unsigned_abs(), Stored { id: id.unsigned_abs(), event }))
        });
        Ok(cut(rows.collect::<Result<Vec<_>, StoreError>>()?, limit))
    }

    /// The number of the newest event that there ever was.
    pub fn newest_event(&self) -> Result<u64, StoreError> {
        let newest = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";
        let newest = self.query(newest, [], |row| row.get::<_, i64>(0))?;
        Ok(newest.first().copied().unwrap_or_default().unsigned_abs())
    }

    /// What happened behind an event, up to another one, in order.
    pub fn happened(&self, after: u64, until: u64) -> Result<Vec<Happened>, StoreError> {
        let rows = self.query(HAPPENED, params![signed(after), signed(until)], |row| {
            Ok((
                (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<i64>>(1)?),
                (row.get::<_, Option<String>>(2)?, row.get::<_, Option<String>>(3)?),
                (
                    row.get::<_, String>(4)?,
                    row.get::<_, Option<String>>(5)?,
                    row.get::<_, Option<String>>(6)?,
                ),
            ))
        })?;
        rows.into_iter()
            .map(|((id, run), (job, subject), (kind, body, attempt))| {
                if let Some(run) = run.map(|run| RunId(run.unsigned_abs())) {
                    let what = match (body, attempt) {
                        (Some(body), _) => {
                            RunChange::Event(Box::new(from_json(self.path(), "event", &body)?))
                        }
                        (None, Some(attempt)) if kind == "results_read" => {
                            let id: crate::model::AttemptId = from_json(self.path(), "event", &attempt)?;
                            RunChange::Results { step: id.step, attempt: id.attempt }
                        }
                        _ => RunChange::Requested,
                    };
                    return Ok(Happened::ToRun { id, run, what });
                }
                Ok(match job {
                    Some(job) => Happened::ToJob { id, job },
                    None => Happened::ToSubject { id, subject: subject.unwrap_or_default() },
                })
            })
            .collect()
    }

    /// Reads several things as they were at one moment: within another such reading, as they were at its moment.
    pub fn at_one_moment<T, E: From<StoreError>>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some((conn, path)) = self.connection().filter(|(conn, _)| conn.is_autocommit()) else {
            return read();
        };
        let moment = conn.unchecked_transaction().map_err(|e| super::schema::explain(path, e))?;
        let done = read();
        drop(moment);
        done
    }
}

impl RunSearch {
    fn finds(&self, run: &Run) -> bool {
        let request = &run.request;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.job, request.job.as_deref())
            && is(&self.project, Some(&request.project))
            && is(&self.via, Some(&request.launch.via))
            && (self.states.is_empty() || self.states.contains(&run.state))
            && self.text.as_deref().is_none_or(|text| says(run, &text.to_lowercase()))
    }
}

/// Whether a run says something; the text is in small letters.
fn says(run: &Run, text: &str) -> bool {
    let launch = &run.request.launch;
    let said = [Some(&run.title()), Some(&launch.user), launch.reason.as_ref(), run.reason.as_ref()]
        .into_iter()
        .flatten()
        .any(|said| said.to_lowercase().contains(text));
    said || run.id.to_string() == text
}
