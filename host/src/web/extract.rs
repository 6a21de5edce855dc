//! What a request says, taken apart: its body, its query and its path. Whatever does not fit is a [`Problem`].

use std::{ops::RangeInclusive, time::Duration};

use axum::{
    body::HttpBody,
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequest, Request,
        rejection::{JsonRejection, PathRejection},
    },
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};

use super::Problem;

/// How long a body may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(30);

/// JSON, of a request or of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

/// The part behind the `?`; a name may come several times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

/// The variables of the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = <axum::Json<T> as FromRequest<S>>::from_request(request, state);
        match tokio::time::timeout(BODY_WITHIN, body).await {
            Ok(Ok(axum::Json(body))) => Ok(Self(body)),
            Ok(Err(rejection)) => Err(bad_body(&rejection)),
            Err(_) => Err(too_slow()),
        }
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned + Send, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let is_empty = request.body().is_end_stream();
        if is_empty {
            Ok(None)
        } else {
            <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        serde_html_form::from_str(query)
            .map(Self)
            .map_err(|e| Problem::bad(format!("the query cannot be read: {e}")))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path))
            .map_err(|e: PathRejection| bad(e.status(), &e.body_text()))
    }
}

fn bad_body(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => bad(status, &rejection.body_text()),
    }
}

/// A sentence of the framework, in our way of writing them.
fn bad(status: StatusCode, text: &str) -> Problem {
    let mut chars = text.chars();
    let text = chars.next().map(|first| first.to_lowercase().chain(chars).collect::<String>());
    Problem::new(status, text.unwrap_or_default())
}

/// A number of the query that has to be in a range; for `deserialize_with`, since a name is only known there.
pub fn number_in<'de, D: Deserializer<'de>>(
    query: D,
    name: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(query)?;
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| {
        let (least, most, given) = (range.start(), range.end(), text.chars().take(20).collect::<String>());
        D::Error::custom(format!("`{name}` is `{given}`, and has to be a number from {least} to {most}"))
    })
}

/// A body is longer than any that makes sense: 413.
pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than is taken")
}

/// A body does not arrive: 408.
pub fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
}
