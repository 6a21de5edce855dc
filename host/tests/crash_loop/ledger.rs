//! What the scripted dbt has written down of itself: each process, what it meant to be its end, and each line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A line of the ledger.
#[derive(Deserialize, Clone, Debug)]
pub struct Record {
    what: String,
    pub pid: i32,
    pub start_time: u64,
    attempt: Option<String>,
    pub project: String,
    #[serde(default)]
    pub command: String,
    /// Seconds since the epoch.
    pub at: f64,
    #[serde(default)]
    pub code: i32,
    /// The state that its attempt is to have.
    #[serde(default)]
    pub expect: String,
    #[serde(default)]
    pub results: BTreeMap<String, String>,
    /// How many lines were no events.
    #[serde(default)]
    pub raw: u64,
}

/// One process: a dbt, or a helper that it has left behind.
#[derive(Debug)]
pub struct Process {
    pub start: Record,
    pub stop: Option<Record>,
    /// Whether it was asked to stop.
    pub signalled: bool,
    lines: PathBuf,
}

pub struct Ledger {
    pub processes: Vec<Process>,
    /// Those that found another dbt of their project at work.
    pub overlaps: Vec<Record>,
}

impl Ledger {
    pub fn read(dir: &Path) -> Self {
        let text = fs::read_to_string(dir.join("records.jsonl")).unwrap();
        let mut ledger = Self { processes: Vec::new(), overlaps: Vec::new() };
        for line in text.lines() {
            let record: Record = serde_json::from_str(line).unwrap();
            if record.what == "start" {
                let name = format!("{}.{}", record.attempt.as_deref().unwrap_or("none"), record.pid);
                let lines = dir.join("lines").join(name);
                ledger.processes.push(Process { start: record, stop: None, signalled: false, lines });
                continue;
            }
            let same =
                |p: &&mut Process| (p.start.pid, p.start.start_time) == (record.pid, record.start_time);
            let process = ledger.processes.iter_mut().find(same).unwrap();
            match record.what.as_str() {
                "stop" => process.stop = Some(record),
                "signal" => process.signalled = true,
                "overlap" => ledger.overlaps.push(record),
                other => panic!("{other}: {line}"),
            }
        }
        ledger
    }

    /// The dbts of an attempt: one, or none.
    pub fn dbts_of(&self, attempt: &str) -> Vec<&Process> {
        let of = |p: &&Process| p.start.attempt.as_deref() == Some(attempt) && p.start.command != "helper";
        self.processes.iter().filter(of).collect()
    }

    /// Whether dbt has left something behind in an attempt, which a busy machine may let live for longer than it should.
    pub fn has_helper(&self, attempt: &str) -> bool {
        let of = |p: &&Process| p.start.attempt.as_deref() == Some(attempt) && p.start.command == "helper";
        self.processes.iter().any(|p| of(&p))
    }

    /// The attempts that it names.
    pub fn attempts(&self) -> BTreeSet<String> {
        self.processes.iter().filter_map(|p| p.start.attempt.clone()).collect()
    }
}

impl Process {
    /// What it has said on standard output and standard error.
    pub fn said(&self) -> [Vec<u8>; 2] {
        ["out", "err"].map(|stream| {
            let mut file = self.lines.clone().into_os_string();
            file.push(format!(".{stream}"));
            fs::read(file).unwrap_or_default()
        })
    }
}
