//! What is the same about two parses of the same project.
//!
//! Owns which parts of a manifest are left out of its digest, and of what a translator sees: an answer that is kept by
//! digest must not rest on anything that the digest does not cover. Never looks at what a field means.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::{Fields, pick};

/// Fields of an entry that change from parse to parse, from command to command or from machine to machine.
const VOLATILE: [&str; 11] = [
    "build_path",
    "compiled",
    "compiled_code",
    "compiled_path",
    "compiled_sql",
    "created_at",
    "defer_relation",
    "deferred",
    "extra_ctes",
    "extra_ctes_injected",
    "root_path",
];

/// Fields of the metadata that say what the manifest is; the others say when and where it was written.
const METADATA: [&str; 4] = ["dbt_schema_version", "dbt_version", "adapter_type", "project_name"];

/// How much text is hashed at once, in bytes.
const BATCH: usize = 256 * 1024;

/// What a field of an entry says about the project itself; none for one that says nothing.
///
/// Of what a node depends on, only the nodes count: dbt adds macros to the list while it compiles, and which macros a
/// node uses follows from its code.
pub(super) fn lasting<'a>(field: &str, value: &'a RawValue) -> Option<Cow<'a, str>> {
    if field == "depends_on" {
        let [nodes] = pick(Some(value), ["nodes"]);
        return Some(Cow::Owned(format!("{{\"nodes\":{}}}", nodes.map_or("[]", RawValue::get))));
    }
    (!VOLATILE.contains(&field)).then(|| Cow::Borrowed(value.get()))
}

/// The same for a translator, which sees no code.
pub(super) fn visible<'a>(field: &str, value: &'a RawValue) -> Option<Cow<'a, str>> {
    if matches!(field, "raw_code" | "raw_sql") { None } else { lasting(field, value) }
}

/// Computes the digest of a manifest: the same for two parses of the same project, whatever the order in which dbt wrote
/// its entries and their fields; another one when anything changes that a selection or an asset may rest on.
///
/// Sections that a later dbt adds count as well. Macros count, since `state:modified` looks at them.
#[derive(Default)]
pub(super) struct Digester {
    hasher: blake3::Hasher,
    waiting: String,
}

impl Digester {
    /// Adds an entry. Entries must come in an order that does not depend on the file: by section, then by key.
    /// `fields` are those of the entry; none where it is not an object.
    pub fn add(&mut self, section: &str, key: &str, raw: &RawValue, fields: Option<&Fields>) {
        if section == "metadata" && !METADATA.contains(&key) {
            return;
        }
        // With its length, no name can be taken for another name and the start of what follows it. JSON needs none.
        for name in [section, key] {
            self.waiting.push_str(&name.len().to_string());
            self.waiting.push(':');
            self.waiting.push_str(name);
        }
        match fields {
            Some(fields) => fields.write(&mut self.waiting, lasting),
            None => self.waiting.push_str(raw.get()),
        }
        // Many small pieces take the hash function twice as long as few large ones.
        if self.waiting.len() > BATCH {
            self.flush();
        }
    }

    /// The digest of all that was added.
    pub fn finish(mut self) -> String {
        self.flush();
        self.hasher.finalize().to_hex().to_string()
    }

    fn flush(&mut self) {
        self.hasher.update(self.waiting.as_bytes());
        self.waiting.clear();
    }
}
