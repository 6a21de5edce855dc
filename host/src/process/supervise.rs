//! The attempt process: `tidegate attempt FOLDER`. It owns one dbt from start to end and needs no host meanwhile. Whatever
//! goes wrong, it leaves a record of how dbt ended, or its last words; it never leaves dbt behind.

use std::{
    env, fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus as ProcessExit, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{close, setsid},
};
use signal_hook::iterator::Signals;

use super::{
    AttemptFolder, AttemptSpec, Ladder, Processes,
    descriptors::lower_descriptors,
    identity::{Group, identify, identify_child},
    ladder::Climb,
    log::{LogWriter, compress},
    orphans::MARK,
    pump::Pumps,
    scrub::Scrubber,
    thread::waiting,
};
use crate::{crash, model::ExitStatus};

/// How often what dbt has left behind is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How long what is in the pipes may take into the log when everyone who could write to them is dead or a stranger.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Message {
    Signal,
    PipeClosed,
    Exited(io::Result<ProcessExit>),
}

/// Runs the dbt that the folder asks for, to its end; nothing where that was withdrawn. Where so many `descriptors` are named, neither
/// has more files open. The error is for the folder's `attempt.err`.
pub fn supervise(folder: PathBuf, descriptors: Option<u64>) -> io::Result<()> {
    // It may be more than a host has that could not raise it: that is no reason to do nothing.
    let _ = descriptors.map(lower_descriptors);
    // A session of its own: no terminal's Ctrl-C or hang-up, and no host's end, is dbt's.
    let _ = setsid();
    // What dbt leaves behind becomes this process's child, and is reaped here: init may be slow, or not there at all.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
    close_inherited();
    let folder = AttemptFolder(folder);
    let spec = match folder.spec() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        spec => spec?,
    };
    // What cannot be held is still found by its pid.
    let _held = folder.hold();
    let reserved = folder.reserve_exit()?;
    let (exit, log) = match Attempt::prepare(&folder, &spec) {
        Ok(Some(attempt)) => attempt.run(&folder, &spec),
        Ok(None) => return Ok(()),
        Err(e) => (ExitStatus::not_started(format!("dbt could not be started: {e}"), Timestamp::now()), None),
    };
    // The exit record says that the log is complete: it comes after it. A disk that is full keeps neither away.
    if let Some(Err(e)) = log.as_ref().map(LogWriter::sync) {
        eprintln!("the log could not be made durable: {e}");
    }
    drop(log);
    crash::point("attempt.before-exit");
    folder.write_exit(reserved, &exit)?;
    crash::point("attempt.after-exit");
    tidy(&folder, &spec)
}

/// Makes what is kept small. The host has its answer by now; nothing waits for this.
fn tidy(folder: &AttemptFolder, spec: &AttemptSpec) -> io::Result<()> {
    folder.forget_notes();
    for file in &spec.discard {
        let _ = fs::remove_file(folder.target().join(file));
    }
    let artifacts = spec.compress.iter().map(|file| folder.target().join(file)).filter(|file| file.is_file());
    // What cannot be compressed stays as it is, and keeps nothing else from being.
    artifacts
        .chain([folder.log()])
        .filter(|file| file.exists())
        .map(|file| compress(&file))
        .fold(Ok(()), Result::and)
}

/// All that is needed to look after dbt. It is there before dbt is: nothing that can fail comes later.
struct Attempt {
    messages: mpsc::Receiver<Message>,
    pumps: Pumps,
    waiter: mpsc::Sender<Child>,
    processes: Processes,
}

impl Attempt {
    /// None where nobody wants it any more.
    fn prepare(folder: &AttemptFolder, spec: &AttemptSpec) -> io::Result<Option<Self>> {
        let (sender, messages) = mpsc::channel();
        listen_for_signals(sender.clone())?;
        let secrets = spec.secrets.iter().filter_map(|name| env::var(name).ok());
        let log = LogWriter::create(folder, Scrubber::new(secrets), spec.caps)?;
        let closing = sender.clone();
        let pumps = Pumps::new(log, move || _ = closing.send(Message::PipeClosed))?;
        let waiter = waiting("waiter", move |mut child: Child| {
            let _ = sender.send(Message::Exited(child.wait()));
        })?;
        let processes = Processes { attempt: identify(own_pid()?), dbt: None };
        crash::point("attempt.before-processes");
        folder.write_processes(&processes)?;
        crash::point("attempt.before-dbt");
        // Whoever withdraws it looks for the record of this process afterwards: one of the two sees the other.
        Ok(folder.is_wanted().then_some(Self { messages, pumps, waiter, processes }))
    }

    fn run(mut self, folder: &AttemptFolder, spec: &AttemptSpec) -> (ExitStatus, Option<LogWriter>) {
        let mut child = match start(folder, spec) {
            Ok(child) => child,
            Err(e) => {
                return (
                    ExitStatus::not_started(why_not_started(spec, &e), Timestamp::now()),
                    self.pumps.finish(),
                );
            }
        };
        let pid = child.id().cast_signed();
        let open_pipes = self.pumps.start(child.stdout.take(), child.stderr.take());
        // It is not reaped before this: it has an identity even if it has ended.
        self.processes.dbt = identify_child(pid);
        let _ = self.waiter.send(child);
        crash::point("attempt.after-dbt");
        if let Err(e) = folder.write_processes(&self.processes) {
            // dbt goes on: a host that finds this process gone knows dbt by its session.
            eprintln!("dbt's process could not be written down: {e}");
        }
        crash::point("attempt.while-dbt");
        let watch = Watch {
            group: Group::new(pid),
            climb: Climb::new(spec.ladder),
            open_pipes,
            messages: &self.messages,
            pumps: &self.pumps,
            folder,
        };
        let mut exit = watch.see_through(spec);
        let log = self.pumps.finish();
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) {
            let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
            exit.cpu_seconds = seconds(usage.user_time()) + seconds(usage.system_time());
            let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
            exit.peak_memory = u64::try_from(usage.max_rss()).unwrap_or_default() * unit;
        }
        if let Some(log) = &log {
            exit.lost_lines = log.lost();
            for file in log.scrubber().scrub_files(&folder.target()) {
                eprintln!("{}: could not be searched for secrets", file.display());
            }
        }
        (exit, log)
    }
}

fn start(folder: &AttemptFolder, spec: &AttemptSpec) -> io::Result<Child> {
    Command::new(&spec.program)
        .args(&spec.args)
        .current_dir(&spec.cwd)
        .env(MARK, &folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// The system says only "not found", whatever it did not find.
fn why_not_started(spec: &AttemptSpec, e: &io::Error) -> String {
    if !spec.cwd.is_dir() {
        return format!(
            "dbt could not be started: its working directory {} is not there",
            spec.cwd.display()
        );
    }
    format!("dbt could not be started: {}: {e}", spec.program.display())
}

/// dbt while it runs.
struct Watch<'a> {
    group: Group,
    climb: Climb,
    open_pipes: u32,
    messages: &'a mpsc::Receiver<Message>,
    pumps: &'a Pumps,
    folder: &'a AttemptFolder,
}

impl Watch<'_> {
    /// Sees dbt through: stops it when asked to, and ends what it leaves behind.
    fn see_through(mut self, spec: &AttemptSpec) -> ExitStatus {
        let status = loop {
            // Whoever asks to stop it and the ladder's own times decide; there is no other bound.
            let message = match self.climb.due() {
                Some(due) => self.messages.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => self.messages.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Exited(status)) => break status.ok(),
                Ok(Message::PipeClosed) => self.open_pipes -= 1,
                Ok(Message::Signal) | Err(mpsc::RecvTimeoutError::Timeout) => self.climb_on(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            }
        };
        let at = Timestamp::now();
        // A full disk may hold up each pipe; more than that nothing here takes long.
        let patience = Duration::from_millis(spec.caps.patience_ms) * 3;
        let leaked = !self.leaves_nothing(spec.ladder, patience);
        if leaked {
            self.group.signal(Signal::SIGKILL);
            // A process that has left the group may hold the pipe for ever; what it says is not dbt's.
            self.pumps.take_the_rest();
            self.wait(Instant::now() + LAST_WORDS, patience);
        }
        ExitStatus {
            code: status.and_then(|s| s.code()),
            signal: status.and_then(|s| s.signal()),
            cancelled: self.climb.has_begun(),
            leaked,
            ..ExitStatus::at(at)
        }
    }

    fn climb_on(&mut self) {
        if !self.climb.has_begun() {
            self.folder.note_asked();
        }
        let signal = self.climb.push(Instant::now());
        if signal != Signal::SIGINT {
            self.pumps.hurry();
        }
        self.group.signal(signal);
    }

    /// dbt has ended. Whether its pipes and its process group end by themselves.
    fn leaves_nothing(&mut self, ladder: Ladder, patience: Duration) -> bool {
        // dbt may have been a script that died at the first signal, while the dbt that it ran is cancelling its queries:
        // the ladder holds for the whole group.
        while self.climb.has_begun() && self.group.exists() {
            let Some(due) = self.climb.due() else { break };
            if self.wait(due.min(Instant::now() + TICK), Duration::ZERO) || Instant::now() >= due {
                self.climb_on();
            }
        }
        let until = Instant::now() + Duration::from_millis(ladder.leave_ms);
        if self.wait(until, patience) && !self.group.exists() {
            // Then it was only the log that took its time.
            self.wait(Instant::now() + LAST_WORDS, patience);
        }
        self.open_pipes == 0 && !self.group.exists()
    }

    /// Waits for the pipes and the group to end; says whether someone has asked to hurry. Time in which the log holds up
    /// a pipe does not count, up to `patience`.
    fn wait(&mut self, mut until: Instant, patience: Duration) -> bool {
        let latest = until + patience;
        let mut now = Instant::now();
        reap();
        while (self.open_pipes > 0 || self.group.exists()) && now < until {
            match self.messages.recv_timeout(TICK) {
                Ok(Message::PipeClosed) => self.open_pipes -= 1,
                Ok(Message::Signal) => {
                    self.pumps.hurry();
                    return true;
                }
                Ok(Message::Exited(_)) | Err(_) => {}
            }
            reap();
            let passed = now.elapsed();
            now += passed;
            if self.pumps.are_keeping() {
                until = (until + passed).min(latest);
            }
        }
        false
    }
}

/// Reaps what dbt has left behind and has ended. Only for when dbt itself has been waited for.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG))
        && status != WaitStatus::StillAlive
    {}
}

/// Closes what whoever started the host has left open: this process outlives it, and would hold a lock or a pipe of a
/// stranger. Nothing of this process's own is open yet.
fn close_inherited() {
    let open: Vec<i32> = fs::read_dir("/dev/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // One of them was the listing itself, and is closed already.
    open.into_iter().filter(|fd| *fd > 2).for_each(|fd| _ = close(fd));
}

fn listen_for_signals(sender: mpsc::Sender<Message>) -> io::Result<()> {
    let asking = [Signal::SIGINT as i32, Signal::SIGTERM as i32];
    // A hang-up and a quit are the terminal's business, and this process has none; a file that may not grow is a full disk. What
    // is listened to is not passed on to dbt as ignored, as a shell's background passes on a quit.
    let ignored = [Signal::SIGHUP as i32, Signal::SIGQUIT as i32, Signal::SIGXFSZ as i32];
    let mut signals = Signals::new(asking.into_iter().chain(ignored))?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if asking.contains(&signal) && sender.send(Message::Signal).is_err() {
                break;
            }
        }
    })?;
    // Whoever started this process may have blocked what it could not hear yet. And dbt inherits what this thread blocks.
    Ok(SigSet::empty().thread_set_mask()?)
}

fn own_pid() -> io::Result<i32> {
    i32::try_from(std::process::id()).map_err(io::Error::other)
}
