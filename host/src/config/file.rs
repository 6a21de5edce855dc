//! The shape of `tidegate.toml`. Doc comments here are what editors show, by way of the JSON Schema.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tidegate's configuration: which dbt projects it serves, and the jobs that run them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Where runs, logs and history are kept, relative to this file. Default: `.tidegate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// How long runs are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// The dbt projects, by a name of your choice.
    #[serde(default)]
    pub projects: BTreeMap<String, ProjectConfig>,
    /// The jobs, by a name of your choice.
    #[serde(default)]
    pub jobs: BTreeMap<String, JobConfig>,
}

/// How long runs are kept, with their events and logs. A run goes when either limit says so; when and how each asset was
/// materialized is kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days since a run ended. Default: 365.
    #[schemars(range(min = 1))]
    pub days: u32,
    /// How many finished runs are kept. Default: 10000.
    #[schemars(range(min = 1))]
    pub runs: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 365, runs: 10_000 }
    }
}

/// A dbt project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectConfig {
    /// The folder with `dbt_project.yml`, relative to this file. Default: this file's own folder.
    #[serde(default = "here")]
    pub dir: PathBuf,
    /// The dbt executable: a path relative to this file, or a name to look up on the PATH. Default: `dbt`.
    #[serde(default = "dbt")]
    pub dbt: PathBuf,
    /// The folder with `profiles.yml`, relative to this file. Default: dbt's own rule (the project's folder, then
    /// `~/.dbt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles_dir: Option<PathBuf>,
    /// The profile, where it is not the one that `dbt_project.yml` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The target, where it is not the profile's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A `manifest.json` that was built elsewhere, relative to this file. Tidegate then never parses the project itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<PathBuf>,
    /// Variables for dbt's `--vars`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub vars: BTreeMap<String, toml::Value>,
    /// Environment variables for dbt. Their values are kept out of Tidegate's records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of further environment variables that dbt may see; a name may end in `*`. Those that the project reads by
    /// `env_var()` and those of the usual clouds and adapters are passed anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The plugin that turns dbt's nodes into assets. Default: none, and every asset is named as dagster-dbt names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translator: Option<TranslatorConfig>,
}

/// A translator and its configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranslatorConfig {
    /// `builtin:NAME`, or the path of a `.wasm` file relative to this file.
    pub plugin: String,
    /// What the plugin lets you configure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub config: BTreeMap<String, toml::Value>,
}

/// A job: dbt commands that run one after the other.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// What the job is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The project's name; may be left out where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// When it runs: one or several cron expressions of five fields. Without it the job runs by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<OneOrMany>,
    /// The steps: dbt commands as one types them, such as `dbt build --select tag:daily`. A step that fails ends the run.
    pub steps: Vec<String>,
    /// The target for this job alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Variables for this job alone; they win over the project's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub vars: BTreeMap<String, toml::Value>,
    /// Whether a run whose selection matches nothing succeeds or fails.
    #[serde(default)]
    pub empty: EmptyPolicy,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// What a run whose selection matches nothing counts as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmptyPolicy {
    /// Its exit code is 0.
    #[default]
    Succeed,
    /// Its exit code is 3.
    Fail,
}

fn here() -> PathBuf {
    Path::new(".").to_owned()
}

fn dbt() -> PathBuf {
    Path::new("dbt").to_owned()
}

/// The JSON Schema of the file, for editors and for the strict parser.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(ConfigFile);
    schema.insert("title".to_owned(), "tidegate.toml".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_docs_is_the_one_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tidegate.schema.json");
        let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            text,
            "run this test with UPDATE_SCHEMA=1"
        );
    }
}
