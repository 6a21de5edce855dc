//! One entry of the log, as a line of text or of JSON.

use std::{
    error::Error,
    fmt::{self, Debug, Write as _},
};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Value;
use tracing::{
    Level,
    field::{Field, Visit},
};

use super::Look;

/// What was said.
pub(super) struct Entry {
    level: Level,
    at: Timestamp,
    message: String,
    /// In order.
    fields: Vec<(&'static str, Value)>,
}

impl Entry {
    pub(super) fn new(level: Level, at: Timestamp) -> Self {
        Self { level, at, message: String::new(), fields: Vec::new() }
    }

    /// `2026-11-22T20:15:00.123Z INFO run 12 of build started job=build run=12`.
    pub(super) fn text(&self, look: Look) -> String {
        let mut line = String::new();
        if look.journal {
            line.push_str(self.priority());
        } else {
            let _ = write!(line, "{:.3} ", self.at);
        }
        let style = if look.colour { self.style() } else { Style::new() };
        let _ = write!(line, "{style}{}{style:#}", self.level);
        if !self.message.is_empty() {
            line.push(' ');
            escape(&self.message, &mut line);
        }
        // What is empty says nothing to people; a program gets it.
        for (name, value) in self.fields.iter().filter(|(_, value)| *value != "") {
            let _ = write!(line, " {name}=");
            match value {
                Value::String(text) if is_word(text) => line.push_str(text),
                Value::String(text) => {
                    line.push('"');
                    escape(&text.replace('\\', "\\\\").replace('"', "\\\""), &mut line);
                    line.push('"');
                }
                value => _ = write!(line, "{value}"),
            }
        }
        line.push('\n');
        line
    }

    /// `{"timestamp":"2026-11-22T20:15:00.123Z","level":"info","message":"run 12 of build started","job":"build","run":12}`.
    pub(super) fn json(&self, look: Look) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut bytes);
        let written = serializer.serialize_map(None).and_then(|mut map| {
            map.serialize_entry("timestamp", &format!("{:.3}", self.at))?;
            map.serialize_entry("level", &self.level.to_string().to_lowercase())?;
            map.serialize_entry("message", &self.message)?;
            for (name, value) in &self.fields {
                if matches!(*name, "timestamp" | "level") {
                    map.serialize_entry(&format!("{name}_"), value)?;
                } else {
                    map.serialize_entry(name, value)?;
                }
            }
            map.end()
        });
        debug_assert!(written.is_ok(), "texts and numbers can be written into memory");
        let mut line = if look.journal { self.priority().to_owned() } else { String::new() };
        // JSON leaves these as they are; in it they stand only within texts.
        for c in String::from_utf8_lossy(&bytes).chars() {
            if is_strange(c) { _ = write!(line, "\\u{:04x}", u32::from(c)) } else { line.push(c) }
        }
        line.push('\n');
        line
    }

    /// As the system's log counts: the journal takes it off again.
    fn priority(&self) -> &'static str {
        match self.level {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            _ => "<7>",
        }
    }

    fn style(&self) -> Style {
        match self.level {
            Level::ERROR => AnsiColor::Red.on_default().bold(),
            Level::WARN => AnsiColor::Yellow.on_default(),
            Level::INFO => AnsiColor::Green.on_default(),
            _ => Style::new().dimmed(),
        }
    }

    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        let value = value.into();
        match field.name() {
            "message" => self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            name => self.fields.push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }
}

impl Visit for Entry {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON cannot say what is not finite.
        match serde_json::Number::from_f64(value) {
            Some(number) => self.push(field, number),
            None => self.push(field, value.to_string()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            let said = error.to_string();
            // Many errors say what their source says.
            if !text.ends_with(&said) {
                let _ = write!(text, ": {said}");
            }
            source = error.source();
        }
        self.push(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        struct Shown<'a>(&'a dyn Debug);

        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        self.push(field, Shown(value).to_string());
    }
}

/// Whether a value is told apart from what stands around it without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            !c.is_whitespace() && !c.is_control() && !is_strange(c) && !matches!(c, '"' | '=' | '\\')
        })
}

/// What is no control character to JSON and yet ends a line for some, drives a terminal, or turns the direction of what
/// follows.
fn is_strange(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// Writes a text without anything that could end the line or drive a terminal.
fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() || is_strange(c) => _ = write!(line, "\\u{{{:x}}}", u32::from(c)),
            c => line.push(c),
        }
    }
}
