//! Preparing a project: `dbt deps` when its package files have changed, `dbt parse` when anything has.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    files::{files, fingerprint, profiles_file, wanted_environment},
    variants,
};
use crate::{
    config,
    dbt::{self, Level, LogLine, Observation, Observer, ProgramError},
    model::{AttemptId, EventKind, RunId},
    process,
};

/// Files that say which packages a project needs.
const PACKAGE_FILES: [&str; 3] = ["packages.yml", "dependencies.yml", "package-lock.yml"];

/// How many of dbt's warnings about a project are kept.
const MOST_WARNINGS: usize = 50;

/// The folder `projects/NAME` of a state directory.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder of a project, apart for each target and set of variables that a job has of its own: they make another
    /// manifest.
    pub fn of(state_dir: &Path, project: &config::Project) -> Self {
        let name = match &project.variant {
            Some(variant) => format!("{}+{variant}", project.name),
            None => project.name.clone(),
        };
        Self(state_dir.join("projects").join(name))
    }

    /// The last good manifest.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// Where dbt writes when it parses and lists: its parse cache is here.
    pub fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    /// Where resolved plans are kept.
    pub fn plans(&self) -> PathBuf {
        self.0.join("plans")
    }

    /// Makes the next preparation parse the project, whatever is there.
    pub fn forget(&self) {
        let _ = fs::remove_file(self.record());
    }

    fn record(&self) -> PathBuf {
        self.0.join("prepared.json")
    }
}

/// A project that dbt has parsed, or that has a manifest from elsewhere.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The dbt executable.
    pub program: PathBuf,
    /// The manifest; not yet read, and not yet the last good one where `is_new`.
    pub manifest: PathBuf,
    /// Whether dbt has written it just now.
    pub is_new: bool,
    /// Names of environment variables that the project reads.
    pub wanted: BTreeSet<String>,
    record: Record,
    folder: Folder,
    _lock: Option<std::sync::Arc<File>>,
}

/// What a manifest was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Files, options, dbt and the values of the wanted variables; hashed.
    fingerprint: String,
    /// The contents of the package files; hashed.
    packages: String,
    wanted: BTreeSet<String>,
    /// What dbt warned of when it parsed.
    #[serde(default)]
    warnings: Vec<String>,
}

/// Why a project cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// There is no dbt project.
    #[error("there is no dbt_project.yml in {}", .0.display())]
    NoProject(PathBuf),
    /// There is no dbt.
    #[error(transparent)]
    NoDbt(#[from] ProgramError),
    /// dbt failed, and said why.
    #[error("`dbt {command}` failed:\n{message}")]
    Dbt {
        /// dbt's arguments.
        command: String,
        /// dbt's own words.
        message: String,
    },
    /// It was stopped.
    #[error("cancelled while the project was prepared")]
    Stopped,
    /// The state directory or the project cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PrepareError {
    /// What to do, where dbt's own words do not say it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoProject(_) => {
                Some("set `dir` in `[projects.NAME]` to the folder of your dbt project".to_owned())
            }
            Self::NoDbt(e) => Some(e.hint().to_owned()),
            Self::Dbt { message, .. } if message.contains("Could not find adapter type") => Some(
                "install the adapter into the environment of this dbt (`pip install dbt-duckdb`, …), or name another \
                 dbt in `[projects.NAME]`"
                    .to_owned(),
            ),
            Self::Dbt { message, .. } if message.to_lowercase().contains("profile") => Some(
                "profiles.yml is looked for in `profiles_dir`, then in the project's folder, then in ~/.dbt".to_owned(),
            ),
            Self::Dbt { .. } | Self::Stopped | Self::Io { .. } => None,
        }
    }
}

/// How a preparation is watched and stopped.
pub struct Call<'a> {
    /// Is told what is going on, in words for people.
    pub notice: &'a dyn Fn(&str),
    /// Is asked whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// Makes sure that a manifest is there and as new as the project's files. Nothing that was there before is lost: a new
/// manifest takes the old one's place only when [`Prepared::accept`] is called.
pub fn prepare(options: &dbt::Options, folder: &Folder, call: &Call<'_>) -> Result<Prepared, PrepareError> {
    if !options.dir.join("dbt_project.yml").is_file() {
        return Err(PrepareError::NoProject(options.dir.clone()));
    }
    let program = dbt::find_program(&options.program, env::var_os("PATH").as_deref())?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PrepareError::Io { path, source }
    };
    process::make_private(&folder.0).map_err(io(&folder.0))?;
    let known = read_record(folder);
    variants::use_now(&folder.0, known.is_none());
    if let Some(record) = &known
        && folder.manifest().is_file()
        && record.fingerprint == project_fingerprint(options, &program, &record.wanted)
    {
        return Ok(Prepared {
            program,
            manifest: folder.manifest(),
            is_new: false,
            wanted: record.wanted.clone(),
            record: record.clone(),
            folder: folder.clone(),
            _lock: None,
        });
    }
    let lock_path = folder.0.join("prepare.lock");
    let lock = File::create(&lock_path).map_err(io(&lock_path))?;
    lock.lock().map_err(io(&lock_path))?;
    // Whoever held the lock may have done the work.
    if read_record(folder) != known {
        drop(lock);
        return prepare(options, folder, call);
    }
    let known = known.unwrap_or_default();
    let wanted = wanted_environment(sources(options).iter());
    let packages = packages_digest(&options.dir);
    let new_packages =
        known.packages != packages && (!known.packages.is_empty() || !packages_are_installed(&options.dir));
    if packages != no_packages() && new_packages {
        (call.notice)("installing packages (dbt deps)");
        run_dbt(options, &program, folder, &wanted, &["deps"], call)?;
    }
    (call.notice)("parsing the project (dbt parse)");
    // The fingerprint is taken before dbt reads the files: what changes meanwhile is parsed again next time.
    let mut record = Record {
        fingerprint: project_fingerprint(options, &program, &wanted),
        packages: packages_digest(&options.dir),
        wanted: wanted.clone(),
        warnings: Vec::new(),
    };
    record.warnings = run_dbt(options, &program, folder, &wanted, &["parse"], call)?;
    Ok(Prepared {
        program,
        manifest: folder.target().join("manifest.json"),
        is_new: true,
        wanted,
        record,
        folder: folder.clone(),
        _lock: Some(lock.into()),
    })
}

impl Prepared {
    /// A project whose manifest was built elsewhere: nothing is parsed here.
    pub fn elsewhere(options: &dbt::Options, folder: &Folder, manifest: &Path) -> Result<Self, PrepareError> {
        if !options.dir.join("dbt_project.yml").is_file() {
            return Err(PrepareError::NoProject(options.dir.clone()));
        }
        Ok(Self {
            program: dbt::find_program(&options.program, env::var_os("PATH").as_deref())?,
            manifest: manifest.to_owned(),
            is_new: false,
            wanted: wanted_environment(sources(options).iter()),
            record: Record::default(),
            folder: folder.clone(),
            _lock: None,
        })
    }

    /// What dbt warned of when it parsed the project as it is.
    pub fn warnings(&self) -> &[String] {
        &self.record.warnings
    }

    /// Makes a new manifest the last good one.
    pub fn accept(&mut self) -> Result<(), PrepareError> {
        if !self.is_new {
            return Ok(());
        }
        let good = self.folder.manifest();
        let io = |path: PathBuf| move |source| PrepareError::Io { path, source };
        fs::rename(&self.manifest, &good).map_err(io(good.clone()))?;
        let record = self.folder.record();
        let text = serde_json::to_vec_pretty(&self.record).map_err(|e| io(record.clone())(e.into()))?;
        let fresh = record.with_extension("new");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &record)).map_err(io(record))?;
        self.manifest = good;
        self.is_new = false;
        self._lock = None;
        Ok(())
    }
}

fn read_record(folder: &Folder) -> Option<Record> {
    serde_json::from_slice(&fs::read(folder.record()).ok()?).ok()
}

/// The files of a project and the profile that it uses.
fn sources(options: &dbt::Options) -> Vec<PathBuf> {
    let mut all = files(&options.dir);
    all.extend(profiles_file(&options.dir, options.profiles_dir.as_deref()));
    all
}

fn project_fingerprint(options: &dbt::Options, program: &Path, wanted: &BTreeSet<String>) -> String {
    let mut hasher = blake3::Hasher::new();
    fingerprint(&mut hasher, &sources(options));
    fingerprint(&mut hasher, &[program.to_owned()]);
    let settings = serde_json::json!([options.profile, options.target, options.vars, options.env]);
    hasher.update(settings.to_string().as_bytes());
    for name in wanted {
        hasher.update(name.as_bytes());
        hasher.update(env::var_os(name).unwrap_or_default().as_encoded_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn packages_digest(dir: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in PACKAGE_FILES {
        if let Ok(bytes) = fs::read(dir.join(name)) {
            hasher.update(name.as_bytes());
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn no_packages() -> String {
    blake3::Hasher::new().finalize().to_hex().to_string()
}

/// Whether someone has installed the packages already, after the last change of the package files.
fn packages_are_installed(dir: &Path) -> bool {
    let modified = |path: PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
    let Some(installed) = modified(dir.join("dbt_packages")) else { return false };
    PACKAGE_FILES.iter().filter_map(|name| modified(dir.join(name))).all(|changed| changed <= installed)
}

fn run_dbt(
    options: &dbt::Options,
    program: &Path,
    folder: &Folder,
    wanted: &BTreeSet<String>,
    args: &[&str],
    call: &Call<'_>,
) -> Result<Vec<String>, PrepareError> {
    let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
    let target = folder.target();
    let io = |path: &Path, source| PrepareError::Io { path: path.to_owned(), source };
    process::make_private(&target).map_err(|e| io(&target, e))?;
    let invocation =
        dbt::invocation(options, program.to_owned(), &args, &target, process::environment(), wanted, &[]);
    let secrets: Vec<_> = invocation.env.keys().filter(|name| dbt::is_secret_name(name)).cloned().collect();
    // No attempt, and so no run whose log it could be in: what dbt said last is kept beside the manifest.
    let log_path = folder.0.join(format!("{}.log.jsonl", args.join("-")));
    let mut log = BufWriter::new(File::create(&log_path).map_err(|e| io(&log_path, e))?);
    let mut warnings = Vec::new();
    let nobody = AttemptId { run: RunId(0), step: 0, attempt: 0 };
    let mut observer = Observer::new(nobody);
    let mut failure = None;
    let status = process::capture(
        &invocation.program,
        &invocation.args,
        &invocation.cwd,
        &invocation.env,
        &secrets,
        call.stop,
        |line| {
            let _ = log.write_all(line).and_then(|()| log.write_all(b"\n"));
            let said = LogLine::parse(line);
            if said.level == Level::Warn && warnings.len() < MOST_WARNINGS {
                warnings.push(dbt::plain(&said.message).trim().to_owned());
            }
            if let Observation::Event(EventKind::DbtFailed { message, .. }) = observer.line(line) {
                failure.get_or_insert(message);
            }
        },
    )
    .map_err(|e| io(&invocation.program, e))?;
    if status.success() {
        return Ok(warnings);
    }
    if (call.stop)() {
        return Err(PrepareError::Stopped);
    }
    let message = failure.unwrap_or_else(|| match observer.raw_tail() {
        said if said.is_empty() => format!("dbt ended with {status} and did not say why"),
        said => said,
    });
    Err(PrepareError::Dbt { command: args.join(" "), message: message.trim().to_owned() })
}

/// How long git may look for changed files; in a large repository the run must not wait for it.
const GIT_PATIENCE: Duration = Duration::from_secs(2);

/// The revision of a project's files, where git knows one: the commit, with `+changes` where files differ from it, and
/// with `+unknown` where git took too long to say so.
pub fn revision(dir: &Path) -> Option<String> {
    if !dir.ancestors().any(|dir| dir.join(".git").exists()) {
        return None;
    }
    let environment: BTreeMap<_, _> =
        process::environment().filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME")).collect();
    let git = |args: &[&str]| {
        let begun = Instant::now();
        let args: Vec<_> = args.iter().map(|&a| a.to_owned()).collect();
        let mut text = String::new();
        let status = process::capture(
            Path::new("git"),
            &args,
            dir,
            &environment,
            &[],
            || begun.elapsed() > GIT_PATIENCE,
            |line| {
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            },
        );
        status.ok().filter(|s| s.success()).map(|_| text.trim().to_owned())
    };
    let Some(status) = git(&["status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", "."])
    else {
        return git(&["rev-parse", "HEAD"]).map(|commit| format!("{commit}+unknown"));
    };
    let commit = status.lines().find_map(|line| line.strip_prefix("# branch.oid "))?;
    let changed = status.lines().any(|line| !line.starts_with('#'));
    Some(if changed { format!("{commit}+changes") } else { commit.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_revision_says_whether_files_differ_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let settings = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
            let status = Command::new("git").args(settings).args(args).current_dir(dir.path()).status();
            assert!(status.unwrap().success(), "{args:?}");
        };
        assert_eq!(revision(dir.path()), None, "not a repository");
        git(&["init", "--quiet"]);
        fs::write(dir.path().join("model.sql"), "select 1").unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "first"]);
        let clean = revision(dir.path()).unwrap();
        assert!(clean.len() == 40 && clean.chars().all(|c| c.is_ascii_hexdigit()), "{clean}");
        fs::write(dir.path().join("model.sql"), "select 2").unwrap();
        assert_eq!(revision(dir.path()).unwrap(), format!("{clean}+changes"));
    }
}
