//! The projects of a host that stays: prepared ahead of their runs, and looked at again when their files change. What cannot
//! be read leaves what was read before.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use super::{
    Configuration, Mail, Message, ProjectStatus, Refusal, Shelf, message::Expected,
    real::select as select_by_dbt,
};
use crate::{
    config,
    model::{FreshWithin, ResourceType},
    plugins::Catalogue,
    project::{self, Call, Opened},
    schedule::Schedule,
};

/// More lines than these about one change are of no use to anybody.
const MOST_LINES: usize = 20;

/// Looks after the projects of a host.
pub struct Projects {
    asked: mpsc::Sender<BTreeSet<String>>,
}

impl Projects {
    /// Looks at all projects now, and at some whenever it is asked to.
    pub fn start(
        configuration: Arc<Configuration>,
        catalogue: Catalogue,
        shelf: Shelf,
        mail: Mail,
    ) -> std::io::Result<Self> {
        let (asked, asks) = mpsc::channel::<BTreeSet<String>>();
        let mut keeper = Keeper { configuration, catalogue, mail, known: shelf };
        thread::Builder::new().name("projects".to_owned()).spawn(move || {
            let all = keeper.configuration.current().projects.keys().cloned().collect();
            keeper.look(&all);
            while let Ok(mut names) = asks.recv() {
                asks.try_iter().for_each(|more| names.extend(more));
                keeper.look(&names);
            }
        })?;
        Ok(Self { asked })
    }

    /// Looks at these again.
    pub fn look(&self, names: BTreeSet<String>) {
        let _ = self.asked.send(names);
    }
}

struct Keeper {
    configuration: Arc<Configuration>,
    catalogue: Catalogue,
    mail: Mail,
    known: Shelf,
}

impl Keeper {
    fn look(&mut self, names: &BTreeSet<String>) {
        let config = self.configuration.current();
        self.known.retain(|name| config.projects.contains_key(name));
        for project in config.projects.values().filter(|project| names.contains(&project.name)) {
            let problem = self.open(project, &config.state_dir).err();
            let assets = self.known.known(&project.name).map(|opened| opened.project.assets.len() as u64);
            let status = ProjectStatus { name: project.name.clone(), assets, problem };
            if self.mail.send(Message::Looked(status)).is_err() {
                return;
            }
            if let Some(opened) = self.known.known(&project.name) {
                let (assets, all) = expected(project, &opened, &config.state_dir);
                let (project, opened) = (project.name.clone(), opened);
                let _ = self.mail.send(Message::Expect { project, opened, assets, all });
            }
        }
    }

    fn open(&mut self, project: &config::Project, state_dir: &std::path::Path) -> Result<(), String> {
        let name = &project.name;
        let notice = |text: &str| tracing::info!(project = name, "{text}");
        let opened =
            project::open(project, state_dir, &self.catalogue, &Call { notice: &notice, stop: &|| false });
        let opened = opened.map_err(|e| {
            let problem = e.to_string();
            let kept = if self.known.known(name).is_some() { "; what was read before stays" } else { "" };
            tracing::error!(project = name, problem, "the project cannot be read{kept}");
            problem
        })?;
        for warning in &opened.warnings {
            tracing::warn!(project = name, "{warning}");
        }
        match self.known.known(name) {
            None => tracing::info!(project = name, assets = opened.project.assets.len(), "project read"),
            Some(before) => {
                let lines = changes(&before, &opened);
                for line in lines.iter().take(MOST_LINES) {
                    tracing::info!(project = name, "{line}");
                }
                if lines.len() > MOST_LINES {
                    tracing::info!(project = name, "… and {} more changes", lines.len() - MOST_LINES);
                }
            }
        }
        self.known.put(name, Arc::new(opened));
        Ok(())
    }
}

/// The assets of a project that have to be fresh, as the configuration and their `meta` say, and whether these are all: a
/// selection that dbt cannot resolve now must not make anything fresh again.
fn expected(project: &config::Project, opened: &Opened, state_dir: &Path) -> (Vec<Expected>, bool) {
    let assets = &opened.project.assets;
    let mut fresh: BTreeMap<String, FreshWithin> = assets
        .iter()
        .filter_map(|asset| Some((asset.unique_id.clone(), asset.fresh_within.clone()?)))
        .collect();
    let mut all = true;
    for rule in &project.freshness {
        let (name, select) = (&project.name, rule.select.join(" "));
        match fresh_assets(project, opened, state_dir, rule) {
            Ok(ids) if ids.is_empty() => {
                tracing::warn!(
                    project = name,
                    select,
                    "the selection of what has to be fresh matches no asset"
                );
            }
            Ok(ids) => fresh.extend(ids.into_iter().map(|id| (id, rule.fresh_within.clone()))),
            Err(refusal) => {
                all = false;
                let problem = refusal.message;
                let hint = refusal.hint.unwrap_or_default();
                tracing::error!(
                    project = name,
                    select,
                    problem,
                    hint,
                    "nothing is known of what has to be fresh"
                );
            }
        }
    }
    fresh.retain(|id, fresh| match fresh.deadline.as_ref().map(Schedule::of_deadline) {
        Some(Err(problem)) => {
            let (name, asset) = (&project.name, id);
            tracing::error!(project = name, asset, problem, "nobody knows when the asset has to be fresh");
            false
        }
        _ => true,
    });
    let built = assets.iter().filter(|asset| asset.resource_type != ResourceType::Source);
    let expected = built
        .filter_map(|asset| {
            Some(Expected {
                unique_id: asset.unique_id.clone(),
                key: asset.shape.key.to_string(),
                owners: asset.shape.owners.clone(),
                tags: asset.shape.tags.keys().cloned().collect(),
                fresh_within: fresh.remove(&asset.unique_id)?,
            })
        })
        .collect();
    (expected, all)
}

/// The ids of the assets that have to be fresh by a rule, without sources. dbt is asked where the selection takes more than
/// a key.
///
/// # Errors
///
/// Where a key is nobody's or a source's, or dbt refuses the selection.
pub fn fresh_assets(
    project: &config::Project,
    opened: &Opened,
    state_dir: &Path,
    rule: &config::Freshness,
) -> Result<Vec<String>, Refusal> {
    let known = &opened.project;
    let mut ids = Vec::new();
    let mut others = Vec::new();
    for part in &rule.select {
        match part.strip_prefix("key:") {
            Some(key) => {
                let found: Vec<_> = known.assets_by_key(key).collect();
                if found.is_empty() {
                    let near = known.nearest_key(key);
                    return Err(Refusal {
                        hint: near.map(|near| format!("did you mean `key:{near}`?")),
                        ..Refusal::new(format!("no asset has the key `{key}`"))
                    });
                }
                if found.iter().all(|asset| asset.resource_type == ResourceType::Source) {
                    return Err(Refusal {
                        hint: Some(
                            "give it a `freshness` in dbt's YAML, and run `dbt source freshness`".to_owned(),
                        ),
                        ..Refusal::new(format!(
                            "`{key}` is a source, for which dbt has thresholds of its own"
                        ))
                    });
                }
                ids.extend(found.iter().map(|asset| asset.unique_id.clone()));
            }
            None => others.push(part.clone()),
        }
    }
    if !others.is_empty() {
        let args = ["ls".to_owned(), "--select".to_owned()].into_iter().chain(others).collect::<Vec<_>>();
        ids.extend(select_by_dbt(state_dir, project, opened, &args)?);
    }
    ids.retain(|id| known.asset(id).is_some_and(|asset| asset.resource_type != ResourceType::Source));
    Ok(ids)
}

/// What differs between two states of a project, a line each.
fn changes(before: &Opened, after: &Opened) -> Vec<String> {
    let index = |opened: &Opened| -> BTreeMap<String, (String, Option<String>)> {
        let assets = opened.project.assets.iter();
        assets.map(|a| (a.unique_id.clone(), (a.shape.key.to_string(), a.code_version.clone()))).collect()
    };
    let (before, after) = (index(before), index(after));
    let mut lines = Vec::new();
    for (id, (key, code)) in &after {
        match before.get(id) {
            None => lines.push(format!("asset {key} is new")),
            Some((old, _)) if old != key => lines.push(format!("asset {old} is {key} now")),
            Some((_, old)) if old != code => lines.push(format!("asset {key} has other code")),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(id, _)| !after.contains_key(*id));
    lines.extend(gone.map(|(_, (key, _))| format!("asset {key} is gone")));
    lines
}
