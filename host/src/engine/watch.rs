//! Watching an attempt: its log is read as it grows, and its end is noticed.

use std::{path::Path, thread, time::Duration};

use jiff::Timestamp;

use crate::{
    dbt::{self, ArtifactError, Observation, Observer},
    model::{AttemptId, AttemptIdentity, EventKind, ExitStatus, NodeResult, ResultsSource},
    process::{AttemptFolder, Tail, end_orphans},
};

use super::{Mail, Message, message::Ended};

/// How often the log is looked at: often enough for people who look on, and seldom enough to cost next to nothing.
const INTERVAL: Duration = Duration::from_millis(50);

/// How many looks an attempt process may take from its start to its own record of itself.
const PATIENCE: u32 = 40;

/// Whether the attempt process still runs is asked at every so manieth look: its exit record tells of its end sooner.
const HEARTBEAT: u32 = 20;

/// Watches an attempt to its end. Its process, where it is not on record, is told as soon as it has written itself down. What stands in its log before `offset` is on record, and is read again without a word:
/// what comes behind it is understood from there.
pub(super) fn watch(
    attempt: AttemptId,
    args: &[String],
    folder: &AttemptFolder,
    mut identity: Option<AttemptIdentity>,
    offset: u64,
    mail: &Mail,
) {
    let mut tail = Tail::new(folder.clone(), 0);
    let mut observer = Observer::new(attempt);
    let mut at = 0;
    let mut raw_lines = 0;
    let mut told = (0, 0);
    let mut gone_for = 0;
    let mut unreadable = 0;
    let mut looks = 0_u32;
    let mut events = Vec::new();
    loop {
        // Looked at before the log is read: the log is complete where there is an exit record.
        let exit = folder.exit();
        if identity.is_none() {
            identity = folder.processes().attempt;
            events.extend(identity.clone().map(|identity| EventKind::AttemptSpawned { attempt, identity }));
        }
        let asks = gone_for > 0 || identity.is_none() || looks.is_multiple_of(HEARTBEAT);
        let alive = !asks || folder.is_alive(identity.as_ref());
        looks = looks.wrapping_add(1);
        gone_for = if alive || exit.is_some() { 0 } else { gone_for + 1 };
        // An attempt process that was known and is not there any more has had its time to leave a record.
        let lost = gone_for > if identity.is_some() { 4 } else { PATIENCE };
        if lost {
            // One that has not begun never does after this, and one that has is on record: then it is not lost.
            let _ = folder.withdraw();
            if folder.exit().is_some() || folder.is_alive(None) {
                gone_for = 0;
                continue;
            }
        }
        let last = exit.is_some() || lost;

        let mut read = |tail: &mut Tail| {
            tail.poll(last, |line| {
                let is_known = at < offset;
                at += line.len() as u64 + 1;
                match observer.line(line) {
                    Observation::Event(event) if !is_known => events.push(event),
                    Observation::Raw => raw_lines += 1,
                    _ => {}
                }
            })
        };
        let more = match read(&mut tail) {
            Ok(more) => more,
            // The log is there, but for a moment it cannot be read, as when no descriptor is free: the end can wait.
            Err(_) if last && unreadable < PATIENCE => {
                unreadable += 1;
                thread::sleep(INTERVAL);
                true
            }
            Err(_) => false,
        };
        if !more {
            events.extend(observer.flush(last));
        }
        // In the end, what told nothing has been read too.
        let read = (tail.offset(), raw_lines);
        if !events.is_empty() || (last && !more && read != told) {
            told = read;
            events.push(EventKind::LogRead { attempt, offset: tail.offset(), raw_lines });
            let events = std::mem::take(&mut events);
            if mail.send(Message::Observed { attempt, events }).is_err() {
                return;
            }
        }
        if more {
            continue;
        }
        if last {
            if lost {
                // dbt may have survived the process that read its pipes; nobody would know what it does.
                end_orphans(folder);
            }
            let results = results(args, &folder.target()).unwrap_or_else(|e| {
                let text = format!("warning: {e}; the states are those of dbt's events");
                let _ = mail.send(Message::Notice { run: attempt.run, text });
                None
            });
            let exit = exit.or_else(|| Some(ExitStatus::not_started(folder.last_words()?, Timestamp::now())));
            let ended = Ended { attempt, exit, results, raw_tail: observer.raw_tail() };
            let _ = mail.send(Message::Ended(Box::new(ended)));
            return;
        }
        thread::sleep(INTERVAL);
    }
}

/// dbt's artifact of results. A missing one is no news: dbt may have ended before it could write any.
fn results(
    args: &[String],
    target: &Path,
) -> Result<Option<(ResultsSource, Vec<NodeResult>)>, ArtifactError> {
    let (source, results) = match args.first().map(String::as_str) {
        Some("source") => (ResultsSource::Sources, dbt::read_sources(target)),
        _ if dbt::is_node_command(args) => (ResultsSource::RunResults, dbt::read_run_results(target)),
        _ => return Ok(None),
    };
    match results {
        Ok(results) => Ok(Some((source, results))),
        Err(ArtifactError::Missing(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::process::{CommandExt, ExitStatusExt},
        path::PathBuf,
        process::{Child, Command},
        sync::mpsc,
    };

    use tempfile::TempDir;

    use super::*;
    use crate::{
        model::RunId,
        process::{AttemptSpec, Caps, Ladder, Processes, identify},
    };

    fn sleeper() -> (Child, AttemptIdentity) {
        let child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let identity = identify(child.id().cast_signed()).unwrap();
        (child, identity)
    }

    fn dead() -> AttemptIdentity {
        let (mut child, identity) = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        identity
    }

    fn folder(processes: Option<&Processes>) -> (TempDir, AttemptFolder) {
        let dir = TempDir::new().unwrap();
        let folder = AttemptFolder(dir.path().join("1.1"));
        let spec = AttemptSpec {
            program: PathBuf::from("dbt"),
            args: Vec::new(),
            cwd: PathBuf::from("/"),
            secrets: Vec::new(),
            caps: Caps::default(),
            ladder: Ladder::default(),
            discard: Vec::new(),
            compress: Vec::new(),
        };
        folder.create(&spec).unwrap();
        if let Some(processes) = processes {
            fs::write(folder.0.join("processes.json"), serde_json::to_vec(processes).unwrap()).unwrap();
        }
        (dir, folder)
    }

    /// Watches to the end; what was seen on the way is not of interest here.
    fn end_of(folder: &AttemptFolder, identity: Option<AttemptIdentity>) -> Box<Ended> {
        let (mail, box_) = mpsc::channel();
        watch(AttemptId { run: RunId(1), step: 1, attempt: 1 }, &[], folder, identity, 0, &mail);
        match box_.try_iter().last() {
            Some(Message::Ended(ended)) => ended,
            _ => panic!("there is no end"),
        }
    }

    #[test]
    fn an_attempt_process_that_is_gone_does_not_leave_its_dbt_running() {
        let (mut dbt, identity) = sleeper();
        let attempt = dead();
        let (_dir, folder) = folder(Some(&Processes { attempt: Some(attempt.clone()), dbt: Some(identity) }));
        fs::write(folder.log(), "whole\ntorn").unwrap();
        fs::write(folder.errors(), "something").unwrap();
        let ended = end_of(&folder, Some(attempt));
        assert_eq!(ended.exit, None, "nobody knows how dbt would have ended");
        assert_eq!(ended.raw_tail.trim(), "whole\ntorn");
        assert_eq!(dbt.wait().unwrap().signal(), Some(9));
        assert!(folder.spec().is_err(), "nobody begins with it any more");
    }

    #[test]
    fn what_was_read_before_is_understood_and_not_told_again() {
        let event = |name: &str| {
            let info = format!(r#""info": {{"name": "{name}", "msg": "", "level": "info"}}"#);
            format!(
                r#"{{{info}, "data": {{"node_info": {{"unique_id": "model.p.m", "node_status": "started"}}}}}}"#
            )
        };
        let known = format!("no event\n{}\n", event("NodeStart"));
        let (_dir, folder) = folder(None);
        fs::write(folder.log(), format!("{known}{}\nneither\n", event("LogStartLine"))).unwrap();
        let (mail, box_) = mpsc::channel();
        let attempt = AttemptId { run: RunId(1), step: 1, attempt: 1 };
        watch(attempt, &[], &folder, Some(dead()), known.len() as u64, &mail);
        let messages: Vec<_> = box_.try_iter().collect();
        let [Message::Observed { events, .. }, Message::Ended(ended)] = &messages[..] else {
            panic!("{} messages", messages.len());
        };
        let offset = fs::metadata(folder.log()).unwrap().len();
        // The node had begun already; and of lines that are no events, those before the offset count too.
        assert_eq!(events, &[EventKind::LogRead { attempt, offset, raw_lines: 2 }]);
        assert_eq!(ended.raw_tail, "no event\nneither");
    }

    #[test]
    fn an_attempt_process_that_could_not_work_has_its_words_heard() {
        let attempt = dead();
        let (_dir, folder) = folder(None);
        fs::write(folder.errors(), "tidegate attempt: no space left\n").unwrap();
        let exit = end_of(&folder, Some(attempt)).exit.unwrap();
        assert_eq!(exit.spawn_error.as_deref(), Some("tidegate attempt: no space left"));
    }

    #[test]
    fn an_attempt_process_that_is_not_on_record_is_told() {
        let process = dead();
        let (_dir, folder) = folder(Some(&Processes { attempt: Some(process.clone()), dbt: None }));
        let (mail, box_) = mpsc::channel();
        let attempt = AttemptId { run: RunId(1), step: 1, attempt: 1 };
        watch(attempt, &[], &folder, None, 0, &mail);
        let Some(Message::Observed { events, .. }) = box_.try_iter().next() else {
            panic!("nothing is told")
        };
        assert_eq!(events[0], EventKind::AttemptSpawned { attempt, identity: process });
    }

    #[test]
    fn an_attempt_process_that_was_never_started_never_will_be() {
        let (_dir, folder) = folder(None);
        assert_eq!(end_of(&folder, None).exit, None);
        assert!(folder.spec().is_err());
    }
}
