//! Building a plugin's folder with cargo.
//!
//! Owns finding the component that cargo made, and the words for a tool chain that lacks something. Never chooses a
//! tool chain: `CARGO`, `RUSTC`, `CARGO_TARGET_…` and the folder's own `.cargo/config.toml` decide, as for anyone.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Hinted, Output};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the plugin of a folder; the component's path.
pub(super) fn build(folder: &Path, output: &mut Output<'_>) -> Result<PathBuf> {
    let folder = folder.canonicalize().with_context(|| format!("{} cannot be read", folder.display()))?;
    writeln!(output.notes, "Building {} for {TARGET} …", folder.display())?;
    let built = Command::new(tool("CARGO", "cargo"))
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        // Cargo looks for its configuration from here upwards.
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be started; is Rust installed?")?;
    if !built.status.success() {
        return Err(failed(&folder).into());
    }
    component(&String::from_utf8_lossy(&built.stdout), &folder.join("Cargo.toml")).map_err(Into::into)
}

fn tool(variable: &str, otherwise: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| otherwise.into())
}

/// Why cargo failed: mostly it has said so itself, but of a target without `core` it speaks in riddles.
fn failed(folder: &Path) -> Hinted {
    if has_target(folder) == Some(false) {
        return Hinted {
            message: format!("Rust's standard library for {TARGET} is not installed"),
            hint: format!("rustup target add {TARGET}"),
        };
    }
    Hinted {
        message: format!("cargo could not build the plugin in {}", folder.display()),
        hint: "cargo's own words are above".to_owned(),
    }
}

/// Whether the compiler has the target's standard library; none where it could not say.
fn has_target(folder: &Path) -> Option<bool> {
    let asked = Command::new(tool("RUSTC", "rustc"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output()
        .ok()?;
    let libraries = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim_end());
    if !asked.status.success() {
        return None;
    }
    let Ok(entries) = libraries.read_dir() else { return Some(false) };
    Some(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

/// A line of cargo's.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The one WebAssembly file among what cargo says it made for this package.
fn component(messages: &str, manifest: &Path) -> Result<PathBuf, Hinted> {
    let made: Vec<(PathBuf, PathBuf)> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .flat_map(|message| {
            message.filenames.into_iter().map(move |file| (message.manifest_path.clone(), file))
        })
        .filter(|(_, file)| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    let mine = made.iter().filter(|(of, _)| of == manifest).map(|(_, file)| file.clone()).collect();
    let candidates: Vec<PathBuf> =
        if made.len() == 1 { made.into_iter().map(|(_, file)| file).collect() } else { mine };
    match candidates.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Hinted {
            message: "cargo made no WebAssembly file".to_owned(),
            hint: "a plugin's Cargo.toml says `[lib] crate-type = [\"cdylib\"]`; of a workspace, name the plugin's own \
                   folder"
                .to_owned(),
        }),
        several => Err(Hinted {
            message: format!("cargo made {} WebAssembly files", several.len()),
            hint: "name one of them instead of the folder".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(manifest: &str, file: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{}},"filenames":["{file}"]}}"#
        )
    }

    #[test]
    fn the_component_is_found_among_cargos_messages() {
        let manifest = Path::new("/p/Cargo.toml");
        let lines = [
            artifact("/serde/Cargo.toml", "/t/libserde.rlib"),
            "not JSON, from a build script".to_owned(),
            artifact("/p/Cargo.toml", "/t/p.wasm"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        assert_eq!(component(&lines.join("\n"), manifest).unwrap(), Path::new("/t/p.wasm"));
        // Another plugin of the same workspace is not mine.
        let both =
            [artifact("/p/Cargo.toml", "/t/p.wasm"), artifact("/q/Cargo.toml", "/t/q.wasm")].join("\n");
        assert_eq!(component(&both, manifest).unwrap(), Path::new("/t/p.wasm"));
        assert!(component(&both, Path::new("/Cargo.toml")).unwrap_err().hint.contains("cdylib"));
        let twice =
            [artifact("/p/Cargo.toml", "/t/p.wasm"), artifact("/p/Cargo.toml", "/t/q.wasm")].join("\n");
        assert_eq!(component(&twice, manifest).unwrap_err().message, "cargo made 2 WebAssembly files");
    }
}
