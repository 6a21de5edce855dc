//! Files as they are, to whoever downloads them: block by block, and never as a page that a browser would show.

use std::{
    io::{self, Read},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio::{sync::mpsc, task, time};
use tokio_stream::wrappers::ReceiverStream;

/// So much is read at once.
const BLOCK: usize = 128 << 10;

/// Whoever takes nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file, to be opened when its turn has come; there may be none.
pub type Source = Box<dyn FnOnce() -> io::Result<Option<Box<dyn Read + Send>>> + Send>;

/// Sends files one behind the other, as one that has this name.
pub fn attachment(name: &str, kind: &'static str, sources: Vec<Source>) -> Response {
    let (blocks, stream) = mpsc::channel(2);
    tokio::spawn(send(sources, blocks));
    let mut response = Body::from_stream(ReceiverStream::new(stream)).into_response();
    let disposition = format!("attachment; filename=\"{}\"", safe(name));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

async fn send(sources: Vec<Source>, blocks: mpsc::Sender<io::Result<Bytes>>) {
    for source in sources {
        let mut file = None;
        let mut unopened = Some(source);
        loop {
            let (open, opened) = (unopened.take(), file.take());
            let read = task::spawn_blocking(move || {
                let mut file = open.map_or(Ok(opened), |open| open())?;
                let block = file.as_mut().map(block).transpose()?.unwrap_or_default();
                Ok((file, block))
            });
            let block = match read.await.unwrap_or_else(|e| Err(io::Error::other(e))) {
                Ok((_, block)) if block.is_empty() => break,
                Ok((opened, block)) => {
                    file = opened;
                    Ok(block)
                }
                Err(e) => Err(e),
            };
            // An error ends the connection in the middle: whoever downloads knows that something is missing.
            let failed = block.is_err();
            let sent = time::timeout(PATIENCE, blocks.send(block)).await;
            if failed || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

fn block(file: &mut Box<dyn Read + Send>) -> io::Result<Bytes> {
    let mut block = Vec::with_capacity(BLOCK);
    file.take(BLOCK as u64).read_to_end(&mut block)?;
    Ok(block.into())
}

/// A file's name that no system takes for anything else.
fn safe(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(150).collect();
    name.trim_start_matches(['.', '-']).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::safe;

    #[test]
    fn a_name_is_only_a_name() {
        assert_eq!(safe("run-5-target/run_results.json"), "run-5-target-run_results.json");
        assert_eq!(safe("../../\"a\r\nb.html"), "a--b.html");
        assert_eq!(safe(&"é".repeat(500)).len(), 0);
    }
}
