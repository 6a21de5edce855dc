//! Word to a service manager: systemd's protocol of datagrams to the socket that `NOTIFY_SOCKET` names.
//!
//! Without that variable all of this does nothing. The usual crate for it does not reach abstract sockets and reads the
//! address from the environment only, which a test cannot set safely; the protocol is a few lines.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

/// How long a service manager that does not read may hold up the host.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the service manager how the host is, where there is one.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Option<Arc<Line>>);

/// The way to the service manager.
#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// The service manager that started this process. An address that cannot be used is logged, and nobody is told
    /// anything.
    pub fn from_environment() -> Self {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        Self::to(&address).unwrap_or_else(|error| {
            tracing::warn!(
                address = %address.to_string_lossy(),
                %error,
                "the service manager cannot be told anything: NOTIFY_SOCKET cannot be used"
            );
            Self::default()
        })
    }

    /// The service manager that listens at an address: an absolute path, or `@` and an abstract name.
    ///
    /// # Errors
    ///
    /// Where the address is neither, or there is no socket to be had.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = socket_address(address)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Some(Arc::new(Line { socket, address }))))
    }

    /// Whether there is anyone to tell.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// The host works: it fires, takes requests, and has taken up what went on before it.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\n{}", status_line(status)));
    }

    /// What the host does, in a few words, for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.say(&status_line(status));
    }

    /// The host reads its configuration again, until what is returned is dropped.
    pub fn reloading(&self) -> Reloading<'_> {
        // The manager tells this reload from one that it asks for later by the time, which has to be its own clock's.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
        Reloading(self)
    }

    /// The host is about to end.
    pub fn stopping(&self, status: &str) {
        self.say(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// Starting or stopping takes `time` from now on, and is no reason to kill the host. To be said again before it is over.
    pub fn extend(&self, time: Duration) {
        self.say(&format!("EXTEND_TIMEOUT_USEC={}\n", time.as_micros()));
    }

    /// Says whether it could be said. Nothing that the host does may depend on it.
    fn say(&self, message: &str) -> bool {
        let Some(line) = &self.0 else { return false };
        match line.socket.send_to_addr(message.as_bytes(), &line.address) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "the service manager could not be told `{}`", message.trim_end());
                false
            }
        }
    }
}

/// A reload that goes on. The manager waits for its end, whatever comes of it.
#[derive(Debug)]
#[must_use = "dropping it says that the reload is over"]
pub struct Reloading<'a>(&'a Notifier);

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        self.0.say("READY=1\n");
    }
}

/// A line end in a status would begin another assignment.
fn status_line(status: &str) -> String {
    let status: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("STATUS={status}\n")
}

fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    let invalid = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
    match address.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(address),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        _ => Err(invalid("neither an absolute path nor `@` and a name")),
    }
}

/// Tells the service manager again and again that the host lives, for as long as it is kept and the host does.
#[derive(Debug)]
pub struct Watchdog {
    /// Closes when this is dropped.
    _stop: mpsc::Sender<()>,
}

impl Watchdog {
    /// Starts a thread, where the manager wants a sign of life from this process; twice in the time that it waits for
    /// one, `alive` is asked, and the sign is given only where it says so. It may take its time: as long as it does,
    /// there is none.
    ///
    /// # Errors
    ///
    /// Where there is no thread to be had.
    pub fn start(notifier: &Notifier, alive: impl Fn() -> bool + Send + 'static) -> io::Result<Option<Self>> {
        let wanted = wanted_within(
            env::var("WATCHDOG_USEC").ok().as_deref(),
            env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        match wanted {
            Some(time) if notifier.is_heard() => Self::every(time / 2, notifier, alive).map(Some),
            _ => Ok(None),
        }
    }

    fn every(
        interval: Duration,
        notifier: &Notifier,
        alive: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let notifier = notifier.clone();
        thread::Builder::new().name("watchdog".to_owned()).stack_size(256 << 10).spawn(move || {
            let mut was_alive = true;
            loop {
                let is_alive = alive();
                if is_alive {
                    notifier.say("WATCHDOG=1\n");
                } else if was_alive {
                    tracing::error!("the host does not work any more; the service manager will restart it");
                }
                was_alive = is_alive;
                if stopped.recv_timeout(interval) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// How long the manager waits for a sign of life of this process; none where it waits for none, or for another's.
fn wanted_within(microseconds: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own_pid)) {
        return None;
    }
    microseconds?.parse().ok().filter(|time| *time > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A service manager.
    fn listen() -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        (dir, socket, notifier)
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_how_the_host_is() {
        let (_dir, socket, notifier) = listen();
        notifier.ready("2 jobs");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=2 jobs\n");
        notifier.status("run 12 of build\nMAINPID=1\u{1b}[31m");
        assert_eq!(heard(&socket), "STATUS=run 12 of build MAINPID=1 [31m\n", "one assignment only");
        notifier.stopping("handing over");
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=handing over\n");
        notifier.extend(Duration::from_secs(90));
        assert_eq!(heard(&socket), "EXTEND_TIMEOUT_USEC=90000000\n");
    }

    #[test]
    fn a_reload_has_a_time_and_an_end() {
        let (_dir, socket, notifier) = listen();
        let before = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()).as_micros();
        let reloading = notifier.reloading();
        let message = heard(&socket);
        let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end().parse().unwrap();
        assert!(before <= time, "{message}");
        drop(reloading);
        assert_eq!(heard(&socket), "READY=1\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_abstract_socket_is_reached_too() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("tidegate-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}"))).unwrap().ready("");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let nobody = Notifier::default();
        assert!(!nobody.is_heard());
        nobody.ready("");
        drop(nobody.reloading());
        assert!(Notifier::to(OsStr::new("relative/path")).is_err());
        let (dir, socket, notifier) = listen();
        drop(socket);
        assert!(!notifier.say("READY=1\n"), "a manager that has gone ends nothing");
        drop(dir);
    }

    #[test]
    fn signs_of_life_are_given_only_by_the_living() {
        let (_dir, socket, notifier) = listen();
        let asked = AtomicU32::new(0);
        let (tell, told) = mpsc::channel();
        let watchdog = Watchdog::every(Duration::from_millis(1), &notifier, move || {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            if nth == 6 {
                tell.send(()).unwrap();
            }
            !(2..=6).contains(&nth)
        });
        let watchdog = watchdog.unwrap();
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
        told.recv().unwrap();
        // It lives again, and says so; nothing was said between.
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
        drop(watchdog);
    }

    #[test]
    fn a_watchdog_says_nothing_while_its_host_is_stuck() {
        let (_dir, socket, notifier) = listen();
        let asked = AtomicU32::new(0);
        let (tell, told) = mpsc::channel();
        let _watchdog = Watchdog::every(Duration::from_millis(1), &notifier, move || {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            if nth == 5 {
                tell.send(()).unwrap();
            }
            nth == 0
        });
        told.recv().unwrap();
        notifier.status("mark");
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
        assert_eq!(heard(&socket), "STATUS=mark\n", "five times it was not alive, and said nothing");
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(wanted_within(Some("1000000"), Some("7"), 7), second);
        assert_eq!(wanted_within(Some("1000000"), None, 7), second);
        assert_eq!(wanted_within(Some("1000000"), Some("8"), 7), None);
        assert_eq!(wanted_within(Some("1000000"), Some("x"), 7), None);
        for none in [None, Some("0"), Some("-1"), Some("soon")] {
            assert_eq!(wanted_within(none, None, 7), None, "{none:?}");
        }
    }
}
