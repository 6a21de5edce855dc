//! `cargo xtask plugins build`: every plugin as a component.
//!
//! Owns the build, the proof that a component imports nothing, and the comparison with the committed components in
//! `plugins/prebuilt`. Never changes what is committed unless asked to.

use super::component::{Component, Likeness};
use super::ledger::{self, Entry};
use super::toolchain::{self, TARGET, Toolchain};
use crate::{command, repository};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the plugins; then compares them with the committed components, or commits them to the folder.
pub fn run(update: bool) -> Result<()> {
    let toolchain = toolchain::ready()?;
    let names = names()?;
    build(command::plugins_cargo(), &names, &toolchain)?;

    let components = repository::components();
    fs::create_dir_all(&components).with_context(|| format!("could not make {}", components.display()))?;
    let compiler = toolchain.version()?;
    let mut entries = Vec::new();
    for name in &names {
        let file = components.join(name).with_extension("wasm");
        let built = built(&repository::plugins_target(), name);
        fs::copy(&built, &file).with_context(|| format!("could not copy {}", built.display()))?;
        let component = pure(&file)?;
        let sources = ledger::sources(&repository::plugins(), name)?;
        println!("{name}: {} bytes, imports nothing", component.size);
        if update {
            let committed = repository::prebuilt().join(name).with_extension("wasm");
            fs::create_dir_all(repository::prebuilt())?;
            fs::copy(&file, &committed)
                .with_context(|| format!("could not write {}", committed.display()))?;
        } else {
            compare(name, &component, &sources)
                .with_context(|| format!("plugins/prebuilt/{name}.wasm is not what its sources make"))?;
        }
        let component = component.digest;
        entries.push(Entry { name: name.clone(), sources, compiler: compiler.clone(), component });
    }
    if update {
        ledger::write(&entries)?;
        println!("wrote plugins/prebuilt");
    }
    Ok(())
}

/// Builds packages as components, or what lies in the command's folder where none is named.
pub fn build(mut cargo: Command, packages: &[String], toolchain: &Toolchain) -> Result<()> {
    cargo.args(["build", "--release", "--target", TARGET]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    toolchain.apply(&mut cargo);
    command::run(&mut cargo)
}

/// Where cargo puts a plugin's component.
pub fn built(target: &Path, name: &str) -> PathBuf {
    target.join(TARGET).join("release").join(name.replace('-', "_")).with_extension("wasm")
}

/// Reads a component that must import nothing.
pub fn pure(file: &Path) -> Result<Component> {
    let component = Component::read(file)?;
    let imports = component.imports();
    if !imports.is_empty() {
        bail!(
            "{} imports {}, and a plugin imports nothing\nhint: a crate that it uses asks for a clock, randomness or files",
            file.display(),
            imports.join(", ")
        );
    }
    Ok(component)
}

/// The plugins' names: the folders that hold a crate and cases for it.
fn names() -> Result<Vec<String>> {
    let plugins = repository::plugins();
    let mut names = Vec::new();
    for entry in fs::read_dir(&plugins).with_context(|| format!("could not read {}", plugins.display()))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").exists() && folder.join("cases").is_dir() {
            names.extend(folder.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn compare(name: &str, fresh: &Component, sources: &str) -> Result<()> {
    const HINT: &str = "hint: `cargo xtask plugins build --update` writes it anew";
    let file = repository::prebuilt().join(name).with_extension("wasm");
    let entries = ledger::read()?;
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        bail!("{} does not name it\n{HINT}", ledger::file().display());
    };
    let committed = Component::read(&file)?;
    if committed.digest != entry.component {
        bail!("its digest is not the one in {}\n{HINT}", ledger::file().display());
    }
    if entry.sources != sources {
        bail!("its sources have changed since it was built\n{HINT}");
    }
    match fresh.likeness(&committed) {
        Ok(Likeness::Same) => println!("{name}: the committed component has the same bytes"),
        Ok(Likeness::Similar) => println!(
            "{name}: the committed component, built by {}, has {} other bytes and the same exports",
            entry.compiler, committed.size
        ),
        Err(difference) => bail!("{difference}\n{HINT}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_are_found() {
        let names = names().unwrap();
        assert!(names.contains(&"source-prefix".to_owned()));
        assert!(!names.contains(&"sdk".to_owned()) && !names.contains(&"template".to_owned()));
    }

    #[test]
    fn cargo_names_the_file_after_the_crate() {
        let file = built(Path::new("target"), "source-prefix");
        assert_eq!(file, Path::new("target/wasm32-unknown-unknown/release/source_prefix.wasm"));
    }
}
