//! The configuration: reading it again.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    model::By,
    web::{Problem, extract::Json, guard::Caller, state::Web},
};

/// What a new state of the configuration changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// A line for people each; empty where nothing changed.
    pub changes: Vec<String>,
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(reload))
}

/// Has the configuration read again. One with mistakes changes nothing.
#[utoipa::path(post, path = "/configuration/reload", tag = "host", responses(
    (status = 200, body = Changes),
    (status = 409, description = "It has mistakes, and was refused", body = Problem, content_type = "application/problem+json"),
))]
async fn reload(State(web): State<Web>, caller: Caller) -> Result<Json<Changes>, Problem> {
    let changes = web.work(move |web| Ok(web.front().reload(By::from(caller))?)).await?;
    Ok(Json(Changes { changes }))
}
