//! The attempt process, as the real binary, with scripts in the place of dbt: what is promised about logs, signals,
//! leftovers, secrets and full disks holds whatever dbt does.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod disk;
mod inheritance;
mod ladder;
mod leftovers;
mod log;
mod secrets;
mod start;
mod tail;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tidegate::{
    model::{AttemptIdentity, ExitStatus},
    process::{self, AttemptFolder, AttemptSpec, Caps, Ladder, LogFile},
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Longer than anything here takes, on however busy a machine: only a test that fails waits for it.
const AGES: Duration = Duration::from_secs(300);

/// Waits until something is there.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < AGES, "waited for {what} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Python itself, and no script that looks for it: signals go to whom they are meant for.
fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let out = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    })
}

/// An attempt at running a script.
struct Attempt {
    dir: TempDir,
    folder: AttemptFolder,
    spec: AttemptSpec,
    environment: BTreeMap<String, String>,
}

impl Attempt {
    fn of(program: impl Into<PathBuf>, args: &[&str]) -> Self {
        let dir = TempDir::with_prefix("tidegate-attempt-").unwrap();
        let folder = AttemptFolder(dir.path().join("runs/1/1.1"));
        let spec = AttemptSpec {
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cwd: dir.path().to_owned(),
            secrets: Vec::new(),
            caps: Caps::default(),
            ladder: Ladder { interrupt_ms: 60_000, terminate_ms: 60_000, leave_ms: 60_000 },
            discard: Vec::new(),
            compress: Vec::new(),
        };
        let environment = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        Self { dir, folder, spec, environment }
    }

    fn sh(script: &str) -> Self {
        Self::of("/bin/sh", &["-c", script])
    }

    fn python(script: &str) -> Self {
        Self::of(python(), &["-c", script])
    }

    fn with(mut self, change: impl FnOnce(&mut AttemptSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    fn start(self) -> Running {
        let identity =
            process::spawn(Path::new(TIDEGATE), &self.folder, &self.spec, &self.environment).unwrap();
        Running { attempt: self, identity }
    }

    fn run(self) -> Ended {
        self.start().end()
    }

    /// Runs it in the foreground of a shell that sets things up first.
    fn run_in_shell(self, setup: &str) -> Ended {
        self.folder.create(&self.spec).unwrap();
        Command::new("/bin/sh")
            .args(["-c", &format!("exec 2>\"$1/attempt.err\"\n{setup}\nexec \"$0\" attempt \"$1\"")])
            .args([Path::new(TIDEGATE), &self.folder.0])
            .env_clear()
            .envs(&self.environment)
            .status()
            .unwrap();
        Ended { exit: self.folder.exit(), attempt: self }
    }
}

/// An attempt that goes on.
struct Running {
    attempt: Attempt,
    identity: AttemptIdentity,
}

impl Running {
    /// Waits until the log has a line that contains this.
    fn said(&self, text: &str) -> &Self {
        wait_for(text, || {
            fs::read_to_string(self.attempt.folder.log()).is_ok_and(|log| log.contains(text)).then_some(())
        });
        self
    }

    fn signal(&self, signal: Signal) -> &Self {
        kill(Pid::from_raw(self.identity.pid), signal).unwrap();
        self
    }

    fn is_alive(&self) -> bool {
        process::is_alive(&self.identity)
    }

    fn exit(&self) -> ExitStatus {
        wait_for("the exit record", || {
            let exit = self.attempt.folder.exit();
            assert!(exit.is_some() || self.is_alive() || self.attempt.folder.exit().is_some());
            exit
        })
    }

    fn end(self) -> Ended {
        let exit = self.exit();
        wait_for("the attempt's end", || (!self.is_alive()).then_some(()));
        Ended { attempt: self.attempt, exit: Some(exit) }
    }
}

/// An attempt that is over.
struct Ended {
    attempt: Attempt,
    exit: Option<ExitStatus>,
}

impl Ended {
    fn exit(&self) -> &ExitStatus {
        self.exit.as_ref().unwrap_or_else(|| panic!("no exit record; {}", self.errors()))
    }

    fn log(&self) -> Vec<u8> {
        read_all(&self.attempt.folder)
    }

    fn text(&self) -> String {
        String::from_utf8(self.log()).unwrap()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.attempt.folder.errors()).unwrap()
    }

    /// It ended as it should, and nothing is left over.
    fn tidily(self) -> Self {
        assert_eq!(self.errors(), "");
        let mut names: Vec<_> =
            fs::read_dir(&self.attempt.folder.0).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.retain(|name| name != "target");
        names.sort();
        assert_eq!(names, ["attempt.err", "attempt.json", "exit.json", "log.jsonl.zst", "processes.json"]);
        self
    }
}

fn read_all(folder: &AttemptFolder) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut log) = LogFile::open(folder).unwrap() {
        std::io::Read::read_to_end(&mut log, &mut bytes).unwrap();
    }
    bytes
}

/// A pid that a script wrote into a file.
fn pid_in(file: &Path) -> i32 {
    wait_for("a pid", || fs::read_to_string(file).ok()?.trim().parse().ok())
}

fn runs(pid: i32) -> bool {
    process::identify(pid).is_some()
}

fn wait_for_end_of(pid: i32) {
    wait_for("a process to end", || (!runs(pid)).then_some(()));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
