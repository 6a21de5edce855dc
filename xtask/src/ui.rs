//! `cargo xtask ui`: the UI, built into `host/ui/dist`, from where builds of the host take it.
//!
//! Owns the order: the description of the API from the host's code, the types from that, the files from both; and how the UI is
//! tested. Needs Node.js; nothing else here does.

use crate::{command, repository, setup};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian has its Chromium, and the environment variable that names another one.
const BROWSER: &str = "/usr/bin/chromium";
const BROWSER_VARIABLE: &str = "TIDEGATE_TEST_CHROMIUM";

/// How to build it.
#[derive(clap::Args)]
pub struct Arguments {
    /// Take the committed description of the API, and compile nothing.
    #[arg(long)]
    committed: bool,
}

/// The oldest Node.js that the tools of the UI run on, and the oldest of the next line, whose first ones lack something too.
const OLDEST: [(u32, u32); 2] = [(20, 19), (22, 12)];

/// Builds the UI.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = repository::ui();
    if !folder.join("package.json").is_file() {
        bail!("there is no UI to build: {} is missing", folder.join("package.json").display());
    }
    check_node(command::output_if_any(Command::new("node").arg("--version")).as_deref())?;
    if !arguments.committed {
        eprintln!("writing the description of the API");
        let mut tidegate = command::cargo();
        tidegate.args(["run", "--quiet", "--package", "tidegate", "--", "openapi"]);
        let text = command::output(&mut tidegate)?;
        let file = folder.join("src/api/openapi.json");
        // A file that stays as it is is not built from again.
        if fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
        }
    }
    build()?;
    eprintln!("built {}: `cargo build --release` takes it into the binary", folder.join("dist").display());
    Ok(())
}

/// Checks, tests and builds the UI, from the committed description of the API.
pub fn check() -> Result<()> {
    check_node(command::output_if_any(Command::new("node").arg("--version")).as_deref())?;
    install()?;
    for script in ["check", "test", "build"] {
        npm(&["run", script])?;
    }
    Ok(())
}

/// Tests the UI in a real browser, against a real host with a real dbt.
pub fn browse(filter: Option<&str>) -> Result<()> {
    let browser = std::env::var_os(BROWSER_VARIABLE).map_or_else(|| PathBuf::from(BROWSER), PathBuf::from);
    if !browser.is_file() {
        bail!(
            "there is no browser at {}\nhint: install Debian's `chromium`, or name a Chromium in {BROWSER_VARIABLE}",
            browser.display()
        );
    }
    let dbt = setup::python_env()?;
    if !repository::ui().join("dist/index.html").is_file() {
        check()?;
    }
    command::run(command::cargo().args(["build", "--package", "tidegate"]))?;
    let mut vitest = Command::new("npm");
    vitest
        .args(["run", "test:browser"])
        .args(filter.into_iter().flat_map(|filter| ["--", "--testNamePattern", filter]))
        .current_dir(repository::ui())
        .env("TIDEGATE_TEST_BINARY", repository::target().join("debug/tidegate"))
        .env("TIDEGATE_TEST_PICTURES", repository::target().join("browser"))
        .env(setup::DBT_VARIABLE, &dbt.bin);
    command::run(&mut vitest)
}

/// Builds the UI from the committed description of the API.
pub fn build() -> Result<()> {
    check_node(command::output_if_any(Command::new("node").arg("--version")).as_deref())?;
    install()?;
    npm(&["run", "build"])
}

/// Installs what the UI is built with, and makes the types of the API.
fn install() -> Result<()> {
    npm(&["ci", "--no-audit", "--no-fund"])?;
    npm(&["run", "types"])
}

fn npm(words: &[&str]) -> Result<()> {
    command::run_aside(Command::new("npm").args(words).current_dir(repository::ui()))
}

/// Says what is wrong with a Node.js of this version (none where it does not run).
fn check_node(version: Option<&str>) -> Result<()> {
    let hint = "hint: install Node.js 20.19, 22.12 or newer";
    let Some(version) = version.map(str::trim) else {
        bail!("`node` does not run, and the UI is built with it\n{hint}");
    };
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        bail!("`node --version` says `{version}`, which is no version\n{hint}");
    };
    let [(old, _), (new, _)] = OLDEST;
    let fits = match major {
        _ if major > new => true,
        _ if major > old && major < new => false,
        _ => OLDEST.contains(&(major, minor)) || OLDEST.iter().any(|&(m, n)| m == major && minor > n),
    };
    if !fits {
        bail!("Node.js is {version}, and the UI cannot be built with that\n{hint}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_will_not_do_is_explained() {
        for version in ["v20.19.0", "v20.20.1\n", "v22.12.0", "v22.20.0", "v23.0.0", "v24.1.0"] {
            check_node(Some(version)).unwrap();
        }
        for version in ["v18.19.0", "v20.18.3", "v21.7.0", "v22.11.0"] {
            let error = check_node(Some(version)).unwrap_err().to_string();
            assert!(error.contains(version) && error.contains("install Node.js"), "{error}");
        }
        assert!(check_node(None).unwrap_err().to_string().starts_with("`node` does not run"));
        assert!(check_node(Some("six")).unwrap_err().to_string().contains("no version"));
    }
}
