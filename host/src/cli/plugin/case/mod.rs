//! The cases that a plugin is tested with: what it is told, and what is expected of it.
//!
//! Owns the format of a case's file, the values of what it leaves out, and the comparison. Never calls a plugin.

mod decision;
mod request;
mod template;
mod translation;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(super) use decision::Case as RetryCase;
pub(super) use request::Case as NotifierCase;
pub(super) use translation::Case;

/// The cases of a folder, in the order of their names, each read by a kind's own parser.
pub(super) fn read<C>(folder: &Path, parse: fn(String, &str) -> Result<C>) -> Result<Vec<C>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let case = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        parse(name, &fs::read_to_string(path)?)
    };
    paths.iter().map(|path| case(path).with_context(|| format!("case {}", path.display()))).collect()
}

fn difference(lines: &mut String, what: &str, expected: &Value, actual: &Value) {
    // Writing to a string cannot fail.
    let _ = writeln!(lines, "{what:<11} expected {expected}\n{:<11}  but got {actual}", "");
}

/// Whether a text has a part; says so where it has not.
fn contains(lines: &mut String, what: &str, part: &str, text: &str) {
    if !text.contains(part) {
        difference(lines, what, &json!(format!("…{part}…")), &json!(text));
    }
}
