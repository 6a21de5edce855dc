//! A line of dbt's log for people: level, time, node and message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::events::time;

/// dbt's log levels, least important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything, SQL included.
    Debug,
    /// What dbt shows by default.
    Info,
    /// Warnings.
    Warn,
    /// Errors.
    Error,
}

/// A line, as far as it can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// dbt's level; lines that are not dbt events count as info.
    pub level: Level,
    /// When, where the line says so.
    pub at: Option<Timestamp>,
    /// The event's name; none for a line that is not a dbt event.
    pub name: Option<String>,
    /// The node that it is about.
    pub unique_id: Option<String>,
    /// The text; may have several lines.
    pub message: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    info: Info,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    ts: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    node_info: NodeInfo,
    unique_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeInfo {
    unique_id: Option<String>,
}

impl LogLine {
    /// Reads a line, without its line end.
    pub fn parse(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let Ok(line) = serde_json::from_str::<Line<'_>>(&text) else {
            return Self {
                level: Level::Info,
                at: None,
                name: None,
                unique_id: None,
                message: text.into_owned(),
            };
        };
        let level = match line.info.level.as_str() {
            "debug" | "test" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Info,
        };
        // What a field of `data` looks like is no reason to show the line as it is.
        let data =
            line.data.and_then(|data| serde_json::from_str::<Data>(data.get()).ok()).unwrap_or_default();
        Self {
            level,
            at: time(line.info.ts.as_deref()),
            name: Some(line.info.name),
            unique_id: data.node_info.unique_id.or(data.unique_id).filter(|id| !id.is_empty()),
            message: line.info.msg,
        }
    }

    /// Whether the line says nothing: dbt logs blank lines for its own layout.
    pub fn is_blank(&self) -> bool {
        self.message.trim().is_empty()
    }
}

/// Text that is safe to print: without control characters and escape sequences that could drive the terminal, and
/// without characters that change the direction of what follows.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.peek() == Some(&'[') {
                    chars.next();
                    while chars.next_if(|c| !('\u{40}'..='\u{7e}').contains(c)).is_some() {}
                    chars.next();
                }
            }
            '\n' | '\t' => out.push(c),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn escapes_are_taken_out() {
        assert_eq!(plain("a\u{1b}[31mred\u{1b}[0m b\u{7}\r\n\u{202e}c"), "ared b\nc");
        assert_eq!(plain("\u{1b}]0;title\u{7}x"), "]0;titlex");
        assert_eq!(plain("half \u{1b}["), "half ");
    }
}
