//! Alerts: from the words of the file, or of the `.toml` beside a notifier, to values.

use std::{collections::BTreeSet, path::Path};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use toml::de::DeTable;

use super::{
    ConfigProblem,
    automation::duration,
    plugin::{misspelt, plugin_reference},
    resolve::{json_map, unfit, unfit_value},
    strict,
};
use crate::model::{AlertRule, GroupBy, NotificationKind, nearest};

/// Who is told of what, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertConfig {
    /// The notifier that writes the messages: `builtin:slack`, `builtin:email`, `builtin:webhook`, the path of a `.wasm`
    /// file relative to this file, or the name of a plugin in `plugins_dir`.
    pub notifier: String,
    /// What the notifier lets you configure.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub config: std::collections::BTreeMap<String, toml::Value>,
    /// Names of `[destinations]`.
    pub destinations: Vec<String>,
    /// What to tell of. Default: run_failed, run_recovered, freshness_error, freshness_recovered.
    #[serde(default = "usual")]
    pub on: Vec<AlertOn>,
    /// Only of these projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Only of these jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
    /// Only of nodes with one of these tags, and of runs in which such a node failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only of nodes with one of these owners, and of runs in which such a node failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Whether nothing is told of what another attempt may still mend. Default: true.
    #[serde(default = "yes")]
    pub after_last_retry: bool,
    /// Whether nothing is told of what was told to be failing and still is. Default: true.
    #[serde(default = "yes")]
    pub changes_only: bool,
    /// What is told together.
    #[serde(default)]
    pub group_by: GroupBy,
    /// How long nothing more of the same kind is told about the same job, asset or check, such as `1h`. Default: `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<String>,
}

/// What an alert can tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertOn {
    /// A run's turn came.
    RunStarted,
    /// A run ended well.
    RunSucceeded,
    /// A run failed, was refused, or was interrupted for good.
    RunFailed,
    /// A run ended well after one that was told to have failed.
    RunRecovered,
    /// Someone cancelled a run.
    RunCancelled,
    /// A run ended in which nothing failed, but something was skipped.
    RunIncomplete,
    /// A run has not ended within the job's `late_after`.
    RunLate,
    /// A retry policy wants another attempt.
    RetryScheduled,
    /// An asset failed.
    AssetFailed,
    /// An asset that was told to have failed was built.
    AssetRecovered,
    /// A check failed.
    CheckFailed,
    /// A check that was told to have failed passed.
    CheckRecovered,
    /// A source is older than its `warn_after`.
    FreshnessWarn,
    /// A source is older than its `error_after`, or an asset older than its `fresh_within`.
    FreshnessError,
    /// A source or an asset is fresh again.
    FreshnessRecovered,
    /// Ticks of a schedule passed without a run.
    ScheduleMissed,
}

impl AlertOn {
    fn kind(self) -> NotificationKind {
        match self {
            Self::RunStarted => NotificationKind::RunStarted,
            Self::RunSucceeded => NotificationKind::RunSucceeded,
            Self::RunFailed => NotificationKind::RunFailed,
            Self::RunRecovered => NotificationKind::RunRecovered,
            Self::RunCancelled => NotificationKind::RunCancelled,
            Self::RunIncomplete => NotificationKind::RunIncomplete,
            Self::RunLate => NotificationKind::RunLate,
            Self::RetryScheduled => NotificationKind::RetryScheduled,
            Self::AssetFailed => NotificationKind::AssetFailed,
            Self::AssetRecovered => NotificationKind::AssetRecovered,
            Self::CheckFailed => NotificationKind::CheckFailed,
            Self::CheckRecovered => NotificationKind::CheckRecovered,
            Self::FreshnessWarn => NotificationKind::FreshnessWarn,
            Self::FreshnessError => NotificationKind::FreshnessError,
            Self::FreshnessRecovered => NotificationKind::FreshnessRecovered,
            Self::ScheduleMissed => NotificationKind::ScheduleMissed,
        }
    }
}

fn usual() -> Vec<AlertOn> {
    vec![AlertOn::RunFailed, AlertOn::RunRecovered, AlertOn::FreshnessError, AlertOn::FreshnessRecovered]
}

fn yes() -> bool {
    true
}

/// Each recovery, and the failures without which it is never told.
const NEEDS: [(NotificationKind, &[NotificationKind]); 4] = [
    (NotificationKind::RunRecovered, &[NotificationKind::RunFailed]),
    (NotificationKind::AssetRecovered, &[NotificationKind::AssetFailed]),
    (NotificationKind::CheckRecovered, &[NotificationKind::CheckFailed]),
    (
        NotificationKind::FreshnessRecovered,
        &[NotificationKind::FreshnessWarn, NotificationKind::FreshnessError],
    ),
];

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// The notifier: `builtin:NAME`, an absolute path, or a name in the plugins folder.
    pub notifier: String,
    /// The notifier's configuration, a JSON object; none where the operator gave none.
    pub config: Option<serde_json::Value>,
    /// Names of destinations; at least one.
    pub destinations: Vec<String>,
    /// What is told of what.
    pub rule: AlertRule,
}

impl Alert {
    /// The configuration for records and comparisons.
    pub fn record(&self) -> serde_json::Value {
        let rule = &self.rule;
        json!({
            "notifier": self.notifier,
            "config": self.config,
            "destinations": self.destinations,
            "on": rule.on,
            "projects": rule.projects,
            "jobs": rule.jobs,
            "tags": rule.tags,
            "owners": rule.owners,
            "after_last_retry": rule.after_last_retry,
            "changes_only": rule.changes_only,
            "group_by": rule.group_by,
            "suppress": format!("{:#}", rule.suppress),
        })
    }

    /// The alert that the settings beside a notifier of the plugins folder make: the keys of `[alerts.NAME]` but `notifier`.
    /// None where they name no destinations. The error is a sentence for people.
    pub fn of_settings(
        name: &str,
        settings: &toml::Table,
        destinations: &BTreeSet<String>,
    ) -> Result<Option<Self>, String> {
        let mut table = settings.clone();
        if table.insert("notifier".to_owned(), name.into()).is_some() {
            return Err("`notifier` cannot be set: it is the plugin beside the file".to_owned());
        }
        table.remove("limits");
        let is_alert = table.contains_key("destinations");
        // What else it says is held against the shape of an alert too: the name of that very key may be misspelt.
        table.entry("destinations").or_insert_with(|| toml::Value::Array(Vec::new()));
        strictly(&table)?;
        let config: AlertConfig = table.try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
        let around = Around { base: Path::new("/"), projects: None, jobs: None, destinations };
        match resolve(name, config, &around) {
            Ok(alert) => Ok(Some(alert)),
            Err(mut problems) => {
                problems.retain(|(key, _)| is_alert || *key != "destinations");
                match problems.is_empty() {
                    true => Ok(None),
                    false => Err(in_words(problems.into_iter().map(|(_, problem)| problem))),
                }
            }
        }
    }
}

/// Holds settings against the shape of an alert, with the nearest key for one that is not known.
fn strictly(table: &toml::Table) -> Result<(), String> {
    let mut schema = schemars::schema_for!(AlertConfig).to_value();
    // Not a key of an alert, but one that may stand there.
    if let Some(known) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        known.remove("notifier");
        known.insert("limits".to_owned(), json!({ "type": "object" }));
    }
    let mut table = table.clone();
    table.remove("notifier");
    let text = toml::to_string(&table).map_err(|e| e.to_string())?;
    let document = DeTable::parse(&text).map_err(|e| e.message().to_owned())?;
    let strict::Mistakes { unknown, unreadable } = strict::check(&text, document.get_ref(), &schema);
    let problems: Vec<_> = unknown
        .into_iter()
        .chain(unreadable)
        .filter(|problem| problem.message != "`notifier` is missing")
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(in_words(problems)) }
}

fn in_words(problems: impl IntoIterator<Item = ConfigProblem>) -> String {
    let sentence = |problem: ConfigProblem| match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.message),
        None => problem.message,
    };
    problems.into_iter().map(sentence).collect::<Vec<_>>().join("; ")
}

/// What an alert is resolved with; projects and jobs are only checked where they are known.
pub(super) struct Around<'a> {
    pub(super) base: &'a Path,
    pub(super) projects: Option<&'a BTreeSet<String>>,
    pub(super) jobs: Option<&'a BTreeSet<String>>,
    pub(super) destinations: &'a BTreeSet<String>,
}

type Problems = Vec<(&'static str, ConfigProblem)>;

pub(super) fn resolve(name: &str, alert: AlertConfig, around: &Around<'_>) -> Result<Alert, Problems> {
    let mut problems = Problems::new();
    let mut note = |key, problem| problems.push((key, problem));
    let unknown = |what: &str, name: &String, known: &BTreeSet<String>| {
        let problem = ConfigProblem::new(format!("{what}s: there is no {what} `{name}`"));
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if what == "destination" => problem.hint(format!("add `[destinations.{name}.http]`")),
            None => problem,
        }
    };
    if alert.destinations.is_empty() {
        let problem = ConfigProblem::new("an alert needs at least one destination");
        note("destinations", problem.hint("destinations = [\"NAME\"], and `[destinations.NAME.http]`"));
    }
    let named = [
        ("destinations", "destination", &alert.destinations, Some(around.destinations)),
        ("projects", "project", &alert.projects, around.projects),
        ("jobs", "job", &alert.jobs, around.jobs),
    ];
    for (key, what, names, known) in named {
        let Some(known) = known else { continue };
        for name in names.iter().filter(|name| !known.contains(*name)) {
            note(key, unknown(what, name, known));
        }
    }
    let on: BTreeSet<_> = alert.on.iter().map(|on| on.kind()).collect();
    if on.is_empty() {
        note(
            "on",
            ConfigProblem::new("on: it tells of nothing").hint("on = [\"run_failed\", \"run_recovered\"]"),
        );
    }
    for (recovery, failures) in NEEDS {
        if on.contains(&recovery) && !failures.iter().any(|failure| on.contains(failure)) {
            let problem = ConfigProblem::new(format!(
                "on: `{}` is only told of what was told to be failing",
                recovery.as_str()
            ));
            note("on", problem.hint(format!("add `{}`", failures[0].as_str())));
        }
    }
    for key in unfit(&alert.config) {
        note("config", unfit_value(key));
    }
    let suppress = match alert.suppress.as_deref() {
        None => SignedDuration::ZERO,
        Some(text) if text.parse::<jiff::Span>().is_ok_and(|span| span.is_zero()) => SignedDuration::ZERO,
        Some(text) => duration(text).unwrap_or_else(|mut problem| {
            problem.message = format!("suppress: {}", problem.message);
            note("suppress", problem);
            SignedDuration::ZERO
        }),
    };
    if alert.notifier.is_empty() {
        note(
            "notifier",
            ConfigProblem::new("notifier: it names no plugin").hint("notifier = \"builtin:slack\""),
        );
    }
    if let Some(problem) = misspelt(&alert.notifier) {
        note("notifier", problem);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let notifier = plugin_reference(&alert.notifier, around.base);
    let config = (!alert.config.is_empty())
        .then(|| serde_json::Value::Object(json_map(alert.config).into_iter().collect()));
    let mut destinations = alert.destinations;
    let mut seen = BTreeSet::new();
    destinations.retain(|name| seen.insert(name.clone()));
    Ok(Alert {
        name: name.to_owned(),
        notifier,
        config,
        destinations,
        rule: AlertRule {
            name: name.to_owned(),
            on,
            projects: alert.projects,
            jobs: alert.jobs,
            tags: alert.tags,
            owners: alert.owners,
            after_last_retry: alert.after_last_retry,
            changes_only: alert.changes_only,
            group_by: alert.group_by,
            suppress,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert_of(text: &str) -> Result<Option<Alert>, String> {
        Alert::of_settings("hook", &text.parse().unwrap(), &BTreeSet::from(["ops".to_owned()]))
    }

    #[test]
    fn settings_beside_a_notifier_are_as_strict_as_the_file() {
        let alert =
            alert_of("destinations = [\"ops\"]\nsuppress = \"1h\"\n[config]\na = 1\n[limits]\ntime = \"5s\"")
                .unwrap();
        assert_eq!(alert.unwrap().destinations, ["ops"]);
        assert_eq!(alert_of(""), Ok(None));
        assert_eq!(alert_of("[config]\na = 1"), Ok(None));
        let cases = [
            ("destinatons = [\"ops\"]", "unknown key `destinatons` (did you mean `destinations`?)"),
            (
                "destinations = [\"ops\"]\nsupress = \"1h\"",
                "unknown key `supress` (did you mean `suppress`?)",
            ),
            ("[limitz]\ntime = \"1s\"", "unknown key `limitz` (did you mean `limits`?)"),
            ("destinations = [\"obs\"]", "destinations: there is no destination `obs` (did you mean `ops`?)"),
            ("destinations = [\"ops\"]\nsuppress = \"soon\"", "suppress: "),
            ("suppress = \"soon\"", "suppress: "),
            ("destinations = [\"ops\"]\ngroup_by = \"team\"", "`group_by` should be "),
            ("destinations = [\"ops\"]\non = [\"run_faild\"]", "item 1 of `on` should be "),
            ("destinations = \"ops\"", "`destinations` should be a list, not a text"),
            ("destinations = []", "an alert needs at least one destination"),
            ("notifier = \"x\"\ndestinations = [\"ops\"]", "`notifier` cannot be set"),
        ];
        for (text, said) in cases {
            let problem = alert_of(text).unwrap_err();
            assert!(problem.starts_with(said), "{text}: {problem}");
        }
    }
}
