//! A client of the host: asks for runs and listens to them over the socket of the state directory.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use jiff::Timestamp;

use crate::model::{Launch, RunId, RunRequest};

use super::{
    Refusal, Status, Update,
    host::{short_path, socket_path},
    protocol::{Ask, Tell},
};

/// Why the host cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Someone holds the lock, and nobody answers.
    #[error("another tidegate holds {}, and does not answer", .0.display())]
    NoAnswer(PathBuf),
    /// The connection broke.
    #[error("the host went away")]
    Broken(#[from] io::Error),
    /// It has answered, and will not.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl ClientError {
    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoAnswer(_) => {
                Some("if it hangs, stop it: runs under way go on without it, and are taken up again")
            }
            Self::Broken(_) => None,
            Self::Refused(refusal) => refusal.hint.as_deref(),
        }
    }
}

/// A connection to the host.
pub struct Client {
    stream: UnixStream,
    state_dir: PathBuf,
}

/// How long a host may take to answer: it does so at once, unless it hangs or its disk is full.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often whoever finds a host that is just going away tries again, and how long it waits in between.
pub(super) const TRIES: u32 = 20;
pub(super) const PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// Connects to the host of a state directory.
    pub fn connect(state_dir: &Path) -> io::Result<Self> {
        let (path, _dir) = short_path(&socket_path(state_dir))?;
        Ok(Self { stream: UnixStream::connect(path)?, state_dir: state_dir.to_owned() })
    }

    /// Asks for a run and listens to it.
    pub fn request(self, request: RunRequest) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
        self.follow(&Ask::Run(Box::new(request)))
    }

    /// Asks for a run, and does not wait for it.
    pub fn leave_request(self, request: RunRequest) -> Result<RunId, ClientError> {
        self.run(&Ask::Request(Box::new(request)))
    }

    /// Listens to a run.
    pub fn listen(self, run: RunId) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
        self.follow(&Ask::Listen(run))
    }

    /// Asks for what is left to do of a run; gives the run that does it.
    pub fn resume(self, run: RunId, launch: Launch) -> Result<RunId, ClientError> {
        self.run(&Ask::Resume { run, launch })
    }

    /// Asks for a run to be stopped.
    pub fn cancel(self, run: RunId, by: String) -> Result<(), ClientError> {
        self.run(&Ask::Cancel { run, by }).map(drop)
    }

    /// Pauses what starts a job by itself, or resumes it.
    pub fn pause(self, job: String, paused: bool, by: String) -> Result<(), ClientError> {
        match self.ask(&Ask::Pause { job, paused, by })?.0 {
            Tell::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Tells nothing of an alert until a time; none ends that.
    pub fn snooze(self, alert: String, until: Option<Timestamp>, by: String) -> Result<(), ClientError> {
        match self.ask(&Ask::Snooze { alert, until, by })?.0 {
            Tell::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Has the configuration read again; gives what changed.
    pub fn reload(self) -> Result<Vec<String>, ClientError> {
        match self.ask(&Ask::Reload)?.0 {
            Tell::Changed(changes) => Ok(changes),
            other => Err(unexpected(other)),
        }
    }

    /// How the host is.
    pub fn status(self) -> Result<Status, ClientError> {
        match self.ask(&Ask::Status)?.0 {
            Tell::Status(status) => Ok(*status),
            other => Err(unexpected(other)),
        }
    }

    /// Asks the host to leave, and what is under way to whoever comes next.
    pub fn hand_over(self) -> Result<(), ClientError> {
        match self.ask(&Ask::HandOver)?.0 {
            Tell::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// How to cancel a run from another thread.
    pub fn canceller(&self) -> impl Fn(RunId, String) + Send + 'static {
        let state_dir = self.state_dir.clone();
        move |run, by| {
            let state_dir = state_dir.clone();
            // While one host hands over to another, nobody is there for a moment.
            thread::spawn(move || {
                for _ in 0..TRIES {
                    let client = Self::connect(&state_dir).map_err(ClientError::from);
                    match client.and_then(|client| client.cancel(run, by.clone())) {
                        Err(ClientError::Broken(_)) => thread::sleep(PAUSE),
                        _ => break,
                    }
                }
            });
        }
    }

    fn run(self, ask: &Ask) -> Result<RunId, ClientError> {
        match self.ask(ask)?.0 {
            Tell::Accepted(run) => Ok(run),
            other => Err(unexpected(other)),
        }
    }

    /// Sends, takes the answer, and hands on what follows; the end of that is the end of the connection.
    fn follow(self, ask: &Ask) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
        let (answer, mut lines) = self.ask(ask)?;
        let Tell::Accepted(run) = answer else { return Err(unexpected(answer)) };
        let (updates, news) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(Tell::Update(update)) = next(&mut lines) {
                if updates.send(*update).is_err() {
                    break;
                }
            }
        });
        Ok((run, news))
    }

    fn ask(self, ask: &Ask) -> Result<(Tell, Lines), ClientError> {
        let Self { mut stream, state_dir } = self;
        let broken = |e: io::Error| match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::NoAnswer(state_dir.clone()),
            _ => ClientError::Broken(e),
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
        let mut line = serde_json::to_vec(ask).map_err(|e| broken(e.into()))?;
        line.push(b'\n');
        let listening = stream.try_clone().map_err(broken)?;
        stream.write_all(&line).map_err(broken)?;
        let mut lines = BufReader::new(stream).lines();
        let answer = next(&mut lines).map_err(broken)?;
        // What follows comes when it comes.
        listening.set_read_timeout(None).map_err(broken)?;
        Ok((answer, lines))
    }
}

type Lines = io::Lines<BufReader<UnixStream>>;

fn next(lines: &mut Lines) -> io::Result<Tell> {
    let line = lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
    Ok(serde_json::from_str(&line)?)
}

fn unexpected(tell: Tell) -> ClientError {
    ClientError::Refused(match tell {
        Tell::Refused(refusal) => refusal,
        _ => Refusal::new("the host answers what nobody asked; it may be of another version"),
    })
}
