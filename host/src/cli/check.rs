//! `tidegate check`: everything that can be wrong, in one go, without running anything.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;

use super::{
    Common, Context, Exit, Failure,
    printer::{self, BAD, FAINT, GOOD, ODD, styled},
};
use crate::{
    config, deliver,
    engine::{self, trial},
    model::{PluginRecord, RetryRule, shell_words},
    plugins::Catalogue,
    policy::{PluginFault, ProjectTranslator, check_notifier, check_retry},
    project::{self, Call, Opened},
    store::Reader,
};

/// Finds everything that can be wrong.
#[derive(Debug, clap::Args)]
pub struct Check {}

/// What was found so far.
#[derive(Default)]
struct Findings {
    errors: usize,
    warnings: usize,
}

impl Findings {
    fn good(&self, what: &str) {
        printer::line(format!("{} {what}", styled(GOOD, "ok     ")));
    }

    fn warning(&mut self, what: &str) {
        self.warnings += 1;
        printer::line(format!("{} {}", styled(ODD, "warning"), printer::indented(what, 8).trim_start()));
    }

    fn error(&mut self, failure: &Failure) {
        self.errors += 1;
        printer::line(format!(
            "{} {}",
            styled(BAD, "error  "),
            printer::indented(&failure.message, 8).trim_start()
        ));
        if let Some(hint) = &failure.hint {
            printer::line(format!("        hint: {}", printer::indented(hint, 8).trim_start()));
        }
    }
}

impl Check {
    /// Finds what is wrong.
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let mut findings = Findings::default();
        findings.good(&format!("{}", context.config.file.display()));
        state(&context.config.state_dir, &mut findings);
        for project in context.config.projects.values() {
            check_project(&context, project, &mut findings);
        }
        context.config.jobs.values().for_each(|job| check_webhook(job, &mut findings));
        for destination in context.config.destinations.values() {
            check_destination(destination, &mut findings);
        }
        match context.catalogue() {
            Ok(catalogue) => {
                check_retries(&context, &catalogue, &mut findings);
                check_alerts(&context, &catalogue, &mut findings);
                check_folder(&context, &catalogue, &mut findings);
            }
            Err(failure) => findings.error(&failure),
        }
        let Findings { errors, warnings } = findings;
        if errors > 0 {
            let all = [(errors, "error"), (warnings, "warning")];
            let all: Vec<_> =
                all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| printer::count(*n, what)).collect();
            printer::note(all.join(", "));
            return Ok(Exit::CouldNotRun);
        }
        printer::note(match warnings {
            0 => "everything is in order".to_owned(),
            n => format!("nothing is wrong; {}", printer::count(n, "warning")),
        });
        Ok(Exit::Done)
    }
}

fn state(state_dir: &Path, findings: &mut Findings) {
    let damage = Reader::open(state_dir).and_then(|reader| reader.damage());
    match damage {
        Ok(damage) if damage.is_empty() => findings.good(&format!("state directory {}", state_dir.display())),
        Ok(damage) => {
            let text = format!("{}: the database is damaged: {}", state_dir.display(), damage.join("; "));
            findings
                .error(&Failure::new(text).hint("move tidegate.db away; runs keep their logs in `runs/`"));
        }
        Err(e) => findings.error(&e.into()),
    }
    // The folder need not be there yet; but where it will be, somebody has to be able to write.
    let existing = state_dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    if let Err(e) = nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK) {
        let text = format!("{}: cannot be written to: {}", existing.display(), e.desc());
        findings.error(
            &Failure::new(text)
                .hint("set `state_dir` (or TIDEGATE_STATE_DIR) to a folder that you can write to"),
        );
    }
}

/// What a destination needs may be there for the service, and not here: no more than a warning.
fn check_destination(destination: &config::Destination, findings: &mut Findings) {
    let what = format!("destination `{}` ({})", destination.name, destination.kind());
    let unusable = deliver::unusable(destination);
    for (key, why) in &unusable {
        findings.warning(&format!("{what}: `{key}` {why}"));
    }
    if let config::Place::File(file) = &destination.to {
        let folder = file.parent().unwrap_or(Path::new("/"));
        if let Err(e) = nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK) {
            findings.warning(&format!("{what}: {}: cannot be written to: {}", folder.display(), e.desc()));
            return;
        }
    }
    if unusable.is_empty() {
        findings.good(&what);
    }
}

/// The same of what signs requests that start a job.
fn check_webhook(job: &config::Job, findings: &mut Findings) {
    let Some(secret) = &job.webhook else { return };
    let what = format!("job `{}`: the secret of its webhook", job.name);
    match deliver::secret(secret) {
        Err(missing) => findings.warning(&format!("{what} is missing: {missing}")),
        Ok(secret) if secret.chars().count() < config::web::LEAST_SECRET => {
            let least = config::web::LEAST_SECRET;
            findings.warning(&format!("{what} has less than {least} characters, and could be guessed"));
        }
        Ok(_) => {}
    }
}

fn check_project(context: &Context, project: &config::Project, findings: &mut Findings) {
    let notice = |text: &str| printer::note(styled(FAINT, format!("{}: {text}", project.name)));
    let call = Call { notice: &notice, stop: &|| false };
    let catalogue = match context.catalogue() {
        Ok(catalogue) => catalogue,
        Err(failure) => return findings.error(&failure),
    };
    let opened = match project::open(project, &context.config.state_dir, &catalogue, &call) {
        Ok(opened) => opened,
        Err(e) => {
            let mut failure = Failure::from(e);
            failure.message = format!("project `{}`: {}", project.name, failure.message);
            findings.error(&failure);
            return;
        }
    };
    let Opened { project: loaded, warnings, plugins, .. } = &opened;
    findings.good(&format!(
        "project `{}`: {}, {}, {} (dbt {}, {})",
        project.name,
        printer::count(loaded.assets.len(), "asset"),
        printer::count(loaded.checks.len(), "check"),
        printer::count(loaded.exposures.len(), "exposure"),
        loaded.dbt_version,
        loaded.adapter_type
    ));
    // A translator that cannot be used never stops a run; but whoever asks what is wrong has to hear of it.
    let translator = project.translator.as_ref();
    let translator = translator.map(|t| ProjectTranslator::open(&catalogue, &t.plugin, &t.config));
    let mut known = None;
    if let Some((translator, fault)) = translator.as_ref().and_then(|t| Some((t, t.fault()?))) {
        known = translator.warning();
        findings.error(&Failure::new(fault.to_string()).with_hint(fault.hint()));
    }
    for plugin in plugins.iter().filter(|_| known.is_none()) {
        findings.good(&format!("{} {} {}", plugin.kind, plugin.name, plugin.version));
    }
    for said in opened.prepared.iter().flat_map(|prepared| prepared.warnings()) {
        findings.warning(&format!("dbt: {said}"));
    }
    for warning in warnings.iter().filter(|warning| Some(*warning) != known.as_ref()) {
        findings.warning(warning);
    }
    for rule in &project.freshness {
        let what = format!("project `{}`: freshness of `{}`", project.name, rule.select.join(" "));
        match engine::fresh_assets(project, &opened, &context.config.state_dir, rule) {
            Ok(ids) if ids.is_empty() => findings.warning(&format!("{what}: matches no asset")),
            Ok(ids) => findings.good(&format!("{what}: {}", printer::count(ids.len(), "asset"))),
            Err(refusal) => {
                let message = format!("{what}: {}", refusal.message);
                findings.error(&Failure { message, ..Failure::from(refusal) });
            }
        }
    }
    for job in context.config.jobs.values().filter(|job| job.project == project.name) {
        check_job(context, project, &opened, job, findings);
    }
}

/// A policy that cannot be used is only found out when a step has failed: here it is found before.
fn check_retries(context: &Context, catalogue: &Catalogue, findings: &mut Findings) {
    let jobs = context.config.jobs.values();
    let named = jobs.filter_map(|job| Some((format!("job `{}`: retry", job.name), job.retry.as_ref()?)));
    let all = context.config.retry.iter().map(|rule| ("retry".to_owned(), rule)).chain(named);
    // A default is the rule of many jobs, and is wrong once.
    let mut rules: Vec<(String, &RetryRule)> = Vec::new();
    for (what, rule) in all {
        if !rules.iter().any(|(_, known)| *known == rule) {
            rules.push((what, rule));
        }
    }
    for (what, rule) in rules {
        used(context, &what, check_retry(catalogue, rule), findings);
    }
}

/// A notifier that cannot be used is only found out when there is something to tell: here it is found before.
fn check_alerts(context: &Context, catalogue: &Catalogue, findings: &mut Findings) {
    for alert in context.config.alerts.values() {
        check_alert(context, catalogue, alert, &format!("alert `{}`", alert.name), findings);
    }
}

/// Whether its notifier takes its configuration, and would write something to its destinations.
fn check_alert(
    context: &Context,
    catalogue: &Catalogue,
    alert: &config::Alert,
    what: &str,
    findings: &mut Findings,
) {
    let plugin = check_notifier(catalogue, &alert.notifier, alert.config.as_ref());
    let is_sound = plugin.is_ok();
    used(context, what, plugin, findings);
    if is_sound && let Err(refusal) = trial::rehearse(catalogue, &context.config, alert, Timestamp::now()) {
        let hint = refusal.hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        findings.warning(&format!("{what}: {}{hint}", refusal.message));
    }
}

fn used(context: &Context, what: &str, plugin: Result<PluginRecord, PluginFault>, findings: &mut Findings) {
    match plugin {
        Ok(plugin) => findings.good(&format!("{what}: {} {}", plugin.name, plugin.version)),
        Err(fault) => {
            let file = context.config.file.display();
            findings.error(&Failure::new(format!("{file}: {what}: {fault}")).with_hint(fault.hint()));
        }
    }
}

/// What lies in the plugins folder and cannot be used, and the alerts that its notifiers bring with them.
fn check_folder(context: &Context, catalogue: &Catalogue, findings: &mut Findings) {
    if let Some(problem) = catalogue.scan(false).unreadable {
        return findings.error(&Failure::new(problem));
    }
    let destinations: BTreeSet<_> = context.config.destinations.keys().cloned().collect();
    for plugin in catalogue.in_folder() {
        let name = &plugin.name;
        if let Some((reason, hint)) = plugin.refused {
            findings.error(&Failure::new(format!("plugin `{name}`: {reason}")).with_hint(hint));
        } else if catalogue.notifiers().contains(name)
            && !context.config.alerts.contains_key(name)
            && let Ok(Some(alert)) =
                config::Alert::of_settings(name, &catalogue.settings(name), &destinations)
        {
            check_alert(
                context,
                catalogue,
                &alert,
                &format!("alert `{name}` (of the plugins folder)"),
                findings,
            );
        }
    }
}

/// Asks dbt what each step selects: an unknown selector or a mistyped option is found here, and not at six in the morning.
fn check_job(
    context: &Context,
    project: &config::Project,
    opened: &Opened,
    job: &config::Job,
    findings: &mut Findings,
) {
    let mut project = project.clone();
    project.adapt(job.target.as_deref(), job.vars.clone());
    for step in &job.steps {
        let what = format!("job `{}`: dbt {}", job.name, shell_words(&step.args));
        match engine::plan_step(&context.config.state_dir, &project, opened, &step.args) {
            None => findings.good(&what),
            Some(Ok(nodes)) if nodes.is_empty() => findings.warning(&format!("{what}: selects nothing")),
            Some(Ok(nodes)) => findings.good(&format!("{what}: {}", printer::count(nodes.len(), "node"))),
            Some(Err(refusal)) => {
                let message = format!("{what}: {}", refusal.message);
                findings.error(&Failure { message, ..Failure::from(refusal) });
            }
        }
    }
    let locks = engine::write_locks(&project, job.steps.iter().map(|step| step.args.as_slice()));
    if let Some(note) = locks.note {
        findings.warning(&format!("job `{}`: {note}", job.name));
    }
    for sensor in job.automated.sensors.iter().filter(|s| matches!(s, config::Sensor::Source { .. })) {
        if !opened.project.assets.iter().any(|asset| sensor.is_of(&asset.unique_id)) {
            findings.warning(&format!("job `{}`: the project has no {}", job.name, sensor.trigger()));
        }
    }
}
