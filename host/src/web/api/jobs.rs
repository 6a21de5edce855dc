//! Jobs: what starts them and when, what was decided, and switching that off and on.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    store::{Reader, TickRow},
    view::{
        jobs::{self, DueTick, JobDetail, TriggerRow},
        timeline::{self, Timeline},
    },
    web::{
        Problem,
        extract::{Json, Path, Query, number_in},
        guard::Caller,
        page::{Page, Paging},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(preview))
        .routes(routes!(ticks_of_job))
        .routes(routes!(ticks))
        .routes(routes!(triggers))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(between))
}

/// The jobs, by name.
#[utoipa::path(get, path = "/jobs", tag = "jobs", responses(
    (status = 200, body = Vec<JobDetail>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(web): State<Web>) -> Result<Json<Vec<JobDetail>>, Problem> {
    let rows = web.read(|web, reader| {
        let config = web.front().configuration().current();
        let (automations, now) = (reader.automations()?, Timestamp::now());
        let row = |job| jobs::detail(&config, job, automations.get(&job.name), reader, now);
        Ok(config.jobs.values().map(row).collect::<Result<Vec<_>, _>>()?)
    });
    Ok(Json(rows.await?))
}

/// A job.
#[utoipa::path(get, path = "/jobs/{job}", tag = "jobs", params(
    ("job" = String, Path, description = "The job's name"),
), responses(
    (status = 200, body = JobDetail),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such job"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(web): State<Web>, Path(name): Path<String>) -> Result<Json<JobDetail>, Problem> {
    Ok(Json(web.read(move |web, reader| detail(web, reader, &name)).await?))
}

/// Which ticks to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Ahead {
    /// How many: 1 to 1000; without it 10.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(deserialize_with = "how_many")]
    n: Option<u32>,
    /// From this time on; without it now.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
}

fn how_many<'de, D: Deserializer<'de>>(query: D) -> Result<Option<u32>, D::Error> {
    number_in(query, "n", 1..=1000)
}

/// The next ticks of a job's schedule.
#[utoipa::path(get, path = "/jobs/{job}/preview", tag = "jobs", params(
    ("job" = String, Path, description = "The job's name"),
    Ahead,
), responses(
    (status = 200, body = Vec<DueTick>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The query makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such job"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The job has no schedule"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn preview(
    State(web): State<Web>,
    Path(name): Path<String>,
    Query(ahead): Query<Ahead>,
) -> Result<Json<Vec<DueTick>>, Problem> {
    let ticks = web.work(move |web| {
        let job = web.job(&name)?;
        let (from, n) = (ahead.from.unwrap_or_else(Timestamp::now), ahead.n.unwrap_or(10));
        jobs::preview(&job, from, n as usize).ok_or_else(|| {
            Problem::conflict(format!("the job `{name}` has no schedule"))
                .hint("add one: schedule = \"0 6 * * *\"")
        })
    });
    Ok(Json(ticks.await?))
}

/// What the triggers of a job have decided, newest first: what fired, and what was skipped and why.
#[utoipa::path(get, path = "/jobs/{job}/ticks", tag = "jobs", params(
    ("job" = String, Path, description = "The job's name; one that is no more will do"),
    Paging,
), responses(
    (status = 200, body = Page<TickRow>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn ticks_of_job(
    State(web): State<Web>,
    Path(name): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<TickRow>>, Problem> {
    let page = web.read(move |_, reader| {
        Ok(Page::of(reader.ticks_behind(Some(&name), paging.behind()?, paging.limit())?))
    });
    Ok(Json(page.await?))
}

/// What the triggers of all jobs have decided, newest first.
#[utoipa::path(get, path = "/ticks", tag = "jobs", params(Paging), responses(
    (status = 200, body = Page<TickRow>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn ticks(State(web): State<Web>, Query(paging): Query<Paging>) -> Result<Json<Page<TickRow>>, Problem> {
    let page = web
        .read(move |_, reader| Ok(Page::of(reader.ticks_behind(None, paging.behind()?, paging.limit())?)));
    Ok(Json(page.await?))
}

/// What starts jobs by itself, and when next.
#[utoipa::path(get, path = "/triggers", tag = "jobs", responses(
    (status = 200, body = Vec<TriggerRow>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn triggers(State(web): State<Web>) -> Result<Json<Vec<TriggerRow>>, Problem> {
    let rows = web.read(|web, reader| {
        let config = web.front().configuration().current();
        let (automations, now) = (reader.automations()?, Timestamp::now());
        let row = |job| jobs::triggers(job, automations.get(&job.name), now);
        Ok(config.jobs.values().flat_map(row).collect())
    });
    Ok(Json(rows.await?))
}

/// Lets nothing start a job by itself any more. Twice is as good as once.
#[utoipa::path(post, path = "/jobs/{job}/pause", tag = "jobs", params(
    ("job" = String, Path, description = "The job's name"),
), responses(
    (status = 200, body = JobDetail, description = "The job, paused"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such job"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "Nothing starts the job by itself"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn pause(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<JobDetail>, Problem> {
    Ok(Json(web.read(move |web, reader| switch(web, reader, name, true, caller)).await?))
}

/// Lets a paused job be started by itself again, from now on. Twice is as good as once.
#[utoipa::path(post, path = "/jobs/{job}/resume", tag = "jobs", params(
    ("job" = String, Path, description = "The job's name"),
), responses(
    (status = 200, body = JobDetail, description = "The job, not paused"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such job"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "Nothing starts the job by itself"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn resume(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<JobDetail>, Problem> {
    Ok(Json(web.read(move |web, reader| switch(web, reader, name, false, caller)).await?))
}

fn switch(
    web: &Web,
    reader: &Reader,
    name: String,
    paused: bool,
    caller: Caller,
) -> Result<JobDetail, Problem> {
    web.job(&name)?;
    web.front().pause(name.clone(), paused, caller)?;
    detail(web, reader, &name)
}

fn detail(web: &Web, reader: &Reader, name: &str) -> Result<JobDetail, Problem> {
    let job = web.job(name)?;
    let config = web.front().configuration().current();
    let automations = reader.automations()?;
    Ok(jobs::detail(&config, &job, automations.get(name), reader, Timestamp::now())?)
}

/// A span of time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Between {
    /// The beginning; without it a day ago.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// The end; without it in a day.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

/// What ran in a span of time and what will, job by job.
#[utoipa::path(get, path = "/timeline", tag = "jobs", params(Between), responses(
    (status = 200, body = Timeline),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The span makes no sense"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn between(State(web): State<Web>, Query(between): Query<Between>) -> Result<Json<Timeline>, Problem> {
    let timeline = web.read(move |web, reader| {
        let now = Timestamp::now();
        let day = SignedDuration::from_hours(24);
        let from = between.from.or_else(|| now.checked_sub(day).ok()).unwrap_or(now);
        let to = between.to.or_else(|| now.checked_add(day).ok()).unwrap_or(now);
        if from > to {
            return Err(Problem::bad(format!("the span ends at {to}, before it begins at {from}")));
        }
        let config = web.front().configuration().current();
        Ok(timeline::timeline(&config, reader, from, to, now)?)
    });
    Ok(Json(timeline.await?))
}
