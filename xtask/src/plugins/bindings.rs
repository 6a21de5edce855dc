//! `cargo xtask plugins bindings`: the SDK carries the code that is generated from the contracts.
//!
//! Owns which contract goes into which file. Never generates anything itself: that is the crate `wit-tools`.

use super::wit_tools;
use crate::{command, repository};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// Writes the bindings of every contract.
pub fn write() -> Result<()> {
    for (wit, file) in contracts()? {
        command::run(wit_tools().arg("bindings").arg(wit).arg(file))?;
    }
    Ok(())
}

/// Fails where the bindings of a contract are not what would be written.
pub fn check() -> Result<()> {
    for (wit, file) in contracts()? {
        command::run(wit_tools().arg("bindings").arg(wit).arg(file).arg("--check"))?;
    }
    Ok(())
}

/// Each contract's folder and the file of its bindings: a folder of `wit/` is a kind of plugin.
fn contracts() -> Result<Vec<(PathBuf, PathBuf)>> {
    let wit = repository::wit();
    let entries = fs::read_dir(&wit).with_context(|| format!("could not read {}", wit.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if folder.is_dir() {
            folders.push(folder);
        }
    }
    folders.sort();
    if folders.is_empty() {
        bail!("{} holds no contract", wit.display());
    }
    let bindings = repository::plugins().join("sdk/src/bindings");
    let pairs = folders.into_iter().map(|folder| {
        let kind = folder.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
        (folder, bindings.join(kind).with_extension("rs"))
    });
    Ok(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contract_has_its_file() {
        let contracts = contracts().unwrap();
        assert!(contracts.iter().any(|(wit, file)| {
            wit.ends_with("wit/translator") && file.ends_with("plugins/sdk/src/bindings/translator.rs")
        }));
        for (_, file) in contracts {
            assert!(file.exists(), "{} is missing: `cargo xtask plugins bindings` writes it", file.display());
        }
    }
}
