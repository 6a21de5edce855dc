//! The graph of a project as it lies on a plane: laid out once for each manifest and each set of folded groups, and kept ready to send.

mod cache;
mod document;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use cache::Graphs;
use cache::Ready;
use document::{Grouping, LineageGraph};

use crate::web::{
    Problem,
    extract::{Path, Query},
    state::Web,
};

/// Which picture of the graph.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A group to fold into one node, by its name in `groups`; may be given several times. `*` folds all groups.
    #[serde(default)]
    fold: Vec<String>,
    /// What the groups are: `group`, which dbt or a translator says, or `folder`.
    #[serde(default)]
    #[param(inline)]
    by: Grouping,
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(graph))
}

/// The graph of a project, laid out.
///
/// Nodes come in layers from left to right: sources first, exposures last. Groups can be folded, so that each is one node. The same
/// manifest always looks the same. Only assets and exposures are in it, no checks; states and colours come from elsewhere.
#[utoipa::path(get, path = "/projects/{project}/graph", tag = "projects",
    params(
        ("project" = String, Path, description = "A project of the configuration."),
        Wanted,
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the graph that is there already."),
    ),
    responses(
        (status = 200, body = LineageGraph, headers(("ETag" = String, description = "Names this very graph."))),
        (status = 304, description = "It is the graph that is there already."),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "There is no such group."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project."),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The project cannot be read."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn graph(
    State(web): State<Web>,
    Path(project): Path<String>,
    Query(Wanted { fold, by }): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ready = web
        .work(move |web| {
            let opened = web.opened(&project)?;
            web.graphs().get(&project, &opened, by, &fold)
        })
        .await?;
    Ok(answer(&ready, &headers))
}

/// The graph as this client can take it; nothing where it has it already.
fn answer(ready: &Ready, headers: &HeaderMap) -> Response {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let is_known = text(header::IF_NONE_MATCH)
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == ready.tag);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let takes_gzip = text(header::ACCEPT_ENCODING).split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = matches!(parts.next(), Some("gzip" | "*"));
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    });
    let mut response = match (is_known, takes_gzip) {
        (true, _) => status.into_response(),
        (false, true) => (status, ready.gzip.clone()).into_response(),
        (false, false) => match ready.plain() {
            Ok(plain) => (status, plain).into_response(),
            Err(problem) => return problem.into_response(),
        },
    };
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if !is_known && takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // A weak tag: plain and compressed are one graph.
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{}", ready.tag)) {
        headers.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests;
