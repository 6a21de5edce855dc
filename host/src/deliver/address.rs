//! Putting what a notifier wants behind the operator's address, so that it stays the operator's address.

use percent_encoding::percent_decode;
use url::Url;

/// The longest that a notifier may put there.
const LONGEST: usize = 2_000;

/// The address with a path, a query or both behind it. Scheme, user, host and port are never touched, and what the operator's
/// path is begins the path of the result.
pub(super) fn join(base: &Url, suffix: &str) -> Result<Url, String> {
    if suffix.is_empty() {
        return Ok(base.clone());
    }
    if suffix.len() > LONGEST {
        return Err(format!("the path is longer than {LONGEST} characters"));
    }
    if let Some(c) = suffix.chars().find(|c| !c.is_ascii_graphic() || "\\#\"<>^`{|}".contains(*c)) {
        return Err(format!("the path has a `{}` in it, which has to be percent-encoded", c.escape_debug()));
    }
    let (path, query) = match suffix.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (suffix, None),
    };
    let mut url = base.clone();
    if !path.is_empty() {
        let path = path.strip_prefix('/').unwrap_or(path);
        let count = path.split('/').count();
        for (nth, segment) in (1..).zip(path.split('/')) {
            // Only the last one may be empty: then the path ends with a slash.
            if segment.is_empty() && nth < count {
                return Err("the path has `//` in it".to_owned());
            }
            check(segment)?;
        }
        url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let all = match base.query().filter(|before| !before.is_empty()) {
            Some(before) => format!("{before}&{query}"),
            None => query.to_owned(),
        };
        url.set_query(Some(&all));
    }
    // What was refused above cannot get here; but this is what it is about.
    let place = |url: &Url| url[..url::Position::BeforePath].to_owned();
    if place(&url) != place(base) || !url.path().starts_with(base.path().trim_end_matches('/')) {
        return Err("the path leads elsewhere".to_owned());
    }
    Ok(url)
}

/// Refuses a segment that some server could take for a way up or for several segments, however often it decodes it.
fn check(segment: &str) -> Result<(), String> {
    let mut bytes = segment.as_bytes().to_vec();
    let mut rest = segment;
    while let Some((_, behind)) = rest.split_once('%') {
        if !behind.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err("the path has a `%` in it that encodes nothing".to_owned());
        }
        rest = behind;
    }
    loop {
        let name = bytes.split(|b| *b == b';').next().unwrap_or_default();
        if name == b"." || name == b".." {
            return Err("the path has `.` or `..` as a segment".to_owned());
        }
        if bytes.iter().any(|b| matches!(b, b'/' | b'\\') || b.is_ascii_control()) {
            return Err("the path has an encoded slash or control character in it".to_owned());
        }
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == bytes {
            return Ok(());
        }
        bytes = decoded;
    }
}
