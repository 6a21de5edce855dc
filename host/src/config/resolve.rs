//! From the file's text to what the rest of Tidegate works with: paths absolute, steps split into words, references
//! checked. All mistakes of a file are found in one go.

use std::{
    collections::BTreeMap,
    env,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::json;
use toml::de::DeTable;

use super::{
    Automated, ConfigError, ConfigFile, ConfigProblem, EmptyPolicy, JobConfig, ProjectConfig, QueueConfig,
    RetentionConfig,
    automation::{self, Surroundings},
    file::schema,
    strict,
};
use crate::{
    dbt,
    model::{Limits, nearest, shell_words},
};

/// The name of the configuration file.
pub const FILE_NAME: &str = "tidegate.toml";

/// A configuration that can be worked with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, absolute.
    pub file: PathBuf,
    /// Where runs, logs and history are kept, absolute.
    pub state_dir: PathBuf,
    /// How long runs are kept.
    pub retention: RetentionConfig,
    /// How many runs go side by side.
    pub queue: QueueConfig,
    /// How many runs may hold each lock at a time.
    pub locks: BTreeMap<String, u32>,
    /// The projects, by name.
    pub projects: BTreeMap<String, Project>,
    /// The jobs, by name.
    pub jobs: BTreeMap<String, Job>,
}

/// A dbt project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// How dbt is called for it.
    pub dbt: dbt::Options,
    /// A manifest that was built elsewhere.
    pub manifest: Option<PathBuf>,
    /// Tells the project with a job's own target and variables apart from the project as it is.
    pub variant: Option<String>,
    /// The translator.
    pub translator: Option<Translator>,
}

/// A translator and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Translator {
    /// `builtin:NAME`, or an absolute path.
    pub plugin: String,
    /// A JSON object.
    pub config: serde_json::Value,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The project's name.
    pub project: String,
    /// What starts it by itself.
    pub automated: Automated,
    /// What its runs wait for, and how long they may take.
    pub limits: Limits,
    /// Its steps, in order; at least one.
    pub steps: Vec<Step>,
    /// The target for this job alone.
    pub target: Option<String>,
    /// Variables for this job alone.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// What a run that finds nothing to do counts as.
    pub empty: EmptyPolicy,
}

/// A step: dbt's arguments from the subcommand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The words.
    pub args: Vec<String>,
}

impl Config {
    /// Finds the file from a folder upwards.
    pub fn find(from: &Path) -> Result<PathBuf, ConfigError> {
        from.ancestors()
            .map(|dir| dir.join(FILE_NAME))
            .find(|file| file.is_file())
            .ok_or_else(|| ConfigError::NotFound(from.to_owned()))
    }

    /// Reads and checks a file. `state_dir` wins over the file's own.
    pub fn load(file: &Path, state_dir: Option<&Path>) -> Result<Self, ConfigError> {
        let unreadable = |e: io::Error| {
            let reason = match e.kind() {
                ErrorKind::NotFound => "there is no such file".to_owned(),
                ErrorKind::IsADirectory => "it is a folder, not a file".to_owned(),
                ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => e.to_string(),
            };
            ConfigError::Unreadable { file: file.to_owned(), reason }
        };
        let file_path = std::path::absolute(file).map_err(unreadable)?;
        let bytes = std::fs::read(&file_path).map_err(unreadable)?;
        let invalid = |problems| ConfigError::Invalid { file: file.to_owned(), problems };
        let text = text_of(&bytes).map_err(|problem| invalid(vec![problem]))?;
        let mut config = parse(text, &file_path).map_err(invalid)?;
        if let Some(dir) = state_dir {
            config.state_dir = std::path::absolute(dir).map_err(unreadable)?;
        }
        Ok(config)
    }

    /// What can be said of a file with mistakes: where its state is. Whoever has made one still has to be able to look at
    /// the host, which goes on with what the file was. None where nothing has ever been kept there.
    pub fn of_state(file: &Path, state_dir: Option<&Path>) -> Option<Self> {
        let file = std::path::absolute(file).ok()?;
        let named = || {
            let bytes = std::fs::read(&file).ok()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // A line at a time: what is wrong with the others does not matter.
            let top = text.lines().take_while(|line| !line.trim_start().starts_with('['));
            top.filter_map(|line| line.parse::<toml::Table>().ok())
                .find_map(|line| line.get("state_dir")?.as_str().map(PathBuf::from))
        };
        let base = file.parent().unwrap_or(Path::new("/"));
        let dir = state_dir
            .map(Path::to_owned)
            .unwrap_or_else(|| base.join(named().unwrap_or_else(|| ".tidegate".into())));
        let state_dir = clean(&std::path::absolute(dir).ok()?);
        state_dir.is_dir().then(|| Self {
            file,
            state_dir,
            retention: RetentionConfig::default(),
            queue: QueueConfig::default(),
            locks: BTreeMap::new(),
            projects: BTreeMap::new(),
            jobs: BTreeMap::new(),
        })
    }
}

impl Project {
    /// Gives the project a job's own target and variables.
    pub fn adapt(&mut self, target: Option<&str>, vars: BTreeMap<String, serde_json::Value>) {
        if target.is_none() && vars.is_empty() {
            return;
        }
        let key = blake3::hash(json!([target, vars]).to_string().as_bytes()).to_hex();
        self.variant = Some(key[..8].to_owned());
        self.dbt.target = target.map(str::to_owned).or(self.dbt.target.take());
        self.dbt.vars.extend(vars);
    }

    /// The configuration for the record of a run: everything but the values of environment variables.
    pub fn record(&self) -> serde_json::Value {
        json!({
            "dir": self.dbt.dir,
            "dbt": self.dbt.program,
            "profiles_dir": self.dbt.profiles_dir,
            "profile": self.dbt.profile,
            "target": self.dbt.target,
            "manifest": self.manifest,
            "vars": self.dbt.vars,
            "env": self.dbt.env.keys().collect::<Vec<_>>(),
            "pass_env": self.dbt.pass_env,
            "translator": self.translator.as_ref().map(|t| json!({ "plugin": t.plugin, "config": t.config })),
        })
    }
}

impl Job {
    /// The configuration for the record of a run.
    pub fn record(&self) -> serde_json::Value {
        let mut record = json!({
            "steps": self.steps.iter().map(|s| shell_words(&s.args)).collect::<Vec<_>>(),
            "target": self.target,
            "vars": self.vars,
            "empty": self.empty,
            "limits": self.limits,
        });
        if let (Some(record), serde_json::Value::Object(automated)) =
            (record.as_object_mut(), self.automated.record())
        {
            record.extend(automated);
        }
        record
    }
}

/// The text of a file; a mark at its beginning that some editors write is no part of it.
fn text_of(bytes: &[u8]) -> Result<&str, ConfigProblem> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|e| {
        let sound = str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default();
        ConfigProblem::new("not a text in UTF-8").at(sound, sound.len()).hint("save the file as UTF-8")
    })
}

/// Reads a document, and finds every mistake in it. With an unknown key it can still be read, so that mistakes of other
/// kinds are found too; with a value of a wrong type it cannot.
fn parse(text: &str, path: &Path) -> Result<Config, Vec<ConfigProblem>> {
    let syntax = |e: toml::de::Error| {
        let problem = ConfigProblem::new(e.message().to_owned());
        match e.span() {
            Some(span) => problem.at(text, span.start),
            None => problem,
        }
    };
    let document = DeTable::parse(text).map_err(|e| vec![syntax(e)])?;
    let schema = schema();
    let strict::Mistakes { unknown, unreadable } = strict::check(text, document.get_ref(), &schema);
    let mut problems = unknown;
    let result = if unreadable.is_empty() {
        let mut known = document.clone();
        strict::without_unknown(known.get_mut(), &schema);
        ConfigFile::deserialize(toml::de::Deserializer::from(known))
            .map_err(|e| vec![syntax(e)])
            .and_then(|file| resolve(file, text, document.get_ref(), path))
    } else {
        Err(unreadable)
    };
    match result {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    problems.sort_by_key(|p| p.line);
    Err(problems)
}

/// Where a key of a table stands, so that a mistake in its value has a line too.
fn offset_of(document: &DeTable<'_>, path: &[&str]) -> Option<usize> {
    let mut table = document;
    for (depth, name) in path.iter().enumerate() {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == *name)?;
        if depth + 1 == path.len() {
            return Some(key.span().start);
        }
        table = value.get_ref().as_table()?;
    }
    None
}

fn resolve(
    file: ConfigFile,
    text: &str,
    document: &DeTable<'_>,
    path: &Path,
) -> Result<Config, Vec<ConfigProblem>> {
    let base = path.parent().unwrap_or(Path::new("/"));
    let mut problems = Vec::new();
    let mut problem = |path: &[&str], problem: ConfigProblem| {
        problems.push(match offset_of(document, path) {
            Some(offset) => problem.at(text, offset),
            None => problem,
        });
    };
    if file.projects.is_empty() {
        problem(
            &[],
            ConfigProblem::new("no dbt project is configured")
                .hint("add `[projects.NAME]` with `dir`, the folder of its dbt_project.yml"),
        );
    }
    let mut projects = BTreeMap::new();
    for (name, project) in file.projects {
        let at = ["projects", name.as_str()];
        if let Err(p) = check_name(&name, "project") {
            problem(&at, p);
        }
        for key in unfit(&project.vars) {
            problem(&["projects", &name, "vars", key], unfit_value(key));
        }
        for key in project.translator.iter().flat_map(|t| unfit(&t.config)) {
            problem(&["projects", &name, "translator", "config", key], unfit_value(key));
        }
        for (key, value) in &project.env {
            if let Some(reason) = dbt::refuse_variable(key, value) {
                let found = ConfigProblem::new(format!("`{}`: {reason}", key.escape_debug()));
                let found = match key.as_str() {
                    "DBT_PROFILES_DIR" => found.hint("use `profiles_dir`"),
                    _ => found,
                };
                problem(&["projects", &name, "env", key], found);
            }
        }
        projects.insert(name.clone(), resolve_project(name, project, base));
    }
    let zone = file.time_zone.as_deref().unwrap_or("UTC");
    if let Err(p) = automation::zone(zone) {
        problem(&["time_zone"], p);
    }
    for (name, _) in file.locks.iter() {
        if let Err(p) = check_name(name, "lock") {
            problem(&["locks", name], p);
        }
    }
    let names: Vec<_> = file.jobs.keys().cloned().collect();
    let around = Surroundings { base, zone, jobs: &names, locks: &file.locks };
    let mut jobs = BTreeMap::new();
    for (name, job) in file.jobs {
        if let Err(p) = check_name(&name, "job") {
            problem(&["jobs", &name], p);
        }
        for key in unfit(&job.vars) {
            problem(&["jobs", &name, "vars", key], unfit_value(key));
        }
        match resolve_job(&name, job, &projects, &around) {
            Ok(job) => drop(jobs.insert(name, job)),
            Err(found) => found.into_iter().for_each(|(key, p)| problem(&["jobs", &name, key], p)),
        }
    }
    for (name, circle) in automation::circles(&jobs) {
        let circle = circle.join(" → ");
        let found =
            ConfigProblem::new(format!("after: the jobs would start each other without end: {circle}"));
        problem(&["jobs", &name, "after"], found.hint("to run again and again, use `schedule`"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let state_dir = clean(&base.join(file.state_dir.unwrap_or_else(|| ".tidegate".into())));
    Ok(Config {
        file: path.to_owned(),
        state_dir,
        retention: file.retention,
        queue: file.queue,
        locks: file.locks,
        projects,
        jobs,
    })
}

fn resolve_project(name: String, project: ProjectConfig, base: &Path) -> Project {
    // A bare name is looked up on the PATH by whoever starts it; anything else is a path.
    let program =
        if project.dbt.components().count() > 1 { clean(&base.join(project.dbt)) } else { project.dbt };
    Project {
        name,
        dbt: dbt::Options {
            dir: clean(&base.join(project.dir)),
            program,
            profiles_dir: project.profiles_dir.map(|dir| clean(&base.join(dir))),
            profile: project.profile,
            target: project.target,
            vars: json_map(project.vars),
            env: project.env,
            pass_env: project.pass_env,
        },
        manifest: project.manifest.map(|file| clean(&base.join(file))),
        variant: None,
        translator: project.translator.map(|t| Translator {
            plugin: if t.plugin.starts_with("builtin:") {
                t.plugin
            } else {
                clean(&base.join(t.plugin)).to_string_lossy().into_owned()
            },
            config: serde_json::Value::Object(json_map(t.config).into_iter().collect()),
        }),
    }
}

fn resolve_job(
    name: &str,
    job: JobConfig,
    projects: &BTreeMap<String, Project>,
    around: &Surroundings<'_>,
) -> Result<Job, Vec<(&'static str, ConfigProblem)>> {
    let mut problems = Vec::new();
    let mut only = projects.keys();
    let project = match (job.project.clone(), only.next(), only.next()) {
        (Some(named), ..) => {
            if !projects.contains_key(&named) {
                let problem = ConfigProblem::new(format!("there is no project `{named}`"));
                let near = nearest(&named, projects.keys().map(String::as_str));
                problems.push((
                    "project",
                    match near {
                        Some(near) => problem.hint(format!("did you mean `{near}`?")),
                        None => problem.hint(format!(
                            "projects are {}",
                            projects.keys().cloned().collect::<Vec<_>>().join(", ")
                        )),
                    },
                ));
            }
            named
        }
        (None, Some(only), None) => only.clone(),
        (None, Some(_), Some(_)) => {
            let problem =
                ConfigProblem::new("there are several projects, and the job does not say which is its own")
                    .hint("add `project = \"NAME\"`");
            problems.push(("steps", problem));
            String::new()
        }
        (None, None, _) => String::new(),
    };
    if job.steps.is_empty() {
        let problem = ConfigProblem::new("a job needs at least one step").hint("steps = [\"dbt build\"]");
        problems.push(("steps", problem));
    }
    let mut steps = Vec::new();
    for step in &job.steps {
        match split_step(step) {
            Ok(args) => steps.push(Step { args }),
            Err(p) => problems.push(("steps", p)),
        }
    }
    let (automated, limits) = automation::resolve(name, &job, around, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Job {
        name: name.to_owned(),
        description: job.description,
        project,
        automated,
        limits,
        steps,
        target: job.target,
        vars: json_map(job.vars),
        empty: job.empty,
    })
}

/// Splits a step into dbt's arguments, and refuses what Tidegate cannot run or has to set itself.
fn split_step(step: &str) -> Result<Vec<String>, ConfigProblem> {
    let bad = |message: String| ConfigProblem::new(format!("step `{step}`: {message}"));
    let mut words = shlex::split(step).ok_or_else(|| bad("a quote is not closed".to_owned()))?;
    if words.first().is_some_and(|w| w == "dbt") {
        words.remove(0);
    }
    dbt::check_arguments(&words).map_err(|refusal| {
        let problem = bad(refusal.message);
        match refusal.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })?;
    Ok(words)
}

fn check_name(name: &str, what: &str) -> Result<(), ConfigProblem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(fits) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(ConfigProblem::new(format!("`{name}` cannot be the name of a {what}")).hint(
        "use letters, digits, `_`, `-` and `.`, at most 100 of them, and begin with a letter, a digit or `_`",
    ))
}

fn json_map(values: BTreeMap<String, toml::Value>) -> BTreeMap<String, serde_json::Value> {
    values.into_iter().filter_map(|(key, value)| Some((key, json_of(value)?))).collect()
}

/// The keys whose values JSON cannot say.
fn unfit(values: &BTreeMap<String, toml::Value>) -> impl Iterator<Item = &String> {
    values.iter().filter(|(_, value)| json_of((*value).clone()).is_none()).map(|(key, _)| key)
}

fn unfit_value(key: &str) -> ConfigProblem {
    ConfigProblem::new(format!("`{key}` has a number that is not finite, which JSON cannot say"))
}

/// JSON has no dates and no infinite numbers: a date becomes the text that was written.
fn json_of(value: toml::Value) -> Option<serde_json::Value> {
    Some(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)?.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect::<Option<Vec<_>>>()?.into(),
        toml::Value::Table(table) => serde_json::Value::Object(
            table.into_iter().map(|(k, v)| Some((k, json_of(v)?))).collect::<Option<_>>()?,
        ),
    })
}

/// The path without `.` parts, so that it reads well and compares equal.
fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The file that the operator named, or the nearest one upwards from the working directory.
pub fn locate(named: Option<&Path>) -> Result<PathBuf, ConfigError> {
    match named {
        Some(file) => Ok(file.to_owned()),
        None => {
            let here = env::current_dir()
                .map_err(|e| ConfigError::Unreadable { file: ".".into(), reason: e.to_string() })?;
            Config::find(&here)
        }
    }
}

#[cfg(test)]
mod tests;
