//! The session of a browser: who is logged in. The token is swapped for a cookie that scripts cannot read, since a stream of
//! events can send no header.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    model::{By, HostEventKind, Role},
    web::{
        Problem,
        extract::Json,
        guard::{self, Pass, Peer, Who},
        state::Web,
    },
};

/// Who asks, as the host sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// The name of the user or of the token; null for someone without a token.
    pub user: Option<String>,
    /// What they may do; null where nothing.
    pub role: Option<Role>,
    /// Whether nothing can be seen without a token.
    pub login_required: bool,
    /// The host's version.
    pub version: String,
}

/// What someone logs in with.
#[derive(Deserialize, ToSchema)]
pub struct Login {
    /// A token, as `tidegate token new` has printed it.
    pub token: String,
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(session, log_in, log_out))
}

fn as_seen(web: &Web, who: &Who, pass: &Pass) -> Session {
    let caller = who.0.as_ref();
    Session {
        user: caller.filter(|caller| caller.user != guard::NOBODY).map(|caller| caller.user.clone()),
        role: caller.map(|caller| caller.role),
        login_required: guard::anonymous(web, pass).is_none(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Who asks, and what they may do. Anyone may ask this.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = Session)))]
async fn session(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    Extension(pass): Extension<Pass>,
) -> Json<Session> {
    Json(as_seen(&web, &who, &pass))
}

/// Logs a browser in: the answer sets a cookie that its scripts cannot read.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login, responses(
    (status = 200, body = Session, headers(("set-cookie" = String, description = "The session"))),
))]
async fn log_in(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    Extension(pass): Extension<Pass>,
    Json(login): Json<Login>,
) -> Result<Response, Problem> {
    let token = login.token.trim().to_owned();
    let caller = guard::log_in(&web, &peer, &token, "ui").await?;
    let begun = guard::begin(&web, &token).await?;
    let kind = HostEventKind::SessionBegun { by: By::new(&caller.user, "ui"), peer: peer.to_string() };
    web.work(move |web| Ok(web.front().note(kind)?)).await?;
    let session = as_seen(&web, &Who(Some(caller)), &pass);
    Ok((cookie(begun), Json(session)).into_response())
}

/// Logs a browser out: its session ends, and the answer takes its cookie away.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 200, body = Session)))]
async fn log_out(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    guard::end(&web, &headers).await?;
    if let Some(caller) = who.0.filter(|caller| caller.user != guard::NOBODY) {
        let kind = HostEventKind::SessionEnded { by: By::from(&caller), peer: peer.to_string() };
        web.work(move |web| Ok(web.front().note(kind)?)).await?;
    }
    let anonymous = Who(guard::anonymous(&web, &pass).map(guard::nobody));
    Ok((cookie(guard::no_cookie(&web)), Json(as_seen(&web, &anonymous, &pass))).into_response())
}

fn cookie(text: String) -> HeaderMap {
    let value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    HeaderMap::from_iter([(header::SET_COOKIE, value)])
}
