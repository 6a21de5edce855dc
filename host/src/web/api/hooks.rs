//! Webhooks: signed requests that start a job. The signature is all that counts, and nothing of the body reaches dbt.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    config::{SIGNATURE_HEADER, web::LEAST_SECRET},
    deliver::{self, Signed},
    engine::request,
    model::{Launch, RunId},
    web::{
        Problem,
        extract::{BODY_WITHIN, Json, Path, too_large, too_slow},
        guard::{self, Peer},
        state::Web,
    },
};

/// The longest body that is taken, in bytes.
const LONGEST: usize = 256 << 10;

/// How far the time of a signature may be from ours.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

const GITHUB_SIGNATURE: &str = "x-hub-signature-256";
const GITHUB_DELIVERY: &str = "x-github-delivery";
const GITHUB_EVENT: &str = "x-github-event";

/// The run that a request has started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Started {
    /// Its number, the same for each request of one delivery; null where the request was a test of the sender's.
    pub run: Option<RunId>,
}

/// Signatures that were used, until they are too old anyway, each with the delivery that it was used for.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<String, (Timestamp, String)>>);

impl Seen {
    /// Whether a signature is used for the first time, or for the same delivery again.
    fn is_fresh(&self, signature: &str, delivery: &str, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (at, _)| now.duration_since(*at).abs() <= TOLERANCE * 3);
        let (_, first) = seen.entry(signature.to_owned()).or_insert((now, delivery.to_owned()));
        first == delivery
    }
}

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(hook))
}

/// Starts a job that has a `webhook`. The body may be any JSON; it has to be signed as Tidegate signs what it sends
/// (`X-Tidegate-Signature`, with an `Idempotency-Key`), or as GitHub does (`X-Hub-Signature-256`: the same body is the same
/// delivery then, whenever it comes). A job that does not exist, one without a webhook and a wrong signature are answered alike.
#[utoipa::path(post, path = "/hooks/{job}", tag = "runs",
    params(
        ("job" = String, Path, description = "The job's name"),
        ("X-Tidegate-Signature" = Option<String>, Header, description = "`t=SECONDS,v1=HEX`"),
        ("Idempotency-Key" = Option<String>, Header, description = "One for each delivery, the same each time that it is tried"),
        ("X-Hub-Signature-256" = Option<String>, Header, description = "`sha256=HEX`"),
    ),
    request_body = serde_json::Value,
    responses(
        (status = 202, body = Started),
        (status = 409, description = "The job is paused", body = Problem, content_type = "application/problem+json"),
    ))]
async fn hook(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    Path(job): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = tokio::time::timeout(BODY_WITHIN, Limited::new(request.into_body(), LONGEST).collect()).await;
    let body = body
        .map_err(|_| too_slow())?
        .map_err(|e| match e.is::<LengthLimitError>() {
            true => too_large(),
            false => Problem::bad("the body broke off"),
        })?
        .to_bytes();
    let now = Timestamp::now();
    let (name, given) = (job.clone(), Given::of(&headers));
    let (signed, body) = web
        .work(move |web| {
            let config = web.front().configuration().current();
            let secret = config.jobs.get(&name).and_then(|job| job.webhook.as_ref()).and_then(|secret| {
                deliver::secret(secret)
                    .inspect_err(|missing| {
                        tracing::error!(job = name, "the secret of its webhook is missing: {missing}")
                    })
                    .ok()
                    .filter(|secret| {
                        let is_long = secret.chars().count() >= LEAST_SECRET;
                        if !is_long {
                            tracing::error!(
                                job = name,
                                "the secret of its webhook has less than {LEAST_SECRET} characters: nothing is started by it"
                            );
                        }
                        is_long
                    })
            });
            // Where there is none, as much is computed.
            let known = secret.is_some();
            let signed = given.verified(secret.as_deref().unwrap_or("no such secret"), &body, now);
            Ok((signed.filter(|_| known), body))
        })
        .await?;
    let delivery = signed.filter(|delivery| match delivery.at {
        Some(at) => {
            at.as_second() >= web.began().as_second()
                && web.seen().is_fresh(&delivery.signature, &delivery.key, now)
        }
        // It is its own key: whenever it comes again, it is the same delivery.
        None => true,
    });
    let Some(delivery) = delivery else {
        let problem =
            guard::refuse(&web, &peer, "webhook", "the request is not signed, or its signature is wrong")
                .await;
        let mut response = problem.hint("docs/api.md says how to sign one").into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenge = axum::http::HeaderValue::from_static("Signature");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        return Ok(response);
    };
    if !body.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return Err(Problem::bad("the body is no JSON"));
    }
    if headers.get(GITHUB_EVENT).is_some_and(|event| event == "ping") {
        return Ok((StatusCode::ACCEPTED, Json(Started { run: None })).into_response());
    }
    let run = web.read(move |web, reader| {
        let config = web.front().configuration().current();
        let gone = || Problem::unavailable("the job has just gone");
        let configured = config.jobs.get(&job).ok_or_else(gone)?;
        let key = format!("webhook:{job}:{}", delivery.key);
        // What was started before the job was paused is told still.
        if let Some(run) = reader.run_of_key(&key)? {
            return Ok(run);
        }
        if reader.automations()?.get(&job).is_some_and(|automation| automation.paused.is_some()) {
            return Err(Problem::conflict(format!("the job `{job}` is paused"))
                .hint(format!("`tidegate schedules resume {job}` lets it be started again")));
        }
        let launch = Launch {
            user: "webhook".to_owned(),
            via: "webhook".to_owned(),
            command: Vec::new(),
            reason: Some(format!("delivery {}", delivery.name)),
        };
        let request = request::of_job(&config, configured, launch, key).ok_or_else(gone)?;
        Ok(web.front().request(request)?)
    });
    Ok((StatusCode::ACCEPTED, Json(Started { run: Some(run.await?) })).into_response())
}

/// What a request says about its signature.
struct Given {
    ours: Option<String>,
    key: Option<String>,
    github: Option<String>,
    delivery: Option<String>,
}

/// A request that is signed.
struct Delivery {
    /// By which deliveries are told apart. Where no time is signed it is made of the signature, which nobody can make another of:
    /// what else a request says may be of whoever got hold of it.
    key: String,
    /// What the sender calls it.
    name: String,
    signature: String,
    /// When it was signed; none where that is not signed too.
    at: Option<Timestamp>,
}

impl Given {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            ours: text(SIGNATURE_HEADER),
            key: text("idempotency-key"),
            github: text(GITHUB_SIGNATURE),
            delivery: text(GITHUB_DELIVERY),
        }
    }

    fn verified(&self, secret: &str, body: &[u8], now: Timestamp) -> Option<Delivery> {
        let (signed, name, signature) = match (&self.ours, &self.github) {
            (Some(header), _) => (deliver::verify(secret, header, body)?, &self.key, header.clone()),
            (None, Some(header)) => {
                deliver::verify_github(secret, header, body).then_some(())?;
                // The same number can be written in two ways.
                let signature = header.to_ascii_lowercase();
                (Signed { at: None, signature: signature.clone() }, &self.delivery, signature)
            }
            (None, None) => return None,
        };
        if signed.at.is_some_and(|at| now.duration_since(at).abs() > TOLERANCE) {
            return None;
        }
        let name = name
            .as_ref()
            .filter(|id| !id.is_empty() && id.len() <= 200 && id.chars().all(|c| c.is_ascii_graphic()));
        let digest = || crate::engine::tokens::digest(&signature)[..32].to_owned();
        let name = name.cloned().unwrap_or_else(digest);
        let key = if signed.at.is_some() { name.clone() } else { digest() };
        Some(Delivery { key, name, signature: signed.signature, at: signed.at })
    }
}
