//! Reading secrets at the moment of a delivery, and keeping them out of what is said of it.

use std::{env, fs, io::ErrorKind, path::PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::DeliveryError;
use crate::config::{Destination, Place, Secret, refuse_header_value, web_address};

/// What stands where a secret was.
const MASK: &str = "*****";
/// A part of a secret that is shorter than this is a word that may stand anywhere.
const SHORTEST_PART: usize = 6;
/// No secret is as long.
const LONGEST_FILE: u64 = 64 * 1024;

/// A secret that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// It is set, and cannot be used.
    #[error("the environment variable {0} is {1}")]
    UnfitVariable(String, &'static str),
    /// The file cannot be read or used.
    #[error("the file {} {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What of a destination cannot be used as it is, each with its key: secrets that are not there, and those with which
/// nothing could be sent. No word is of their values.
pub fn unusable(destination: &Destination) -> Vec<(String, String)> {
    let is_http = matches!(destination.to, Place::Http(_));
    let problem = |(key, secret): (String, &Secret)| {
        let why = match read(secret) {
            Err(missing) => Some(format!("is missing: {missing}")),
            Ok(value) if key == "url" => web_address(&value).err(),
            Ok(value) if is_http && key.starts_with("headers.") => {
                refuse_header_value(&value).map(str::to_owned)
            }
            Ok(_) => None,
        };
        why.map(|why| (key, why))
    };
    destination.secrets().into_iter().filter_map(problem).collect()
}

/// Reads a secret as it is at the moment.
pub fn read(secret: &Secret) -> Result<String, Missing> {
    match secret {
        Secret::Text(text) => Ok(text.expose().to_owned()),
        Secret::Env(name) => match env::var(name) {
            Ok(value) if value.is_empty() => Err(Missing::UnfitVariable(name.clone(), "empty")),
            Ok(value) => Ok(value),
            Err(env::VarError::NotPresent) => Err(Missing::Unset(name.clone())),
            Err(env::VarError::NotUnicode(_)) => {
                Err(Missing::UnfitVariable(name.clone(), "not a text in UTF-8"))
            }
        },
        Secret::File(file) => {
            let bad = |reason: &str| Missing::File { file: file.clone(), reason: reason.to_owned() };
            let unreadable = |e: std::io::Error| match e.kind() {
                ErrorKind::NotFound => bad("is not there"),
                ErrorKind::PermissionDenied => bad("cannot be read: permission denied"),
                _ => bad(&format!("cannot be read: {e}")),
            };
            // A pipe could be waited for without end.
            let metadata = fs::metadata(file).map_err(unreadable)?;
            if !metadata.is_file() {
                return Err(bad("is not a file"));
            }
            if metadata.len() > LONGEST_FILE {
                return Err(bad("is too long for a secret"));
            }
            let bytes = fs::read(file).map_err(unreadable)?;
            let text = String::from_utf8(bytes).map_err(|_| bad("is not a text in UTF-8"))?;
            match text.trim_end_matches(['\r', '\n']) {
                "" => Err(bad("is empty")),
                secret => Ok(secret.to_owned()),
            }
        }
    }
}

/// The secrets of one delivery.
#[derive(Default)]
pub(super) struct Secrets {
    needles: Vec<String>,
}

impl Secrets {
    /// Reads a secret. Whoever forgot it can still put it there: the delivery may be tried again.
    pub(super) fn read(&mut self, key: &str, secret: &Secret) -> Result<String, DeliveryError> {
        let value = read(secret)
            .map_err(|missing| DeliveryError::later(format!("its `{key}` is missing: {missing}")))?;
        self.keep_out(&value);
        for part in value.split(|c: char| c.is_whitespace() || ",;:=\"".contains(c)) {
            self.keep_out_part(part);
        }
        Ok(value)
    }

    /// Keeps all parts of an address out: its host is nobody's business either.
    pub(super) fn keep_out_address(&mut self, url: &Url) {
        self.keep_out(url.as_str());
        self.keep_out(&url[url::Position::BeforeHost..]);
        self.keep_out(url.host_str().unwrap_or_default());
        if url.path().len() > 1 {
            self.keep_out(url.path());
        }
        for text in [url.username(), url.password().unwrap_or_default()] {
            self.keep_out(text);
        }
        let segments = url.path_segments().into_iter().flatten();
        let query = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
        for part in segments.chain(query).map(str::to_owned).collect::<Vec<_>>() {
            self.keep_out_part(&part);
        }
    }

    pub(super) fn keep_out(&mut self, value: &str) {
        if value.chars().count() < 3 {
            return;
        }
        let quoted = value.escape_debug().to_string();
        let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let decoded = percent_decode_str(value).decode_utf8_lossy().into_owned();
        self.needles.extend([value.to_owned(), quoted, encoded, decoded]);
    }

    fn keep_out_part(&mut self, part: &str) {
        if part.chars().count() >= SHORTEST_PART {
            self.keep_out(part);
        }
    }

    /// The text without secrets.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut needles = self.needles.clone();
        // The longest first: no value hides one that begins with it.
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        needles.retain(|needle| !needle.is_empty());
        let kind = aho_corasick::MatchKind::LeftmostFirst;
        let builder = aho_corasick::AhoCorasick::builder()
            .match_kind(kind)
            .ascii_case_insensitive(true)
            .build(&needles);
        match builder {
            Ok(automaton) => automaton.replace_all(text, &vec![MASK; needles.len()]),
            Err(_) => MASK.to_owned(),
        }
    }
}
