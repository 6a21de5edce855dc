//! `cargo xtask plugins toolchain`: a compiler that makes components.
//!
//! Owns the way from "there may be nothing" to a compiler that has a standard library for the target, wherever it comes
//! from. Never installs anything into the system: rustup adds a target to itself, and Debian's packages are unpacked into
//! a cache.

mod apt;
mod choice;
mod debian;

use crate::command;
use anyhow::{Context, Result, bail};
use choice::{Facts, Mode, Way};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The target: a component for it imports nothing but what the plugin itself asks for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that says where the tool chain may come from.
const MODE_VARIABLE: &str = "TIDEGATE_WASM_TOOLCHAIN";

/// How long rustup may take to download the target's standard library.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// A compiler that has the target's standard library.
#[derive(Debug)]
pub struct Toolchain {
    /// The compiler; none for the one that cargo uses anyway.
    rustc: Option<PathBuf>,
}

/// The tool chain: found, or else made, which can take minutes.
pub fn ready() -> Result<Toolchain> {
    let mode = match env::var(MODE_VARIABLE) {
        Ok(word) => Mode::parse(&word)?,
        Err(_) => Mode::Auto,
    };
    let folder = debian::folder()?;
    let facts = Facts {
        installed: has_std(&compiler(), TARGET),
        cached: debian::is_complete(&folder),
        rustup: command::output_if_any(Command::new("rustup").arg("--version")).is_some(),
        apt: command::output_if_any(Command::new("apt-get").arg("--version")).is_some(),
    };
    let mut ways = choice::choose(mode, &facts)?.into_iter().peekable();
    let mut failures = String::new();
    while let Some(way) = ways.next() {
        match take(way, &folder) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => {
                if let Some(next) = ways.peek() {
                    eprintln!("{way} did not help; trying {next}");
                }
                failures.push_str(&format!("\n{way}: {error:#}"));
            }
        }
    }
    bail!("could not get a compiler for {TARGET}{failures}")
}

fn take(way: Way, folder: &Path) -> Result<Toolchain> {
    match way {
        Way::Installed => Ok(Toolchain { rustc: None }),
        Way::Rustup => {
            eprintln!("asking rustup for {TARGET}");
            let added =
                command::run_within(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT)?;
            if !added || !has_std(&compiler(), TARGET) {
                bail!("`rustup target add {TARGET}` did not add it");
            }
            Ok(Toolchain { rustc: None })
        }
        Way::Cached => Ok(Toolchain { rustc: Some(debian::rustc(folder)) }),
        Way::Debian => Ok(Toolchain { rustc: Some(debian::make(folder, TARGET)?) }),
    }
}

impl Toolchain {
    /// Makes a cargo command use the compiler, and keeps this machine's paths out of what it builds.
    pub fn apply(&self, cargo: &mut Command) {
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", without_local_paths());
    }

    /// The compiler.
    pub fn compiler(&self) -> OsString {
        self.rustc.clone().map_or_else(compiler, PathBuf::into_os_string)
    }

    /// The compiler's name and version, such as `rustc 1.96.0`.
    pub fn version(&self) -> Result<String> {
        let mut rustc = Command::new(self.compiler());
        let text = command::output(rustc.arg("--version"))?;
        Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    }

    /// What a shell needs for cargo to build components in any folder.
    pub fn exports(&self) -> String {
        let variable = TARGET.to_uppercase().replace('-', "_");
        let mut lines = format!("export CARGO_TARGET_{variable}_LINKER=wasm-component-ld\n");
        if let Some(rustc) = &self.rustc {
            lines.push_str(&format!(
                "export RUSTC='{}'\n",
                rustc.display().to_string().replace('\'', r"'\''")
            ));
        }
        lines
    }
}

/// The compiler that cargo uses unless told otherwise.
fn compiler() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Whether a compiler has the standard library for a target.
fn has_std(rustc: &OsString, target: &str) -> bool {
    let folder =
        command::output_if_any(Command::new(rustc).args(["--print", "target-libdir", "--target", target]));
    let Some(folder) = folder else { return false };
    let Ok(files) = fs::read_dir(folder.trim()) else { return false };
    let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    names.into_iter().any(|name| name.starts_with("libcore-") && name.ends_with(".rlib"))
}

/// Compiler flags, as cargo encodes them, that replace this machine's folders in the messages of panics: a component must
/// not tell where it was built, and should be the same wherever that was.
fn without_local_paths() -> OsString {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home()?.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut flags = OsString::new();
    for registry in registries.into_iter().flatten().flatten() {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(registry.path());
        flags.push("=crates");
    }
    flags
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

/// Where caches go.
fn caches() -> Result<PathBuf> {
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = named.or_else(|| Some(home()?.join(".cache")));
    folder.context("neither XDG_CACHE_HOME nor HOME is set: there is no folder for caches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_learns_the_linker_and_where_needed_the_compiler() {
        let linker = "export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld\n";
        assert_eq!(Toolchain { rustc: None }.exports(), linker);
        let toolchain = Toolchain { rustc: Some("/it's/rustc".into()) };
        assert_eq!(toolchain.exports(), format!("{linker}export RUSTC='/it'\\''s/rustc'\n"));
    }

    #[test]
    fn a_compiler_that_is_missing_has_no_standard_library() {
        assert!(!has_std(&"no-such-rustc-here".into(), TARGET));
    }

    #[test]
    fn the_compiler_of_this_build_has_one_for_its_host() {
        let version = command::output(Command::new(compiler()).arg("-vV")).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        assert!(has_std(&compiler(), host));
    }
}
