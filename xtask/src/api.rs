//! `cargo xtask api-fuzz`: a host that serves the demo is asked what the description of its API allows, and what it does not.
//!
//! Owns the tool that asks, in an environment of its own under `target/`, and the house that is asked: a copy of the demo with
//! one run in it. Passes where nothing is the host's fault and every answer is one that the description knows.

use crate::{command, repository, setup};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long the questions may take in all, in seconds.
const TIME: &str = "120";

/// The longest that the tool may take, its beginning and its report included.
const LIMIT: Duration = Duration::from_secs(300);

/// What never ends, or ends the host.
const LEFT_OUT: &str = "/live$|/follow$|/hand_over$";

/// Asks, and fails where an answer is not as described.
pub fn run() -> Result<()> {
    let dbt = setup::python_env()?;
    let tool = setup::schemathesis_env()?;
    command::run(command::cargo().args(["build", "--package", "tidegate"]))?;
    let house = house()?;
    let tidegate = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(repository::target().join("debug/tidegate"));
        command.args(arguments).current_dir(&house).env("PATH", command::path_beginning_with(&dbt.bin)?);
        Ok(command)
    };
    command::run(&mut tidegate(&["run", "smoke"])?)?;
    let host = Host::start(tidegate(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])?)?;
    let mut schemathesis = Command::new(tool.bin.join("schemathesis"));
    schemathesis
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", host.url))
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--exclude-path-regex", LEFT_OUT])
        .args([
            "--max-examples",
            "25",
            "--max-time",
            TIME,
            "--phases",
            "examples,coverage,fuzzing",
            "--workers",
            "2",
        ])
        .args([
            "--continue-on-failure",
            "--request-timeout",
            "60",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
        ])
        .arg("--no-color")
        .current_dir(&house)
        .env("SCHEMATHESIS_HOOKS", repository::schemathesis().join("hooks.py"));
    let passed = command::run_within(&mut schemathesis, LIMIT)?;
    let log = host.stop()?;
    if log.contains("panicked") || log.contains("has made a mistake") {
        bail!("the host has made a mistake; {} says more", house.join("serve.log").display());
    }
    if !passed {
        bail!("not every answer of the API is as its description says");
    }
    Ok(())
}

/// A copy of the demo without what was done in it.
fn house() -> Result<PathBuf> {
    let house = repository::target().join("api-fuzz");
    if house.exists() {
        fs::remove_dir_all(&house).with_context(|| format!("could not remove {}", house.display()))?;
    }
    copy(&repository::dbt_project(), &house)?;
    Ok(house)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let left_out =
            [".tidegate", "target", "logs", "dbt_packages"].iter().any(|left_out| name == *left_out);
        let is_database = name.to_string_lossy().contains(".duckdb");
        match entry.file_type()? {
            _ if left_out || is_database => {}
            kind if kind.is_dir() => copy(&entry.path(), &to.join(name))?,
            _ => drop(fs::copy(entry.path(), to.join(name))?),
        }
    }
    Ok(())
}

/// A host that serves, until it is dropped.
struct Host {
    child: Child,
    url: String,
    log: thread::JoinHandle<String>,
}

impl Host {
    fn start(mut command: Command) -> Result<Self> {
        let folder = command.get_current_dir().map(Path::to_owned).unwrap_or_default();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("could not start `tidegate serve`")?;
        let said = child.stderr.take().context("`tidegate serve` says nothing")?;
        let mut lines = BufReader::new(said).lines();
        let mut log = String::new();
        let url = loop {
            let Some(line) = lines.next().transpose()? else { bail!("`tidegate serve` has ended:\n{log}") };
            let found =
                line.split("\"url\":\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
            log += &(line + "\n");
            if let Some(url) = found {
                break url;
            }
        };
        let log = thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| log += &(line + "\n"));
            let _ = fs::write(folder.join("serve.log"), &log);
            log
        });
        Ok(Self { child, url, log })
    }

    /// Ends it, and gives what it said.
    fn stop(mut self) -> Result<String> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the host has ended ({status}) while it was asked");
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.log.join().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_has_nothing_of_what_was_done_in_the_demo() {
        let from = tempfile::tempdir().unwrap();
        for folder in ["models/staging", ".tidegate/runs", "target"] {
            fs::create_dir_all(from.path().join(folder)).unwrap();
        }
        for file in [
            "models/staging/a.sql",
            ".tidegate/runs/x",
            "target/manifest.json",
            "shop.duckdb",
            "tidegate.toml",
        ] {
            fs::write(from.path().join(file), "").unwrap();
        }
        let to = tempfile::tempdir().unwrap();
        let to = to.path().join("house");
        copy(from.path(), &to).unwrap();
        assert!(to.join("models/staging/a.sql").exists() && to.join("tidegate.toml").exists());
        for gone in [".tidegate", "target", "shop.duckdb"] {
            assert!(!to.join(gone).exists(), "{gone}");
        }
    }
}
