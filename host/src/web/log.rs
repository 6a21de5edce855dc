//! The log of a run, page by page: the logs of its attempts one behind the other, line by line, none left out.
//!
//! A page is bounded by what is read for it as well as by what is found: who filters gets an empty page now and then, and goes on.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, BufRead, Read},
    path::Path,
    str::FromStr,
};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    dbt::{Level, LogLine, plain},
    engine::attempt_folder,
    model::{AttemptId, Run, RunState},
    process::{AttemptFolder, LogFile},
};

/// A line of dbt's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogRow {
    /// The step, from 1.
    pub step: u32,
    /// The attempt at the step, from 1.
    pub attempt: u32,
    /// The line's number within the attempt, from 1; null where nobody has counted the lines before it.
    pub line: Option<u64>,
    /// Where it begins in the attempt's log, in bytes: with step and attempt the line's name for ever.
    pub offset: u64,
    /// When dbt said it; null for what is no dbt event.
    pub at: Option<Timestamp>,
    /// dbt's level; what is no dbt event counts as `info`.
    pub level: Level,
    /// The name of dbt's event; null for what is none.
    pub event: Option<String>,
    /// dbt's id of the node that it is about.
    pub unique_id: Option<String>,
    /// What dbt said, without escape sequences. May have several lines, or none: dbt lays out with empty ones.
    pub message: String,
    /// The line as it stands in the log; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// A page of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogPage {
    /// The lines, in order. There may be none though more follow: a page is over when enough was read for it.
    pub items: Vec<LogRow>,
    /// Where the log goes on behind this page; null where that was the end of a log that is complete.
    pub next: Option<String>,
    /// Where this page begins, for the page before it (with `tail=true`); null at the very beginning.
    pub previous: Option<String>,
    /// How many bytes of the log lie before `next`.
    pub scanned_bytes: u64,
    /// How many bytes it has, as far as that is known.
    pub total_bytes: u64,
    /// Whether nothing will be added any more.
    pub complete: bool,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what is about this node.
    pub node: Option<String>,
    /// Only what is at least as important.
    pub level: Option<Level>,
    /// Only what contains this, in small letters.
    pub text: Option<String>,
    /// Whether the lines are wanted as they stand, too.
    pub raw: bool,
}

/// A place in the log of a run: the beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    step: u32,
    attempt: u32,
    /// In bytes of the plain log.
    offset: u64,
    /// How many lines are before it, where that is known.
    lines: Option<u64>,
}

/// The log of an attempt, and what is known of it before it is read.
#[derive(Debug)]
struct AttemptLog {
    id: AttemptId,
    folder: AttemptFolder,
    /// Whether nothing will be added any more.
    ended: bool,
    bytes: u64,
    compressed: bool,
}

/// The log of a run.
#[derive(Debug)]
pub struct RunLog {
    attempts: Vec<AttemptLog>,
    complete: bool,
    bounds: Bounds,
}

/// How much is read, in bytes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// For a page at the most, but for the end of a line.
    page: u64,
    /// At first, for the last lines.
    look: u64,
    /// Lines are counted before a place that is not further behind.
    counted: u64,
}

const BOUNDS: Bounds = Bounds { page: 16 << 20, look: 1 << 20, counted: 64 << 20 };

/// What was found.
struct Found {
    rows: VecDeque<LogRow>,
    /// Behind the last line that was looked at.
    place: Place,
    at_end: bool,
}

impl RunLog {
    /// The log of a run, or of a step or an attempt of it.
    pub fn of(run: &Run, state_dir: &Path, step: Option<u32>, attempt: Option<u32>) -> Self {
        let wanted = |id: &AttemptId| {
            step.is_none_or(|step| id.step == step) && attempt.is_none_or(|attempt| id.attempt == attempt)
        };
        let attempts = run.steps.iter().flat_map(|step| &step.attempts).filter(|a| wanted(&a.id));
        let attempts: Vec<_> = attempts
            .map(|attempt| {
                let folder = attempt_folder(state_dir, attempt.id);
                // Looked at before the log is: the log is complete where there is an exit record.
                let ended = attempt.state.is_finished() || folder.exit().is_some();
                let plain = folder.log().metadata().ok().map(|found| found.len());
                AttemptLog {
                    id: attempt.id,
                    ended,
                    bytes: plain.unwrap_or(attempt.log_offset),
                    compressed: plain.is_none(),
                    folder,
                }
            })
            .collect();
        // Where one attempt alone is wanted, its end is the end.
        let one = attempt.is_some() && step.is_some() && attempts.len() == 1;
        let step_ended = step.and_then(|step| run.step(step)).is_some_and(|step| step.state.is_finished());
        let nothing_follows = run.state.is_finished() || one || (step_ended && !may_go_on(run, step));
        let complete = nothing_follows && attempts.iter().all(|log| log.ended);
        Self { complete, attempts, bounds: BOUNDS }
    }

    /// The folders of its attempts, in order.
    pub fn into_folders(self) -> Vec<AttemptFolder> {
        self.attempts.into_iter().map(|log| log.folder).collect()
    }

    /// The lines behind a place; without one those at the beginning.
    pub fn page(&self, from: Option<Place>, filter: &Filter, most: usize) -> io::Result<LogPage> {
        let from = from.unwrap_or(Place::BEGINNING);
        let found = self.read(from, filter, most)?;
        let next = (!(found.at_end && self.complete)).then_some(found.place);
        Ok(LogPage {
            scanned_bytes: self.before(found.place),
            total_bytes: self.total().max(self.before(found.place)),
            items: found.rows.into(),
            next: next.map(|place| place.to_string()),
            previous: (self.before(from) > 0).then(|| from.to_string()),
            complete: self.complete,
        })
    }

    /// The last lines before a place; without one those at the end.
    pub fn tail(&self, before: Option<Place>, filter: &Filter, most: usize) -> io::Result<LogPage> {
        let mut rows: VecDeque<LogRow> = VecDeque::new();
        let mut end = before;
        let mut start = before.unwrap_or(Place::BEGINNING);
        let mut left = self.bounds.page;
        for log in self.attempts.iter().rev() {
            let until = match before {
                Some(place) if log.key() > place.key() => continue,
                Some(place) if log.key() == place.key() => Some(place.offset),
                _ => None,
            };
            let mut until = until;
            loop {
                let wanted = most - rows.len();
                let found = log.last(until, filter, wanted, Bounds { page: left, ..self.bounds })?;
                let Some(LastLines { rows: mut earlier, first, last, read }) = found else { break };
                end.get_or_insert(last);
                start = first;
                left = left.saturating_sub(read);
                earlier.append(&mut rows);
                rows = earlier;
                until = Some(first.offset);
                if first.offset == 0 || rows.len() >= most || left == 0 {
                    break;
                }
            }
            if rows.len() >= most || left == 0 {
                break;
            }
        }
        let end = end.unwrap_or(Place::BEGINNING);
        // Behind the end there is something as long as the log grows, or where this is not its last page.
        let next = (before.is_some() || !self.complete).then(|| end.to_string());
        Ok(LogPage {
            items: rows.into(),
            next,
            previous: (self.before(start) > 0).then(|| start.to_string()),
            scanned_bytes: self.before(end),
            total_bytes: self.total().max(self.before(end)),
            complete: self.complete,
        })
    }

    fn read(&self, from: Place, filter: &Filter, most: usize) -> io::Result<Found> {
        let mut found = Found { rows: VecDeque::new(), place: from, at_end: false };
        let mut left = self.bounds.page;
        let rest = self.attempts.iter().filter(|log| log.key() >= from.key());
        for log in rest {
            if log.key() != found.place.key() {
                found.place = log.beginning();
            }
            let Some(mut file) = LogFile::open(&log.folder)? else {
                if log.ended { continue } else { break }
            };
            file.skip(found.place.offset)?;
            let mut lines = Lines { log, file, place: found.place, until: None, line: Vec::new() };
            loop {
                if found.rows.len() >= most || left == 0 {
                    return Ok(found);
                }
                let Some(at) = lines.next()? else { break };
                left = left.saturating_sub(lines.place.offset - at.offset);
                found.place = lines.place;
                found.rows.extend(filter.row(at, &lines.line));
            }
            if !log.ended {
                break;
            }
        }
        found.at_end = true;
        Ok(found)
    }

    /// How many bytes are before a place.
    fn before(&self, place: Place) -> u64 {
        let earlier = self.attempts.iter().filter(|log| log.key() < place.key()).map(|log| log.bytes);
        earlier.sum::<u64>() + place.offset
    }

    fn total(&self) -> u64 {
        self.attempts.iter().map(|log| log.bytes).sum()
    }
}

/// Whether another attempt at a step may come.
fn may_go_on(run: &Run, step: Option<u32>) -> bool {
    let step = step.and_then(|number| run.step(number));
    step.is_none_or(|step| {
        run.request.retry.is_some() && !step.state.lets_go_on() || step.state == RunState::Queued
    })
}

/// The last lines of an attempt before some place.
struct LastLines {
    rows: VecDeque<LogRow>,
    /// Where the first line begins that was looked at.
    first: Place,
    /// Behind the last one.
    last: Place,
    /// How many bytes were looked at.
    read: u64,
}

impl AttemptLog {
    fn key(&self) -> (u32, u32) {
        (self.id.step, self.id.attempt)
    }

    fn beginning(&self) -> Place {
        Place { step: self.id.step, attempt: self.id.attempt, offset: 0, lines: Some(0) }
    }

    /// The last lines before an offset, found in so many bytes before it, or some more where one line is that long; none where
    /// there is no line.
    fn last(
        &self,
        until: Option<u64>,
        filter: &Filter,
        most: usize,
        bounds: Bounds,
    ) -> io::Result<Option<LastLines>> {
        let until = until.unwrap_or(u64::MAX);
        let end = self.bytes.min(until);
        // One that was compressed as a whole is gone through from its beginning in any case, and need not be so twice.
        let look = if self.compressed { bounds.page } else { bounds.look };
        let mut look = look.min(bounds.page).max(1);
        loop {
            let Some(mut file) = LogFile::open(&self.folder)? else { return Ok(None) };
            let begin = end.saturating_sub(look);
            let mut place = self.beginning();
            if begin > 0 {
                // Whether a line begins here is told by what stands before.
                place = place_behind(&mut file, begin - 1, place, bounds.counted)?;
            }
            if place.offset >= end && begin > 0 {
                look = look.saturating_mul(4);
                continue;
            }
            let (first, mut skipped) = (place, false);
            let mut lines = Lines { log: self, file, place, until: Some(until), line: Vec::new() };
            let mut kept = VecDeque::new();
            while let Some(at) = lines.next()? {
                // Where all are wanted, those that go again need not be understood.
                let row = if filter.is_none() {
                    Kept::Line(at, lines.line.clone())
                } else {
                    match filter.row(at, &lines.line) {
                        Some(row) => Kept::Row(at, Box::new(row)),
                        None => continue,
                    }
                };
                kept.push_back(row);
                if kept.len() > most {
                    kept.pop_front();
                    skipped = true;
                }
            }
            // What is before the first of so many rows is looked at again for the page before.
            let kept_from = kept.front().filter(|_| skipped).map_or(first, Kept::place);
            let rows = kept.into_iter().filter_map(|kept| kept.row(filter)).collect();
            let last = lines.place;
            if last == first && first.offset == 0 {
                return Ok(None);
            }
            return Ok(Some(LastLines { rows, first: kept_from, read: last.offset - first.offset, last }));
        }
    }
}

/// A line that is among the last.
enum Kept {
    Line(Place, Vec<u8>),
    Row(Place, Box<LogRow>),
}

impl Kept {
    fn place(&self) -> Place {
        match self {
            Self::Line(place, _) | Self::Row(place, _) => *place,
        }
    }

    fn row(self, filter: &Filter) -> Option<LogRow> {
        match self {
            Self::Line(place, line) => filter.row(place, &line),
            Self::Row(_, row) => Some(*row),
        }
    }
}

/// The beginning of the first line behind an offset, which is before the end.
fn place_behind(file: &mut LogFile, offset: u64, beginning: Place, counted: u64) -> io::Result<Place> {
    let lines = if offset <= counted {
        let mut lines = 0;
        let mut before = file.by_ref().take(offset);
        loop {
            let some = before.fill_buf()?;
            if some.is_empty() {
                break;
            }
            lines += memchr::memchr_iter(b'\n', some).count() as u64;
            let n = some.len();
            before.consume(n);
        }
        Some(lines + 1)
    } else {
        file.skip(offset)?;
        None
    };
    let rest = file.skip_until(b'\n')? as u64;
    Ok(Place { offset: offset + rest, lines, ..beginning })
}

/// The whole lines of an attempt's log from a place on.
struct Lines<'a> {
    log: &'a AttemptLog,
    file: LogFile,
    /// Behind the last line.
    place: Place,
    until: Option<u64>,
    /// The last line, without its end.
    line: Vec<u8>,
}

impl Lines<'_> {
    /// Reads the next line, and says where it begins; none where there is no whole one.
    fn next(&mut self) -> io::Result<Option<Place>> {
        if self.until.is_some_and(|until| self.place.offset >= until) {
            return Ok(None);
        }
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line)?;
        let whole = self.line.last() == Some(&b'\n');
        // A line without an end is one only where nobody writes any more.
        if read == 0 || !whole && !self.log.ended {
            return Ok(None);
        }
        if whole {
            self.line.pop();
        }
        let at = self.place;
        self.place.offset += read as u64;
        self.place.lines = at.lines.map(|lines| lines + 1);
        Ok(Some(at))
    }
}

impl Filter {
    /// Whether every line is wanted.
    fn is_none(&self) -> bool {
        self.node.is_none() && self.level.is_none() && self.text.is_none()
    }

    /// A line as a row, where it is wanted.
    fn row(&self, at: Place, line: &[u8]) -> Option<LogRow> {
        // dbt writes ASCII: an id without anything that JSON writes otherwise stands in the line as it is.
        let simple = |id: &&String| id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        if let Some(id) = self.node.as_ref().filter(simple)
            && memchr::memmem::find(line, id.as_bytes()).is_none()
        {
            return None;
        }
        let LogLine { level, at: said_at, name, unique_id, message } = LogLine::parse(line);
        if self.level.is_some_and(|least| level < least) || self.node.is_some() && unique_id != self.node {
            return None;
        }
        let message = plain(&message);
        if self.text.as_ref().is_some_and(|text| !message.to_lowercase().contains(text)) {
            return None;
        }
        Some(LogRow {
            step: at.step,
            attempt: at.attempt,
            line: at.lines.map(|lines| lines + 1),
            offset: at.offset,
            at: said_at,
            level,
            event: name,
            unique_id,
            message,
            raw: self.raw.then(|| String::from_utf8_lossy(line).into_owned()),
        })
    }
}

impl Place {
    const BEGINNING: Self = Self { step: 0, attempt: 0, offset: 0, lines: Some(0) };

    fn key(&self) -> (u32, u32) {
        (self.step, self.attempt)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.step, self.attempt, self.offset)?;
        self.lines.map_or(Ok(()), |lines| write!(f, ".{lines}"))
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("`{text}` is no cursor of a log");
        let numbers: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
        let numbers = numbers.map_err(|_| unknown())?;
        let (step, attempt, offset, lines) = match numbers[..] {
            [step, attempt, offset] => (step, attempt, offset, None),
            [step, attempt, offset, lines] => (step, attempt, offset, Some(lines)),
            _ => return Err(unknown()),
        };
        // No file is longer.
        let most = i64::MAX.unsigned_abs();
        if offset > most || lines.is_some_and(|lines| lines > most) {
            return Err(unknown());
        }
        let number = |n: u64| u32::try_from(n).map_err(|_| unknown());
        Ok(Self { step: number(step)?, attempt: number(attempt)?, offset, lines })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests;
