//! What only the socket of the state directory answers: what one tidegate on this machine asks another.

use std::{convert::Infallible, thread};

use axum::{
    Extension,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::sse::{Event, Sse},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::launch::Accepted;
use crate::{
    engine::Update,
    model::{RunId, RunRequest},
    web::{
        Access, Problem,
        extract::{Json, Path},
        guard::Caller,
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(request)).routes(routes!(follow)).routes(routes!(hand_over))
}

/// That a request came through the socket.
pub struct Socket;

impl FromRequestParts<Web> for Socket {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match Extension::<Access>::from_request_parts(parts, web).await {
            Ok(Extension(Access::Socket)) => Ok(Self),
            _ => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "only the socket of the state directory answers this",
            )
            .hint("POST /api/v1/runs launches a run, and GET /api/v1/live tells of it")),
        }
    }
}

/// Ask for a run by a request that is resolved already. Only over the socket of the state directory.
///
/// The same request under the same key is the same run.
#[utoipa::path(put, path = "/requests/{key}", tag = "socket",
    params(("key" = String, Path, description = "The key of the request.")),
    request_body = RunRequest,
    responses(
        (status = 200, body = Accepted),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "It was not asked over the socket."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn request(
    _: Socket,
    State(web): State<Web>,
    Path(key): Path<String>,
    Json(request): Json<RunRequest>,
) -> Result<Json<Accepted>, Problem> {
    if request.key != key {
        return Err(Problem::bad(format!("the request has the key `{}`, and not `{key}`", request.key)));
    }
    let run = web.work(move |web| Ok(web.front().request(request)?)).await?;
    Ok(Json(Accepted { run }))
}

/// So many updates may be on their way to a client that reads slowly; then it is waited for.
const ON_THE_WAY: usize = 256;

/// Listen to a run: a snapshot, then everything that happens to it, as server-sent events. Only over the socket of the state
/// directory.
///
/// The stream ends with the host, or some time after the run.
#[utoipa::path(get, path = "/runs/{run}/follow", tag = "socket",
    params(("run" = u64, Path, description = "The run's number.")),
    responses(
        (status = 200, body = Update, content_type = "text/event-stream"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "It was not asked over the socket."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn follow(
    _: Socket,
    State(web): State<Web>,
    Path(run): Path<RunId>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = web.front().listen(run);
    let (events, stream) = mpsc::channel(ON_THE_WAY);
    // The dispatcher speaks through a channel that blocks whoever listens.
    thread::spawn(move || {
        for update in news {
            let Ok(text) = serde_json::to_string(&update) else { return };
            if events.blocking_send(Ok(Event::default().data(text))).is_err() {
                return;
            }
        }
    });
    Sse::new(ReceiverStream::new(stream))
}

/// Leave, and leave what is under way to the host that comes next. Only over the socket of the state directory.
#[utoipa::path(post, path = "/hand_over", tag = "socket", responses(
    (status = 204, description = "It leaves."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "It was not asked over the socket."),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn hand_over(_: Socket, State(web): State<Web>, caller: Caller) -> Result<StatusCode, Problem> {
    web.work(move |web| Ok(web.front().hand_over(caller)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
