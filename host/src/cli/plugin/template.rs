//! The files of a new plugin: the template, and a copy of the SDK.
//!
//! Owns the list of them; a test keeps it complete. Never writes anything.

use crate::plugins::PluginKind;

macro_rules! embedded {
    ($folder:literal: $($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../../plugins/", $folder, "/", $path)))),*]
    };
}

macro_rules! template {
    ($folder:literal) => {
        embedded!($folder:
            ".cargo/config.toml",
            "Cargo.toml",
            "README.md",
            "cases/example.toml",
            "gitignore",
            "src/lib.rs",
        )
    };
}

type Files = [(&'static str, &'static str); 6];

const TRANSLATOR: Files = template!("template/translator");
const RETRY_POLICY: Files = template!("template/retry-policy");
const NOTIFIER: Files = template!("template/notifier");

const SDK: [(&str, &str); 13] = embedded!("sdk":
    "Cargo.toml",
    "src/bindings/mod.rs",
    "src/bindings/notifier.rs",
    "src/bindings/retry_policy.rs",
    "src/bindings/translator.rs",
    "src/config.rs",
    "src/data.rs",
    "src/lib.rs",
    "src/notifier.rs",
    "src/retry_policy.rs",
    "src/span.rs",
    "src/testing.rs",
    "src/translator.rs",
);

fn template(kind: PluginKind) -> &'static Files {
    match kind {
        PluginKind::Translator => &TRANSLATOR,
        PluginKind::RetryPolicy => &RETRY_POLICY,
        PluginKind::Notifier => &NOTIFIER,
    }
}

/// The files of a plugin of this kind and name: path and text.
pub(super) fn files(kind: PluginKind, name: &str) -> impl Iterator<Item = (String, String)> {
    let template = template(kind).iter().map(move |(path, text)| {
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
        let templates = PluginKind::ALL.map(|kind| (format!("template/{kind}"), &template(kind)[..]));
        for (folder, listed) in templates.into_iter().chain([("sdk".to_owned(), &SDK[..])]) {
            let mut paths = BTreeSet::new();
            found(&plugins.join(&folder), "", &mut paths);
            // What only this repository needs.
            paths.retain(|path| !matches!(path.as_str(), "Cargo.lock" | "rustfmt.toml" | "clippy.toml"));
            assert_eq!(paths, listed.iter().map(|(path, _)| (*path).to_owned()).collect(), "{folder}");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        for (path, text) in PluginKind::ALL.into_iter().flat_map(|kind| files(kind, "owners")) {
            assert!(!text.contains("{{name}}"), "{path}");
        }
    }
}
