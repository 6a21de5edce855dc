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
    let before = match &paging.cursor {
        None => None,
        Some(cursor) => Some(cursor.parse::<u64>().map_err(|_| {
            Problem::bad("this is no cursor").hint("`next` of a page is the cursor of the page behind it")
        })?),
    };
    let limit = paging.limit();
    let filter = AuditFilter { user: filter.user, action: filter.action, before, limit: limit + 1 };
    let mut items = web.read(move |_, reader| Ok(reader.audit(&filter)?)).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|row| row.id.to_string());
    Ok(Json(Page { items, next }))
}
