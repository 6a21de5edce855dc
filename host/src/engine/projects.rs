//! The projects of a host that stays: prepared ahead of their runs, and looked at again when their files change. What cannot
//! be read leaves what was read before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    thread,
};

use super::{Configuration, Mail, Message, ProjectStatus};
use crate::{
    config,
    project::{self, Call, Opened},
};

/// More lines than these about one change are of no use to anybody.
const MOST_LINES: usize = 20;

/// Looks after the projects of a host.
pub struct Projects {
    asked: mpsc::Sender<BTreeSet<String>>,
}

impl Projects {
    /// Looks at all projects now, and at some whenever it is asked to.
    pub fn start(configuration: Arc<Configuration>, mail: Mail) -> std::io::Result<Self> {
        let (asked, asks) = mpsc::channel::<BTreeSet<String>>();
        let mut keeper = Keeper { configuration, mail, known: BTreeMap::new() };
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
    mail: Mail,
    known: BTreeMap<String, Opened>,
}

impl Keeper {
    fn look(&mut self, names: &BTreeSet<String>) {
        let config = self.configuration.current();
        for project in config.projects.values().filter(|project| names.contains(&project.name)) {
            let problem = self.open(project, &config.state_dir).err();
            let assets = self.known.get(&project.name).map(|opened| opened.project.assets.len() as u64);
            let status = ProjectStatus { name: project.name.clone(), assets, problem };
            if self.mail.send(Message::Looked(status)).is_err() {
                return;
            }
        }
    }

    fn open(&mut self, project: &config::Project, state_dir: &std::path::Path) -> Result<(), String> {
        let name = &project.name;
        let notice = |text: &str| tracing::info!(project = name, "{text}");
        let opened = project::open(project, state_dir, &Call { notice: &notice, stop: &|| false });
        let opened = opened.map_err(|e| {
            let problem = e.to_string();
            let kept = if self.known.contains_key(name) { "; what was read before stays" } else { "" };
            tracing::error!(project = name, problem, "the project cannot be read{kept}");
            problem
        })?;
        for warning in &opened.warnings {
            tracing::warn!(project = name, "{warning}");
        }
        match self.known.get(name) {
            None => tracing::info!(project = name, assets = opened.project.assets.len(), "project read"),
            Some(before) => {
                let lines = changes(before, &opened);
                for line in lines.iter().take(MOST_LINES) {
                    tracing::info!(project = name, "{line}");
                }
                if lines.len() > MOST_LINES {
                    tracing::info!(project = name, "… and {} more changes", lines.len() - MOST_LINES);
                }
            }
        }
        self.known.insert(name.clone(), opened);
        Ok(())
    }
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
