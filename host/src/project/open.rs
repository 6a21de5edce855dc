//! Opening a project: its manifest prepared, read, and shaped by its translator.

use std::path::Path;

use super::{
    load::{LoadError, load},
    prepare::{Call, Folder, PrepareError, Prepared, prepare},
};
use crate::{
    config,
    model::{PluginRecord, Project},
    plugins::{Limits, PluginSource, Sandbox, SandboxError},
    policy::ProjectTranslator,
};

/// A project that can be looked at and run.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The project.
    pub project: Project,
    /// The manifest that it was read from.
    pub manifest: std::path::PathBuf,
    /// What dbt was found and what the project reads; none where the last good manifest had to do.
    pub prepared: Option<Prepared>,
    /// The plugins that had a say.
    pub plugins: Vec<PluginRecord>,
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
pub fn open(project: &config::Project, state_dir: &Path, call: &Call<'_>) -> Result<Opened, OpenError> {
    let folder = Folder::of(state_dir, project);
    if let Some(manifest) = &project.manifest {
        let prepared = Prepared::elsewhere(&project.dbt, &folder, manifest)?;
        let (loaded, plugins, warnings) = shape(project, state_dir, manifest, call)?;
        return Ok(Opened {
            project: loaded,
            manifest: manifest.clone(),
            prepared: Some(prepared),
            plugins,
            warnings,
        });
    }
    let mut prepared = prepare(&project.dbt, &folder, call)?;
    let mut shaped = shape(project, state_dir, &prepared.manifest, call);
    if !prepared.is_new && matches!(shaped, Err(LoadError::Manifest(_))) {
        // Something has damaged what dbt once wrote well: it can write it again.
        folder.forget();
        prepared = prepare(&project.dbt, &folder, call)?;
        shaped = shape(project, state_dir, &prepared.manifest, call);
    }
    let (loaded, plugins, warnings) = shaped?;
    prepared.accept()?;
    let manifest = prepared.manifest.clone();
    Ok(Opened { project: loaded, manifest, prepared: Some(prepared), plugins, warnings })
}

/// Opens a project for looking at it: where it cannot be prepared, as it was when it last could be, with a warning.
pub fn look(project: &config::Project, state_dir: &Path, call: &Call<'_>) -> Result<Opened, OpenError> {
    let error = match open(project, state_dir, call) {
        Err(OpenError::Prepare(error)) if !matches!(error, PrepareError::Stopped) => error,
        Err(OpenError::Load(LoadError::Manifest(error))) => return Err(LoadError::Manifest(error).into()),
        other => return other,
    };
    let manifest = Folder::of(state_dir, project).manifest();
    if !manifest.is_file() {
        return Err(error.into());
    }
    let (loaded, plugins, mut warnings) = shape(project, state_dir, &manifest, call)?;
    warnings.insert(0, format!("{error}\nshowing the project as it was when dbt could last read it"));
    Ok(Opened { project: loaded, manifest, prepared: None, plugins, warnings })
}

fn shape(
    project: &config::Project,
    state_dir: &Path,
    manifest: &Path,
    call: &Call<'_>,
) -> Result<(Project, Vec<PluginRecord>, Vec<String>), LoadError> {
    let Some(translator) = &project.translator else {
        let loaded = load(&project.name, manifest, None)?;
        return Ok((loaded.project, Vec::new(), loaded.warnings));
    };
    let mut translator = match open_translator(translator, state_dir) {
        Ok(translator) => translator,
        Err(error) => {
            let loaded = load(&project.name, manifest, None)?;
            return Ok((loaded.project, Vec::new(), vec![format!("no translator is used: {error}")]));
        }
    };
    let mut loaded = load(&project.name, manifest, Some(&mut |nodes| translator.translate(nodes)));
    if let Some(text) = translator.notice() {
        (call.notice)(text);
    }
    if translator.is_partial() {
        loaded = load(&project.name, manifest, None);
    }
    let loaded = loaded?;
    let warnings = loaded.warnings.into_iter().chain(translator.warning());
    let plugins = translator.record().into_iter().cloned().collect();
    Ok((loaded.project, plugins, warnings.collect()))
}

/// A translator as the configuration names it; what is wrong with it is its fault, never an error.
///
/// # Errors
///
/// Where this machine cannot run any plugin.
pub fn open_translator(
    translator: &config::Translator,
    state_dir: &Path,
) -> Result<ProjectTranslator, SandboxError> {
    let source = match PluginSource::parse(&translator.plugin, Path::new("/")) {
        Ok(source) => source,
        Err(error) => return Ok(ProjectTranslator::broken(error)),
    };
    // A compile cache that cannot be used only costs time.
    let sandbox = Sandbox::new(Limits::default(), Some(state_dir))
        .or_else(|_| Sandbox::new(Limits::default(), None))?;
    Ok(ProjectTranslator::open(&sandbox, &source, &translator.config))
}
