//! The pumps: what dbt says goes from its two pipes into the log, whoever else may hold the pipes. They never decide when
//! it is over; the supervisor does, and finds here what it has to know for that.

use std::{
    io::{self, Read},
    process::{ChildStderr, ChildStdout},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    lines::{CHUNK, Lines, Piece},
    log::LogWriter,
    thread::waiting,
};

/// The most that can be in a pipe, as far as an ordinary user may make it grow.
const PIPE: usize = 1 << 20;

/// How long lines are gathered; nobody sees them sooner, since the host looks less often than that.
const PAUSE: Duration = Duration::from_millis(15);

/// Two threads that wait for dbt's pipes.
pub(super) struct Pumps {
    shared: Arc<Shared>,
    hurry: Arc<AtomicBool>,
    stdout: mpsc::Sender<ChildStdout>,
    stderr: mpsc::Sender<ChildStderr>,
}

struct Shared {
    inside: Mutex<Inside>,
    /// How many pumps are keeping something at this moment, and not waiting for more.
    keeping: AtomicU32,
    /// Only what is in the pipes already is still dbt's.
    rest_only: AtomicBool,
}

struct Inside {
    /// Taken away when it is over: whatever comes later is nobody's.
    log: Option<LogWriter>,
    lines: [Lines; 2],
}

impl Pumps {
    /// Starts the threads. `closed` is called when a pipe has come to its end.
    pub(super) fn new(log: LogWriter, closed: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        let lines = || Lines::new(log.longest_line(), log.scrubber().longest());
        let hurry = log.hurry();
        let inside = Mutex::new(Inside { lines: [lines(), lines()], log: Some(log) });
        let shared =
            Arc::new(Shared { inside, keeping: AtomicU32::new(0), rest_only: AtomicBool::new(false) });
        let (out, err, out_closed) = (Arc::clone(&shared), Arc::clone(&shared), closed.clone());
        Ok(Self {
            shared,
            hurry,
            stdout: waiting("stdout", move |pipe| {
                out.pump(pipe, 0);
                out_closed();
            })?,
            stderr: waiting("stderr", move |pipe| {
                err.pump(pipe, 1);
                closed();
            })?,
        })
    }

    /// Hands over the pipes; says how many there are.
    pub(super) fn start(&self, stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> u32 {
        let stdout = stdout.is_some_and(|pipe| self.stdout.send(pipe).is_ok());
        let stderr = stderr.is_some_and(|pipe| self.stderr.send(pipe).is_ok());
        u32::from(stdout) + u32::from(stderr)
    }

    /// Whether something is being kept at this moment: then a pipe is open because of us, not because of a process.
    pub(super) fn are_keeping(&self) -> bool {
        self.shared.keeping.load(Ordering::Relaxed) > 0
    }

    /// The log waits for a full disk no longer: someone waits for dbt's end.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// dbt is gone: only what it can have left in its pipes is still taken.
    pub(super) fn take_the_rest(&self) {
        self.shared.rest_only.store(true, Ordering::Relaxed);
    }

    /// The end: lines that were begun are lines too, and nothing is taken any more.
    pub(super) fn finish(self) -> Option<LogWriter> {
        let mut inside = self.shared.inside();
        inside.finish(0);
        inside.finish(1);
        inside.log.take()
    }
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pump(&self, mut pipe: impl Read, which: usize) {
        let mut chunk = vec![0; CHUNK];
        let mut rest = PIPE;
        loop {
            let n = match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if self.rest_only.load(Ordering::Relaxed) {
                // Whoever writes that much after dbt's end is not dbt.
                let Some(left) = rest.checked_sub(n) else { break };
                rest = left;
            }
            self.keeping.fetch_add(1, Ordering::Relaxed);
            let wanted = self.inside().push(which, &chunk[..n]);
            self.keeping.fetch_sub(1, Ordering::Relaxed);
            if !wanted {
                return;
            }
            if n < CHUNK / 4 {
                // dbt flushes every line: what comes a moment later is taken together.
                thread::sleep(PAUSE);
            }
        }
        self.keeping.fetch_add(1, Ordering::Relaxed);
        self.inside().finish(which);
        self.keeping.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inside {
    fn push(&mut self, which: usize, fresh: &[u8]) -> bool {
        let Some(log) = &mut self.log else { return false };
        self.lines[which].push(fresh, |piece| keep(log, piece));
        true
    }

    fn finish(&mut self, which: usize) {
        if let Some(log) = &mut self.log {
            self.lines[which].finish(|piece| keep(log, piece));
        }
    }
}

fn keep(log: &mut LogWriter, piece: Piece<'_>) {
    match piece {
        Piece::Lines(lines) => log.append(lines),
        Piece::Beginning(line) => log.append_beginning(line),
    }
}
