//! Crash points: named places at which a test has a debug build end as `kill -9` would end it.
//!
//! Owns the names, and the one signal that a process may send to itself. A room of its own, and the lowest: every other
//! may have such places. In a release build there are none.

/// Every crash point. Those of the host begin with the room that they are in; those of the attempt process, which has a
/// life of its own, with `attempt`.
pub const POINTS: [&str; 24] = [
    // The tables of a migration are there, and its transaction is open.
    "store.mid-migration",
    // Events and their folds are written, and their transaction is open.
    "store.before-commit",
    // They are committed, and nobody knows.
    "store.after-commit",
    // A request is committed, and whoever asked has no answer.
    "engine.before-answer",
    // The start of an attempt is on record, and nothing was spawned.
    "engine.before-spawn",
    // The attempt process runs, and is not on record.
    "engine.after-spawn",
    // Whoever asked to cancel is on record, and nobody was signalled.
    "engine.before-interrupt",
    // The end of an attempt was seen, and is not on record.
    "engine.before-ended",
    // Its exit is on record, and not what it means.
    "engine.before-verdict",
    // The attempt has ended, and neither the next step nor the run's end is on record.
    "engine.before-next",
    // A retry policy has answered, and that is not on record.
    "engine.before-decision",
    // Its decision is on record, and nobody waits for the next attempt.
    "engine.after-decision",
    // The run has ended, and nothing was forgotten for it.
    "engine.after-run",
    // So it has, and the runs that follow or resume it are on record and have not begun.
    "engine.before-follow",
    // A trigger has fired, and its run has not begun.
    "engine.after-tick",
    // What is to be sent is on record, and was not sent.
    "engine.before-deliver",
    // It was sent, and that is not on record.
    "engine.after-deliver",
    // The attempt process has not written itself down.
    "attempt.before-processes",
    // It has, and has not started dbt.
    "attempt.before-dbt",
    // dbt runs, and is not written down.
    "attempt.after-dbt",
    // dbt runs and is written down.
    "attempt.while-dbt",
    // dbt has ended, its log is complete, and the exit record is not there.
    "attempt.before-exit",
    // The exit record is there, and nothing is compressed.
    "attempt.after-exit",
    // A compressed file is there beside the plain one.
    "attempt.mid-compress",
];

/// The variable that names the crash point at which a process is to end: `NAME`, or `NAME:N` for the Nth time that it
/// comes by.
pub const VARIABLE: &str = "TIDEGATE_CRASH_AT";

/// A crash point.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    debug_assert!(POINTS.contains(&name), "`{name}` is in no list of crash points");
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), nth.parse().ok()?))
    });
    let Some((wanted, nth)) = wanted else { return };
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// A crash point, of which nothing is left in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_: &'static str) {}
