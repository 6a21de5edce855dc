//! Alerts, what was told of them, and where that goes.

use axum::{Extension, extract::State};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::trial::{self, Tested},
    model::{By, HostEventKind},
    store::{DeliveryRow, NotificationRow, Reader},
    view::{
        alerts::{self, AlertDetail, DestinationRow},
        plugins,
    },
    web::{
        Access, Problem,
        extract::{Json, Path, Query},
        guard::Caller,
        page::{Page, Paging},
        state::{Web, missing},
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(snooze))
        .routes(routes!(notifications))
        .routes(routes!(deliveries))
        .routes(routes!(destinations))
        .routes(routes!(test))
}

/// The alerts, by name: who is told of what, and what is failing.
#[utoipa::path(get, path = "/alerts", tag = "alerts", responses(
    (status = 200, body = Vec<AlertDetail>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(web): State<Web>) -> Result<Json<Vec<AlertDetail>>, Problem> {
    Ok(Json(web.read(details).await?))
}

/// Silence for a while.
#[derive(Debug, Deserialize, ToSchema)]
struct Snooze {
    /// Until when nothing is told; null to hear of it again.
    until: Option<Timestamp>,
}

/// Tells nothing of an alert until a time; what happens meanwhile is on record.
#[utoipa::path(post, path = "/alerts/{alert}/snooze", tag = "alerts", params(
    ("alert" = String, Path, description = "The alert's name"),
), request_body = Snooze, responses(
    (status = 200, body = AlertDetail, description = "The alert as it is now"),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "That time is over"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such alert"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It cannot be done as things stand"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn snooze(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
    Json(Snooze { until }): Json<Snooze>,
) -> Result<Json<AlertDetail>, Problem> {
    let alert = web.read(move |web, reader| {
        if until.is_some_and(|until| until <= Timestamp::now()) {
            return Err(Problem::bad("that time is over").hint("`until` is a time that is to come, or null"));
        }
        detail(web, reader, &name)?;
        web.front().snooze(name.clone(), until, caller)?;
        detail(web, reader, &name)
    });
    Ok(Json(alert.await?))
}

/// What was to be told, newest first, what was suppressed included.
#[utoipa::path(get, path = "/notifications", tag = "alerts", params(Paging), responses(
    (status = 200, body = Page<NotificationRow>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn notifications(
    State(web): State<Web>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<NotificationRow>>, Problem> {
    let page = web
        .read(move |_, reader| Ok(Page::of(reader.notifications_behind(paging.behind()?, paging.limit())?)));
    Ok(Json(page.await?))
}

/// What was sent where, newest first, and what came of it.
#[utoipa::path(get, path = "/deliveries", tag = "alerts", params(Paging), responses(
    (status = 200, body = Page<DeliveryRow>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn deliveries(
    State(web): State<Web>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<DeliveryRow>>, Problem> {
    let page =
        web.read(move |_, reader| Ok(Page::of(reader.deliveries_behind(paging.behind()?, paging.limit())?)));
    Ok(Json(page.await?))
}

/// Where notifications can go, by name, and what each place lacks.
#[utoipa::path(get, path = "/destinations", tag = "alerts", responses(
    (status = 200, body = Vec<DestinationRow>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn destinations(State(web): State<Web>) -> Result<Json<Vec<DestinationRow>>, Problem> {
    let rows = web.work(|web| {
        let config = web.front().configuration().current();
        Ok(config.destinations.values().map(DestinationRow::of).collect())
    });
    Ok(Json(rows.await?))
}

/// What to test a destination with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Test {
    /// The notifier that writes what is sent, as the list of plugins calls it; without it as little is sent as will do. Over the
    /// socket of the state directory it may be a path.
    notifier: Option<String>,
}

/// Sends a test to a destination, at once. Nothing is tried again; that it was tested is in the audit trail.
#[utoipa::path(post, path = "/destinations/{destination}/test", tag = "alerts", params(
    ("destination" = String, Path, description = "The destination's name"),
), request_body = Test, responses(
    (status = 200, body = Tested, description = "What came of it, well or not"),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "There is no such notifier"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such destination"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn test(
    State(web): State<Web>,
    Extension(access): Extension<Access>,
    caller: Caller,
    Path(name): Path<String>,
    Json(Test { notifier }): Json<Test>,
) -> Result<Json<Tested>, Problem> {
    let tested = web.read(move |web, reader| {
        let config = web.front().configuration().current();
        let known = || config.destinations.keys();
        let destination =
            config.destinations.get(&name).ok_or_else(|| missing("destination", &name, known()))?;
        let catalogue = web.front().catalogue();
        if let Some(notifier) = &notifier
            && access == Access::Socket
        {
            catalogue
                .notifier(notifier)
                .map_err(|e| Problem { hint: e.hint(), ..Problem::bad(e.to_string()) })?;
        } else if let Some(notifier) = &notifier {
            // A path that nobody has configured is no business of a browser's.
            let rows = plugins::rows(&config, catalogue, Some(&reader.plugins()?), true);
            if !rows.iter().any(|row| row.name == *notifier) {
                let names = rows.iter().map(|row| &row.name);
                let problem = missing("notifier", notifier, names);
                return Err(Problem { hint: problem.hint, ..Problem::bad(problem.detail) });
            }
        }
        let by = match access {
            Access::Socket => trial::BY_COMMAND.to_owned(),
            Access::Tcp => format!("{} from Tidegate", caller.user),
        };
        let tested = trial::run(catalogue, destination, notifier.as_deref(), &by);
        let error = tested.error.clone();
        let by = By::from(caller);
        web.front().note(HostEventKind::DestinationTested { by, destination: name, notifier, error })?;
        Ok(tested)
    });
    Ok(Json(tested.await?))
}

fn details(web: &Web, reader: &Reader) -> Result<Vec<AlertDetail>, Problem> {
    let config = web.front().configuration().current();
    Ok(alerts::list(&config, web.front().catalogue(), reader, Timestamp::now())?)
}

fn detail(web: &Web, reader: &Reader, name: &str) -> Result<AlertDetail, Problem> {
    let all = details(web, reader)?;
    let found = all.iter().find(|alert| alert.name == name).cloned();
    found.ok_or_else(|| missing("alert", name, all.iter().map(|alert| &alert.name)))
}
