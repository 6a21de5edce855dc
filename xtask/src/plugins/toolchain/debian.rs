//! Debian's compiler in a cache, with a standard library for WebAssembly that is built once from its sources.
//!
//! Owns the cache's folder and what lies in it. Never installs anything: the packages conflict with rustup and with
//! Debian's own rustc, so they are unpacked side by side, and nothing outside of the folder knows of them.
//!
//! A finished folder is a sysroot: `bin/rustc` (a script that finds the libraries), `lib/` (the compiler's libraries),
//! `lib/rustlib/HOST` (linkers, and the standard library for build scripts), `lib/rustlib/TARGET`.

use super::{apt, caches, without_local_paths};
use crate::command;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Changes when the folder has to be made in another way than before.
const RECIPE: &str = "1";

/// What the compiler is run through. Debian's build of it does not know where its libraries lie.
const LAUNCHER: &str = r#"#!/bin/sh
sysroot=$(dirname "$(dirname "$(readlink -f "$0")")")
export LD_LIBRARY_PATH="$sysroot/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$sysroot/libexec/rustc" "$@"
"#;

/// The cache's folder.
pub fn folder() -> Result<PathBuf> {
    Ok(caches()?.join("tidegate").join("wasm-toolchain"))
}

/// The compiler in the folder.
pub fn rustc(folder: &Path) -> PathBuf {
    folder.join("bin/rustc")
}

/// Whether the folder was made to its end, in today's way.
pub fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(marker(folder)).is_ok_and(|text| text.lines().next() == Some(RECIPE))
        && rustc(folder).exists()
}

/// Makes the folder, if no other process just has: the compiler in it.
pub fn make(folder: &Path, target: &str) -> Result<PathBuf> {
    let above = folder.parent().context("the cache has no folder above it")?;
    fs::create_dir_all(above).with_context(|| format!("could not make {}", above.display()))?;
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock().with_context(|| format!("could not lock {}", folder.display()))?;
    if is_complete(folder) {
        return Ok(rustc(folder));
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    fs::create_dir(folder)?;

    let version = fetch(folder)?;
    eprintln!("building the standard library for {target}: a minute or two, once");
    build_std(folder, target)?;
    // Last, so that a folder that was left halfway is never taken for a whole one.
    fs::write(marker(folder), format!("{RECIPE}\nrustc-web {version}\n"))?;
    Ok(rustc(folder))
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("complete")
}

/// Where the sources of the standard library lie.
fn sources(folder: &Path) -> PathBuf {
    folder.join("sources")
}

/// Downloads and unpacks the compiler; the version that it got.
fn fetch(folder: &Path) -> Result<String> {
    let (host, libraries) = apt::architecture()?;
    let downloads = folder.join("downloads");
    fs::create_dir(&downloads)?;
    let mut packages = apt::find()?;
    eprintln!("downloading Debian's rustc-web {} into {}", packages.version, folder.display());
    let files = match apt::download(&packages, &downloads) {
        Ok(files) => files,
        Err(error) => {
            // The suite drops a release as soon as there is a newer one, and then apt's lists name what is gone.
            eprintln!("{error:#}");
            apt::update()?;
            packages = apt::find()?;
            apt::download(&packages, &downloads)?
        }
    };

    let unpacked = folder.join("unpacked");
    fs::create_dir(&unpacked)?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Of the compiler's own sources, which are most of that package, nothing is needed.
        let pattern = name.starts_with("rust-web-src_").then_some("./usr/src/rustc-*/library/*");
        apt::unpack(&file, &unpacked, pattern)?;
    }
    arrange(&unpacked.join("usr"), folder, host, libraries)?;
    fs::remove_dir_all(&downloads)?;
    fs::remove_dir_all(&unpacked)?;

    let mut rustc = Command::new(rustc(folder));
    command::output(rustc.arg("--version")).context(
        "Debian's compiler does not run here; is this another release of Debian than its packages are for?",
    )?;
    Ok(packages.version)
}

/// Lays what was unpacked out as a sysroot.
fn arrange(usr: &Path, folder: &Path, host: &str, libraries: &str) -> Result<()> {
    let library = folder.join("lib");
    for made in ["bin", "libexec", "lib/rustlib"] {
        fs::create_dir_all(folder.join(made))?;
    }
    let mut found = 0;
    for name in names(&usr.join("lib").join(libraries))? {
        if name.starts_with("librustc_driver-") || name.starts_with("libLLVM.so.") {
            rename(&usr.join("lib").join(libraries).join(&name), &library.join(&name))?;
            found += 1;
        }
    }
    if found < 2 {
        bail!("the packages lack the compiler's libraries: they are laid out in a new way");
    }
    let tools = library.join("rustlib").join(host);
    rename(&usr.join("lib/rustlib").join(host), &tools)?;
    rename(&usr.join("bin/rustc"), &folder.join("libexec/rustc"))?;
    let source = only(&usr.join("src"), "rustc-")?.join("library");
    rename(&source, &sources(folder))?;

    // The compiler looks for linkers here. Debian has links into an installed LLVM instead, which there need not be.
    let linkers = tools.join("bin");
    for name in names(&linkers)? {
        let file = linkers.join(name);
        if file.is_symlink() {
            fs::remove_file(file)?;
        }
    }
    let lld = only(&usr.join("lib"), "llvm-")?.join("bin/lld");
    rename(&lld, &linkers.join("rust-lld"))?;
    // The one linker runs the other by this name.
    fs::copy(linkers.join("rust-lld"), linkers.join("wasm-ld"))?;
    if !linkers.join("wasm-component-ld").exists() {
        bail!("the packages lack the linker wasm-component-ld: they are laid out in a new way");
    }
    launcher(&rustc(folder))
}

fn launcher(file: &Path) -> Result<()> {
    fs::write(file, LAUNCHER)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Builds the target's standard library, and drops its sources.
fn build_std(folder: &Path, target: &str) -> Result<()> {
    let sources = sources(folder);
    let build = folder.join("build");
    let mut flags = without_local_paths();
    if !flags.is_empty() {
        flags.push("\u{1f}");
    }
    // As Rust's own build does it: what is not marked as stable is not for others, and plugins may use link-time
    // optimization, which reads bitcode.
    flags.push("-Zforce-unstable-if-unmarked\u{1f}-Cembed-bitcode=yes\u{1f}--remap-path-prefix=");
    flags.push(&sources);
    flags.push("=rust/library");

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--package", "std", "--target", target])
        .arg("--target-dir")
        .arg(&build)
        .current_dir(&sources);
    for name in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo
        .env("RUSTC", rustc(folder))
        // The standard library needs what only a nightly compiler allows to others.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    command::run_aside(&mut cargo)
        .context("could not build the standard library; is the registry of crates reachable?")?;

    let made = build.join(target).join("release/deps");
    let library = folder.join("lib/rustlib").join(target).join("lib");
    fs::create_dir_all(&library)?;
    for name in names(&made)? {
        if name.ends_with(".rlib") {
            rename(&made.join(&name), &library.join(&name))?;
        }
    }
    fs::remove_dir_all(&build)?;
    fs::remove_dir_all(&sources)?;
    Ok(())
}

/// The names of what lies in a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// What lies in a folder under a name with this beginning.
fn only(folder: &Path, beginning: &str) -> Result<PathBuf> {
    let name = names(folder)?.into_iter().find(|name| name.starts_with(beginning));
    let name = name.with_context(|| format!("{} holds nothing called {beginning}…", folder.display()))?;
    Ok(folder.join(name))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("could not move {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn a_folder_counts_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(!is_complete(folder));
        file(&rustc(folder));
        assert!(!is_complete(folder), "it was left halfway");
        fs::write(marker(folder), "0\nrustc-web 1.95.0-1\n").unwrap();
        assert!(!is_complete(folder), "it was made in an older way");
        fs::write(marker(folder), format!("{RECIPE}\nrustc-web 1.96.0-1\n")).unwrap();
        assert!(is_complete(folder));
        fs::remove_file(rustc(folder)).unwrap();
        assert!(!is_complete(folder), "its compiler is gone");
    }

    #[cfg(unix)]
    #[test]
    fn the_packages_become_a_sysroot() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let temporary = tempfile::tempdir().unwrap();
        let (usr, folder) = (temporary.path().join("usr"), temporary.path().join("made"));
        let linkers = "lib/rustlib/x86_64-unknown-linux-gnu/bin";
        for name in [
            "bin/rustc",
            "lib/x86_64-linux-gnu/librustc_driver-12.so",
            "lib/x86_64-linux-gnu/libLLVM.so.22.1",
            "lib/x86_64-linux-gnu/unrelated.so",
            "lib/llvm-22/bin/lld",
            "lib/rustlib/x86_64-unknown-linux-gnu/lib/libcore-1.rlib",
            "lib/rustlib/x86_64-unknown-linux-gnu/bin/wasm-component-ld",
            "src/rustc-1.96.0/library/Cargo.toml",
        ] {
            file(&usr.join(name));
        }
        symlink("/nowhere", usr.join(linkers).join("rust-lld")).unwrap();
        arrange(&usr, &folder, "x86_64-unknown-linux-gnu", "x86_64-linux-gnu").unwrap();

        for name in ["bin/rustc", "libexec/rustc", "lib/libLLVM.so.22.1", "lib/librustc_driver-12.so"] {
            assert!(folder.join(name).is_file(), "{name}");
        }
        for name in ["wasm-component-ld", "wasm-ld", "rust-lld"] {
            assert!(!folder.join(linkers).join(name).is_symlink(), "{name}");
            assert!(folder.join(linkers).join(name).is_file(), "{name}");
        }
        assert!(!folder.join("lib/unrelated.so").exists());
        assert!(sources(&folder).join("Cargo.toml").is_file());
        assert_eq!(fs::metadata(rustc(&folder)).unwrap().permissions().mode() & 0o111, 0o111);
    }

    #[test]
    fn packages_that_are_laid_out_anew_are_said_to_be() {
        let temporary = tempfile::tempdir().unwrap();
        let usr = temporary.path().join("usr");
        file(&usr.join("lib/x86_64-linux-gnu/libLLVM.so.22.1"));
        let error =
            arrange(&usr, &temporary.path().join("made"), "x86_64-unknown-linux-gnu", "x86_64-linux-gnu");
        assert!(error.unwrap_err().to_string().contains("laid out in a new way"));
    }
}
