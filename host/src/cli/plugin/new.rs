//! `tidegate plugin new`: the folder of a new plugin.
//!
//! Owns what a plugin may be called, and writing the folder. Never overwrites anything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;

use super::{Hinted, Output, template};
use crate::plugins::PluginKind;

/// Names that a crate cannot have, or that one of the plugin's own dependencies has.
const TAKEN: [&str; 12] = [
    "alloc",
    "core",
    "proc-macro",
    "sdk",
    "self",
    "serde",
    "serde-json",
    "std",
    "super",
    "test",
    "tidegate-plugin",
    "wit-bindgen",
];

/// Rust's words, of which cargo makes no crate.
const KEYWORDS: [&str; 44] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct",
    "trait", "true", "try", "type", "unsafe", "use", "where",
];

/// Arguments of `tidegate plugin new`.
#[derive(Debug, Args)]
pub struct New {
    /// The plugin's name, such as `team-owners`
    name: String,
    /// Where to make it [default: a folder of that name]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// What it is to be
    #[arg(long, value_enum, default_value_t = Kind::Translator)]
    kind: Kind,
}

/// The kinds of plugins, as people choose them.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Says what a dbt node is as an asset
    Translator,
    /// Says what to do about an attempt that failed
    RetryPolicy,
    /// Turns what happened into messages
    Notifier,
}

impl Kind {
    fn kind(self) -> PluginKind {
        match self {
            Self::Translator => PluginKind::Translator,
            Self::RetryPolicy => PluginKind::RetryPolicy,
            Self::Notifier => PluginKind::Notifier,
        }
    }
}

impl New {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<ExitCode> {
        check(&self.name)?;
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        refuse_if_used(&folder)?;
        let kind = self.kind.kind();
        for (path, text) in template::files(kind, &self.name) {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            fs::create_dir_all(parent).with_context(|| format!("{} could not be made", parent.display()))?;
            fs::write(&path, text).with_context(|| format!("{} could not be written", path.display()))?;
        }
        writeln!(output.data, "{}", folder.display())?;
        let (name, kind) = (&self.name, kind.noun());
        let folder = folder.display();
        writeln!(
            output.notes,
            "Made the {kind} `{name}` in {folder}. Next:\n\
             \x20 rustup target add wasm32-unknown-unknown   once\n\
             \x20 edit {folder}/src/lib.rs                   what the {kind} does\n\
             \x20 tidegate plugin test {folder}              build it, and run the cases in cases/\n\
             README.md says how to use it."
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

fn check(name: &str) -> Result<(), Hinted> {
    let refuse = |message: String| {
        let hint = "a name is lowercase letters, digits and single hyphens, such as `team-owners`".to_owned();
        Err(Hinted { message, hint })
    };
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !letters || name.len() > 64 || name.split('-').any(str::is_empty) {
        return refuse(format!("a plugin cannot be called `{}`", name.escape_debug()));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return refuse(format!("a plugin cannot be called `{name}`: a name begins with a letter"));
    }
    if TAKEN.contains(&name) || KEYWORDS.contains(&name) {
        return refuse(format!("a plugin cannot be called `{name}`: Rust has another meaning for that name"));
    }
    Ok(())
}

fn refuse_if_used(folder: &Path) -> Result<()> {
    let used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be used", folder.display())),
    };
    if used {
        let message = format!("{} is not empty", folder.display());
        return Err(Hinted { message, hint: "name another folder with `--dir`".to_owned() }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(kind: Kind, name: &str, dir: &Path) -> (Result<ExitCode>, String, String) {
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        let new = New { name: name.to_owned(), dir: Some(dir.to_owned()), kind };
        let result = new.run(&mut Output { data: &mut data, notes: &mut notes });
        (result, String::from_utf8(data).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn a_new_plugin_has_its_name_everywhere_and_the_sdk_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep").join("team-owners");
        let (result, data, notes) = new(Kind::Translator, "team-owners", &folder);
        assert!(result.is_ok());
        assert_eq!(data, format!("{}\n", folder.display()));
        assert!(notes.contains("rustup target add wasm32-unknown-unknown"));
        let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
        assert!(read("Cargo.toml").contains("name = \"team-owners\""));
        assert!(read("README.md").starts_with("# team-owners"));
        assert!(read(".gitignore").contains("/target"));
        assert!(read(".cargo/config.toml").contains("wasm-component-ld"));
        assert!(read("sdk/Cargo.toml").contains("tidegate-plugin"));
        assert!(folder.join("cases").read_dir().unwrap().next().is_some());

        let (result, ..) = new(Kind::Translator, "team-owners", &folder);
        let error = result.unwrap_err();
        assert!(error.to_string().ends_with("is not empty"));
        assert_eq!(super::super::hint(&error).unwrap(), "name another folder with `--dir`");
    }

    #[test]
    fn each_kind_has_its_own_template() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, exports, noun) in [
            (Kind::Translator, "export_translator!", "translator"),
            (Kind::RetryPolicy, "export_retry_policy!", "retry policy"),
            (Kind::Notifier, "export_notifier!", "notifier"),
        ] {
            let folder = dir.path().join(kind.kind().as_str());
            let (result, _, notes) = new(kind, "mine", &folder);
            assert!(result.is_ok() && notes.starts_with(&format!("Made the {noun} `mine`")), "{notes}");
            let text = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
            assert!(text.contains(exports), "{text}");
        }
    }

    #[test]
    fn an_empty_folder_may_be_used() {
        let dir = tempfile::tempdir().unwrap();
        assert!(new(Kind::Translator, "owners", dir.path()).0.is_ok());
    }

    #[test]
    fn names_that_cargo_would_refuse_are_refused_first() {
        for name in [
            "", "a b", "Owners", "-a", "a-", "a--b", "1a", "../x", "a/b", "über", "a\"", "fn", "serde",
            "test",
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        for name in ["a", "team-owners", "dbt2assets"] {
            assert!(check(name).is_ok(), "{name:?}");
        }
    }
}
