//! The UI, as it was built into the binary; or how to build it.
//!
//! A release has `host/ui/dist` in it, as it was when it was compiled. A debug build reads it from there at each request.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use super::{problem, state::Web};

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Built;

/// The folder of files whose names change with what is in them.
const HASHED: &str = "assets/";

/// What says that there is no UI in this binary, and how to get it. It has no style and no script.
const UNBUILT: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>Tidegate</title>
</head>
<body>
<h1>Tidegate</h1>
<p>This host works, but it was compiled without its user interface.</p>
<p>To get it, install Node.js 20.19 or newer, and run in the repository:</p>
<pre>cargo xtask ui
cargo build --release</pre>
<p>The API answers: <a href=\"/api/v1/status\">how the host is</a>,
<a href=\"/api/v1/openapi.json\">the description of everything it can do</a>.
So does the command line: <code>tidegate status</code>, <code>tidegate runs</code>, <code>tidegate --help</code>.</p>
</body>
</html>
";

/// What answers outside of the API.
pub fn router() -> Router<Web> {
    Router::new().fallback(answer).layer(CompressionLayer::new())
}

/// A file of the UI, or the page that finds out by its own address what to show.
async fn answer(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return problem::not_found(request.uri().clone()).await.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = problem::wrong_method(request.uri().clone()).await.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let name = path.trim_start_matches('/');
    let mut response = match Built::get(name).filter(|_| !name.is_empty() && name != "index.html") {
        Some(found) => file(&found, name.starts_with(HASHED), request.headers()),
        None if name.is_empty() || is_for_people(request.headers()) => match Built::get("index.html") {
            Some(page) => file(&page, false, request.headers()),
            None => unbuilt(),
        },
        None => problem::not_found(request.uri().clone()).await.into_response(),
    };
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// Whether a page is asked for: a script or a style that is missing is no page.
fn is_for_people(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
}

fn file(file: &EmbeddedFile, never_changes: bool, headers: &HeaderMap) -> Response {
    let digest: String = file.metadata.sha256_hash()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    // Weak: it is the same for what is sent as it is and for what is compressed.
    let tag = format!("W/\"{digest}\"");
    let is_known = headers.get_all(header::IF_NONE_MATCH).into_iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(str::trim).any(|known| known == "*" || known == tag)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(file.data.clone()));
        let kind = file.metadata.mimetype();
        let is_text = kind.starts_with("text/") || kind == "application/json" || kind == "image/svg+xml";
        let kind = if is_text { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
        set(&mut response, header::CONTENT_TYPE, &kind);
        set(&mut response, header::CONTENT_LENGTH, &file.data.len().to_string());
        response
    };
    let caching = if never_changes { "public, max-age=31536000, immutable" } else { "no-cache" };
    set(&mut response, header::CACHE_CONTROL, caching);
    set(&mut response, header::ETAG, &tag);
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn unbuilt() -> Response {
    let mut response = Response::new(Body::from(UNBUILT));
    set(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::borrow::Cow;

    use rust_embed::Metadata;

    use super::*;

    fn ask(method: &str, path: &str, accept: &str) -> Response {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        let request = request.body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(answer(request))
    }

    fn kind(response: &Response) -> &str {
        response.headers()[header::CONTENT_TYPE].to_str().unwrap()
    }

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn every_address_of_a_page_gets_the_page() {
        for path in ["/", "/runs/7", "/assets/shop/model.shop.orders", "/assets", "/lineage?focus=a"] {
            let page = ask("GET", path, BROWSER);
            assert_eq!((page.status(), kind(&page)), (StatusCode::OK, "text/html; charset=utf-8"), "{path}");
        }
        assert_eq!(ask("GET", "/", "*/*").status(), StatusCode::OK);
        assert_eq!(ask("HEAD", "/", BROWSER).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_missing_is_no_page() {
        for (path, accept) in [
            ("/assets/index-12345678.js", "*/*"),
            ("/favicon.gif", "image/avif,image/webp,*/*"),
            ("/api/v1/nothing", BROWSER),
            ("/api", BROWSER),
            ("/../../Cargo.toml", "*/*"),
            ("/%2e%2e/%2e%2e/Cargo.toml", "*/*"),
        ] {
            let answer = ask("GET", path, accept);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(kind(&answer), "application/problem+json", "{path}");
        }
        let posted = ask("POST", "/runs/7", BROWSER);
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(posted.headers()[header::ALLOW], "GET, HEAD");
    }

    fn built(text: &'static str, kind: &'static str) -> EmbeddedFile {
        let metadata = Metadata::__rust_embed_new([7; 32], None, None, kind);
        EmbeddedFile { data: Cow::Borrowed(text.as_bytes()), metadata }
    }

    #[test]
    fn a_file_with_its_digest_in_its_name_is_kept_for_ever_and_others_are_asked_for_again() {
        let script = built("let a;", "text/javascript");
        let first = file(&script, true, &HeaderMap::new());
        assert_eq!(first.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(kind(&first), "text/javascript; charset=utf-8");
        assert_eq!(first.headers()[header::CONTENT_LENGTH], "6");
        let tag = first.headers()[header::ETAG].clone();
        let page = file(&built("x", "text/html"), false, &HeaderMap::new());
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        for (known, status) in [
            (tag.to_str().unwrap(), StatusCode::NOT_MODIFIED),
            ("\"other\", *", StatusCode::NOT_MODIFIED),
            ("\"other\"", StatusCode::OK),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, known.parse().unwrap())]);
            assert_eq!(file(&script, true, &headers).status(), status, "{known}");
        }
    }

    #[test]
    fn the_page_without_a_ui_has_nothing_that_a_browser_would_have_to_run() {
        assert!(!UNBUILT.contains("<script") && !UNBUILT.contains("style"));
        assert!(UNBUILT.contains("cargo xtask ui"));
    }
}
