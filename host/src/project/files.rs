//! The files that a project's manifest is made from: their fingerprint, and the environment variables that they read.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// What dbt reads.
const EXTENSIONS: [&str; 6] = ["sql", "yml", "yaml", "csv", "md", "py"];

/// Deeper than any project, and the end of a circle of links.
const DEEPEST: usize = 40;

/// Every file below the project's folder that dbt may read, sorted. Folders of tools and of dbt's own output are left out.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(dir, 0, &mut found);
    found.sort_unstable();
    found
}

fn collect(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        // Local packages are links in `dbt_packages`.
        let is_dir = kind.is_dir() || (kind.is_symlink() && path.is_dir());
        if is_dir {
            if !is_foreign_folder(&path) && depth < DEEPEST {
                collect(&path, depth + 1, found);
            }
        } else if is_source(&path) {
            found.push(path);
        }
    }
}

/// Whether dbt may read a file, by its name.
pub fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|e| EXTENSIONS.iter().any(|x| e.eq_ignore_ascii_case(x)))
}

/// Whether a folder within a project is not its own: a tool's, a Python environment, or dbt's own output.
pub fn is_foreign_folder(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || matches!(&*name, "target" | "logs" | "node_modules" | "__pycache__")
        || folder.join("pyvenv.cfg").exists()
}

/// The `profiles.yml` that dbt will read.
pub fn profiles_file(dir: &Path, named: Option<&Path>) -> Option<PathBuf> {
    let named = named.map(Path::to_owned).or_else(|| std::env::var_os("DBT_PROFILES_DIR").map(PathBuf::from));
    let folders = match named {
        Some(named) => vec![named],
        None => {
            let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".dbt"));
            [Some(dir.to_owned()), home].into_iter().flatten().collect()
        }
    };
    folders.into_iter().map(|folder| folder.join("profiles.yml")).find(|file| file.is_file())
}

/// A digest of which files there are, how large and how old; not of what is in them.
pub(super) fn fingerprint(hasher: &mut blake3::Hasher, files: &[PathBuf]) {
    for file in files {
        let Ok(meta) = fs::metadata(file) else { continue };
        let age = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        hasher.update(file.as_os_str().as_encoded_bytes());
        hasher.update(&[0]);
        hasher.update(&meta.len().to_le_bytes());
        hasher.update(&age.as_nanos().to_le_bytes());
    }
}

/// The names of environment variables that the files read by `env_var`.
pub fn wanted_environment<'a>(files: impl Iterator<Item = &'a PathBuf>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        // Data is no code, and may be large.
        if file.extension().is_some_and(|e| e == "csv") {
            continue;
        }
        let Ok(text) = fs::read_to_string(file) else { continue };
        names.extend(env_vars(&text));
    }
    names
}

fn env_vars(text: &str) -> impl Iterator<Item = String> {
    text.match_indices("env_var").filter_map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start().strip_prefix('(')?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let name = rest[1..].split(quote).next()?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!name.is_empty() && name.chars().all(fits)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_vars_are_found_in_jinja() {
        let text =
            "{{ env_var('A') }} {{ env_var( \"B_2\" , 'x') }} env_var(name) env_var('') {{ env_var ('C') }}";
        assert_eq!(env_vars(text).collect::<Vec<_>>(), ["A", "B_2", "C"]);
    }

    #[test]
    fn only_what_dbt_reads_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "models/a.sql",
            "models/x.tmp",
            "target/b.sql",
            ".git/c.sql",
            "venv/pyvenv.cfg",
            "venv/d.py",
            "e.yml",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = files(dir.path());
        let names: Vec<_> =
            found.iter().map(|f| f.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["e.yml", "models/a.sql"]);
    }
}
