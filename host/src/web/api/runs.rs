//! Runs: which there are, what became of each, and how they are stopped and resumed.

use std::{borrow::Cow, collections::BTreeSet};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    fold,
    model::{Launch, NodeRun, ResourceType, RunId, RunState},
    store::{DeliveryRow, NotificationRow, Reader, RunSearch, RunsFound, Stored},
    web::{
        Problem,
        api::socket::Socket,
        extract::{Json, Path, Query},
        guard::Caller,
        page::{Page, Paging},
        run::{self, NodeRow, RowHead, RunDetail, RunSummary},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list_runs))
        .routes(routes!(facets))
        .routes(routes!(get_run))
        .routes(routes!(run_nodes))
        .routes(routes!(run_events))
        .routes(routes!(run_notifications))
        .routes(routes!(cancel_run))
        .routes(routes!(resume_run))
}

/// Which runs.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only runs of this job.
    job: Option<String>,
    /// Only runs in one of these states, with commas between them: `failed,cancelled`.
    state: Option<String>,
    /// Only runs of this project.
    project: Option<String>,
    /// Only runs that had to do with this node: dbt's unique id.
    asset: Option<String>,
    /// Only runs that were launched so: `cli`, `ui`, `api`, `webhook`, `schedule`, `after`, `sensor` or `resume`.
    via: Option<String>,
    /// Only runs with this number, or whose title, user or reason contains this, in any case.
    q: Option<String>,
}

impl Wanted {
    fn search(self, paging: &Paging) -> Result<RunSearch, Problem> {
        let states = self.state.as_deref().unwrap_or_default().split(',').filter(|word| !word.is_empty());
        let states = states.map(|word| {
            serde_json::from_value(word.into()).map_err(|_| {
                Problem::bad(format!("`{word}` is no state of a run")).hint(
                    "states are queued, running, succeeded, warned, incomplete, failed, empty, cancelled, \
                     interrupted, refused",
                )
            })
        });
        Ok(RunSearch {
            before: paging.behind()?.map(RunId),
            states: states.collect::<Result<Vec<RunState>, _>>()?,
            job: self.job,
            project: self.project,
            unique_id: self.asset,
            via: self.via,
            text: self.q.filter(|text| !text.is_empty()),
            limit: paging.limit(),
        })
    }
}

/// The runs, newest first. What is rare is searched for in the last thousand runs at a time: a page may hold fewer than asked for,
/// even none, though `next` says that there may be more.
#[utoipa::path(get, path = "/runs", tag = "runs",
    params(Wanted, Paging),
    responses(
        (status = 200, body = Page<RunSummary>),
        (status = 400, description = "A filter, the cursor or the limit makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_runs(
    State(web): State<Web>,
    Query(wanted): Query<Wanted>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<RunSummary>>, Problem> {
    let search = wanted.search(&paging)?;
    let list = move |web: &Web, reader: &Reader| {
        let RunsFound { runs, next } = reader.search(&search)?;
        Ok(Page::of((run::summaries(web, runs)?, next)))
    };
    Ok(Json(web.read(list).await?))
}

/// What runs can be filtered by.
#[derive(Debug, Serialize, ToSchema)]
struct RunFacets {
    /// The jobs that are configured, and those of which there are runs, by name.
    jobs: Vec<String>,
}

/// What runs can be filtered by.
#[utoipa::path(get, path = "/runs/facets", tag = "runs", responses(
    (status = 200, body = RunFacets),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn facets(State(web): State<Web>) -> Result<Json<RunFacets>, Problem> {
    let jobs = web.read(|web, reader| {
        let mut jobs: BTreeSet<_> = reader.jobs_of_runs()?.into_iter().collect();
        jobs.extend(web.front().configuration().current().jobs.keys().cloned());
        Ok(jobs.into_iter().collect())
    });
    Ok(Json(RunFacets { jobs: jobs.await? }))
}

/// A run in full, without its nodes.
#[utoipa::path(get, path = "/runs/{run}", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number")),
    responses(
        (status = 200, body = RunDetail),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_run(State(web): State<Web>, Path(id): Path<RunId>) -> Result<Json<RunDetail>, Problem> {
    Ok(Json(web.read(move |web, reader| RunDetail::read(web, reader, id)).await?))
}

/// The nodes of a run.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it says what is written by hand, node by node")]
struct RunNodes {
    /// The event up to which this is told: of messages of `/live` those of older events say nothing new.
    as_of: u64,
    /// The nodes, attempt by attempt, in the order of their ids.
    items: Vec<NodeRow>,
}

/// The nodes of a run, all of each attempt.
#[utoipa::path(get, path = "/runs/{run}/nodes", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number")),
    responses(
        (status = 200, body = RunNodes),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_nodes(State(web): State<Web>, Path(id): Path<RunId>) -> Result<Response, Problem> {
    let read = move |web: &Web, reader: &Reader| {
        let run = reader.outline(id)?;
        let opened = web.front().shelf().known(&run.request.project);
        let (rows, as_of) = reader.node_texts(id)?;
        let times = rows.iter().map(|(_, _, text)| Ok(reader.read_node::<Times<'_>>(text)?.node()));
        let times = times.collect::<Result<Vec<_>, Problem>>()?;
        let project = opened.as_ref().map(|opened| &opened.project);
        let mut text = format!("{{\"as_of\":{as_of},\"items\":[").into_bytes();
        let mut rest = times.as_slice();
        for attempt in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (nodes, behind) = rest.split_at(attempt.len());
            rest = behind;
            let path = fold::critical_path(nodes, project);
            let path: BTreeSet<_> = path.into_iter().collect();
            for ((step, attempt, body), node) in attempt.iter().zip(nodes) {
                let (key, name) = run::named(&node.unique_id, opened.as_deref());
                let critical = Some(path.contains(node.unique_id.as_str()));
                if !text.ends_with(b"[") {
                    text.push(b',');
                }
                let head = RowHead { step: *step, attempt: *attempt, key, name, critical };
                head.write(body, &mut text).map_err(|e| Problem::unavailable(e.to_string()))?;
            }
        }
        text.extend_from_slice(b"]}");
        Ok(text)
    };
    let text = web.read(read).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// When a node ran, and where: of what is on record of it the part that the critical path needs.
#[derive(Deserialize)]
struct Times<'a> {
    #[serde(borrow)]
    unique_id: Cow<'a, str>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    thread: Option<String>,
}

impl Times<'_> {
    fn node(self) -> NodeRun {
        let Self { unique_id, started_at, finished_at, thread } = self;
        let resource_type = ResourceType::of_unique_id(&unique_id);
        NodeRun { started_at, finished_at, thread, ..NodeRun::queued(&unique_id, resource_type) }
    }
}

/// What happened to a run, in order: the events that all else about it is made of.
#[utoipa::path(get, path = "/runs/{run}/events", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number"), Paging),
    responses(
        (status = 200, body = Page<Stored>),
        (status = 400, description = "The cursor is none, or the limit is out of its range", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_events(
    State(web): State<Web>,
    Path(id): Path<RunId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Stored>>, Problem> {
    let after = paging.behind()?;
    let read = move |_: &Web, reader: &Reader| {
        reader.outline(id)?;
        Ok(Page::of(reader.events_behind(id, after, paging.limit())?))
    };
    Ok(Json(web.read(read).await?))
}

/// What an alert has told of a run, or was kept from telling.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Told {
    /// The notification.
    #[serde(flatten)]
    notification: NotificationRow,
    /// What was sent for it, and where to.
    deliveries: Vec<DeliveryRow>,
}

/// What was told of a run, oldest first, what was suppressed included.
#[utoipa::path(get, path = "/runs/{run}/notifications", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number")),
    responses(
        (status = 200, body = Vec<Told>),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_notifications(
    State(web): State<Web>,
    Path(id): Path<RunId>,
) -> Result<Json<Vec<Told>>, Problem> {
    let read = move |_: &Web, reader: &Reader| {
        reader.outline(id)?;
        let mut deliveries = reader.deliveries_of(id)?;
        let told = reader.notifications_of(id)?.into_iter().map(|notification| {
            let of = |delivery: &mut DeliveryRow| delivery.notification == notification.id;
            let deliveries = deliveries.extract_if(.., of).collect();
            Told { notification, deliveries }
        });
        Ok(told.collect())
    };
    Ok(Json(web.read(read).await?))
}

/// Stops a run: dbt gets time to cancel its queries. That it is asked to is on record when this answers.
#[utoipa::path(post, path = "/runs/{run}/cancel", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number")),
    responses(
        (status = 200, description = "It is being stopped", body = RunSummary),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended already", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn cancel_run(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<RunId>,
) -> Result<Json<RunSummary>, Problem> {
    let cancel = move |web: &Web, reader: &Reader| {
        let state = reader.outline(id)?.state;
        if state.is_finished() {
            return Err(Problem::conflict(format!("run {id} has ended already: {state}")));
        }
        web.front().cancel(id, caller)?;
        let run = reader.summary(id)?.ok_or(crate::store::StoreError::NoSuchRun(id.0))?;
        run::summaries(web, vec![run])?.pop().ok_or_else(|| Problem::missing(format!("there is no run {id}")))
    };
    Ok(Json(web.read(cancel).await?))
}

/// The run that does what is left to do of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Resumed {
    /// Its number.
    run: RunId,
}

/// How a run is resumed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Resume {
    /// Who asks, and how. It counts over the socket of the state directory only.
    launch: Option<Launch>,
}

/// Runs what is left to do of a run that failed, was cancelled or was interrupted. A run is resumed once: asked again, this answers
/// with the same run.
#[utoipa::path(post, path = "/runs/{run}/resume", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number")),
    request_body = Option<Resume>,
    responses(
        (status = 200, description = "It is resumed", body = Resumed),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is nothing to resume", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn resume_run(
    socket: Result<Socket, Problem>,
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<RunId>,
    body: Option<Json<Resume>>,
) -> Result<Json<Resumed>, Problem> {
    let given = body.and_then(|Json(body)| body.launch).filter(|_| socket.is_ok());
    let resume = move |web: &Web, reader: &Reader| {
        reader.outline(id)?;
        let Caller { user, via, .. } = caller;
        let launch = given.unwrap_or(Launch { user, via, command: Vec::new(), reason: None });
        Ok(Resumed { run: web.front().resume(id, launch)? })
    };
    Ok(Json(web.read(resume).await?))
}
