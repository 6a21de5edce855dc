//! Asking for a run, and following it to its end: as the host, or as its client.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use signal_hook::{consts, iterator::Signals};

use super::{Context, Exit, Failure, printer, progress::Progress, summary};
use crate::{
    config,
    engine::{Handle, Host, Update, join},
    fold,
    model::{Launch, Run, RunId, RunRequest, StepRequest},
    store::Retention,
};

/// The request for some steps of a project.
pub fn request(
    context: &Context,
    project: &config::Project,
    job: Option<&config::Job>,
    steps: Vec<StepRequest>,
) -> RunRequest {
    RunRequest {
        key: format!("cli-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()),
        project: project.name.clone(),
        job: job.map(|job| job.name.clone()),
        steps,
        empty_fails: job.is_some_and(|job| job.empty == config::EmptyPolicy::Fail),
        launch: Launch {
            user: user(),
            via: "cli".to_owned(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        },
        config_file: context.config.file.clone(),
        configuration: json!({ "project": project.record(), "job": job.map(config::Job::record) }),
    }
}

/// Whoever runs this process.
pub fn user() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// What is wanted of the host.
enum Want {
    Run(Box<RunRequest>),
    Listen(RunId),
}

/// A run that is listened to.
struct Connection {
    /// This process, where it is the host.
    host: Option<Host>,
    run: RunId,
    news: mpsc::Receiver<Update>,
}

/// Becomes the host or its client, and says what is wanted.
fn connect(context: &Context, want: Want, interrupts: &Interrupts) -> Result<Connection, Failure> {
    let retention = context.config.retention;
    match join(&context.config.state_dir, Retention { days: retention.days, runs: retention.runs })? {
        Handle::Host(host) => {
            let run = match want {
                Want::Run(request) => host.request(*request)?,
                Want::Listen(run) => run,
            };
            let (news, cancel) = (host.listen(run), host.canceller());
            interrupts.cancel_by(move || cancel(run, user()));
            Ok(Connection { host: Some(host), run, news })
        }
        Handle::Client(client) => {
            let cancel = client.canceller();
            let (run, news) = match want {
                Want::Run(request) => client.request(*request)?,
                Want::Listen(run) => client.listen(run)?,
            };
            interrupts.cancel_by(move || cancel(run, user()));
            Ok(Connection { host: None, run, news })
        }
    }
}

/// Asks for a run and follows it to its end.
pub fn launch(context: &Context, request: RunRequest) -> Result<Exit, Failure> {
    // From here on Ctrl-C cancels the run: it must not end this process before the run's end is on record.
    let interrupts = Interrupts::listen()?;
    let empty_fails = request.empty_fails;
    let mut progress = Progress::new();
    let mut connection = connect(context, Want::Run(Box::new(request)), &interrupts)?;
    let run = loop {
        if let Some(run) = follow(&connection, &mut progress)? {
            break run;
        }
        // The host went away in the middle. dbt goes on without it, and whoever is left takes the run up.
        progress.notice("the host went away; taking the run up again");
        let run = connection.run;
        drop(connection);
        connection = connect(context, Want::Listen(run), &interrupts)?;
    };
    progress.finish();
    summary::print(&run, progress.names());
    if let Some(host) = connection.host {
        interrupts.leave();
        finish(host)?;
    }
    Ok(Exit::of_run(run.state, empty_fails))
}

/// Follows a run to its end; none where the host went away before.
fn follow(connection: &Connection, progress: &mut Progress) -> Result<Option<Run>, Failure> {
    let mut run: Option<Run> = None;
    loop {
        match connection.news.recv_timeout(Duration::from_secs(1)) {
            Ok(Update::Snapshot { run: snapshot, nodes }) => {
                let snapshot = Update::into_run(*snapshot, nodes);
                progress.begin(&snapshot);
                run = Some(snapshot);
            }
            Ok(Update::Names { names }) => progress.name(names),
            Ok(Update::Notice { text }) => progress.notice(&text),
            Ok(Update::Lost { refusal }) => return Err(refusal.into()),
            Ok(Update::Event { stored }) => {
                let Some(run) = &mut run else { continue };
                fold::apply(run, &stored.event);
                progress.event(run, &stored.event);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => progress.tick(),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
        if let Some(run) = run.take_if(|run| run.state.is_finished()) {
            return Ok(Some(run));
        }
    }
}

/// Ends the host when the runs that others have asked for have ended too.
fn finish(host: Host) -> Result<(), Failure> {
    host.stop();
    let begun = Instant::now();
    let mut told = false;
    while !host.is_finished() {
        if !told && begun.elapsed() > Duration::from_millis(500) {
            printer::note(
                "runs that others asked for go on in this process; Ctrl-C leaves them to whoever comes next",
            );
            told = true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(host.finish()?)
}

/// Ctrl-C and SIGTERM on their way to the run.
pub struct Interrupts {
    cancel: Cancel,
    leaving: Arc<AtomicBool>,
}

type Cancel = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

impl Interrupts {
    /// Takes the signals over.
    fn listen() -> Result<Self, Failure> {
        let (cancel, leaving) = (Cancel::default(), Arc::new(AtomicBool::new(false)));
        let mut signals = Signals::new([consts::SIGINT, consts::SIGTERM])?;
        let (to, left) = (Arc::clone(&cancel), Arc::clone(&leaving));
        thread::spawn(move || {
            for (nth, _) in signals.forever().enumerate() {
                let cancel = to.lock().unwrap_or_else(PoisonError::into_inner);
                match &*cancel {
                    Some(cancel) if nth < 3 && !left.load(Ordering::Relaxed) => {
                        printer::note(match nth {
                            0 => "cancelling: dbt gets 25 s to stop its queries; Ctrl-C again hurries it",
                            1 => "hurrying: dbt gets 5 s",
                            _ => "killing dbt",
                        });
                        cancel();
                    }
                    // Nothing has been asked for yet, or whoever asks has lost patience: what runs is taken up later.
                    _ => std::process::exit(Exit::Cancelled as i32),
                }
            }
        });
        Ok(Self { cancel, leaving })
    }

    fn cancel_by(&self, cancel: impl Fn() + Send + 'static) {
        *self.cancel.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(cancel));
    }

    /// The run has ended: from now on Ctrl-C ends this process.
    fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}
