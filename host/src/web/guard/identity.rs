//! Who asks: the token in a header, or what a browser got for it in a cookie; or nobody, who may do what the configuration says.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Instant,
};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{
    Caller, NOBODY, Peer,
    attempts::Verdict,
    origin,
    sessions::{self, Sessions},
    unknown,
};
use crate::{
    engine::tokens,
    model::{By, HostEventKind, Role},
    store::KnownToken,
    web::{Problem, state::Web},
};

/// The tokens as they were when the newest event had a number.
#[derive(Default)]
pub struct Tokens(Mutex<Option<(u64, Arc<[KnownToken]>)>>);

/// The sessions, once somebody has asked for one.
#[derive(Default)]
pub struct Opened(Mutex<Option<Arc<Sessions>>>);

/// What someone shows.
#[derive(Clone)]
enum Shown {
    Token(String),
    Session(String),
    /// What only the owner of the state directory can open.
    Socket,
    Nothing,
}

/// By what someone came in. Every request has it as an extension: who is answered for long is asked for it again.
#[derive(Clone)]
pub struct Pass {
    shown: Shown,
    /// Whether they come through a proxy, and so from anywhere.
    pub is_proxied: bool,
}

impl Pass {
    /// That of the socket.
    pub const SOCKET: Self = Self { shown: Shown::Socket, is_proxied: false };

    /// That of someone who shows nothing.
    pub fn none(request: &Request) -> Self {
        Self { shown: Shown::Nothing, is_proxied: origin::is_proxied(request) }
    }

    /// Whether it still lets whoever has it see something.
    pub async fn holds(&self, web: &Web) -> bool {
        match &self.shown {
            Shown::Socket => true,
            Shown::Nothing => anonymous(web, self).is_some(),
            shown => matches!(known(web, shown.clone()).await, Ok(Some(_))),
        }
    }
}

/// What someone without a token may do who comes in so, as things stand; none where nothing.
pub fn anonymous(web: &Web, pass: &Pass) -> Option<Role> {
    let config = web.front().configuration().current();
    let at = web.front().listening()?;
    let role = config.web.anonymous_at(at, pass.is_proxied);
    if role.is_none()
        && config.web.anonymous_at(at, false).is_some()
        && !web.guard().knows_proxy.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "someone asks through a proxy: that takes a token. Set `url` to the address of the proxy; `anonymous` in `[web]` says \
             what those without a token may do"
        );
    }
    role
}

/// Someone without a token.
pub fn nobody(role: Role) -> Caller {
    Caller { user: NOBODY.to_owned(), via: "ui".to_owned(), role }
}

/// Who asks; none for somebody who may do nothing. What is shown and is no token is refused, so that nobody works on as
/// somebody else than they think. The pass becomes one of what is shown.
pub async fn of(
    web: &Web,
    peer: &Peer,
    headers: &HeaderMap,
    pass: &mut Pass,
) -> Result<Option<Caller>, Problem> {
    let session = session_in(web, headers);
    let from_page = session.is_some() || origin::is_from_page(headers);
    let via = if from_page { "ui" } else { "api" };
    if let Some(token) = bearer(headers) {
        let caller = log_in(web, peer, &token, via).await?;
        pass.shown = Shown::Token(token);
        return Ok(Some(caller));
    }
    // What a browser still has of a token that is none any more is as good as nothing.
    if let Some(shown) = session.map(Shown::Session)
        && let Some((user, role)) = known(web, shown.clone()).await?
    {
        pass.shown = shown;
        return Ok(Some(Caller { user, via: via.to_owned(), role }));
    }
    Ok(anonymous(web, pass).map(|role| Caller { via: via.to_owned(), ..nobody(role) }))
}

/// Who has a token. What is none is counted, and put on record once in a while.
pub async fn log_in(web: &Web, peer: &Peer, token: &str, via: &str) -> Result<Caller, Problem> {
    if let Some((user, role)) = known(web, Shown::Token(token.to_owned())).await? {
        return Ok(Caller { user, via: via.to_owned(), role });
    }
    Err(refuse(web, peer, via, "the token is none, or none any more").await)
}

/// What is answered to what is no token, or no signature; who comes too often with such is told to wait.
pub async fn refuse(web: &Web, peer: &Peer, via: &str, detail: &str) -> Problem {
    let verdict = web.guard().attempts.failed(peer, Instant::now());
    let kept_out = matches!(verdict, Verdict::KeptOut(_));
    if kept_out || verdict == Verdict::First {
        let kind = HostEventKind::LoginFailed { by: By::new(NOBODY, via), peer: peer.to_string(), kept_out };
        let noted = web.work(move |web| Ok(web.front().note(kind)?)).await;
        if let Err(problem) = noted {
            return problem;
        }
    }
    match verdict {
        Verdict::First | Verdict::Another => unknown(detail),
        Verdict::KeptOut(left) | Verdict::StillOut(left) => {
            let seconds = left.as_secs().max(1);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many came from there with what is no token")
                .hint(format!("try again in {seconds} seconds"))
                .retry_after(seconds)
        }
    }
}

/// Whose it is.
async fn known(web: &Web, shown: Shown) -> Result<Option<(String, Role)>, Problem> {
    let now = *web.front().news().borrow();
    let kept = web.guard().tokens.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let tokens = match kept {
        Some((at, tokens)) if at == now => tokens,
        _ => {
            let tokens: Arc<[_]> = web.read(|_, reader| Ok(reader.tokens()?)).await?.into();
            // What was read may be newer than the number, and never older.
            *web.guard().tokens.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((now, Arc::clone(&tokens)));
            tokens
        }
    };
    // Each is compared, and each as long as any other.
    let is_shown: Box<dyn Fn(&KnownToken) -> bool + Send> = match shown {
        Shown::Token(token) => {
            let digest = tokens::digest(&token);
            Box::new(move |known| known.digests.token.as_bytes().ct_eq(digest.as_bytes()).into())
        }
        Shown::Session(session) => {
            let (sessions, now) = (opened(web).await?, Timestamp::now());
            Box::new(move |known| sessions.is_of(&session, &known.digests.session, now))
        }
        Shown::Socket | Shown::Nothing => return Ok(None),
    };
    let found = tokens.iter().fold(None, |found, known| if is_shown(known) { Some(known) } else { found });
    Ok(found.map(|known| (known.token.name.clone(), known.token.role)))
}

/// The sessions of this host.
async fn opened(web: &Web) -> Result<Arc<Sessions>, Problem> {
    let lock = |web: &Web| web.guard().sessions.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(sessions) = lock(web) {
        return Ok(sessions);
    }
    let open = |web: &Web| {
        // Whoever comes second waits: there is one key.
        let mut kept = web.guard().sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sessions) = &*kept {
            return Ok(Arc::clone(sessions));
        }
        let sessions = Sessions::open(web.front().state_dir())
            .map_err(|e| Problem::unavailable(format!("the key of sessions cannot be read or made: {e}")))?;
        Ok(Arc::clone(kept.insert(Arc::new(sessions))))
    };
    web.work(open).await
}

/// The token of `Authorization: Bearer TOKEN`. What has another scheme is none of ours: a proxy may ask for a password of its own,
/// and pass it on.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::AUTHORIZATION).iter();
    let mut tokens = all.filter_map(|value| {
        let value = value.as_bytes();
        let (scheme, token) = value.split_at(value.iter().position(|b| *b == b' ').unwrap_or(value.len()));
        scheme.eq_ignore_ascii_case(b"bearer").then(|| String::from_utf8_lossy(token).trim().to_owned())
    });
    let token = tokens.next()?;
    // Of two nobody knows which is meant.
    Some(if tokens.next().is_some() { String::new() } else { token })
}

fn session_in(web: &Web, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(web);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies =
        all.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// Browsers tell hosts apart by name, not by port. One that is encrypted gets a name that nobody without that can set.
fn cookie_name(web: &Web) -> String {
    if is_encrypted(web) {
        return "__Host-tidegate".to_owned();
    }
    let port = web.front().listening().map_or(0, |address| address.port());
    format!("tidegate-{port}")
}

fn is_encrypted(web: &Web) -> bool {
    web.front().configuration().current().url.starts_with("https:")
}

/// Begins a session of a token: the cookie that a browser gets for it.
pub async fn begin(web: &Web, token: &str) -> Result<String, Problem> {
    let session = opened(web).await?.begin(&tokens::digests(token).session, Timestamp::now());
    let session =
        session.map_err(|e| Problem::unavailable(format!("the system gives no random numbers: {e}")))?;
    Ok(written(web, &session, sessions::LASTS.as_secs()))
}

/// Ends the session that a browser shows, where it is one.
pub async fn end(web: &Web, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(session) = session_in(web, headers) else { return Ok(()) };
    if known(web, Shown::Session(session.clone())).await?.is_none() {
        return Ok(());
    }
    let sessions = opened(web).await?;
    let ended = move |_: &Web| {
        let ended = sessions.end(&session, Timestamp::now());
        ended.map_err(|e| {
            Problem::unavailable(format!("that the session has ended cannot be put on record: {e}"))
        })
    };
    web.work(ended).await
}

/// What takes the cookie away.
pub fn no_cookie(web: &Web) -> String {
    written(web, "", 0)
}

fn written(web: &Web, value: &str, seconds: i64) -> String {
    let secure = if is_encrypted(web) { "; Secure" } else { "" };
    let name = cookie_name(web);
    format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
}
