//! Running a short command to its end, line by line: `dbt parse`, `dbt deps`, `git`. It keeps nothing, and has no folder.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    descriptors::{lower_descriptors, of_children},
    lines::read_lines,
    scrub::Scrubber,
    thread::waiting,
};

/// The longest line that is kept whole.
const LONGEST: usize = 16 << 20;

/// How often `stop` is asked, and the command is looked at.
const TICK: Duration = Duration::from_millis(50);

/// How many blocks of lines may wait: whoever says more than is taken is held up.
const WAITING: usize = 64;

/// This process's environment, in so far as it is text: nothing else can be meant for dbt.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Gives a command the limit of open files that it would have without this process, and has it end with the thread that starts it:
/// nobody would hear what it says when this process is killed, and the next host would start another beside it. That thread
/// waits for it, and ends earlier only with the whole process.
#[expect(unsafe_code, reason = "the system asks for it in the child, before it becomes the command")]
fn prepare(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    let descriptors = of_children();
    // SAFETY: between fork and exec only system calls are made, which allocate nothing and take no lock.
    unsafe {
        command.pre_exec(move || {
            #[cfg(target_os = "linux")]
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            let _ = descriptors.map(lower_descriptors);
            Ok(())
        });
    }
}

/// Runs a command and hands on each line that it says, without its end, as it comes. It stays in the caller's process
/// group, so that a terminal's Ctrl-C reaches it; `stop` is asked several times a second, and kills it when it says so.
/// The values of the variables that `secrets` names are in no line.
pub fn capture(
    program: &Path,
    args: &[String],
    cwd: &Path,
    environment: &BTreeMap<String, String>,
    secrets: &[String],
    stop: impl Fn() -> bool,
    mut line: impl FnMut(&[u8]),
) -> io::Result<ExitStatus> {
    let (sender, blocks) = mpsc::sync_channel::<Vec<u8>>(WAITING);
    let other = sender.clone();
    let stdout = waiting("stdout", move |pipe: ChildStdout| {
        read_lines(pipe, LONGEST, |lines| _ = sender.send(lines.to_vec()));
    })?;
    let stderr = waiting("stderr", move |pipe: ChildStderr| {
        read_lines(pipe, LONGEST, |lines| _ = other.send(lines.to_vec()));
    })?;
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(cwd)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    prepare(&mut command);
    let mut child = command.spawn()?;
    let _ = child.stdout.take().map(|pipe| stdout.send(pipe));
    let _ = child.stderr.take().map(|pipe| stderr.send(pipe));
    drop((stdout, stderr));

    let scrubber = Scrubber::new(secrets.iter().filter_map(|name| environment.get(name).cloned()));
    let mut hand_on = |block: Vec<u8>| {
        let block = scrubber.scrub(&block).unwrap_or(block);
        block.split_inclusive(|b| *b == b'\n').for_each(|one| line(one.strip_suffix(b"\n").unwrap_or(one)));
    };
    let mut open = true;
    let mut looked = Instant::now();
    loop {
        let wait = TICK.saturating_sub(looked.elapsed());
        if open {
            match blocks.recv_timeout(wait) {
                Ok(block) => hand_on(block),
                Err(e) => open = e == mpsc::RecvTimeoutError::Timeout,
            }
        } else {
            // It has closed its pipes; as a rule because it ends at this moment.
            std::thread::sleep(wait.min(Duration::from_millis(1)));
        }
        if open && looked.elapsed() < TICK {
            continue;
        }
        looked = Instant::now();
        if stop() {
            child.kill()?;
        }
        // A grandchild may hold the pipes open: the command's own end is the end.
        if let Some(status) = child.try_wait()? {
            let until = Instant::now() + Duration::from_secs(2);
            while open && Instant::now() < until {
                match blocks.recv_timeout(Duration::from_millis(100)) {
                    Ok(block) => hand_on(block),
                    Err(_) => open = false,
                }
            }
            return Ok(status);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Runs a shell script until it ends, or has been asked for this often whether to stop.
    fn run(script: &str, patience: usize) -> (ExitStatus, Vec<String>) {
        let (asked, mut lines) = (Cell::new(0), Vec::new());
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        let environment = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        let args = ["-c".to_owned(), script.to_owned()];
        let status = capture(Path::new("/bin/sh"), &args, Path::new("/"), &environment, &[], stop, |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
        });
        (status.unwrap(), lines)
    }

    #[test]
    fn lines_come_whole_and_with_the_status() {
        let (status, lines) = run("echo one; printf two; exit 3", usize::MAX);
        assert_eq!((status.code(), lines), (Some(3), vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn it_can_be_stopped_whatever_it_does() {
        use std::os::unix::process::ExitStatusExt;
        for script in ["exec sleep 600", "exec yes", "exec sleep 600 >&- 2>&-"] {
            let (status, _) = run(script, 3);
            assert_eq!(status.signal(), Some(9), "{script}");
        }
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_holds_nobody_up() {
        let (status, lines) = run("sleep 5 & echo said", usize::MAX);
        assert_eq!((status.code(), lines), (Some(0), vec!["said".to_owned()]));
    }

    #[test]
    fn a_command_has_the_limit_of_open_files_of_before() {
        use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
        let (soft, hard) = getrlimit(RLIMIT_NOFILE).unwrap();
        // Low enough to be raised, and enough for the tests beside this one.
        let before = soft.min(hard.min(1 << 16) - 1);
        setrlimit(RLIMIT_NOFILE, before, hard).unwrap();
        crate::process::raise_descriptors().unwrap();
        assert!(crate::process::most_descriptors() > before);
        let (_, lines) = run("ulimit -n", usize::MAX);
        assert_eq!(lines, [before.to_string()]);
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let none = BTreeMap::new();
        let result =
            capture(Path::new("/no/such/program"), &[], Path::new("/"), &none, &[], || false, |_| {});
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
