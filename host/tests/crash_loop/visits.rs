//! A visit to each crash point: a process ends exactly there, the next host takes the run up, and the run ends as it must.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tidegate::{
    engine::attempt_folder,
    model::{Run, RunId, RunState},
    store::FILE_NAME,
};

use crate::{
    AGES,
    house::Tidegate,
    load::Request,
    projects::SCRIPTED,
    rounds::{Crashing, Loop},
};

impl Loop {
    /// Lets a process end at a crash point, and sees the run to its end.
    pub fn visit(&mut self, point: &'static str) {
        self.doing = format!("at crash point {point}");
        // The attempt processes of the first project come by crash points too. Behind `steps` of the second one its `tail`
        // always follows, however it has ended: a scripted dbt fails now and then.
        let (project, job) = match point {
            "engine.before-interrupt" => (SCRIPTED[0], "long"),
            "engine.before-follow" => (SCRIPTED[1], "steps"),
            // A run of the job that the file starts would be in its way.
            "engine.after-tick" => (SCRIPTED[1], "small"),
            "engine.before-decision" | "engine.after-decision" => (SCRIPTED[0], "again"),
            _ => (SCRIPTED[0], "steps"),
        };
        let request = self.load.request(project, Some(job));
        if point.starts_with("attempt.") {
            let from = Timestamp::now();
            self.run_errand(request.clone(), Some(point));
            self.wait("the end of the run", |all| all.running.iter_mut().all(Tidegate::is_gone));
            self.crashing.push(Crashing { from, until: Timestamp::now() });
            self.settle();
            return self.expect_of_attempt(point, &request);
        }
        if point == "engine.after-tick" {
            self.let_a_file_arrive();
        }
        self.crash_a_service(point, point, Some(&request));
        // Whoever takes over goes on with everything.
        self.serve(None);
        self.house.wait_for_host(&mut self.running);
        self.run_errand(request.clone(), None);
        self.wait("the end of the run", |all| all.running.iter_mut().all(|t| t.serves() || t.is_gone()));
        self.settle();
        self.stop_services();
        if job == "long" {
            let run = self.load.all[&request.key].answers[0];
            let run = self.house.reader().unwrap().run(RunId(run)).unwrap();
            assert_eq!(run.state, RunState::Cancelled);
        }
    }

    /// A host of this version finds the database of an older one, and dies over its migration; the next one does not.
    pub fn visit_migration_of(&mut self, database: &Path, runs: u64) {
        let point = "store.mid-migration";
        self.doing = format!("at crash point {point}, with {}", database.display());
        self.house.inherit(database);
        self.inherited = runs;
        self.crash_a_service(point, point, None);
        assert!(self.house.reader().is_none(), "the database is still one of the older version");
        self.serve(None);
        assert!(self.house.wait_for_host(&mut self.running));
        let reader = self.house.reader().unwrap();
        for run in 1..=runs {
            assert!(reader.run(RunId(run)).unwrap().state.is_finished());
        }
        let backup = Path::new(FILE_NAME).with_extension("v1.db");
        assert!(self.house.state_dir().join(&backup).exists(), "{} is there", backup.display());
        let request = self.load.request(SCRIPTED[1], Some("small"));
        self.ask(request, None);
        self.wait("the answer", |all| all.running.iter_mut().all(|t| t.serves() || t.is_gone()));
    }

    /// A service works until it comes by the point, with a request to work on where there is one.
    pub fn crash_a_service(&mut self, point: &'static str, at: &str, request: Option<&Request>) {
        self.serve(Some(at));
        if self.house.wait_for_host(&mut self.running)
            && let Some(request) = request
        {
            self.ask(request.clone(), None);
            if point == "engine.before-interrupt" {
                self.cancel_the_long_one(request);
            }
        }
        self.wait("the crash", |all| all.running.iter_mut().any(Tidegate::has_crashed));
        // What follows takes as long as its clients do.
        self.deaths.push(Timestamp::now());
        *self.reached.entry(point).or_default() += 1;
        self.kills += 1;
        self.wait("the end of its clients", |all| all.running.iter_mut().all(Tidegate::is_gone));
        self.settle();
    }

    pub fn wait(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < AGES, "waited in vain for {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A file arrives that the next host finds as soon as it looks.
    fn let_a_file_arrive(&mut self) {
        if !self.knows_its_files(SCRIPTED[0]) {
            self.serve(None);
            self.wait("a sensor that has looked", |all| all.knows_its_files(SCRIPTED[0]));
            self.stop_services();
        }
        let number = self.arrived.entry(SCRIPTED[0]).or_default();
        *number += 1;
        self.house.drop_file(SCRIPTED[0], *number);
    }

    fn cancel_the_long_one(&mut self, request: &Request) {
        let owned = |run: &&Run| {
            let spawned = run.running_attempt().is_some_and(|attempt| attempt.identity.is_some());
            run.request.key == request.key && spawned
        };
        self.wait("the long run", |all| all.active().iter().any(|run| owned(&run)));
        let run = self.active().iter().find(owned).unwrap().id.0;
        let cancel = self.house.cancel(run);
        self.running.push(cancel);
    }

    /// The attempt process has ended where it was to: what it has left behind by then is there, and nothing else.
    fn expect_of_attempt(&mut self, point: &'static str, request: &Request) {
        let reader = self.house.reader().unwrap();
        let id = RunId(self.load.all[&request.key].answers[0]);
        let run = reader.run(id).unwrap();
        let attempt = &run.steps[0].attempts[0];
        let folder = attempt_folder(&self.house.state_dir(), attempt.id);
        let processes = folder.processes();
        let left = [
            processes.attempt.is_some(),
            processes.dbt.is_some(),
            folder.exit().is_some(),
            folder.compressed_log().exists(),
            !folder.log().exists(),
        ];
        let passed = match point {
            "attempt.before-processes" => 0,
            "attempt.before-dbt" | "attempt.after-dbt" => 1,
            "attempt.while-dbt" | "attempt.before-exit" => 2,
            "attempt.after-exit" => 3,
            "attempt.mid-compress" => 4,
            other => panic!("nobody knows what {other} leaves behind"),
        };
        // The log is there from before the attempt process writes itself down.
        assert_eq!(left.map(u8::from), std::array::from_fn(|at| u8::from(at < passed)), "behind {point}");
        if passed < 3 {
            assert_eq!(run.state, RunState::Interrupted, "behind {point}");
        }
        *self.reached.entry(point).or_default() += 1;
        self.kills += 1;
    }
}
