//! Launching: what someone asks to be run becomes the request for a run, the same way for the command line and the API.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    Refusal,
    request::{of_job, of_steps},
    resume::not_done,
    selection::{among, around, to_dbt},
    sense,
};
use crate::{
    config::{self, Config},
    dbt::{self, exact_selectors},
    model::{
        Gate, Launch, NodeCommand, NodeState, Parameters, Project, ResourceType, RunId, RunRequest,
        Selection, StepRequest, nearest,
    },
    project::Opened,
    store::{Reader, StoreError},
};

/// What someone asks to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What.
    pub what: What,
    /// What is changed about its steps.
    pub parameters: Parameters,
    /// Whether nodes behind failed checks are built too.
    pub ignore_gate: bool,
    /// Where it stands in the queue; none leaves that to the job.
    pub priority: Option<i32>,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A job, by its name.
    Job(String),
    /// Some nodes of a project.
    Nodes {
        /// The project's name.
        project: String,
        /// Which, and what is done with them.
        selection: Selection,
    },
}

/// Why there is no request.
#[derive(Debug)]
pub enum LaunchError {
    /// What is asked for does not exist or makes no sense.
    Unfit(Refusal),
    /// The project cannot be read, which it takes to say what is meant.
    Unreadable(Refusal),
    /// What is on record cannot be read.
    Store(StoreError),
}

impl From<Refusal> for LaunchError {
    fn from(refusal: Refusal) -> Self {
        Self::Unfit(refusal)
    }
}

impl From<dbt::Refusal> for LaunchError {
    fn from(refusal: dbt::Refusal) -> Self {
        Self::Unfit(refusal.into())
    }
}

impl From<StoreError> for LaunchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a launch is made from.
pub struct Sources<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Opens a project, where keys or unique ids have to be looked up.
    pub open: &'a dyn Fn(&config::Project) -> Result<Arc<Opened>, Refusal>,
    /// Gives what is on record.
    pub reader: &'a dyn Fn() -> Result<Reader, StoreError>,
}

/// The request for what someone asks for, under a key.
///
/// # Errors
///
/// Where what is asked for does not exist, a parameter fits no step, or the project cannot be read.
pub fn resolve(
    from: &Sources<'_>,
    wanted: Wanted,
    launch: Launch,
    key: String,
) -> Result<RunRequest, LaunchError> {
    let mut request = match wanted.what {
        What::Job(name) => job(from, &name, wanted.parameters, launch, key)?,
        What::Nodes { project, selection } => {
            nodes(from, &project, selection, wanted.parameters, launch, key)?
        }
    };
    request.limits.priority = wanted.priority.unwrap_or(request.limits.priority);
    if wanted.ignore_gate {
        request.gate = Gate::Ignore;
    }
    Ok(request)
}

fn job(
    from: &Sources<'_>,
    name: &str,
    parameters: Parameters,
    launch: Launch,
    key: String,
) -> Result<RunRequest, LaunchError> {
    let jobs = &from.config.jobs;
    let job = jobs.get(name).ok_or_else(|| Refusal {
        message: format!("there is no job `{name}` in {}", from.config.file.display()),
        hint: Some(match nearest(name, jobs.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`tidegate jobs` lists them".to_owned(),
        }),
    })?;
    let project = project(from.config, &job.project)?;
    let request = of_job(from.config, job, launch, key)
        .ok_or_else(|| Refusal::new(format!("there is no project `{}`", job.project)))?;
    let own = job.target.as_deref();
    with_parameters(from, project, own, request, parameters)
}

fn nodes(
    from: &Sources<'_>,
    name: &str,
    selection: Selection,
    parameters: Parameters,
    launch: Launch,
    key: String,
) -> Result<RunRequest, LaunchError> {
    let project = project(from.config, name)?;
    if !parameters.select.is_empty() || !parameters.exclude.is_empty() {
        let hint = Some("give `select` and `exclude` beside the project".to_owned());
        let message = "the parameters `select` and `exclude` are for the steps of a job".to_owned();
        return Err(Refusal { message, hint }.into());
    }
    let mut args = vec![selection.command.as_str().to_owned(), "--select".to_owned()];
    args.extend(selectors(from, project, &selection)?);
    if !selection.exclude.is_empty() {
        args.push("--exclude".to_owned());
        args.extend(to_dbt(&selection.exclude, || opened(from, project))?);
    }
    let steps = vec![StepRequest { args }];
    let mut request = of_steps(from.config, project, steps, launch, key);
    request.selection = Some(selection);
    with_parameters(from, project, None, request, parameters)
}

fn project<'c>(config: &'c Config, name: &str) -> Result<&'c config::Project, Refusal> {
    config.projects.get(name).ok_or_else(|| {
        let near = nearest(name, config.projects.keys().map(String::as_str));
        Refusal {
            message: format!("there is no project `{name}` in {}", config.file.display()),
            hint: near.map(|near| format!("did you mean `{near}`?")),
        }
    })
}

fn opened(from: &Sources<'_>, project: &config::Project) -> Result<Arc<Opened>, LaunchError> {
    (from.open)(project).map_err(LaunchError::Unreadable)
}

/// The selectors of everything that a selection says.
fn selectors(
    from: &Sources<'_>,
    project: &config::Project,
    selection: &Selection,
) -> Result<Vec<String>, LaunchError> {
    let mut selectors = to_dbt(&selection.select, || opened(from, project))?;
    let (assets, scope) = (&selection.assets, selection.scope);
    let mut ids = BTreeSet::new();
    if selection.failed {
        let opened = opened(from, project)?;
        ids = worth_building(&opened.project, &failed_last(from, project)?);
        if !assets.is_empty() {
            ids = among(&opened.project, ids, assets, scope)?;
        }
    } else if !assets.is_empty() {
        selectors.extend(around(&opened(from, project)?.project, assets, scope)?);
    }
    if let Some(id) = selection.failed_of {
        let run = (from.reader)()?.run(id).map_err(|error| match error {
            StoreError::NoSuchRun(_) => Refusal::new(error.to_string()).into(),
            error => LaunchError::Store(error),
        })?;
        if run.request.project != project.name {
            let message = format!("run {id} is one of the project `{}`", run.request.project);
            return Err(Refusal::new(message).into());
        }
        if !run.state.is_finished() {
            return Err(Refusal::new(format!("run {id} has not ended yet: it is {}", run.state)).into());
        }
        let opened = opened(from, project)?;
        ids.extend(worth_building(&opened.project, &not_done(&run, &opened.project)));
    }
    if selection.failed || selection.failed_of.is_some() {
        if ids.is_empty() && selectors.is_empty() {
            let of = if selection.failed && !assets.is_empty() { " of these assets" } else { "" };
            return Err(Refusal::new(format!("nothing{of} has failed or was skipped")).into());
        }
        let opened = opened(from, project)?;
        selectors.extend(exact_selectors(&opened.project, ids.iter().map(String::as_str)));
    }
    if selectors.is_empty() {
        let hint = Some("give `select`, `assets`, `failed` or `failed_of`".to_owned());
        return Err(Refusal { message: "nothing is selected".to_owned(), hint }.into());
    }
    Ok(selectors)
}

/// The nodes of a project that failed or were skipped when they were dealt with last.
fn failed_last(from: &Sources<'_>, project: &config::Project) -> Result<BTreeSet<String>, StoreError> {
    let statuses = (from.reader)()?.statuses(&project.name)?;
    let failed = statuses
        .into_iter()
        .filter(|(_, status)| status.node.state.is_failure() || status.node.state == NodeState::Skipped);
    Ok(failed.map(|(id, _)| id).collect())
}

/// What is built for the sake of nodes that are not done: these, as far as the project still has them, and the assets whose
/// checks failed. A check alone would look at the same rows again, and a source is nothing that dbt builds.
fn worth_building(project: &Project, failed: &BTreeSet<String>) -> BTreeSet<String> {
    let mut ids: BTreeSet<_> = failed.iter().filter(|id| project.asset(id).is_some()).cloned().collect();
    for check in failed.iter().filter_map(|id| project.check(id)) {
        ids.insert(check.unique_id.clone());
        ids.extend(check.assets.iter().cloned());
    }
    ids.retain(|id| ResourceType::of_unique_id(id) != ResourceType::Source);
    ids
}

/// The request with its parameters in place: in its steps, and as target and variables of the call.
fn with_parameters(
    from: &Sources<'_>,
    project: &config::Project,
    own_target: Option<&str>,
    mut request: RunRequest,
    parameters: Parameters,
) -> Result<RunRequest, LaunchError> {
    if let Some(target) = &parameters.target {
        check_target(project, own_target, target)?;
    }
    let resolved = Parameters {
        select: to_dbt(&parameters.select, || opened(from, project))?,
        exclude: to_dbt(&parameters.exclude, || opened(from, project))?,
        ..parameters.clone()
    };
    let steps: Vec<_> = request.steps.iter().map(|step| step.args.clone()).collect();
    let steps = dbt::with_parameters(&steps, &resolved)?;
    request.steps = steps.into_iter().map(|args| StepRequest { args }).collect();
    request.configuration = Arc::new(configured(&request.configuration, &parameters));
    request.parameters = parameters;
    Ok(request)
}

/// The configuration on record with the launch's target and variables in place of the job's: from there a run takes them.
fn configured(configuration: &Value, parameters: &Parameters) -> Value {
    let mut configuration = configuration.clone();
    if parameters.target.is_none() && parameters.vars.is_empty() {
        return configuration;
    }
    let job = &mut configuration["job"];
    if job.is_null() {
        *job = json!({});
    }
    if let Some(target) = &parameters.target {
        job["target"] = json!(target);
    }
    if !parameters.vars.is_empty() {
        let mut vars = job["vars"].as_object().cloned().unwrap_or_default();
        vars.extend(parameters.vars.clone());
        job["vars"] = Value::Object(vars);
    }
    configuration
}

/// The targets of a project's profile, and the one that it is called with; none where that cannot be told without dbt.
pub fn targets(project: &config::Project, own: Option<&str>) -> Option<(Vec<String>, String)> {
    let mut project = project.clone();
    project.adapt(own, Default::default());
    dbt::targets(&sense::call(&project, &["build".to_owned()]))
}

fn check_target(project: &config::Project, own: Option<&str>, target: &str) -> Result<(), Refusal> {
    let Some((targets, _)) = targets(project, own) else { return Ok(()) };
    if targets.iter().any(|known| known == target) {
        return Ok(());
    }
    let near = nearest(target, targets.iter().map(String::as_str));
    Err(Refusal {
        message: format!("the profile of the project `{}` has no target `{target}`", project.name),
        hint: Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", targets.join(", ")),
        }),
    })
}

/// The same of a run that did what was left of another one: the whole of that is another thing. It is no run of the job, so that
/// what the job says of the call is said by the launch.
fn left_again(request: &RunRequest, resumed: RunId) -> Wanted {
    let first = request.steps.first().map(|step| step.args.as_slice()).unwrap_or_default();
    let command = match (&request.selection, request.steps.len()) {
        (Some(selection), _) => selection.command,
        (None, 1) => dbt::selection_of(first).command,
        // All that several steps do with nodes.
        (None, _) => NodeCommand::Build,
    };
    let job = &request.configuration["job"];
    let mut parameters = Parameters { select: Vec::new(), exclude: Vec::new(), ..request.parameters.clone() };
    parameters.target = parameters.target.or_else(|| job["target"].as_str().map(str::to_owned));
    parameters.full_refresh = parameters.full_refresh.or(dbt::is_full_refresh(first).then_some(true));
    for (name, value) in job["vars"].as_object().into_iter().flatten() {
        parameters.vars.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let selection = Selection { command, failed_of: Some(resumed), ..Selection::default() };
    Wanted {
        what: What::Nodes { project: request.project.clone(), selection },
        parameters,
        ignore_gate: request.gate == Gate::Ignore,
        priority: None,
    }
}

/// What to launch to have the same again.
pub fn again(request: &RunRequest) -> Wanted {
    if let Some(resumed) = request.resumes {
        return left_again(request, resumed);
    }
    let what = match (&request.job, &request.selection) {
        (Some(job), _) => What::Job(job.clone()),
        (None, Some(selection)) => {
            What::Nodes { project: request.project.clone(), selection: selection.clone() }
        }
        // From before selections were on record: the steps still say it.
        (None, None) => {
            let args = request.steps.first().map(|step| step.args.as_slice()).unwrap_or_default();
            let selection = dbt::selection_of(args);
            let parameters = Parameters {
                full_refresh: dbt::is_full_refresh(args).then_some(true),
                ..Parameters::default()
            };
            return Wanted {
                what: What::Nodes { project: request.project.clone(), selection },
                parameters,
                ignore_gate: request.gate == Gate::Ignore,
                priority: None,
            };
        }
    };
    Wanted {
        what,
        parameters: request.parameters.clone(),
        ignore_gate: request.gate == Gate::Ignore,
        priority: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_a_run_that_resumed_another_is_what_was_left_of_that_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tidegate.toml");
        let text = "[projects.shop]\n[jobs.night]\nsteps = [\"dbt seed\", \"dbt build --full-refresh\"]\n\
             target = \"prod\"\nvars = { day = 1 }\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file, None).unwrap();
        let launch = Launch { user: String::new(), via: "ui".to_owned(), command: Vec::new(), reason: None };
        let mut request = of_job(&config, &config.jobs["night"], launch, String::new()).unwrap();
        assert_eq!(again(&request).what, What::Job("night".to_owned()));
        request.resumes = Some(RunId(7));
        let selection = |command| Selection { command, failed_of: Some(RunId(7)), ..Selection::default() };
        let nodes = |command| What::Nodes { project: "shop".to_owned(), selection: selection(command) };
        assert_eq!(again(&request).what, nodes(NodeCommand::Build));
        request.steps.remove(0);
        request.steps[0].args[0] = "run".to_owned();
        let Wanted { what, parameters, .. } = again(&request);
        assert_eq!(what, nodes(NodeCommand::Run));
        assert_eq!((parameters.target.as_deref(), parameters.full_refresh), (Some("prod"), Some(true)));
        assert_eq!(parameters.vars["day"], json!(1));
    }
}
