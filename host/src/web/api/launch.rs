//! Launching: a run of a job with parameters or of a selection, and what it would do before it is asked for.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    config,
    engine::{
        Preview, Refusal, Taken,
        launch::{LaunchError, Sources, Wanted, What, again, resolve},
    },
    model::{Launch, NodeCommand, Parameters, RunId, RunRequest, Scope, Selection, first_line},
    project::{self, Call, Opened},
    web::{
        Problem,
        extract::{Json, Path},
        guard::Caller,
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(launch)).routes(routes!(plan)).routes(routes!(launch_of))
}

/// What is to be run: a `job`, or nodes of a `project`, which are the union of `select`, `assets`, `failed` and `failed_of`, but
/// where there are `assets`, `failed` is those of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LaunchBody {
    /// The job's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The project's name, where it is no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What is done with the nodes of the project; without it `build`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<NodeCommand>,
    /// Nodes in dbt's selection syntax, or `key:ASSET/KEY` with `+` before or behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// What is left out, in the same syntax.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Assets by their unique ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<String>,
    /// How much of the lineage around these assets; without it the assets themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Only what failed or was skipped when it was dealt with last: of the `assets` with their `scope`, and the checks on them; without
    /// `assets` of the whole project.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What is not done of this run of the project: what failed in it, was skipped or was never come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_of: Option<RunId>,
    /// What is changed about the steps. `select` and `exclude` are for the steps of a job only.
    #[serde(skip_serializing_if = "Parameters::are_none", deserialize_with = "strict")]
    pub parameters: Parameters,
    /// Whether nodes behind checks that failed in earlier runs are built too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_gate: bool,
    /// Where the run stands in the queue: higher goes first. Without it the job's priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// Parameters as a client sends them: one that is mistyped must not be lost in silence.
fn strict<'de, D: Deserializer<'de>>(from: D) -> Result<Parameters, D::Error> {
    const KNOWN: [&str; 6] = ["full_refresh", "vars", "target", "threads", "select", "exclude"];
    let given = serde_json::Map::deserialize(from)?;
    if let Some(odd) = given.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(D::Error::unknown_field(odd, &KNOWN));
    }
    serde_json::from_value(given.into()).map_err(D::Error::custom)
}

/// The run that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// Its number.
    pub run: RunId,
}

impl LaunchBody {
    /// What is wanted.
    fn wanted(self) -> Result<Wanted, Problem> {
        let unfit = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        let selection = Selection {
            command: self.command.unwrap_or_default(),
            select: self.select,
            exclude: self.exclude,
            assets: self.assets,
            scope: self.scope.unwrap_or_default(),
            failed: self.failed,
            failed_of: self.failed_of,
        };
        let selects = selection != Selection::default() || self.command.is_some() || self.scope.is_some();
        let what = match (self.job, self.project) {
            (Some(_), None) if selects => {
                return Err(unfit("a job selects by its steps").hint(
                    "give `select` and `exclude` in `parameters`, or a `project` in place of the job",
                ));
            }
            (Some(job), None) => What::Job(job),
            (None, Some(project)) => What::Nodes { project, selection },
            (Some(_), Some(_)) => return Err(unfit("give a `job` or a `project`, not both")),
            (None, None) => return Err(unfit("give a `job`, or a `project` and what to select of it")),
        };
        let Self { parameters, ignore_gate, priority, .. } = self;
        Ok(Wanted { what, parameters, ignore_gate, priority })
    }

    fn of(wanted: Wanted) -> Self {
        let Wanted { what, parameters, ignore_gate, priority } = wanted;
        let body = Self { parameters, ignore_gate, priority, ..Self::default() };
        match what {
            What::Job(job) => Self { job: Some(job), ..body },
            What::Nodes { project, selection } => Self {
                project: Some(project),
                command: Some(selection.command),
                select: selection.select,
                exclude: selection.exclude,
                scope: (!selection.assets.is_empty()).then_some(selection.scope),
                assets: selection.assets,
                failed: selection.failed,
                failed_of: selection.failed_of,
                ..body
            },
        }
    }
}

impl From<LaunchError> for Problem {
    fn from(error: LaunchError) -> Self {
        let of = |status, refusal: Refusal| Self { hint: refusal.hint, ..Self::new(status, refusal.message) };
        match error {
            LaunchError::Unfit(refusal) => of(StatusCode::UNPROCESSABLE_ENTITY, refusal),
            LaunchError::Unreadable(refusal) => of(StatusCode::SERVICE_UNAVAILABLE, refusal),
            LaunchError::Store(error) => error.into(),
        }
    }
}

/// The request for what a body asks for.
fn request(web: &Web, body: LaunchBody, caller: &Caller, key: String) -> Result<RunRequest, Problem> {
    let config = web.front().configuration().current();
    let wanted = body.wanted()?;
    let launch =
        Launch { user: caller.user.clone(), via: caller.via.clone(), command: Vec::new(), reason: None };
    let open = |project: &config::Project| open(web, project);
    let reader = || web.front().reader();
    let from = Sources { config: &config, open: &open, reader: &reader };
    Ok(resolve(&from, wanted, launch, key)?)
}

/// A project as it was read last; with a target or variables of its own it is read now.
fn open(web: &Web, project: &config::Project) -> Result<Arc<Opened>, Refusal> {
    let front = web.front();
    if project.variant.is_none() {
        return front.shelf().get(project, front.state_dir(), front.catalogue());
    }
    let call = Call { notice: &|_| {}, stop: &|| false };
    let opened = project::look(project, front.state_dir(), front.catalogue(), &call);
    opened.map(Arc::new).map_err(|e| Refusal { message: e.to_string(), hint: e.hint() })
}

/// The key of a launch, as the client names it.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bad = || {
        Problem::bad("`Idempotency-Key` is to be one text of 1 to 255 visible characters of ASCII")
            .hint("a UUID does well")
    };
    let fits = |key: &&str| (1..=255).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic());
    let key = key.to_str().ok().filter(fits).ok_or_else(bad)?;
    if keys.next().is_some() { Err(bad()) } else { Ok(Some(format!("api:{key}"))) }
}

/// Whether a run was launched by this.
fn is_that(wanted: &Wanted, request: &RunRequest) -> bool {
    let known = again(request);
    (&known.what, &known.parameters) == (&wanted.what, &wanted.parameters)
        && (known.ignore_gate || !wanted.ignore_gate)
        && wanted.priority.is_none_or(|priority| priority == request.limits.priority)
}

/// A key that no other launch has.
fn fresh_key() -> String {
    format!("api-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

/// Launch a run of a job, or of a selection.
///
/// With an `Idempotency-Key` the same launch, sent again, is the same run: it is answered with 200 and that run.
#[utoipa::path(post, path = "/runs", tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this launch: asked again with the same key, it is the same run.")),
    request_body = LaunchBody,
    responses(
        (status = 201, body = Accepted, description = "The run was accepted.", headers(("Location" = String, description = "Where the run is."))),
        (status = 200, body = Accepted, description = "The run was accepted before, under the same key."),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The key is that of another launch."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "What is asked for does not exist or makes no sense."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn launch(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<LaunchBody>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let (run, is_new) = web
        .read(move |web, reader| {
            if let Some(key) = &key
                && let Some(run) = reader.run_of_key(key)?
            {
                // As it was then: the configuration may have changed since, and the launch was answered once.
                return if is_that(&body.wanted()?, &reader.run(run)?.request) {
                    Ok((run, false))
                } else {
                    Err(Problem::conflict(format!(
                        "the key is that of run {run}, which is of another launch"
                    ))
                    .hint("choose another key"))
                };
            }
            let request = request(web, body, &caller, key.unwrap_or_else(fresh_key))?;
            let Taken { run, is_new } = web.front().launch(request)?;
            Ok((run, is_new))
        })
        .await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(Accepted { run })).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/runs/{run}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Say what a launch would do, and change nothing: the commands, the nodes that they touch, what it waits for.
///
/// It may call dbt, and take some seconds then.
#[utoipa::path(post, path = "/plan", tag = "runs", request_body = LaunchBody, responses(
    (status = 200, body = Preview),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "What is asked for does not exist or makes no sense."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "The project cannot be read, or dbt is busy with what others have asked for."),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn plan(
    State(web): State<Web>,
    caller: Caller,
    Json(body): Json<LaunchBody>,
) -> Result<Json<Preview>, Problem> {
    let preview = web.plan(move |web, reader| {
        let request = request(web, body, &caller, String::new())?;
        let config = web.front().configuration().current();
        let open = |project: &config::Project| open(web, project);
        let mut preview = crate::engine::preview(&config, &request, &open, reader)?;
        // It is that of the project as it was read last; a run reads it anew.
        let projects = web.front().status()?.projects;
        let project = projects.into_iter().find(|project| project.name == preview.project);
        if let Some(problem) = project.and_then(|project| project.problem) {
            let what = first_line(&problem);
            preview
                .warnings
                .insert(0, format!("the project cannot be read as it is, so a run would be refused: {what}"));
        }
        Ok(preview)
    });
    Ok(Json(preview.await?))
}

/// What to launch to have the same again as a run.
#[utoipa::path(get, path = "/runs/{run}/launch", tag = "runs",
    params(("run" = u64, Path, description = "The run's number.")),
    responses(
        (status = 200, body = LaunchBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such run."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn launch_of(State(web): State<Web>, Path(run): Path<RunId>) -> Result<Json<LaunchBody>, Problem> {
    let body = web.read(move |_, reader| Ok(LaunchBody::of(again(&reader.run(run)?.request))));
    Ok(Json(body.await?))
}
