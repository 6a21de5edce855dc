//! `tidegate check`: everything that can be wrong, in one go, without running anything.

use std::path::Path;

use super::{
    Common, Context, Exit, Failure,
    printer::{self, BAD, FAINT, GOOD, ODD, styled},
};
use crate::{
    config, engine,
    model::shell_words,
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

fn check_project(context: &Context, project: &config::Project, findings: &mut Findings) {
    let notice = |text: &str| printer::note(styled(FAINT, format!("{}: {text}", project.name)));
    let call = Call { notice: &notice, stop: &|| false };
    let opened = match project::open(project, &context.config.state_dir, &call) {
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
    let translator =
        project.translator.as_ref().map(|t| project::open_translator(t, &context.config.state_dir));
    let mut known = None;
    match &translator {
        Some(Ok(translator)) => {
            if let Some(fault) = translator.fault() {
                known = translator.warning();
                findings.error(&Failure::new(fault.to_string()).with_hint(fault.hint()));
            }
        }
        Some(Err(error)) => findings.error(&Failure::new(error.to_string())),
        None => {}
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
    for job in context.config.jobs.values().filter(|job| job.project == project.name) {
        check_job(context, project, &opened, job, findings);
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
