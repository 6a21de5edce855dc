//! What is asked of the host: requests with keys of their own, asked for again and again until they have an answer.

use std::collections::BTreeMap;

use crate::{
    projects::{JOBS, REAL, SCRIPTED, real_dbt},
    random::Random,
};

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub key: String,
    pub project: String,
    /// The job; none where models are asked for.
    pub job: Option<String>,
}

impl Request {
    /// The command line that asks for it.
    pub fn words(&self) -> Vec<String> {
        let words = match &self.job {
            Some(job) => vec!["run", job],
            None => vec!["materialize", "m:4", "--project", &self.project],
        };
        words.into_iter().chain(["--request-key", &self.key]).map(str::to_owned).collect()
    }
}

/// A request and what has become of it, as far as those who asked know.
pub struct Asked {
    pub request: Request,
    /// The run that the host named, each time.
    pub answers: Vec<u64>,
    /// Whether someone waits for the answer at this moment.
    pub waiting: u32,
}

/// Every request.
#[derive(Default)]
pub struct Load {
    pub all: BTreeMap<String, Asked>,
    made: u64,
    real: u32,
}

/// A real dbt takes seconds: so many runs are enough.
const REAL_RUNS: u32 = 4;

impl Load {
    /// A request that nobody has made before.
    pub fn fresh(&mut self, random: &mut Random, round: u64) -> Request {
        if real_dbt().is_some() && self.real < REAL_RUNS && round > 2 && random.percent(5) {
            self.real += 1;
            return self.request(REAL, Some("build"));
        }
        let project = random.one_of(&SCRIPTED).unwrap();
        if random.percent(8) {
            return self.request(project, None);
        }
        // Long ones only where someone cancels them.
        let (job, _) = random.one_of(&JOBS[..JOBS.len() - 1]).unwrap();
        self.request(project, Some(job))
    }

    /// A run that takes its time, and is cancelled.
    pub fn long(&mut self, random: &mut Random) -> Request {
        self.request(random.one_of(&SCRIPTED).unwrap(), Some("long"))
    }

    /// A request for a job of a project, or for some of its models.
    pub fn request(&mut self, project: &str, job: Option<&str>) -> Request {
        self.made += 1;
        let request = Request {
            key: format!("key-{}", self.made),
            project: project.to_owned(),
            job: job.map(|job| format!("{project}-{job}")),
        };
        let asked = Asked { request: request.clone(), answers: Vec::new(), waiting: 0 };
        self.all.insert(request.key.clone(), asked);
        request
    }

    /// Requests without an answer for which nobody waits.
    pub fn unanswered(&self) -> Vec<Request> {
        let open = |asked: &&Asked| asked.answers.is_empty() && asked.waiting == 0;
        self.all.values().filter(open).map(|asked| asked.request.clone()).collect()
    }
}

/// The run that a client was told of while it followed it, `run 7 of ants-small`, or that it left to the host: `7`.
pub fn answer(said: &str, printed: &str) -> Option<u64> {
    let followed =
        || said.lines().find_map(|line| line.strip_prefix("run ")?.split_once(" of ")?.0.parse().ok());
    printed.trim().parse().ok().or_else(followed)
}
