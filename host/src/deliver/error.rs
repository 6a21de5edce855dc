//! How a delivery ends, in words that can be logged and kept.

use jiff::SignedDuration;

use super::secrets::Secrets;

/// The longest text of the other side that is repeated, in characters.
const LONGEST_EXCERPT: usize = 300;

/// A delivery that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The status of HTTP or of SMTP.
    pub status: Option<u16>,
    /// What the other side said, cut, without secrets; empty where it said nothing.
    pub said: String,
}

/// Why a request was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// Whether it may be tried again, and when.
    pub again: Again,
    /// The status of HTTP or of SMTP, where the other side has answered.
    pub status: Option<u16>,
    /// What happened, for people, without secrets.
    pub message: String,
}

/// Whether a delivery may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would fail again.
    Never,
    /// In a while.
    Later,
    /// Not before so long: the other side asked for it. At most a day.
    After(SignedDuration),
}

impl DeliveryError {
    /// It would fail again.
    pub(super) fn never(message: impl Into<String>) -> Self {
        Self { again: Again::Never, status: None, message: message.into() }
    }

    /// It may work in a while.
    pub(super) fn later(message: impl Into<String>) -> Self {
        Self { again: Again::Later, ..Self::never(message) }
    }

    /// The delivery made its thread panic. What was said then has not been looked through for secrets.
    pub fn panicked() -> Self {
        Self::later("the delivery made Tidegate panic, which is a bug of Tidegate")
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(super) fn scrubbed(self, secrets: &Secrets) -> Self {
        Self { message: shown(&self.message, secrets), ..self }
    }
}

impl Delivered {
    /// What the other side said, its status first and only once; empty where it said nothing.
    pub fn in_words(&self) -> String {
        let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
        let said = self.said.strip_prefix(&status).unwrap_or(&self.said);
        format!("{status}{said}").trim().to_owned()
    }

    pub(super) fn scrubbed(self, secrets: &Secrets) -> Self {
        Self { said: shown(&self.said, secrets), ..self }
    }
}

/// A text on one line, without secrets and without what could drive a terminal. Secrets go first: what is cut through is not
/// found any more.
fn shown(text: &str, secrets: &Secrets) -> String {
    let scrubbed = secrets.scrub(text);
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let plain: String = scrubbed.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    let mut words = String::new();
    for word in plain.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    // What stood apart may have come together.
    let words = secrets.scrub(&words);
    match words.char_indices().nth(LONGEST_EXCERPT) {
        None => words,
        Some((at, _)) => format!("{}…", &words[..at]),
    }
}
