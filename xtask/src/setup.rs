//! `cargo xtask setup`: a Python environment with dbt, for the demo, the tests and the benchmarks.
//!
//! Owns `target/dbt`, made from `dbt_project/requirements.txt` and made anew when that file changes. Never touches the
//! user's own Python or what is installed for it.

use crate::{command, repository};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that names the environment's folder of programs to tests and benchmarks.
pub const DBT_VARIABLE: &str = "TIDEGATE_TEST_DBT";

/// The environment variable that names the folder of programs of an environment with dagster-dbt.
pub const DAGSTER_VARIABLE: &str = "TIDEGATE_TEST_DAGSTER";

/// The environment variable that names the Python to use.
const PYTHON_VARIABLE: &str = "TIDEGATE_PYTHON";

/// The oldest Python that the demo's dbt runs on.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// Changes when environments have to be made in another way than before.
const RECIPE: &str = "1";

/// A Python environment with a program in it: dbt, for the most part.
#[derive(Debug)]
pub struct DbtEnv {
    /// The folder of its programs: `dbt`, `python`.
    pub bin: PathBuf,
}

/// Makes the environment and says where it is.
pub fn run() -> Result<()> {
    let dbt = python_env()?;
    println!("{}", dbt.bin.display());
    Ok(())
}

/// The environment for dbt: made where it is missing or out of date, which takes a minute, else found at once.
pub fn python_env() -> Result<DbtEnv> {
    environment(repository::dbt_environment(), repository::dbt_project().join("requirements.txt"), "dbt")
}

/// The environment with the dagster-dbt that the host's assets are compared with.
pub fn dagster_env() -> Result<DbtEnv> {
    environment(repository::dagster_environment(), repository::dagster_requirements(), "dbt")
}

/// The environment with schemathesis, which asks the API.
pub fn schemathesis_env() -> Result<DbtEnv> {
    let requirements = repository::schemathesis().join("requirements.txt");
    environment(repository::schemathesis_environment(), requirements, "schemathesis")
}

/// An environment that brings a program.
fn environment(folder: PathBuf, requirements: PathBuf, program: &str) -> Result<DbtEnv> {
    let text =
        fs::read(&requirements).with_context(|| format!("could not read {}", requirements.display()))?;
    let python = env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into());
    let stamp = stamp(&python, &text);
    let environment = DbtEnv { bin: folder.join("bin") };
    if is_current(&folder, &stamp, program) {
        return Ok(environment);
    }

    // Two commands at once must not build the same folder.
    fs::create_dir_all(repository::root().join("target"))?;
    let lock = folder.with_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("could not make {}", lock.display()))?;
    lock.lock().with_context(|| format!("could not lock {}", folder.display()))?;
    if !is_current(&folder, &stamp, program) {
        check_python(&python)?;
        eprintln!("making a Python environment in {}: a minute, once", folder.display());
        make(&folder, &python, &requirements, program)?;
        fs::write(stamp_file(&folder), &stamp)?;
    }
    Ok(environment)
}

fn make(folder: &Path, python: &OsString, requirements: &Path, program: &str) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    command::run_aside(isolated(Command::new(python).args(["-m", "venv"]).arg(folder)))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(requirements);
    command::run_aside(isolated(&mut pip)).with_context(|| {
        format!("could not install what {} asks for; is the package index reachable?", requirements.display())
    })?;
    if !folder.join("bin").join(program).exists() {
        bail!("{} brings no {program}: {} has no such program", requirements.display(), folder.display());
    }
    Ok(())
}

/// Keeps the user's own Python settings out of the environment; where packages come from stays the user's choice.
fn isolated(command: &mut Command) -> &mut Command {
    for name in ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"] {
        command.env_remove(name);
    }
    command.env("PYTHONNOUSERSITE", "1")
}

fn check_python(python: &OsString) -> Result<()> {
    let probe = |script: &str| {
        let mut command = Command::new(python);
        command::output_if_any(isolated(command.args(["-c", script])))
    };
    let version = probe("import sys; print('%d.%d' % sys.version_info[:2])");
    let makes_environments = probe("import venv, ensurepip").is_some();
    judge_python(&python.to_string_lossy(), version.as_deref().map(str::trim), makes_environments)
}

/// Says what is wrong with a Python whose version (none where it does not run) and modules are known.
fn judge_python(name: &str, version: Option<&str>, makes_environments: bool) -> Result<()> {
    let (major, minor) = OLDEST_PYTHON;
    let Some(version) = version else {
        bail!(
            "`{name}` does not run, and dbt needs Python\nhint: install Python {major}.{minor} or newer, or set \
             {PYTHON_VARIABLE} to one"
        );
    };
    if !is_new_enough(version) {
        bail!(
            "`{name}` is Python {version}, and dbt needs {major}.{minor} or newer\nhint: set {PYTHON_VARIABLE} to a \
             newer one"
        );
    }
    if !makes_environments {
        bail!(
            "`{name}` cannot make environments: its module venv is missing\nhint: on Debian and Ubuntu it is in the \
             package python3-venv"
        );
    }
    Ok(())
}

fn is_new_enough(version: &str) -> bool {
    let Some((major, minor)) = version.split_once('.') else { return false };
    matches!((major.parse(), minor.parse()), (Ok(major), Ok(minor)) if (major, minor) >= OLDEST_PYTHON)
}

/// What an environment was made from.
fn stamp(python: &OsString, requirements: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(RECIPE)
        .chain_update([0])
        .chain_update(python.as_encoded_bytes())
        .chain_update([0])
        .chain_update(requirements)
        .finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stamp_file(folder: &Path) -> PathBuf {
    folder.join("made-from")
}

/// Whether the environment was made to its end, from the same, and its Python is still there.
fn is_current(folder: &Path, stamp: &str, program: &str) -> bool {
    fs::read_to_string(stamp_file(folder)).is_ok_and(|known| known == stamp)
        && folder.join("bin/python").exists()
        && folder.join("bin").join(program).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_changes_with_what_is_asked_for() {
        let python = OsString::from("python3");
        let stamps = [
            stamp(&python, b"dbt-core==1.11.16\n"),
            stamp(&python, b"dbt-core==1.11.17\n"),
            stamp(&OsString::from("python3.13"), b"dbt-core==1.11.16\n"),
        ];
        assert_eq!(stamps[0], stamp(&python, b"dbt-core==1.11.16\n"));
        assert!(stamps[0] != stamps[1] && stamps[0] != stamps[2]);
        assert_eq!(stamps[0].len(), 64);
    }

    #[test]
    fn an_environment_is_current_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(!is_current(folder, "a", "dbt"));
        fs::create_dir(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/python"), "").unwrap();
        fs::write(folder.join("bin/dbt"), "").unwrap();
        assert!(!is_current(folder, "a", "dbt"), "no stamp: it was not made to its end");
        fs::write(stamp_file(folder), "a").unwrap();
        assert!(is_current(folder, "a", "dbt"));
        assert!(!is_current(folder, "b", "dbt"), "made from something else");
        fs::remove_file(folder.join("bin/python")).unwrap();
        assert!(!is_current(folder, "a", "dbt"), "its Python is gone");
    }

    #[test]
    fn pythons_versions_compare_as_numbers() {
        assert!(is_new_enough("3.10") && is_new_enough("3.11") && is_new_enough("4.0"));
        assert!(!is_new_enough("3.9") && !is_new_enough("2.7"));
        assert!(!is_new_enough("") && !is_new_enough("3") && !is_new_enough("three.ten"));
    }

    #[test]
    fn a_python_that_will_not_do_is_explained() {
        let said = |version, venv| judge_python("python3", version, venv).unwrap_err().to_string();
        let missing = said(None, false);
        assert!(missing.starts_with("`python3` does not run"), "{missing}");
        assert!(missing.contains("hint: install Python 3.10 or newer"), "{missing}");
        let old = said(Some("3.8"), true);
        assert!(old.contains("is Python 3.8, and dbt needs 3.10 or newer"), "{old}");
        let bare = said(Some("3.11"), false);
        assert!(bare.contains("its module venv is missing") && bare.contains("python3-venv"), "{bare}");
        judge_python("python3", Some("3.11"), true).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_no_python() {
        let error = check_python(&OsString::from("no-such-python-here")).unwrap_err().to_string();
        assert!(error.starts_with("`no-such-python-here` does not run"), "{error}");
    }
}
