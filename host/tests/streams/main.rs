//! From what real dbt said to what became of each node: `tests/data/events`, line by line, through observer and fold.
//!
//! Owns the promise that events and artifacts of every dbt version tell one story. Runs no dbt.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod hostile;
mod outcomes;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate::{
    dbt::{self, Observation, Observer},
    fold,
    model::{
        Attempt, AttemptId, Event, EventKind, ExitStatus, Launch, Limits, ResultsSource, Run, RunId,
        RunRequest, StepRequest,
    },
};

const ATTEMPT: AttemptId = AttemptId { run: RunId(1), step: 1, attempt: 1 };

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// The name of every stream.
fn streams() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(data("events"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.split_once(".jsonl").map(|(stream, _)| stream.to_owned())
        })
        .collect();
    names.sort();
    names
}

fn stream(name: &str) -> Vec<u8> {
    let plain = data("events").join(format!("{name}.jsonl"));
    fs::read(&plain).unwrap_or_else(|_| {
        let packed = fs::File::open(plain.with_extension("jsonl.zst")).unwrap();
        zstd::decode_all(packed).unwrap()
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// A run of one attempt, under way.
struct Story {
    run: Run,
    raw_tail: String,
    raw_lines: usize,
}

impl Story {
    fn begin(args: &[&str]) -> Self {
        let request = RunRequest {
            key: "k".to_owned(),
            project: "shop".to_owned(),
            job: None,
            steps: vec![StepRequest { args: args.iter().map(ToString::to_string).collect() }],
            empty_fails: false,
            launch: Launch {
                user: "ada".to_owned(),
                via: "cli".to_owned(),
                command: Vec::new(),
                reason: None,
            },
            config_file: "/srv/tidegate.toml".into(),
            configuration: Default::default(),
            limits: Limits::default(),
            resumes: None,
            retry: None,
            gate: Default::default(),
            parameters: Default::default(),
            selection: None,
        };
        let requested = event(EventKind::RunRequested { request: Box::new(request) });
        let mut story = Self { run: fold::begin(&requested).unwrap(), raw_tail: String::new(), raw_lines: 0 };
        story.apply(EventKind::RunStarted {
            manifest_digest: None,
            plugins: Vec::new(),
            locks: Vec::new(),
            steps: None,
        });
        story.apply(EventKind::AttemptStarted {
            attempt: ATTEMPT,
            command: Vec::new(),
            environment: Vec::new(),
            revision: None,
        });
        story
    }

    fn apply(&mut self, kind: EventKind) {
        fold::apply(&mut self.run, &event(kind));
    }

    /// Reads the whole stream. Now and then no line is at hand, as it is when a log is followed.
    fn read(&mut self, text: &[u8], idle_every: usize) {
        let mut observer = Observer::new(ATTEMPT);
        for (number, line) in lines(text).enumerate() {
            match observer.line(line) {
                Observation::Event(kind) => self.apply(kind),
                Observation::Raw => self.raw_lines += 1,
                _ => {}
            }
            if number % idle_every == 0 {
                observer.flush(false).into_iter().for_each(|kind| self.apply(kind));
            }
        }
        observer.flush(true).into_iter().for_each(|kind| self.apply(kind));
        self.raw_tail = observer.raw_tail();
    }

    /// dbt ends, and its artifact is read where it left one.
    fn end(&mut self, name: &str, code: Option<i32>, signal: Option<i32>) {
        let cancelled = self.run.cancelled_by.is_some();
        let exit = ExitStatus {
            code,
            signal,
            spawn_error: None,
            cancelled,
            leaked: false,
            cpu_seconds: 1.0,
            peak_memory: 1,
            lost_lines: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        self.apply(EventKind::AttemptExited { attempt: ATTEMPT, exit: Some(exit) });
        if let Some((source, results)) = artifact(name) {
            self.apply(EventKind::ResultsRead { attempt: ATTEMPT, source, results });
        }
        let (state, reason) = fold::verdict(self.attempt(), self.run.stopped(), &self.raw_tail);
        self.apply(EventKind::AttemptFinished { attempt: ATTEMPT, state, reason });
        let (state, reason) = fold::conclude(&self.run).unwrap();
        self.apply(EventKind::RunFinished { state, reason });
    }

    fn attempt(&self) -> &Attempt {
        self.run.attempt(ATTEMPT).unwrap()
    }
}

/// The results in the artifact of a stream, where it has one.
fn artifact(stream: &str) -> Option<(ResultsSource, Vec<tidegate::model::NodeResult>)> {
    let target = tempfile::tempdir().unwrap();
    let kept = |kind: &str| {
        let from = data("artifacts").join(format!("{stream}-{kind}.json"));
        fs::copy(from, target.path().join(format!("{kind}.json"))).is_ok()
    };
    if kept("run_results") {
        Some((ResultsSource::RunResults, dbt::read_run_results(target.path()).unwrap()))
    } else if kept("sources") {
        Some((ResultsSource::Sources, dbt::read_sources(target.path()).unwrap()))
    } else {
        None
    }
}

fn event(kind: EventKind) -> Event {
    Event { run: ATTEMPT.run, at: jiff::Timestamp::UNIX_EPOCH, kind }
}
