//! `plugins/prebuilt/SHA256SUMS`: what the committed components are and what they were built from.
//!
//! Owns that file's form, which `sha256sum --check` reads too, and the digest of a plugin's sources. Never touches the
//! components themselves.
//!
//! ```text
//! # NAME.wasm: sources DIGEST, compiler WORDS
//! DIGEST  NAME.wasm
//! ```

use super::component::digest;
use crate::repository;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// One committed component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The plugin's name.
    pub name: String,
    /// The digest of the sources that it was built from.
    pub sources: String,
    /// The compiler that built it, such as `rustc 1.96.0`.
    pub compiler: String,
    /// The component's digest.
    pub component: String,
}

/// Where the ledger is.
pub fn file() -> PathBuf {
    repository::prebuilt().join("SHA256SUMS")
}

/// Reads the ledger; it is empty where there is none yet.
pub fn read() -> Result<Vec<Entry>> {
    let file = file();
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
    parse(&text).with_context(|| {
        format!("{} is damaged\nhint: `cargo xtask plugins build --update` writes it anew", file.display())
    })
}

/// Writes the ledger.
pub fn write(entries: &[Entry]) -> Result<()> {
    let file = file();
    fs::write(&file, print(entries)).with_context(|| format!("could not write {}", file.display()))
}

fn print(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|Entry { name, sources, compiler, component }| {
        format!("# {name}.wasm: sources {sources}, compiler {compiler}\n{component}  {name}.wasm\n")
    });
    lines.collect()
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut lines = text.lines();
    while let Some(first) = lines.next() {
        let entry = lines.next().and_then(|second| parse_entry(first, second));
        let Some(entry) = entry else { bail!("`{first}` does not begin an entry of two lines") };
        entries.push(entry);
    }
    Ok(entries)
}

fn parse_entry(first: &str, second: &str) -> Option<Entry> {
    let (file, rest) = first.strip_prefix("# ")?.split_once(": sources ")?;
    let (sources, compiler) = rest.split_once(", compiler ")?;
    let (component, same_file) = second.split_once("  ")?;
    let name = file.strip_suffix(".wasm")?;
    (file == same_file).then(|| Entry {
        name: name.to_owned(),
        sources: sources.to_owned(),
        compiler: compiler.to_owned(),
        component: component.to_owned(),
    })
}

/// The digest of all that a plugin's component depends on, the compiler apart.
pub fn sources(plugins: &Path, name: &str) -> Result<String> {
    let mut files = Vec::new();
    for part in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "sdk/Cargo.toml"] {
        files.push(PathBuf::from(part));
    }
    files_below(plugins, Path::new("sdk/src"), &mut files)?;
    for part in parts(plugins, name)? {
        files.push(Path::new(&part).join("Cargo.toml"));
        files_below(plugins, &Path::new(&part).join("src"), &mut files)?;
    }
    files.sort();
    files.dedup();

    let mut list = String::new();
    for file in files {
        let path = plugins.join(&file);
        let bytes = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        list.push_str(&format!("{}  {}\n", digest(&bytes), file.display()));
    }
    Ok(digest(list.as_bytes()))
}

/// The plugin's folder, and those of the crates beside it that it is made of.
fn parts(plugins: &Path, name: &str) -> Result<Vec<String>> {
    let mut parts = vec![name.to_owned()];
    let mut next = 0;
    while let Some(part) = parts.get(next) {
        let manifest = plugins.join(part).join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("could not read {}", manifest.display()))?;
        let dependencies = text.lines().filter_map(|line| line.strip_suffix(".workspace = true"));
        let beside = dependencies.filter(|name| plugins.join(name).join("src").is_dir());
        let new: Vec<_> = beside.filter(|name| !parts.iter().any(|part| part == name)).collect();
        parts.extend(new.into_iter().map(str::to_owned));
        next += 1;
    }
    Ok(parts)
}

fn files_below(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    for entry in fs::read_dir(&path).with_context(|| format!("could not read {}", path.display()))? {
        let entry = entry?;
        let file = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files_below(root, &file, files)?;
        } else {
            files.push(file);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            sources: "01".repeat(32),
            compiler: "rustc 1.96.0".to_owned(),
            component: "ab".repeat(32),
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let entries = [entry("source-prefix"), entry("other")];
        assert_eq!(parse(&print(&entries)).unwrap(), entries);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn sha256sum_can_read_it() {
        let text = print(&[entry("source-prefix")]);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, [format!("{}  source-prefix.wasm", "ab".repeat(32))]);
    }

    #[test]
    fn a_damaged_ledger_is_refused() {
        let whole = print(&[entry("a")]);
        let lines: Vec<_> = whole.lines().collect();
        for text in ["nonsense", lines[0], lines[1], &whole.replace("  a.wasm", "  b.wasm")] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_source_counts_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path();
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            ".cargo/config.toml",
            "sdk/Cargo.toml",
            "sdk/src/lib.rs",
            "sdk/src/bindings/kind.rs",
            "mine/Cargo.toml",
            "mine/src/lib.rs",
            "mine/cases/one.toml",
            "other/src/lib.rs",
            "shared/Cargo.toml",
            "shared/src/lib.rs",
            "deep/Cargo.toml",
            "deep/src/lib.rs",
        ] {
            let file = plugins.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        fs::write(
            plugins.join("mine/Cargo.toml"),
            "[dependencies]\nserde.workspace = true\nshared.workspace = true\n",
        )
        .unwrap();
        fs::write(plugins.join("shared/Cargo.toml"), "deep.workspace = true\n").unwrap();
        let before = sources(plugins, "mine").unwrap();
        fs::write(plugins.join("mine/cases/one.toml"), "changed").unwrap();
        fs::write(plugins.join("other/src/lib.rs"), "changed").unwrap();
        assert_eq!(sources(plugins, "mine").unwrap(), before);
        for file in [
            "Cargo.lock",
            "sdk/src/bindings/kind.rs",
            "mine/src/lib.rs",
            "shared/src/lib.rs",
            "deep/src/lib.rs",
        ] {
            fs::write(plugins.join(file), "changed").unwrap();
            assert_ne!(sources(plugins, "mine").unwrap(), before, "{file}");
            fs::write(plugins.join(file), "").unwrap();
        }
        fs::write(plugins.join("mine/src/more.rs"), "").unwrap();
        assert_ne!(sources(plugins, "mine").unwrap(), before);
    }
}
