//! Ticks: how late schedules start their runs, with many requests before them in the queue.
//!
//! Owns what counts as late. Never counts a tick as fired before its run is on disk: the host says in its log when it is.

use std::{
    collections::BTreeSet,
    fmt, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tidegate::{model::Trigger, store::Reader};

use crate::{
    bounds::{TICKS_AT_ONCE, TICKS_SPREAD, Verdict},
    figures::{Figures, Unit},
    host::{JOBS, QUEUED, Site},
    note,
    setting::Setting,
};

/// A spread schedule fires every so many minutes: each minute is that of a fifth of all jobs.
const SPREAD: usize = 5;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    minutes: u32,
    /// All jobs at the same moment of each minute.
    at_once: Lateness,
    /// A fifth of them.
    spread: Lateness,
}

/// How late ticks were, in seconds.
#[derive(Serialize)]
struct Lateness {
    ticks: usize,
    /// Until the decision was made.
    decided: Figures,
    /// Until the run was on disk.
    on_disk: Figures,
}

/// Measures the ticks of `minutes` minutes for each kind of schedules.
pub fn run(setting: &Setting, minutes: u32) -> Result<Report> {
    let at_once = measure(setting, minutes, "all at once", JOBS, |_| "* * * * *".to_owned())?;
    let spread = |number| format!("{}-59/{SPREAD} * * * *", number % SPREAD);
    let spread = measure(setting, minutes, "spread", JOBS / SPREAD, spread)?;
    Ok(Report { minutes, at_once, spread })
}

fn measure(
    setting: &Setting,
    minutes: u32,
    kind: &str,
    a_minute: usize,
    schedule: impl Fn(usize) -> String,
) -> Result<Lateness> {
    let site = Site::new(setting.folder("ticks"), schedule)?;
    note(&format!("ticks: {JOBS} schedules, {kind}: {QUEUED} requests, then {minutes} minutes of ticks"));
    let host = site.serve(setting)?;
    site.ask(&host, 0, QUEUED)?;
    host.waits_with(QUEUED - 1)?;
    // Nothing of the requests is under way any more when the first minute begins that counts.
    let first = ((now()? + 5.0) / 60.0).floor() as i64 + 1;
    let last = first + i64::from(minutes) - 1;
    let end = (last * 60 + 20) as f64;
    thread::sleep(Duration::from_secs_f64((end - now()?).max(0.0)));
    let log = host.log()?;
    host.stop()?;

    let wanted = |due: i64| (first..=last).contains(&(due / 60));
    let ticks = Reader::open(site.state_dir())?.ticks(None, 1_000_000)?;
    let ticks: Vec<_> = ticks
        .iter()
        .filter(|row| row.trigger == Trigger::Schedule && wanted(row.tick.due.as_second()))
        .collect();
    let runs: BTreeSet<_> = ticks.iter().filter_map(|row| row.tick.run).map(|run| run.0).collect();
    let expected = a_minute * minutes as usize;
    if runs.len() != expected {
        bail!("{expected} runs should have been asked for by schedules, and it was {}", runs.len());
    }
    let decided = ticks.iter().map(|row| row.at.duration_since(row.tick.due).as_secs_f64());
    let on_disk = log.lines().filter_map(|line| requested(line, &runs)).collect::<Vec<_>>();
    if on_disk.len() != expected {
        bail!("the log names {} of {expected} runs", on_disk.len());
    }
    Ok(Lateness { ticks: expected, decided: Figures::of(decided), on_disk: Figures::of(on_disk) })
}

/// A line of the host's log.
#[derive(Deserialize)]
struct Line {
    timestamp: jiff::Timestamp,
    message: String,
    run: Option<u64>,
}

/// How long after the beginning of a minute, where all schedules fire, a run was on disk; none where a line is about
/// something else.
fn requested(line: &str, runs: &BTreeSet<u64>) -> Option<f64> {
    let line: Line = serde_json::from_str(line).ok()?;
    let ours = line.message == "run requested" && runs.contains(&line.run?);
    ours.then(|| (line.timestamp.as_millisecond().rem_euclid(60_000)) as f64 / 1e3)
}

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs_f64())
}

impl Report {
    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> [Verdict; 2] {
        [TICKS_AT_ONCE.judge(self.at_once.on_disk.max), TICKS_SPREAD.judge(self.spread.on_disk.max)]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ticks: {JOBS} schedules behind {QUEUED} queued requests; {} minutes each; how late each tick was",
            self.minutes
        )?;
        writeln!(f, "median (least–most)")?;
        writeln!(f, "{:<24}{:<10}{:<26}run on disk", "", "ticks", "decided")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, late: &Lateness| {
            let [decided, on_disk] = [&late.decided, &late.on_disk].map(|all| all.shown(Unit::Milliseconds));
            write!(f, "{name:<24}{:<10}{decided:<26}{on_disk}", late.ticks)
        };
        row(f, "all at one moment", &self.at_once)?;
        writeln!(f)?;
        row(f, "a fifth each minute", &self.spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_late_as_the_log_says() {
        let runs = BTreeSet::from([7]);
        let line = |message: &str, run| {
            format!(
                r#"{{"timestamp":"2026-11-22T20:15:00.123Z","level":"info","message":"{message}","run":{run}}}"#
            )
        };
        assert_eq!(requested(&line("run requested", 7), &runs), Some(0.123));
        assert_eq!(requested(&line("run requested", 8), &runs), None);
        assert_eq!(requested(&line("run started", 7), &runs), None);
    }
}
