//! Orphans: what runs on when its attempt process is gone. Nobody reads its output any more, so it is ended.

use super::{AttemptFolder, Processes, identity::kill_group};

/// The variable by which a process is known to belong to an attempt: it holds the attempt's folder.
pub(super) const MARK: &str = "TIDEGATE_ATTEMPT_FOLDER";

/// Ends what an attempt process that is gone has left running: dbt's process group, and whatever else is in the attempt's
/// session, such as a dbt that was started a moment before it could be written down.
pub fn end_orphans(folder: &AttemptFolder) {
    let processes = folder.processes();
    if let Some(dbt) = &processes.dbt {
        // Where it may not be signalled, there is nothing else to try.
        let _ = kill_group(dbt);
    }
    end_session(folder, &processes);
}

/// A number may have been given to another session since: only who carries the attempt's mark is meant.
#[cfg(target_os = "linux")]
fn end_session(folder: &AttemptFolder, processes: &Processes) {
    use std::{fs, os::unix::ffi::OsStrExt};

    use super::identity::{identify, kill, stat};

    let Some(attempt) = &processes.attempt else { return };
    let mark = [MARK.as_bytes(), b"=", folder.0.as_os_str().as_bytes()].concat();
    // One of them may start another while they are counted.
    for _ in 0..3 {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let orphans: Vec<_> = pids
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| stat(*pid).is_some_and(|stat| stat.session == attempt.pid))
            .filter_map(identify)
            .filter(|process| process.boot_id == attempt.boot_id && process.start_time >= attempt.start_time)
            .filter(|process| {
                let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
                environment.split(|b| *b == 0).any(|variable| variable == mark)
            })
            .collect();
        if orphans.is_empty() {
            return;
        }
        orphans.iter().for_each(kill);
    }
}

#[cfg(not(target_os = "linux"))]
fn end_session(_: &AttemptFolder, _: &Processes) {}
