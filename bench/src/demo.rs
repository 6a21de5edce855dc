//! Copies of the demo project, each as a user's own: fresh, with a database of its own, under version control.
//!
//! Owns what is copied. Never changes the demo itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

/// Makes a fresh copy of the demo project, in place of what is there.
pub fn copy(to: &Path) -> Result<()> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("dbt_project");
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("could not remove {}", to.display()));
        }
        _ => {}
    }
    copy_folder(&from, to)
        .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    keep_revision(to);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        if is_output(&name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// Whether a file or folder comes from running the demo.
fn is_output(name: &Path) -> bool {
    let name = name.to_string_lossy();
    matches!(&*name, "target" | "logs" | "dbt_packages" | ".tidegate" | ".user.yml")
        || name.contains(".duckdb")
}

/// Puts the copy under version control, as a user's project is: Tidegate asks git for the revision in each run. Without
/// git there is nothing to ask.
fn keep_revision(project: &Path) {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args([
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@localhost",
            "-c",
            "commit.gpgsign=false",
        ]);
        command.args(arguments).current_dir(project).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let kept = git(&["init", "--quiet"])
        && git(&["add", "--all"])
        && git(&["commit", "--quiet", "--message", "The demo"]);
    if !kept {
        crate::note(
            "git could not keep the copy's revision; what asking for it costs is not part of the figures",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_is_written_and_nothing_that_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let copy_of_it = folder.path().join("copy");
        fs::create_dir(&copy_of_it).unwrap();
        fs::write(copy_of_it.join("old"), "").unwrap();
        copy(&copy_of_it).unwrap();
        assert!(!copy_of_it.join("old").exists());
        assert!(copy_of_it.join("tidegate.toml").exists() && copy_of_it.join("models/marts").is_dir());
        for output in ["target", "shop.duckdb", "shop.duckdb.wal", ".tidegate", "logs"] {
            assert!(is_output(Path::new(output)) && !copy_of_it.join(output).exists(), "{output}");
        }
    }
}
