//! Projects: what they are, and where their assets stand.

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    view::{assets::ProjectStates, projects::ProjectRow},
    web::{
        Problem,
        extract::{Json, Path},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(projects)).routes(routes!(project)).routes(routes!(states))
}

/// The projects, by name, as far as they have been read.
#[utoipa::path(get, path = "/projects", tag = "projects", responses(
    (status = 200, body = Vec<ProjectRow>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn projects(State(web): State<Web>) -> Result<Json<Vec<ProjectRow>>, Problem> {
    Ok(Json(web.work(rows).await?))
}

/// A project.
#[utoipa::path(get, path = "/projects/{project}", tag = "projects", params(
    ("project" = String, Path, description = "The project's name"),
), responses(
    (status = 200, body = ProjectRow),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn project(State(web): State<Web>, Path(name): Path<String>) -> Result<Json<ProjectRow>, Problem> {
    let row = web.work(move |web| {
        let project = web.project(&name)?;
        let row = rows(web)?.into_iter().find(|row| row.name == name);
        Ok(row.unwrap_or_else(|| ProjectRow::of(&project, None, None)))
    });
    Ok(Json(row.await?))
}

/// Where the assets of a project stand, in as few words as it takes to colour a graph.
#[utoipa::path(get, path = "/projects/{project}/states", tag = "projects", params(
    ("project" = String, Path, description = "The project's name"),
), responses(
    (status = 200, body = ProjectStates),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "The project cannot be read"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn states(State(web): State<Web>, Path(name): Path<String>) -> Result<Json<ProjectStates>, Problem> {
    let states = web.read(move |web, reader| {
        let opened = web.opened(&name)?;
        let (standings, as_of) = web.standings(reader, &opened)?;
        Ok(ProjectStates::of(&standings, as_of))
    });
    Ok(Json(states.await?))
}

fn rows(web: &Web) -> Result<Vec<ProjectRow>, Problem> {
    let status = web.front().status()?;
    let config = web.front().configuration().current();
    let rows = config.projects.values().map(|project| {
        let known = status.projects.iter().find(|known| known.name == project.name);
        let problem = known.and_then(|known| known.problem.clone());
        ProjectRow::of(project, problem, web.front().shelf().known(&project.name).as_deref())
    });
    Ok(rows.collect())
}
