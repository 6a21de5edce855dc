//! Opening a project: its manifest prepared, read, and shaped by its translator.

use std::path::{Path, PathBuf};

use super::{
    load::{LoadError, Loaded, load},
    prepare::{Call, Folder, PrepareError, Prepared, prepare},
};
use crate::{
    config,
    model::{PluginCall, PluginRecord, Project},
    plugins::Catalogue,
    policy::ProjectTranslator,
    process,
};

/// A project that can be looked at and run.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The project.
    pub project: Project,
    /// The manifest that it was read from.
    pub manifest: PathBuf,
    /// What dbt was found and what the project reads; none where the last good manifest had to do.
    pub prepared: Option<Prepared>,
    /// The plugins that had a say.
    pub plugins: Vec<PluginRecord>,
    /// What they were asked and what they answered.
    pub calls: Vec<PluginCall>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Why a project cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its manifest cannot be prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Its manifest cannot be read as assets.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl OpenError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Prepare(e) => e.hint(),
            Self::Load(_) => None,
        }
    }
}

/// Opens a project, preparing its manifest where it is missing or old.
pub fn open(
    project: &config::Project,
    state_dir: &Path,
    catalogue: &Catalogue,
    call: &Call<'_>,
) -> Result<Opened, OpenError> {
    let folder = Folder::of(state_dir, project);
    if let Some(manifest) = &project.manifest {
        let prepared = Prepared::elsewhere(&project.dbt, &folder, manifest)?;
        return Ok(shape(project, catalogue, manifest, call)?.opened(manifest.clone(), Some(prepared)));
    }
    // Whichever verb comes first makes it, and it is as private from any.
    process::make_state_dir(state_dir)
        .map_err(|source| PrepareError::Io { path: state_dir.to_owned(), source })?;
    let mut prepared = prepare(&project.dbt, &folder, call)?;
    let mut shaped = shape(project, catalogue, &prepared.manifest, call);
    if !prepared.is_new && matches!(shaped, Err(LoadError::Manifest(_))) {
        // Something has damaged what dbt once wrote well: it can write it again.
        folder.forget();
        prepared = prepare(&project.dbt, &folder, call)?;
        shaped = shape(project, catalogue, &prepared.manifest, call);
    }
    let shaped = shaped?;
    prepared.accept()?;
    Ok(shaped.opened(prepared.manifest.clone(), Some(prepared)))
}

/// Opens a project for looking at it: where it cannot be prepared, as it was when it last could be, with a warning.
pub fn look(
    project: &config::Project,
    state_dir: &Path,
    catalogue: &Catalogue,
    call: &Call<'_>,
) -> Result<Opened, OpenError> {
    let error = match open(project, state_dir, catalogue, call) {
        Err(OpenError::Prepare(error)) if !matches!(error, PrepareError::Stopped) => error,
        Err(OpenError::Load(LoadError::Manifest(error))) => return Err(LoadError::Manifest(error).into()),
        other => return other,
    };
    let manifest = Folder::of(state_dir, project).manifest();
    if !manifest.is_file() {
        return Err(error.into());
    }
    let mut shaped = shape(project, catalogue, &manifest, call)?;
    let old = format!("{error}\nshowing the project as it was when dbt could last read it");
    shaped.loaded.warnings.insert(0, old);
    Ok(shaped.opened(manifest, None))
}

/// A project as its manifest and its translator tell.
struct Shaped {
    loaded: Loaded,
    plugins: Vec<PluginRecord>,
    calls: Vec<PluginCall>,
}

impl Shaped {
    fn opened(self, manifest: PathBuf, prepared: Option<Prepared>) -> Opened {
        let Self { loaded: Loaded { project, warnings }, plugins, calls } = self;
        Opened { project, manifest, prepared, plugins, calls, warnings }
    }
}

fn shape(
    project: &config::Project,
    catalogue: &Catalogue,
    manifest: &Path,
    call: &Call<'_>,
) -> Result<Shaped, LoadError> {
    let Some(translator) = &project.translator else {
        let loaded = load(&project.name, manifest, None)?;
        return Ok(Shaped { loaded, plugins: Vec::new(), calls: Vec::new() });
    };
    let mut translator = ProjectTranslator::open(catalogue, &translator.plugin, &translator.config);
    let mut loaded = load(&project.name, manifest, Some(&mut |nodes| translator.translate(nodes)));
    if let Some(text) = translator.notice() {
        (call.notice)(text);
    }
    if translator.is_partial() {
        loaded = load(&project.name, manifest, None);
    }
    let mut loaded = loaded?;
    loaded.warnings.extend(translator.warning());
    Ok(Shaped {
        loaded,
        plugins: translator.record().into_iter().cloned().collect(),
        calls: translator.call(format!("project {}", project.name)).into_iter().collect(),
    })
}
