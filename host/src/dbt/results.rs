//! dbt's artifacts of results: `run_results.json` and `sources.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::events::{count, rows_affected, time};
use crate::model::{NodeResult, NodeState, ResourceType, SourceFreshness};

/// Why an artifact cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// dbt did not write it.
    #[error("dbt wrote no {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be read from disk.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: not readable as results of dbt: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Results<R> {
    results: Vec<R>,
}

#[derive(Deserialize)]
struct RunRow {
    unique_id: String,
    status: String,
    #[serde(default)]
    timing: Vec<Timing>,
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    execution_time: Option<f64>,
    #[serde(default)]
    adapter_response: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    failures: Value,
    #[serde(default)]
    relation_name: Option<String>,
    #[serde(default)]
    compiled_code: Option<String>,
}

impl RunRow {
    /// A query that shows the rows that a test has found: those that it keeps in a table, or its own.
    fn query(&self) -> Option<String> {
        let is_test = self.unique_id.starts_with("test.");
        if !is_test || !matches!(self.status.as_str(), "fail" | "warn") {
            return None;
        }
        if let Some(relation) = self.relation_name.as_deref().filter(|relation| !relation.is_empty()) {
            return Some(format!("select * from {relation}"));
        }
        let code = self.compiled_code.as_deref()?.trim();
        let end = (0..=code.len().min(LONGEST_QUERY)).rev().find(|end| code.is_char_boundary(*end))?;
        (!code.is_empty()).then(|| code[..end].to_owned())
    }
}

/// The code of a node as dbt ran it, as `run_results.json` has it; none where it has none, or cannot be read.
pub fn compiled_code(file: &Path, unique_id: &str) -> Option<String> {
    let results: Results<RunRow> = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    results.results.into_iter().find(|row| row.unique_id == unique_id)?.compiled_code
}

/// Queries are cut after so many bytes: they are there to be read.
const LONGEST_QUERY: usize = 10_000;

#[derive(Deserialize)]
struct SourceRow {
    unique_id: String,
    status: String,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    max_loaded_at: Option<String>,
    #[serde(default)]
    max_loaded_at_time_ago_in_s: Option<f64>,
    #[serde(default)]
    snapshotted_at: Option<String>,
    #[serde(default)]
    criteria: Option<Criteria>,
    #[serde(default)]
    timing: Vec<Timing>,
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    execution_time: Option<f64>,
}

#[derive(Deserialize)]
struct Criteria {
    #[serde(default)]
    warn_after: Option<Threshold>,
    #[serde(default)]
    error_after: Option<Threshold>,
}

#[derive(Deserialize)]
struct Threshold {
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    period: Option<String>,
}

impl Threshold {
    /// As one says it: `6 hours`. dbt writes thresholds that nobody has set as well, without a number.
    fn words(self) -> Option<String> {
        let (count, period) = self.count.zip(self.period)?;
        Some(if count == 1 { format!("1 {period}") } else { format!("{count} {period}s") })
    }
}

#[derive(Deserialize)]
struct Timing {
    #[serde(default)]
    started_at: Option<String>,
    #[serde(default)]
    completed_at: Option<String>,
}

/// Reads every result of `run_results.json` in a target folder.
pub fn read_run_results(target: &Path) -> Result<Vec<NodeResult>, ArtifactError> {
    let rows: Vec<RunRow> = read(&target.join("run_results.json"))?;
    Ok(rows
        .into_iter()
        .map(|row| NodeResult {
            query: row.query(),
            started_at: row.timing.iter().find_map(|t| time(t.started_at.as_deref())),
            finished_at: row.timing.iter().rev().find_map(|t| time(t.completed_at.as_deref())),
            execution_time: row.execution_time,
            thread: row.thread_id.filter(|t| !t.is_empty()),
            message: text(row.message),
            rows_affected: rows_affected(&row.adapter_response),
            failures: count(&row.failures),
            relation_name: row.relation_name.filter(|r| !r.is_empty()),
            ..NodeResult::of(&row.unique_id, NodeState::from(row.status.as_str()))
        })
        .collect())
}

/// Reads every result of `sources.json` in a target folder.
pub fn read_sources(target: &Path) -> Result<Vec<NodeResult>, ArtifactError> {
    let rows: Vec<SourceRow> = read(&target.join("sources.json"))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let criteria = row.criteria.unwrap_or(Criteria { warn_after: None, error_after: None });
            let warn_after = criteria.warn_after.and_then(Threshold::words);
            let error_after = criteria.error_after.and_then(Threshold::words);
            let age = row.max_loaded_at.as_deref().zip(row.max_loaded_at_time_ago_in_s);
            NodeResult {
                resource_type: ResourceType::Source,
                started_at: row.timing.iter().find_map(|t| time(t.started_at.as_deref())),
                finished_at: row.timing.iter().rev().find_map(|t| time(t.completed_at.as_deref())),
                execution_time: row.execution_time,
                thread: row.thread_id.filter(|t| !t.is_empty()),
                message: text(row.error)
                    .or_else(|| age.map(|(at, ago)| format!("loaded {} ago, at {at}", span(ago)))),
                max_loaded_at: time(row.max_loaded_at.as_deref()),
                freshness: Some(Box::new(SourceFreshness {
                    snapshotted_at: time(row.snapshotted_at.as_deref()),
                    age: row.max_loaded_at_time_ago_in_s,
                    warn_after,
                    error_after,
                })),
                ..NodeResult::of(&row.unique_id, NodeState::from(row.status.as_str()))
            }
        })
        .collect())
}

/// What dbt or an adapter said: text, as a rule.
fn text(said: Value) -> Option<String> {
    match said {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// Seconds for people: the two largest units.
fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a rounded age in seconds fits")]
    let total = seconds.round() as i64;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = total.max(0);
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

fn read<R: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<R>, ArtifactError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(ArtifactError::Missing(path.to_owned()));
        }
        Err(source) => return Err(ArtifactError::Unreadable { path: path.to_owned(), source }),
    };
    serde_json::from_slice::<Results<R>>(&bytes)
        .map(|results| results.results)
        .map_err(|e| ArtifactError::Malformed { path: path.to_owned(), reason: e.to_string() })
}
