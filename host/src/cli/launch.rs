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

use signal_hook::{consts, iterator::Signals};

use super::{
    Context, Exit, Failure,
    host::{Handle, Hosting, join},
    printer,
    progress::Progress,
    summary,
};
use crate::{
    engine::{Client, ClientError, Ending, Host, Role, Unable, Update},
    fold,
    model::{Launch, Run, RunId, RunRequest},
};

/// Who asks, on this command line.
pub fn launched() -> Launch {
    Launch {
        user: user(),
        via: "cli".to_owned(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        reason: None,
    }
}

/// How a request is told from the same one, made again.
#[derive(Debug, clap::Args)]
pub struct Once {
    /// Run this once: asked again with the same key, whatever became of the first call, it is the same run
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    request_key: Option<String>,
}

impl Once {
    /// The key; without one, one that no other request has.
    pub fn key(self) -> String {
        let fresh = || format!("cli-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        self.request_key.unwrap_or_else(fresh)
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
    Resume(RunId),
    Listen(RunId),
}

/// A run that is listened to.
struct Connection {
    /// This process, where it is the host.
    host: Option<Hosting>,
    run: RunId,
    news: mpsc::Receiver<Update>,
}

/// Becomes the host or its client, and says what is wanted. A host may leave between hearing that someone is there and
/// hearing what for: then the next one is asked. Under one key that is one run.
fn connect(context: &Context, want: &Want, interrupts: &Interrupts) -> Result<Connection, Failure> {
    for _ in 0..TRIES {
        match join(Arc::clone(&context.config), Role::Errand)? {
            Handle::Host(host) => match asked(&host, want) {
                Ok(run) => {
                    let (news, cancel) = (host.front().listen(run), host.canceller());
                    interrupts.cancel_by(move || cancel(run, user()));
                    return Ok(Connection { host: Some(host), run, news });
                }
                Err(unable) => {
                    // A host that is taken over refuses a moment before it has ended.
                    thread::sleep(Duration::from_millis(20));
                    if !host.is_finished() {
                        return Err(unable.into());
                    }
                }
            },
            Handle::Client(client) => {
                let cancel = client.canceller();
                match asked_of(client, want, context) {
                    Ok((run, news)) => {
                        interrupts.cancel_by(move || cancel(run));
                        return Ok(Connection { host: None, run, news });
                    }
                    Err(ClientError::Broken(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        thread::sleep(Duration::from_millis(250));
    }
    Err(ClientError::NoAnswer(context.config.state_dir.clone()).into())
}

fn asked(host: &Host, want: &Want) -> Result<RunId, Unable> {
    match want {
        Want::Run(request) => Ok(host.front().request((**request).clone())?),
        Want::Resume(run) => Ok(host.front().resume(*run, launched())?),
        Want::Listen(run) => Ok(*run),
    }
}

fn asked_of(
    client: Client,
    want: &Want,
    context: &Context,
) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
    match want {
        Want::Run(request) => client.request((**request).clone()),
        Want::Resume(run) => {
            let run = client.resume(*run, launched())?;
            Client::connect(&context.config.state_dir)?.listen(run)
        }
        Want::Listen(run) => client.listen(*run),
    }
}

/// How often a host that is just going away is left for the next one.
const TRIES: u32 = 20;

/// Asks for a run and follows it to its end.
pub fn launch(context: &Context, request: RunRequest) -> Result<Exit, Failure> {
    follow_to_the_end(context, Want::Run(Box::new(request)))
}

/// Asks for a run, and leaves it to the host.
pub fn leave(context: &Context, request: RunRequest) -> Result<Exit, Failure> {
    let state_dir = &context.config.state_dir;
    let client = Client::connect(state_dir).map_err(|_| {
        Failure::new(format!("no tidegate runs for {}, to which the run could be left", state_dir.display()))
            .hint("start `tidegate serve`, or run it without `--detach`")
    })?;
    printer::line(client.leave_request(request)?.to_string());
    Ok(Exit::Done)
}

/// Asks for what is left to do of a run, and follows that to its end.
pub fn resume(context: &Context, run: RunId) -> Result<Exit, Failure> {
    follow_to_the_end(context, Want::Resume(run))
}

fn follow_to_the_end(context: &Context, want: Want) -> Result<Exit, Failure> {
    // From here on Ctrl-C cancels the run: it must not end this process before the run's end is on record.
    let interrupts = Interrupts::listen()?;
    let mut progress = Progress::new();
    let mut connection = connect(context, &want, &interrupts)?;
    let run = loop {
        if let Some(run) = follow(&connection, &mut progress, &interrupts)? {
            break run;
        }
        // The host went away in the middle. dbt goes on without it, and whoever is left takes the run up.
        progress.notice("the host went away; taking the run up again");
        let run = connection.run;
        if connection.host.take().is_some() {
            // Someone else took over: they come first.
            thread::sleep(Duration::from_millis(500));
        }
        drop(connection);
        connection = connect(context, &Want::Listen(run), &interrupts)?;
    };
    progress.finish();
    summary::print(&run, progress.names());
    if let Some(host) = connection.host {
        interrupts.leave();
        finish(host)?;
    }
    Ok(Exit::of_run(run.state, run.request.empty_fails))
}

/// Follows a run to its end; none where the host went away before.
fn follow(
    connection: &Connection,
    progress: &mut Progress,
    interrupts: &Interrupts,
) -> Result<Option<Run>, Failure> {
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
        interrupts.note(run.as_ref());
        if let Some(run) = run.take_if(|run| run.state.is_finished()) {
            return Ok(Some(run));
        }
    }
}

/// Ends the host when the runs that others have asked for have ended too.
fn finish(host: Hosting) -> Result<(), Failure> {
    host.end(Ending::Idle);
    let begun = Instant::now();
    let mut told = false;
    while !host.is_finished() {
        if !told && begun.elapsed() > Duration::from_millis(500) {
            let runs =
                host.front().status().is_ok_and(|status| status.queued > 0 || !status.running.is_empty());
            printer::note(if runs {
                "runs that others asked for go on in this process; Ctrl-C leaves them to whoever comes next"
            } else {
                "waiting for messages to be delivered; Ctrl-C leaves them to whoever comes next"
            });
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
    /// Whether there is a dbt to be stopped.
    dbt_runs: Arc<AtomicBool>,
}

type Cancel = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

impl Interrupts {
    /// Takes the signals over.
    fn listen() -> Result<Self, Failure> {
        let (cancel, leaving) = (Cancel::default(), Arc::new(AtomicBool::new(false)));
        let dbt_runs = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([consts::SIGINT, consts::SIGTERM])?;
        let (to, left, dbt) = (Arc::clone(&cancel), Arc::clone(&leaving), Arc::clone(&dbt_runs));
        thread::spawn(move || {
            for (nth, _) in signals.forever().enumerate() {
                let cancel = to.lock().unwrap_or_else(PoisonError::into_inner);
                match &*cancel {
                    Some(cancel) if nth < 3 && !left.load(Ordering::Relaxed) => {
                        printer::note(match nth {
                            0 if !dbt.load(Ordering::Relaxed) => "cancelling",
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
        Ok(Self { cancel, leaving, dbt_runs })
    }

    fn cancel_by(&self, cancel: impl Fn() + Send + 'static) {
        *self.cancel.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(cancel));
    }

    /// What is under way of the run that is followed.
    fn note(&self, run: Option<&Run>) {
        let runs = run.is_some_and(|run| run.running_attempt().is_some());
        self.dbt_runs.store(runs, Ordering::Relaxed);
    }

    /// The run has ended: from now on Ctrl-C ends this process.
    fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}
