//! A random configuration, as the text that an operator would write.

use std::{fmt::Write, path::Path, sync::Arc};

use jiff::Timestamp;

use crate::config::Config;

/// A configuration before it is written.
#[derive(Debug, Clone)]
pub(super) struct Model {
    max_runs: u32,
    tiny: u32,
    /// How many runs are kept; all, where it is not said.
    pub(super) keeps: Option<u32>,
    jobs: Vec<Job>,
}

#[derive(Debug, Clone)]
struct Job {
    project: u32,
    schedule: Option<(&'static str, &'static str)>,
    missed: &'static str,
    overlap: &'static str,
    /// The job before it, and in which states that has to end.
    after: Option<(usize, &'static str)>,
    sensor: Option<String>,
    min_interval: Option<&'static str>,
    priority: i32,
    locks: &'static str,
    limits: Vec<&'static str>,
    steps: &'static str,
    retry: &'static str,
}

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];

const SCHEDULES: [&str; 11] = [
    "0 3 * * *",
    "30 2 * * *",
    "15 1,2,3 * * *",
    "*/30 1-3 * * *",
    "5 */6 * * *",
    "0 */4 * * 1-5",
    "*/20 9-10 * * MON",
    "0 0 1,15 * *",
    "45 23 * * *",
    "0 */3 * * *",
    "59 1 * * SUN",
];

const MISSED: [&str; 5] = ["\"skip\"", "\"once\"", "\"once\"", "{ all = 2 }", "{ all = 5 }"];
const OVERLAP: [&str; 4] = ["queue", "queue", "skip", "cancel-previous"];
const LOCKS: [&str; 4] = ["[]", "[\"wide\"]", "[\"narrow\"]", "[\"narrow\", \"wide\"]"];
const STATES: [&str; 3] = [
    "[\"succeeded\", \"warned\"]",
    "[\"failed\", \"interrupted\", \"refused\"]",
    "[\"cancelled\", \"succeeded\"]",
];
const STEPS: [&str; 5] = [
    "[\"dbt build\"]",
    "[\"dbt seed\", \"dbt build --select tag:daily\"]",
    "[\"dbt run\", \"dbt test\", \"dbt build --select x\"]",
    "[\"dbt build\"]",
    "[\"dbt source freshness\", \"dbt build\"]",
];
const RETRIES: [&str; 4] = [
    "\"none\"",
    "{ plugin = \"any\" }",
    "{ plugin = \"any\", max_attempts = 3 }",
    "{ plugin = \"any\", max_attempts = 2, on_fault = { after = \"5m\", scope = \"all\" } }",
];
const LIMITS: [&[&str]; 5] = [
    &["max_runtime = \"20m\"", "max_runtime = \"2h\""],
    &["queue_timeout = \"30m\"", "queue_timeout = \"3h\""],
    &["silence_timeout = \"15m\"", "silence_timeout = \"1h\""],
    &["start_rate = { runs = 1, per = \"2h\" }", "start_rate = { runs = 2, per = \"6h\" }"],
    &["on_interruption = \"leave\"", "on_interruption = \"resume\""],
];

fn pick<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
    of[random.usize(0..of.len())]
}

/// Days on which clocks are changed somewhere come as often as others.
pub(super) fn start(random: &mut fastrand::Rng) -> Timestamp {
    let days = [
        "2026-03-05T00:00:00Z",
        "2026-03-26T12:00:00Z",
        "2026-10-01T00:00:00Z",
        "2026-10-22T00:00:00Z",
        "2026-10-30T00:00:00Z",
        "2027-03-31T00:00:00Z",
        "2026-12-24T00:00:00Z",
        "2028-02-27T00:00:00Z",
    ];
    let day: Timestamp = pick(random, &days).parse().unwrap();
    day + jiff::SignedDuration::from_millis(random.i64(0..86_400_000))
}

impl Model {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let count = random.usize(2..7);
        let jobs = (0..count).map(|n| Job::new(random, n)).collect();
        let keeps = (random.u32(0..8) == 0).then(|| random.u32(5..40));
        Self { max_runs: random.u32(1..6), tiny: random.u32(1..3), keeps, jobs }
    }

    /// Somebody edits the file.
    pub(super) fn edit(&mut self, random: &mut fastrand::Rng) {
        let at = random.usize(0..self.jobs.len());
        match random.u32(0..6) {
            0 => self.max_runs = random.u32(1..6),
            1 => self.tiny = random.u32(1..3),
            2 => self.jobs[at].schedule = Some((pick(random, &SCHEDULES), pick(random, &ZONES))),
            3 => self.jobs[at].schedule = None,
            4 => self.jobs[at].missed = pick(random, &MISSED),
            _ => self.jobs[at] = Job::new(random, at),
        }
    }

    /// Nothing starts by itself any more.
    pub(super) fn still(&mut self) {
        for job in &mut self.jobs {
            (job.schedule, job.after, job.sensor, job.min_interval) = (None, None, None, None);
        }
    }

    pub(super) fn load(&self, file: &Path) -> Arc<Config> {
        std::fs::write(file, self.text()).unwrap();
        match Config::load(file, None) {
            Ok(config) => Arc::new(config),
            Err(e) => panic!("{e}\n{}", self.text()),
        }
    }

    pub(super) fn text(&self) -> String {
        let (runs, ticks) = self.keeps.map_or((1_000_000, 1_000_000), |keeps| (keeps, keeps));
        let mut text = format!(
            "[retention]\ndays = 100000\naudit = 100000\nruns = {runs}\nticks = {ticks}\n[queue]\nmax_runs = {}\n[locks]\nwide = 2\n\
             narrow = {}\n[projects.p0]\n[projects.p1]\n[projects.p2]\n\
             [destinations.here.file]\npath = \"here\"\n[destinations.there.file]\npath = \"there\"\n\
             [alerts.all]\nnotifier = \"builtin:webhook\"\ndestinations = [\"here\", \"there\"]\ngroup_by = \"run\"\n\
             changes_only = false\non = [\"run_started\", \"run_succeeded\", \"run_failed\", \"run_cancelled\", \
             \"run_incomplete\"]\n",
            self.max_runs, self.tiny
        );
        for (n, job) in self.jobs.iter().enumerate() {
            job.write(&mut text, n);
        }
        text
    }
}

impl Job {
    fn new(random: &mut fastrand::Rng, n: usize) -> Self {
        let mut limits = Vec::new();
        for of in LIMITS {
            if random.u32(0..3) == 0 {
                limits.push(pick(random, of));
            }
        }
        let after = (n > 0 && random.u32(0..3) == 0).then(|| (random.usize(0..n), pick(random, &STATES)));
        let sensor = match random.u32(0..6) {
            0 => Some(format!("{{ files = \"/in/j{n}/*.csv\" }}")),
            1 => Some("{ source = \"raw\" }".to_owned()),
            _ => None,
        };
        let waits = after.is_some() || sensor.is_some();
        Self {
            project: random.u32(0..3),
            schedule: (random.u32(0..5) > 0).then(|| (pick(random, &SCHEDULES), pick(random, &ZONES))),
            missed: pick(random, &MISSED),
            overlap: pick(random, &OVERLAP),
            after,
            sensor,
            min_interval: (waits && random.bool()).then(|| pick(random, &["10m", "2h"])),
            priority: random.i32(-1..2),
            locks: pick(random, &LOCKS),
            limits,
            steps: pick(random, &STEPS),
            retry: pick(random, &RETRIES),
        }
    }

    fn write(&self, text: &mut String, n: usize) {
        let Self { project, missed, overlap, priority, locks, steps, retry, .. } = self;
        let _ = write!(
            text,
            "[jobs.j{n}]\nproject = \"p{project}\"\nmissed = {missed}\noverlap = \"{overlap}\"\npriority = {priority}\n\
             locks = {locks}\nsteps = {steps}\nretry = {retry}\n"
        );
        if let Some((expression, zone)) = self.schedule {
            let _ = writeln!(text, "schedule = \"{expression}\"\ntime_zone = \"{zone}\"");
        }
        if let Some((job, on)) = self.after {
            let _ = writeln!(text, "after = [{{ job = \"j{job}\", on = {on} }}]");
        }
        if let Some(sensor) = &self.sensor {
            let _ = writeln!(text, "sensors = [{sensor}]");
        }
        if let Some(interval) = self.min_interval {
            let _ = writeln!(text, "min_interval = \"{interval}\"");
        }
        for limit in &self.limits {
            let _ = writeln!(text, "{limit}");
        }
    }
}
