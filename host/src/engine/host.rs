//! The host: whoever holds the lock of the state directory. It runs the dispatcher, and has the socket at which its API answers.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    model::{By, RunId},
    plugins::{Catalogue, SandboxError},
    process,
    store::{FILE_NAME, Store, StoreError},
};

use super::{
    Client, ClientError, Configuration, Dispatcher, Ending, Front, Mail, Message, Shelf,
    client::{PAUSE, TRIES},
    front::Known,
    plugins,
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
    /// This machine cannot run plugins.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
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
            Self::Sandbox(_) => None,
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

/// What a host is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To do what is asked of it, and to end then: nothing starts by itself.
    Errand,
    /// To change what is on record, and to leave: what waits goes on waiting.
    Chore,
    /// To stay, and to start what is to start by itself.
    Service,
}

/// The host.
pub struct Host {
    mail: Mail,
    dispatcher: Option<JoinHandle<Result<(), StoreError>>>,
    front: Front,
    pulse: Arc<AtomicU64>,
    socket: Option<UnixListener>,
    _looks: plugins::Looks,
    /// Held for as long as this is the host.
    _lock: File,
}

/// How long a host that is asked to hand over may take to leave.
const HAND_OVER: Duration = Duration::from_secs(60);

/// Becomes the host of a state directory, or the client of the one that is.
pub fn join(config: Arc<Config>, role: Role) -> Result<Handle, HostError> {
    // A host that is just ending holds the lock and answers no more: whoever comes then tries again.
    for _ in 0..TRIES {
        if let Some(lock) = lock(&config.state_dir)? {
            return Host::start(config, role, lock).map(Handle::Host);
        }
        if let Ok(client) = Client::connect(&config.state_dir) {
            return Ok(Handle::Client(client));
        }
        thread::sleep(PAUSE);
    }
    Err(ClientError::NoAnswer(config.state_dir.clone()).into())
}

/// Becomes the host of a state directory. Another one that is it is asked to hand over, and leaves what is under way.
pub fn serve(config: Arc<Config>) -> Result<Host, HostError> {
    let begun = Instant::now();
    let mut asked = None::<Instant>;
    while begun.elapsed() < HAND_OVER {
        if let Some(lock) = lock(&config.state_dir)? {
            return Host::start(config, Role::Service, lock);
        }
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1))
            && let Ok(client) = Client::connect(&config.state_dir)
        {
            if asked.is_none() {
                greet(&config);
            }
            if let Err(e) = client.hand_over() {
                tracing::debug!("{e}");
            }
            asked = Some(Instant::now());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(ClientError::NoAnswer(config.state_dir.clone()).into())
}

/// Says whose place is taken. A host by another file has other jobs: nothing starts those any more.
fn greet(config: &Config) {
    let status = Client::connect(&config.state_dir).ok().and_then(|client| client.status().ok());
    let Some(status) = status else {
        tracing::info!("asking the host that is there to hand over");
        return;
    };
    tracing::info!(pid = status.pid, version = status.version, "asking the host that is there to hand over");
    if status.automatic && status.config_file != config.file {
        tracing::warn!(
            config = status.config_file.display().to_string(),
            "that host serves another configuration in this state directory: nothing starts the jobs of that one any more"
        );
    }
}

/// The lock of a state directory; none where another process holds it.
fn lock(state_dir: &Path) -> Result<Option<File>, HostError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| HostError::StateDir { path, source }
    };
    process::make_state_dir(state_dir).map_err(io(state_dir))?;
    let path = state_dir.join("host.lock");
    let lock = File::create(&path).map_err(io(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(io(&path)(e)),
    }
}

impl Host {
    fn start(config: Arc<Config>, role: Role, lock: File) -> Result<Self, HostError> {
        let state_dir = config.state_dir.clone();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| HostError::StateDir { path, source }
        };
        let catalogue = Catalogue::open(&state_dir, &config.plugins_dir)?;
        // The standard output of an errand is for what was asked for.
        let world =
            RealWorld::new(&config, catalogue.clone(), role != Role::Service).map_err(io(&state_dir))?;
        let store = Store::open(&state_dir.join(FILE_NAME))?;
        let (mail, messages) = mpsc::channel();
        let automatic = role == Role::Service;
        let mut dispatcher =
            Dispatcher::new(store, Box::new(world), mail.clone(), Arc::clone(&config), automatic);
        // Who asks before the host is ready waits for it, and does not take it for dead.
        let configuration = Arc::new(Configuration::new(config, mail.clone(), catalogue.clone()));
        let socket = listen(&state_dir).map_err(io(&socket_path(&state_dir)))?;
        let front = Front {
            mail: mail.clone(),
            configuration,
            catalogue: catalogue.clone(),
            shelf: Shelf::default(),
            news: dispatcher.news(),
            state_dir: state_dir.clone(),
            pulse: dispatcher.pulse(),
            listening: Arc::default(),
            known: Arc::new(Known::new(dispatcher.stalled())),
        };
        // Before anything is taken up: what an earlier host has raised for a notifier of the folder would find no alert, and be
        // given up. What happens during a chore is raised too, if sent by another host.
        let _looks =
            plugins::look_after(catalogue.clone(), mail.clone(), automatic).map_err(io(&state_dir))?;
        if role == Role::Chore {
            dispatcher.hold_back();
            dispatcher.tell_nobody();
        }
        dispatcher.recover()?;
        let pulse = dispatcher.pulse();
        let dispatcher = thread::Builder::new()
            .name("dispatcher".to_owned())
            .spawn(move || dispatcher.work(&messages))
            .map_err(io(&state_dir))?;
        let (dispatcher, socket) = (Some(dispatcher), Some(socket));
        Ok(Self { mail, dispatcher, front, pulse, socket, _looks, _lock: lock })
    }

    /// What it does for whoever asks.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// The socket of the state directory, for whoever answers there; none where it was taken before. Who asks waits meanwhile.
    pub fn take_socket(&mut self) -> Option<UnixListener> {
        self.socket.take()
    }

    /// How to cancel a run from another thread.
    pub fn canceller(&self) -> impl Fn(RunId, String) + Send + 'static {
        let mail = self.mail.clone();
        move |run, by| {
            let _ = mail.send(Message::Cancel { run, by: By::new(by, "cli"), answer: None });
        }
    }

    /// Says how the host's projects are, as far as someone has looked.
    pub fn mail(&self) -> Mail {
        self.mail.clone()
    }

    /// Counts on for as long as the dispatcher works.
    pub fn pulse(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.pulse)
    }

    /// Ends the host.
    pub fn end(&self, ending: Ending) {
        let _ = self.mail.send(Message::End(ending));
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.dispatcher.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end. It stays the host until it is dropped.
    pub fn finish(&mut self) -> Result<(), StoreError> {
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
    let socket = UnixListener::bind(&short)?;
    // Whatever the umask says. Until then the folder keeps others out, and whoever answers looks who it is.
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_open_the_socket_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than the path of a socket may be.
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        for state_dir in [dir.path(), &deep] {
            let _socket = listen(state_dir).unwrap();
            let mode = fs::metadata(socket_path(state_dir)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
