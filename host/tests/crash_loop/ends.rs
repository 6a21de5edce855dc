//! How things end: what those were told who have ended, and how everything comes to its end when nothing is killed any
//! more.

use std::{
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidegate::model::RunId;

use crate::{
    AGES,
    house::{Tidegate, What},
    load::answer,
    rounds::{Loop, is_long},
    triggers,
};

/// How far the clock of the file system may be behind the other one.
const COARSE: SignedDuration = SignedDuration::from_millis(100);

/// A service decides upon everything within this time: longer than a sensor takes to look again and an interval to pass.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);

impl Loop {
    /// Hears what those who have ended were told.
    pub fn settle(&mut self) {
        if let (Some(last), true) =
            (self.crashing.last_mut(), self.running.iter().any(|t| t.lets_attempts_crash))
        {
            // A client outlives its round, and may be the host of a later one.
            last.until = Timestamp::now();
        }
        let all: Vec<_> = self.running.drain(..).collect();
        for mut tidegate in all {
            if tidegate.is_gone() {
                self.hear(&mut tidegate);
            } else {
                self.running.push(tidegate);
            }
        }
    }

    fn hear(&mut self, tidegate: &mut Tidegate) {
        if tidegate.has_crashed() {
            self.deaths.push(Timestamp::now());
        }
        let (said, printed) = tidegate.said();
        let exit_code = tidegate.exit_code();
        let failed = exit_code.is_some_and(|code| code != 0);
        let is_odd = ["panicked", "damaged", "cannot go on"].iter().any(|word| said.contains(word));
        if is_odd || (failed && tidegate.serves()) {
            self.problems.push(format!("{}: {said}", tidegate.errors.display()));
        }
        match &tidegate.what {
            What::Serve => {
                let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let ends = lines.filter(|line| line["message"] == "run finished");
                self.ended_by_service.extend(ends.filter_map(|line| line["run"].as_u64()));
            }
            What::Run(request) => {
                let asked = self.load.all.get_mut(&request.key).unwrap();
                asked.waiting -= 1;
                asked.answers.extend(answer(&said, &printed));
            }
            What::Cancel(run) if exit_code == Some(0) => {
                let told = Timestamp::try_from(tidegate.said_at()).unwrap() + COARSE;
                let run = self.house.reader().unwrap().run(RunId(*run)).unwrap();
                self.cancels += 1;
                if run.cancelled_by.is_none() && run.finished_at.is_none_or(|at| at > told) {
                    let problem =
                        "someone was told that it is being cancelled, and nothing of that is on record";
                    self.problems.push(format!("run {}: {problem}", run.id));
                }
            }
            What::Cancel(_) => {}
        }
    }

    /// Asks every service to stop, and waits for the end of all that was started.
    pub fn stop_services(&mut self) {
        self.running.iter_mut().filter(|t| t.serves()).for_each(Tidegate::stop);
        self.wait("the end of all", |all| all.running.iter_mut().all(Tidegate::is_gone));
        self.settle();
    }

    /// Nothing is killed any more, and everything comes to its end. The last host is one that decides upon everything.
    pub fn drain(&mut self) {
        self.doing = "waiting for the end of everything".to_owned();
        let begun = Instant::now();
        let mut quiet_since = None::<Instant>;
        loop {
            self.settle();
            let (open, active) = (self.load.unanswered(), self.active());
            let serves = self.running.iter().any(Tidegate::serves);
            let is_quiet = open.is_empty() && active.is_empty() && self.running.iter().all(Tidegate::serves);
            let undecided = if is_quiet && serves { triggers::undecided(self) } else { Vec::new() };
            quiet_since = quiet_since.filter(|_| is_quiet && serves).or_else(|| is_quiet.then(Instant::now));
            let is_late = quiet_since.is_some_and(|since| since.elapsed() > DECIDED_WITHIN);
            if is_quiet && serves && (undecided.is_empty() || is_late) {
                self.stop_services();
                // A schedule may have had a tick meanwhile. What should have been decided by now never is: the audit
                // says more of it.
                if self.active().is_empty() && (is_late || triggers::undecided(self).is_empty()) {
                    return;
                }
                continue;
            }
            assert!(
                begun.elapsed() < 3 * AGES,
                "these runs do not end: {:?}; {} requests have no answer; undecided: {undecided:?}",
                active.iter().map(|run| (run.id, run.state)).collect::<Vec<_>>(),
                open.len()
            );
            if !serves {
                self.serve(None);
                self.house.wait_for_host(&mut self.running);
            } else if let Some(request) = open.first() {
                self.ask(request.clone(), None);
            }
            // What takes long is told again and again, as people do.
            if active.iter().any(is_long) && self.random.percent(30) {
                self.cancel_something();
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}
