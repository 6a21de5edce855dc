//! What a component imports and exports, read from its bytes.
//!
//! Owns the printed form. Never runs or compiles a component.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use wit_component::{DecodedWasm, WitPrinter, decode};

/// The world of a component as WIT text.
pub fn of_file(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    of(&bytes).with_context(|| format!("{} is not a component that can be read", path.display()))
}

fn of(bytes: &[u8]) -> Result<String> {
    // The two have the same magic number, and the decoder's own words for a module are no help.
    if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
        bail!("it is a core module: it was linked without wasm-component-ld");
    }
    let DecodedWasm::Component(resolve, world) = decode(bytes)? else {
        bail!("it is a WIT package");
    };
    let main = resolve.worlds[world].package.context("its world is in no package")?;
    let others: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|&id| id != main).collect();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, main, &others)?;
    Ok(printer.output.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_module_is_named_as_such() {
        let error = of(b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(error.contains("without wasm-component-ld"), "{error}");
    }

    #[test]
    fn an_empty_component_imports_and_exports_nothing() {
        let text = of(b"\0asm\x0d\0\x01\0").unwrap();
        assert!(text.contains("world root"), "{text}");
        assert!(!text.contains("import") && !text.contains("export"), "{text}");
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(of(b"").is_err());
        assert!(of(b"not wasm at all").is_err());
    }
}
