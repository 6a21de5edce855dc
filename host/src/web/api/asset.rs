//! One asset: its page, its history, and that of its checks.

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    model::{Asset, nearest},
    project::Opened,
    store::{CheckResult, Materialization, SourceLook},
    view::asset::{self, AssetDetail, DetailError, NodeStatus},
    web::{
        Problem,
        extract::{Json, Path, Query},
        page::{Page, Paging},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(one))
        .routes(routes!(materializations))
        .routes(routes!(runs))
        .routes(routes!(source_freshness))
        .routes(routes!(check_results))
}

/// An asset: everything of its page but the histories.
#[utoipa::path(get, path = "/projects/{project}/assets/{unique_id}", tag = "assets", params(
    ("project" = String, Path, description = "The project's name"),
    ("unique_id" = String, Path, description = "dbt's id of the node, or the asset's key"),
), responses(
    (status = 200, body = AssetDetail),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project or asset"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "The project cannot be read"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn one(
    State(web): State<Web>,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<AssetDetail>, Problem> {
    let detail = web.read(move |web, reader| {
        let opened = web.opened(&project)?;
        let (standings, _) = web.standings(reader, &opened)?;
        let asset = asset_of(&opened, &id)?;
        asset::detail(web.front().state_dir(), reader, &opened, &standings, asset).map_err(|e| match e {
            DetailError::Store(e) => Problem::from(e),
            DetailError::Manifest(e) => Problem::unavailable(e.to_string()),
        })
    });
    Ok(Json(detail.await?))
}

/// When and how an asset was built, newest first. It is kept longer than the runs.
#[utoipa::path(get, path = "/projects/{project}/assets/{unique_id}/materializations", tag = "assets", params(
    ("project" = String, Path, description = "The project's name"),
    ("unique_id" = String, Path, description = "dbt's id of the node"),
    Paging,
), responses(
    (status = 200, body = Page<Materialization>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn materializations(
    State(web): State<Web>,
    Path((project, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Materialization>>, Problem> {
    let page = web.read(move |web, reader| {
        web.project(&project)?;
        let part = reader.materializations_behind(&project, &id, paging.behind()?, paging.limit())?;
        Ok(Page::of(part))
    });
    Ok(Json(page.await?))
}

/// The runs that touched an asset, newest first, with how each went.
#[utoipa::path(get, path = "/projects/{project}/assets/{unique_id}/runs", tag = "assets", params(
    ("project" = String, Path, description = "The project's name"),
    ("unique_id" = String, Path, description = "dbt's id of the node"),
    Paging,
), responses(
    (status = 200, body = Page<NodeStatus>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn runs(
    State(web): State<Web>,
    Path((project, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<NodeStatus>>, Problem> {
    let page = web.read(move |web, reader| {
        web.project(&project)?;
        let (parts, next) = reader.parts_of_node_behind(&project, &id, paging.behind()?, paging.limit())?;
        Ok(Page::of((parts.into_iter().map(NodeStatus::from).collect(), next)))
    });
    Ok(Json(page.await?))
}

/// What `dbt source freshness` found of a source, newest first. It is kept longer than the runs.
#[utoipa::path(get, path = "/projects/{project}/assets/{unique_id}/source_freshness", tag = "assets", params(
    ("project" = String, Path, description = "The project's name"),
    ("unique_id" = String, Path, description = "dbt's id of the node"),
    Paging,
), responses(
    (status = 200, body = Page<SourceLook>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn source_freshness(
    State(web): State<Web>,
    Path((project, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SourceLook>>, Problem> {
    let page = web.read(move |web, reader| {
        web.project(&project)?;
        let part = reader.source_looks_behind(&project, &id, paging.behind()?, paging.limit())?;
        Ok(Page::of(part))
    });
    Ok(Json(page.await?))
}

/// What came of a check, newest first. It is kept longer than the runs.
#[utoipa::path(get, path = "/projects/{project}/checks/{unique_id}/results", tag = "assets", params(
    ("project" = String, Path, description = "The project's name"),
    ("unique_id" = String, Path, description = "dbt's id of the test"),
    Paging,
), responses(
    (status = 200, body = Page<CheckResult>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn check_results(
    State(web): State<Web>,
    Path((project, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<CheckResult>>, Problem> {
    let page = web.read(move |web, reader| {
        web.project(&project)?;
        let part = reader.check_results_behind(&project, &id, paging.behind()?, paging.limit())?;
        Ok(Page::of(part))
    });
    Ok(Json(page.await?))
}

/// An asset by its unique id or its key.
fn asset_of<'a>(opened: &'a Opened, id: &'a str) -> Result<&'a Asset, Problem> {
    let project = &opened.project;
    let found = project.asset(id).or_else(|| project.assets_by_key(id).next());
    found.ok_or_else(|| {
        let problem = Problem::missing(format!("project `{}` has no asset `{id}`", project.name));
        let ids = project.assets.iter().map(|asset| asset.unique_id.as_str());
        match nearest(id, ids) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    })
}
