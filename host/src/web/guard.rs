//! The guard: who may ask what, checked before anything answers, of pages and streams as of the API.
//!
//! In this order: the names by which the host may be asked, so that no page whose name suddenly leads here gets an answer;
//! where a change comes from, so that no other page makes a browser do what its user did not want; how long a request is; who
//! asks, and what they may do. Every answer leaves with the headers that keep browsers from doing more with it than the UI
//! needs. The socket of the state directory is open to its owner alone, and no browser speaks to it: there only the last
//! question is asked.

mod attempts;
mod identity;
mod origin;
mod sessions;

use std::{fmt, net::SocketAddr, sync::atomic::AtomicBool, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{Problem, extract, state::Web};
use crate::model::By;
pub use crate::model::Role;
pub use attempts::Attempts;
pub use identity::{Pass, anonymous, begin, end, log_in, no_cookie, nobody, refuse};

/// The name of someone without a token.
pub const NOBODY: &str = "anonymous";

/// The longest body that is taken over TCP, in bytes.
const LONGEST: usize = 1 << 20;

/// The same on the socket: a request for a run has its whole configuration with it.
const LONGEST_ON_SOCKET: usize = 16 << 20;

/// How long an answer may take to begin. dbt takes its time where a selection has to be resolved.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// What a browser may do with what it gets: nothing that does not come from here, and nothing that stands in a page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Which door a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The socket of the state directory, which only its owner can open.
    Socket,
    /// An address.
    Tcp,
}

/// Where a request comes from. Every request has it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A user of this machine, by the socket.
    User(String),
    /// An address.
    Address(SocketAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Address(address) => address.ip().to_canonical().fmt(f),
        }
    }
}

/// Who asks. Every handler that changes something takes it (as an extension of the request).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A name for the audit trail.
    pub user: String,
    /// `cli`, `ui`, `api` or `webhook`.
    pub via: String,
    /// What they may do.
    pub role: Role,
}

impl From<&Caller> for By {
    fn from(caller: &Caller) -> Self {
        Self::new(&caller.user, &caller.via)
    }
}

impl From<Caller> for By {
    fn from(caller: Caller) -> Self {
        Self::new(caller.user, caller.via)
    }
}

/// Who asks, where that may be nobody who may do anything. Every request has it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who(pub Option<Caller>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        let who = parts.extensions.get::<Who>().and_then(|who| who.0.clone());
        who.ok_or_else(|| Problem::unavailable("nobody knows who asks"))
    }
}

#[derive(Clone)]
struct Guard {
    web: Web,
    access: Access,
}

/// Puts the guard around everything.
pub fn around(app: Router<Web>, web: Web, access: Access) -> Router<Web> {
    let longest = if access == Access::Socket { LONGEST_ON_SOCKET } else { LONGEST };
    app.layer(DefaultBodyLimit::max(longest))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(move |request, next| hear_out(request, next, longest)))
        .layer(middleware::from_fn_with_state(Guard { web, access }, check))
}

/// Takes in what a request that may come in has to say, whoever needs it: an answer that is there before the end of a body closes
/// the connection, on which the next request may be under way already.
async fn hear_out(request: Request, next: Next, longest: usize) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(extract::BODY_WITHIN, to_bytes(body, longest)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(_)) => extract::too_large().into_response(),
        Err(_) => extract::too_slow().into_response(),
    }
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let is_api = is_api(request.uri().path());
    let says_more = !matches!(*request.method(), Method::GET | Method::HEAD);
    // Nobody hears out who is turned away.
    let turned_away = |mut response: Response| {
        if says_more {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    };
    let mut response = match guard.admit(&mut request) {
        Err(problem) => turned_away(problem.into_response()),
        Ok(needed) => match guard.identify(&mut request, needed).await {
            Err(refused) => turned_away(refused),
            Ok(()) if guard.access == Access::Socket => next.run(request).await,
            Ok(()) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::unavailable("this took too long, and was given up").into_response(),
            },
        },
    };
    harden(response.headers_mut(), is_api);
    response
}

impl Guard {
    /// Whether a request may come in at all; gives what has to be allowed to whoever asks.
    fn admit(&self, request: &mut Request) -> Result<Option<Role>, Problem> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let longest = if self.access == Access::Socket { LONGEST_ON_SOCKET } else { LONGEST };
        if self.access == Access::Tcp {
            let names = origin::Names::of(&self.web);
            origin::check_host(request, &names)?;
            // What is signed is not sent by a browser on somebody's behalf.
            if !is_hook(&path) {
                origin::check_source(request, &names, is_api(&path))?;
            }
        }
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > longest as u64) {
            return Err(extract::too_large());
        }
        Ok(needed(&method, &path))
    }

    /// Finds out who asks, and whether they may.
    async fn identify(&self, request: &mut Request, needed: Option<Role>) -> Result<(), Response> {
        let peer = request.extensions().get::<Peer>().cloned();
        let mut pass = match self.access {
            Access::Socket => Pass::SOCKET,
            Access::Tcp => Pass::none(request),
        };
        let caller = match (self.access, &peer) {
            (Access::Socket, Some(Peer::User(user))) => {
                Some(Caller { user: user.clone(), via: "cli".to_owned(), role: Role::Operate })
            }
            // A signature says enough.
            (Access::Tcp, Some(_)) if is_hook(request.uri().path()) => None,
            (Access::Tcp, Some(peer)) => {
                match identity::of(&self.web, peer, request.headers(), &mut pass).await {
                    Ok(caller) => caller,
                    // Who asks for nothing in particular need not show anything.
                    Err(_) if needed.is_none() => None,
                    Err(problem) => return Err(problem.into_response()),
                }
            }
            _ => None,
        };
        if let Some(needed) = needed {
            match &caller {
                Some(caller) if caller.role >= needed => {}
                Some(caller) if caller.user != NOBODY => {
                    let problem = Problem::new(
                        StatusCode::FORBIDDEN,
                        format!("the token `{}` may look, and change nothing", caller.user),
                    );
                    return Err(problem.hint("this takes a token with the role `operate`").into_response());
                }
                _ => {
                    let problem = unknown("this takes a token");
                    return Err(
                        if pass.is_proxied { problem.hint(THROUGH_PROXY) } else { problem }.into_response()
                    );
                }
            }
        }
        request.extensions_mut().insert(Who(caller));
        request.extensions_mut().insert(pass);
        if peer.is_none() {
            // Nobody can say where it comes from: no door lets such a request in.
            return Err(Problem::unavailable("nobody knows where this comes from").into_response());
        }
        Ok(())
    }
}

/// What to do where someone without a token comes through a proxy.
const THROUGH_PROXY: &str = "this came through a proxy: send `Authorization: Bearer TOKEN`, or log in with a token; `tidegate \
     token new NAME` makes one, and `anonymous` in `[web]` says what those without one may do";

/// Nobody knows who asks: 401.
fn unknown(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail).hint(
        "send `Authorization: Bearer TOKEN`, or log in with a token; `tidegate token new NAME` makes one",
    )
}

/// What has to be allowed to whoever asks this; none where anyone may.
fn needed(method: &Method, path: &str) -> Option<Role> {
    let is_free = !is_api(path) || is_hook(path) || path == "/api/v1/session";
    match *method {
        _ if is_free => None,
        Method::GET | Method::HEAD => Some(Role::Read),
        _ => Some(Role::Operate),
    }
}

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn is_hook(path: &str) -> bool {
    path.starts_with("/api/v1/hooks/")
}

fn harden(headers: &mut HeaderMap, is_api: bool) {
    let all = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let more = [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ];
    for (name, value) in more {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

/// A handler has a mistake. What it was is in the log, by way of the panic's own message.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request of the API failed: its handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the host has made a mistake; its log says more")
        .into_response()
}

/// What this guard can answer in the place of any operation, for the description of the API.
pub fn answers(takes_body: bool, changes: bool) -> Vec<(StatusCode, &'static str)> {
    let mut all = vec![
        (StatusCode::BAD_REQUEST, "The request makes no sense."),
        (StatusCode::UNAUTHORIZED, "It takes a token, or the one that came is none."),
        (StatusCode::FORBIDDEN, "The token may not do this, or another page has sent the request."),
        (StatusCode::MISDIRECTED_REQUEST, "The host is not known by the name that it was asked by."),
        (StatusCode::TOO_MANY_REQUESTS, "Too many came from there with what is no token."),
        (StatusCode::INTERNAL_SERVER_ERROR, "The host has made a mistake."),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "It cannot be done at the moment. Where the host is stopping, `Retry-After` says when to ask the next one.",
        ),
    ];
    if changes || takes_body {
        all.push((StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than is taken."));
        all.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not said to be JSON."));
    }
    if takes_body {
        all.push((StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."));
        all.push((StatusCode::UNPROCESSABLE_ENTITY, "The body is JSON, and not what is wanted."));
    }
    all
}

/// What the guard remembers between requests.
#[derive(Default)]
pub struct Memory {
    /// Those who came with what is no token.
    pub attempts: Attempts,
    /// The tokens, as they were read last.
    tokens: identity::Tokens,
    /// The sessions of browsers.
    sessions: identity::Opened,
    /// Whether it was said that somebody came through a proxy.
    knows_proxy: AtomicBool,
}
