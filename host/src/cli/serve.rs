//! `tidegate serve`: the host as a service.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use super::{
    Common, Context, Exit, Failure,
    host::{Hosting, answering},
};
use crate::{
    config::{self, Anonymous, variables},
    engine::{self, Ending, Message, Projects},
    model::{By, HostEventKind},
    process,
    service::{self, Changed, Notifier, Signal, Watchdog, Watched, Watcher, log},
};

/// Runs the host as a service: fires schedules and other triggers, and does what clients ask for.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// What SIGTERM and Ctrl-C do to runs that are under way
    #[arg(long, value_enum, default_value_t = OnStop::HandOver)]
    on_stop: OnStop,
    /// Where the UI and the API answer, or `off` [default: `listen` in `[web]`, or 127.0.0.1:4600]
    #[arg(long, value_name = "ADDRESS", env = variables::LISTEN)]
    listen: Option<String>,
    #[command(flatten)]
    log: log::Options,
}

/// What becomes of runs that are under way when the service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnStop {
    /// dbt goes on, and the next host takes the runs up
    HandOver,
    /// They are waited for, and nothing new is started
    Drain,
    /// dbt is interrupted, and what is left to do is resumed by the next host
    Interrupt,
}

/// What happens to a service.
enum Happening {
    Signal(Signal),
    Changed(Changed),
}

impl From<Signal> for Happening {
    fn from(signal: Signal) -> Self {
        Self::Signal(signal)
    }
}

/// How often the service looks whether the host still works.
const LOOK: Duration = Duration::from_secs(1);

/// How long a port is waited for that another host is about to leave.
const PORT: Duration = Duration::from_secs(10);

/// How often a service manager is asked for more time while runs are waited for, and for how much.
const EXTEND: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(60));

impl Serve {
    /// Serves until it is stopped.
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        log::start(self.log).map_err(|e| Failure::new(e.to_string()))?;
        let address = self.address(&context)?;
        if let Err(e) = process::raise_descriptors() {
            tracing::warn!("the limit of open files cannot be raised: {e}");
        }
        let (happened, happenings) = mpsc::channel();
        service::listen(happened.clone())?;
        // Watched before the host begins to work by it: no change is missed.
        let watcher = Watcher::start(Watched::of(&context.config), move |changed| {
            let _ = happened.send(Happening::Changed(changed));
        })?;
        let notifier = Notifier::from_environment();
        let host = engine::serve(context.config.clone())?;
        let tcp = address.map(bind).transpose()?;
        let url = tcp.as_ref().map(|tcp| tcp.local_addr().map(|at| format!("http://{at}"))).transpose()?;
        let host = answering(host, tcp)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            config = context.config.file.display().to_string(),
            state_dir = context.config.state_dir.display().to_string(),
            url = url.unwrap_or_else(|| "off".to_owned()),
            "serving"
        );
        notifier.ready("serving");
        let pulse = host.pulse();
        let last = AtomicU64::new(u64::MAX);
        let _watchdog = Watchdog::start(&notifier, move || {
            let now = pulse.load(Ordering::Relaxed);
            last.swap(now, Ordering::Relaxed) != now
        })?;
        let projects = Projects::start(
            host.front().configuration().clone(),
            host.front().catalogue().clone(),
            host.front().shelf().clone(),
            host.mail(),
        )?;
        let service = Service { host, watcher, notifier, projects, on_stop: self.on_stop };
        service.work(&happenings)
    }
}

impl Serve {
    /// Where to listen. Where other machines reach it, nobody may do anything without a token: there has to be one.
    fn address(&self, context: &Context) -> Result<Option<SocketAddr>, Failure> {
        let web = &context.config.web;
        let told = self.listen.as_deref().map(config::web::listen).transpose();
        let told = told.map_err(|problem| {
            Failure::new(format!("--listen: {}", problem.message)).with_hint(problem.hint)
        })?;
        let Some(address) = told.unwrap_or(web.listen) else { return Ok(None) };
        if config::web::is_loopback(address.ip()) {
            return Ok(Some(address));
        }
        if web.anonymous.is_some_and(|anonymous| anonymous != Anonymous::None) {
            let message =
                format!("whoever reaches {address} could do without a token what `anonymous` allows");
            return Err(Failure::new(message).hint("leave `anonymous` out of `[web]`"));
        }
        // What an older version has left knows no tokens.
        let tokens = context.reader().and_then(|reader| Ok(reader.tokens()?)).unwrap_or_default();
        if tokens.is_empty() {
            let message =
                format!("other machines reach {address}, and there is no token by which to know who asks");
            return Err(Failure::new(message).hint("make one with `tidegate token new NAME --role operate`"));
        }
        Ok(Some(address))
    }
}

/// Listens at an address. The host that hands over has it until it has left.
fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse && begun.elapsed() < PORT => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(e) => {
                let failure = Failure::new(format!("the UI and the API cannot be served at {address}: {e}"));
                return Err(match e.kind() {
                    ErrorKind::AddrInUse => failure.hint(
                        "something else listens there: choose another port with `listen` in `[web]`, or `--listen off`",
                    ),
                    _ => failure,
                });
            }
        }
    }
}

struct Service {
    host: Hosting,
    watcher: Watcher,
    notifier: Notifier,
    projects: Projects,
    on_stop: OnStop,
}

impl Service {
    fn work(self, happenings: &mpsc::Receiver<Happening>) -> Result<Exit, Failure> {
        let mut stopping = false;
        let mut extended = Instant::now();
        while !self.host.is_finished() {
            match happenings.recv_timeout(if stopping { LOOK / 20 } else { LOOK }) {
                Ok(Happening::Signal(Signal::Reload)) => self.reload(&By::new("SIGHUP", "signal")),
                Ok(Happening::Signal(signal)) => {
                    self.stop(signal, stopping);
                    stopping = true;
                }
                Ok(Happening::Changed(changed)) => {
                    if changed.config {
                        self.reload(&By::new("tidegate.toml", "file"));
                    }
                    self.projects.look(changed.projects);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if stopping && extended.elapsed() > EXTEND.0 {
                self.notifier.extend(EXTEND.1);
                extended = Instant::now();
            }
        }
        self.notifier.stopping("stopped");
        self.host.finish()?;
        tracing::info!("stopped");
        Ok(Exit::Done)
    }

    fn reload(&self, by: &By) {
        let _reloading = self.notifier.reloading();
        // A refusal has been logged, and stays in the status.
        if self.host.front().configuration().reload(by).is_ok() {
            let config = self.host.front().configuration().current();
            self.watcher.watch(Watched::of(&config));
            self.projects.look(config.projects.keys().cloned().collect());
        }
    }

    fn stop(&self, signal: Signal, again: bool) {
        let ending = match (self.on_stop, again) {
            (OnStop::HandOver, _) => Ending::Now,
            (OnStop::Drain, false) => Ending::Drained,
            // Whoever asks twice does not want to wait; dbt need not suffer for that.
            (OnStop::Drain, true) => Ending::Now,
            (OnStop::Interrupt, _) => Ending::Interrupted,
        };
        let what = match ending {
            Ending::Now => "dbt goes on, and the next host takes it up",
            Ending::Interrupted if again => "hurrying dbt",
            Ending::Interrupted => "interrupting what is under way",
            _ => "waiting for what is under way; again, and it is left to the next host",
        };
        tracing::info!(signal = signal.name(), "stopping: {what}");
        let by = By::new(signal.name(), "signal");
        let _ = self.host.mail().send(Message::Note {
            kind: HostEventKind::HostStopped { by, how: what.to_owned() },
            answer: None,
        });
        self.notifier.stopping(what);
        self.notifier.extend(EXTEND.1);
        self.host.end(ending);
    }
}
