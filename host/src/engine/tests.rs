//! The dispatcher in a world that only remembers what was done to it.

mod retries;
mod stalled;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Dispatcher, Mail, Message, Refusal, Start, Taken, Update, World, WriteLocks, message::Ended};
use crate::{
    config, dbt,
    model::{
        AttemptId, AttemptIdentity, EventKind, ExitStatus, Failure, Launch, Limits, NodeResult, NodeState,
        ResourceType, RetryRule, Run, RunId, RunRequest, RunState, StepRequest, Trigger,
    },
    process::{AttemptFolder, AttemptSpec, Caps, Ladder},
    project::Opened,
    store::{Reader, Store},
};

/// What was done to the world, in order.
type Deeds = Arc<Mutex<Vec<String>>>;

struct Remembering {
    deeds: Deeds,
    /// Seconds since the epoch.
    clock: Arc<AtomicI64>,
    /// Projects that cannot be opened.
    broken: Vec<String>,
}

impl Remembering {
    fn did(&self, what: impl Into<String>) {
        self.deeds.lock().unwrap().push(what.into());
    }
}

impl World for Remembering {
    fn alerts_of_plugins(&self, _: &BTreeSet<String>) -> Vec<config::Alert> {
        Vec::new()
    }
    fn render(&self, _: crate::engine::Rendering, _: &Mail) {}
    fn deliver(&self, _: crate::engine::Delivery, _: &Mail) {}
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    fn project_of(&self, run: &Run) -> Result<config::Project, Refusal> {
        let name = run.request.project.clone();
        Ok(config::Project {
            name,
            dbt: dbt::Options::default(),
            manifest: None,
            variant: None,
            translator: None,
            gate: Default::default(),
            freshness: Vec::new(),
        })
    }

    fn open(&self, run: RunId, project: config::Project, _: Arc<AtomicBool>, mail: &Mail) {
        self.did(format!("open {} for {run}", project.name));
        let result = if self.broken.contains(&project.name) {
            Err(Refusal { message: "it does not parse".to_owned(), hint: Some("mend it".to_owned()) })
        } else {
            Ok(Arc::new(Opened {
                project: Default::default(),
                manifest: PathBuf::new(),
                prepared: None,
                plugins: Vec::new(),
                calls: Vec::new(),
                warnings: Vec::new(),
            }))
        };
        mail.send(Message::Opened { run, result }).unwrap();
    }

    fn ready(&self, attempt: AttemptId, args: &[String], _: &config::Project, _: &Opened) -> Start {
        Start {
            attempt,
            folder: AttemptFolder(PathBuf::new()),
            spec: AttemptSpec {
                program: "dbt".into(),
                args: args.to_vec(),
                cwd: PathBuf::new(),
                secrets: Vec::new(),
                caps: Caps::default(),
                ladder: Ladder::default(),
                discard: Vec::new(),
                compress: Vec::new(),
            },
            environment: BTreeMap::new(),
            parse_cache: None,
        }
    }

    fn revision(&self, _: &config::Project) -> Option<String> {
        None
    }

    fn spawn(&self, start: &Start) -> io::Result<AttemptIdentity> {
        self.did(format!("spawn {} {}", start.attempt, start.spec.args.join(" ")));
        if start.spec.args.iter().any(|arg| arg == "unspawnable") {
            return Err(io::Error::other("too many open files"));
        }
        Ok(AttemptIdentity { pid: 1, start_time: 1, boot_id: String::new() })
    }

    fn watch(&self, attempt: AttemptId, _: &[String], _: Option<AttemptIdentity>, offset: u64, _: &Mail) {
        self.did(format!("watch {attempt} from {offset}"));
    }

    fn known_plan(&self, _: &[String], _: &config::Project, _: &Opened) -> Option<Vec<String>> {
        None
    }

    fn plan(&self, attempt: AttemptId, _: &[String], _: &config::Project, _: &Opened, _: &Mail) {
        self.did(format!("plan {attempt}"));
    }

    fn decide(&self, _: &RetryRule, failure: Failure, _: &Mail) {
        self.did(format!("ask about {} with {:?} left", failure.attempt, failure.unfinished));
    }

    fn threads(&self, _: &[String], _: &config::Project) -> Option<u32> {
        Some(4)
    }

    fn interrupt(&self, _: AttemptId, _: Option<&AttemptIdentity>) -> io::Result<()> {
        self.did("interrupt");
        Ok(())
    }

    fn is_asked(&self, _: AttemptId) -> bool {
        false
    }

    fn write_locks(&self, request: &RunRequest) -> WriteLocks {
        WriteLocks { locks: vec![format!("project:{}", request.project)], note: None }
    }

    fn spoke_at(&self, _: AttemptId) -> Option<Timestamp> {
        None
    }

    fn look(&self, _: &str, _: &Trigger, _: &str, _: &Mail) {}

    fn pause(&self, _: Duration) {}

    fn highest_run(&self) -> u64 {
        0
    }

    fn forget(&self, run: RunId) {
        self.did(format!("forget {run}"));
    }
}

/// A dispatcher that works through its mail when it is told to.
struct Bench {
    dir: TempDir,
    dispatcher: Dispatcher,
    mail: Mail,
    messages: mpsc::Receiver<Message>,
    deeds: Deeds,
    clock: Arc<AtomicI64>,
    requests: u32,
    /// The retry policy of what is requested.
    retry: Option<RetryRule>,
}

impl Bench {
    fn new(broken: &[&str]) -> Self {
        Self::on(TempDir::new().unwrap(), broken)
    }

    fn on(dir: TempDir, broken: &[&str]) -> Self {
        Self::made(dir, Arc::default(), broken, |_| {})
    }

    fn made(dir: TempDir, clock: Arc<AtomicI64>, broken: &[&str], prepare: fn(&mut Dispatcher)) -> Self {
        let (mail, messages) = mpsc::channel();
        let deeds = Deeds::default();
        let world = Remembering {
            deeds: Arc::clone(&deeds),
            clock: Arc::clone(&clock),
            broken: broken.iter().map(|&b| b.to_owned()).collect(),
        };
        let store = Store::open(&dir.path().join(crate::store::FILE_NAME)).unwrap();
        let file = dir.path().join("tidegate.toml");
        std::fs::write(&file, "[projects.shop]\n").unwrap();
        let config = Arc::new(config::Config::load(&file, None).unwrap());
        let mut dispatcher = Dispatcher::new(store, Box::new(world), mail.clone(), config, false);
        prepare(&mut dispatcher);
        dispatcher.recover().unwrap();
        Self { dir, dispatcher, mail, messages, deeds, clock, requests: 0, retry: None }
    }

    /// The host dies and another begins.
    fn restart(self) -> Self {
        self.restart_by(|_| {})
    }

    fn restart_by(self, prepare: fn(&mut Dispatcher)) -> Self {
        let Self { dir, dispatcher, requests, clock, retry, .. } = self;
        drop(dispatcher);
        let mut bench = Self { requests, retry, ..Self::made(dir, clock, &[], prepare) };
        bench.work();
        bench
    }

    fn work(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.dispatcher.take(vec![message]).unwrap();
        }
    }

    fn send(&mut self, message: Message) {
        self.mail.send(message).unwrap();
        self.work();
    }

    fn request(&mut self, project: &str, steps: &[&str]) -> RunId {
        self.requests += 1;
        let request = self.wanted(self.requests.to_string(), project, steps);
        let (answer, answers) = mpsc::channel();
        self.send(Message::Request { request: Box::new(request), answer });
        answers.recv().unwrap().unwrap().run
    }

    fn wanted(&self, key: String, project: &str, steps: &[&str]) -> RunRequest {
        RunRequest {
            key,
            project: project.to_owned(),
            job: None,
            steps: steps
                .iter()
                .map(|s| StepRequest { args: s.split(' ').map(str::to_owned).collect() })
                .collect(),
            empty_fails: false,
            launch: Launch {
                user: "ada".to_owned(),
                via: "test".to_owned(),
                command: Vec::new(),
                reason: None,
            },
            config_file: PathBuf::new(),
            configuration: Default::default(),
            limits: Limits::default(),
            resumes: None,
            retry: self.retry.clone(),
            gate: Default::default(),
            parameters: Default::default(),
            selection: None,
        }
    }

    fn end(&mut self, attempt: AttemptId, code: i32, nodes: &[(&str, &str)]) {
        let result = |(id, state): &(&str, &str)| NodeResult::of(id, NodeState::from(*state));
        let results = nodes.iter().map(result).collect();
        let exit = ExitStatus { code: Some(code), ..ExitStatus::at(Timestamp::UNIX_EPOCH) };
        self.send(Message::Ended(Box::new(Ended {
            attempt,
            exit: Some(exit),
            results: Some((crate::model::ResultsSource::RunResults, results)),
            raw_tail: String::new(),
        })));
    }

    fn run(&self, id: RunId) -> Run {
        Reader::open(self.dir.path()).unwrap().run(id).unwrap()
    }

    fn deeds(&self) -> Vec<String> {
        std::mem::take(&mut *self.deeds.lock().unwrap())
    }
}

fn attempt(run: u64, step: u32) -> AttemptId {
    AttemptId { run: RunId(run), step, attempt: 1 }
}

#[test]
fn of_each_run_in_a_long_line_it_is_said_what_it_waits_for() {
    let mut bench = Bench::new(&[]);
    let runs: Vec<_> = (0..30).map(|_| bench.request("shop", &["build"])).collect();
    let (answer, answers) = mpsc::channel();
    bench.send(Message::Waits { runs: vec![runs[0], runs[29], RunId(99)], answer });
    let waits = answers.recv().unwrap();
    assert_eq!(waits.keys().copied().collect::<Vec<_>>(), [runs[29]]);
    assert!(waits[&runs[29]].starts_with("waiting behind run"), "{waits:?}");
}

#[test]
fn each_time_that_someone_cancels_a_run_is_on_the_trail() {
    let mut bench = Bench::new(&[]);
    let run = bench.request("shop", &["build"]);
    bench.dispatcher.take(vec![]).unwrap();
    for user in ["ada", "bob"] {
        bench.send(Message::Cancel { run, by: crate::model::By::new(user, "ui"), answer: None });
    }
    let reader = Reader::open(bench.dir.path()).unwrap();
    let filter =
        crate::store::AuditFilter { action: Some("run.cancel".to_owned()), limit: 9, ..Default::default() };
    let users: Vec<_> = reader.audit(&filter).unwrap().into_iter().map(|row| row.deed.user).collect();
    assert_eq!(users, ["bob", "ada"]);
    assert_eq!(bench.run(run).cancelled_by.as_deref(), Some("ada"), "who was first");
}

#[test]
fn of_requests_by_one_key_that_come_together_the_same_are_one_run_and_others_are_refused() {
    let mut bench = Bench::new(&[]);
    let wanted = [("k", "shop"), ("k", "shop"), ("k", "web"), ("l", "web")];
    let (messages, answers): (Vec<_>, Vec<_>) = wanted
        .iter()
        .map(|(key, project)| {
            let request = Box::new(bench.wanted((*key).to_owned(), project, &["build"]));
            let (answer, answers) = mpsc::channel();
            (Message::Request { request, answer }, answers)
        })
        .unzip();
    bench.dispatcher.take(messages).unwrap();
    let answers: Vec<_> = answers.iter().map(|answers| answers.recv().unwrap()).collect();
    let taken = |run, is_new| Ok(Taken { run: RunId(run), is_new });
    assert_eq!((&answers[0], &answers[1]), (&taken(1, true), &taken(1, false)));
    assert_eq!(answers[2].as_ref().unwrap_err().message, "`k` is the key of run 1 of something else");
    assert_eq!(answers[3], taken(2, true));
    // What is on record already is known as well.
    let (answer, answers) = mpsc::channel();
    let request = Box::new(bench.wanted("k".to_owned(), "shop", &["build"]));
    bench.send(Message::Request { request, answer });
    assert_eq!(answers.recv().unwrap(), taken(1, false));
}

#[test]
fn steps_run_one_after_the_other() {
    let mut bench = Bench::new(&[]);
    let run = bench.request("shop", &["seed", "build"]);
    assert_eq!(bench.deeds(), ["open shop for 1", "spawn 1.1.1 seed", "watch 1.1.1 from 0"]);
    bench.end(attempt(1, 1), 0, &[("seed.s.a", "success")]);
    assert_eq!(bench.deeds(), ["spawn 1.2.1 build", "watch 1.2.1 from 0"]);
    bench.end(attempt(1, 2), 0, &[("model.s.b", "success")]);
    assert_eq!(bench.run(run).state, RunState::Succeeded);
}

#[test]
fn a_step_that_fails_ends_the_run() {
    let mut bench = Bench::new(&[]);
    let run = bench.request("shop", &["seed", "build"]);
    bench.end(attempt(1, 1), 1, &[("seed.s.a", "error")]);
    let run = bench.run(run);
    assert_eq!((run.state, run.steps[1].state), (RunState::Failed, RunState::Queued));
    assert!(run.reason.unwrap().contains("step 1 (dbt seed): seed.s.a"));
}

#[test]
fn runs_of_one_project_wait_for_each_other_and_other_projects_do_not() {
    let mut bench = Bench::new(&[]);
    bench.request("shop", &["build"]);
    bench.request("shop", &["build"]);
    bench.request("web", &["build"]);
    let spawned: Vec<_> = bench.deeds().into_iter().filter(|d| d.starts_with("spawn")).collect();
    assert_eq!(spawned, ["spawn 1.1.1 build", "spawn 3.1.1 build"]);
    bench.end(attempt(1, 1), 0, &[]);
    assert!(bench.deeds().contains(&"spawn 2.1.1 build".to_owned()));
}

#[test]
fn what_cannot_be_opened_is_refused_and_the_next_gets_its_turn() {
    let mut bench = Bench::new(&["odd"]);
    let run = bench.request("odd", &["build"]);
    let run = bench.run(run);
    assert_eq!(run.state, RunState::Refused);
    assert_eq!(run.reason.as_deref(), Some("it does not parse\nhint: mend it"));
    let run = bench.request("odd", &["build"]);
    assert_eq!(bench.run(run).state, RunState::Refused);
}

#[test]
fn an_attempt_that_cannot_be_spawned_fails_with_its_reason() {
    let mut bench = Bench::new(&[]);
    let run = bench.request("shop", &["unspawnable"]);
    let run = bench.run(run);
    assert_eq!(run.state, RunState::Failed);
    assert!(run.reason.unwrap().contains("too many open files"));
}

#[test]
fn a_queued_run_is_cancelled_at_once_and_a_running_one_is_interrupted() {
    let mut bench = Bench::new(&[]);
    let (first, second) = (bench.request("shop", &["build"]), bench.request("shop", &["build"]));
    bench.deeds();
    bench.send(Message::Cancel { run: second, by: "ada".into(), answer: None });
    assert_eq!(bench.run(second).state, RunState::Cancelled);
    assert_eq!(bench.deeds(), [""; 0]);
    bench.send(Message::Cancel { run: first, by: "ada".into(), answer: None });
    bench.send(Message::Cancel { run: first, by: "ada".into(), answer: None });
    assert_eq!(bench.deeds(), ["interrupt", "interrupt"], "asked again, it hurries");
    assert_eq!(bench.run(first).cancelled_by.as_deref(), Some("ada"));
}

#[test]
fn a_new_host_goes_on_where_the_old_one_was() {
    let mut bench = Bench::new(&[]);
    bench.request("shop", &["seed", "build"]);
    bench.request("shop", &["build"]);
    let observed = vec![
        EventKind::NodeStarted {
            attempt: attempt(1, 1),
            unique_id: "seed.s.a".to_owned(),
            resource_type: ResourceType::Seed,
            started_at: None,
            thread: None,
            relation_name: None,
        },
        EventKind::LogRead { attempt: attempt(1, 1), offset: 77, raw_lines: 0 },
    ];
    bench.send(Message::Observed { attempt: attempt(1, 1), events: observed });
    let mut bench = bench.restart();
    // Watched from where it was read to, not started a second time; the second run waits still.
    assert_eq!(bench.deeds(), ["open shop for 1", "watch 1.1.1 from 77"]);
    bench.end(attempt(1, 1), 0, &[("seed.s.a", "success")]);
    assert_eq!(bench.deeds(), ["spawn 1.2.1 build", "watch 1.2.1 from 0"]);
    bench.end(attempt(1, 2), 0, &[]);
    assert_eq!(bench.run(RunId(1)).state, RunState::Succeeded);
    assert!(bench.deeds().contains(&"spawn 2.1.1 build".to_owned()));
}

#[test]
fn a_host_that_only_changes_the_record_starts_nothing() {
    let mut bench = Bench::new(&[]);
    bench.request("shop", &["build"]);
    let second = bench.request("shop", &["build"]);
    let mut bench = bench.restart_by(Dispatcher::hold_back);
    bench.deeds();
    bench.end(attempt(1, 1), 0, &[]);
    assert_eq!(bench.run(RunId(1)).state, RunState::Succeeded, "what is under way is seen through");
    assert_eq!(bench.run(second).state, RunState::Queued);
    assert!(!bench.deeds().iter().any(|deed| deed.starts_with("spawn")));
    bench.send(Message::Cancel { run: second, by: "ada".into(), answer: None });
    assert_eq!(bench.run(second).state, RunState::Cancelled);
}

#[test]
fn a_listener_hears_the_whole_story() {
    let mut bench = Bench::new(&[]);
    let run = bench.request("shop", &["build"]);
    let (updates, news) = mpsc::channel();
    bench.send(Message::Listen { run, updates });
    bench.end(attempt(1, 1), 0, &[("model.s.a", "success")]);
    let mut seen: Option<Run> = None;
    for update in news {
        match update {
            Update::Snapshot { run, nodes } => seen = Some(Update::into_run(*run, nodes)),
            Update::Event { stored } => drop(crate::fold::apply(seen.as_mut().unwrap(), &stored.event)),
            _ => {}
        }
    }
    assert_eq!(seen.unwrap(), bench.run(run), "a snapshot and what follows make the run");
}

#[test]
fn the_plan_is_asked_for_behind_the_first_node_and_once() {
    let mut bench = Bench::new(&[]);
    bench.request("shop", &["build"]);
    bench.deeds();
    for node in ["model.s.a", "model.s.b"] {
        let event = EventKind::NodeStarted {
            attempt: attempt(1, 1),
            unique_id: node.to_owned(),
            resource_type: ResourceType::Model,
            started_at: None,
            thread: None,
            relation_name: None,
        };
        bench.send(Message::Observed { attempt: attempt(1, 1), events: vec![event] });
    }
    assert_eq!(bench.deeds(), ["plan 1.1.1"]);
    let nodes = vec!["model.s.a".to_owned(), "model.s.c".to_owned()];
    bench.send(Message::Planned { attempt: attempt(1, 1), nodes: Some(nodes) });
    let run = bench.run(RunId(1));
    let states: Vec<_> = run.steps[0].attempts[0].nodes.values().map(|n| n.state.as_str()).collect();
    assert_eq!(states, ["running", "running", "queued"]);
}
