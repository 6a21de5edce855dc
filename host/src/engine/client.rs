//! A client of the host: asks for runs and listens to them over the socket of the state directory, through the host's API.
//!
//! Owns how HTTP is spoken there. It has a runtime of its own, in this thread, for as long as an answer takes.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};

use crate::model::{self, Launch, RunId, RunRequest};

use super::{
    Refusal, Status, Update,
    host::{short_path, socket_path},
    trial::Tested,
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
    /// What it says is no answer of this version.
    #[error("the host answers what this tidegate does not understand; it may be of another version")]
    Foreign,
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
            Self::Foreign => Some("restart it with this version: runs under way go on meanwhile"),
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

/// The same where it asks somebody else first, who has a timeout of its own: that of a destination is five minutes at most, and a
/// notifier may send it several requests.
const TEST_PATIENCE: Duration = Duration::from_secs(15 * 60);

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
        let mut talk = Talk::begin(self)?;
        let run = talk.request(&request)?;
        talk.follow(run)
    }

    /// Asks for a run, and does not wait for it.
    pub fn leave_request(self, request: RunRequest) -> Result<RunId, ClientError> {
        Talk::begin(self)?.request(&request)
    }

    /// Listens to a run.
    pub fn listen(self, run: RunId) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
        Talk::begin(self)?.follow(run)
    }

    /// Asks for what is left to do of a run; gives the run that does it.
    pub fn resume(self, run: RunId, launch: Launch) -> Result<RunId, ClientError> {
        let ask = Ask::post(["runs", &run.to_string(), "resume"]);
        Ok(Talk::begin(self)?.ask::<Accepted>(ask.with(&json!({ "launch": launch })))?.run)
    }

    /// Asks for a run to be stopped.
    pub fn cancel(self, run: RunId) -> Result<(), ClientError> {
        Talk::begin(self)?.tell(Ask::post(["runs", &run.to_string(), "cancel"]))
    }

    /// Pauses what starts a job by itself, or resumes it.
    pub fn pause(self, job: &str, paused: bool) -> Result<(), ClientError> {
        let verb = if paused { "pause" } else { "resume" };
        Talk::begin(self)?.tell(Ask::post(["jobs", job, verb]))
    }

    /// Tells nothing of an alert until a time; none ends that.
    pub fn snooze(self, alert: &str, until: Option<Timestamp>) -> Result<(), ClientError> {
        let ask = Ask::post(["alerts", alert, "snooze"]);
        Talk::begin(self)?.tell(ask.with(&json!({ "until": until })))
    }

    /// Makes a token, which nobody sees again.
    pub fn new_token(self, name: &str, role: model::Role) -> Result<String, ClientError> {
        let ask = Ask::post(["tokens"]).with(&json!({ "name": name, "role": role }));
        Ok(Talk::begin(self)?.ask::<Minted>(ask)?.token)
    }

    /// Exchanges a token for another one.
    pub fn rotate_token(self, name: &str) -> Result<String, ClientError> {
        Ok(Talk::begin(self)?.ask::<Minted>(Ask::post(["tokens", name, "rotate"]))?.token)
    }

    /// Makes a token worth nothing.
    pub fn revoke_token(self, name: &str) -> Result<(), ClientError> {
        Talk::begin(self)?.tell(Ask::new(Method::DELETE, ["tokens", name]))
    }

    /// Has a test sent to a destination, with what a notifier makes of it where one is named. Takes as long as the destination may.
    pub fn test_destination(self, name: &str, notifier: Option<&str>) -> Result<Tested, ClientError> {
        let ask = Ask::post(["destinations", name, "test"]).with(&json!({ "notifier": notifier }));
        Talk::begin(self)?.ask_within(ask, TEST_PATIENCE)
    }

    /// Has the configuration read again; gives what changed.
    pub fn reload(self) -> Result<Vec<String>, ClientError> {
        Ok(Talk::begin(self)?.ask::<Changed>(Ask::post(["configuration", "reload"]))?.changes)
    }

    /// How the host is.
    pub fn status(self) -> Result<Status, ClientError> {
        Talk::begin(self)?.ask(Ask::new(Method::GET, ["status"]))
    }

    /// Asks the host to leave, and what is under way to whoever comes next.
    pub fn hand_over(self) -> Result<(), ClientError> {
        let state_dir = self.state_dir.clone();
        match Talk::begin(self).and_then(|mut talk| talk.tell(Ask::post(["hand_over"]))) {
            Err(ClientError::Foreign) => hand_over_by_lines(&Self::connect(&state_dir)?.stream),
            told => told,
        }
    }

    /// How to cancel a run from another thread.
    pub fn canceller(&self) -> impl Fn(RunId) + Send + 'static {
        let state_dir = self.state_dir.clone();
        move |run| {
            let state_dir = state_dir.clone();
            // While one host hands over to another, nobody is there for a moment.
            thread::spawn(move || {
                for _ in 0..TRIES {
                    let client = Self::connect(&state_dir).map_err(ClientError::from);
                    match client.and_then(|client| client.cancel(run)) {
                        Err(ClientError::Broken(_)) => thread::sleep(PAUSE),
                        _ => break,
                    }
                }
            });
        }
    }
}

/// Asks a host to leave that speaks lines, as hosts did before they had an API: so it can be upgraded while it runs.
fn hand_over_by_lines(mut stream: &UnixStream) -> Result<(), ClientError> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"\"hand_over\"\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.trim() == "\"done\"" { Ok(()) } else { Err(ClientError::Foreign) }
}

#[derive(Deserialize)]
struct Accepted {
    run: RunId,
}

#[derive(Deserialize)]
struct Minted {
    token: String,
}

#[derive(Deserialize)]
struct Changed {
    changes: Vec<String>,
}

/// What the host says where it will not: problem details.
#[derive(Deserialize)]
struct Trouble {
    detail: String,
    #[serde(default)]
    hint: Option<String>,
}

/// What stands in a path for something else than itself. A route's own words are compared as they are written.
const ODD: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// What is asked.
struct Ask {
    method: Method,
    path: String,
    body: Value,
}

impl Ask {
    fn new<const N: usize>(method: Method, path: [&str; N]) -> Self {
        let segment = |part: &&str| format!("/{}", utf8_percent_encode(part, &ODD));
        let path = format!("/api/v1{}", path.iter().map(segment).collect::<String>());
        Self { method, path, body: json!({}) }
    }

    fn post<const N: usize>(path: [&str; N]) -> Self {
        Self::new(Method::POST, path)
    }

    fn with(self, body: &impl Serialize) -> Self {
        Self { body: serde_json::to_value(body).unwrap_or_default(), ..self }
    }

    fn into_request(self) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(self.path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "application/json");
        let body = if self.method == Method::GET {
            Bytes::new()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            self.body.to_string().into()
        };
        // What a name is too long for, or too odd, nobody can be asked.
        request.body(Full::new(body)).map_err(|e| ClientError::Refused(Refusal::new(e.to_string())))
    }
}

/// A connection on which HTTP is spoken.
struct Talk {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    state_dir: PathBuf,
}

impl Talk {
    fn begin(client: Client) -> Result<Self, ClientError> {
        let Client { stream, state_dir } = client;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        stream.set_nonblocking(true)?;
        let sender = runtime.block_on(async {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(explain)?;
            // Works whenever this thread waits for something.
            tokio::spawn(connection);
            Ok::<_, ClientError>(sender)
        })?;
        Ok(Self { runtime, sender, state_dir })
    }

    /// Asks, and waits for the whole answer.
    fn ask<T: DeserializeOwned>(&mut self, ask: Ask) -> Result<T, ClientError> {
        self.ask_within(ask, PATIENCE)
    }

    /// The same, for so long.
    fn ask_within<T: DeserializeOwned>(&mut self, ask: Ask, patience: Duration) -> Result<T, ClientError> {
        serde_json::from_slice(&self.answer(ask, patience)?).map_err(|_| ClientError::Foreign)
    }

    /// The same where the answer says no more than that it is done.
    fn tell(&mut self, ask: Ask) -> Result<(), ClientError> {
        self.answer(ask, PATIENCE).map(drop)
    }

    fn request(&mut self, request: &RunRequest) -> Result<RunId, ClientError> {
        let ask = Ask::new(Method::PUT, ["requests", &request.key]).with(request);
        Ok(self.ask::<Accepted>(ask)?.run)
    }

    fn answer(&mut self, ask: Ask, patience: Duration) -> Result<Bytes, ClientError> {
        let Self { runtime, sender, state_dir } = self;
        runtime.block_on(async {
            let answer = timeout(patience, async { whole(send(sender, ask).await?).await });
            answer.await.unwrap_or_else(|_| Err(ClientError::NoAnswer(state_dir.clone())))
        })
    }

    /// Listens to a run, in a thread of its own; the end of that is the end of the connection.
    fn follow(self, run: RunId) -> Result<(RunId, mpsc::Receiver<Update>), ClientError> {
        let Self { runtime, mut sender, state_dir } = self;
        let ask = Ask::new(Method::GET, ["runs", &run.to_string(), "follow"]);
        let response = runtime.block_on(async {
            let answer = timeout(PATIENCE, send(&mut sender, ask));
            answer.await.unwrap_or(Err(ClientError::NoAnswer(state_dir)))
        })?;
        let (updates, news) = mpsc::channel();
        thread::spawn(move || {
            // The connection lives as long as what it was made with.
            let _sender = sender;
            runtime.block_on(hand_on(response.into_body(), &updates));
        });
        Ok((run, news))
    }
}

/// Sends, and takes what is not as it was wished for an error.
async fn send(sender: &mut SendRequest<Full<Bytes>>, ask: Ask) -> Result<Response<Incoming>, ClientError> {
    let request = ask.into_request()?;
    sender.ready().await.map_err(explain)?;
    let response = sender.send_request(request).await.map_err(explain)?;
    if response.status().is_success() {
        return Ok(response);
    }
    // Whoever stops sends to whoever comes next: as one who is gone.
    if response.status() == StatusCode::SERVICE_UNAVAILABLE
        && response.headers().contains_key(header::RETRY_AFTER)
    {
        return Err(ClientError::Broken(io::Error::other("the host is stopping")));
    }
    let trouble = serde_json::from_slice::<Trouble>(&whole(response).await?);
    let Trouble { detail, hint } = trouble.map_err(|_| ClientError::Foreign)?;
    Err(ClientError::Refused(Refusal { message: detail, hint }))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    Ok(response.into_body().collect().await.map_err(explain)?.to_bytes())
}

/// What went wrong with the connection, as it matters here.
fn explain(error: hyper::Error) -> ClientError {
    if error.is_parse() {
        return ClientError::Foreign;
    }
    ClientError::Broken(io::Error::other(error))
}

/// Hands on the updates of a stream of events until it ends, or nobody wants them any more.
async fn hand_on(mut body: Incoming, updates: &mpsc::Sender<Update>) {
    let mut events = Events::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        for event in events.take(&data) {
            let Ok(update) = serde_json::from_slice(&event) else { return };
            if updates.send(update).is_err() {
                return;
            }
        }
    }
}

/// The data of server-sent events, put together as it comes.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// The events that are complete with these bytes.
    fn take(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                complete.extend(Some(data).filter(|data| !data.is_empty()));
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
        }
        self.line.extend_from_slice(bytes);
        complete
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn events_are_put_together_however_they_are_cut() {
        let text = b": hello\n\ndata: {\"a\":1}\n\nid: 7\ndata:x\ndata: y\n\ndata: unfinished";
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<_> = text.chunks(size).flat_map(|bytes| events.take(bytes)).collect();
            assert_eq!(found, [b"{\"a\":1}".to_vec(), b"x\ny".to_vec()], "in pieces of {size}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        let ask = Ask::post(["jobs", "../a b/c?d", "pause"]);
        assert_eq!(ask.path, "/api/v1/jobs/%2E%2E%2Fa%20b%2Fc%3Fd/pause");
    }

    /// A host as it was before it had an API: a line of JSON for each line.
    fn old_host(state_dir: &Path) -> thread::JoinHandle<Vec<String>> {
        let listener = UnixListener::bind(state_dir.join("host.sock")).unwrap();
        thread::spawn(move || {
            let mut heard = Vec::new();
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
                let answer = match line.as_str() {
                    "\"hand_over\"\n" => "\"done\"\n".to_owned(),
                    _ => "{\"refused\":{\"message\":\"the host does not understand its client\",\"hint\":null}}\n"
                        .to_owned(),
                };
                stream.write_all(answer.as_bytes()).unwrap();
                heard.push(line.trim().to_owned());
            }
            heard
        })
    }

    #[test]
    fn a_host_of_before_the_api_hands_over_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let host = old_host(folder.path());
        Client::connect(folder.path()).unwrap().hand_over().unwrap();
        assert_eq!(host.join().unwrap(), ["POST /api/v1/hand_over HTTP/1.1", "\"hand_over\""]);
    }

    #[test]
    fn a_host_of_before_the_api_is_told_from_one_that_went_away() {
        let folder = tempfile::tempdir().unwrap();
        let _host = old_host(folder.path());
        let error = Client::connect(folder.path()).unwrap().status().unwrap_err();
        assert!(matches!(error, ClientError::Foreign), "{error:?}");
        assert!(error.to_string().contains("another version"));
    }

    #[test]
    fn a_host_that_is_stopping_went_away_too() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("host.sock")).unwrap();
        let host = thread::spawn(move || {
            for header in ["Retry-After: 5\r\n", ""] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let body = "{\"detail\":\"not now\"}";
                let head =
                    format!("HTTP/1.1 503 Service Unavailable\r\n{header}Content-Length: {}\r\n", body.len());
                write!(stream, "{head}\r\n{body}").unwrap();
            }
        });
        let ask = || Client::connect(folder.path()).unwrap().status().unwrap_err();
        let stopping = ask();
        assert!(matches!(stopping, ClientError::Broken(_)), "{stopping:?}");
        let other = ask();
        assert!(matches!(&other, ClientError::Refused(refusal) if refusal.message == "not now"), "{other:?}");
        host.join().unwrap();
    }

    #[test]
    fn a_host_that_leaves_without_a_word_went_away() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("host.sock")).unwrap();
        let host = thread::spawn(move || drop(listener.accept()));
        let error = Client::connect(folder.path()).unwrap().status().unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error:?}");
        host.join().unwrap();
    }
}
