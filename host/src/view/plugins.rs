//! Plugins: those of the folder, those that the configuration names and those that Tidegate carries; what each is, what it may
//! do, and what it was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    config::{Alert, Config},
    engine,
    model::{CallCost, PluginRecord, PluginState},
    plugins::{
        AnyPlugin, CallLimits, Catalogue, Description, FolderPlugin, Limits, LoadError, LoadFault, Plugin,
        PluginKind,
    },
    store::CallRow,
};

/// The nodes that a call is about whose limits are shown: of a translator the largest chunk that a project is translated in, of
/// the others the most that they are told of.
pub const CHUNK: usize = 250;
/// As above, of the others.
pub const MOST: usize = 1000;

/// A plugin in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginRow {
    /// What the configuration calls it: the name of its file, `builtin:NAME`, or a path.
    pub name: String,
    /// Where the host stands with it.
    pub state: PluginStanding,
    /// What is used, or would be; nothing of it where nothing is.
    #[serde(flatten)]
    pub plugin: Option<Used>,
    /// What of the configuration names it, such as `job nightly`.
    pub used_by: Vec<String>,
    /// Why its file is refused.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where the host stands with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginStanding {
    /// It is used, or can be.
    Ready,
    /// It cannot be used as it is now; what was used before may still be.
    Refused,
    /// The host has not taken it up yet as it is now.
    Waiting,
}

/// What a plugin is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Used {
    /// `translator`, `retry-policy` or `notifier`.
    pub kind: String,
    /// What it calls itself; calls are on record by this name.
    pub says: String,
    /// Its version.
    pub version: String,
    /// The sha256 of its bytes.
    pub digest: String,
}

impl From<PluginRecord> for Used {
    fn from(record: PluginRecord) -> Self {
        let PluginRecord { kind, name, version, digest } = record;
        Self { kind, says: name, version, digest }
    }
}

/// What there is to know about a plugin. Its fields are the keys of `plugin inspect --json`, and stay.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    /// The plugin's source as it was written.
    pub source: String,
    /// What kind of plugin it is: `translator`, `retry-policy` or `notifier`; null where it is none that Tidegate knows.
    pub kind: Option<&'static str>,
    /// The interface that makes it so, with its version.
    pub contract: Option<String>,
    /// Name, version and summary, as the plugin says; nothing of it where it could not say.
    #[serde(flatten)]
    pub description: Option<Description>,
    /// The component's size in bytes.
    pub size: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
    /// What it imports: the list of its permissions.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What a call may use: of a translator, for 250 nodes of 4 KiB; of the others, for 1,000.
    pub limits: CallLimits,
    /// Why it cannot be used; null where it can.
    pub problem: Option<String>,
}

impl Report {
    /// The report on a plugin.
    pub fn of(limits: &Limits, plugin: &AnyPlugin) -> Self {
        let (description, problem) = match plugin.describe() {
            Ok(description) => (Some(description), None),
            Err(error) => (None, Some(format!("asked who it is, it {error}"))),
        };
        Self {
            contract: Some(plugin.contract().to_owned()),
            description,
            problem,
            ..Self::of_component(limits, plugin.plugin())
        }
    }

    /// The report on a component, which may be no plugin.
    pub fn of_component(limits: &Limits, plugin: &Plugin) -> Self {
        let kind = PluginKind::of(plugin);
        Self {
            source: plugin.source().to_owned(),
            kind: kind.map(PluginKind::as_str),
            contract: None,
            description: None,
            size: plugin.size(),
            sha256: plugin.digest().to_owned(),
            imports: plugin.imports().to_vec(),
            exports: plugin.exports().to_vec(),
            limits: match kind {
                None | Some(PluginKind::Translator) => limits.for_call(CHUNK, CHUNK * 4096),
                Some(_) => limits.for_call(0, MOST * 4096),
            },
            problem: None,
        }
    }
}

/// A plugin with what it may do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PluginDetail {
    /// What stands in the list.
    #[serde(flatten)]
    pub row: PluginRow,
    /// What the one is that is used; null where none is.
    pub report: Option<Report>,
    /// Its newest calls, newest first.
    pub calls: Vec<CallLine>,
    /// How many of these went wrong.
    pub faults: u32,
}

/// A call of a plugin in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallLine {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The plugin that was called.
    pub plugin: PluginRecord,
    /// What it was about, such as `run 12.1.2` or `notification 481`.
    pub subject: String,
    /// What it answered, in a few words; null where it faulted.
    pub gist: Option<String>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: CallCost,
    /// `ok`, or how it faulted.
    pub verdict: String,
}

impl From<CallRow> for CallLine {
    fn from(row: CallRow) -> Self {
        let CallRow { id, at, plugin, subject, answer, cost, verdict } = row;
        let gist = answer.as_ref().filter(|_| verdict == "ok").map(gist);
        Self { id, at, plugin, subject, gist, cost, verdict }
    }
}

/// The plugins of the folder and those that the configuration names; with `all` those that Tidegate carries, too. `known` is
/// what a host knows of the folder's; none where there is no host.
pub fn rows(
    config: &Config,
    catalogue: &Catalogue,
    known: Option<&BTreeMap<String, PluginState>>,
    all: bool,
) -> Vec<PluginRow> {
    let used = uses(config, catalogue);
    let folder = catalogue.in_folder();
    let mut rows: Vec<_> = folder.iter().map(|plugin| of_folder(plugin, known, &used)).collect();
    let names: BTreeSet<_> = folder.iter().map(|plugin| plugin.name.as_str()).collect();
    let builtins = Catalogue::builtins().filter(|_| all);
    let others: BTreeSet<String> = used.keys().cloned().chain(builtins).collect();
    let others = others.into_iter().filter(|name| !names.contains(name.as_str()));
    rows.extend(others.map(|name| elsewhere(catalogue, name, &used)));
    rows
}

type Uses = BTreeMap<String, BTreeSet<String>>;

fn users(used: &Uses, name: &str) -> Vec<String> {
    used.get(name).into_iter().flatten().cloned().collect()
}

fn of_folder(plugin: &FolderPlugin, known: Option<&BTreeMap<String, PluginState>>, used: &Uses) -> PluginRow {
    let host = known.map(|known| known.get(&plugin.name));
    // What the host uses counts: where a file was refused, it may be the one before.
    let works = match host {
        Some(Some(host)) => host.works.clone(),
        _ => plugin.works.clone(),
    };
    let waits = host.is_some_and(|host| host.is_none_or(|host| differs(host, plugin.works.as_ref())));
    let (reason, hint) = plugin.refused.clone().unzip();
    PluginRow {
        name: plugin.name.clone(),
        state: match (&reason, waits) {
            (Some(_), _) => PluginStanding::Refused,
            (None, true) => PluginStanding::Waiting,
            (None, false) => PluginStanding::Ready,
        },
        plugin: works.map(Used::from),
        used_by: users(used, &plugin.name),
        reason,
        hint: hint.flatten(),
    }
}

fn elsewhere(catalogue: &Catalogue, name: String, used: &Uses) -> PluginRow {
    let record = catalogue.plugin(&name).and_then(|plugin| {
        plugin.record().map_err(|error| LoadError { plugin: name.clone(), fault: LoadFault::Silent(error) })
    });
    let used_by = users(used, &name);
    let (state, plugin, reason, hint) = match record {
        Ok(record) => (PluginStanding::Ready, Some(record.into()), None, None),
        Err(error) => (PluginStanding::Refused, None, Some(error.fault.to_string()), error.hint()),
    };
    PluginRow { name, state, plugin, used_by, reason, hint }
}

/// Whether a host uses something else than what the file holds, and does not refuse it.
fn differs(host: &PluginState, found: Option<&PluginRecord>) -> bool {
    host.works.as_ref().map(|record| &record.digest) != found.map(|record| &record.digest)
}

/// What of the configuration names which plugin.
fn uses(config: &Config, catalogue: &Catalogue) -> Uses {
    let mut used = Uses::new();
    // A path into the folder and the name of that file are one plugin.
    let name = |reference: &str| {
        let path = Path::new(reference);
        let in_folder = path.parent() == Some(config.plugins_dir.as_path());
        let stem = path.file_stem().filter(|_| in_folder);
        stem.map_or_else(|| reference.to_owned(), |stem| stem.to_string_lossy().into_owned())
    };
    for project in config.projects.values() {
        if let Some(translator) = &project.translator {
            used.entry(name(&translator.plugin)).or_default().insert(format!("project {}", project.name));
        }
    }
    for job in config.jobs.values() {
        if let Some(rule) = &job.retry {
            used.entry(name(&rule.plugin)).or_default().insert(format!("job {}", job.name));
        }
    }
    if let Some(rule) = &config.retry {
        used.entry(name(&rule.plugin)).or_default().insert("materialize".to_owned());
    }
    let destinations: BTreeSet<_> = config.destinations.keys().cloned().collect();
    let (of_plugins, _) = engine::alerts_of(catalogue, &destinations);
    let of_plugins: Vec<Alert> =
        of_plugins.into_iter().filter(|alert| !config.alerts.contains_key(&alert.name)).collect();
    for alert in config.alerts.values().chain(&of_plugins) {
        used.entry(name(&alert.notifier)).or_default().insert(format!("alert {}", alert.name));
    }
    used
}

/// What a plugin may call itself: calls are on record by that name.
pub fn names_of(catalogue: &Catalogue, name: &str, works: Option<&PluginRecord>) -> BTreeSet<String> {
    let mut names = BTreeSet::from([name.to_owned()]);
    names.extend(works.map(|record| record.name.clone()));
    if works.is_none() && name.contains([':', '/']) {
        let record = catalogue.plugin(name).ok().and_then(|plugin| plugin.record().ok());
        names.extend(record.map(|record| record.name));
    }
    names
}

/// An answer of a plugin in a few words.
pub fn gist(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default();
    match answer {
        Value::Object(_) if text("decision") == "give_up" => format!("give up: {}", text("reason")),
        Value::Object(_) if text("decision") == "retry" => {
            format!("retry {}: {}", text("scope"), text("reason"))
        }
        Value::Array(requests) if requests.is_empty() => "nothing to send".to_owned(),
        Value::Array(requests) => {
            let to: BTreeSet<_> =
                requests.iter().filter_map(|request| request["destination"].as_str()).collect();
            let number = count(requests.len(), "request");
            if to.is_empty() {
                number
            } else {
                format!("{number} to {}", to.into_iter().collect::<Vec<_>>().join(", "))
            }
        }
        Value::Object(keys) if keys.values().all(|key| key.is_string() || key.is_object()) => {
            count(keys.len(), "asset")
        }
        other => other.to_string(),
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_in_a_few_words() {
        let retry = json!({"decision": "retry", "after": "PT60S", "scope": "unfinished", "threads": null, "reason": "locked"});
        assert_eq!(gist(&retry), "retry unfinished: locked");
        assert_eq!(
            gist(&json!({"decision": "give_up", "reason": "a failed test"})),
            "give up: a failed test"
        );
        assert_eq!(gist(&json!([])), "nothing to send");
        let request = json!({"destination": "ops"});
        assert_eq!(gist(&json!([request, request])), "2 requests to ops");
        assert_eq!(gist(&json!({"model.shop.a": "a", "model.shop.b": {"error": "no"}})), "2 assets");
        assert_eq!(gist(&json!(7)), "7");
    }
}
