//! `tidegate plugin ls`: the plugins of the folder and those that the configuration names, with what is wrong with them.
//!
//! Owns the list, for people and as JSON. It looks at the files itself, with what the host looks with; where a host works
//! here, it says what that one uses.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, BAD, FAINT, GOOD, ODD, styled},
    },
    config::{Alert, Config},
    dbt::plain,
    engine,
    model::{PluginRecord, PluginState},
    plugins::Catalogue,
};

/// Arguments of `tidegate plugin ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Those that Tidegate carries too, whether used or not
    #[arg(long, short = 'a')]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A plugin as JSON. Its fields stay.
#[derive(Debug, Serialize)]
struct Row {
    /// What the configuration calls it: the name of its file, `builtin:NAME`, or a path.
    name: String,
    /// `ready`, `refused`, or `waiting` where a host works that has not taken it up as it is now.
    state: &'static str,
    /// What is used, or would be; none where nothing is.
    #[serde(flatten)]
    plugin: Option<Used>,
    /// What of the configuration names it.
    used_by: Vec<String>,
    /// Why its file is refused.
    reason: Option<String>,
    /// What to do about it.
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Used {
    kind: String,
    /// What it calls itself; calls are on record by this name.
    says: String,
    version: String,
    digest: String,
}

impl From<PluginRecord> for Used {
    fn from(record: PluginRecord) -> Self {
        let PluginRecord { kind, name, version, digest } = record;
        Self { kind, says: name, version, digest }
    }
}

impl Ls {
    /// Lists the plugins.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let catalogue = context.catalogue()?;
        if let Some(problem) = catalogue.scan(false).unreadable {
            return Err(Failure::new(problem));
        }
        let hosted = engine::is_hosted(&context.config.state_dir);
        let known = if hosted { context.reader()?.plugins()? } else { BTreeMap::new() };
        let used = uses(&context.config, &catalogue);
        let rows = self.rows(&catalogue, hosted.then_some(known), &used);
        if self.json {
            printer::json(&rows)?;
        } else {
            print(&rows, &catalogue);
        }
        Ok(Exit::Done)
    }

    fn rows(
        &self,
        catalogue: &Catalogue,
        known: Option<BTreeMap<String, PluginState>>,
        used: &BTreeMap<String, BTreeSet<String>>,
    ) -> Vec<Row> {
        let users = |name: &str| used.get(name).into_iter().flatten().cloned().collect();
        let mut rows = Vec::new();
        let folder = catalogue.in_folder();
        for plugin in &folder {
            let host = known.as_ref().map(|known| known.get(&plugin.name));
            // What the host uses counts: where a file was refused, it may be the one before.
            let works = match host {
                Some(Some(host)) => host.works.clone(),
                _ => plugin.works.clone(),
            };
            let waits = host.is_some_and(|host| host.is_none_or(|host| differs(host, plugin.works.as_ref())));
            let (reason, hint) = plugin.refused.clone().unzip();
            rows.push(Row {
                name: plugin.name.clone(),
                state: match (&reason, waits) {
                    (Some(_), _) => "refused",
                    (None, true) => "waiting",
                    (None, false) => "ready",
                },
                plugin: works.map(Used::from),
                used_by: users(&plugin.name),
                reason,
                hint: hint.flatten(),
            });
        }
        let names: BTreeSet<_> = folder.iter().map(|plugin| plugin.name.as_str()).collect();
        let builtins = Catalogue::builtins().filter(|_| self.all);
        let others: BTreeSet<String> = used.keys().cloned().chain(builtins).collect();
        for name in others.into_iter().filter(|name| !names.contains(name.as_str())) {
            let record = catalogue.plugin(&name).and_then(|plugin| {
                plugin.record().map_err(|error| crate::plugins::LoadError {
                    plugin: name.clone(),
                    fault: crate::plugins::LoadFault::Silent(error),
                })
            });
            let used_by = users(&name);
            rows.push(match record {
                Ok(record) => Row {
                    name,
                    state: "ready",
                    plugin: Some(record.into()),
                    used_by,
                    reason: None,
                    hint: None,
                },
                Err(error) => Row {
                    name,
                    state: "refused",
                    plugin: None,
                    used_by,
                    reason: Some(error.fault.to_string()),
                    hint: error.hint(),
                },
            });
        }
        rows
    }
}

/// Whether a host uses something else than what the file holds, and does not refuse it.
fn differs(host: &PluginState, found: Option<&PluginRecord>) -> bool {
    host.works.as_ref().map(|record| &record.digest) != found.map(|record| &record.digest)
}

/// What of the configuration names which plugin.
fn uses(config: &Config, catalogue: &Catalogue) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // A path into the folder and the name of that file are one plugin.
    let name = |reference: &str| {
        let path = std::path::Path::new(reference);
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
        if let Some(policy) = job.record()["retry"]["plugin"].as_str() {
            used.entry(name(policy)).or_default().insert(format!("job {}", job.name));
        }
    }
    if let Some(rule) = &config.retry {
        used.entry(name(&rule.plugin)).or_default().insert("materialize".to_owned());
    }
    let destinations: BTreeSet<_> = config.destinations.keys().cloned().collect();
    let of_plugins = catalogue.notifiers().into_iter().filter_map(|name| {
        Alert::of_settings(&name, &catalogue.settings(&name), &destinations).ok().flatten()
    });
    let of_plugins: Vec<_> = of_plugins.filter(|alert| !config.alerts.contains_key(&alert.name)).collect();
    for alert in config.alerts.values().chain(&of_plugins) {
        used.entry(name(&alert.notifier)).or_default().insert(format!("alert {}", alert.name));
    }
    used
}

fn print(rows: &[Row], catalogue: &Catalogue) {
    if rows.is_empty() {
        let folder = catalogue.folder().map(|folder| folder.display().to_string()).unwrap_or_default();
        printer::note(format!("there are no plugins in {folder}; --all shows those that Tidegate carries"));
        return;
    }
    let header = ["plugin", "kind", "version", "digest", "used by", "state"];
    let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
    for row in rows {
        let used = |part: fn(&Used) -> &str| plain(row.plugin.as_ref().map_or("", part));
        let state = match row.state {
            "ready" => styled(GOOD, "ready"),
            "waiting" => styled(ODD, "not taken up yet"),
            _ if row.plugin.is_some() => styled(BAD, "refused; the one before is used"),
            _ => styled(BAD, "refused"),
        };
        table.push(vec![
            plain(&row.name),
            used(|used| &used.kind),
            used(|used| &used.version),
            styled(FAINT, used(|used| used.digest.get(..12).unwrap_or(&used.digest))),
            row.used_by.join(", "),
            state,
        ]);
    }
    printer::table(&table);
    for row in rows {
        if let Some(reason) = &row.reason {
            printer::line(format!("{} {}: {}", styled(BAD, "refused"), plain(&row.name), plain(reason)));
            if let Some(hint) = &row.hint {
                printer::line(printer::indented(&format!("hint: {}", plain(hint)), 2));
            }
        }
    }
}
