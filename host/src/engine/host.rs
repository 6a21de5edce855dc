//! The host: whoever holds the lock of the state directory. It runs the dispatcher and serves the socket.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use crate::{
    model::{RunId, RunRequest},
    store::{FILE_NAME, Retention, Store, StoreError},
};

use super::{
    Client, ClientError, Dispatcher, Mail, Message, Refusal, Update,
    protocol::{Ask, Tell},
    real::RealWorld,
};

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The state directory cannot be used.
    #[error("{}: {source}", path.display())]
    StateDir {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host that runs cannot be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl HostError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StateDir { .. } => {
                Some("set `state_dir` (or TIDEGATE_STATE_DIR) to a folder that you can write to".to_owned())
            }
            Self::Store(e) => e.hint(),
            Self::Client(e) => e.hint().map(str::to_owned),
        }
    }
}

/// Whoever takes requests: this process, or the host that runs already.
pub enum Handle {
    /// This process is the host.
    Host(Host),
    /// Another one is.
    Client(Client),
}

/// The host.
pub struct Host {
    mail: Mail,
    dispatcher: Option<JoinHandle<Result<(), StoreError>>>,
    /// Held for as long as this is the host.
    _lock: File,
}

/// Becomes the host of a state directory, or the client of the one that is.
pub fn join(state_dir: &Path, retention: Retention) -> Result<Handle, HostError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| HostError::StateDir { path, source }
    };
    create_private(state_dir).map_err(io(state_dir))?;
    // A host that is just ending holds the lock and answers no more: whoever comes then tries again.
    for _ in 0..20 {
        let path = state_dir.join("host.lock");
        let lock = File::create(&path).map_err(io(&path))?;
        match lock.try_lock() {
            Ok(()) => return Host::start(state_dir, retention, lock).map(Handle::Host),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(e)) => return Err(io(&path)(e)),
        }
        if let Ok(client) = Client::connect(state_dir) {
            return Ok(Handle::Client(client));
        }
        thread::sleep(std::time::Duration::from_millis(250));
    }
    Err(ClientError::NoAnswer(state_dir.to_owned()).into())
}

fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // What is kept here is nobody else's business, version control's included.
    let ignore = dir.join(".gitignore");
    if ignore.exists() { Ok(()) } else { fs::write(ignore, "*\n") }
}

impl Host {
    fn start(state_dir: &Path, retention: Retention, lock: File) -> Result<Self, HostError> {
        let world = RealWorld::new(state_dir.to_owned())
            .map_err(|source| HostError::StateDir { path: state_dir.to_owned(), source })?;
        let store = Store::open(&state_dir.join(FILE_NAME))?;
        let (mail, messages) = mpsc::channel();
        let mut dispatcher = Dispatcher::new(store, Box::new(world), mail.clone(), retention);
        dispatcher.recover()?;
        let listener = listen(state_dir)
            .map_err(|source| HostError::StateDir { path: socket_path(state_dir), source })?;
        let to_dispatcher = mail.clone();
        thread::spawn(move || serve(&listener, &to_dispatcher));
        let dispatcher = thread::Builder::new()
            .name("dispatcher".to_owned())
            .spawn(move || dispatcher.work(&messages))
            .map_err(|source| HostError::StateDir { path: state_dir.to_owned(), source })?;
        Ok(Self { mail, dispatcher: Some(dispatcher), _lock: lock })
    }

    /// Asks for a run.
    pub fn request(&self, request: RunRequest) -> Result<RunId, Refusal> {
        let (answer, answers) = mpsc::channel();
        let gone = || Refusal::new("the host has stopped");
        self.mail.send(Message::Request { request: Box::new(request), answer }).map_err(|_| gone())?;
        answers.recv().map_err(|_| gone())?
    }

    /// Listens to a run.
    pub fn listen(&self, run: RunId) -> mpsc::Receiver<Update> {
        let (updates, receiver) = mpsc::channel();
        let _ = self.mail.send(Message::Listen { run, updates });
        receiver
    }

    /// How to cancel a run from another thread.
    pub fn canceller(&self) -> impl Fn(RunId, String) + Send + 'static {
        let mail = self.mail.clone();
        move |run, by| {
            let _ = mail.send(Message::Cancel { run, by });
        }
    }

    /// Ends the host as soon as no run is left that anyone has asked for.
    pub fn stop(&self) {
        let _ = self.mail.send(Message::Stop);
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.dispatcher.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Result<(), StoreError> {
        match self.dispatcher.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Ok(()),
        }
    }
}

/// The socket of a state directory. Its path may be longer than a socket's may: it is reached through a short one.
pub(super) fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("host.sock")
}

/// A path to the socket that is short enough, and what keeps it valid.
pub(super) fn short_path(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    use std::os::fd::AsRawFd;
    if path.as_os_str().len() < 100 {
        return Ok((path.to_owned(), None));
    }
    let dir = File::open(path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default();
    Ok((Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name), Some(dir)))
}

fn listen(state_dir: &Path) -> io::Result<UnixListener> {
    let path = socket_path(state_dir);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let (short, _dir) = short_path(&path)?;
    UnixListener::bind(short)
}

fn serve(listener: &UnixListener, mail: &Mail) {
    for stream in listener.incoming().flatten() {
        let mail = mail.clone();
        // A client that says nonsense or leaves is its own loss.
        thread::spawn(move || drop(answer(&stream, &mail)));
    }
}

fn answer(stream: &UnixStream, mail: &Mail) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut tell = |tell: &Tell| -> io::Result<()> {
        let mut line = serde_json::to_vec(tell)?;
        line.push(b'\n');
        out.write_all(&line)
    };
    for line in BufReader::new(stream).lines() {
        let ask = match serde_json::from_str::<Ask>(&line?) {
            Ok(ask) => ask,
            Err(e) => {
                let message =
                    format!("the host does not understand its client, which may be of another version: {e}");
                return tell(&Tell::Refused(Refusal::new(message)));
            }
        };
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let run = match ask {
            Ask::Cancel { run, by } => {
                mail.send(Message::Cancel { run, by }).map_err(gone)?;
                tell(&Tell::Accepted(run))?;
                continue;
            }
            Ask::Listen(run) => run,
            Ask::Run(request) => {
                let (answer, answers) = mpsc::channel();
                mail.send(Message::Request { request, answer }).map_err(gone)?;
                match answers.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))? {
                    Ok(run) => run,
                    Err(refusal) => {
                        tell(&Tell::Refused(refusal))?;
                        continue;
                    }
                }
            }
        };
        tell(&Tell::Accepted(run))?;
        let (updates, news) = mpsc::channel();
        mail.send(Message::Listen { run, updates }).map_err(gone)?;
        for update in news {
            tell(&Tell::Update(Box::new(update)))?;
        }
    }
    Ok(())
}
