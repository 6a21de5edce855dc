//! Which files a call of dbt writes to: the DuckDB databases that its profile names, found as dbt finds them.
//!
//! DuckDB lets one process open a file, so each of these is a lock. Owns where dbt looks for its profile and which part
//! of it counts. What is not understood is an error, so that nobody takes it for nothing. Databases that models, macros or
//! plugins attach by themselves cannot be seen here.

mod place;
mod render;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use place::{Base, Place, Way, place};
use render::Renderer;
use yaml::Yaml;

use super::{Invocation, options::option_value};

/// No profile is larger, in bytes.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// Why it cannot be told which files a call of dbt opens. Never holds a value of the profile or of a variable.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not YAML, or larger than any profile.
    #[error("{} is not YAML that can be used: {detail}", path.display())]
    NotYaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        detail: String,
    },
    /// A value cannot be found, rendered or understood.
    #[error("{}: {key}: {detail}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, from the top of the file down.
        key: String,
        /// Why.
        detail: String,
    },
    /// `--vars`, a variable of the environment or an argument is no help.
    #[error("{detail}")]
    Call {
        /// What is wrong.
        detail: String,
    },
}

impl ProfileError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => {
                "set `profiles_dir` in `[projects.NAME]` to the folder with profiles.yml, or see what `dbt debug` says"
            }
            Self::NotYaml { .. } => "see what `dbt debug` says of the file",
            Self::Value { .. } => {
                "see what `dbt debug` says; a plain path or `env_var` with text around it is always understood"
            }
            Self::Call { .. } => "see what `dbt debug` says with the same arguments and environment",
        }
    }
}

/// The DuckDB files that a call of dbt opens: absolute and canonical (symlinks resolved as far as the path exists), sorted.
/// Empty for other adapters, `:memory:`, `md:`/`motherduck:`. A file that is attached only to be read counts as well.
///
/// # Errors
///
/// Where the profile cannot be read, or is not understood. dbt may still understand it.
pub fn duckdb_files(invocation: &Invocation) -> Result<BTreeSet<PathBuf>, ProfileError> {
    // The one command that needs no profile.
    if invocation.args.first().is_some_and(|command| command == "deps") {
        return Ok(BTreeSet::new());
    }
    let call = Call::of(invocation)?;
    let (file, within, output) = call.output()?;
    let fail = |key: String, detail: &str| file.error(key, detail);
    let key = |rest: &str| format!("{within}.{rest}");
    let kind = output.get("type").ok_or_else(|| fail(key("type"), "missing"))?;
    if call.rendered_text(&file, key("type"), kind)? != "duckdb" {
        return Ok(BTreeSet::new());
    }
    // A server elsewhere opens the files, if any.
    if let Some(remote) = output.get("remote")
        && !call.rendered(&file, key("remote"), remote)?.is_falsy()
    {
        return Ok(BTreeSet::new());
    }
    let moved_home =
        output.get("config_options").is_some_and(|options| options.get("home_directory").is_some());
    let home = call.renderer.variable("HOME").ok().flatten().filter(|home| !home.is_empty() && !moved_home);
    let base = Base { cwd: &call.project_dir, home };
    let mut files = BTreeSet::new();
    let mut add = |path: &str, way: Way, key: String| -> Result<(), ProfileError> {
        match place(path, way, &base) {
            Ok(Place::File(path)) => drop(files.insert(path)),
            Ok(Place::Nowhere) => {}
            Err(detail) => return Err(fail(key, &detail)),
        }
        Ok(())
    };
    if let Some(path) = output.get("path") {
        add(&call.rendered_text(&file, key("path"), path)?, Way::Connect, key("path"))?;
    }
    let attached = match output.get("attach") {
        Some(attach) => call.rendered(&file, key("attach"), attach)?,
        None => Yaml::Null,
    };
    let attached = match attached {
        Yaml::Null => Vec::new(),
        Yaml::List(items) => items,
        _ => return Err(fail(key("attach"), "not a list")),
    };
    for (number, item) in attached.iter().enumerate() {
        let key = |rest: &str| key(&format!("attach[{number}]{rest}"));
        let Some(Yaml::Text(path)) = item.get("path") else {
            return Err(fail(key(".path"), "not a text"));
        };
        let options = item.get("options");
        if let Some(Yaml::Map(options)) = options
            && options
                .iter()
                .any(|(name, _)| matches!(name, Yaml::Text(n) if n.to_lowercase().starts_with("meta")))
        {
            return Err(fail(key(".options"), "a catalogue that is named apart from the path"));
        }
        let kind = [item.get("type"), options.and_then(|options| options.get("type"))]
            .into_iter()
            .flatten()
            .find(|kind| !kind.is_falsy());
        let kind = match kind {
            None => None,
            Some(Yaml::Text(kind)) => Some(kind.as_str()),
            Some(_) => return Err(fail(key(".type"), "not a text")),
        };
        add(path, Way::Attach(kind), key(".path"))?;
    }
    Ok(files)
}

/// With how many threads a call of dbt runs, by its arguments or its profile; none where the profile does not tell.
pub fn threads(invocation: &Invocation) -> Option<u32> {
    let call = Call::of(invocation).ok()?;
    if let Some(threads) = call.option(invocation, &["--threads"], "DBT_THREADS").ok()? {
        return threads.parse().ok();
    }
    let (file, place, output) = call.output().ok()?;
    // dbt's own default.
    let Some(threads) = output.get("threads") else { return Some(1) };
    match call.rendered(&file, format!("{place}.threads"), threads).ok()? {
        Yaml::Int(threads) => u32::try_from(threads).ok(),
        Yaml::Text(threads) => threads.trim().parse().ok(),
        _ => None,
    }
}

/// The targets that the profile of a call has, and the one that the call takes; none where the profile does not tell.
pub fn targets(invocation: &Invocation) -> Option<(Vec<String>, String)> {
    let call = Call::of(invocation).ok()?;
    let (file, name, profile) = call.profile().ok()?;
    let Some(Yaml::Map(outputs)) = profile.get("outputs") else { return None };
    let names = outputs.iter().filter_map(|(name, _)| match name {
        Yaml::Text(name) => Some(name.clone()),
        _ => None,
    });
    Some((names.collect(), call.target(&file, &name, &profile).ok()?))
}

/// The files that [`duckdb_files`] reads, or would read if they were there: an answer holds as long as none of them
/// changes, comes or goes.
pub fn profile_sources(invocation: &Invocation) -> Vec<PathBuf> {
    let project = project_dir(invocation);
    let mut files = vec![project.join("dbt_project.yml")];
    match named_profiles_dir(invocation) {
        Some(dir) => files.push(dir.join("profiles.yml")),
        None => {
            files.push(invocation.cwd.join("profiles.yml"));
            let home = invocation.env.get("HOME").filter(|home| !home.is_empty());
            files.extend(home.map(|home| Path::new(home).join(".dbt/profiles.yml")));
        }
    }
    files.extend([invocation.cwd.join(".env"), project.join("vars.yml")]);
    files
}

/// A file that was read.
struct Source {
    path: PathBuf,
    document: Yaml,
}

impl Source {
    fn read(path: PathBuf) -> Result<Self, ProfileError> {
        let mut text = String::new();
        let read = fs::File::open(&path).and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text));
        match read {
            Err(source) => Err(ProfileError::Unreadable { path, source }),
            Ok(size) if size as u64 > MAX_SIZE => {
                Err(ProfileError::NotYaml { path, detail: "it is larger than any profile".to_owned() })
            }
            Ok(_) => match yaml::load(&text) {
                Ok(document) => Ok(Self { path, document }),
                Err(error) => Err(ProfileError::NotYaml { path, detail: error.to_string() }),
            },
        }
    }

    fn error(&self, key: String, detail: &str) -> ProfileError {
        ProfileError::Value { path: self.path.clone(), key, detail: detail.to_owned() }
    }
}

/// A call of dbt, with what its profile is looked up and rendered with.
struct Call<'i> {
    invocation: &'i Invocation,
    project_dir: PathBuf,
    renderer: Renderer,
}

impl<'i> Call<'i> {
    fn of(invocation: &'i Invocation) -> Result<Self, ProfileError> {
        let project_dir = project_dir(invocation);
        let unfit =
            |detail: String| ProfileError::Call { detail: format!("--vars cannot be used: {detail}") };
        let vars = match option_value(&invocation.args, &["--vars"]) {
            None => BTreeMap::new(),
            Some(text) => match yaml::load(text).map_err(|e| unfit(e.to_string()))? {
                Yaml::Map(pairs) => {
                    let named = |(key, value)| match key {
                        Yaml::Text(name) => Some((name, value)),
                        _ => None,
                    };
                    pairs.into_iter().filter_map(named).collect()
                }
                _ => return Err(unfit("they are no mapping".to_owned())),
            },
        };
        // dbt 1.12 reads both; where they do not matter, older versions agree.
        let dotenv = fs::read(invocation.cwd.join(".env")).unwrap_or_default();
        let renderer = Renderer::new(
            invocation.env.clone(),
            vars,
            &String::from_utf8_lossy(&dotenv),
            project_dir.join("vars.yml").exists(),
        );
        Ok(Self { invocation, project_dir, renderer })
    }

    /// An option of the command line, or the variable that stands for it. dbt takes an empty variable for none.
    fn option(
        &self,
        invocation: &Invocation,
        names: &[&str],
        variable: &str,
    ) -> Result<Option<String>, ProfileError> {
        if let Some(value) = option_value(&invocation.args, names) {
            return Ok(Some(value.to_owned()));
        }
        let engine = variable.replacen("DBT_", "DBT_ENGINE_", 1);
        for name in [engine.as_str(), variable] {
            if let Some(value) = invocation.env.get(name).filter(|value| !value.is_empty()) {
                return Ok(Some(value.clone()));
            }
        }
        self.renderer.variable(variable).map(|_| None).map_err(|detail| ProfileError::Call { detail })
    }

    /// The file with the profile, the profile's name, and the profile.
    fn profile(&self) -> Result<(Source, String, Yaml), ProfileError> {
        let name = match self.option(self.invocation, &["--profile"], "DBT_PROFILE")? {
            Some(name) => name,
            None => {
                let project = Source::read(self.project_dir.join("dbt_project.yml"))?;
                let key = "profile".to_owned();
                let value =
                    project.document.get("profile").ok_or_else(|| project.error(key.clone(), "missing"))?;
                self.rendered_name(&project, key, value)?
            }
        };
        let dir = match self.option(self.invocation, &["--profiles-dir"], "DBT_PROFILES_DIR")? {
            Some(dir) => self.invocation.cwd.join(dir),
            None if self.invocation.cwd.join("profiles.yml").exists() => self.invocation.cwd.clone(),
            None => {
                let home = self.invocation.env.get("HOME").filter(|home| !home.is_empty());
                let home = home.ok_or_else(|| ProfileError::Call {
                    detail: "there is no profiles.yml in the project, and no HOME to look in".to_owned(),
                })?;
                Path::new(home).join(".dbt")
            }
        };
        let source = Source::read(dir.join("profiles.yml"))?;
        let profile = source.document.get(&name).filter(|profile| matches!(profile, Yaml::Map(_)));
        let profile = profile.ok_or_else(|| source.error(name.clone(), "there is no such profile"))?.clone();
        Ok((source, name, profile))
    }

    /// The name of the target.
    fn target(&self, file: &Source, name: &str, profile: &Yaml) -> Result<String, ProfileError> {
        match self.option(self.invocation, &["--target", "-t"], "DBT_TARGET")? {
            Some(target) => Ok(target),
            None => match profile.get("target") {
                Some(value) => self.rendered_name(file, format!("{name}.target"), value),
                None => Ok("default".to_owned()),
            },
        }
    }

    /// The file with the profile, the key of the target's output, and the output.
    fn output(&self) -> Result<(Source, String, Yaml), ProfileError> {
        let (file, name, profile) = self.profile()?;
        let target = self.target(&file, &name, &profile)?;
        let output = profile
            .get("outputs")
            .and_then(|outputs| outputs.get(&target))
            .filter(|output| matches!(output, Yaml::Map(_)))
            .ok_or_else(|| file.error(format!("{name}.outputs"), &format!("there is no target `{target}`")))?
            .clone();
        Ok((file, format!("{name}.outputs.{target}"), output))
    }

    fn rendered(&self, source: &Source, key: String, value: &Yaml) -> Result<Yaml, ProfileError> {
        self.renderer.value(value).map_err(|detail| source.error(key, &detail))
    }

    /// A name, which errors show: no secret may be part of it.
    fn rendered_name(&self, source: &Source, key: String, value: &Yaml) -> Result<String, ProfileError> {
        if matches!(value, Yaml::Text(text) if text.contains("DBT_ENV_SECRET")) {
            return Err(source.error(key, "a secret cannot be part of a name"));
        }
        self.rendered_text(source, key, value)
    }

    fn rendered_text(&self, source: &Source, key: String, value: &Yaml) -> Result<String, ProfileError> {
        match self.rendered(source, key.clone(), value)? {
            Yaml::Text(text) => Ok(text),
            _ => Err(source.error(key, "not a text")),
        }
    }
}

/// The folder that dbt takes for the project's, where it goes before it opens anything.
fn project_dir(invocation: &Invocation) -> PathBuf {
    let named = option_value(&invocation.args, &["--project-dir"]);
    let variable = |name| invocation.env.get(name).map(String::as_str).filter(|dir: &&str| !dir.is_empty());
    let named = named.or_else(|| variable("DBT_ENGINE_PROJECT_DIR")).or_else(|| variable("DBT_PROJECT_DIR"));
    named.map_or_else(|| invocation.cwd.clone(), |dir| invocation.cwd.join(dir))
}

/// The folder that dbt is told to look for profiles.yml in.
fn named_profiles_dir(invocation: &Invocation) -> Option<PathBuf> {
    let variable = |name| invocation.env.get(name).map(String::as_str).filter(|dir: &&str| !dir.is_empty());
    let named = option_value(&invocation.args, &["--profiles-dir"]);
    let named =
        named.or_else(|| variable("DBT_ENGINE_PROFILES_DIR")).or_else(|| variable("DBT_PROFILES_DIR"));
    named.map(|dir| invocation.cwd.join(dir))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests;
