//! The SDK's bindings: generated from a WIT folder, written to a file or compared with it.
//!
//! Owns the generator's options. Never edits what the generator gives: the SDK's hand-written modules adapt it.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

/// Generates the bindings of the WIT folder's one world into `file`.
pub fn write(wit: &Path, file: &Path) -> Result<()> {
    let text = generate(wit, file)?;
    if fs::read_to_string(file).is_ok_and(|known| known == text) {
        println!("{} is up to date", file.display());
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("could not write {}", file.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

/// Fails where `file` is not what the generator would write.
pub fn check(wit: &Path, file: &Path) -> Result<()> {
    let fresh = generate(wit, file)?;
    let known = fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    match first_difference(&known, &fresh) {
        None => {
            println!("{} matches {}", file.display(), wit.display());
            Ok(())
        }
        Some(line) => bail!(
            "{} does not match {}: they differ from line {line} on\nhint: `cargo xtask plugins bindings` writes it anew",
            file.display(),
            wit.display()
        ),
    }
}

/// The number of the first line that differs, from 1.
fn first_difference(known: &str, fresh: &str) -> Option<usize> {
    if known == fresh {
        return None;
    }
    let same = known.lines().zip(fresh.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

fn generate(wit: &Path, file: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) =
        resolve.push_path(wit).with_context(|| format!("{} does not hold a WIT package", wit.display()))?;
    let world = resolve
        .select_world(&[package], None)
        .with_context(|| format!("{} should hold one world", wit.display()))?;
    let module = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .with_context(|| format!("{} has no name for a module", file.display()))?;

    let options = wit_bindgen_rust::Opts {
        // Its formatter is part of the generator: the bytes do not depend on whose rustfmt is installed.
        format: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        // The SDK's own macros call this one from an author's crate, which knows no crate but the SDK.
        export_macro_name: Some("export_component".to_owned()),
        pub_export_macro: true,
        default_bindings_module: Some(format!("$crate::bindings::{module}")),
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let mut files = files.iter();
    let (Some((_, text)), None) = (files.next(), files.next()) else {
        bail!("the generator should give one file for {}", wit.display());
    };
    Ok(String::from_utf8(text.to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a", "a\n"), Some(2));
        assert_eq!(first_difference("", "a"), Some(1));
    }

    #[test]
    fn a_change_of_the_contract_is_noticed() {
        let folder = std::env::temp_dir().join(format!("tidegate-wit-tools-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let wit = folder.join("kind.wit");
        let file = folder.join("kind.rs");
        let contract = "package a:b@0.1.0;\nworld kind { export go: func() -> string; }\n";

        fs::write(&wit, contract).unwrap();
        write(&wit, &file).unwrap();
        check(&wit, &file).unwrap();
        fs::write(&wit, contract.replace("string", "u32")).unwrap();
        let error = check(&wit, &file).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();

        assert!(error.contains("does not match"), "{error}");
        assert!(error.contains("hint: `cargo xtask plugins bindings`"), "{error}");
    }
}
