//! Which process is meant: a pid alone is reused, a pid with its start and its boot is not. And signals, which go to
//! nothing else.

use std::{fs, io, sync::OnceLock};

use nix::{
    errno::Errno,
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::model::AttemptIdentity;

/// The identity of a process that runs now. None where it does not, or has ended and waits to be reaped.
pub fn identify(pid: i32) -> Option<AttemptIdentity> {
    let stat = stat(pid).filter(|stat| !stat.ended)?;
    Some(AttemptIdentity { pid, start_time: stat.start_time, boot_id: boot_id() })
}

/// The identity of a child that has not been reaped: it has one even if it has ended.
pub(super) fn identify_child(pid: i32) -> Option<AttemptIdentity> {
    Some(AttemptIdentity { pid, start_time: stat(pid)?.start_time, boot_id: boot_id() })
}

/// Whether exactly this process still runs.
pub fn is_alive(identity: &AttemptIdentity) -> bool {
    identify(identity.pid).as_ref() == Some(identity)
}

/// Asks an attempt process to stop its dbt; asked again, it hurries. Does nothing when it is gone.
pub fn interrupt(identity: &AttemptIdentity) -> io::Result<()> {
    if !is_alive(identity) {
        return Ok(());
    }
    match signal::kill(Pid::from_raw(identity.pid), Signal::SIGINT) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Kills the process group that a process leads. The leader may have ended: as long as it is not reaped its pid belongs
/// to nobody else. Says whether there was anything to kill.
pub(super) fn kill_group(leader: &AttemptIdentity) -> io::Result<bool> {
    if identify_child(leader.pid).as_ref() != Some(leader) {
        return Ok(false);
    }
    match signal::killpg(Pid::from_raw(leader.pid), Signal::SIGKILL) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Kills one process, if it is still that one.
#[cfg(target_os = "linux")]
pub(super) fn kill(identity: &AttemptIdentity) {
    if is_alive(identity) {
        let _ = signal::kill(Pid::from_raw(identity.pid), Signal::SIGKILL);
    }
}

/// The process group of dbt, as its parent sees it. Once it is seen to be empty its number may be given to strangers, and
/// it is left alone for good.
#[derive(Debug)]
pub(super) struct Group {
    id: i32,
    gone: bool,
}

impl Group {
    pub(super) fn new(leader: i32) -> Self {
        Self { id: leader, gone: leader <= 1 }
    }

    /// Whether any process of it is left.
    pub(super) fn exists(&mut self) -> bool {
        // Processes that may not be signalled are there too.
        self.gone = self.gone || signal::killpg(Pid::from_raw(self.id), None) == Err(Errno::ESRCH);
        !self.gone
    }

    /// Signals all of it.
    pub(super) fn signal(&mut self, signal: Signal) {
        if !self.exists() {
            return;
        }
        match signal::killpg(Pid::from_raw(self.id), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => eprintln!("{signal} could not be sent to dbt: {e}"),
        }
    }
}

/// What the system says about a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// It waits to be reaped.
    pub(super) ended: bool,
    /// The session that it is in.
    pub(super) session: i32,
    /// In clock ticks since boot.
    pub(super) start_time: u64,
}

/// Fields of `/proc/PID/stat`.
#[cfg(target_os = "linux")]
pub(super) fn stat(pid: i32) -> Option<Stat> {
    if pid <= 0 {
        return None;
    }
    read_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field, the command's name, may hold anything, half a character too: counting starts behind its last
/// parenthesis.
#[cfg(target_os = "linux")]
fn read_stat(stat: &[u8]) -> Option<Stat> {
    let name_end = stat.iter().rposition(|b| *b == b')')?;
    let fields: Vec<_> = std::str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace().collect();
    Some(Stat {
        ended: matches!(*fields.first()?, "Z" | "X"),
        session: fields.get(3)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// Elsewhere the pid has to do.
#[cfg(not(target_os = "linux"))]
pub(super) fn stat(pid: i32) -> Option<Stat> {
    let there = pid > 1 && signal::kill(Pid::from_raw(pid), None).is_ok();
    there.then_some(Stat { ended: false, session: 0, start_time: 0 })
}

fn boot_id() -> String {
    // No process sees two boots.
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    BOOT_ID.get_or_init(read).clone()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command, Stdio},
        thread,
        time::Duration,
    };

    use super::*;

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").process_group(0).stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    #[test]
    fn a_zombie_is_not_alive_but_still_the_same_process() {
        let (mut child, pid) = sleeper();
        let identity = identify(pid).unwrap();
        assert!(is_alive(&identity));
        child.kill().unwrap();
        while is_alive(&identity) {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(identify(pid), None);
        assert_eq!(identify_child(pid), Some(identity.clone()));
        child.wait().unwrap();
        assert_eq!(identify_child(pid), None);
        assert!(!kill_group(&identity).unwrap());
    }

    #[test]
    fn a_reused_pid_is_another_process_and_is_never_signalled() {
        let (mut child, pid) = sleeper();
        let real = identify(pid).unwrap();
        let earlier = AttemptIdentity { start_time: real.start_time - 1, ..real.clone() };
        let before_the_boot = AttemptIdentity { boot_id: "another".to_owned(), ..real.clone() };
        for other in [earlier, before_the_boot] {
            assert!(!is_alive(&other));
            interrupt(&other).unwrap();
            assert!(!kill_group(&other).unwrap());
            kill(&other);
        }
        thread::sleep(Duration::from_millis(50));
        assert_eq!(child.try_wait().unwrap(), None, "nobody has signalled it");
        assert!(kill_group(&real).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn no_identity_stands_for_more_than_one_process() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(identify(pid), None, "{pid}");
            let nobody = AttemptIdentity { pid, start_time: 0, boot_id: boot_id() };
            assert!(!kill_group(&nobody).unwrap());
            interrupt(&nobody).unwrap();
        }
        assert!(!Group::new(0).exists());
        assert!(!Group::new(1).exists());
    }

    #[test]
    fn a_group_that_was_seen_empty_is_left_alone() {
        let (mut child, pid) = sleeper();
        let mut group = Group::new(pid);
        assert!(group.exists());
        group.signal(Signal::SIGKILL);
        child.wait().unwrap();
        while group.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(group.gone);
    }

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"7 (a) R 1 (\xff\xc3) S 1 7 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(read_stat(text), Some(Stat { ended: false, session: 5, start_time: 4242 }));
        assert_eq!(read_stat(b"7 (x) Z 1 7 5"), None);
        assert_eq!(read_stat(b""), None);
    }
}
