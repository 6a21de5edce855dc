//! Debian's packages: which there are, what they are called, how to get and unpack them.
//!
//! Owns every call of apt and dpkg, and the reading of what they print. Never installs a package.

use crate::command;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest Rust that compiles plugins: the SDK's `rust-version`.
const OLDEST_RUST: (u32, u32) = (1, 95);

/// The packages of one release of Debian's compiler.
#[derive(Debug, PartialEq, Eq)]
pub struct Packages {
    /// The compiler's version, as Debian writes it.
    pub version: String,
    /// What to download, as apt wants it named.
    pub names: Vec<String>,
}

/// Finds the packages; asks apt to update its lists where they offer none.
pub fn find() -> Result<Packages> {
    let offer = offered().filter(|version| is_new_enough(version));
    let version = match offer {
        Some(version) => version,
        None => {
            update()?;
            let version = offered().context(
                "no package rustc-web is offered\nhint: it comes from Debian's security suite, which may not be enabled",
            )?;
            if !is_new_enough(&version) {
                let (major, minor) = OLDEST_RUST;
                bail!("rustc-web {version} is too old: plugins need Rust {major}.{minor}");
            }
            version
        }
    };
    let depends = |package: &str| {
        command::output(Command::new("apt-cache").arg("depends").arg(format!("{package}={version}")))
    };
    let std = dependency(&depends("libstd-rust-web-dev")?, "libstd-rust-web-")
        .context("libstd-rust-web-dev depends on no standard library")?;
    let llvm = dependency(&depends(&std)?, "libllvm").with_context(|| format!("{std} depends on no LLVM"))?;
    let lld = format!("lld-{}", llvm.trim_start_matches("libllvm"));

    let own = ["rustc-web", "libstd-rust-web-dev", &std, "rust-web-src", "rust-web-llvm"];
    let mut names: Vec<String> = own.iter().map(|package| format!("{package}={version}")).collect();
    names.extend([llvm, lld]);
    Ok(Packages { version, names })
}

/// Downloads packages into a folder: the files that are there then.
pub fn download(packages: &Packages, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut apt = Command::new("apt-get");
    // Apt's own user could not write there; without this it says so at length, and goes on.
    apt.args(["--quiet", "--option", "APT::Sandbox::User=root", "download"]).args(&packages.names);
    command::run_aside(apt.current_dir(folder))?;
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Unpacks a package into a folder; only what matches `pattern`, where one is given.
pub fn unpack(package: &Path, folder: &Path, pattern: Option<&str>) -> Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start dpkg-deb")?;
    let tape = reader.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--directory"]).arg(folder).stdin(tape);
    if let Some(pattern) = pattern {
        tar.args(["--wildcards", pattern]);
    }
    let unpacked = command::run_aside(&mut tar);
    // It holds an end of the pipe: while it lives, a dpkg-deb whose tar has failed would wait for ever.
    drop(tar);
    let read = reader.wait()?;
    unpacked.with_context(|| format!("could not unpack {}", package.display()))?;
    if !read.success() {
        bail!("could not unpack {}: dpkg-deb failed ({read})", package.display());
    }
    Ok(())
}

/// Updates apt's lists, which only root may do.
pub fn update() -> Result<()> {
    eprintln!("updating apt's lists");
    let is_root = command::output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut update = Command::new(if is_root { "apt-get" } else { "sudo" });
    if !is_root {
        update.args(["--non-interactive", "apt-get"]);
    }
    command::run_aside(update.args(["--quiet", "update"]))
        .context("apt's lists are out of date\nhint: run `sudo apt-get update`, then this command again")
}

/// This machine's architecture as Rust and as Debian's folders call it.
pub fn architecture() -> Result<(&'static str, &'static str)> {
    names_of(command::output(Command::new("dpkg").arg("--print-architecture"))?.trim())
}

fn names_of(architecture: &str) -> Result<(&'static str, &'static str)> {
    match architecture {
        "amd64" => Ok(("x86_64-unknown-linux-gnu", "x86_64-linux-gnu")),
        "arm64" => Ok(("aarch64-unknown-linux-gnu", "aarch64-linux-gnu")),
        other => bail!("Debian's compiler was never tried on {other}, only on amd64 and arm64"),
    }
}

/// The version of the compiler that apt would install.
fn offered() -> Option<String> {
    candidate(&command::output_if_any(Command::new("apt-cache").args(["policy", "rustc-web"]))?)
}

/// Reads the candidate from what `apt-cache policy` prints.
fn candidate(policy: &str) -> Option<String> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (!version.is_empty() && version != "(none)").then(|| version.to_owned())
}

/// Finds a dependency in what `apt-cache depends` prints: a name that is the prefix and then a version number.
fn dependency(depends: &str, prefix: &str) -> Option<String> {
    let names =
        depends.lines().filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends: "));
    let mut names = names.map(str::trim).filter(|name| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit())
                && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
        })
    });
    names.next().map(str::to_owned)
}

/// Whether a package's version, such as `1.96.0+dfsg1-1~deb12u2`, is of a Rust that is new enough.
fn is_new_enough(version: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let mut numbers = upstream.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_RUST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n     1.96.0+dfsg1-1~deb12u2 500\n";
        assert_eq!(candidate(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
    }

    #[test]
    fn a_package_without_a_candidate_is_not_offered() {
        assert_eq!(
            candidate("rustc-web:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"),
            None
        );
        assert_eq!(candidate(""), None, "apt does not know the name");
        assert_eq!(candidate("  Candidate:\n"), None);
    }

    #[test]
    fn versions_compare_by_rusts_release() {
        for version in ["1.96.0+dfsg1-1~deb12u2", "1.95.0-1", "1:1.97.0-1", "2.0.0-1"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["1.94.0+dfsg1-1", "1.63.0+dfsg1-2", "1:1.9.0-1", "0.99", "", "unknown"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }

    #[test]
    fn a_dependency_is_found_by_its_numbered_name() {
        let depends = "libstd-rust-web-dev\n  Depends: libstd-rust-web-1.96\n  Conflicts: <libstd-rust-mozilla-dev>\n  Replaces: libstd-rust-dev\n";
        assert_eq!(dependency(depends, "libstd-rust-web-").as_deref(), Some("libstd-rust-web-1.96"));
        let depends = "libstd-rust-web-1.96\n  Depends: libc6\n  Depends: libllvm22\n  Depends: libstdc++6\n  Conflicts: <rustup>\n";
        assert_eq!(dependency(depends, "libllvm").as_deref(), Some("libllvm22"));
    }

    #[test]
    fn names_that_only_look_alike_are_passed_over() {
        let depends = "  Depends: libstd-rust-web-dev\n  Depends: libllvm-ocaml\n Recommends: libllvm22\n  Suggests: libllvm21\n";
        assert_eq!(dependency(depends, "libstd-rust-web-"), None);
        assert_eq!(dependency(depends, "libllvm"), None);
        assert_eq!(dependency("", "libllvm"), None);
        assert_eq!(dependency(" |Depends: libllvm22\n", "libllvm").as_deref(), Some("libllvm22"));
    }

    #[test]
    fn architectures_have_two_names() {
        assert_eq!(names_of("amd64").unwrap(), ("x86_64-unknown-linux-gnu", "x86_64-linux-gnu"));
        assert_eq!(names_of("arm64").unwrap(), ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu"));
        assert!(names_of("riscv64").unwrap_err().to_string().contains("riscv64"));
    }
}
