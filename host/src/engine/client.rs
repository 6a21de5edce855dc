//! A client of the host: asks for runs and listens to them over the socket of the state directory.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use crate::model::{RunId, RunRequest};

use super::{
    Refusal, Update,
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
    #[error("the host went away: {0}")]
    Broken(#[from] io::Error),
}

impl ClientError {
    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoAnswer(_) => {
                Some("if it hangs, stop it: runs under way go on without it, and are taken up again")
            }
            Self::Broken(_) => None,
        }
    }
}

/// A connection to the host.
pub struct Client {
    stream: UnixStream,
    state_dir: PathBuf,
}

impl Client {
    /// Connects to the host of a state directory.
    pub fn connect(state_dir: &Path) -> io::Result<Self> {
        let (path, _dir) = short_path(&socket_path(state_dir))?;
        Ok(Self { stream: UnixStream::connect(path)?, state_dir: state_dir.to_owned() })
    }

    /// Asks for a run and listens to it.
    pub fn request(self, request: RunRequest) -> Result<(RunId, mpsc::Receiver<Update>), Refusal> {
        self.ask(&Ask::Run(Box::new(request)))
    }

    /// Listens to a run.
    pub fn listen(self, run: RunId) -> Result<(RunId, mpsc::Receiver<Update>), Refusal> {
        self.ask(&Ask::Listen(run))
    }

    /// Asks for a run to be stopped.
    pub fn cancel(self, run: RunId, by: String) -> Result<(), Refusal> {
        self.ask(&Ask::Cancel { run, by }).map(drop)
    }

    /// How to cancel a run from another thread.
    pub fn canceller(&self) -> impl Fn(RunId, String) + Send + 'static {
        let state_dir = self.state_dir.clone();
        move |run, by| {
            if let Ok(client) = Self::connect(&state_dir) {
                let _ = client.cancel(run, by);
            }
        }
    }

    /// Sends, takes the answer, and hands on what follows; the end of that is the end of the connection.
    fn ask(mut self, ask: &Ask) -> Result<(RunId, mpsc::Receiver<Update>), Refusal> {
        let broken = |e: io::Error| Refusal::new(ClientError::Broken(e).to_string());
        let mut line = serde_json::to_vec(ask).map_err(|e| broken(e.into()))?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(broken)?;
        let mut lines = BufReader::new(self.stream).lines();
        let next = |lines: &mut io::Lines<BufReader<UnixStream>>| -> io::Result<Tell> {
            let line = lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            Ok(serde_json::from_str(&line)?)
        };
        let run = match next(&mut lines).map_err(broken)? {
            Tell::Accepted(run) => run,
            Tell::Refused(refusal) => return Err(refusal),
            Tell::Update(_) => return Err(Refusal::new("the host answers what nobody asked")),
        };
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
}
