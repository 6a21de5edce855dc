//! The real world: the system's clock, disk and processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::{self, Config},
    dbt,
    model::{AttemptId, AttemptIdentity, Failure, RetryRule, Run, RunId, RunRequest, Trigger},
    plugins::Catalogue,
    policy::{Judgement, judge},
    process::{self, AttemptSpec, Caps, Ladder},
    project::{self, Call, Folder, Opened},
};

use super::{
    Delivery, Mail, Message, Refusal, Rendering, Start, World, WriteLocks, attempt_folder, plan, post,
    run_folder,
    sense::{self, Profiles, Stamp},
    watch::watch,
};

/// Files of dbt's that are of no use once it has ended.
const DISCARD: [&str; 5] = [
    "partial_parse.msgpack",
    "graph.gpickle",
    "graph_summary.json",
    "perf_info.json",
    "semantic_manifest.json",
];

/// Clock, disk and processes of this machine.
pub(super) struct RealWorld {
    state_dir: PathBuf,
    program: PathBuf,
    revisions: Mutex<Option<(PathBuf, Option<String>)>>,
    configs: Mutex<BTreeMap<PathBuf, (Stamp, Arc<Config>)>>,
    profiles: Profiles,
    catalogue: Catalogue,
    /// Whether standard output is for something else than notifications.
    aside: bool,
    /// What was said last about settings that make no alert.
    said: Mutex<Vec<String>>,
}

impl RealWorld {
    pub(super) fn new(config: &Arc<Config>, catalogue: Catalogue, aside: bool) -> io::Result<Self> {
        // Which state of the file that was nobody knows: it is read once more.
        let known = (config.file.clone(), (Stamp::unknown(), Arc::clone(config)));
        Ok(Self {
            state_dir: config.state_dir.clone(),
            program: process::program()?,
            revisions: Mutex::new(None),
            configs: Mutex::new(BTreeMap::from([known])),
            profiles: Profiles::default(),
            catalogue,
            aside,
            said: Mutex::default(),
        })
    }

    /// A configuration file as it is now; read only where it has changed. While it has mistakes it is what it was before
    /// them, so that they cost no run.
    fn config(&self, file: &Path) -> Result<Arc<Config>, Refusal> {
        let stamp = Stamp::of(file);
        let mut known = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, config)) = known.get_mut(file)
            && (*at == stamp || config.is_current())
        {
            *at = stamp;
            return Ok(Arc::clone(config));
        }
        match Config::load(file, Some(&self.state_dir)).map(Arc::new) {
            Ok(config) => {
                known.insert(file.to_owned(), (stamp, Arc::clone(&config)));
                self.profiles.forget();
                Ok(config)
            }
            // As with a reload: what cannot be read leaves what was read before.
            Err(e) => match known.get_mut(file) {
                Some((at, config)) => {
                    *at = stamp;
                    Ok(Arc::clone(config))
                }
                None => Err(Refusal { message: e.to_string(), hint: e.hint().map(str::to_owned) }),
            },
        }
    }

    /// The project of a request, with the job's own target and variables as they were when it was asked for.
    fn project(&self, request: &RunRequest) -> Result<config::Project, Refusal> {
        let config = self.config(&request.config_file)?;
        let project = config.projects.get(&request.project).cloned().ok_or_else(|| {
            Refusal::new(format!(
                "{} names no project `{}` any more",
                request.config_file.display(),
                request.project
            ))
        })?;
        Ok(adapted(project, request))
    }
}

/// A project with the target and the variables that a request has of its own.
pub(super) fn adapted(mut project: config::Project, request: &RunRequest) -> config::Project {
    let job = &request.configuration["job"];
    let vars = job["vars"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone()));
    project.adapt(job["target"].as_str(), vars.collect());
    project
}

/// The call of dbt that an attempt makes with these arguments.
pub(super) fn invocation(
    project: &config::Project,
    opened: &Opened,
    args: &[String],
    target_path: &Path,
    stamps: &[(&str, String)],
) -> dbt::Invocation {
    let (program, wanted) = match &opened.prepared {
        Some(prepared) => (prepared.program.clone(), prepared.wanted.clone()),
        None => (project.dbt.program.clone(), Default::default()),
    };
    dbt::invocation(&project.dbt, program, args, target_path, process::environment(), &wanted, stamps)
}

/// The `dbt ls` that plans a step: its folder, its process, and the resource types that count.
struct Listing {
    folder: PathBuf,
    spec: AttemptSpec,
    environment: BTreeMap<String, String>,
    types: &'static [&'static str],
}

fn listing(state_dir: &Path, args: &[String], project: &config::Project, opened: &Opened) -> Option<Listing> {
    let prepared = opened.prepared.as_ref()?;
    let list = dbt::list_arguments(args)?;
    let types = dbt::planned_types(args);
    let folder = Folder::of(state_dir, project);
    let (program, target) = (prepared.program.clone(), folder.target());
    let call =
        dbt::invocation(&project.dbt, program, &list, &target, process::environment(), &prepared.wanted, &[]);
    Some(Listing {
        folder: plan::folder_of(&folder.plans(), &opened.project.digest, &call.args, types),
        environment: call.env.clone(),
        spec: spec(call, &[], &[]),
        types,
    })
}

fn spec(call: dbt::Invocation, discard: &[&str], compress: &[&str]) -> AttemptSpec {
    AttemptSpec {
        secrets: call.env.keys().filter(|name| dbt::is_secret_name(name)).cloned().collect(),
        program: call.program,
        args: call.args,
        cwd: call.cwd,
        caps: Caps::default(),
        ladder: Ladder::default(),
        discard: discard.iter().map(PathBuf::from).collect(),
        compress: compress.iter().map(PathBuf::from).collect(),
    }
}

/// What a step selects, as dbt says it, at once or after a while; none where the step's nodes are not planned.
pub fn plan_step(
    state_dir: &Path,
    project: &config::Project,
    opened: &Opened,
    args: &[String],
) -> Option<Result<Vec<String>, Refusal>> {
    let Listing { folder, spec, environment, types } = listing(state_dir, args, project, opened)?;
    let known = plan::known(&folder, types);
    let nodes = known.or_else(|| {
        let program = process::program().ok()?;
        plan::resolve(&program, &folder, &spec, &environment, types)
    });
    Some(nodes.ok_or_else(|| Refusal::new(plan::failure(&folder))))
}

/// The assets that the arguments of a `dbt ls` select.
pub fn select(
    state_dir: &Path,
    project: &config::Project,
    opened: &Opened,
    args: &[String],
) -> Result<Vec<String>, Refusal> {
    plan_step(state_dir, project, opened, args).unwrap_or_else(|| {
        Err(Refusal::new("the project has to be parsed before dbt can resolve a selection"))
    })
}

/// The same where dbt has said it before.
pub(super) fn selected(
    state_dir: &Path,
    project: &config::Project,
    opened: &Opened,
    args: &[String],
) -> Option<Vec<String>> {
    let listing = listing(state_dir, args, project, opened)?;
    plan::known(&listing.folder, listing.types)
}

impl World for RealWorld {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn project_of(&self, run: &Run) -> Result<config::Project, Refusal> {
        self.project(&run.request)
    }

    fn write_locks(&self, request: &RunRequest) -> WriteLocks {
        // Where there is none it will not start either: then it says why.
        let known = self.config(&request.config_file);
        if known.map_or(true, |config| !config.projects.contains_key(&request.project)) {
            return WriteLocks::default();
        }
        let job = &request.configuration["job"];
        let files = request.steps.iter().map(|step| {
            let (file, name) = (&request.config_file, &request.project);
            let key = serde_json::json!([file, name, job["target"], job["vars"], step.args]).to_string();
            self.profiles.files(key, || {
                let project = self.project(request).map_err(|refusal| refusal.message)?;
                Ok(sense::call(&project, &step.args))
            })
        });
        sense::locks(&request.project, files)
    }

    fn spoke_at(&self, attempt: AttemptId) -> Option<Timestamp> {
        let changed = fs::metadata(attempt_folder(&self.state_dir, attempt).log()).ok()?.modified().ok()?;
        changed.try_into().ok()
    }

    fn look(&self, job: &str, trigger: &Trigger, glob: &str, mail: &Mail) {
        let (job, trigger, glob, mail) = (job.to_owned(), trigger.clone(), glob.to_owned(), mail.clone());
        // A folder of a network may take its time.
        thread::spawn(move || {
            let found = sense::files(&glob);
            let _ = mail.send(Message::Files { job, trigger, found });
        });
    }

    fn alerts_of_plugins(&self, destinations: &BTreeSet<String>) -> Vec<config::Alert> {
        let (alerts, problems) = post::alerts_of(&self.catalogue, destinations);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != problems {
            problems.iter().for_each(|problem| tracing::warn!("{problem}"));
            *said = problems;
        }
        alerts
    }

    fn render(&self, rendering: Rendering, mail: &Mail) {
        post::render(self.catalogue.clone(), rendering, mail.clone());
    }

    fn deliver(&self, delivery: Delivery, mail: &Mail) {
        post::deliver(delivery, mail.clone(), self.aside);
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    fn open(&self, run: RunId, project: config::Project, stop: Arc<AtomicBool>, mail: &Mail) {
        let (state_dir, catalogue, mail) = (self.state_dir.clone(), self.catalogue.clone(), mail.clone());
        thread::spawn(move || {
            let notice = |text: &str| {
                let _ = mail.send(Message::Notice { run, text: text.to_owned() });
            };
            let call = Call { notice: &notice, stop: &|| stop.load(Ordering::Relaxed) };
            let result = project::open(&project, &state_dir, &catalogue, &call)
                .map(Arc::new)
                .map_err(|e| Refusal { message: e.to_string(), hint: e.hint() });
            let _ = mail.send(Message::Opened { run, result });
        });
    }

    fn ready(
        &self,
        attempt: AttemptId,
        args: &[String],
        project: &config::Project,
        opened: &Opened,
    ) -> Start {
        let folder = attempt_folder(&self.state_dir, attempt);
        let stamps = [("TIDEGATE_RUN", attempt.run.to_string()), ("TIDEGATE_ATTEMPT", attempt.to_string())];
        let call = invocation(project, opened, args, &folder.target(), &stamps);
        Start {
            attempt,
            folder,
            environment: call.env.clone(),
            spec: spec(call, &DISCARD, &["manifest.json"]),
            parse_cache: Some(Folder::of(&self.state_dir, project).target().join("partial_parse.msgpack")),
        }
    }

    fn revision(&self, project: &config::Project) -> Option<String> {
        let mut known = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((dir, revision)) if *dir == project.dbt.dir => revision.clone(),
            _ => {
                let revision = project::revision(&project.dbt.dir);
                *known = Some((project.dbt.dir.clone(), revision.clone()));
                revision
            }
        }
    }

    fn spawn(&self, start: &Start) -> io::Result<AttemptIdentity> {
        let target = start.folder.target();
        process::make_private(&target)?;
        // dbt checks the parse cache itself; it was made by the same dbt from the same folder when the host prepared.
        if !start.spec.args.iter().any(|arg| arg == "--no-partial-parse")
            && let Some(cache) = start.parse_cache.as_ref().filter(|cache| cache.is_file())
        {
            fs::copy(cache, target.join("partial_parse.msgpack"))?;
        }
        process::spawn(&self.program, &start.folder, &start.spec, &start.environment)
    }

    fn watch(
        &self,
        attempt: AttemptId,
        args: &[String],
        identity: Option<AttemptIdentity>,
        offset: u64,
        mail: &Mail,
    ) {
        let folder = attempt_folder(&self.state_dir, attempt);
        let (args, mail) = (args.to_vec(), mail.clone());
        thread::spawn(move || watch(attempt, &args, &folder, identity, offset, &mail));
    }

    fn known_plan(&self, args: &[String], project: &config::Project, opened: &Opened) -> Option<Vec<String>> {
        selected(&self.state_dir, project, opened, args)
    }

    fn plan(
        &self,
        attempt: AttemptId,
        args: &[String],
        project: &config::Project,
        opened: &Opened,
        mail: &Mail,
    ) {
        let Some(Listing { folder, spec, environment, types }) =
            listing(&self.state_dir, args, project, opened)
        else {
            let _ = mail.send(Message::Planned { attempt, nodes: None });
            return;
        };
        let (program, mail) = (self.program.clone(), mail.clone());
        thread::spawn(move || {
            let resolve = || plan::resolve(&program, &folder, &spec, &environment, types);
            // As with a policy: a run may wait for it at the gate.
            let nodes = catch_unwind(AssertUnwindSafe(resolve)).unwrap_or_default();
            let _ = mail.send(Message::Planned { attempt, nodes });
        });
    }

    fn decide(&self, rule: &RetryRule, failure: Failure, mail: &Mail) {
        let (catalogue, rule, mail) = (self.catalogue.clone(), rule.clone(), mail.clone());
        // A plugin may take its time, and loading it for the first time does.
        thread::spawn(move || {
            // An answer that never comes would be waited for by the run, with all of its locks.
            let judged = catch_unwind(AssertUnwindSafe(|| judge(&catalogue, &rule, &failure)));
            let judgement = Box::new(judged.unwrap_or_else(|_| Judgement::panicked(&rule)));
            let _ = mail.send(Message::Decided { attempt: failure.attempt, judgement });
        });
    }

    fn threads(&self, args: &[String], project: &config::Project) -> Option<u32> {
        dbt::threads(&sense::call(project, args))
    }

    fn interrupt(&self, attempt: AttemptId, identity: Option<&AttemptIdentity>) -> io::Result<()> {
        let written = || attempt_folder(&self.state_dir, attempt).processes().attempt;
        identity.cloned().or_else(written).map_or(Ok(()), |identity| process::interrupt(&identity))
    }

    fn is_asked(&self, attempt: AttemptId) -> bool {
        attempt_folder(&self.state_dir, attempt).is_asked()
    }

    fn highest_run(&self) -> u64 {
        let entries = fs::read_dir(self.state_dir.join("runs")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
    }

    fn forget(&self, run: RunId) {
        // What cannot be removed now is removed with nothing else depending on it.
        let _ = fs::remove_dir_all(run_folder(&self.state_dir, run));
    }
}
