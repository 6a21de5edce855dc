//! A manifest as a file: its text, its sections, and the entries in them.
//!
//! Owns the one pass over the whole text, which finds where every entry begins and ends and that all of it is JSON.
//! Never looks into an entry, and keeps nothing of the sections that nobody reads.

use std::{collections::HashMap, fmt, fs, io, path::Path};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{error::Category, value::RawValue};

use super::{
    ManifestError,
    json::{Text, sort_last_wins},
};

/// The entries of a section, sorted by key.
pub(super) type Entries<'a> = Vec<(Text<'a>, &'a RawValue)>;

/// Sections that are neither read nor digested: they follow from others, or change nothing.
const SKIPPED: [&str; 5] = ["child_map", "disabled", "docs", "group_map", "parent_map"];

/// The sections of a manifest, by name.
pub(super) struct Document<'a> {
    path: &'a Path,
    sections: HashMap<String, Option<Entries<'a>>>,
}

/// The whole text of a manifest.
///
/// # Errors
///
/// Where the file is not there, cannot be read, or is not text.
pub(super) fn read_text(path: &Path) -> Result<String, ManifestError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ManifestError::Missing { path: path.to_owned() }
        }
        _ => ManifestError::Unreadable { path: path.to_owned(), source },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let (path, size) = (path.to_owned(), error.as_bytes().len());
        let line = valid.split(|byte| *byte == b'\n').count();
        let column = valid.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len) + 1;
        match error.utf8_error().error_len() {
            None => ManifestError::Truncated { path, line, column, size },
            Some(_) => {
                ManifestError::NotJson { path, detail: "bytes that are not UTF-8".into(), line, column, size }
            }
        }
    })
}

impl<'a> Document<'a> {
    /// Finds the sections of a manifest's text.
    pub fn parse(path: &'a Path, text: &'a str) -> Result<Self, ManifestError> {
        let mut document = Self { path, sections: HashMap::new() };
        // Editors on Windows put a byte order mark in front.
        let json = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        deserializer.deserialize_map(&mut document).and_then(|()| deserializer.end()).map_err(|error| {
            let (path, line, column, size) = (path.to_owned(), error.line(), error.column(), text.len());
            let sentence = error.to_string();
            let detail = sentence.split(" at line ").next().unwrap_or_default().to_owned();
            match error.classify() {
                Category::Eof => ManifestError::Truncated { path, line, column, size },
                Category::Data => {
                    ManifestError::NotManifest { path, detail: "it holds no JSON object".into() }
                }
                Category::Syntax | Category::Io => {
                    ManifestError::NotJson { path, detail, line, column, size }
                }
            }
        })?;
        Ok(document)
    }

    /// The manifest's path, for errors.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The entries of a section; empty where the manifest has no such section.
    pub fn section(&self, section: &'static str) -> Result<&[(Text<'a>, &'a RawValue)], ManifestError> {
        match self.sections.get(section) {
            None => Ok(&[]),
            Some(Some(entries)) => Ok(entries),
            Some(None) => Err(ManifestError::Section { path: self.path.to_owned(), section }),
        }
    }

    /// The names of all sections that were kept, sorted.
    pub fn section_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.sections.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The entries of any section; empty where it is not an object.
    pub fn entries(&self, section: &str) -> &[(Text<'a>, &'a RawValue)] {
        self.sections.get(section).and_then(Option::as_deref).unwrap_or_default()
    }
}

impl<'de> Visitor<'de> for &mut Document<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a manifest")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<Text>()? {
            if SKIPPED.contains(&name.0.as_ref()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entries = map.next_value_seed(Section)?.map(|mut entries| {
                sort_last_wins(&mut entries);
                entries
            });
            self.sections.insert(name.0.into_owned(), entries);
        }
        Ok(())
    }
}

/// Reads the entries of a section: none for a value that is neither an object nor null.
struct Section;

impl<'de> DeserializeSeed<'de> for Section {
    type Value = Option<Entries<'de>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Section {
    type Value = Option<Entries<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Some(entries))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Some(Vec::new()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}
