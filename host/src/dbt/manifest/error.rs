//! What can be wrong with a manifest, in sentences for people.
//!
//! Owns the error enum of this room. Never decides what is wrong: the readers beside it do.

use std::path::PathBuf;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what each variant and field is")]
pub enum ManifestError {
    #[error("there is no manifest at `{}`: run `dbt parse` to write one, or correct the path", path.display())]
    Missing { path: PathBuf },

    #[error("the manifest `{}` cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },

    #[error(
        "the manifest `{}` ends too early, at line {line}, column {column} (it has {size} bytes): \
         dbt was probably stopped while it wrote it; run `dbt parse` to write it anew",
        path.display()
    )]
    Truncated { path: PathBuf, line: usize, column: usize, size: usize },

    #[error(
        "the manifest `{}` is not valid JSON: {detail} at line {line}, column {column} (it has {size} bytes); \
         run `dbt parse` to write it anew",
        path.display()
    )]
    NotJson { path: PathBuf, detail: String, line: usize, column: usize, size: usize },

    #[error("`{}` is not a dbt manifest: {detail}; point to the `manifest.json` in dbt's target directory", path.display())]
    NotManifest { path: PathBuf, detail: String },

    #[error(
        "the manifest `{}` has schema v{schema}, written by dbt {dbt_version}: Tidegate reads the manifests of \
         dbt 1.8 to 1.12 (schema v12); upgrade dbt, then run `dbt parse`",
        path.display()
    )]
    SchemaTooOld { path: PathBuf, schema: u32, dbt_version: String },

    #[error(
        "the manifest `{}` has schema v{schema}, written by dbt {dbt_version}: Tidegate reads the manifests of \
         dbt 1.8 to 1.12 (schema v12); use one of these versions, or a newer Tidegate",
        path.display()
    )]
    SchemaTooNew { path: PathBuf, schema: u32, dbt_version: String },

    #[error(
        "the manifest `{}` was written by dbt {dbt_version}: Tidegate reads the manifests of dbt 1.8 to 1.12; \
         upgrade dbt, then run `dbt parse`",
        path.display()
    )]
    DbtTooOld { path: PathBuf, dbt_version: String },

    #[error(
        "the manifest `{}` was written by dbt {dbt_version}: Tidegate reads the manifests of dbt 1.8 to 1.12, \
         and does not support dbt 2 yet; use dbt 1.8 to 1.12, then run `dbt parse`",
        path.display()
    )]
    DbtTooNew { path: PathBuf, dbt_version: String },

    #[error(
        "the manifest `{}` is damaged: `{section}` should be a JSON object; run `dbt parse` to write it anew",
        path.display()
    )]
    Section { path: PathBuf, section: &'static str },

    #[error(
        "the manifest `{}` is damaged: `{unique_id}` should be a JSON object; run `dbt parse` to write it anew",
        path.display()
    )]
    Entry { path: PathBuf, unique_id: String },

    #[error(
        "the manifest `{}` is damaged: `{key}` of `{unique_id}` should be {expected}; \
         run `dbt parse` to write it anew",
        path.display()
    )]
    Field { path: PathBuf, unique_id: String, key: &'static str, expected: &'static str },
}
