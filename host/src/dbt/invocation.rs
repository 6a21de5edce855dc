//! How dbt is called: program, arguments and environment of one invocation.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::environment::passes;

/// How a project wants dbt to be called.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder with `dbt_project.yml`, absolute.
    pub dir: PathBuf,
    /// The dbt executable: absolute, or a bare name to look up on the PATH.
    pub program: PathBuf,
    /// The folder with `profiles.yml`, where the operator named one.
    pub profiles_dir: Option<PathBuf>,
    /// The profile, where the operator named one.
    pub profile: Option<String>,
    /// The target, where the operator named one.
    pub target: Option<String>,
    /// Variables for `--vars`.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Environment variables for dbt.
    pub env: BTreeMap<String, String>,
    /// Names and prefixes of environment variables to pass on.
    pub pass_env: Vec<String>,
}

/// One call of dbt, ready to be started.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The working directory: the project's.
    pub cwd: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
}

/// Why dbt cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is not on the PATH.
    #[error("there is no `{0}` on the PATH")]
    NotOnPath(String),
    /// It is not where the configuration says.
    #[error("there is no dbt executable at {}", .0.display())]
    NotThere(PathBuf),
}

impl ProgramError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        "activate the Python environment that has dbt, or set `dbt = \"path/to/dbt\"` in `[projects.NAME]`"
    }
}

/// Finds the dbt executable.
pub fn find_program(program: &Path, path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if program.is_absolute() {
        return executable(program)
            .then(|| program.to_owned())
            .ok_or_else(|| ProgramError::NotThere(program.to_owned()));
    }
    path.into_iter()
        .flat_map(std::env::split_paths)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(program))
        .find(|file| executable(file))
        .ok_or_else(|| ProgramError::NotOnPath(program.display().to_string()))
}

/// Builds a call. `inherited` is the host's environment, `wanted` the names that the project reads from it, `target_path`
/// the folder for this invocation's artifacts, and `stamps` what every event is to be marked with.
pub fn invocation(
    options: &Options,
    program: PathBuf,
    args: &[String],
    target_path: &Path,
    inherited: impl Iterator<Item = (String, String)>,
    wanted: &BTreeSet<String>,
    stamps: &[(&str, String)],
) -> Invocation {
    let mut env: BTreeMap<_, _> = inherited
        .filter(|(name, _)| passes(name, wanted.iter().map(String::as_str), &options.pass_env))
        .collect();
    env.extend(options.env.clone());
    let path = target_path.to_string_lossy().into_owned();
    let own = [
        ("DBT_TARGET_PATH", path.clone()),
        ("DBT_LOG_PATH", path),
        ("DBT_PROJECT_DIR", options.dir.to_string_lossy().into_owned()),
        ("DBT_LOG_FORMAT", "json".to_owned()),
        // Only debug has the start and the end of each node, and the error text at the moment of failure.
        ("DBT_LOG_LEVEL", "debug".to_owned()),
        ("DBT_LOG_LEVEL_FILE", "none".to_owned()),
        ("DBT_USE_COLORS", "false".to_owned()),
        ("DBT_QUIET", "false".to_owned()),
        ("DBT_PRINT", "true".to_owned()),
        ("DBT_DEBUG", "false".to_owned()),
        ("DBT_WRITE_JSON", "true".to_owned()),
        ("DBT_SEND_ANONYMOUS_USAGE_STATS", "false".to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ];
    for (name, value) in own {
        // The second name that dbt 1.12 gave each setting would win.
        env.remove(&name.replacen("DBT_", "DBT_ENGINE_", 1));
        env.insert(name.to_owned(), value);
    }
    if let Some(dir) = &options.profiles_dir {
        env.insert("DBT_PROFILES_DIR".to_owned(), dir.to_string_lossy().into_owned());
    }
    for (name, value) in stamps {
        env.insert(format!("DBT_ENV_CUSTOM_ENV_{name}"), value.clone());
    }
    Invocation { program, args: with_options(options, args), cwd: options.dir.clone(), env }
}

/// The arguments with the project's profile, target and variables behind them, unless they have their own.
fn with_options(options: &Options, args: &[String]) -> Vec<String> {
    // A short option may have its value right behind it.
    let is = |arg: &str, name: &str| {
        arg == name
            || if name.starts_with("--") {
                arg.split('=').next() == Some(name)
            } else {
                arg.starts_with(name)
            }
    };
    let has = |names: &[&str]| args.iter().any(|arg| names.iter().any(|name| is(arg, name)));
    let mut all = args.to_vec();
    if let (Some(profile), false) = (&options.profile, has(&["--profile"])) {
        all.extend(["--profile".to_owned(), profile.clone()]);
    }
    if let (Some(target), false) = (&options.target, has(&["--target", "-t"])) {
        all.extend(["--target".to_owned(), target.clone()]);
    }
    if !options.vars.is_empty() && !has(&["--vars"]) {
        all.extend(["--vars".to_owned(), serde_json::json!(options.vars).to_string()]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_ours_where_it_matters() {
        let inherited = [
            ("DBT_TARGET_PATH", "elsewhere"),
            ("DBT_ENGINE_TARGET_PATH", "elsewhere"),
            ("PATH", "/bin"),
            ("LD_PRELOAD", "x.so"),
            ("SHOP", "1"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let options = Options {
            dir: "/p".into(),
            target: Some("prod".to_owned()),
            vars: [("a".to_owned(), 1.into())].into(),
            env: [("DBT_ENGINE_LOG_LEVEL", "error"), ("DBT_LOG_LEVEL", "error"), ("DBT_ENGINE_THREADS", "3")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..Options::default()
        };
        let wanted = BTreeSet::from(["SHOP".to_owned()]);
        let call = invocation(
            &options,
            "/bin/dbt".into(),
            &["build".to_owned(), "--vars".to_owned(), "{}".to_owned()],
            Path::new("/t"),
            inherited.into_iter(),
            &wanted,
            &[("TIDEGATE_RUN", "7".to_owned())],
        );
        assert_eq!(call.env["DBT_TARGET_PATH"], "/t");
        assert_eq!(call.env["SHOP"], "1");
        assert_eq!(call.env["DBT_ENV_CUSTOM_ENV_TIDEGATE_RUN"], "7");
        assert!(!call.env.contains_key("LD_PRELOAD") && !call.env.contains_key("DBT_ENGINE_TARGET_PATH"));
        assert_eq!(call.args, ["build", "--vars", "{}", "--target", "prod"]);
        assert!(!call.env.contains_key("DBT_ENGINE_LOG_LEVEL"));
        assert_eq!((&*call.env["DBT_LOG_LEVEL"], &*call.env["DBT_ENGINE_THREADS"]), ("debug", "3"));
    }

    #[test]
    fn a_step_may_name_its_own_target() {
        let options = Options {
            profile: Some("shop".to_owned()),
            target: Some("prod".to_owned()),
            vars: [("a".to_owned(), 1.into())].into(),
            ..Options::default()
        };
        let called = |step: &str| {
            with_options(&options, &step.split(' ').map(str::to_owned).collect::<Vec<_>>()).join(" ")
        };
        assert_eq!(called("build"), "build --profile shop --target prod --vars {\"a\":1}");
        for step in [
            "build -t dev --vars {}",
            "build -tdev --vars={}",
            "build --target dev --vars {}",
            "build --target=dev --vars {}",
        ] {
            assert_eq!(called(step), format!("{step} --profile shop"));
        }
    }
}
