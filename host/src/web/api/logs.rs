//! What dbt said in a run: page by page, as a file, and as it comes.

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    dbt::Level,
    model::{Run, RunId},
    process::LogFile,
    web::{
        Problem,
        download::{self, Source},
        extract::{Json, Path, Query, number_in},
        guard::Pass,
        live,
        log::{Filter, LogPage, LogRow, Place, RunLog},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(run_log)).routes(routes!(run_log_raw)).routes(routes!(run_log_live))
}

/// Which lines of the log of a run.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only this step, from 1.
    step: Option<u32>,
    /// Only this attempt at the step, from 1.
    attempt: Option<u32>,
    /// Only what is about this node: dbt's unique id.
    node: Option<String>,
    /// The least important level that is wanted; without it all levels.
    level: Option<Level>,
    /// Only lines whose message contains this, in any case.
    q: Option<String>,
    /// Whether to add the lines as they stand in the log.
    #[serde(default)]
    raw: bool,
    /// A place in the log: `next` or `previous` of a page, or `STEP.ATTEMPT.OFFSET` of a line.
    cursor: Option<String>,
}

/// How much of it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Size {
    /// At most so many lines: 1 to 5000; without it 500.
    #[param(minimum = 1, maximum = 5000)]
    #[serde(default, deserialize_with = "limit")]
    limit: Option<u32>,
    /// Whether the last lines before the cursor are wanted; without a cursor those at the end.
    #[serde(default)]
    tail: bool,
}

fn limit<'de, D: Deserializer<'de>>(query: D) -> Result<Option<u32>, D::Error> {
    number_in(query, "limit", 1..=5000)
}

/// Which part of the log.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Part {
    /// Only this step, from 1.
    step: Option<u32>,
    /// Only this attempt at the step, from 1.
    attempt: Option<u32>,
}

/// A message of the log as it comes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes what is sent piece by piece")]
enum LogMessage {
    /// More lines. The message's id is the cursor behind them.
    Lines(LogLines),
    /// The run has ended, and this is all.
    End(LogEnd),
}

/// Lines of the log.
#[derive(Debug, Serialize, ToSchema)]
struct LogLines {
    /// The lines, in order.
    items: Vec<LogRow>,
}

/// The end of the log.
#[derive(Debug, Serialize, ToSchema)]
struct LogEnd {}

impl Wanted {
    fn place(&self) -> Result<Option<Place>, Problem> {
        self.cursor.as_deref().map(|text| text.parse().map_err(Problem::bad)).transpose()
    }

    fn filter(&self) -> Filter {
        Filter {
            node: self.node.clone(),
            level: self.level,
            text: self.q.as_ref().filter(|text| !text.is_empty()).map(|text| text.to_lowercase()),
            raw: self.raw,
        }
    }

    fn log(&self, web: &Web, run: &Run) -> RunLog {
        RunLog::of(run, web.front().state_dir(), self.step, self.attempt)
    }
}

fn unreadable(e: std::io::Error) -> Problem {
    Problem::unavailable(format!("the log cannot be read: {e}"))
}

/// The log of a run, line by line, as dbt wrote it: the attempts one behind the other.
#[utoipa::path(get, path = "/runs/{run}/log", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number"), Wanted, Size),
    responses(
        (status = 200, body = LogPage),
        (status = 400, description = "The cursor is none, or the limit is out of its range", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_log(
    State(web): State<Web>,
    Path(run): Path<RunId>,
    Query(wanted): Query<Wanted>,
    Query(size): Query<Size>,
) -> Result<Json<LogPage>, Problem> {
    let place = wanted.place()?;
    let page = move |web: &Web| {
        let run = web.with_reader(|reader| Ok(reader.outline(run)?))?;
        let (log, filter) = (wanted.log(web, &run), wanted.filter());
        let most = size.limit.unwrap_or(500) as usize;
        let page = if size.tail { log.tail(place, &filter, most) } else { log.page(place, &filter, most) };
        page.map_err(unreadable)
    };
    Ok(Json(web.work(page).await?))
}

/// The log of a run as one file, exactly as dbt wrote it.
#[utoipa::path(get, path = "/runs/{run}/log/raw", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number"), Part),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_log_raw(
    State(web): State<Web>,
    Path(id): Path<RunId>,
    Query(Part { step, attempt }): Query<Part>,
) -> Result<Response, Problem> {
    let folders = web.read(move |web, reader| {
        let log = RunLog::of(&reader.outline(id)?, web.front().state_dir(), step, attempt);
        Ok(log.into_folders())
    });
    let sources = folders.await?.into_iter().map(|folder| -> Source {
        Box::new(move || Ok(LogFile::open(&folder)?.map(|file| Box::new(file) as _)))
    });
    let of = |what: &str, number: Option<u32>| number.map(|n| format!("-{what}-{n}")).unwrap_or_default();
    let name = format!("run-{id}{}{}.log", of("step", step), of("attempt", attempt));
    Ok(download::attachment(&name, "text/plain; charset=utf-8", sources.collect()))
}

/// How often it is looked for more.
const INTERVAL: Duration = Duration::from_millis(100);

/// So many lines are in a message at the most.
const LINES: usize = 1_000;

/// The log of a run as it comes: server-sent events. The id of each message is a cursor, from which `Last-Event-ID` goes on.
#[utoipa::path(get, path = "/runs/{run}/log/live", tag = "runs",
    params(
        ("run" = RunId, Path, description = "The run's number"), Wanted,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last message; goes before the cursor"),
    ),
    responses(
        (status = 200, body = LogMessage, content_type = "text/event-stream"),
        (status = 400, description = "The cursor is none", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many listen already", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_log_live(
    State(web): State<Web>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<RunId>,
    Query(mut wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(last) = live::last_event_id(&headers) {
        wanted.cursor = Some(last);
    }
    let mut place = wanted.place()?;
    let outline = move |web: &Web| web.with_reader(|reader| Ok(Arc::new(reader.outline(id)?)));
    let mut run = web.work(outline).await?;
    let wanted = Arc::new(wanted);
    let seat = web.live().seat()?;
    let (mut messages, response) = live::stream(seat);
    tokio::spawn(async move {
        let mut news = web.front().news();
        // Whoever may look no more hears no more.
        while pass.holds(&web).await {
            if news.has_changed().unwrap_or(false) {
                news.mark_unchanged();
                match web.work(outline).await {
                    Ok(now) => run = now,
                    // It is forgotten, or the host ends.
                    Err(_) => return,
                }
            }
            let (wanted, run) = (Arc::clone(&wanted), Arc::clone(&run));
            // Which log it is stands on the disk too.
            let page = move |web: &Web| {
                wanted.log(web, &run).page(place, &wanted.filter(), LINES).map_err(unreadable)
            };
            let Ok(LogPage { items, next, .. }) = web.work(page).await else { return };
            let moved = next.as_ref().is_some_and(|next| next.parse().ok() != place);
            if let Some(next) = &next {
                place = next.parse().ok();
            }
            if !items.is_empty() {
                let id = next.clone().unwrap_or_default();
                let lines = live::message("lines", &id, &LogLines { items });
                if messages.send(lines).await.is_none() {
                    return;
                }
            }
            if next.is_none() {
                let _ = messages.send(live::message("end", "", &LogEnd {})).await;
                return;
            }
            // Where more was found there may be more at once.
            if !moved && messages.wait(time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    });
    Ok(response)
}
