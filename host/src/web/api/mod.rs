//! The routes of the API: a file for each kind of thing, and the description that is made of them.

mod alerts;
mod artifacts;
mod asset;
mod assets;
mod audit;
mod compare;
mod configuration;
mod graph;
mod hooks;
mod host;
mod jobs;
mod launch;
mod logs;
mod plugins;
mod projects;
mod runs;
mod session;
mod socket;
mod tokens;

use axum::{Router, http::StatusCode};

use super::extract::Json;
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use graph::Graphs;
pub use hooks::Seen;

use super::{guard, state::Web};

#[derive(OpenApi)]
#[openapi(info(
    title = "Tidegate",
    description = "What the command line can read and do. Errors are problem details (RFC 9457)."
))]
struct Description;

/// The routes of each kind of thing, with their description.
const PARTS: [fn() -> OpenApiRouter<Web>; 21] = [
    alerts::router,
    artifacts::router,
    asset::router,
    assets::router,
    audit::router,
    compare::router,
    configuration::router,
    graph::router,
    hooks::router,
    host::router,
    jobs::router,
    launch::router,
    logs::router,
    plugins::router,
    projects::router,
    runs::router,
    session::router,
    socket::router,
    super::live::router,
    tokens::router,
    || OpenApiRouter::new().routes(routes!(openapi_json)),
];

/// All routes. Their description is let go of part by part: all of it in memory would be several MB, at each start.
pub fn router() -> Router<Web> {
    let routes = PARTS.iter().map(|part| part().split_for_parts().0);
    Router::new().nest("/api/v1", routes.fold(Router::new(), Router::merge))
}

/// The description of the API: OpenAPI 3.1.
pub fn document() -> openapi::OpenApi {
    let routes = PARTS.iter().fold(OpenApiRouter::new(), |routes, part| routes.merge(part()));
    let mut document =
        OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", routes).into_openapi();
    name_operations(&mut document);
    describe_guard(&mut document);
    document
}

/// Names each operation by its method and path: `get_runs_run_nodes`. Names of functions are unique in their file only.
fn name_operations(document: &mut openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let path = path.trim_start_matches("/api/v1/").replace(['{', '}'], "").replace(['/', '.'], "_");
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{path}"));
            }
        }
    }
}

/// Adds to each operation what may be answered in its place.
fn describe_guard(document: &mut openapi::OpenApi) {
    let problem = || {
        let reference = openapi::Ref::from_schema_name("Problem");
        let content = openapi::ContentBuilder::new().schema(Some(reference)).build();
        openapi::ResponseBuilder::new().content("application/problem+json", content)
    };
    for (path, item) in &mut document.paths.paths {
        let reads = [&mut item.get, &mut item.head].map(|operation| (operation, false));
        let changes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for (operation, changes) in reads.into_iter().chain(changes.map(|operation| (operation, true))) {
            let Some(operation) = operation else { continue };
            let mut answers = guard::answers(operation.request_body.is_some(), changes);
            if path.contains('{') {
                answers.push((StatusCode::NOT_FOUND, "There is no such thing."));
            }
            for (status, description) in answers {
                let known = &mut operation.responses.responses;
                known
                    .entry(status.as_str().to_owned())
                    .or_insert_with(|| problem().description(description).build().into());
            }
        }
    }
}

/// The same as the text that the UI's types are made from.
///
/// # Errors
///
/// Where it cannot be written as JSON.
pub fn description() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document())
}

/// The description of the API: OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "host", responses((status = 200, body = serde_json::Value)))]
async fn openapi_json() -> Json<openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn every_route_is_described_once_and_in_full() {
        let document = serde_json::to_value(super::document()).unwrap();
        let mut ids = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id), "two operations are called {id}");
                assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
                let mut names = BTreeSet::new();
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let name = parameter["name"].as_str().unwrap();
                    assert!(names.insert(name.to_owned()), "{method} {path} has two parameters {name}");
                    assert!(
                        parameter["description"].is_string(),
                        "{method} {path} does not say what {name} is"
                    );
                }
                for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                    assert!(
                        names.contains(part.trim_end_matches('}')),
                        "{method} {path} does not name {part}"
                    );
                }
            }
        }
    }

    /// What the UI's types are made from is committed, so that a change of the API shows in a review, and building the UI takes
    /// no Rust.
    #[test]
    fn the_committed_description_is_that_of_the_code() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/api/openapi.json");
        let text = super::description().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not what the code says: run this test with UPDATE_OPENAPI=1, or `cargo xtask ui`",
            file.display()
        );
    }
}
