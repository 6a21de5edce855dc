//! The host itself: how it is.

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::Status,
    web::{Problem, extract::Json, state::Web},
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(status))
}

/// How the host is: what it runs, what waits and for what, what it fires next.
#[utoipa::path(get, path = "/status", tag = "host", responses(
    (status = 200, body = Status),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn status(State(web): State<Web>) -> Result<Json<Status>, Problem> {
    Ok(Json(web.work(|web| Ok(web.front().status()?)).await?))
}
