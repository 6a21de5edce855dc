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
    Alert, ConfigError, ConfigFile, ConfigProblem, Destination, Job, ProjectConfig, QueueConfig,
    RetentionConfig, RetryChoice, Web,
    alerts::{self, Around},
    automation::{self, Surroundings},
    destinations,
    file::schema,
    freshness::{self, Freshness},
    jobs,
    plugin::{misspelt, plugin_reference},
    retry, strict, web,
};
use crate::{
    dbt,
    model::{Gate, RetryRule, json_of},
};

/// The name of the configuration file.
pub const FILE_NAME: &str = "tidegate.toml";

/// The plugins folder, where the file names none.
const PLUGINS_DIR: &str = "plugins";

/// A configuration that can be worked with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, absolute.
    pub file: PathBuf,
    /// Where runs, logs and history are kept, absolute.
    pub state_dir: PathBuf,
    /// The same as the file names it, whatever the host was told.
    pub named_state_dir: PathBuf,
    /// The folder of plugins that are taken up while the host runs, absolute.
    pub plugins_dir: PathBuf,
    /// How long runs are kept.
    pub retention: RetentionConfig,
    /// How many runs go side by side.
    pub queue: QueueConfig,
    /// How many runs may hold each lock at a time.
    pub locks: BTreeMap<String, u32>,
    /// What decides about attempts that fail, where no job says so.
    pub retry: Option<RetryRule>,
    /// The projects, by name.
    pub projects: BTreeMap<String, Project>,
    /// The jobs, by name.
    pub jobs: BTreeMap<String, Job>,
    /// The alerts, by name.
    pub alerts: BTreeMap<String, Alert>,
    /// Where the UI and the API answer.
    pub web: Web,
    /// The address of the UI, without a slash at its end.
    pub url: String,
    /// Whether the file names it: otherwise it is where the UI listens.
    pub names_url: bool,
    /// Where notifications can go, by name.
    pub destinations: BTreeMap<String, Destination>,
    /// A digest of the file's text.
    pub(super) text: blake3::Hash,
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
    /// What becomes of nodes that stand behind a check that failed in an earlier run.
    pub gate: Gate,
    /// How fresh selections of its assets have to be; the last that selects an asset counts.
    pub freshness: Vec<Freshness>,
}

/// A translator and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Translator {
    /// `builtin:NAME`, or an absolute path.
    pub plugin: String,
    /// A JSON object.
    pub config: serde_json::Value,
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

    /// Whether the file still says what this was made from.
    pub fn is_current(&self) -> bool {
        let is_it =
            |bytes: Vec<u8>| text_of(&bytes).is_ok_and(|text| blake3::hash(text.as_bytes()) == self.text);
        std::fs::read(&self.file).is_ok_and(is_it)
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
        let plugins_dir = clean(&base.join(PLUGINS_DIR));
        state_dir.is_dir().then(|| Self {
            file,
            named_state_dir: state_dir.clone(),
            state_dir,
            plugins_dir,
            retention: RetentionConfig::default(),
            queue: QueueConfig::default(),
            locks: BTreeMap::new(),
            retry: None,
            projects: BTreeMap::new(),
            jobs: BTreeMap::new(),
            alerts: BTreeMap::new(),
            url: format!("http://{}", web::LISTEN),
            names_url: false,
            web: Web::default(),
            destinations: BTreeMap::new(),
            text: blake3::hash(&[]),
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
            "gate": self.gate,
            "freshness": self.freshness,
            "translator": self.translator.as_ref().map(|t| json!({ "plugin": t.plugin, "config": t.config })),
        })
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
    let mut problem = |path: &[&str], mut problem: ConfigProblem| {
        // Whoever reads the sentence alone has to find the table: many jobs have a key of one name.
        // Destinations name themselves.
        if let [kind @ ("projects" | "jobs" | "alerts" | "retry"), name, _, ..] = path {
            let table = format!("[{kind}.{name}");
            if !problem.message.contains(&table) {
                problem.message = format!("`{table}]`: {}", problem.message);
            }
        }
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
    let zone = file.time_zone.as_deref().unwrap_or("UTC");
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
        if let Some(p) = project.translator.as_ref().and_then(|t| misspelt(&t.plugin)) {
            problem(&["projects", &name, "translator", "plugin"], p);
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
        let mut rules = Vec::new();
        for rule in &project.freshness {
            match freshness::resolve(rule, zone) {
                Ok(rule) => rules.push(rule),
                Err(p) => problem(&["projects", &name, "freshness"], p),
            }
        }
        projects.insert(name.clone(), resolve_project(name, project, rules, base));
    }
    if let Err(p) = automation::zone(zone) {
        problem(&["time_zone"], p);
    }
    for (name, _) in file.locks.iter() {
        if let Err(p) = check_name(name, "lock") {
            problem(&["locks", name], p);
        }
    }
    let mut rule = |at: &[&str], choice: &RetryChoice| {
        retry::resolve(choice, base).unwrap_or_else(|found| {
            for (keys, p) in found {
                let at: Vec<_> = at.iter().copied().chain(keys.iter().map(String::as_str)).collect();
                problem(&at, p);
            }
            None
        })
    };
    let default = file.retry.as_ref().and_then(|choice| rule(&["retry"], choice));
    let rules: BTreeMap<_, _> = file
        .jobs
        .iter()
        .map(|(name, job)| {
            let own = job.retry.as_ref().map(|choice| rule(&["jobs", name, "retry"], choice));
            (name.clone(), own.unwrap_or_else(|| default.clone()))
        })
        .collect();
    let names: Vec<_> = file.jobs.keys().cloned().collect();
    let around = Surroundings { base, zone, jobs: &names, locks: &file.locks, retries: &rules };
    let mut jobs = BTreeMap::new();
    for (name, job) in file.jobs {
        if let Err(p) = check_name(&name, "job") {
            problem(&["jobs", &name], p);
        }
        for key in unfit(&job.vars) {
            problem(&["jobs", &name, "vars", key], unfit_value(key));
        }
        match jobs::resolve(&name, job, &projects, &around) {
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
    let web = web::resolve(&file.web, file.url.as_deref()).unwrap_or_else(|found| {
        found.into_iter().for_each(|(key, p)| problem(&["web", key], p));
        Web::default()
    });
    let listen = web.listen.map_or_else(|| web::LISTEN.to_owned(), |address| address.to_string());
    let names_url = file.url.is_some();
    let url = file.url.unwrap_or_else(|| format!("http://{listen}")).trim_end_matches('/').to_owned();
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    if !is_address || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let found = ConfigProblem::new("url: it should be an address such as `https://tidegate.example.com`");
        problem(&["url"], found);
    }
    let known = (projects.keys().cloned().collect(), names.into_iter().collect());
    let targets = file.destinations.keys().cloned().collect();
    let around = Around { base, projects: Some(&known.0), jobs: Some(&known.1), destinations: &targets };
    let mut alerts = BTreeMap::new();
    for (name, alert) in file.alerts {
        if let Err(p) = check_name(&name, "alert") {
            problem(&["alerts", &name], p);
        }
        match alerts::resolve(&name, alert, &around) {
            Ok(alert) => drop(alerts.insert(name, alert)),
            Err(found) => found.into_iter().for_each(|(key, p)| problem(&["alerts", &name, key], p)),
        }
    }
    let mut all = BTreeMap::new();
    for (name, destination) in file.destinations {
        if let Err(p) = check_name(&name, "destination") {
            problem(&["destinations", &name], p);
        }
        match destinations::resolve(&name, destination, base) {
            Ok(destination) => drop(all.insert(name, destination)),
            Err(found) => found.into_iter().for_each(|(keys, p)| {
                problem(&keys.iter().map(String::as_str).collect::<Vec<_>>(), p);
            }),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let state_dir = clean(&base.join(file.state_dir.unwrap_or_else(|| ".tidegate".into())));
    Ok(Config {
        file: path.to_owned(),
        named_state_dir: state_dir.clone(),
        state_dir,
        plugins_dir: clean(&base.join(file.plugins_dir.unwrap_or_else(|| PLUGINS_DIR.into()))),
        retention: file.retention,
        queue: file.queue,
        locks: file.locks,
        retry: default,
        projects,
        jobs,
        alerts,
        web,
        url,
        names_url,
        destinations: all,
        text: blake3::hash(text.as_bytes()),
    })
}

fn resolve_project(name: String, project: ProjectConfig, freshness: Vec<Freshness>, base: &Path) -> Project {
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
        gate: project.gate,
        freshness,
        translator: project.translator.map(|t| Translator {
            plugin: plugin_reference(&t.plugin, base),
            config: serde_json::Value::Object(json_map(t.config).into_iter().collect()),
        }),
    }
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

pub(super) fn json_map(values: BTreeMap<String, toml::Value>) -> BTreeMap<String, serde_json::Value> {
    values.into_iter().filter_map(|(key, value)| Some((key, json_of(value)?))).collect()
}

/// The keys whose values JSON cannot say.
pub(super) fn unfit(values: &BTreeMap<String, toml::Value>) -> impl Iterator<Item = &String> {
    values.iter().filter(|(_, value)| json_of((*value).clone()).is_none()).map(|(key, _)| key)
}

pub(super) fn unfit_value(key: &str) -> ConfigProblem {
    ConfigProblem::new(format!("`{key}` has a number that is not finite, which JSON cannot say"))
}

/// The path without `.` parts, so that it reads well and compares equal.
pub(super) fn clean(path: &Path) -> PathBuf {
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
