//! The folder in which it all happens: projects, configuration, state directory, ledger. And how processes are started
//! and killed in it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Instant, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tidegate::{
    crash,
    process::is_alive,
    store::{FILE_NAME, Reader},
};

use crate::{AGES, load::Request, projects};

/// A `tidegate` that was started here.
pub struct Tidegate {
    pub child: Child,
    /// Where it writes what it says: standard error; beside it is standard output.
    pub errors: PathBuf,
    pub what: What,
    /// It was started to be the host.
    pub is_keeper: bool,
    /// It was killed from here.
    pub is_ours: bool,
    /// The attempt processes that it starts, once it is the host, are to end at a crash point.
    pub lets_attempts_crash: bool,
}

/// What it was asked to do.
pub enum What {
    /// To be the host until it is stopped.
    Serve,
    /// To run what is asked for once.
    Run(Request),
    /// To cancel a run.
    Cancel(u64),
}

/// What a `serve` does to what is under way when it is stopped.
pub const ON_STOP: [&str; 3] = ["hand-over", "drain", "interrupt"];

impl Tidegate {
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn serves(&self) -> bool {
        matches!(self.what, What::Serve)
    }

    /// Whether it holds the lock of the state directory.
    pub fn is_host(&self, state_dir: &Path) -> bool {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        let lock = state_dir.join("host.lock");
        fs::read_dir(proc.join("fd")).into_iter().flatten().flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|file| file == lock)
                && fs::read_to_string(proc.join("fdinfo").join(fd.file_name()))
                    .is_ok_and(|info| info.contains("lock:"))
        })
    }

    pub fn kill(&mut self) {
        self.is_ours |= !self.is_gone();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        if !self.is_gone() {
            let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        }
    }

    /// What it has said, and what it has printed.
    pub fn said(&self) -> (String, String) {
        let read = |file: &Path| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        (read(&self.errors), read(&self.errors.with_extension("out")))
    }

    /// When it said something last.
    pub fn said_at(&self) -> SystemTime {
        self.errors.metadata().unwrap().modified().unwrap()
    }

    /// Whether it came by the crash point that it was to look for.
    pub fn has_crashed(&mut self) -> bool {
        !self.is_ours && self.child.try_wait().unwrap().is_some_and(|status| status.signal() == Some(9))
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap()?.code()
    }
}

pub struct House {
    pub dir: PathBuf,
    started: u64,
}

impl House {
    pub fn new(seed: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("tidegate-crash-loop-").tempdir().unwrap().keep();
        let house = Self { dir: dir.canonicalize().unwrap(), started: 0 };
        for folder in ["ledger/lines", "out", "home"] {
            fs::create_dir_all(house.dir.join(folder)).unwrap();
        }
        let script = house.dir.join("dbt.py");
        fs::write(&script, include_str!("dbt.py")).unwrap();
        // A SIGINT that comes before Python can listen is not heard.
        let wrapper = format!("#!/bin/sh\ntrap '' INT\nexec python3 -I -S '{}' \"$@\"\n", script.display());
        fs::write(house.dir.join("dbt"), wrapper).unwrap();
        fs::set_permissions(house.dir.join("dbt"), fs::Permissions::from_mode(0o755)).unwrap();
        projects::write(&house.dir, seed);
        house
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.join(".tidegate")
    }

    /// Begins with a database that another one has left.
    pub fn inherit(&self, database: &Path) {
        fs::create_dir_all(self.state_dir()).unwrap();
        fs::copy(database, self.state_dir().join(FILE_NAME)).unwrap();
    }

    pub fn reader(&self) -> Option<Reader> {
        Reader::open(&self.state_dir()).ok()
    }

    /// Lets a file arrive, whole from its first moment.
    pub fn drop_file(&self, project: &str, number: u64) {
        let file = self.dir.join(projects::arrival(project, number));
        let part = file.with_extension("part");
        fs::write(&part, project).unwrap();
        fs::rename(part, file).unwrap();
    }

    /// Starts a host that stays. One that is there is asked to hand over.
    pub fn start_serve(&mut self, on_stop: &str, crash_at: Option<&str>) -> Tidegate {
        let words = ["serve", "--listen", "127.0.0.1:0", "--on-stop", on_stop, "--log-format", "json"]
            .map(str::to_owned);
        Tidegate { is_keeper: true, ..self.start(&words, What::Serve, crash_at) }
    }

    /// Starts what is to be the host for as long as there are runs.
    pub fn start_errand(&mut self, request: Request, crash_at: Option<&str>) -> Tidegate {
        Tidegate { is_keeper: true, ..self.start_client(request, false, crash_at) }
    }

    /// Asks for a run, and follows it unless it is `left` to the host. Who is to follow and finds no host becomes one.
    pub fn start_client(&mut self, request: Request, left: bool, crash_at: Option<&str>) -> Tidegate {
        let mut words = request.words();
        if left && request.job.is_some() {
            words.push("--detach".to_owned());
        }
        self.start(&words, What::Run(request), crash_at)
    }

    pub fn cancel(&mut self, run: u64) -> Tidegate {
        self.start(&["runs", "cancel", &run.to_string()].map(str::to_owned), What::Cancel(run), None)
    }

    fn start(&mut self, args: &[String], what: What, crash_at: Option<&str>) -> Tidegate {
        self.started += 1;
        let errors = self.dir.join("out").join(format!("{}.err", self.started));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.join("home"))
            .env("TIDEGATE_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(fs::File::create(errors.with_extension("out")).unwrap())
            .stderr(fs::File::create(&errors).unwrap());
        let lets_attempts_crash = crash_at.is_some_and(|point| point.starts_with("attempt."));
        if let Some(point) = crash_at {
            command.env(crash::VARIABLE, point);
        }
        Tidegate {
            child: command.spawn().unwrap(),
            errors,
            what,
            is_keeper: false,
            is_ours: false,
            lets_attempts_crash,
        }
    }

    /// Waits until a host answers; false where whoever was to be one is gone.
    pub fn wait_for_host(&self, all: &mut [Tidegate]) -> bool {
        let begun = Instant::now();
        loop {
            let state_dir = self.state_dir();
            let is_hosted = all.iter_mut().any(|t| !t.is_gone() && t.is_host(&state_dir));
            if is_hosted && UnixStream::connect(state_dir.join("host.sock")).is_ok() {
                return true;
            }
            if all.iter_mut().filter(|t| t.is_keeper).all(Tidegate::is_gone) {
                return false;
            }
            assert!(begun.elapsed() < AGES, "no host comes");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    pub fn remove(&self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// Kills a process, if it is still that one.
pub fn kill_process(identity: &tidegate::model::AttemptIdentity) {
    if is_alive(identity) {
        let _ = kill(Pid::from_raw(identity.pid), Signal::SIGKILL);
    }
}
