//! The setting: which Tidegate and which dbt are measured, where, and in what environment.
//!
//! Owns the environment, so that both sides have the same. Never reads what is measured.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::gauge::{self, Weight};

/// Names the folder of dbt's programs, as for the tests; without it, dbt is looked up as a user's shell would.
const DBT_VARIABLE: &str = "TIDEGATE_TEST_DBT";

/// Beginnings of variables that would change what dbt or Tidegate does.
const FOREIGN: [&str; 3] = ["DBT_", "TIDEGATE_", "SHOP_DUCKDB"];

/// What is measured, and where.
pub struct Setting {
    tidegate: PathBuf,
    folder: PathBuf,
    path: OsString,
}

impl Setting {
    /// Finds the programs and makes the folder.
    pub fn new(tidegate: Option<&Path>, folder: Option<&Path>) -> Result<Self> {
        let built = env::current_exe()?;
        let beside = built.parent().unwrap_or(Path::new("."));
        let tidegate = tidegate.map_or_else(|| beside.join("tidegate"), Path::to_owned);
        let tidegate = tidegate
            .canonicalize()
            .with_context(|| format!("there is no Tidegate to measure at {}", tidegate.display()))?;
        let folder = folder.map_or_else(|| beside.with_file_name("bench"), Path::to_owned);
        fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        let first = env::var_os(DBT_VARIABLE).map(PathBuf::from);
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(first.into_iter().chain(env::split_paths(&others)))
            .with_context(|| format!("{DBT_VARIABLE} cannot be part of PATH"))?;
        let found = env::split_paths(&path).any(|folder| folder.join("dbt").is_file());
        if !found {
            bail!(
                "there is no `dbt` on the PATH; `cargo xtask bench` sets it up, or name its folder in {DBT_VARIABLE}"
            );
        }
        Ok(Self { tidegate, folder: folder.canonicalize()?, path })
    }

    /// A folder for files of the benchmarks; it may not be there yet.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Weighs a command of plain dbt.
    pub fn dbt(&self, project: &Path, arguments: &[&str]) -> Result<Weight> {
        self.weigh("dbt".into(), project, arguments)
    }

    /// Weighs a command of Tidegate.
    pub fn tidegate(&self, project: &Path, arguments: &[&str]) -> Result<Weight> {
        self.weigh(self.tidegate.clone().into_os_string(), project, arguments)
    }

    /// A command of Tidegate that stays, and is not weighed.
    pub fn command(&self, project: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tidegate);
        command
            .args(arguments)
            .current_dir(project)
            .env("PATH", &self.path)
            .env("TIDEGATE_LISTEN", "127.0.0.1:0");
        clean(&mut command);
        command
    }

    /// Where the output of the last program that ran on a project is: beside it, so that no fingerprint changes.
    pub fn output(project: &Path) -> PathBuf {
        project.with_extension("out")
    }

    fn weigh(&self, program: OsString, project: &Path, arguments: &[&str]) -> Result<Weight> {
        let mut words = vec![program];
        words.extend(arguments.iter().map(OsString::from));
        gauge::weigh(&words, &Self::output(project), |gauge| {
            gauge.current_dir(project).env("PATH", &self.path);
            clean(gauge);
        })
    }
}

/// Keeps the settings of whoever measures away from what is measured.
fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if FOREIGN.iter().any(|beginning| name.to_string_lossy().starts_with(beginning)) {
            command.env_remove(name);
        }
    }
}
