//! Tokens: who may ask over the network. They are made and revoked on the socket of the state directory only, so that nobody who
//! got hold of one can make more.

use axum::{Extension, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    model::{By, Role, Token},
    web::{
        Problem,
        extract::{Json, Path},
        guard::{Caller, Peer},
        state::Web,
    },
};

/// The token to make.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct NewToken {
    /// Who has it, for the audit trail: letters, digits, `_`, `-`, `.` and `@`.
    pub name: String,
    /// What whoever has it may do.
    pub role: Role,
}

/// A token that was just made. Nobody sees it again.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct MintedToken {
    /// Its name.
    pub name: String,
    /// The token: a secret.
    pub token: String,
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(tokens, new_token))
        .routes(routes!(revoke_token))
        .routes(routes!(rotate_token))
}

fn only_on_the_socket(peer: &Peer) -> Result<(), Problem> {
    match peer {
        Peer::User(_) => Ok(()),
        Peer::Address(_) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "tokens are made and revoked on the host's own machine")
                .hint("`tidegate token` does it"))
        }
    }
}

/// The tokens there are; of none anything by which one could log in.
#[utoipa::path(get, path = "/tokens", tag = "session", responses((status = 200, body = Vec<Token>)))]
async fn tokens(State(web): State<Web>) -> Result<Json<Vec<Token>>, Problem> {
    let tokens = web.read(|_, reader| Ok(reader.tokens()?)).await?;
    Ok(Json(tokens.into_iter().map(|known| known.token).collect()))
}

/// Makes a token. Only on the socket of the state directory.
#[utoipa::path(post, path = "/tokens", tag = "session", request_body = NewToken, responses(
    (status = 201, body = MintedToken),
    (status = 409, description = "There is one of this name, or it can be no name", body = Problem, content_type = "application/problem+json"),
))]
async fn new_token(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    caller: Caller,
    Json(NewToken { name, role }): Json<NewToken>,
) -> Result<(StatusCode, Json<MintedToken>), Problem> {
    only_on_the_socket(&peer)?;
    let made = web.work(move |web| {
        let token = web.front().new_token(name.clone(), role, By::from(caller))?;
        Ok(MintedToken { name, token })
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Makes a token worth nothing. Only on the socket of the state directory.
#[utoipa::path(delete, path = "/tokens/{name}", tag = "session", params(("name" = String, Path, description = "The token's name")), responses(
    (status = 204, description = "It is worth nothing any more"),
    (status = 409, description = "There is no such token", body = Problem, content_type = "application/problem+json"),
))]
async fn revoke_token(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    only_on_the_socket(&peer)?;
    web.work(move |web| Ok(web.front().revoke_token(name, By::from(caller))?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exchanges a token for another one of the same name and role. Only on the socket of the state directory.
#[utoipa::path(post, path = "/tokens/{name}/rotate", tag = "session", params(("name" = String, Path, description = "The token's name")), responses(
    (status = 200, body = MintedToken),
    (status = 409, description = "There is no such token", body = Problem, content_type = "application/problem+json"),
))]
async fn rotate_token(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<MintedToken>, Problem> {
    only_on_the_socket(&peer)?;
    let made = web.work(move |web| {
        let token = web.front().rotate_token(name.clone(), By::from(caller))?;
        Ok(MintedToken { name, token })
    });
    Ok(Json(made.await?))
}
