//! Lines on standard output and standard error, with colour where a terminal shows it.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Effects, Style};
use serde::Serialize;

use super::Failure;
use crate::{
    dbt::plain,
    model::{NodeState, RunState},
};

/// Red, bold.
pub const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
/// Yellow.
pub const ODD: Style = AnsiColor::Yellow.on_default();
/// Green.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Dim.
pub const FAINT: Style = Style::new().effects(Effects::DIMMED);
/// Bold.
pub const STRONG: Style = Style::new().effects(Effects::BOLD);
/// Cyan.
pub const LIVE: Style = AnsiColor::Cyan.on_default();

/// A text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a node's state.
pub fn of_node(state: &NodeState) -> Style {
    match state {
        NodeState::Success | NodeState::Pass => GOOD,
        NodeState::Warn | NodeState::Skipped | NodeState::Cancelled => ODD,
        NodeState::Running => LIVE,
        NodeState::Queued | NodeState::NoOp | NodeState::Reused => FAINT,
        _ => BAD,
    }
}

/// The style of a run's state.
pub fn of_run(state: RunState) -> Style {
    match state {
        RunState::Succeeded => GOOD,
        RunState::Warned | RunState::Incomplete | RunState::Cancelled | RunState::Interrupted => ODD,
        RunState::Running => LIVE,
        RunState::Queued | RunState::Empty => FAINT,
        RunState::Failed | RunState::Refused => BAD,
    }
}

/// Whether standard error is a terminal that a progress bar can be drawn on.
pub fn is_interactive() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Prints what was asked for. Whoever closes the pipe has seen enough.
pub fn line(text: impl AsRef<str>) {
    let written = writeln!(anstream::stdout().lock(), "{}", text.as_ref());
    if written.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Prints what was asked for as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::new(e.to_string()))?;
    line(text);
    Ok(())
}

/// Prints something beside what was asked for.
pub fn note(text: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr().lock(), "{}", text.as_ref());
}

/// Prints a warning.
pub fn warning(text: &str) {
    note(format!("{} {}", styled(ODD, "warning:"), plain(text)));
}

/// Prints why a verb could not do what it was asked.
pub fn failure(failure: &Failure) {
    note(format!("{} {}", styled(BAD, "error:"), plain(&failure.message)));
    if let Some(hint) = &failure.hint {
        note(format!("{} {}", styled(LIVE, "hint:"), plain(hint)));
    }
}

/// Lines up columns: each as wide as its widest cell, the last one free.
pub fn table(rows: &[Vec<String>]) {
    let width = |text: &str| plain(text).chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| width(t)).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut out = String::new();
        for (c, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if c + 1 < row.len() {
                out.push_str(&" ".repeat(widths[c] - width(cell) + 2));
            }
        }
        line(out.trim_end());
    }
}

/// Seconds for people.
pub fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else if seconds < 3_600.0 {
        format!("{} min {:02} s", (seconds / 60.0) as u64, (seconds % 60.0) as u64)
    } else {
        format!("{} h {:02} min", (seconds / 3_600.0) as u64, (seconds % 3_600.0 / 60.0) as u64)
    }
}

/// A time for people, in the zone of this machine.
pub fn time(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A text of several lines, each behind so many spaces.
pub fn indented(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    plain(text).trim_end().lines().map(|l| format!("{pad}{l}")).collect::<Vec<_>>().join("\n")
}

/// A text that must not take more than so many columns of a list.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// `1 node`, `2 nodes`.
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
