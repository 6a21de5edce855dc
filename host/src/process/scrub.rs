//! Keeping secrets out of files: the values of secret environment variables are replaced before anything is written.
//!
//! What it cannot do: find a value that dbt has transformed, for instance by Jinja, or that is too short to be told from
//! ordinary text.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;

use super::folder::create_private;

/// What stands where a secret was; dbt uses the same.
const MASK: &str = "*****";

/// Values shorter than this are not replaced: they would tear holes into ordinary text, and with it into dbt's events.
const SHORTEST: usize = 6;

/// Replaces secrets.
#[derive(Debug)]
pub(super) struct Scrubber {
    automaton: Option<AhoCorasick>,
    longest: usize,
}

impl Scrubber {
    /// A scrubber of these values, as they are and as JSON and addresses write them; of a value with several lines, each
    /// line.
    pub(super) fn new(values: impl Iterator<Item = String>) -> Self {
        let mut needles = Vec::new();
        for value in values {
            for part in value.lines().map(str::trim).filter(|part| part.len() >= SHORTEST) {
                let (escaped, ascii) = (escape(part), escape_ascii(part));
                // In the text of an event a quoted value may have been escaped twice.
                needles.extend([escape(&escaped), escape(&ascii), escaped, ascii]);
                needles.extend([percent(part, "%20"), percent(part, "+"), part.to_owned()]);
            }
        }
        // The longest first, so that no value hides a longer one that begins with it.
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        let longest = needles.first().map_or(0, String::len);
        let kind = aho_corasick::MatchKind::LeftmostFirst;
        let automaton = (!needles.is_empty())
            .then(|| AhoCorasick::builder().match_kind(kind).build(needles).ok())
            .flatten();
        Self { automaton, longest }
    }

    /// The length of the longest text that is replaced.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The text without secrets; none where there were none to replace.
    pub(super) fn scrub(&self, text: &[u8]) -> Option<Vec<u8>> {
        let automaton = self.automaton.as_ref()?;
        automaton.find(text)?;
        let mut out = Vec::with_capacity(text.len());
        let mut from = 0;
        for found in automaton.find_iter(text) {
            out.extend_from_slice(&text[from..found.start()]);
            out.extend_from_slice(MASK.as_bytes());
            from = found.end();
        }
        out.extend_from_slice(&text[from..]);
        Some(out)
    }

    /// Scrubs every file below a folder in place. What cannot be read or written is left, and named.
    pub(super) fn scrub_files(&self, dir: &Path) -> Vec<PathBuf> {
        let mut failed = Vec::new();
        if self.automaton.is_none() {
            return failed;
        }
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() && self.scrub_file(&path).is_err() => failed.push(path),
                    _ => {}
                }
            }
        }
        failed
    }

    fn scrub_file(&self, path: &Path) -> std::io::Result<()> {
        // The parse cache is binary: a replaced value would break it, and it is read by dbt alone.
        if path.extension().is_some_and(|e| e == "msgpack" || e == "gpickle") {
            return Ok(());
        }
        if let Some(clean) = self.scrub(&fs::read(path)?) {
            let mut fresh = path.as_os_str().to_owned();
            fresh.push(".scrubbed");
            let fresh = PathBuf::from(fresh);
            // The artifact is there with its secrets or without them, but it is there, on a full disk too.
            let written = create_private(&fresh).and_then(|mut file| file.write_all(&clean));
            if let Err(e) = written.and_then(|()| fs::rename(&fresh, path)) {
                let _ = fs::remove_file(&fresh);
                return Err(e);
            }
        }
        Ok(())
    }
}

/// Text as it stands between the quotes of a JSON string.
fn escape(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

/// The same, as Python writes it: in ASCII.
fn escape_ascii(text: &str) -> String {
    let mut out = String::new();
    for c in escape(text).chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// Text as it stands in an address.
fn percent(text: &str, space: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push_str(space),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_in_every_spelling() {
        let values =
            ["pa\"ss\\word", "line one is long\nline two is long", "abc", "hunter2-and-more", "hunter2"];
        let scrubber = Scrubber::new(values.into_iter().map(str::to_owned));
        let scrub = |text: &str| scrubber.scrub(text.as_bytes()).map(|t| String::from_utf8(t).unwrap());
        assert_eq!(scrub(r#"plain pa"ss\word"#).unwrap(), "plain *****");
        assert_eq!(scrub(r#"{"msg": "pa\"ss\\word"}"#).unwrap(), r#"{"msg": "*****"}"#);
        assert_eq!(
            scrub(r#"{"args": "{\"pw\": \"pa\\\"ss\\\\word\"}"}"#).unwrap(),
            r#"{"args": "{\"pw\": \"*****\"}"}"#
        );
        assert_eq!(scrub("line two is long").unwrap(), "*****");
        assert_eq!(scrub("hunter2-and-more hunter2").unwrap(), "***** *****");
        assert_eq!(scrub("abc"), None);
    }

    #[test]
    fn what_stands_around_a_secret_stays_whole() {
        let scrubber = Scrubber::new(["\"quoted\"".to_owned(), "ends with \\\"".to_owned()].into_iter());
        for value in ["\"quoted\"", "ends with \\\""] {
            let line =
                serde_json::json!({ "msg": value, "nested": serde_json::json!({"a": value}).to_string() });
            let clean = scrubber.scrub(line.to_string().as_bytes()).unwrap();
            let clean: serde_json::Value = serde_json::from_slice(&clean).unwrap();
            assert_eq!(clean, serde_json::json!({ "msg": MASK, "nested": format!("{{\"a\":\"{MASK}\"}}") }));
        }
    }

    #[test]
    fn other_alphabets_are_found_as_python_and_addresses_write_them() {
        let scrubber = Scrubber::new(["pässwörd 𝄞 \u{7f}".to_owned()].into_iter());
        for text in [
            r#"{"msg": "p\u00e4ssw\u00f6rd \ud834\udd1e \u007f"}"#,
            r#"{"msg": "{\"a\": \"p\\u00e4ssw\\u00f6rd \\ud834\\udd1e \\u007f\"}"}"#,
            "postgres://me:p%C3%A4ssw%C3%B6rd%20%F0%9D%84%9E%20%7F@host",
            "p%C3%A4ssw%C3%B6rd+%F0%9D%84%9E+%7F",
        ] {
            let clean = String::from_utf8(scrubber.scrub(text.as_bytes()).unwrap()).unwrap();
            assert!(clean.contains(MASK) && !clean.contains("00e4") && !clean.contains("A4ss"), "{clean}");
        }
    }
}
