//! The files of a new plugin: the template, and a copy of the SDK.
//!
//! Owns the list of them; a test keeps it complete. Never writes anything.

macro_rules! embedded {
    ($folder:literal: $($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../../plugins/", $folder, "/", $path)))),*]
    };
}

const TEMPLATE: [(&str, &str); 6] = embedded!("template/translator":
    ".cargo/config.toml",
    "Cargo.toml",
    "README.md",
    "cases/example.toml",
    "gitignore",
    "src/lib.rs",
);

const SDK: [(&str, &str); 7] = embedded!("sdk":
    "Cargo.toml",
    "src/bindings/mod.rs",
    "src/bindings/translator.rs",
    "src/config.rs",
    "src/lib.rs",
    "src/testing.rs",
    "src/translator.rs",
);

/// The files of a plugin of this name: path and text.
pub(super) fn files(name: &str) -> impl Iterator<Item = (String, String)> {
    let template = TEMPLATE.iter().map(move |(path, text)| {
        // Under its real name, git would take it for a file of this repository's own.
        let path = if *path == "gitignore" { ".gitignore" } else { path };
        (path.to_owned(), text.replace("{{name}}", name))
    });
    template.chain(SDK.iter().map(|(path, text)| (format!("sdk/{path}"), (*text).to_owned())))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    fn found(folder: &Path, below: &str, paths: &mut BTreeSet<String>) {
        for entry in folder.join(below).read_dir().unwrap() {
            let entry = entry.unwrap();
            let path = Path::new(below).join(entry.file_name()).to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_file() {
                paths.insert(path);
            } else if path != "target" {
                found(folder, &path, paths);
            }
        }
    }

    #[test]
    fn every_file_of_template_and_sdk_is_listed() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        for (folder, listed) in [("template/translator", &TEMPLATE[..]), ("sdk", &SDK[..])] {
            let mut paths = BTreeSet::new();
            found(&plugins.join(folder), "", &mut paths);
            // What only this repository needs.
            paths.retain(|path| !matches!(path.as_str(), "Cargo.lock" | "rustfmt.toml" | "clippy.toml"));
            assert_eq!(paths, listed.iter().map(|(path, _)| (*path).to_owned()).collect(), "{folder}");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        for (path, text) in files("owners") {
            assert!(!text.contains("{{name}}"), "{path}");
        }
    }
}
