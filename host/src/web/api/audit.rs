//! The trail of who did what.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    store::{AuditFilter, AuditRow},
    web::{
        Problem,
        extract::{Json, Query},
        page::{Page, Paging},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(audit))
}

/// What to show of the trail.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only what this user or token did.
    user: Option<String>,
    /// Only this, such as `run.launch`.
    action: Option<String>,
}

/// Who did what, newest first. What started by itself is not in it.
#[utoipa::path(get, path = "/audit", tag = "host", params(Filter, Paging), responses(
    (status = 200, body = Page<AuditRow>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn audit(
    State(web): State<Web>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    let (before, limit) = (paging.behind()?, paging.limit());
    let filter = AuditFilter { user: filter.user, action: filter.action, before, limit };
    Ok(Json(web.read(move |_, reader| Ok(Page::of(reader.audit_page(&filter)?))).await?))
}
