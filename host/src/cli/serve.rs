//! `tidegate serve`: the host as a service.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use super::{Common, Context, Exit, Failure};
use crate::{
    engine::{self, Ending, Host, Projects},
    service::{self, Changed, Notifier, Signal, Watchdog, Watched, Watcher, log},
};

/// Runs the host as a service: fires schedules and other triggers, and does what clients ask for.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// What SIGTERM and Ctrl-C do to runs that are under way
    #[arg(long, value_enum, default_value_t = OnStop::HandOver)]
    on_stop: OnStop,
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

/// How often a service manager is asked for more time while runs are waited for, and for how much.
const EXTEND: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(60));

impl Serve {
    /// Serves until it is stopped.
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        log::start(self.log).map_err(|e| Failure::new(e.to_string()))?;
        let (happened, happenings) = mpsc::channel();
        service::listen(happened.clone())?;
        // Watched before the host begins to work by it: no change is missed.
        let watcher = Watcher::start(Watched::of(&context.config), move |changed| {
            let _ = happened.send(Happening::Changed(changed));
        })?;
        let notifier = Notifier::from_environment();
        let host = engine::serve(context.config.clone())?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            config = context.config.file.display().to_string(),
            state_dir = context.config.state_dir.display().to_string(),
            "serving"
        );
        notifier.ready("serving");
        let pulse = host.pulse();
        let last = AtomicU64::new(u64::MAX);
        let _watchdog = Watchdog::start(&notifier, move || {
            let now = pulse.load(Ordering::Relaxed);
            last.swap(now, Ordering::Relaxed) != now
        })?;
        let projects = Projects::start(host.configuration(), host.catalogue(), host.mail())?;
        let service = Service { host, watcher, notifier, projects, on_stop: self.on_stop };
        service.work(&happenings)
    }
}

struct Service {
    host: Host,
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
                Ok(Happening::Signal(Signal::Reload)) => self.reload(),
                Ok(Happening::Signal(signal)) => {
                    self.stop(signal, stopping);
                    stopping = true;
                }
                Ok(Happening::Changed(changed)) => {
                    if changed.config {
                        self.reload();
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

    fn reload(&self) {
        let _reloading = self.notifier.reloading();
        // A refusal has been logged, and stays in the status.
        if self.host.configuration().reload().is_ok() {
            let config = self.host.configuration().current();
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
        self.notifier.stopping(what);
        self.notifier.extend(EXTEND.1);
        self.host.end(ending);
    }
}
