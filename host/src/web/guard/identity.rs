//! Who asks: the token in a header, or what a browser got for it in a cookie; or nobody, who may do what the configuration says.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::http::{HeaderMap, StatusCode, header};
use subtle::{Choice, ConstantTimeEq};

use super::{Caller, NOBODY, Peer, attempts::Verdict, origin, unknown};
use crate::{
    engine::tokens,
    model::{By, HostEventKind, Role},
    store::KnownToken,
    web::{Problem, state::Web},
};

/// How long a browser keeps what it got, in seconds: a month.
const KEEPS: u64 = 30 * 24 * 60 * 60;

/// The tokens as they were when the newest event had a number.
#[derive(Default)]
pub struct Tokens(Mutex<Option<(u64, Arc<[KnownToken]>)>>);

/// What someone shows.
enum Shown {
    Token(String),
    Session(String),
}

/// What someone without a token may do, as things stand; none where nothing.
pub fn anonymous(web: &Web) -> Option<Role> {
    web.front().configuration().current().web.anonymous_at(web.front().listening()?)
}

/// Someone without a token.
pub fn nobody(role: Role) -> Caller {
    Caller { user: NOBODY.to_owned(), via: "ui".to_owned(), role }
}

/// Who asks; none for somebody who may do nothing. What is shown and is no token is refused, so that nobody works on as
/// somebody else than they think.
pub async fn of(web: &Web, peer: &Peer, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let session = session_in(web, headers);
    let from_page = session.is_some() || origin::is_from_page(headers);
    let via = if from_page { "ui" } else { "api" };
    if let Some(token) = bearer(headers) {
        return log_in(web, peer, &token, via).await.map(Some);
    }
    // What a browser still has of a token that is none any more is as good as nothing.
    let known = match session {
        Some(session) => known(web, Shown::Session(session)).await?,
        None => None,
    };
    let caller = known.map(|(user, role)| Caller { user, via: via.to_owned(), role });
    Ok(caller.or_else(|| Some(Caller { via: via.to_owned(), ..nobody(anonymous(web)?) })))
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
    let digest = match &shown {
        Shown::Token(token) => tokens::digest(token),
        Shown::Session(session) => tokens::digest(session),
    };
    // Each is compared, and each as long as any other.
    let mut found = None;
    for known in tokens.iter() {
        let digests = &known.digests;
        let kept = if matches!(shown, Shown::Token(_)) { &digests.token } else { &digests.session };
        let same: Choice = kept.as_bytes().ct_eq(digest.as_bytes());
        if same.into() {
            found = Some((known.token.name.clone(), known.token.role));
        }
    }
    Ok(found)
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

/// The cookie that a browser gets for a token.
pub fn cookie(web: &Web, token: &str) -> String {
    written(web, &tokens::session(token), KEEPS)
}

/// What takes the cookie away.
pub fn no_cookie(web: &Web) -> String {
    written(web, "", 0)
}

fn written(web: &Web, value: &str, seconds: u64) -> String {
    let secure = if is_encrypted(web) { "; Secure" } else { "" };
    let name = cookie_name(web);
    format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
}
