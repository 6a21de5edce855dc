//! What most verbs begin with: the configuration, and the project that they are about.

use std::sync::Arc;

use super::{Common, Failure, printer};
use crate::{
    config::{self, Config, Project, locate},
    engine, fold,
    model::{Run, RunState, nearest},
    plugins::Catalogue,
    project::{self, Call, Opened},
    store::Reader,
};

/// The configuration of this call.
pub struct Context {
    /// What the operator wrote.
    pub config: Arc<Config>,
}

impl Context {
    /// Finds and reads the configuration.
    pub fn load(common: &Common) -> Result<Self, Failure> {
        let file = locate(common.config.as_deref())?;
        Ok(Self { config: Arc::new(Config::load(&file, common.state_dir.as_deref())?) })
    }

    /// The same for a verb that needs to know no more than where the state is: a mistake in the file must not hide what is
    /// there, nor a host that goes on with what the file was.
    pub fn of_state(common: &Common) -> Result<Self, Failure> {
        let file = locate(common.config.as_deref())?;
        let state_dir = common.state_dir.as_deref();
        let config = Config::load(&file, state_dir).or_else(|e| {
            Config::of_state(&file, state_dir).inspect(|_| printer::warning(&e.to_string())).ok_or(e)
        })?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The project with a name, or the only one.
    pub fn project(&self, named: Option<&str>) -> Result<&Project, Failure> {
        let projects = &self.config.projects;
        match named {
            Some(name) => projects.get(name).ok_or_else(|| {
                let near = nearest(name, projects.keys().map(String::as_str));
                Failure::new(format!("there is no project `{name}` in {}", self.config.file.display()))
                    .with_hint(near.map(|near| format!("did you mean `{near}`?")))
            }),
            None => match projects.len() {
                1 => projects.values().next().ok_or_else(|| Failure::new("no project is configured")),
                _ => Err(Failure::new("there are several projects").hint(format!(
                    "say which with `--project`: {}",
                    projects.keys().cloned().collect::<Vec<_>>().join(", ")
                ))),
            },
        }
    }

    /// A project to look at: as it is, or as it was when dbt could last read it.
    pub fn look(&self, project: &config::Project) -> Result<Opened, Failure> {
        let notice = |text: &str| printer::note(printer::styled(printer::FAINT, text));
        let call = Call { notice: &notice, stop: &|| false };
        let opened = project::look(project, &self.config.state_dir, &self.catalogue()?, &call)?;
        for warning in &opened.warnings {
            printer::warning(warning);
        }
        Ok(opened)
    }

    /// The plugins, of which none has been looked at.
    pub fn catalogue(&self) -> Result<Catalogue, Failure> {
        let catalogue = Catalogue::open(&self.config.state_dir, &self.config.plugins_dir)
            .map_err(|error| Failure::new(error.to_string()))?;
        // A file with mistakes names no destinations, and settings must not seem wrong for that.
        if !self.config.projects.is_empty() {
            engine::check_settings(&catalogue, &self.config);
        }
        Ok(catalogue)
    }

    /// The state directory, to be read.
    pub fn reader(&self) -> Result<Reader, Failure> {
        Ok(Reader::open(&self.config.state_dir)?)
    }

    /// Says so where a run is under way and nobody is there to go on with it.
    pub fn note_orphan(&self, run: &Run) {
        if !run.state.is_finished() && !engine::is_hosted(&self.config.state_dir) {
            let id = run.id;
            let waits = run.state == RunState::Queued || fold::waiting(run).is_some();
            let goes_on = if waits { "it waits" } else { "dbt goes on without one" };
            printer::note(format!(
                "run {id} has no host: {goes_on}, and the next `tidegate serve` or `tidegate run` takes it up"
            ));
        }
    }
}
