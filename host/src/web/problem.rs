//! What went wrong, as RFC 9457 writes it: one shape for every error of the API.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    engine::{Refusal, Unable},
    store::StoreError,
};

/// When to ask again where the host does nothing at the moment, in seconds.
const STALLED_FOR: u64 = 10;

/// Why something was not done: problem details (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem, in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// After how many seconds it may be asked again.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// The same with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with word of when to ask again, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// There is no such thing: 404.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// What was asked makes no sense: 400.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// It cannot be done as things stand: 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// It cannot be done at the moment: 503.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidegate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// What the engine refuses, it refuses for reasons of the moment.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { hint: refusal.hint, ..Self::conflict(refusal.message) }
    }
}

/// In how many seconds the host that comes next is likely to be there.
const NEXT_HOST: u64 = 5;

/// A host that stops is no reason of the moment's: whoever asks again asks the next one.
impl From<Unable> for Problem {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Refused(refusal) => refusal.into(),
            Unable::Stalled(Refusal { message, hint }) => {
                Self { hint, ..Self::unavailable(message) }.retry_after(STALLED_FOR)
            }
            Unable::Stopped => Self::unavailable("the host is stopping")
                .hint("ask again: the next host may be there in a moment")
                .retry_after(NEXT_HOST),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::NoSuchRun(_) => Self::missing(error.to_string()),
            _ => Self::unavailable(error.to_string()),
        };
        Self { hint: error.hint(), ..problem }
    }
}

/// No route leads there.
pub async fn not_found(uri: Uri) -> Problem {
    Problem::missing(format!("there is nothing at {}", uri.path()))
        .hint("/api/v1/openapi.json lists what there is")
}

/// A route leads there, but not with this method.
pub async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not answer to this method", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_stops_says_when_to_ask_again_and_one_that_will_not_does_not() {
        let stopped = Problem::from(Unable::Stopped).into_response();
        assert_eq!(stopped.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(stopped.headers()[header::RETRY_AFTER], "5");
        let refused = Problem::from(Unable::from(Refusal::new("the job is paused"))).into_response();
        assert_eq!(refused.status(), StatusCode::CONFLICT);
        assert!(!refused.headers().contains_key(header::RETRY_AFTER));
    }
}
