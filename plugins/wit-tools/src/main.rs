//! What `cargo xtask plugins` needs to know of the component model, apart from `xtask` itself: compiling this takes twenty
//! seconds that a first `cargo xtask demo` should not wait for.
//!
//! Owns the reading of WIT and of components. Never builds anything and never decides what is right: it writes, compares
//! and prints, and `xtask` judges.
//!
//! ```text
//! wit-tools bindings WIT_FOLDER FILE [--check]    generate the SDK's bindings of one kind of plugin, or compare them
//! wit-tools world COMPONENT.wasm                  print what a component imports and exports, as WIT
//! ```

mod bindings;
mod world;

use anyhow::{Result, bail};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["bindings", wit, file] => bindings::write(Path::new(wit), Path::new(file)),
        ["bindings", wit, file, "--check"] => bindings::check(Path::new(wit), Path::new(file)),
        ["world", component] => {
            print!("{}", world::of_file(Path::new(component))?);
            Ok(())
        }
        _ => bail!("usage: wit-tools bindings WIT_FOLDER FILE [--check] | wit-tools world COMPONENT.wasm"),
    }
}
