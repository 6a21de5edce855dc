//! `cargo xtask plugins template`: what `tidegate plugin new` writes must test and build as it is.
//!
//! Owns a trial plugin in the plugins' target folder, made anew each time. Never owns the making of plugins for users:
//! that is the host's, from the same files.

use super::build;
use super::toolchain;
use crate::{command, repository};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a plugin of each template, lints, tests and builds it.
pub fn run() -> Result<()> {
    let toolchain = toolchain::ready()?;
    // All of them before any is built: cargo takes the copies of the SDK for one crate, and looks for changes in the copy
    // that it built last.
    for (kind, folder) in trials()? {
        instantiate(&kind, &folder)?;
    }
    for (kind, folder) in trials()? {
        let cargo = || -> Command {
            let mut cargo = command::plugins_cargo();
            cargo.current_dir(&folder);
            cargo
        };
        command::run(cargo().args(["clippy", "--all-targets", "--", "--deny", "warnings"]))?;
        command::run(cargo().arg("test"))?;
        build::build(cargo(), &[], &toolchain)?;
        let component = build::pure(&build::built(&repository::plugins_target(), &name(&kind)))?;
        println!("{kind}: {} bytes, imports nothing", component.size);
    }
    Ok(())
}

/// Each template's kind, and the folder of its trial.
fn trials() -> Result<Vec<(String, PathBuf)>> {
    let templates = repository::plugins().join("template");
    let entries =
        fs::read_dir(&templates).with_context(|| format!("could not read {}", templates.display()))?;
    let mut trials = Vec::new();
    for template in entries {
        let kind = template?.file_name().to_string_lossy().into_owned();
        let folder = repository::plugins_target().join("template").join(&kind);
        trials.push((kind, folder));
    }
    trials.sort();
    Ok(trials)
}

/// The trial's name: one of its own, since all are built in one folder; with a hyphen, as the names of most plugins have one.
fn name(kind: &str) -> String {
    format!("trial-{kind}")
}

/// Writes a plugin as `tidegate plugin new` would: the template with its name filled in, the SDK beside it.
fn instantiate(kind: &str, folder: &Path) -> Result<()> {
    let template = repository::plugins().join("template").join(kind);
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    copy(&template, folder, &|text| text.replace("{{name}}", &name(kind)))?;
    fs::rename(folder.join("gitignore"), folder.join(".gitignore"))
        .context("the template has no gitignore")?;
    let sdk = repository::plugins().join("sdk");
    copy(&sdk.join("src"), &folder.join("sdk/src"), &str::to_owned)?;
    fs::copy(sdk.join("Cargo.toml"), folder.join("sdk/Cargo.toml"))?;
    // The versions that the rest of the workspace is tested with; cargo drops what is not needed.
    fs::copy(repository::plugins().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to, change)?;
        } else {
            let text =
                fs::read_to_string(&from).with_context(|| format!("could not read {}", from.display()))?;
            fs::write(&to, change(&text)).with_context(|| format!("could not write {}", to.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_of_each_kind_gets_its_name_and_the_sdk() {
        let kinds: Vec<_> = trials().unwrap().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["notifier", "retry-policy", "translator"]);
        for kind in kinds {
            let folder = tempfile::tempdir().unwrap();
            gets_its_name_and_the_sdk(&kind, &folder.path().join("made"));
        }
    }

    fn gets_its_name_and_the_sdk(kind: &str, folder: &Path) {
        instantiate(kind, folder).unwrap();

        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = \"trial-{kind}\"")), "{manifest}");
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.contains(&format!("plugins/trial-{kind}.wasm")) && !readme.contains("{{"), "{readme}");
        for file in ["src/lib.rs", "cases/example.toml", ".cargo/config.toml", ".gitignore", "sdk/src/lib.rs"]
        {
            assert!(folder.join(file).exists(), "{file}");
        }
    }

    #[test]
    fn the_sdk_builds_outside_of_its_workspace() {
        let manifest = fs::read_to_string(repository::plugins().join("sdk/Cargo.toml")).unwrap();
        assert!(!manifest.contains("workspace = true"), "the vendored copy has no workspace to inherit from");
    }
}
