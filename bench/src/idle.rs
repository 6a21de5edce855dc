//! Idle: what a host uses that has nothing to do.
//!
//! Owns what idle means: no tick is due, no run is under way, and nobody asks.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    bounds::{IDLE_CPU, IDLE_CPU_QUEUED, IDLE_MEMORY, IDLE_MEMORY_QUEUED, Verdict},
    figures::Unit,
    host::{Host, JOBS, Memory, QUEUED, Site},
    note,
    setting::Setting,
};

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// With schedules only.
    schedules: Idle,
    /// After it has accepted many requests.
    queued: Idle,
    /// After a new start with them.
    restarted: Idle,
}

/// What an idle host uses.
#[derive(Serialize)]
struct Idle {
    /// Seconds for which it was watched.
    seconds: f64,
    /// Its CPU, as a share of one core.
    cpu: f64,
    memory: Memory,
}

/// Watches a host for `seconds` seconds in each state.
pub fn run(setting: &Setting, seconds: u32) -> Result<Report> {
    let site = Site::new(setting.folder("idle"), |_| "0 0 1 1 *".to_owned())?;
    let host = site.serve(setting)?;
    let schedules = watch(&host, seconds, "with schedules only")?;
    site.ask(&host, 0, QUEUED)?;
    host.waits_with(QUEUED - 1)?;
    let queued = watch(&host, seconds, &format!("with {QUEUED} requests"))?;
    host.stop()?;
    let host = site.serve(setting)?;
    host.waits_with(QUEUED - 1)?;
    let restarted = watch(&host, seconds, "started again with them")?;
    host.stop()?;
    Ok(Report { schedules, queued, restarted })
}

fn watch(host: &Host, seconds: u32, state: &str) -> Result<Idle> {
    note(&format!("idle: {seconds} s {state}"));
    thread::sleep(Duration::from_secs(5));
    let (begun, before) = (Instant::now(), host.cpu()?);
    thread::sleep(Duration::from_secs(u64::from(seconds)));
    let (seconds, used) = (begun.elapsed().as_secs_f64(), host.cpu()? - before);
    Ok(Idle { seconds, cpu: used / seconds, memory: host.memory()? })
}

impl Report {
    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> [Verdict; 4] {
        let worse = |of: fn(&Idle) -> f64| of(&self.queued).max(of(&self.restarted));
        [
            IDLE_CPU.judge(self.schedules.cpu),
            IDLE_MEMORY.judge(self.schedules.memory.rss as f64),
            IDLE_CPU_QUEUED.judge(worse(|idle| idle.cpu)),
            IDLE_MEMORY_QUEUED.judge(worse(|idle| idle.memory.rss as f64)),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "idle: a host with {JOBS} schedules, {:.0} s in each state", self.schedules.seconds)?;
        let name = format!("with {QUEUED} requests");
        let states = [
            ("schedules only", &self.schedules),
            (name.as_str(), &self.queued),
            ("started again with them", &self.restarted),
        ];
        write!(f, "{:<26}{:<20}{:<14}{:<14}peak", "", "CPU, of one core", "RSS", "PSS")?;
        for (name, Idle { cpu, memory, .. }) in states {
            let [rss, pss, peak] = [memory.rss, memory.pss, memory.peak]
                .map(|bytes| Unit::Megabytes.shown(bytes as f64).to_string());
            let cpu = Unit::Percent.shown(*cpu).to_string();
            write!(f, "\n{name:<26}{cpu:<20}{rss:<14}{pss:<14}{peak}")?;
        }
        Ok(())
    }
}
