//! The shape of `tidegate.toml`. Doc comments here are what editors show, by way of the JSON Schema.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AlertConfig, DestinationConfig, WebConfig, WebhookConfig, freshness::FreshnessConfig, retry::RetryChoice,
};
use crate::model::{Gate, RunState};

/// Tidegate's configuration: which dbt projects it serves, and the jobs that run them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Where runs, logs and history are kept, relative to this file. Default: `.tidegate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// The folder of plugins that are taken up while the host runs, relative to this file. It need not exist. Default:
    /// `plugins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins_dir: Option<PathBuf>,
    /// How long runs are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// The time zone of schedules, as an IANA name such as `Europe/Berlin`. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How many runs go side by side.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Locks that jobs can name, by a name of your choice, each with the number of runs that may hold it at a time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "capacities")]
    pub locks: BTreeMap<String, u32>,
    /// The address at which people reach the UI, for links in messages. Default: `http://` and the address of
    /// `[web]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the UI and the API answer.
    #[serde(default)]
    pub web: WebConfig,
    /// What decides about attempts that fail, of jobs that say nothing about it and of `tidegate materialize`. Default:
    /// nothing, and a step that fails ends its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryChoice>,
    /// The dbt projects, by a name of your choice.
    #[serde(default)]
    pub projects: BTreeMap<String, ProjectConfig>,
    /// The jobs, by a name of your choice.
    #[serde(default)]
    pub jobs: BTreeMap<String, JobConfig>,
    /// Who is told of what, and how, by a name of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alerts: BTreeMap<String, AlertConfig>,
    /// Where notifications can go, by a name of your choice. A notifier sees the name only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destinations: BTreeMap<String, DestinationConfig>,
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
    /// How many decisions of schedules and other triggers are kept. Default: 100000.
    #[schemars(range(min = 1))]
    pub ticks: u32,
    /// Days for which it is known who did what. Default: 365.
    #[schemars(range(min = 1))]
    pub audit: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 365, runs: 10_000, ticks: 100_000, audit: 365 }
    }
}

/// How many runs go side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// How many runs may be under way at a time, whatever their locks. Default: 10.
    #[schemars(range(min = 1))]
    pub max_runs: u32,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { max_runs: 10 }
    }
}

fn capacities(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": { "type": "integer", "format": "uint32", "minimum": 1 },
    })
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
    /// What becomes of nodes that read an asset whose test of severity `error` has failed in an earlier run. Default:
    /// `block`.
    #[serde(default)]
    pub gate: Gate,
    /// How fresh assets have to be, beside what their `meta` says: the last entry that selects an asset counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freshness: Vec<FreshnessConfig>,
}

/// A translator and its configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranslatorConfig {
    /// `builtin:NAME`, the path of a `.wasm` file relative to this file, or the name of one in `plugins_dir`.
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
    /// The time zone of the schedule. Default: the one at the top of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of ticks that passed while no host was there.
    #[serde(default)]
    pub missed: MissedConfig,
    /// Jobs whose runs start this one when they end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<AfterConfig>,
    /// Data whose arrival starts the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensors: Vec<SensorConfig>,
    /// The least time between two starts by `after` and `sensors`, such as `10m`: what comes sooner waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_interval: Option<String>,
    /// What becomes of a tick while a run of the job waits or is under way.
    #[serde(default)]
    pub overlap: OverlapPolicy,
    /// Where its runs stand in the queue: higher goes first. Default: 0.
    #[serde(default)]
    pub priority: i32,
    /// Locks of `[locks]` that its runs hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// How long a run may take, such as `2h`. Then it is stopped and has failed. Default: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<String>,
    /// How long after it was asked for, or was due, a run that has not ended is late, such as `2h`: alerts on `run_late` say so.
    /// Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_after: Option<String>,
    /// How long a run may wait in the queue, such as `1h`. Then it is refused. Default: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<String>,
    /// How long dbt may say nothing, such as `15m`. Then the run is stopped and has failed. Default: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_timeout: Option<String>,
    /// How many of its runs may start within a span of time; more wait. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_rate: Option<StartRateConfig>,
    /// What becomes of a run whose process is gone, as after a loss of power.
    #[serde(default)]
    pub on_interruption: InterruptionPolicy,
    /// What decides about attempts of its steps that fail. Default: what the top of the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryChoice>,
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
    /// What becomes of nodes that read an asset whose test has failed in an earlier run. Default: the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Lets signed requests start the job: `POST /api/v1/hooks/JOB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookConfig>,
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

/// What becomes of ticks that passed while no host was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "lowercase", expecting = "expected \"skip\", \"once\" or { all = NUMBER }")]
pub enum MissedConfig {
    /// Nothing: the next tick is the next one to come.
    Skip,
    /// One run for all of them.
    #[default]
    Once,
    /// A run for each of the last so many.
    All(#[schemars(range(min = 1))] u32),
}

/// What becomes of a tick while a run of the job waits or is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverlapPolicy {
    /// Its run waits behind the other.
    #[default]
    Queue,
    /// It is skipped.
    Skip,
    /// The other run is cancelled.
    CancelPrevious,
}

/// What becomes of a run whose process is gone, as after a loss of power.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InterruptionPolicy {
    /// A run for what is left to do is started, at most three times in a row.
    #[default]
    Resume,
    /// It stays interrupted.
    Leave,
}

/// A job whose runs start this one when they end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterConfig {
    /// The other job.
    pub job: String,
    /// The states in which its run has to end. Default: succeeded and warned.
    #[serde(default = "done")]
    pub on: Vec<EndState>,
}

fn done() -> Vec<EndState> {
    vec![EndState::Succeeded, EndState::Warned]
}

/// How a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndState {
    /// Everything that was planned was done.
    Succeeded,
    /// Everything was done, and something warned.
    Warned,
    /// Nothing failed, but something was skipped.
    Incomplete,
    /// A node or dbt itself failed.
    Failed,
    /// The selection matched nothing.
    Empty,
    /// Someone stopped it.
    Cancelled,
    /// It was killed, or the machine went down.
    Interrupted,
    /// It was accepted, and then could not be started.
    Refused,
}

impl EndState {
    /// The state that it names.
    pub fn state(self) -> RunState {
        match self {
            Self::Succeeded => RunState::Succeeded,
            Self::Warned => RunState::Warned,
            Self::Incomplete => RunState::Incomplete,
            Self::Failed => RunState::Failed,
            Self::Empty => RunState::Empty,
            Self::Cancelled => RunState::Cancelled,
            Self::Interrupted => RunState::Interrupted,
            Self::Refused => RunState::Refused,
        }
    }
}

/// Data whose arrival starts the job: one of the two.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorConfig {
    /// A source of the project, `SOURCE` or `SOURCE.TABLE`: any run of `dbt source freshness` shows newer data than the
    /// job's last run found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A file or a glob, relative to this file: one appears or changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

/// So many starts within a span of time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRateConfig {
    /// How many.
    #[schemars(range(min = 1))]
    pub runs: u32,
    /// The span, such as `1h`.
    pub per: String,
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
